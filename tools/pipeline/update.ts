import {
  CodePipelineClient,
  StartPipelineExecutionCommand,
  StopPipelineExecutionCommand,
} from "@aws-sdk/client-codepipeline";
import type { Settings } from "../../settings";
import {
  DELIVERY_STACK,
  isPattern,
  pipelineName,
  pipelineStackName,
  stacksUpdatedBy,
  UPDATED_FOR,
} from "../../shared/names";
import { goesOnIn } from "../../shared/run-report";
import { Initialization } from "../deployer/initialization";
import { Stack, wordsOf } from "../deployer/stack";
import { runCommand, UserError } from "../project";
import { kindIsDestructive } from "../review/kind";
import type { Review } from "../review/review";
import { projectSettings } from "../settings";
import { stackFolder } from "./environment";
import { planAndReview, type ReviewedPlan } from "./reviewed-plan";

/**
 * What these hold is gone for good, and an environment that is not deployed yet may still use it; and a new connection
 * waits for somebody's handshake.
 */
const NEVER_DESTROYED = new Set([
  "aws_codestarconnections_connection",
  "aws_ecr_repository",
  "aws_kms_key",
  "aws_s3_bucket",
]);

/** What a pipeline's role may not make or change, as nothing limits it to the project's own. */
const PEOPLES: readonly (readonly [type: RegExp, kind: RegExp])[] = [
  [/^aws_kms_(key|alias)$/, /^create$/],
  [/^aws_apigatewayv2_/, /^(create|update|unknown)$/],
];

/** CodePipeline may be busy with the change that was just made. */
const STARTS = { attempts: 6, secondsBetween: 10 } as const;

/**
 * `npm run update -- PIPELINE`: brings a pipeline up to date with its synthesized stack, what all pipelines share with
 * theirs, and what its previews are made like. Where the first two changed, the pipeline starts anew, and the execution that
 * this runs in ends.
 */
runCommand(async () => {
  const [name, ...others] = process.argv.slice(2);
  if (!name || others.length) throw new UserError("Name a pipeline: npm run update -- main");
  const settings = await projectSettings();
  if (!Object.hasOwn(settings.pipelines, name))
    throw new UserError(
      `There is no pipeline ${JSON.stringify(name)} in terraform.tfvars: it has ${Object.keys(settings.pipelines).join(", ")}. To remove a pipeline, destroy its stack: npx cdktf destroy pipeline-<name>`,
    );
  const execution = executionOf(process.env);
  const initialization = new Initialization();
  const stacks = stacksUpdatedBy(settings, name).map((stack) => new Planned(stack, initialization));
  const own = new Set([DELIVERY_STACK, pipelineStackName(name)]);
  let changed = false;
  for (const stack of stacks) {
    // It may read what was applied a moment ago.
    if (changed) stack.planAnew();
    const updated = await bringUpToDate(stack, execution?.isRestart ?? false);
    // Those that are made like its previews' are no part of this run.
    if (updated && own.has(stack.name)) changed = true;
  }
  if (!changed) {
    console.log(`The pipeline ${name} is as it should be.`);
    return 0;
  }
  if (!execution) {
    console.log(`The pipeline ${name} has changed. What it released before was released by the old one.`);
    return 0;
  }
  await startAnew(settings, name, execution);
  return 0;
});

interface Execution {
  readonly id: string;
  /** The commit that it releases. */
  readonly revision: string;
  /** Whether it was started by an update to this very revision. */
  readonly isRestart: boolean;
}

/** The execution that this runs in; none where somebody runs it by hand. */
function executionOf({
  EXECUTION_ID: id,
  REVISION: revision,
  [UPDATED_FOR.variable]: updatedFor,
}: NodeJS.ProcessEnv) {
  if (!id || !revision) return undefined;
  return { id, revision, isRestart: updatedFor === revision } satisfies Execution;
}

/** A stack whose plan is on its way, beside those of others: most often nothing is to be done. */
class Planned {
  readonly stack: Stack;
  plan: Promise<ReviewedPlan>;

  constructor(
    readonly name: string,
    initialization: Initialization,
  ) {
    this.stack = new Stack(stackFolder(name), { initialization });
    this.plan = planAndReview(this.stack, name);
    // Whoever awaits it is told.
    this.plan.catch(() => {});
  }

  planAnew(): void {
    const before = this.plan.catch(() => {});
    this.plan = before.then(() => planAndReview(this.stack, this.name));
  }
}

/**
 * Applies what a stack's plan says, if anything.
 *
 * @param isSettled whether it was brought up to date to the same revision a moment ago
 * @returns whether a resource changed
 */
