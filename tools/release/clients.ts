import { CloudWatchClient } from "@aws-sdk/client-cloudwatch";
import { CloudWatchLogsClient } from "@aws-sdk/client-cloudwatch-logs";
import { CodeDeployClient } from "@aws-sdk/client-codedeploy";
import { ECSClient } from "@aws-sdk/client-ecs";
import { LambdaClient } from "@aws-sdk/client-lambda";
import type { EnvironmentSettings, Settings } from "../../settings";
import { releaseRoleArn } from "../../shared/names";
import { type RoleCredentials, takeOnRole } from "../role";

/** What a release asks, in the environment's account and region. */
export interface Clients {
  readonly codedeploy: CodeDeployClient;
  readonly ecs: ECSClient;
  readonly lambda: LambdaClient;
  readonly cloudwatch: CloudWatchClient;
  readonly logs: CloudWatchLogsClient;
}

/** AWS throttles and stumbles: so often a call is tried, with pauses that grow to 20 seconds. */
const ATTEMPTS = 8;

/** Credentials are fetched anew so long before they end. */
const MARGIN_MILLISECONDS = 10 * 60_000;

/** Clients with the environment's role for releases. @throws UserError where it cannot be taken on */
export async function releaseClients(settings: Settings, environment: EnvironmentSettings): Promise<Clients> {
  const { region } = environment;
  const credentials = roleCredentials(settings, environment);
  // Refused here, it is refused before anything changes.
  await credentials();
  const configuration = { region, credentials, maxAttempts: ATTEMPTS };
  return {
    codedeploy: new CodeDeployClient(configuration),
    ecs: new ECSClient(configuration),
    lambda: new LambdaClient(configuration),
    cloudwatch: new CloudWatchClient(configuration),
    logs: new CloudWatchLogsClient(configuration),
  };
}

/** One role that is taken on by another is so for an hour at most, and a release may take longer. */
function roleCredentials(
  settings: Settings,
  environment: EnvironmentSettings,
): () => Promise<RoleCredentials> {
  const role = releaseRoleArn(settings, environment);
  let current: Promise<RoleCredentials> | undefined;
  return async () => {
    const { expiration } = (await current?.catch(() => undefined)) ?? {};
    if (!expiration || expiration.getTime() - Date.now() < MARGIN_MILLISECONDS)
      current = takeOnRole({
        settings,
        environment,
        role,
        session: "slipway-release",
        maxAttempts: ATTEMPTS,
      });
    return current!;
  };
}
