import {
  DeregisterTaskDefinitionCommand,
  DescribeTaskDefinitionCommand,
  ECSClient,
} from "@aws-sdk/client-ecs";
import type { EnvironmentSettings, Settings } from "../../settings";
import { deployRoleArn } from "../../shared/names";
import { UserError } from "../project";
import { takeOnRole } from "../role";

/** Releases come one after the other, and AWS throttles who asks often. */
const ATTEMPTS = 8;

/**
 * Takes task definitions out of use, all versions of them: releases have made more than Terraform knows of.
 *
 * @param families their names; those that are not of the preview are left alone
 * @throws UserError where AWS refuses it
 */
export async function retireTaskDefinitions(
  settings: Settings,
  environment: EnvironmentSettings,
  families: readonly string[],
): Promise<void> {
  const own = families.filter((family) => family.startsWith(`${settings.project}-${environment.name}-`));
  if (own.length === 0) return;
  const role = deployRoleArn(settings, environment);
  const credentials = await takeOnRole({ settings, environment, role, session: "slipway-teardown" });
  const ecs = new ECSClient({ region: environment.region, credentials, maxAttempts: ATTEMPTS });
  for (const family of own)
    for (let newest = await newestOf(ecs, family); newest; newest = await newestOf(ecs, family))
      await ecs
        .send(new DeregisterTaskDefinitionCommand({ taskDefinition: newest }))
        .catch((error: Error) => refuse(family, error));
}

/** ARN of the newest version in use, if there is any. */
async function newestOf(ecs: ECSClient, family: string): Promise<string | undefined> {
  try {
    const { taskDefinition } = await ecs.send(new DescribeTaskDefinitionCommand({ taskDefinition: family }));
    return taskDefinition?.status === "ACTIVE" ? taskDefinition.taskDefinitionArn : undefined;
  } catch (error) {
    // So ECS says that there is none.
    if ((error as Error).name === "ClientException") return undefined;
    return refuse(family, error as Error);
  }
}

function refuse(family: string, { name, message }: Error): never {
  throw new UserError(
    `Task definitions of ${family} cannot be taken out of use (${name}: ${message}). All else of the preview is destroyed. Run this again.`,
  );
}