async function bringUpToDate({ name, stack, plan }: Planned, isSettled: boolean): Promise<boolean> {
  const { file, reviewed, text } = await plan;
  console.log(`${name}: ${text}`);
  const { output, ...counts } = reviewed.counts;
  const changes = Object.values(counts).some((count) => count > 0);
  if (!changes && !output) return false;
  // Once more and once more, else, for a value that AWS gives back otherwise than it took it.
  if (changes && isSettled)
    throw new UserError(
      `${name} was brought up to date to this revision a moment ago, and its plan above is not empty again. Nothing was applied. If somebody changed it meanwhile, release the change once more; if not, what changes each time is in the plan.`,
    );
  const gone = notFound(reviewed);
  if (gone.length)
    throw new UserError(
      `${name} is left as it is: ${gone.join(", ")} cannot be found. Somebody has deleted it, or this pipeline may not look at it (for a bucket: s3:ListBucket); the pipeline does not make it anew by itself. See which, and deploy it yourself: npx cdktf deploy ${name}`,
    );
  const kept = neverDestroyed(reviewed);
  if (kept.length) {
    console.log(
      `${name} is left as it is: the pipeline does not destroy by itself what nothing brings back: ${kept.join(", ")}. Once no environment uses it any more, deploy it yourself: npx cdktf deploy ${name}`,
    );
    return false;
  }
  const peoples = leftToPeople(reviewed);
  if (peoples.length) {
    console.log(
      `${name} is left as it is: the pipeline may not make or change ${peoples.join(", ")}. Deploy it yourself, with your own access to the build account: npx cdktf deploy ${name}`,
    );
    return false;
  }
  const result = await stack.apply(file, { onLine: (line) => console.log(line) });
  if (result.exitCode !== 0)
    throw new UserError(
      `${name} was not brought up to date, or not all of it. The next execution goes on from there.\n${wordsOf(result)}`,
    );
  return changes;
}

/** Addresses of what a plan destroys and nothing brings back. */
const neverDestroyed = ({ plans }: Review): string[] =>
  plans
    .flatMap(({ resources }) => resources)
    .filter(({ type, kind }) => NEVER_DESTROYED.has(type) && kindIsDestructive(kind))
    .map(({ address }) => address);

/** Addresses of what should be there, holds what nothing brings back, and was not found. */
const notFound = ({ plans }: Review): string[] =>
  plans
    .flatMap(({ drift }) => drift)
    .filter(({ resource: { type, kind } }) => NEVER_DESTROYED.has(type) && kind === "delete")
    .map(({ resource: { address } }) => address);

/** Addresses of what a plan makes or changes that only a person may. */
const leftToPeople = ({ plans }: Review): string[] =>
  plans
    .flatMap(({ resources }) => resources)
    .filter((one) => PEOPLES.some(([type, kind]) => type.test(one.type) && kind.test(one.kind)))
    .map(({ address }) => address);

/**
 * Starts the pipeline as it is now, and ends the execution that runs this.
 *
 * In that order: interrupted between the two, the change is released twice, and not lost. The new execution takes
 * the newest revision of the branch, which is this one, or one that came since: an older one after it would be a step back.
 * Of a pattern of branches none is the newest, so it takes this one.
 */
async function startAnew(settings: Settings, name: string, { id, revision }: Execution): Promise<void> {
  const client = new CodePipelineClient({ region: settings.region });
  const pipeline = pipelineName(settings, name);
  const started = await start(client, {
    name: pipeline,
    // The same for all attempts of this execution: they start one.
    clientRequestToken: id,
    variables: [{ name: UPDATED_FOR.variable, value: revision }],
    ...(isPattern(settings.pipelines[name]!.branch) && {
      sourceRevisions: [{ actionName: "Source", revisionType: "COMMIT_ID", revisionValue: revision }],
    }),
  }).catch((error: Error) => {
    throw new UserError(
      `The pipeline ${pipeline} is up to date, but did not start anew (${error.name}: ${error.message}). Release the change: aws codepipeline start-pipeline-execution --name ${pipeline}`,
    );
  });
  console.log(
    `The pipeline ${pipeline} has changed: the execution ${started} goes on in the place of this one.`,
  );
  try {
    await client.send(
      new StopPipelineExecutionCommand({
        pipelineName: pipeline,
        pipelineExecutionId: id,
        abandon: false,
        reason: goesOnIn(started),
      }),
    );
  } catch (error) {
    // CodePipeline itself ends what ran on the old structure.
    const { name, message } = error as Error;
    if (!["PipelineExecutionNotStoppableException", "DuplicatedStopRequestException"].includes(name))
      throw new UserError(
        `The execution ${started} was started, but this one could not be stopped (${name}: ${message}). It ends here as failed.`,
      );
  }
}

async function start(
  client: CodePipelineClient,
  input: ConstructorParameters<typeof StartPipelineExecutionCommand>[0],
): Promise<string> {
  for (let attempt = 1; ; attempt++) {
    try {
      const { pipelineExecutionId } = await client.send(new StartPipelineExecutionCommand(input));
      return pipelineExecutionId ?? "";
    } catch (error) {
      if ((error as Error).name !== "ConflictException" || attempt >= STARTS.attempts) throw error;
      await new Promise((resolve) => setTimeout(resolve, STARTS.secondsBetween * 1000));
    }
  }
}
