import { createHash, randomUUID } from "node:crypto";
import { z } from "zod";
import { RELEASE_ASKS } from "../../../shared/releases";
import { AwsError, type Scope } from "../aws-request";
import { PhaseFailure } from "../builds/buildspec";
import {
  type ArtifactPlace,
  artifactLocation,
  type BuildSource,
  type BuildTarget,
  noSource,
  type StoredArtifact,
  s3Source,
  s3Target,
} from "../builds/exchange";
import { assumeServiceRole } from "../builds/role";
import { BuildRun } from "../builds/runner";
import { buildEvent } from "../events/builds";
import type { Publisher } from "../events/event";
import type { ImageStore } from "../images/store";
import { EmulatedTime } from "../time";
import {
  arnIn,
  artifacts,
  cache,
  checkProject,
  environmentVariables,
  inOrder,
  logsConfig,
  minutes,
  type Project,
  type ProjectArtifacts,
  type ProjectSource,
  pageOf,
  projectInput,
  queuedMinutes,
  secondaryArtifacts,
  secondarySources,
  secondarySourceVersions,
  sortOrder,
  source,
} from "./codebuild-project";
import { name, type Operation, type operationsOf, Store } from "./service";

export interface BuildsProps {
  /** Address of Local AWS itself, for the builds. */
  readonly endpoint: () => string;
  /** Gives builds the docker of Local AWS. @default - they find this machine's */
  readonly images?: Pick<ImageStore, "standIn">;
  /** Takes what becomes of builds. @default - nobody does */
  readonly events?: Publisher;
  /** What a token's validity goes by. @default - this machine's time */
  readonly time?: EmulatedTime;
}

/** What a pipeline gives to a build that it starts, in the place of what the project says. */
export interface Handover {
  /** `codepipeline/<pipeline>` */
  readonly initiator: string;
  /** The primary one first. */
  readonly sources: readonly [BuildSource, ...BuildSource[]];
  readonly targets: readonly BuildTarget[];
  /** Hears of each phase that the build comes to. @default - nobody does */
  readonly entered?: (phase: string) => void;
}

const environment = projectInput.shape.environment.shape;
const startInput = z.looseObject({
  projectName: name,
  sourceVersion: z.string().optional(),
  sourceTypeOverride: source.shape.type.optional(),
  sourceLocationOverride: z.string().optional(),
  sourceAuthOverride: source.shape.auth,
  buildspecOverride: z.string().optional(),
  secondarySourcesOverride: secondarySources.optional(),
  secondarySourcesVersionOverride: secondarySourceVersions.optional(),
  artifactsOverride: artifacts.optional(),
  secondaryArtifactsOverride: secondaryArtifacts.optional(),
  environmentVariablesOverride: environmentVariables.default([]),
  environmentTypeOverride: environment.type.optional(),
  imageOverride: name.optional(),
  computeTypeOverride: name.optional(),
  privilegedModeOverride: z.boolean().optional(),
  imagePullCredentialsTypeOverride: z.enum(["CODEBUILD", "SERVICE_ROLE"]).optional(),
  serviceRoleOverride: name.optional(),
  timeoutInMinutesOverride: minutes.optional(),
  queuedTimeoutInMinutesOverride: queuedMinutes.optional(),
  encryptionKeyOverride: z.string().optional(),
  cacheOverride: cache.optional(),
  logsConfigOverride: logsConfig.optional(),
  idempotencyToken: z.string().optional(),
});
export type StartBuildInput = z.output<typeof startInput>;

/** A build, from its start to the end of Local AWS. */
export interface Build {
  readonly id: string;
  readonly arn: string;
  /** Its page in the console, which is not there. */
  readonly url: string;
  readonly projectName: string;
  readonly run: BuildRun;
  /** As AWS shows it. */
  describe(): Record<string, unknown>;
}

/** What was started with a token. */
interface Started {
  readonly build: Build;
  /** All of the request. */
  readonly input: string;
  /** Emulated seconds. */
  readonly at: number;
}

/** For so long a token stands for the build that it started, in seconds. */
const TOKEN_SECONDS = 5 * 60;

/** How many ids a list shows at once. */
const PAGE = 100;
/** More often would be of no use to anybody. */
const LEAST_SECONDS = 0.5;

/** CodeBuild's builds. They run on this machine, and end with Local AWS. */
export class Builds {
  private readonly builds = new Store<Build>();
  private readonly numbers = new Store<number>();
  private readonly tokens = new Store<Started>();
  private readonly time: EmulatedTime;
  private readonly running = new Set<BuildRun>();

