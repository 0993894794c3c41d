import type { Build } from "@aws-sdk/client-codebuild";
import { logUrl } from "../../shared/console-links";
import type { DriftReport } from "../../shared/run-report";
import * as z from "../../shared/zod";
import { readBuilds } from "./builds";
import { Claims } from "./claims";
import { Redaction } from "./redact";
import { readSecrets } from "./secrets";
import { Store } from "./store";
import { chat, type Desk, DRIFT_KEY, type DriftState, publish, writeOverview } from "./tell";

/** What a build that looks for drift exports: "none", or the key of its report in the bucket. */
const RESULT = "DRIFT_RESULT";
const REPORT_KEY = /^drift\/[\w:.-]{1,300}\.json$/;

/** Stands for all of them, where the build itself failed. */
const ALL = "all environments";

const driftReport: z.ZodMiniType<DriftReport> = z.object({
  project: z.string(),
  when: z.iso.datetime(),
  environments: z.array(
    z.object({
      environment: z.string(),
      summary: z.string(),
      review: z.array(z.string()),
      reviewUrl: z.optional(z.string()),
    }),
  ),
  failures: z.array(z.object({ environment: z.string(), reason: z.string() })),
});

/**
 * Tells what a build found that compared environments with what was released to them; nothing while it runs.
 *
 * @throws as telling a run does
 */
export async function tellDrift(desk: Desk, id: string): Promise<void> {
  const { task, clients, wording, now } = desk;
  const build = (await readBuilds(clients, [id])).get(id);
  if (!build) {
    desk.log.warn(`There is no build ${id} any more: nothing is told of it`);
    return;
  }
  if (!build.buildComplete) return;
  const store = new Store(clients.s3, task.bucket);
  const claims = new Claims(store, `state/drift/${id.replace(":", "/")}.json`, now);
  const keys = ["page:drift", "mail:drift", ...(task.chat ? ["chat:drift"] : [])];
  if (
    !Claims.due(
      await claims.read(),
      keys.map((key) => ({ key })),
    )
  )
    return;

  const secrets = await readSecrets(clients.secrets, task);
  const redaction = new Redaction([secrets.token.value, secrets.webhook.value]);
  const report = redaction.all(await readReport(store, desk, build));
  const isNews = report.environments.length + report.failures.length > 0;
  const kind = report.environments.length ? "drift" : "failure";
  const ways: Readonly<Record<string, () => Promise<void>>> = {
    "page:drift": async () => {
      await store.update<DriftState>(DRIFT_KEY, (before) => after(before, report));
      if (task.pages) await writeOverview(desk, store);
    },
    "mail:drift": async () => {
      if (isNews) await publish(desk, wording.driftMail(report), kind);
    },
    "chat:drift": async () => {
      if (isNews) await chat(desk, secrets.webhook, kind, () => wording.driftChat(report));
    },
  };
  await claims.tell(keys.map((key) => ({ key, tell: ways[key]! })));
}

/** What is known of drift after a report. What could not be compared is as it was last found. */
function after(before: DriftState | undefined, report: DriftReport): DriftState | undefined {
  // Two builds may end in another order than they began in.
  if (before && before.when > report.when) return undefined;
  const failed = report.failures.map(({ environment }) => environment);
  const stays = (before?.environments ?? []).filter((one) => failed.includes(one) || failed.includes(ALL));
  const found = report.environments.map(({ environment }) => environment);
  return { when: report.when, environments: [...new Set([...stays, ...found])].sort() };
}

async function readReport(store: Store, { task, now }: Desk, build: Build): Promise<DriftReport> {
  const { id = "", buildStatus, exportedEnvironmentVariables = [] } = build;
  const when = (build.endTime ?? now()).toISOString();
  const nothing: DriftReport = { project: task.project, when, environments: [], failures: [] };
  const failed = (reason: string): DriftReport => ({
    ...nothing,
    failures: [{ environment: ALL, reason: `${reason} (${logUrl(task, id)})` }],
  });
  const result = exportedEnvironmentVariables.find(({ name }) => name === RESULT)?.value;
  if (result === "none") return nothing;
  if (!result || !REPORT_KEY.test(result))
    return failed(`The build that compares them ended as ${buildStatus}, and said nothing`);
  const { value } = await store.read<unknown>(result);
  const { data } = driftReport.safeParse(value);
  return data ?? failed(`The build that compares them left no report at ${result}`);
}
