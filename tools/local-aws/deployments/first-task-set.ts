import { type AwsRequest, readJson } from "../aws-request";
import { ask } from "../functions/client";
import type { Quirk } from "../quirks";

type Fields = Record<string, unknown>;

/**
 * Gives a service that CodeDeploy deploys its first task set.
 *
 * @param moto its address: what is asked of it here is no request of anybody's
 */
export function firstTaskSets(moto: string): Quirk {
  const call = async ({ scope, headers }: AwsRequest, operation: string, input: Fields): Promise<Fields> => {
    const caller = { endpoint: moto, region: scope.region, accessKey: "local" };
    const response = await ask(caller, "ecs", "/", {
      method: "POST",
      headers: {
        "content-type": String(headers["content-type"]),
        "x-amz-target": `AmazonEC2ContainerServiceV20141113.${operation}`,
        "x-moto-account-id": scope.account,
      },
      body: JSON.stringify(input),
    });
    const answer = await response.text();
    if (!response.ok) throw new Error(`${operation} of the first task set failed: ${answer}`);
    return JSON.parse(answer) as Fields;
  };
  return {
    reason: "moto gives a service whose deployments are CodeDeploy's no first task set",
    concerns: ({ api, operation }) => /^AmazonEC2ContainerService/.test(api) && operation === "CreateService",
    async amend(request, answer) {
      const content = readJson(answer) as { service?: Fields };
      const { service } = content;
      const controller = service?.deploymentController as Fields | undefined;
      if (!service || controller?.type !== "CODE_DEPLOY") return answer;
      const names = { cluster: service.clusterArn, service: service.serviceName };
      // Without a scale it is all that the service wants, and moto makes no tasks of its own.
      const { taskSet } = await call(request, "CreateTaskSet", {
        ...names,
        taskDefinition: service.taskDefinition,
        loadBalancers: service.loadBalancers,
        serviceRegistries: service.serviceRegistries,
        networkConfiguration: service.networkConfiguration,
        launchType: service.launchType,
        platformVersion: service.platformVersion,
      });
      const primaryTaskSet = (taskSet as Fields).taskSetArn;
      await call(request, "UpdateServicePrimaryTaskSet", { ...names, primaryTaskSet });
      const first = { ...(taskSet as Fields), status: "PRIMARY" };
      return Buffer.from(JSON.stringify({ ...content, service: { ...service, taskSets: [first] } }));
    },
  };
}
