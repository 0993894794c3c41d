import type { EnvironmentOutcome, Overview, RunSummary } from "../../../shared/run-report";

const HOUR = 3_600_000;
const NOW = Date.parse("2026-11-21T12:00:00.000Z");

const ago = (hours: number) => new Date(NOW - hours * HOUR).toISOString();

const MESSAGES = [
  "Accept orders without a customer's number",
  "Show the price with its currency",
  "Answer 404 for an order that is not there",
  "Bring the base image up to date",
  "Keep a cart for thirty days",
  "Write the log as JSON",
];
const AUTHORS = ["Ana Gómez", "Björn Aalto", "Chidi Okoro"];

/** A run that began so many hours ago. What it did not come to, it has not. */
function run(
  index: number,
  hours: number,
  status: RunSummary["status"],
  minutes: number,
  environments: Record<string, EnvironmentOutcome>,
): RunSummary {
  const id = (0xc0ffee1 + 7919 * index).toString(16).padStart(7, "0").repeat(6).slice(0, 40);
  const end = ago(hours - minutes / 60);
  return {
    pipeline: "main",
    execution: `00000000-0000-4000-8000-${String(index).padStart(12, "0")}`,
    status,
    started: ago(hours),
    ended: status === "running" || status === "waiting" ? undefined : end,
    commit: {
      id,
      branch: "main",
      message: MESSAGES[index % MESSAGES.length]!,
      author: AUTHORS[index % AUTHORS.length],
      when: ago(hours + 0.3 + 0.9 * (index % 5)),
      url: `https://github.com/acme/hello/commit/${id}`,
    },
    stageSeconds: {},
    environments: Object.fromEntries(
      Object.entries(environments).map(([name, outcome]) => [name, { outcome, when: end }]),
    ),
  };
}

const both = { dev: "verified", prod: "verified" } as const;

/** Three environments: one that is well, one that went back, one to which nothing was deployed. */
export const overview: Overview = {
  project: "hello",
  when: new Date(NOW).toISOString(),
  pipelines: [
    {
      name: "main",
      branch: "main",
      environments: ["dev", "prod"],
      runs: [
        run(1, 0.3, "waiting", 0, { dev: "verified" }),
        run(2, 5, "failed", 46, { dev: "verified", prod: "brought-back" }),
        run(3, 21, "succeeded", 38, both),
        run(4, 26, "failed", 6, {}),
        run(5, 29, "superseded", 9, { dev: "verified" }),
        run(6, 47, "succeeded", 41, both),
        run(7, 52, "succeeded", 52, both),
        run(8, 70, "failed", 33, { dev: "verified", prod: "failed" }),
        run(9, 74, "succeeded", 36, both),
        run(10, 92, "stopped", 12, {}),
        ...Array.from({ length: 17 }, (_, index) =>
          run(11 + index, 96 + 6 * index, "succeeded", 31 + ((index * 13) % 24), both),
        ),
        run(28, 204, "failed", 4, {}),
        run(29, 210, "succeeded", 44, both),
        run(30, 220, "succeeded", 29, both),
      ],
    },
    { name: "hotfix", branch: "hotfix/*", environments: ["prod"], runs: [] },
    { name: "lab", branch: "develop", environments: ["lab"], runs: [] },
  ],
  drifted: ["dev"],
};
