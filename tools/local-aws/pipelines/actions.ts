import { randomUUID } from "node:crypto";
import { z } from "zod";
import { AwsError, type Scope } from "../aws-request";
import { type BuildSource, type BuildTarget, s3Source, s3Target } from "../builds/exchange";
import { assumeServiceRole, type ServiceRole } from "../builds/role";
import type { UnpackedArtifacts } from "../builds/unpacked";
import { approvalNotice } from "../events/approval-notice";
import { publishTo } from "../events/targets";
import type { Faults } from "../faults";
import type { CodeBuild } from "../services/codebuild";
import type { Build } from "../services/codebuild-builds";
import type { ActionDeclaration, Pipeline } from "../services/pipeline-structure";
import {
  ActionFailure,
  type ActionJob,
  type ActionResult,
  type ActionRun,
  type Artifact,
  type Perform,
} from "./execution";
import type { Reusable, Reuse } from "./reuse";
import { fetchSource, isHandedIn } from "./source";

export interface ActionsProps {
  readonly scope: Scope;
  /** Address of Local AWS itself. */
  readonly endpoint: () => string;
  readonly builds: Pick<CodeBuild, "startFor">;
  /** Has builds killed. @default - nobody has */
  readonly faults?: Pick<Faults, "kills">;
  /** Keeps artifacts unpacked. @default - each build unpacks its own */
  readonly artifacts?: UnpackedArtifacts;
  /** Knows builds that need not run again. @default - all run */
  readonly reuse?: Pick<Reuse, "of">;
  /** Takes on a role. @default - by STS */
  readonly connect?: (roleArn: string, region: string) => Promise<ServiceRole>;
}

/** What actions of pipelines do here: they fetch sources and run builds. */
export class Actions {
  constructor(private readonly props: ActionsProps) {}

  readonly perform: Perform = async (job, signal) => {
    const { category, owner, provider } = job.action.actionTypeId;
    if (category === "Source") return fetchSource(job, await this.role(job, job.action), signal);
    if (provider === "CodeBuild") return this.build(job, signal);
    throw new ActionFailure(
      "ConfigurationError",
      `Local AWS does not run actions of ${owner} ${provider} (${category})`,
    );
  };

  /** Tells the topic of an approval that it waits. */
  readonly announce = async (run: ActionRun, expires: number): Promise<void> => {
    const topic = run.configuration?.NotificationArn;
    if (!topic) return;
    const { environment } = await this.role(run.execution.props, run.action);
    const [, , , region = ""] = topic.split(":");
    const accessKey = environment.AWS_ACCESS_KEY_ID ?? "";
    const caller = { endpoint: this.props.endpoint(), region, accessKey };
    await publishTo(caller, topic, approvalNotice(this.props.scope, run, expires)).catch((error: Error) => {
      throw new ActionFailure(
        "PermissionError",
        `The approval could not be published to ${topic}: ${error.message}`,
      );
    });
  };

  /** Whether all that a pipeline starts from has been handed in. */
  async hasSources(pipeline: Pipeline, signal: AbortSignal): Promise<boolean> {
    for (const action of pipeline.stages[0]?.actions ?? []) {
      const role = await this.role({ pipeline }, action).catch(() => undefined);
      if (!role || !(await isHandedIn({ action }, role, signal))) return false;
    }
    return true;
  }

  private async build(job: ActionJob, signal: AbortSignal): Promise<ActionResult> {
    const { pipeline, action, configuration } = job;
    if (configuration.BatchEnabled === "true")
      throw new ActionFailure("ConfigurationError", "Local AWS runs no batches of builds");
    const [primary, ...others] = inputsOf(job);
    const [roleArn, region] = [action.roleArn, action.region];
    const scope = {
      account: (typeof roleArn === "string" && roleArn.split(":")[4]) || this.props.scope.account,
      region: typeof region === "string" ? region : this.props.scope.region,
    };
    const { artifacts } = this.props;
    const role = await this.role(job, action, scope.region);
    const { ProjectName: projectName = "" } = configuration;
    // A build of no time is none.
    await ask(role, "startBuild", { projectName, timeoutInMinutesOverride: 0 });
    const reusable = await this.reusable(job, scope);
    const { instead } = reusable ?? {};
    signal.throwIfAborted();
    let build: Build | undefined;
    const arn = () => build?.arn ?? "";
    const isKilled = this.props.faults?.kills(action.name);
    try {
      build = this.props.builds.startFor(
        scope,
        {
          projectName,
          sourceVersion: arnOf(primary),
          environmentVariablesOverride: variablesOf(configuration),
          ...(instead && { buildspecOverride: instead.buildspec }),
        },
        {
          initiator: `codepipeline/${pipeline.name}`,
          sources: [
            instead?.source ?? sourceOf(primary, artifacts),
            ...others.map((input) => sourceOf(input, artifacts, input.name)),
          ],
          targets:
            instead?.targets ??
            job.outputs.map((output, _, all) =>
              targetOf(output, all.length > 1 ? output.name : undefined, arn, artifacts),
            ),
          // In the midst of it, so that there is something to clear up.
          entered: (phase) => {
            if (isKilled && phase === "BUILD") build?.run.stop();
          },
        },
      );
    } catch (error) {
      throw error instanceof AwsError ? refusalOf("startBuild", error) : error;
    }
    const { id, url, run } = build;
    job.tell({ id, url });
    const stop = () => run.stop();
    signal.addEventListener("abort", stop);
    try {
      // Who may not look at it does not hear how it ends.
      await ask(role, "batchGetBuilds", { ids: [id] });
    } catch (error) {
      stop();
      throw error;
    } finally {
      await run.done;
      signal.removeEventListener("abort", stop);
    }
    if (run.status !== "SUCCEEDED") throw new ActionFailure("JobFailed", failureOf(build));
    const variables =
      instead?.variables ?? Object.fromEntries(run.exported.map(({ name, value }) => [name, value]));
    reusable?.succeeded(id, variables);
    return { variables };
  }

