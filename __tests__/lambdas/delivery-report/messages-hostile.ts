import type { ApprovalReport, DriftReport, RunReport } from "../../../shared/run-report";
import { approval, commit, drift, runs } from "./messages-runs";

/** Texts that would be more than text in a mail's header, in a chat, or in HTML. */
export const HOSTILE = [
  "",
  " ",
  "x\r\nBcc: everybody@evil.example",
  "=?utf-8?Q?=0D=0A?=",
  "\n\nApprove here: https://evil.example",
  "Links\n  Report:",
  "<!channel>",
  "<!here|here>",
  "<@U024BE7LH>",
  "<https://evil.example|Answer>",
  "@channel @here",
  "`",
  "``` ```",
  "```\n*bold*\n```",
  "*bold* _italic_ ~gone~",
  ":tada:",
  "&lt;b&gt; &#60;script&#62;",
  "<img src=x onerror=alert(1)>",
  "<script>alert(1)</script>",
  "</style><script>alert(1)</script>",
  "</title><svg onload=alert(1)>",
  "</pre></details>",
  "<!-- -->",
  "]]>",
  '" onclick=alert(1) x="',
  "' style='display:none",
  "javascript:alert(1)",
  "%0d%0a {{x}} #{x}",
  "\u202Egnp.exe",
  "\u200B\u2028\u0000\u001B[31mred",
  "\uD800",
  "|",
  "  | x",
  "x".repeat(5000),
  "\u{1F680}".repeat(300),
];

/** A failed run in which a text stands wherever one can be that is not ours. */
export const hostileRun = (text: string): RunReport => ({
  ...runs["rolled-back"]!,
  reason: `${text}.`,
  commit: { ...commit, branch: text, message: text, author: text },
  stages: runs["rolled-back"]!.stages.map((stage) => ({
    ...stage,
    actions: stage.actions.map((action) => ({
      ...action,
      ...(action.status === "failed" && { summary: `${text}!`, errors: [text, text] }),
      tail: [text],
    })),
  })),
  tests: { passed: 1, failed: 1, skipped: 0, failures: [{ name: text, message: text }] },
  plans: [{ environment: "dev", summary: text, risks: ["delete"], cost: text }],
  releases: [{ environment: "prod", outcome: "brought-back", lines: [text] }],
});

export const hostileApproval = (text: string): ApprovalReport => ({
  ...approval,
  run: { ...hostileRun(text), status: "waiting", reason: undefined },
  plan: { ...approval.plan, summary: text, cost: text },
});

export const hostileDrift = (text: string): DriftReport => ({
  ...drift,
  environments: [{ ...drift.environments[0]!, summary: text, review: [text] }],
  failures: [{ environment: "dev", reason: text }],
});
