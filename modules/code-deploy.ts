import { CodedeployApp } from "@cdktf/provider-aws/lib/codedeploy-app";
import {
  CodedeployDeploymentGroup,
  type CodedeployDeploymentGroupConfig,
} from "@cdktf/provider-aws/lib/codedeploy-deployment-group";
import type { Construct } from "constructs";
import type { DeploymentGroup } from "../shared/releases";
import { Role, type Statement } from "./iam";
import { physicalName } from "./naming";
import type { ReleaseCheck } from "./release-check";

/** What brings the old version back by itself. */
const ROLLBACK = {
  enabled: true,
  events: ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST"],
};

export interface CodeDeployProps {
  /** Begins the name of CodeDeploy's role. */
  readonly releases: string;
  readonly application: string;
  /** Also what is released is called so. */
  readonly group: string;
  readonly computePlatform: "ECS" | "Lambda";
  /** Name of the deployment configuration: how traffic moves. */
  readonly config: string;
  /** What else the platform has a deployment group say. @default - nothing */
  readonly settings?: Partial<CodedeployDeploymentGroupConfig>;
  /** What CodeDeploy does with what is released. */
  readonly rights: readonly Statement[];
  /** Asked before traffic moves, and after. */
  readonly check: ReleaseCheck;
  /** Names of the alarms that bring the old version back. */
  readonly alarms: readonly string[];
  readonly account: string;
  readonly boundary: string;
}

/** CodeDeploy's releases of one thing: its role, application and deployment group. Made right in the scope of what is released. */
export function releaseByCodeDeploy(scope: Construct, props: CodeDeployProps): DeploymentGroup {
  const { releases, application, group, check, alarms, account, boundary } = props;
  const role = new Role(scope, "release-role", {
    name: physicalName("iamRole", releases, "release"),
    description: `CodeDeploy's releases of ${group}`,
    service: "codedeploy.amazonaws.com",
    sourceAccount: account,
    boundary,
  });
  role.allow(...props.rights, {
    actions: ["cloudwatch:DescribeAlarms"],
    resources: ["*"],
    reason: "Describing has no resource.",
  });
  check.grantAsk(role);
  const app = new CodedeployApp(scope, "release-app", {
    name: application,
    computePlatform: props.computePlatform,
  });
  new CodedeployDeploymentGroup(scope, "release", {
    ...props.settings,
    appName: app.name,
    deploymentGroupName: group,
    deploymentConfigName: props.config,
    serviceRoleArn: role.arn,
    deploymentStyle: { deploymentType: "BLUE_GREEN", deploymentOption: "WITH_TRAFFIC_CONTROL" },
    autoRollbackConfiguration: ROLLBACK,
    alarmConfiguration: { enabled: true, alarms: [...alarms] },
    dependsOn: role.ready,
  });
  return { application, group, check: check.name, alarms };
}
