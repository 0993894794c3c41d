import { AssumeRoleCommand, STSClient } from "@aws-sdk/client-sts";
import type { EnvironmentSettings, Settings } from "../settings";
import { UserError } from "./project";

/** Credentials of a role, as AWS's clients take them. */
export interface RoleCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  readonly expiration?: Date;
}

export interface EnvironmentRole {
  readonly settings: Settings;
  readonly environment: EnvironmentSettings;
  /** ARN. It is one that the environment's access stack makes. */
  readonly role: string;
  /** What the account's records call whoever has the role. */
  readonly session: string;
  /** So often AWS is asked. @default 3 */
  readonly maxAttempts?: number;
}

/** The stack that makes an environment's roles; those of its previews, too. */
export const accessStackOf = ({ name, preview }: EnvironmentSettings) => `access-${preview?.of ?? name}`;

/** Takes on an environment's role with the build account's credentials. @throws UserError where it cannot be taken on */
export async function takeOnRole({
  settings,
  environment,
  role,
  session,
  maxAttempts,
}: EnvironmentRole): Promise<RoleCredentials> {
  const access = accessStackOf(environment);
  const { Credentials: given } = await new STSClient({ region: environment.region, maxAttempts })
    .send(new AssumeRoleCommand({ RoleArn: role, RoleSessionName: session }))
    .catch((error: Error) => {
      throw new UserError(
        `The role ${role} cannot be taken on (${error.name}: ${error.message}). It takes credentials of the build account ${settings.account}, and is made by ${access}: npx cdktf deploy ${access}`,
      );
    });
  return {
    accessKeyId: given?.AccessKeyId ?? "",
    secretAccessKey: given?.SecretAccessKey ?? "",
    sessionToken: given?.SessionToken,
    expiration: given?.Expiration,
  };
}
