import type { CodePipelineClient } from "@aws-sdk/client-codepipeline";
import type { S3Client } from "@aws-sdk/client-s3";
import { approvalUrl, executionUrl, logUrl } from "../../shared/console-links";
import { applyName, approvedBy, planName, releaseName, verifyName } from "../../shared/names";
import {
  type ActionReport,
  type ApprovalReport,
  goesOnIn,
  type PlanReport,
  type ReleaseReport,
  type RunReport,
  type RunSummary,
  type StageReport,
  type StepStatus,
} from "../../shared/run-report";
import { type BuildClients, type Log, readBuilds, readLogs, readTests } from "./builds";
import { commitOf, readCommit } from "./commit";
import {
  type ActionRun,
  type DeclaredStage,
  type Execution,
  readNewest,
  readStages,
  readToken,
} from "./execution";
import type { Redaction } from "./redact";
import { readRelease } from "./release";
import { environmentOutcome, historyOf, type Outcomes } from "./summary";
import type { Task } from "./task";

const LONGEST_SUMMARY = 500;
const LONGEST_WORD = 40;
/** The review knows fewer. */
const MOST_RISKS = 20;

export interface RunClients extends BuildClients {
  readonly codepipeline: Pick<CodePipelineClient, "send">;
  /** Reads what releases leave. */
  readonly s3: Pick<S3Client, "send">;
}

export interface RunInputs {
  readonly task: Task;
  /** As the settings name it. */
  readonly pipeline: string;
  /** What is known of the pipeline's runs. */
  readonly runs: readonly RunSummary[];
  readonly redaction: Redaction;
  /** Who wrote a commit, as its host knows it. */
  readonly author: (commit: string) => Promise<{ readonly name?: string; readonly date?: string }>;
  /** The link to its page. @default - there are no pages, or it cannot be signed */
  readonly page?: string;
  readonly now: Date;
  /** Whether logs, tests and releases are read too; the beginning of a run has none of them. */
  readonly inFull: boolean;
}

/** A run, and what it waits for. */
export interface Reading {
  readonly report: RunReport;
  /** By the id of the approval's action execution. */
  readonly approvals: ReadonlyMap<string, ApprovalReport>;
  readonly environments: Outcomes;
  /** Whether a newer execution of the pipeline is of the same commit: what becomes of that is for that to tell. */
  readonly isRepeated: boolean;
}

/** Reads all that is told of an execution; what it returns holds no credential. */
export async function readRun(
  clients: RunClients,
  execution: Execution,
  inputs: RunInputs,
): Promise<Reading> {
  const { task, pipeline, runs, redaction, page, now } = inputs;
  const { branch, environments } = task.pipelines[pipeline]!;
  const { actions } = execution;
  const commit = commitOf(execution);
  const [declared, newest, author, builds] = await Promise.all([
    readStages(clients.codepipeline, execution),
    readNewest(clients.codepipeline, execution.pipeline),
    commit ? inputs.author(commit) : {},
    readBuilds(clients, inputs.inFull ? triesOf(actions).flatMap(({ build }) => build ?? []) : []),
  ]);
  const place = newest.findIndex(({ pipelineExecutionId }) => pipelineExecutionId === execution.id);
  const listed = newest[place];
  const started = (listed?.startTime ?? actions[0]?.firstStarted ?? now).toISOString();
  const history = historyOf(runs, started, branchOf(execution) ?? branch);
  const logs = await readLogs(clients, builds, redaction);
  const last = actions.flatMap(({ build = "" }) => builds.get(build) ?? []);
  const { tests, lines } = await readTests(clients, last, redaction);
  const stages = stagesOf(declared, execution, logs, inputs, history.medians);
  const releases = inputs.inFull ? await releasesOf(clients, environments, actions, logs, redaction) : [];
  const newer = newest
    .slice(0, Math.max(0, place))
    .find(({ sourceRevisions = [] }) => sourceRevisions.some(({ revisionId }) => revisionId === commit));
  const isRepeated = commit !== undefined && newer !== undefined;
  const reason =
    execution.isCancelled && isRepeated
      ? goesOnIn(newer.pipelineExecutionId ?? "")
      : reasonOf(execution, listed?.stopTrigger?.reason);
  const plans = plansOf(environments, actions, inputs);
  const report: RunReport = redaction.all({
    project: task.project,
    pipeline,
    execution: execution.id,
    status: execution.status,
    ...(reason && { reason: redaction.line(reason, LONGEST_SUMMARY) }),
    started,
    ...(execution.ended && { ended: endOf(execution, listed?.lastUpdateTime, now).toISOString() }),
    commit: readCommit(execution, task, branch, redaction, author, history.commit),
    stages,
    ...(tests && { tests }),
    ...(lines !== undefined && {
      coverage: { lines, ...(history.lines !== undefined && { linesBefore: history.lines }) },
    }),
    plans,
    releases,
    links: { console: executionUrl(task, execution.pipeline, execution.id), ...(page && { page }) },
  });
  return {
    report,
    approvals: await approvalsOf(clients, execution, report, declared, task),
    environments: outcomesOf(environments, actions, releases),
    isRepeated,
  };
}

