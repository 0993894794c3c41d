import type { Logger } from "@aws-lambda-powertools/logger";
import type { KMSClient } from "@aws-sdk/client-kms";
import type { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { PublishCommand, type SNSClient } from "@aws-sdk/client-sns";
import type { Fetch } from "../../shared/ask";
import { Busy } from "../../shared/hints";
import { OVERVIEW_PAGE, runPage } from "../../shared/page-links";
import {
  type ApprovalReport,
  type DriftReport,
  type NewsKind,
  type Overview,
  type RunReport,
  type RunSummary,
  successorOf,
  verdictOf,
} from "../../shared/run-report";
import { postToChat } from "./chat";
import { Claims, fitting, type News } from "./claims";
import { COMMIT_ID, commitOf } from "./commit";
import { type Execution, hasEnded, readExecution } from "./execution";
import { GitHub, type Status } from "./github";
import { pageLink } from "./page-links";
import { Redaction } from "./redact";
import { type Reading, type RunClients, readRun, waitingApprovals } from "./run";
import { readSecrets, type Secret, type Secrets } from "./secrets";
import { Store } from "./store";
import { type Outcomes, summaryOf, withSummary } from "./summary";
import type { Task } from "./task";

/** So long after a pipeline has changed, its restart's source is there. A message comes again after twelve minutes. */
const RESTART_MILLISECONDS = 10 * 60 * 1000;

/** How many of a pipeline's runs the overview shows. */
const SHOWN = 30;

interface Mail {
  readonly subject: string;
  readonly text: string;
}

/** How it is worded. */
export interface Wording {
  readonly runMail: (run: RunReport) => Mail;
  readonly approvalMail: (approval: ApprovalReport) => Mail;
  readonly driftMail: (drift: DriftReport) => Mail;
  readonly runChat: (run: RunReport) => object;
  readonly approvalChat: (approval: ApprovalReport) => object;
  readonly driftChat: (drift: DriftReport) => object;
  readonly runStatus: (run: RunReport) => Status;
  readonly runPage: (run: RunReport) => string;
  readonly overviewPage: (overview: Overview) => string;
}

export interface Clients extends RunClients {
  readonly sns: Pick<SNSClient, "send">;
  readonly secrets: Pick<SecretsManagerClient, "send">;
  readonly kms: Pick<KMSClient, "send">;
  readonly fetch: Fetch;
}

/** What the function has at hand while it handles a batch. */
export interface Desk {
  readonly task: Task;
  readonly clients: Clients;
  readonly wording: Wording;
  readonly now: () => Date;
  readonly log: Pick<Logger, "info" | "warn" | "error">;
}

/**
 * Tells what is due of an execution, as it is now.
 *
 * @throws Error where something could not be told, after all else was; Busy where somebody else is at it
 */
export async function tellRun(desk: Desk, pipeline: string, id: string): Promise<void> {
  const { task, clients, now } = desk;
  const name = task.pipelines[pipeline]!.pipeline;
  const store = new Store(clients.s3, task.bucket);
  const claims = new Claims(store, `state/${pipeline}/${id}.json`, now);
  let execution = await readExecution(clients.codepipeline, name, id);
  if (!execution) {
    desk.log.warn(`There is no execution ${id} of ${name} any more: nothing is told of it`);
    return;
  }
  const record = await claims.read();
  // Somebody has told of an end: either that came after it was looked at, or the run goes on after it.
  if (record.ended && record.ended !== endOf(execution))
    execution = (await readExecution(clients.codepipeline, name, id)) ?? execution;
  const telling = new RunTelling(desk, store, pipeline, execution);
  const fits = fitting(record, endOf(execution));
  // Of one that goes on after its end that is noted, too: it may end once more, and in the same way.
  const isDue = Claims.due(fits, telling.due());
  if (isDue || fits !== record)
    await claims.tell(isDue ? await telling.news() : [], endOf(execution), record);
}

const endOf = ({ ended, status }: Execution) => (ended ? status : undefined);

/** What is told of one execution. */
class RunTelling {
  constructor(
    private readonly desk: Desk,
    private readonly store: Store,
    private readonly pipeline: string,
    private readonly execution: Execution,
  ) {}

  /** What would be told of it, told or not. */
  due(): Due[] {
    const { execution } = this;
    const approvals = execution.actions.filter(({ isApproval }) => isApproval);
    if (execution.ended)
      return [
        { way: "page", key: "page:finished", notWhile: approvals.map(({ id }) => `page:approval:${id}`) },
        ...this.messages("finished"),
        ...(this.hasStatus() ? [{ way: "status", key: FINAL, notWhile: [PENDING] } as const] : []),
      ];
    return [
      ...(this.hasStatus() ? [{ way: "status", key: PENDING } as const] : []),
      ...waitingApprovals(execution).flatMap(({ id }): Due[] => [
        // First, so that links lead somewhere.
        { way: "page", key: `page:approval:${id}` },
        ...this.messages(`approval:${id}`, id),
      ]),
    ];
  }

  async news(): Promise<News[]> {
    const { desk, execution, pipeline } = this;
    const { task, clients } = desk;
    const secrets = await readSecrets(clients.secrets, task);
    const { value: runs = [] } = await this.store.read<readonly RunSummary[]>(runsKey(pipeline));
    const due = this.due();
    const reading = await readRun(clients, execution, {
      task,
      pipeline,
      runs,
      redaction: new Redaction([secrets.token.value, secrets.webhook.value]),
      author: (commit) => this.author(secrets, commit),
      page: await this.page(),
      now: desk.now(),
      inFull: due.some(({ key }) => key !== PENDING),
    });
    this.awaitSuccessor(reading);
    return due.map((one) => ({ ...one, tell: () => this.tell(one, reading, secrets) }));
  }

  /**
   * A pipeline that brings itself up to date may have CodePipeline end the run that does so, and starts the one that goes on
   * only when all is applied.
   *
   * @throws Busy as long as that one may come
   */
  private awaitSuccessor({ report, isRepeated }: Reading): void {
    if (!this.execution.isCancelled || isRepeated) return;
    const since = this.desk.now().getTime() - Date.parse(report.ended ?? "");
    if (since < RESTART_MILLISECONDS)
      throw new Busy(`Another run may go on in the place of ${report.execution}`);
  }

  private messages(what: string, approval?: string): Due[] {
    const { chat } = this.desk.task;
    const isForChat = chat && (chat.pipelines?.includes(this.pipeline) ?? true);
    return [
      { way: "mail", key: `mail:${what}`, approval },
      ...(isForChat ? [{ way: "chat", key: `chat:${what}`, approval } as const] : []),
    ];
  }

  private hasStatus(): boolean {
    const { statuses, tokenSecret } = this.desk.task;
    return statuses && tokenSecret !== undefined && commitOf(this.execution) !== undefined;
  }

  private async tell(due: Due, reading: Reading, secrets: Secrets): Promise<void> {
    const { desk, pipeline } = this;
    const { wording } = desk;
    const { report } = reading;
    const approval = due.approval === undefined ? undefined : reading.approvals.get(due.approval);
    const kind = approval ? "approval" : kindOf(reading);
    switch (due.way) {
      case "page":
        return this.writePages(report, reading.environments);
      case "mail":
        return publish(
          desk,
          approval ? wording.approvalMail(approval) : wording.runMail(report),
          kind,
          pipeline,
        );
      case "chat":
        return chat(desk, secrets.webhook, kind, () =>
          approval ? wording.approvalChat(approval) : wording.runChat(report),
        );
      case "status":
        return this.setStatus(due.key, reading, secrets);
    }
  }

  private async setStatus(key: string, { report, isRepeated }: Reading, { token }: Secrets): Promise<void> {
    const { wording, clients } = this.desk;
    // What a newer run says of the same commit stays.
    if (isRepeated || !COMMIT_ID.test(report.commit.id)) return;
    // Now that it is claimed: whoever tells its end waits for this.
    if (key === PENDING && (await hasEnded(clients.codepipeline, this.execution))) return;
    await this.github(token).setStatus(report.commit.id, wording.runStatus(report));
  }

  /** @throws where there is no token */
  private github({ value, problem }: Secret): GitHub {
    const { clients, task } = this.desk;
    if (value === undefined) throw problem ?? new Error("There is no token");
    return new GitHub(clients.fetch, task.githubApi, task.repository, value);
  }

  /** The link to its page; without one, messages lead to the console alone. */
  private async page(): Promise<string | undefined> {
    const { desk, pipeline, execution } = this;
    const { pages, project } = desk.task;
    if (!pages) return undefined;
    try {
      const run = { pipeline, execution: execution.id };
      return await pageLink(desk.clients.kms, project, pages, run, desk.now());
    } catch (error) {
      desk.log.warn(`No link to its page can be signed: ${(error as Error).name}`, error as Error);
      return undefined;
    }
  }

  /** Who wrote it, as far as GitHub tells: nothing waits for that. */
  private async author({ token }: Secrets, commit: string) {
    if (token.value === undefined) return {};
    try {
      return await this.github(token).author(commit);
    } catch (error) {
      this.desk.log.warn(`Who wrote ${commit} is not known: ${(error as Error).message}`);
      return {};
    }
  }

  private async writePages(report: RunReport, environments: Outcomes): Promise<void> {
    const { desk, store, pipeline } = this;
    await store.update<readonly RunSummary[]>(runsKey(pipeline), (runs = []) =>
      withSummary(runs, summaryOf(report, environments)),
    );
    if (!desk.task.pages) return;
    await store.writePage(runPage(pipeline, report.execution), desk.wording.runPage(report));
    await writeOverview(desk, store);
  }
}

const PENDING = "status:pending";
const FINAL = "status:final";

interface Due extends Omit<News, "tell"> {
  readonly way: "page" | "mail" | "chat" | "status";
  /** Of the approval's action execution. @default - it is of the run */
  readonly approval?: string;
}

const runsKey = (pipeline: string) => `state/${pipeline}/runs.json`;

/** One that goes on in another run, because the pipeline had changed, is no failure: nobody has to do anything. */
function kindOf({ report, isRepeated }: Reading): NewsKind {
  const status = verdictOf(report);
  if (status === "succeeded") return "success";
  const goesOn = status === "stopped" && (isRepeated || successorOf(report) !== undefined);
  return status === "superseded" || goesOn ? "superseded" : "failure";
}

/**
 * Publishes a mail. Each subscription chooses by itself, by what the message's attributes say.
 *
 * @param pipeline none of what is of no pipeline
 */
export async function publish(
  { task, clients }: Desk,
  { subject, text }: Mail,
  kind: NewsKind,
  pipeline?: string,
): Promise<void> {
  const attribute = (value: string) => ({ DataType: "String", StringValue: value });
  await clients.sns.send(
    new PublishCommand({
      TopicArn: task.topic,
      Subject: subject,
      Message: text,
      MessageAttributes: {
        kind: attribute(kind),
        ...(pipeline !== undefined && { pipeline: attribute(pipeline) }),
      },
    }),
  );
}

/** Posts to the chat, where that wants to hear of it. */
export async function chat(
  { task, clients }: Desk,
  { value, problem }: Secret,
  kind: NewsKind,
  message: () => object,
): Promise<void> {
  if (!task.chat || !(task.chat.events?.includes(kind) ?? true)) return;
  if (value === undefined) throw problem ?? new Error("There is no webhook");
  await postToChat(clients.fetch, value, task.chat.secret, message());
}

/** Writes the page of all pipelines. */
export async function writeOverview({ task, wording, now }: Desk, store: Store): Promise<void> {
  await store.updatePage(OVERVIEW_PAGE, async () => {
    const drift = await store.read<DriftState>(DRIFT_KEY);
    const pipelines = await Promise.all(
      Object.entries(task.pipelines).map(async ([name, { branch, environments }]) => {
        const { value: runs = [] } = await store.read<readonly RunSummary[]>(runsKey(name));
        return { name, branch, environments, runs: runs.slice(0, SHOWN) };
      }),
    );
    return wording.overviewPage({
      project: task.project,
      when: now().toISOString(),
      pipelines,
      drifted: task.driftProject && drift.value ? stillDrifted(drift.value, pipelines) : [],
    });
  });
}

/** What somebody changed by hand, the next deployment undoes. */
const stillDrifted = ({ when, environments }: DriftState, pipelines: Overview["pipelines"]) =>
  environments.filter((environment) =>
    pipelines
      .flatMap(({ runs }) => runs.flatMap((run) => run.environments[environment] ?? []))
      .every((deployed) => deployed.outcome === "failed" || Date.parse(deployed.when) <= Date.parse(when)),
  );

export const DRIFT_KEY = "state/drift.json";

/** What was last found. */
export interface DriftState {
  readonly when: string;
  /** That differ from what was released to them. */
  readonly environments: readonly string[];
}
