import { CloudWatchClient } from "@aws-sdk/client-cloudwatch";
import { CloudWatchLogsClient } from "@aws-sdk/client-cloudwatch-logs";
import { CodeDeployClient } from "@aws-sdk/client-codedeploy";
import { ECSClient } from "@aws-sdk/client-ecs";
import { LambdaClient } from "@aws-sdk/client-lambda";
import { AssumeRoleCommand, STSClient } from "@aws-sdk/client-sts";
import type { EnvironmentSettings, Settings } from "../../settings";
import { releaseRoleArn } from "../../shared/names";
import { UserError } from "../project";

/** What a release asks, in the environment's account and region. */
export interface Clients {
  readonly codedeploy: CodeDeployClient;
  readonly ecs: ECSClient;
  readonly lambda: LambdaClient;
  readonly cloudwatch: CloudWatchClient;
  readonly logs: CloudWatchLogsClient;
}

interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  readonly expiration?: Date;
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
function roleCredentials(settings: Settings, environment: EnvironmentSettings): () => Promise<Credentials> {
  const { name, region } = environment;
  const role = releaseRoleArn(settings, environment);
  const sts = new STSClient({ region, maxAttempts: ATTEMPTS });
  const takeOn = async (): Promise<Credentials> => {
    const { Credentials: given } = await sts
      .send(new AssumeRoleCommand({ RoleArn: role, RoleSessionName: "slipway-release" }))
      .catch((error: Error) => {
        throw new UserError(
          `The role ${role} cannot be taken on (${error.name}: ${error.message}). It takes credentials of the build account ${settings.account}, and is made by access-${name}: npx cdktf deploy access-${name}`,
        );
      });
    return {
      accessKeyId: given?.AccessKeyId ?? "",
      secretAccessKey: given?.SecretAccessKey ?? "",
      sessionToken: given?.SessionToken,
      expiration: given?.Expiration,
    };
  };
  let current: Promise<Credentials> | undefined;
  return async () => {
    const { expiration } = (await current?.catch(() => undefined)) ?? {};
    if (!expiration || expiration.getTime() - Date.now() < MARGIN_MILLISECONDS) current = takeOn();
    return current!;
  };
}
