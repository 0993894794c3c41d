import { basename } from "node:path";

/** What Terraform finds, as `-json` gives it. */
export interface Diagnostic {
  readonly severity: "error" | "warning";
  readonly summary: string;
  readonly detail?: string;
  /** Of the resource, such as `module.dev.aws_vpc.network`. */
  readonly address?: string;
  readonly range?: { readonly filename: string; readonly start: { readonly line: number } };
  readonly snippet?: {
    /** Where in the file it is, such as `resource.aws_vpc.network`. */
    readonly context: string | null;
    readonly code: string;
    readonly start_line: number;
    readonly values?: readonly { readonly traversal: string; readonly statement: string }[] | null;
  } | null;
}

export const isError = ({ severity }: Diagnostic) => severity === "error";

/** The errors and warnings of `terraform init -json`, which tells in lines what it does. */
export const diagnosticsOfInit = (output: string): Diagnostic[] =>
  output
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as { type?: string; diagnostic: Diagnostic })
    .filter(({ type }) => type === "diagnostic")
    .map(({ diagnostic }) => diagnostic);

/** A diagnostic in words, as Terraform has them without `-json`, and without the frame. */
export function words({ severity, summary, detail, address, range, snippet }: Diagnostic): string {
  const place: string[] = [];
  if (address) place.push(`with ${address}`);
  if (range) {
    const context = snippet?.context ? `, in ${snippet.context}` : "";
    place.push(`on ${basename(range.filename)} line ${range.start.line}${context}`);
  }
  const code = snippet
    ? snippet.code.split("\n").map((line, index) => `  ${snippet.start_line + index}: ${line}`)
    : [];
  const values = (snippet?.values ?? []).map(({ traversal, statement }) => `    ${traversal} ${statement}`);
  const where = place.length ? [`  ${place.join(",\n  ")}:`, ...code, ...values].join("\n") : "";
  const title = `${severity === "error" ? "Error" : "Warning"}: ${summary}`;
  return [title, where, detail?.trim() ?? ""].filter(Boolean).join("\n\n");
}
