import { isDeepStrictEqual } from "node:util";
import { Logger } from "@aws-lambda-powertools/logger";
import { CodeDeployClient, PutLifecycleEventHookExecutionStatusCommand } from "@aws-sdk/client-codedeploy";
import { DescribeNetworkInterfacesCommand, EC2Client } from "@aws-sdk/client-ec2";
import { LambdaClient } from "@aws-sdk/client-lambda";
import type { Context } from "aws-lambda";
import { functionTarget, httpTarget } from "../../shared/check-targets";
import { type CheckTarget, runChecks, sentence, type Target } from "../../shared/checks";
import { visible } from "../../shared/visible";
import * as z from "../../shared/zod";
import { type Awaited, awaited } from "./deployment";
import { readTask, type Task } from "./task";

const logger = new Logger({ serviceName: "release-check" });

/** Kept at the end for the answer to CodeDeploy, which would wait an hour for it. */
const MILLISECONDS_TO_ANSWER = 15_000;

/** And of that for the last line of the log. */
const MILLISECONDS_TO_SAY = 2000;

/** All that CodeDeploy tells a hook. */
const hook = z.object({ DeploymentId: z.string(), LifecycleEventHookExecutionId: z.string() });
type Hook = z.infer<typeof hook>;

interface Verdict {
  readonly isGood: boolean;
  /** For people. */
  readonly why: string;
}

/**
 * Says to CodeDeploy whether a new version is good, before traffic moves to it and after.
 *
 * @throws Error where CodeDeploy cannot be told
 */
export async function handler(event: unknown, context: Context): Promise<void> {
  logger.addContext(context);
  // A release wakes what nobody has called for weeks.
  if (isDeepStrictEqual(event, {})) return;
  const asked = hook.parse(event);
  const codedeploy = new CodeDeployClient({});
  /** Ends when so much of the function's time is left. */
  const until = (left: number) => AbortSignal.timeout(Math.max(0, context.getRemainingTimeInMillis() - left));
  const { isGood, why } = await judge(codedeploy, asked, until(MILLISECONDS_TO_ANSWER));
  try {
    await answer(codedeploy, asked, isGood, until(MILLISECONDS_TO_SAY));
  } finally {
    // The last line is what people look at.
    logger[isGood ? "info" : "error"](`${asked.DeploymentId}${why}`);
  }
}

async function judge(
  codedeploy: CodeDeployClient,
  { DeploymentId: deployment }: Hook,
  signal: AbortSignal,
): Promise<Verdict> {
  try {
    const task = readTask(process.env);
    const at = await awaited(codedeploy, deployment, EVENTS[task.target.kind], signal);
    return await check(task, at, signal);
  } catch (error) {
    const { name, message } = error as Error;
    const reason = signal.aborted
      ? "there was no time left"
      : `${name === "Error" ? "" : `${name}: `}${message}`;
    return { isGood: false, why: ` could not be checked: ${visible(reason)}` };
  }
}

async function check(task: Task, at: Awaited, signal: AbortSignal): Promise<Verdict> {
  const { checks, patienceMilliseconds } = task;
  const target = await targetOf(task.target, at, signal);
  const results = await runChecks(checks, target, { patienceMilliseconds, signal });
  for (const result of results)
    logger[result.isGood ? "info" : "error"](sentence(result), { check: { ...result } });
  const failed = results.filter(({ isGood }) => !isGood);
  const isGood = failed.length === 0;
  const why = isGood
    ? `${target.name} passed ${results.length} of ${results.length} checks.`
    : `${target.name} failed ${failed.length} of ${results.length} checks. ${failed.map(sentence).join(". ")}`;
  return { isGood, why: `, ${at.event}: ${why}` };
}

/** The lifecycle events at which each kind is checked; the first is before traffic moves. */
const EVENTS: Readonly<Record<CheckTarget["kind"], readonly string[]>> = {
  service: ["AfterAllowTestTraffic", "AfterAllowTraffic"],
  function: ["BeforeAllowTraffic", "AfterAllowTraffic"],
};

async function targetOf(target: CheckTarget, at: Awaited, signal: AbortSignal): Promise<Target> {
  const isBefore = at.event === EVENTS[target.kind][0];
  if (target.kind === "function") {
    const qualifier = isBefore ? at.version : target.alias;
    if (!qualifier) throw new Error("it does not tell the function's new version");
    // What fails is tried again here, so that each try counts by its own time.
    return functionTarget(new LambdaClient({ maxAttempts: 1 }), target.name, qualifier);
  }
  const addresses = await addressesOf(target.loadBalancer, signal);
  const { protocol, host } = new URL(target.url);
  // The test listener speaks HTTP, whatever production does.
  if (isBefore) return httpTarget({ url: `http://${host}`, connect: { addresses, port: target.testPort } });
  // A port in the address is what leads to the load balancer from outside.
  const { productionPort: port = protocol === "https:" ? 443 : 80 } = target;
  return httpTarget({ url: target.url, connect: { addresses, port } });
}

/** Where the load balancer is reached inside the VPC: there, too, its name leads to its public addresses. */
async function addressesOf(loadBalancer: string, signal: AbortSignal): Promise<string[]> {
  const { NetworkInterfaces = [] } = await new EC2Client({}).send(
    new DescribeNetworkInterfacesCommand({
      Filters: [{ Name: "description", Values: [`ELB ${loadBalancer}`] }],
    }),
    { abortSignal: signal },
  );
  const addresses = NetworkInterfaces.flatMap(({ PrivateIpAddress: address }) => address ?? []);
  if (addresses.length === 0) throw new Error(`the load balancer ${loadBalancer} has no network interface`);
  return addresses;
}

async function answer(
  codedeploy: CodeDeployClient,
  { DeploymentId, LifecycleEventHookExecutionId }: Hook,
  isGood: boolean,
  signal: AbortSignal,
): Promise<void> {
  const command = new PutLifecycleEventHookExecutionStatusCommand({
    deploymentId: DeploymentId,
    lifecycleEventHookExecutionId: LifecycleEventHookExecutionId,
    status: isGood ? "Succeeded" : "Failed",
  });
  try {
    await codedeploy.send(command, { abortSignal: signal });
  } catch (error) {
    // The deployment was stopped, or has this answer already: to be asked again would change nothing.
    if (!NOT_AWAITED.includes((error as Error).name)) throw error;
    logger.warn("CodeDeploy no longer waits for the answer", error as Error);
  }
}

const NOT_AWAITED = [
  "DeploymentDoesNotExistException",
  "InvalidLifecycleEventHookExecutionIdException",
  "LifecycleEventAlreadyCompletedException",
];
