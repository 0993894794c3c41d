import type { Order } from "../deployments/deployments";
import type { Occurrence } from "./event";

export type DeploymentChange = "START" | "READY" | "SUCCESS" | "FAILURE" | "STOP";

/** As CodeDeploy's user guide tells of "CodeDeploy Deployment State-change Notification". */
export function deploymentEvent(order: Order, deploymentId: string, state: DeploymentChange): Occurrence {
  const { account, region } = order.scope;
  const arn = (resource: string) => `arn:aws:codedeploy:${region}:${account}:${resource}`;
  return {
    source: "aws.codedeploy",
    detailType: "CodeDeploy Deployment State-change Notification",
    resources: [
      arn(`application:${order.application}`),
      arn(`deploymentgroup:${order.application}/${order.group}`),
    ],
    detail: {
      region,
      deploymentId,
      // Of groups whose instances are none, it is the group.
      instanceGroupId: order.groupId,
      deploymentGroup: order.group,
      state,
      application: order.application,
    },
  };
}