  constructor(private readonly props: BuildsProps) {
    this.time = props.time ?? new EmulatedTime();
  }

  operations(
    define: ReturnType<typeof operationsOf>,
    findProject: (scope: Scope, project: string) => Project,
  ): Record<string, Operation> {
    const idIn = (idOrArn: string) => idOrArn.replace(/^arn:.*:build\//, "");
    const page = (ids: readonly string[], { sortOrder, nextToken }: ListInput) => {
      const { items, ...rest } = pageOf(inOrder(ids, sortOrder), { nextToken, maxResults: PAGE });
      return { ids: items, ...rest };
    };
    return {
      StartBuild: define(startInput, (input, scope) => {
        const project = findProject(scope, input.projectName);
        return { build: this.startOnce(scope, project, input).describe() };
      }),
      StopBuild: define(z.looseObject({ id: name }), async ({ id }, scope) => {
        const build = this.builds.in(scope).get(idIn(id));
        if (!build) throw new AwsError("ResourceNotFoundException", `Build cannot be found: ${id}`);
        build.run.stop();
        await build.run.done;
        return { build: build.describe() };
      }),
      BatchGetBuilds: define(z.looseObject({ ids: z.array(name).min(1).max(100) }), ({ ids }, scope) => {
        const found = (id: string) => this.builds.in(scope).get(idIn(id));
        return {
          builds: ids.flatMap((id) => {
            const build = found(id);
            return build ? [build.describe()] : [];
          }),
          buildsNotFound: ids.filter((id) => !found(id)),
        };
      }),
      ListBuilds: define(listInput, (input, scope) => page([...this.builds.in(scope).keys()], input)),
      ListBuildsForProject: define(listInput.extend({ projectName: name }), (input, scope) => {
        const project = findProject(scope, input.projectName);
        const own = [...this.builds.in(scope).values()].filter((build) => build.projectName === project.name);
        return page(
          own.map(({ id }) => id),
          input,
        );
      }),
    };
  }

  /** Starts a build, or finds the one that was just started with the same token. */
  private startOnce(scope: Scope, project: Project, input: StartBuildInput): Build {
    const { idempotencyToken: token } = input;
    if (!token) return this.start(scope, project, input);
    const tokens = this.tokens.in(scope);
    const given = JSON.stringify(input);
    const before = tokens.get(token);
    if (before && this.time.seconds - before.at < TOKEN_SECONDS) {
      if (before.input === given) return before.build;
      throw new AwsError(
        "InvalidInputException",
        `The idempotency token '${token}' was used for another request: its parameters do not match`,
      );
    }
    const build = this.start(scope, project, input);
    tokens.set(token, { build, input: given, at: this.time.seconds });
    return build;
  }

  /**
   * Starts a build.
   *
   * @param handover what a pipeline gives along
   */
  start(scope: Scope, kept: Project, input: StartBuildInput, handover?: Handover): Build {
    const { images } = this.props;
    const project = override(kept, input);
    checkProject(project, scope);
    const number = (this.numbers.in(scope).get(project.name) ?? 0) + 1;
    this.numbers.in(scope).set(project.name, number);
    const uuid = randomUUID();
    const id = `${project.name}:${uuid}`;
    const arn = arnIn(scope, "build", id);
    const url = `https://${scope.region}.console.aws.amazon.com/codesuite/codebuild/${scope.account}/projects/${project.name}/build/${encodeURIComponent(id)}/?region=${scope.region}`;
    const initiator = handover?.initiator ?? "local-aws";
    const stored = new Map<string | undefined, StoredArtifact>();
    const logs = logsOf(project, uuid);
    const targets = [project.artifacts, ...(project.secondaryArtifacts ?? [])]
      .filter(({ type }) => type === "S3")
      .map((target) => {
        const key = keyOf(project, target);
        const place = placeOf(target, project, uuid);
        stored.set(key, { location: artifactLocation(place) });
        return s3Target({
          ...place,
          identifier: key,
          overrideName: target.overrideArtifactName ?? false,
          packaging: target.packaging ?? "NONE",
          buildArn: arn,
          onStored: (where) => stored.set(key, where),
        });
      });
    const run = new BuildRun({
      project: project.name,
      buildspec: project.source.buildspec,
      sources: handover?.sources ?? sourcesOf(project),
      targets: handover?.targets ?? targets,
      environment: {
        CODEBUILD_BUILD_ARN: arn,
        CODEBUILD_BUILD_ID: id,
        CODEBUILD_BUILD_IMAGE: project.environment.image,
        CODEBUILD_BUILD_NUMBER: String(number),
        CODEBUILD_BUILD_URL: url,
        CODEBUILD_INITIATOR: initiator,
        CODEBUILD_KMS_KEY_ID: project.encryptionKey,
        CODEBUILD_LOG_PATH: logs?.stream ?? uuid,
        CODEBUILD_PROJECT_ARN: project.arn,
        CODEBUILD_START_TIME: String(Date.now()),
        ...pace(this.time),
      },
      variables: project.environment.environmentVariables,
      timeoutMilliseconds: project.timeoutInMinutes * 60_000,
      logs,
      cache: cachePlaceOf(project),
      entered: handover?.entered,
      connect: () => this.connect(scope, project),
      equip: images && ((folder) => images.standIn(folder)),
    });
    this.running.add(run);
    void run.done.finally(() => this.running.delete(run));
    const description = {
      id,
      arn,
      buildNumber: number,
      projectName: project.name,
      sourceVersion: project.sourceVersion || undefined,
      source: project.source,
      secondarySources: project.secondarySources ?? [],
      secondarySourceVersions: project.secondarySourceVersions ?? [],
      cache: project.cache,
      environment: project.environment,
      serviceRole: project.serviceRole,
      logs: describeLogs(scope, project, logs),
      timeoutInMinutes: project.timeoutInMinutes,
      queuedTimeoutInMinutes: project.queuedTimeoutInMinutes,
      initiator,
      encryptionKey: project.encryptionKey,
    };
    const describeArtifacts = (target: ProjectArtifacts) => ({
      location: "",
      ...stored.get(keyOf(project, target)),
      artifactIdentifier: target.artifactIdentifier,
      overrideArtifactName: target.overrideArtifactName,
      encryptionDisabled: target.encryptionDisabled,
    });
    const build: Build = {
      id,
      arn,
      url,
      projectName: project.name,
      run,
      describe: () => ({
        ...description,
        startTime: run.startTime,
        endTime: run.endTime,
        currentPhase: run.currentPhase,
        // Whatever has failed in it: its phases tell that.
        buildStatus: run.endTime === undefined ? "IN_PROGRESS" : run.status,
        buildComplete: run.endTime !== undefined,
        phases: run.phases,
        resolvedSourceVersion: run.resolvedSourceVersion,
        reportArns: run.reports,
        exportedEnvironmentVariables: run.exported,
        artifacts: describeArtifacts(project.artifacts),
        secondaryArtifacts: (project.secondaryArtifacts ?? []).map(describeArtifacts),
      }),
    };
    this.builds.in(scope).set(id, build);
    const { events } = this.props;
    events?.publish(scope, buildEvent(build.describe()));
    void run.done.then(() => events?.publish(scope, buildEvent(build.describe())));
    return build;
  }

  /** Kills all builds. Fulfilled when nothing is left of them. */
  async stop(): Promise<void> {
    const runs = [...this.running];
    for (const run of runs) run.stop();
    await Promise.all(runs.map(({ done }) => done));
  }

  private connect({ region }: Scope, { arn, serviceRole: roleArn }: Project) {
    const props = {
      endpoint: this.props.endpoint(),
      region,
      roleArn,
      session: `AWSCodeBuild-${randomUUID()}`,
      service: "codebuild.amazonaws.com",
      source: arn,
    };
    return assumeServiceRole(props).catch((error: Error) => {
      throw new PhaseFailure(
        "CLIENT_ERROR",
        `CodeBuild is not authorized to perform: sts:AssumeRole on ${roleArn}: ${error.message}`,
      );
    });
  }
}

/** Below a name of the project's own, as AWS does it. */
function cachePlaceOf({ cache, arn }: Project) {
  if (cache?.type !== "S3") return undefined;
  const [bucket = "", ...prefix] = String(cache.location ?? "").split("/");
  const own = createHash("sha256").update(arn).digest("hex").slice(0, 32);
  return { bucket, key: [...prefix.filter(Boolean), own].join("/") };
}

const listInput = z.looseObject({
  sortOrder,
  nextToken: z.string().optional(),
});
type ListInput = z.output<typeof listInput>;

/** The project as this build sees it. */
function override(project: Project, input: StartBuildInput): Project {
  const byName = new Map(project.environment.environmentVariables.map((one) => [one.name, one]));
  for (const one of input.environmentVariablesOverride) byName.set(one.name, one);
  const type = input.sourceTypeOverride ?? project.source.type;
  const from: ProjectSource = {
    ...project.source,
    ...defined({
      type,
      location: input.sourceLocationOverride,
      auth: input.sourceAuthOverride,
      buildspec: input.buildspecOverride,
    }),
  };
  return {
    ...project,
    source: type === "NO_SOURCE" ? { ...from, location: undefined } : from,
    environment: {
      ...project.environment,
      ...defined({
        type: input.environmentTypeOverride,
        image: input.imageOverride,
        computeType: input.computeTypeOverride,
        privilegedMode: input.privilegedModeOverride,
        imagePullCredentialsType: input.imagePullCredentialsTypeOverride,
      }),
      environmentVariables: [...byName.values()],
    },
    ...defined({
      sourceVersion: input.sourceVersion,
      secondarySources: input.secondarySourcesOverride,
      secondarySourceVersions: input.secondarySourcesVersionOverride,
      artifacts: input.artifactsOverride,
      secondaryArtifacts: input.secondaryArtifactsOverride,
      serviceRole: input.serviceRoleOverride,
      timeoutInMinutes: input.timeoutInMinutesOverride,
      queuedTimeoutInMinutes: input.queuedTimeoutInMinutesOverride,
      encryptionKey: input.encryptionKeyOverride,
      cache: input.cacheOverride,
      logsConfig: input.logsConfigOverride,
    }),
  };
}

/** Without the fields that were not given, so that they replace nothing. */
function defined<T extends object>(fields: T): { [K in keyof T]?: NonNullable<T[K]> } {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined && value !== null);
  return Object.fromEntries(entries) as { [K in keyof T]?: NonNullable<T[K]> };
}

