import type { Settings } from "../../settings";

/** What a stack holds, for people. */
export interface StackSummary {
  readonly name: string;
  readonly account: string;
  readonly resources: number;
  /** Addresses of services and functions, by their name; and what is warned of. */
  readonly addresses: Readonly<Record<string, string>>;
}

/** Values of `terraform output -json`; none where it printed none. */
export function readOutputs(output: string): Record<string, string> {
  const start = output.indexOf("{");
  if (start < 0) return {};
  const parsed = JSON.parse(output.slice(start)) as Record<string, { value: unknown }>;
  return Object.fromEntries(Object.entries(parsed).map(([name, { value }]) => [name, String(value)]));
}

/** @param list what `terraform state list` printed */
export function summarize(
  name: string,
  settings: Settings,
  list: string,
  outputs: Record<string, string>,
): StackSummary {
  const environment = settings.environments[name.replace(/^access-/, "")];
  const addresses = Object.entries(outputs).flatMap(([output, value]): [string, string][] => {
    if (output.startsWith("warning_")) return [["warning", value]];
    const [, kind, thing] = /^(service|function)_(.+)_url$/.exec(output) ?? [];
    return kind ? [[`${kind} ${thing}`, value]] : [];
  });
  return {
    name,
    account: environment?.account ?? settings.account,
    resources: list.split("\n").filter((line) => /^aws_/.test(line.trim())).length,
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
