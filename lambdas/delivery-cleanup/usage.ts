import { DescribeServicesCommand, DescribeTaskDefinitionCommand, type ECSClient } from "@aws-sdk/client-ecs";
import { AssumeRoleCommand, type STSClient } from "@aws-sdk/client-sts";

/** The most services that one request describes. */
const DESCRIBED_AT_ONCE = 10;

/** An environment as the clean-up reaches it. */
export interface Environment {
  readonly region: string;
  readonly cluster: string;
  /** ARN of the role that plans the environment: it may look at all of it. */
  readonly planRole: string;
}

export interface RoleCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
}

export interface UsageClients {
  readonly sts: STSClient;
  /** ECS of another account, with a role's credentials. */
  readonly ecs: (region: string, credentials: RoleCredentials) => ECSClient;
}

/**
 * The images of all that an environment's services run, are about to run or have not yet stopped, as their task
 * definitions name them. A cluster or service that is not there runs nothing.
 *
 * @throws where that cannot be told
 */
export async function readImagesInUse(
  { sts, ecs: ecsOf }: UsageClients,
  { region, cluster, planRole }: Environment,
  services: readonly string[],
): Promise<string[]> {
  const ecs = ecsOf(region, await takeOn(sts, planRole));
  const taskDefinitions = new Set<string>();
  for (let first = 0; first < services.length; first += DESCRIBED_AT_ONCE) {
    const batch = services.slice(first, first + DESCRIBED_AT_ONCE);
    for (const service of await describeServices(ecs, cluster, batch)) {
      // A release by CodeDeploy has two task sets; which one stays is not known until it has ended.
      for (const { taskDefinition } of [
        service,
        ...(service.deployments ?? []),
        ...(service.taskSets ?? []),
      ]) {
        if (taskDefinition) taskDefinitions.add(taskDefinition);
      }
    }
  }
  const images: string[] = [];
  for (const arn of taskDefinitions) {
    const { taskDefinition } = await ecs.send(new DescribeTaskDefinitionCommand({ taskDefinition: arn }));
    images.push(...(taskDefinition?.containerDefinitions ?? []).flatMap(({ image }) => image ?? []));
  }
  return images;
}

async function takeOn(sts: STSClient, role: string): Promise<RoleCredentials> {
  const command = new AssumeRoleCommand({ RoleArn: role, RoleSessionName: "delivery-cleanup" });
  const { Credentials: { AccessKeyId = "", SecretAccessKey = "", SessionToken = "" } = {} } =
    await sts.send(command);
  return { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: SessionToken };
}

async function describeServices(ecs: ECSClient, cluster: string, names: string[]) {
  try {
    const command = new DescribeServicesCommand({ cluster, services: names });
    const { services = [], failures = [] } = await ecs.send(command);
    const unknown = failures.find(({ reason }) => reason !== "MISSING");
    if (unknown) throw new Error(`ECS does not describe ${unknown.arn}: ${unknown.reason}`);
    return services;
  } catch (error) {
    if ((error as Error).name === "ClusterNotFoundException") return [];
    throw error;
  }
}
