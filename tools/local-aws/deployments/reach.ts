import { OWN_AGENT, type Scope } from "../aws-request";
import { assumeServiceRole } from "../builds/role";
import { functionArn } from "../functions/functions";
import type { EmulatedTime } from "../time";
import type { AppSpec } from "./app-spec";
import { FunctionTarget } from "./function-target";
import { type ServiceSettings, ServiceTarget } from "./service-target";
import { DeploymentFailure, type Reach } from "./target";

export interface ReachProps {
  /** Of Local AWS. */
  readonly endpoint: string;
  readonly scope: Scope;
  /** ARN of the group's service role. */
  readonly role: string;
  /** ARN of the group. */
  readonly group: string;
  /** Of the deployment. */
  readonly id: string;
  readonly spec: AppSpec;
  /** Of an ECS group's service. */
  readonly service?: ServiceSettings;
  readonly time: EmulatedTime;
}

/** Takes on the group's service role, and reaches by it what the deployment changes. */
export async function reach(props: ReachProps): Promise<Reach> {
  const { endpoint, scope, id, spec, service, time } = props;
  const { region } = scope;
  const { environment } = await assumeServiceRole({
    endpoint,
    region,
    roleArn: props.role,
    session: id,
    service: "codedeploy.amazonaws.com",
    source: props.group,
  }).catch((error: Error) => {
    const message = `CodeDeploy cannot assume the role ${props.role}: ${error.message}`;
    throw new DeploymentFailure("IAM_ROLE_PERMISSIONS", message);
  });
  const credentials = {
    accessKeyId: environment.AWS_ACCESS_KEY_ID ?? "",
    secretAccessKey: environment.AWS_SECRET_ACCESS_KEY ?? "",
    sessionToken: environment.AWS_SESSION_TOKEN ?? "",
  };
  const config = { endpoint, region, credentials, customUserAgent: OWN_AGENT };
  // Each of them takes its time to load, and most of what uses Local AWS deploys nothing.
  const { InvokeCommand, LambdaClient } = await import("@aws-sdk/client-lambda");
  const { CloudWatchClient, DescribeAlarmsCommand } = await import("@aws-sdk/client-cloudwatch");
  const { ECSClient } = await import("@aws-sdk/client-ecs");
  const { ElasticLoadBalancingV2Client } = await import("@aws-sdk/client-elastic-load-balancing-v2");
  const lambda = new LambdaClient(config);
  const cloudwatch = new CloudWatchClient(config);
  const ecs = new ECSClient(config);
  const elb = new ElasticLoadBalancingV2Client(config);
  const target =
    spec.platform === "Lambda"
      ? new FunctionTarget(lambda, spec.function, functionArn({ scope, name: spec.function.Name }))
      : new ServiceTarget({ ...(service as ServiceSettings), ecs, elb, spec: spec.service, id, time });
  return {
    target,
    async invoke(fn, event) {
      const command = { FunctionName: fn, InvocationType: "Event" as const, Payload: JSON.stringify(event) };
      await lambda.send(new InvokeCommand(command));
    },
    async activeAlarms(names) {
      // No alarm that is there is left out, of whatever kind it is.
      const AlarmTypes = ["MetricAlarm" as const, "CompositeAlarm" as const];
      const command = new DescribeAlarmsCommand({ AlarmNames: [...names], AlarmTypes });
      const { MetricAlarms = [], CompositeAlarms = [] } = await cloudwatch.send(command);
      return [...MetricAlarms, ...CompositeAlarms]
        .filter(({ StateValue }) => StateValue === "ALARM")
        .flatMap(({ AlarmName }) => AlarmName ?? []);
    },
    close() {
      for (const client of [lambda, cloudwatch, ecs, elb]) client.destroy();
    },
  };
}