function sourcesOf(project: Project): [BuildSource, ...BuildSource[]] {
  const versions = new Map(
    (project.secondarySourceVersions ?? []).map((one) => [one.sourceIdentifier, one.sourceVersion]),
  );
  return [
    sourceOf(project.source, project.sourceVersion),
    ...(project.secondarySources ?? []).map((secondary) =>
      sourceOf(secondary, versions.get(secondary.sourceIdentifier ?? ""), secondary.sourceIdentifier),
    ),
  ];
}

function sourceOf({ type, location = "" }: ProjectSource, version = "", identifier?: string): BuildSource {
  switch (type) {
    case "S3":
      return s3Source(location, version, identifier);
    case "NO_SOURCE":
      return { identifier, url: "", version, bring: async () => undefined };
    case "CODEPIPELINE":
      return noSource(
        "Local AWS: this project's builds are started by their pipeline, which brings the source",
      );
    default:
      return noSource(`Local AWS has no such repository: ${location} (${type})`, identifier);
  }
}

function placeOf(target: ProjectArtifacts, project: Project, uuid: string): ArtifactPlace {
  return {
    bucket: target.location ?? "",
    path: target.path,
    buildId: target.namespaceType === "BUILD_ID" ? uuid : undefined,
    name: target.name || project.name,
  };
}