  private async reusable(job: ActionJob, scope: Scope): Promise<Reusable | undefined> {
    const { reuse, artifacts } = this.props;
    return reuse
      ?.of(job, scope, (artifact) => sourceOf(artifact, artifacts))
      .catch((error: Error) => {
        // Of a project that is not there CodeBuild tells itself.
        if (error instanceof AwsError) return undefined;
        throw error;
      });
  }

  private role(
    { pipeline }: Pick<ActionJob, "pipeline">,
    action: ActionDeclaration,
    region = this.props.scope.region,
  ): Promise<ServiceRole> {
    const { scope, endpoint, connect } = this.props;
    const roleArn = typeof action.roleArn === "string" ? action.roleArn : pipeline.roleArn;
    if (connect) return connect(roleArn, region);
    const props = {
      endpoint: endpoint(),
      region,
      roleArn,
      session: `${Date.now()}`,
      service: "codepipeline.amazonaws.com",
      source: `arn:aws:codepipeline:${scope.region}:${scope.account}:${pipeline.name}`,
    };
    return assumeServiceRole(props).catch((error: Error) => {
      throw new ActionFailure(
        "PermissionError",
        `CodePipeline is not authorized to perform AssumeRole on role ${roleArn}: ${error.message}`,
      );
    });
  }
}

/** Has CodeBuild say whether the pipeline's role may ask it that. @throws ActionFailure where it may not */
async function ask(role: ServiceRole, operation: "startBuild" | "batchGetBuilds", input: object) {
  const name = `${operation[0]!.toUpperCase()}${operation.slice(1)}`;
  await role.checkRight("codebuild", `CodeBuild_20161006.${name}`, input).catch((error: Error) => {
    throw error instanceof AwsError ? refusalOf(operation, error) : error;
  });
}

/** In AWS's words. */
const refusalOf = (operation: string, { message, status, code }: AwsError) =>
  new ActionFailure(
    "ConfigurationError",
    `Error calling ${operation}: ${message} (Service: AWSCodeBuild; Status Code: ${status}; Error Code: ${code}; Request ID: ${randomUUID()}; Proxy: null)`,
  );

/** The primary one first. */
function inputsOf({ inputs, configuration, action }: ActionJob): [Artifact, ...Artifact[]] {
  const [first] = inputs;
  const { PrimarySource: named } = configuration;
  const primary = named === undefined ? first : inputs.find(({ name }) => name === named);
  if (!primary || (!named && inputs.length > 1)) {
    throw new ActionFailure(
      "ConfigurationError",
      `PrimarySource of the action ${action.name} must name one of its input artifacts (${inputs.map(({ name }) => name).join(", ")}), not ${named ?? "nothing"}`,
    );
  }
  return [primary, ...inputs.filter((input) => input !== primary)];
}

const environmentVariables = z.array(
  z.looseObject({
    name: z.string().min(1),
    value: z.string(),
    type: z.enum(["PLAINTEXT", "PARAMETER_STORE", "SECRETS_MANAGER"]).default("PLAINTEXT"),
  }),
);

function variablesOf({ EnvironmentVariables: json = "[]" }: Readonly<Record<string, string>>) {
  try {
    return environmentVariables.parse(JSON.parse(json));
  } catch {
    throw new ActionFailure(
      "ConfigurationError",
      "EnvironmentVariables must be a JSON array of objects with name, value and type",
    );
  }
}

const arnOf = ({ bucket, key }: Artifact) => `arn:aws:s3:::${bucket}/${key}`;

function sourceOf(
  artifact: Artifact,
  artifacts: UnpackedArtifacts | undefined,
  identifier?: string,
): BuildSource {
  const { bucket, key, commit } = artifact;
  const stored = s3Source(`${bucket}/${key}`, "", identifier, artifacts);
  return {
    ...stored,
    url: "",
    version: arnOf(artifact),
    async bring(folder, role, signal) {
      await stored.bring(folder, role, signal);
      return commit;
    },
  };
}

/** @param buildArn asked when the build has started, which it has to before it has an artifact */
function targetOf(
  { bucket, key }: Artifact,
  identifier: string | undefined,
  buildArn: () => string,
  artifacts: UnpackedArtifacts | undefined,
): BuildTarget {
  return {
    identifier,
    take: (output, role, signal) =>
      s3Target({
        bucket,
        name: key,
        identifier,
        overrideName: false,
        packaging: "ZIP",
        buildArn: buildArn(),
        artifacts,
      }).take(output, role, signal),
  };
}

/** In AWS's words. */
function failureOf({ run }: Build): string {
  const failed = run.phases.find(({ phaseStatus }) => phaseStatus && phaseStatus !== "SUCCEEDED");
  const [context] = failed?.contexts ?? [];
  const where = context?.message
    ? `. Phase: ${failed?.phaseType}, Code: ${context.statusCode}, Message: ${context.message}`
    : "";
  return `Build terminated with state: ${run.status}${where}`;
}
