import { setTimeout as pause } from "node:timers/promises";
import {
  BatchGetDeploymentTargetsCommand,
  type CodeDeployClient,
  type DeploymentInfo,
  type DeploymentTarget,
  GetDeploymentCommand,
  type LifecycleEvent,
  ListDeploymentTargetsCommand,
  type RevisionLocation,
} from "@aws-sdk/client-codedeploy";
import * as z from "../../shared/zod";

/** What a deployment waits for. */
export interface Awaited {
  readonly event: string;
  /** Of a function, the version that traffic is to move to. */
  readonly version?: string;
}

/** Seconds that CodeDeploy gets to tell which event it asks for. */
const SECONDS_TO_TELL = 10;

/**
 * Which of these lifecycle events a deployment is at: CodeDeploy does not tell the function that it asks.
 *
 * @throws Error where it is at none of them
 */
export async function awaited(
  client: CodeDeployClient,
  deploymentId: string,
  events: readonly string[],
  signal: AbortSignal,
): Promise<Awaited> {
  for (let second = 0; ; second++) {
    const { deploymentInfo } = await client.send(new GetDeploymentCommand({ deploymentId }), {
      abortSignal: signal,
    });
    for (const { ecsTarget, lambdaTarget } of await targetsOf(client, deploymentId, signal)) {
      const event = inProgress((ecsTarget ?? lambdaTarget)?.lifecycleEvents, events);
      if (!event) continue;
      if (ecsTarget) return { event };
      const told = lambdaTarget?.lambdaFunctionInfo?.targetVersion;
      return { event, version: told ?? (await versionOf(deploymentInfo)) };
    }
    if (deploymentInfo?.completeTime || second === SECONDS_TO_TELL)
      throw new Error(`it is ${deploymentInfo?.status}, and at none of ${events.join(", ")}`);
    await pause(1000, undefined, { signal });
  }
}

async function targetsOf(
  client: CodeDeployClient,
  deploymentId: string,
  abortSignal: AbortSignal,
): Promise<DeploymentTarget[]> {
  const list = new ListDeploymentTargetsCommand({ deploymentId });
  const { targetIds = [] } = await client.send(list, { abortSignal });
  // A deployment that begins has none, and to ask for none is an error.
  if (targetIds.length === 0) return [];
  const get = new BatchGetDeploymentTargetsCommand({ deploymentId, targetIds });
  return (await client.send(get, { abortSignal })).deploymentTargets ?? [];
}

const inProgress = (given: readonly LifecycleEvent[] = [], events: readonly string[]) =>
  given
    .filter(({ status }) => status === "InProgress")
    .map(({ lifecycleEventName }) => lifecycleEventName)
    .find((name): name is string => name !== undefined && events.includes(name));

const appSpec = z.object({
  Resources: z.array(
    z.record(z.string(), z.object({ Properties: z.object({ TargetVersion: z.coerce.string() }) })),
  ),
});

/** The version in the deployment's AppSpec, in YAML or JSON; undefined where it has none. */
async function versionOf(deployment: DeploymentInfo | undefined): Promise<string | undefined> {
  const { appSpecContent, string }: RevisionLocation = deployment?.revision ?? {};
  const content = appSpecContent?.content ?? string?.content;
  if (content === undefined) return undefined;
  // Loaded where it is needed: not for a service, nor where CodeDeploy tells the version. YAML reads JSON too.
  const { parse } = await import("yaml");
  const [resource] = appSpec.safeParse(parse(content)).data?.Resources ?? [];
  return Object.values(resource ?? {})[0]?.Properties.TargetVersion;
}
