import type { Settings } from "../../settings";

/** What a stack holds, for people. */
export interface StackSummary {
  readonly name: string;
  readonly account: string;
  readonly resources: number;
  /** Addresses of services and functions, by their name; and what is warned of. */
  readonly addresses: Readonly<Record<string, string>>;
}

/**
 * @param resources addresses of what its state holds
 * @param outputs what it put out
 */
export function summarize(
  name: string,
  settings: Settings,
  resources: readonly string[],
  outputs: Readonly<Record<string, unknown>>,
): StackSummary {
  const environment = settings.environments[name.replace(/^access-/, "")];
  const addresses = Object.entries(outputs).flatMap(([output, value]): [string, string][] => {
    if (output.startsWith("warning_")) return [["warning", String(value)]];
    const [, kind, thing] = /^(service|function)_(.+)_url$/.exec(output) ?? [];
    return kind ? [[`${kind} ${thing}`, String(value)]] : [];
  });
  return {
    name,
    account: environment?.account ?? settings.account,
    resources: resources.filter((address) => address.startsWith("aws_")).length,
    addresses: Object.fromEntries(addresses),
  };
}

/** The stacks as lines of text, each address below its stack. */
export function table(stacks: readonly StackSummary[]): string {
  const width = Math.max(5, ...stacks.map(({ name }) => name.length));
  const lines = [`${"stack".padEnd(width)}  account       resources`];
  for (const { name, account, resources, addresses } of stacks) {
    lines.push(`${name.padEnd(width)}  ${account}  ${String(resources).padStart(9)}`);
    for (const [thing, address] of Object.entries(addresses))
      lines.push(`${" ".repeat(width)}  ${thing}: ${address}`);
  }
  return lines.join("\n");
}
