import { parseArgs } from "node:util";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { tokenSecret } from "../../shared/github-token";
import { chatSecretName, tokenSecretName } from "../../shared/names";
import { checkCaller } from "../caller";
import { runCommand, UserError } from "../project";
import { projectSettings } from "../settings";
import { checkToken } from "./github";
import { put, type Secret } from "./secrets";
import { connectWebhook, hasWebhook } from "./webhook";

/**
 * `npm run connect [-- --no-check] [--new-secret]`: puts what the pipelines must know and no file may hold where they read
 * it: the GitHub token, and the address of the chat's webhook; and has GitHub tell by a webhook what happens in the
 * repository, signed by a secret that is made up here. None of them is ever printed.
 */
runCommand(async () => {
  const flag = { type: "boolean", default: false } as const;
  const { values } = parseArgs({ options: { "no-check": flag, "new-secret": flag } });
  const settings = await projectSettings();
  const { source, notifications } = settings;
  const wantsToken = hasWebhook(settings);
  if (source.provider === "codecommit")
    console.log("CodeCommit needs no token: the pipeline's role may read the repository.");
  if (source.provider === "connection")
    console.log(
      `A connection needs no token${wantsToken ? "; previews do, to read branches and pull requests" : ""}. Deploy the pipelines, then finish its handshake once, in the console of ${settings.account}:
  https://${settings.region}.console.aws.amazon.com/codesuite/settings/connections
There, choose the pending connection, and Update pending connection.`,
    );
  if (!wantsToken && !notifications.chat) return 0;

  await checkCaller(settings);
  const { GITHUB_TOKEN, CHAT_WEBHOOK_URL } = process.env;
  // Who gives one by its variable is asked for no other.
  const asks = !GITHUB_TOKEN && !CHAT_WEBHOOK_URL;
  const secrets: (Secret & { said: string })[] = [];
  let token: string | undefined;
  if (wantsToken && (asks || GITHUB_TOKEN)) {
    token = await given(GITHUB_TOKEN, "GITHUB_TOKEN", "GitHub token (scopes repo and admin:repo_hook):");
    // GitHub knows nothing of a rehearsal.
    const rehearsal = process.env.AWS_ENDPOINT_URL !== undefined;
    await checkToken(token, source.repository, { ask: !values["no-check"] && !rehearsal });
    const name = tokenSecretName(settings);
    const said = `The token is in ${name}. Now deploy what uses it: npx cdktf deploy delivery 'pipeline-*'`;
    secrets.push({ name, content: tokenSecret(token), hidden: token, said });
  }
  if (notifications.chat && (asks || CHAT_WEBHOOK_URL)) {
    const address = await given(
      CHAT_WEBHOOK_URL,
      "CHAT_WEBHOOK_URL",
      "Address of the chat's incoming webhook:",
    );
    checkChat(address);
    const name = chatSecretName(settings);
    const said = `The address of the chat's webhook is in ${name}, and used from now on.`;
    secrets.push({ name, content: address, hidden: address, said });
  }
  const client = new SecretsManagerClient({ region: settings.region });
  for (const { said, ...secret } of secrets) {
    await put(client, secret);
    console.log(said);
  }
  if (token !== undefined) await connectWebhook({ settings, client, token, newSecret: values["new-secret"] });
  return 0;
});

/** @throws UserError that does not show it: whoever has the address may write to the chat */
function checkChat(address: string): void {
  const isLocal = address.startsWith(`${process.env.AWS_ENDPOINT_URL}/`);
  if (isLocal || (URL.canParse(address) && new URL(address).protocol === "https:")) return;
  throw new UserError(
    `The address of the chat's webhook (${address.length} characters) is none that begins with https://. Copy it as the chat shows it, for example https://hooks.slack.com/services/…`,
  );
}

/** A secret from the environment, or else from whoever sits at the terminal. */
async function given(value: string | undefined, variable: string, question: string): Promise<string> {
  // A file's last line break, and what a paste brings along, are no part of it.
  return (value || (await ask(variable, question))).trim();
}

async function ask(variable: string, message: string): Promise<string> {
  if (!process.stdin.isTTY) {
    throw new UserError(`There is no terminal to ask at: give it as the environment variable ${variable}.`);
  }
  const { password } = await import("@inquirer/prompts");
  return password({ message, mask: "*" }).catch((error: Error) => {
    if (error.name !== "ExitPromptError") throw error;
    throw new UserError("Stopped: it was put nowhere.");
  });
}
