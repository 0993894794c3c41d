import { CodebuildProject, type CodebuildProjectConfig } from "@cdktf/provider-aws/lib/codebuild-project";
import { CodebuildReportGroup } from "@cdktf/provider-aws/lib/codebuild-report-group";
import type { TerraformCount } from "cdktf";
import { Construct } from "constructs";
import { OUTPUT_ARCHIVE } from "../shared/names";
import type { IBucket } from "./bucket";
import { Role } from "./iam";
import type { IKey } from "./key";
import { LogGroup } from "./logs";
import { physicalName } from "./naming";

/** A buildspec, as far as this project writes one. */
export interface Buildspec {
  readonly version: 0.2;
  readonly env?: {
    readonly variables?: Readonly<Record<string, string>>;
    /** What the actions after it may use. */
    readonly "exported-variables"?: readonly string[];
  };
  readonly phases: {
    readonly install?: Phase;
    readonly build: Phase;
  };
  readonly reports?: Readonly<
    Record<
      string,
      { readonly files: readonly string[]; readonly "base-directory": string; readonly "file-format": string }
    >
  >;
  readonly cache?: { readonly paths: readonly string[] };
  readonly artifacts?: {
    readonly files: readonly string[];
    readonly "base-directory"?: string;
    readonly "exclude-paths"?: readonly string[];
    readonly "enable-symlinks"?: "yes";
  };
}

interface Phase {
  readonly commands: readonly string[];
}

/** Named, because what an image takes by default changes with time. */
const RUNTIMES = { nodejs: 22 };

/** What a build tells in the console beside its log. */
export interface Report {
  readonly name: string;
  readonly type: "TEST" | "CODE_COVERAGE";
  readonly format: "JUNITXML" | "CLOVERXML";
  readonly folder: string;
  readonly file: string;
}

/** Where a build gets what it works on, and where it leaves what it makes. */
export type BuildSource =
  | { readonly from: "pipeline" }
  /** Its commands fetch what they work on. */
  | { readonly from: "nowhere" }
  | {
      readonly from: "bucket";
      readonly bucket: string;
      /** The archive to build. */
      readonly archive: string;
      /** Folder for the archive that the build makes, below the build's id. */
      readonly output: string;
    }
  | {
      readonly from: "github";
      /** owner/name */
      readonly repository: string;
      /** ARN of the secret that holds the token, in CodeBuild's form, encrypted with the project's key. */
      readonly tokenSecret: string;
      /**
       * A branch that is checked out beside what started the build, in the folder CODEBUILD_SRC_DIR_<name>.
       * @default - none
       */
      readonly beside?: { readonly name: string; readonly branch: string };
      /** Whether GitHub shows how the build ends, on the commit. */
      readonly reportStatus: boolean;
    };

export interface BuildProjectProps {
  readonly name: string;
  readonly description: string;
  readonly account: string;
  readonly region: string;
  readonly key: IKey;
  readonly buildspec: Buildspec;
  /** @default - the pipeline that runs it */
  readonly source?: BuildSource;
  /** @default - none */
  readonly reports?: readonly Report[];
  /** What is kept from one build to the next, in a bucket. @default - nothing */
  readonly cache?: { readonly bucket: IBucket; readonly paths: readonly string[] };
  /**
   * Whether it builds container images: the one reason for privileged mode, without which Docker has no daemon.
   * @default false
   */
  readonly containers?: boolean;
  /** How many projects there are: 0 or 1, where that shows only when it is deployed. @default - one */
  readonly count?: TerraformCount;
  /** Builds that run side by side at most; one more is refused. @default - as many as the account may have */
  readonly atOnce?: number;
  /** @default 30 */
  readonly timeoutMinutes?: number;
  readonly logRetentionDays: number;
}

/** A CodeBuild project: an encrypted log, a role of its own, and no Docker daemon unless it builds images. */
export class BuildProject extends Construct {
  readonly name: string;
  readonly arn: string;
  readonly role: Role;
  readonly logs: LogGroup;
  /** For what must come after it without naming it. */
  readonly project: CodebuildProject;

