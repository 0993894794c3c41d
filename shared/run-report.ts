// What is told of the runs of pipelines, by mail, chat, commit status and page. Nothing in it is secret: whoever makes
// one has hidden what must not show. Texts may hold anything that a commit or a log held: who writes them quotes them.

/** A moment, as `Date.toISOString` writes it. */
type Moment = string;

export type RunStatus = "running" | "waiting" | "succeeded" | "failed" | "stopped" | "superseded";
export type StepStatus =
  | "not-started"
  | "running"
  | "waiting"
  | "succeeded"
  | "failed"
  | "stopped"
  | "skipped";

/** One execution of a pipeline, as it is now or as it ended. */
export interface RunReport {
  readonly project: string;
  /** As the settings name it. */
  readonly pipeline: string;
  /** Id of the execution. */
  readonly execution: string;
  readonly status: RunStatus;
  /** Why it did not succeed, on one line. */
  readonly reason?: string;
  readonly started: Moment;
  /** @default - it has not ended */
  readonly ended?: Moment;
  readonly commit: CommitReport;
  readonly stages: readonly StageReport[];
  /** @default - no tests have reported */
  readonly tests?: TestsReport;
  /** @default - none was measured */
  readonly coverage?: CoverageReport;
  readonly plans: readonly PlanReport[];
  readonly releases: readonly ReleaseReport[];
  readonly links: {
    /** The execution in the console. */
    readonly console: string;
    /** The page of this run, for somebody who has no access to the account; expires. */
    readonly page?: string;
  };
}

export interface CommitReport {
  readonly id: string;
  readonly branch: string;
  /** Its first line. */
  readonly message: string;
  readonly author?: string;
  /** When it was made. */
  readonly when?: Moment;
  /** Where it is read. */
  readonly url?: string;
  /** All that has changed since the commit that last succeeded. */
  readonly compareUrl?: string;
}

export interface StageReport {
  readonly name: string;
  readonly status: StepStatus;
  readonly started?: Moment;
  readonly seconds?: number;
  /** Of the last runs in which it succeeded. @default - there were none */
  readonly medianSeconds?: number;
  readonly actions: readonly ActionReport[];
}

export interface ActionReport {
  readonly name: string;
  readonly status: StepStatus;
  readonly started?: Moment;
  readonly seconds?: number;
  /** Where it failed: why, on one line. */
  readonly summary?: string;
  /** Where it failed: the lines that say why. */
  readonly errors?: readonly string[];
  /** The end of its log. */
  readonly tail?: readonly string[];
  /** Its log in the console. */
  readonly logUrl?: string;
}

export interface TestsReport {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** Those that failed, at most 20 of them. */
  readonly failures: readonly { readonly name: string; readonly message?: string }[];
}

export interface CoverageReport {
  /** Share of lines, 0 to 100. */
  readonly lines: number;
  /** Of the last run that succeeded. */
  readonly linesBefore?: number;
}

export interface PlanReport {
  readonly environment: string;
  /** As Terraform counts: "2 to add, 0 to change, 1 to destroy". */
  readonly summary: string;
  /** As the review names them: "delete", "replace", "access", … */
  readonly risks: readonly string[];
  /** The hint at what it costs a month, as the review words it. */
  readonly cost?: string;
  /** The review in full. */
  readonly reviewUrl?: string;
}

export interface ReleaseReport {
  readonly environment: string;
  readonly outcome: "released" | "unchanged" | "failed" | "brought-back";
  /** What became of each service and function: "web: 100 % to the new version in 5 min". */
  readonly lines: readonly string[];
}

/** An approval that a run waits for. */
export interface ApprovalReport {
  readonly run: RunReport;
  readonly environment: string;
  readonly plan: PlanReport;
  /** SHA-256 of the plan. */
  readonly sha256: string;
  /** When it is rejected by itself. */
  readonly expires: Moment;
  /** Where it is answered. */
  readonly approvalUrl: string;
}

/** What was found when environments were compared with what was released to them. */
export interface DriftReport {
  readonly project: string;
  readonly when: Moment;
  readonly environments: readonly {
    readonly environment: string;
    readonly summary: string;
    /** The review's text, a line each; cut where it is long. */
    readonly review: readonly string[];
    readonly reviewUrl?: string;
  }[];
  /** Environments that could not be compared, and why. */
  readonly failures: readonly { readonly environment: string; readonly reason: string }[];
}

/** What the overview and later runs know of a run. */
export interface RunSummary {
  readonly pipeline: string;
  readonly execution: string;
  readonly status: RunStatus;
  readonly started: Moment;
  readonly ended?: Moment;
  readonly commit: Pick<CommitReport, "id" | "branch" | "message" | "author" | "when" | "url">;
  /** Of each stage that succeeded. */
  readonly stageSeconds: Readonly<Record<string, number>>;
  readonly lines?: number;
  /** How each environment came out of it that it has come to. */
  readonly environments: Readonly<
    Record<string, { readonly outcome: EnvironmentOutcome; readonly when: Moment }>
  >;
}

/** "verified": deployed, released and tested. "brought-back": users have the version before. */
export type EnvironmentOutcome = "verified" | "failed" | "brought-back";

/** All pipelines and environments of a project, at a moment. */
export interface Overview {
  readonly project: string;
  readonly when: Moment;
  readonly pipelines: readonly {
    readonly name: string;
    readonly branch: string;
    readonly environments: readonly string[];
    /** Newest first, at most 30. */
    readonly runs: readonly RunSummary[];
  }[];
  /** Environments in which something differs from what was released, as it was last found. */
  readonly drifted: readonly string[];
}

/** What `npm run update` ends its own execution with, for another one goes on, on the pipeline as it is now. */
export const goesOnIn = (execution: string): string =>
  `The pipeline has changed: ${execution} goes on in its place`;

/** Id of the execution that goes on in the place of one that has found its pipeline changed. */
export const successorOf = ({ status, reason = "" }: Pick<RunReport, "status" | "reason">) =>
  status === "stopped" ? SUCCESSOR.exec(reason)?.[1] : undefined;

const SUCCESSOR = new RegExp(`^${goesOnIn(String.raw`(\S+)`)}$`);

/** How a run came out for its users: a retry of Verify succeeds on the version before, too, once that was brought back. */
export const verdictOf = ({ status, releases }: Pick<RunReport, "status" | "releases">): RunStatus =>
  status === "succeeded" && releases.some(({ outcome }) => outcome === "brought-back") ? "failed" : status;

/** What `npm run release -- ENVIRONMENT --back` says when all is back. */
export const broughtBack = (environment: string): string => `${environment} is as it was before the release.`;

/** Who hears of something chooses by these. */
export type NewsKind = "success" | "failure" | "superseded" | "approval" | "drift";