/** The primary artifact goes by no identifier, even if it has one. */
const keyOf = (project: Project, target: ProjectArtifacts) =>
  target === project.artifacts ? undefined : target.artifactIdentifier;

function logsOf({ logsConfig: config, name: project }: Project, uuid: string) {
  const { status = "ENABLED", groupName, streamName } = config?.cloudWatchLogs ?? {};
  if (status === "DISABLED") return undefined;
  return {
    group: groupName || `/aws/codebuild/${project}`,
    stream: streamName ? `${streamName}/${uuid}` : uuid,
  };
}

function describeLogs(
  { account, region }: Scope,
  { logsConfig: config }: Project,
  logs: ReturnType<typeof logsOf>,
) {
  const cloudWatchLogs = config?.cloudWatchLogs ?? { status: "ENABLED" };
  if (!logs) return { cloudWatchLogs, s3Logs: config?.s3Logs };
  const { group, stream } = logs;
  const inLink = (text: string) => encodeURIComponent(encodeURIComponent(text)).replaceAll("%", "$");
  return {
    groupName: group,
    streamName: stream,
    deepLink: `https://console.aws.amazon.com/cloudwatch/home?region=${region}#logsV2:log-groups/log-group/${inLink(group)}/log-events/${inLink(stream)}`,
    cloudWatchLogsArn: `arn:aws:logs:${region}:${account}:log-group:${group}:log-stream:${stream}`,
    cloudWatchLogs,
    s3Logs: config?.s3Logs ?? { status: "DISABLED" },
  };
}

/** A release that waits for short minutes asks more often. */
function pace(time: EmulatedTime): Record<string, string> {
  const seconds = time.real(RELEASE_ASKS.every);
  if (seconds >= RELEASE_ASKS.every) return {};
  return { [RELEASE_ASKS.variable]: String(Math.max(LEAST_SECONDS, seconds)) };
}