/** The runs of actions whose builds are read: the last ones, and of Verify all, for each may have brought a release back. */
const triesOf = (actions: readonly ActionRun[]): readonly ActionRun[] =>
  actions.flatMap((run) => (run.name.startsWith(verifyName("")) ? allOf(run) : run));

const allOf = (run: ActionRun | undefined): readonly ActionRun[] => (run ? [run, ...allOf(run.before)] : []);

const branchOf = ({ actions }: Execution): string | undefined =>
  actions.find(({ variables }) => variables.CommitId)?.variables.BranchName;

/** What ended it: what CodePipeline says of the execution, or its first action that failed. */
function reasonOf(
  { status, reason, actions }: Execution,
  stopReason: string | undefined,
): string | undefined {
  if (status === "stopped") return stopReason ?? reason;
  if (status === "superseded") return reason;
  if (status !== "failed") return undefined;
  const failed = actions.find((run) => run.status === "Failed");
  return failed ? `${failed.name}: ${failed.summary ?? "failed"}` : reason;
}

function endOf({ actions }: Execution, listed: Date | undefined, now: Date): Date {
  const last = Math.max(...actions.map(({ updated }) => updated.getTime()));
  return listed ?? (Number.isFinite(last) ? new Date(last) : now);
}

function stagesOf(
  declared: readonly DeclaredStage[],
  execution: Execution,
  logs: ReadonlyMap<string, Log>,
  inputs: RunInputs,
  medians: Readonly<Record<string, number>>,
): StageReport[] {
  const lastBegun = declared.findLastIndex(({ name }) =>
    execution.actions.some(({ stage }) => stage === name),
  );
  return declared.map(({ name, actions }, index) => {
    const runs = execution.actions.filter(({ stage }) => stage === name);
    const isPassed = index < lastBegun || execution.status === "succeeded";
    const status = stageStatus(runs, actions.length, isPassed, execution);
    const started = Math.min(...runs.map(({ firstStarted }) => firstStarted.getTime()));
    const updated = Math.max(...runs.map(({ updated }) => updated.getTime()));
    const median = medians[name];
    return {
      name,
      status,
      ...(runs.length && { started: new Date(started).toISOString() }),
      ...(runs.length && !IS_ON.has(status) && { seconds: seconds(started, updated) }),
      ...(median !== undefined && { medianSeconds: median }),
      actions: actions.map((action) =>
        actionReport(
          action.name,
          runs.find((run) => run.name === action.name),
          status,
          execution,
          logs,
          inputs,
        ),
      ),
    };
  });
}

const IS_ON: ReadonlySet<StepStatus> = new Set(["running", "waiting"]);

const seconds = (from: number, to: number) => Math.max(0, Math.round((to - from) / 1000));

function stageStatus(
  runs: readonly ActionRun[],
  declared: number,
  isPassed: boolean,
  { ended }: Execution,
): StepStatus {
  if (!runs.length) return isPassed ? "skipped" : "not-started";
  const statuses = runs.map((run) => stepStatus(run, ended));
  for (const status of ["failed", "stopped", "waiting", "running"] as const)
    if (statuses.includes(status)) return status;
  // The next of its actions have not begun.
  if (runs.length < declared) return ended ? "stopped" : "running";
  return "succeeded";
}

function stepStatus({ status, isApproval }: ActionRun, ended: boolean): StepStatus {
  switch (status) {
    case "Succeeded":
      return "succeeded";
    case "Failed":
      return "failed";
    case "Abandoned":
      return "stopped";
    default:
      if (ended) return "stopped";
      return isApproval ? "waiting" : "running";
  }
}

function actionReport(
  name: string,
  run: ActionRun | undefined,
  stage: StepStatus,
  { ended }: Execution,
  logs: ReadonlyMap<string, Log>,
  { task, redaction }: RunInputs,
): ActionReport {
  if (!run) return { name, status: stage === "skipped" ? "skipped" : "not-started" };
  const status = stepStatus(run, ended);
  const log = run.build === undefined ? undefined : logs.get(run.build);
  return {
    name,
    status,
    started: run.started.toISOString(),
    ...(!IS_ON.has(status) && { seconds: seconds(run.started.getTime(), run.updated.getTime()) }),
    ...(status === "failed" && run.summary && { summary: redaction.line(run.summary, LONGEST_SUMMARY) }),
    ...(status === "failed" && log?.errors.length && { errors: log.errors }),
    ...(log?.tail.length && { tail: log.tail }),
    ...(run.build !== undefined && { logUrl: logUrl(task, run.build) }),
  };
}

