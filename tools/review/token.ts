import { GetSecretValueCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { tokenOf } from "../../shared/github-token";
import { tokenSecretName } from "../../shared/names";
import { UserError } from "../project";

/**
 * The token to post with: GITHUB_TOKEN, or the one that `npm run connect` stored.
 *
 * @throws UserError where there is none
 */
export async function readToken(
  settings: { readonly project: string; readonly region: string },
  given: string | undefined,
): Promise<string> {
  if (given?.trim()) return given;
  const SecretId = tokenSecretName(settings);
  const secrets = new SecretsManagerClient({ region: settings.region });
  const { SecretString } = await secrets
    .send(new GetSecretValueCommand({ SecretId }))
    .catch((error: Error) => {
      const why =
        error.name === "ResourceNotFoundException"
          ? "nothing is stored there yet (npm run connect stores it)"
          : `${error.name}: ${error.message}`;
      throw new UserError(
        `There is no GitHub token to post the review with. GITHUB_TOKEN is not set, and ${SecretId} cannot be read: ${why}.`,
      );
    });
  return tokenOf(SecretString ?? "");
}
