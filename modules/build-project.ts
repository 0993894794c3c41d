import { CodebuildProject } from "@cdktf/provider-aws/lib/codebuild-project";
import { Construct } from "constructs";
import { Role } from "./iam";
import type { IKey } from "./key";
import { LogGroup } from "./logs";
import { physicalName } from "./naming";

/** A buildspec, as far as this project writes one. */
export interface Buildspec {
  readonly version: 0.2;
  readonly env?: { readonly variables?: Readonly<Record<string, string>> };
  readonly phases: {
    readonly install?: Phase;
    readonly build: Phase;
  };
  readonly artifacts?: { readonly files: readonly string[] };
}

interface Phase {
  readonly commands: readonly string[];
}

/** Named, because what an image takes by default changes with time. */
const RUNTIMES = { nodejs: 22 };

export interface BuildProjectProps {
  readonly name: string;
  readonly description: string;
  readonly account: string;
  readonly region: string;
  readonly key: IKey;
  readonly buildspec: Buildspec;
  /** @default 30 */
  readonly timeoutMinutes?: number;
  readonly logRetentionDays: number;
}

/** A CodeBuild project that a pipeline runs: no Docker daemon, an encrypted log, a role of its own. */
export class BuildProject extends Construct {
  readonly name: string;
  readonly arn: string;
  readonly role: Role;

  constructor(scope: Construct, id: string, props: BuildProjectProps) {
    super(scope, id);
    const logs = new LogGroup(this, "logs", {
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
    logs.grantWrite(this.role);
    const project = new CodebuildProject(this, "project", {
      name: props.name,
      description: props.description,
      serviceRole: this.role.arn,
      encryptionKey: props.key.arn,
      buildTimeout: props.timeoutMinutes ?? 30,
      artifacts: { type: "CODEPIPELINE" },
      source: { type: "CODEPIPELINE", buildspec: JSON.stringify(withRuntimes(props.buildspec), null, 2) },
      environment: {
        type: "LINUX_CONTAINER",
        computeType: "BUILD_GENERAL1_MEDIUM",
        image: "aws/codebuild/standard:7.0",
        privilegedMode: false,
      },
      logsConfig: { cloudwatchLogs: { status: "ENABLED", groupName: logs.name } },
      dependsOn: this.role.ready,
    });
    this.name = project.name;
    this.arn = project.arn;
  }
}

/** CodeBuild takes runtimes in the install phase alone. */
function withRuntimes({ phases, ...rest }: Buildspec) {
  return { ...rest, phases: { ...phases, install: { "runtime-versions": RUNTIMES, ...phases.install } } };
}