const actionNamed = (actions: readonly ActionRun[], name: string) =>
  actions.find((action) => action.name === name);

/** The plans that were made, as their builds told them. */
function plansOf(
  environments: readonly string[],
  actions: readonly ActionRun[],
  { task, redaction }: RunInputs,
): PlanReport[] {
  return environments.flatMap((environment) => {
    const plan = actionNamed(actions, planName(environment));
    if (plan?.status !== "Succeeded") return [];
    const { PLAN_SUMMARY = "", PLAN_RISKS = "none", PLAN_COST = "" } = plan.variables;
    return {
      environment,
      summary: redaction.line(PLAN_SUMMARY, LONGEST_SUMMARY),
      risks:
        PLAN_RISKS === "none"
          ? []
          : PLAN_RISKS.split(",", MOST_RISKS).map((risk) => redaction.line(risk, LONGEST_WORD)),
      ...(PLAN_COST && PLAN_COST !== "none" && { cost: redaction.line(PLAN_COST, LONGEST_SUMMARY) }),
      ...(plan.build !== undefined && { reviewUrl: logUrl(task, plan.build) }),
    };
  });
}

async function releasesOf(
  { s3 }: RunClients,
  environments: readonly string[],
  actions: readonly ActionRun[],
  logs: ReadonlyMap<string, Log>,
  redaction: Redaction,
): Promise<ReleaseReport[]> {
  const linesOf = (run: ActionRun | undefined) => logs.get(run?.build ?? "")?.lines ?? [];
  const releases: ReleaseReport[] = [];
  for (const environment of environments) {
    const release = actionNamed(actions, releaseName(environment));
    if (!release) continue;
    const verify = actionNamed(actions, verifyName(environment));
    const failed = allOf(verify).filter(
      ({ status, started }) => status === "Failed" && started >= release.started,
    );
    const verifyLog = failed.flatMap(linesOf);
    const told = { release, releaseLog: linesOf(release), verify: verify?.status, verifyLog };
    const report = await readRelease(s3, environment, told, redaction);
    if (report) releases.push(report);
  }
  return releases;
}

function outcomesOf(
  environments: readonly string[],
  actions: readonly ActionRun[],
  releases: readonly ReleaseReport[],
): Outcomes {
  return Object.fromEntries(
    environments.flatMap((environment) => {
      const outcome = environmentOutcome({
        apply: actionNamed(actions, applyName(environment)),
        release: actionNamed(actions, releaseName(environment)),
        verify: actionNamed(actions, verifyName(environment)),
        isBroughtBack: releases.some(
          (one) => one.environment === environment && one.outcome === "brought-back",
        ),
      });
      return outcome ? [[environment, outcome]] : [];
    }),
  );
}

/** The approvals that an execution waits for, by the ids of their action executions. */
export const waitingApprovals = ({ ended, actions }: Execution): readonly ActionRun[] =>
  ended ? [] : actions.filter((run) => run.isApproval && run.status === "InProgress");

async function approvalsOf(
  { codepipeline }: RunClients,
  execution: Execution,
  run: RunReport,
  declared: readonly DeclaredStage[],
  task: Task,
): Promise<Map<string, ApprovalReport>> {
  const approvals = new Map<string, ApprovalReport>();
  for (const action of waitingApprovals(execution)) {
    const environment = approvedBy(action.name) ?? action.name;
    const sha256 = actionNamed(execution.actions, planName(environment))?.variables.PLAN_SHA256 ?? "";
    const minutes =
      declared.find(({ name }) => name === action.stage)?.actions.find(({ name }) => name === action.name)
        ?.approvalMinutes ?? 0;
    approvals.set(action.id, {
      run,
      environment,
      plan: run.plans.find((plan) => plan.environment === environment) ?? {
        environment,
        summary: "",
        risks: [],
      },
      sha256: /^[0-9a-f]{64}$/.test(sha256) ? sha256 : "",
      expires: new Date(action.started.getTime() + minutes * 60_000).toISOString(),
      approvalUrl: approvalUrl(
        task,
        execution.pipeline,
        action,
        await readToken(codepipeline, execution, action),
      ),
    });
  }
  return approvals;
}
