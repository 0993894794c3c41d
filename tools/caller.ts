import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";
import { UserError } from "./project";

/** Makes sure that the credentials are the build account's. @throws UserError that names both accounts */
export async function checkCaller({
  account,
  region,
}: {
  readonly account: string;
  readonly region: string;
}): Promise<void> {
  const caller = await new STSClient({ region })
    .send(new GetCallerIdentityCommand({}))
    .catch((error: Error) => {
      throw new UserError(
        `AWS does not take these credentials (${error.name}: ${error.message}).
Log in to the build account ${account} first: aws sso login, or AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.`,
      );
    });
  if (caller.Account !== account) {
    throw new UserError(
      `These credentials are of account ${caller.Account} (${caller.Arn}); the settings name ${account} as the build account.
Use that account's credentials, or correct "account" in terraform.tfvars.`,
    );
  }
}