  constructor(scope: Construct, id: string, props: BuildProjectProps) {
    super(scope, id);
    this.logs = new LogGroup(this, "logs", {
      name: `/slipway/${props.name}`,
      key: props.key,
      retentionDays: props.logRetentionDays,
    });
    this.role = new Role(this, "role", {
      name: physicalName("iamRole", props.name),
      description: props.description,
      service: "codebuild.amazonaws.com",
      sourceAccount: props.account,
    });
    this.logs.grantWrite(this.role);
    if (props.source?.from === "github") {
      this.role.allow({ actions: ["secretsmanager:GetSecretValue"], resources: [props.source.tokenSecret] });
      props.key.grantUse(this.role);
    }
    const reports = this.createReports(props);
    const cache = `cache/${props.name}`;
    props.cache?.bucket.grantReadWrite(this.role, `${cache}/`);
    this.project = new CodebuildProject(this, "project", {
      name: props.name,
      description: props.description,
      serviceRole: this.role.arn,
      encryptionKey: props.key.arn,
      buildTimeout: props.timeoutMinutes ?? 30,
      concurrentBuildLimit: props.atOnce,
      ...sourceAndArtifacts(
        props.source ?? { from: "pipeline" },
        JSON.stringify(
          withRuntimes({
            ...props.buildspec,
            ...reports,
            ...(props.cache && { cache: { paths: props.cache.paths } }),
          }),
          null,
          2,
        ),
      ),
      ...(props.cache && { cache: { type: "S3", location: `${props.cache.bucket.name}/${cache}` } }),
      environment: {
        type: "LINUX_CONTAINER",
        computeType: "BUILD_GENERAL1_MEDIUM",
        // For x86_64, as the tasks are (fargate-service.ts): the images that it builds need no emulation.
        image: "aws/codebuild/standard:7.0",
        // Not CodePipeline's own ECRBuildAndPublish, which needs no such project: it cannot leave out an image
        // whose immutable tag is there (an execution that is retried or started anew would fail), keeps no layers,
        // and runs with the role of the whole pipeline. Here the privileged container has a machine of its own,
        // which goes with the build, and a role that reaches one repository and its input alone.
        privilegedMode: props.containers ?? false,
      },
      logsConfig: { cloudwatchLogs: { status: "ENABLED", groupName: this.logs.name } },
      dependsOn: this.role.ready,
      count: props.count,
    });
    this.name = props.count ? props.name : this.project.name;
    this.arn = props.count
      ? `arn:aws:codebuild:${props.region}:${props.account}:project/${props.name}`
      : this.project.arn;
  }

  /** Groups for the reports, and what a buildspec says of them. */
  private createReports({ name, reports = [] }: BuildProjectProps): Pick<Buildspec, "reports"> {
    const entries = reports.map(({ name: report, type, format, folder, file }) => {
      const { arn } = new CodebuildReportGroup(this, `report-${report}`, {
        name: physicalName("reportGroup", name, report),
        type,
        exportConfig: { type: "NO_EXPORT" },
        // Reports are of builds that are over: nothing to stop a destroy for.
        deleteReports: true,
      });
      this.role.allow({
        actions: [
          "codebuild:BatchPutCodeCoverages",
          "codebuild:BatchPutTestCases",
          "codebuild:CreateReport",
          "codebuild:UpdateReport",
        ],
        resources: [arn],
      });
      return [arn, { files: [file], "base-directory": folder, "file-format": format }] as const;
    });
    return entries.length ? { reports: Object.fromEntries(entries) } : {};
  }
}

/** The source, and where its results go: the parts of a project that belong together. */
function sourceAndArtifacts(
  source: BuildSource,
  buildspec: string,
): Pick<CodebuildProjectConfig, "source" | "artifacts" | "secondarySources" | "secondarySourceVersion"> {
  switch (source.from) {
    case "pipeline":
      return { artifacts: { type: "CODEPIPELINE" }, source: { type: "CODEPIPELINE", buildspec } };
    case "nowhere":
      return { artifacts: { type: "NO_ARTIFACTS" }, source: { type: "NO_SOURCE", buildspec } };
    case "bucket":
      return {
        artifacts: {
          type: "S3",
          location: source.bucket,
          path: source.output,
          namespaceType: "BUILD_ID",
          name: OUTPUT_ARCHIVE,
          packaging: "ZIP",
        },
        source: { type: "S3", location: `${source.bucket}/${source.archive}`, buildspec },
      };
    case "github": {
      const { beside } = source;
      const repository = {
        type: "GITHUB",
        location: `https://github.com/${source.repository}.git`,
        gitCloneDepth: 1,
        auth: { type: "SECRETS_MANAGER", resource: source.tokenSecret },
      };
      return {
        artifacts: { type: "NO_ARTIFACTS" },
        source: { ...repository, buildspec, reportBuildStatus: source.reportStatus },
        ...(beside && {
          secondarySources: [{ ...repository, sourceIdentifier: beside.name }],
          secondarySourceVersion: [{ sourceIdentifier: beside.name, sourceVersion: beside.branch }],
        }),
      };
    }
  }
}

/** CodeBuild takes runtimes in the install phase alone. */
function withRuntimes({ phases, ...rest }: Buildspec) {
  return { ...rest, phases: { ...phases, install: { "runtime-versions": RUNTIMES, ...phases.install } } };
}
