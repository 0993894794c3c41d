import { parseArgs } from "node:util";
import { PutSecretValueCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { tokenSecret } from "../../shared/github-token";
import { tokenSecretName } from "../../shared/names";
import { checkCaller } from "../caller";
import { runCommand, UserError } from "../project";
import { projectSettings } from "../settings";
import { checkToken } from "./github";

/** `npm run connect [-- --no-check]`: puts the GitHub token where the pipelines read it. It is never printed. */
runCommand(async () => {
  const { values } = parseArgs({ options: { "no-check": { type: "boolean", default: false } } });
  const settings = await projectSettings();
  const { source } = settings;
  if (source.provider === "codecommit") {
    console.log("CodeCommit needs no token: the pipeline's role may read the repository.");
    return 0;
  }
  if (source.provider === "connection") {
    console.log(
      `A connection needs no token. Deploy the pipelines, then finish its handshake once, in the console of ${settings.account}:
  https://${settings.region}.console.aws.amazon.com/codesuite/settings/connections
There, choose the pending connection, and Update pending connection.`,
    );
    return 0;
  }
  await checkCaller(settings);
  // A file's last line break, and what a paste brings along, are no part of it.
  const token = (process.env.GITHUB_TOKEN || (await askToken())).trim();
  // GitHub knows nothing of a rehearsal.
  const rehearsal = process.env.AWS_ENDPOINT_URL !== undefined;
  await checkToken(token, source.repository, { ask: !values["no-check"] && !rehearsal });

  const SecretId = tokenSecretName(settings);
  const secrets = new SecretsManagerClient({ region: settings.region });
  await secrets
    .send(new PutSecretValueCommand({ SecretId, SecretString: tokenSecret(token) }))
    .catch((error: Error) => {
      if (error.name === "ResourceNotFoundException") {
        throw new UserError(
          `The secret ${SecretId} is not there yet. Deploy it first: npx cdktf deploy delivery`,
        );
      }
      // A service may quote what it does not take.
      const message = error.message.replaceAll(token, "(the token)");
      throw new UserError(`The token could not be put into ${SecretId}: ${error.name}: ${message}`);
    });
  console.log(`The token is in ${SecretId}. Now deploy what uses it: npx cdktf deploy delivery 'pipeline-*'`);
  return 0;
});

async function askToken(): Promise<string> {
  if (!process.stdin.isTTY) {
    throw new UserError(
      "There is no terminal to ask for the token: give it as the environment variable GITHUB_TOKEN.",
    );
  }
  const { password } = await import("@inquirer/prompts");
  const message = "GitHub token (scopes repo and admin:repo_hook):";
  return password({ message, mask: "*" }).catch((error: Error) => {
    if (error.name !== "ExitPromptError") throw error;
    throw new UserError("Stopped: no token was put anywhere.");
  });
}
