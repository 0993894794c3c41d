import { join } from "node:path";
import { Construct } from "constructs";
import type { Check, CheckTarget } from "../shared/checks";
import { createFunction, type FunctionProps } from "./function";
import type { Grantee } from "./iam";
import { physicalName } from "./naming";

/** For which a check is tried until it is good. A load balancer needs a moment to lead to another target group. */
const PATIENCE_SECONDS = { service: 30, function: 15 };

export interface ReleaseCheckProps
  extends Pick<FunctionProps, "vpc" | "key" | "logRetentionDays" | "boundary"> {
  /** Begins the names of what is released and all that it holds. */
  readonly releases: string;
  readonly account: string;
  readonly region: string;
  /** Folder with the functions' archives. */
  readonly bundles: string;
  /** CodeDeploy's application and group that it answers to. */
  readonly application: string;
  readonly group: string;
  readonly target: CheckTarget;
  readonly checks: readonly Check[];
}

/** What CodeDeploy asks before traffic moves to a new version, and after: a function that tries the version. */
export class ReleaseCheck extends Construct {
  /** Name of the function. */
  readonly name: string;
  private readonly arn: string;

  constructor(scope: Construct, id: string, props: ReleaseCheckProps) {
    super(scope, id);
    const { releases, account, region, application, group, target, checks } = props;
    const { fn, role } = createFunction(this, {
      ...props,
      name: physicalName("function", releases, "check"),
      description: `Says whether a new version of ${releases} is good`,
      roleDescription: `What the check of ${releases}'s releases may do`,
      archive: join(props.bundles, "release-check.zip"),
      memory: 256,
      // CodeDeploy waits an hour for an answer, and this function gives one in any case.
      timeoutSeconds: 300,
      variables: {
        TARGET: JSON.stringify(target),
        CHECKS: JSON.stringify(checks),
        PATIENCE_SECONDS: String(PATIENCE_SECONDS[target.kind]),
      },
    });
    this.name = fn.functionName;
    this.arn = fn.arn;
    role.allow(
      {
        actions: ["codedeploy:GetDeployment"],
        resources: [`arn:aws:codedeploy:${region}:${account}:deploymentgroup:${application}/${group}`],
      },
      {
        actions: [
          "codedeploy:BatchGetDeploymentTargets",
          "codedeploy:ListDeploymentTargets",
          "codedeploy:PutLifecycleEventHookExecutionStatus",
        ],
        resources: ["*"],
        reason: "These actions of CodeDeploy have no resource.",
      },
    );
    if (target.kind === "function") {
      const checked = `arn:aws:lambda:${region}:${account}:function:${target.name}`;
      // Any of its versions: each is new once.
      role.allow({ actions: ["lambda:InvokeFunction"], resources: [`${checked}:*`] });
    }
  }

  /** Lets CodeDeploy's role ask. */
  grantAsk(grantee: Grantee): void {
    grantee.allow({ actions: ["lambda:InvokeFunction"], resources: [this.arn, `${this.arn}:*`] });
  }
}
