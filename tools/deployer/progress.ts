import { z } from "zod";

/** Changes of a stack, as Terraform counts them. */
export interface Changes {
  readonly add: number;
  readonly change: number;
  readonly destroy: number;
}

/** One step of Terraform's, of those that people care for. */
export type Progress =
  | { readonly is: "planned"; readonly changes: Changes }
  | { readonly is: "began"; readonly address: string; readonly words: string }
  | { readonly is: "ended"; readonly address: string; readonly words: string }
  | { readonly is: "applied"; readonly changes: Changes }
  | { readonly is: "warning"; readonly words: string }
  | { readonly is: "error"; readonly words: string };

const summary = z.object({
  type: z.literal("change_summary"),
  changes: z.object({
    add: z.number(),
    change: z.number(),
    remove: z.number(),
    operation: z.string(),
  }),
});
const hook = z.object({
  "@message": z.string(),
  type: z.enum(["apply_start", "apply_complete", "apply_errored"]),
  // What is only read is no change, and not counted as one.
  hook: z.object({
    resource: z.object({ addr: z.string() }),
    action: z.string().refine((one) => one !== "read"),
  }),
});
const diagnostic = z.object({
  type: z.literal("diagnostic"),
  diagnostic: z.object({
    severity: z.enum(["error", "warning"]),
    summary: z.string(),
    detail: z.string().default(""),
    address: z.string().optional(),
  }),
});
const step = z.union([summary, hook, diagnostic]);

/**
 * Reads a line of what `terraform apply -json` prints.
 *
 * @returns undefined for what nobody needs to know, and for what is no such line
 */
export function readProgress(line: string): Progress | undefined {
  const parsed = step.safeParse(jsonOf(line));
  if (!parsed.success) return undefined;
  const { data } = parsed;
  switch (data.type) {
    case "change_summary": {
      const { add, change, remove, operation } = data.changes;
      return {
        is: operation === "plan" ? "planned" : "applied",
        changes: { add, change, destroy: remove },
      };
    }
    case "diagnostic": {
      const { severity, summary, detail, address } = data.diagnostic;
      return {
        is: severity,
        words: [summary, address && `with ${address}`, detail].filter(Boolean).join("\n"),
      };
    }
    default: {
      const { addr: address } = data.hook.resource;
      return { is: data.type === "apply_start" ? "began" : "ended", address, words: data["@message"] };
    }
  }
}

function jsonOf(line: string): unknown {
  if (!line.startsWith("{")) return undefined;
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

export const changesText = ({ add, change, destroy }: Changes) =>
  `${add} added, ${change} changed, ${destroy} destroyed`;

export const isNoChange = ({ add, change, destroy }: Changes) => add + change + destroy === 0;
