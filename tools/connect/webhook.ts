import { randomBytes } from "node:crypto";
import type { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import type { Settings } from "../../settings";
import { DELIVERY_STACK, webhookSecretName } from "../../shared/names";
import { githubUrl } from "../local-aws/posts";
import { readOutputs, stackFolder } from "../pipeline/environment";
import { UserError } from "../project";
import { connectHook, NotAllowed } from "./github";
import { put, readSecret } from "./secrets";

/** What GitHub is to tell, by the names of its API, and as its page of settings has them. */
const EVENTS: Readonly<Record<string, string>> = {
  push: "Pushes",
  create: "Branch or tag creation",
  delete: "Branch or tag deletion",
  pull_request: "Pull requests",
  issue_comment: "Issue comments",
};

/**
 * Whether the repository tells what happens there by the webhook: to start pipelines and reviews, which takes a token, and
 * for previews. CodeCommit tells EventBridge.
 */
export const hasWebhook = ({ source, previews }: Settings): boolean =>
  source.provider === "github-token" || (source.provider === "connection" && previews.length > 0);

export interface ConnectProps {
  readonly settings: Settings;
  readonly client: Pick<SecretsManagerClient, "send">;
  readonly token: string;
  /** Whether the webhook's secret is made up anew. */
  readonly newSecret: boolean;
}

/**
 * Has GitHub tell the webhook what happens in the repository, or says what to click where the token may not.
 *
 * @throws UserError where it is not deployed, or GitHub does not take it
 */
export async function connectWebhook({ settings, client, token, newSecret }: ConnectProps): Promise<void> {
  const { repository } = settings.source;
  // First: without it GitHub would go on signing by the secret that was.
  const url = await deployedUrl();
  const name = webhookSecretName(settings);
  const before = newSecret ? undefined : await readSecret(client, name);
  const secret = before ?? randomBytes(32).toString("hex");
  if (before === undefined) await put(client, { name, content: secret, hidden: secret });
  // GitHub knows nothing of a rehearsal.
  const { AWS_ENDPOINT_URL: rehearsal } = process.env;
  try {
    const done = await connectHook(
      token,
      repository,
      { url, secret, events: Object.keys(EVENTS) },
      (other) => isFormer(other, url),
      rehearsal && githubUrl(rehearsal),
    );
    console.log(`GitHub's webhook of ${repository} is ${done}: it tells ${url}`);
  } catch (error) {
    if (error instanceof NotAllowed) return console.log(byHand(settings, url, error.message));
    if (!(error instanceof UserError) || before !== undefined) throw error;
    throw new UserError(
      `${error.message}
${name} holds a new secret, which GitHub does not know yet: nothing that it tells is taken. Connect once more, without --new-secret: npm run connect`,
    );
  }
}

/** @throws UserError where it is not known */
async function deployedUrl(): Promise<string> {
  let why = `The stack ${DELIVERY_STACK} has put none out.`;
  try {
    const { webhook_url: url } = await readOutputs(DELIVERY_STACK, stackFolder(DELIVERY_STACK));
    if (typeof url === "string") return url;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    why = error.message;
  }
  throw new UserError(
    `GitHub's webhook is not connected: its address is not known. ${why}
Deploy it, then connect once more: npx cdktf deploy delivery, npm run connect`,
  );
}

/**
 * Whether an address is one that this webhook had: API Gateway's, or of where this one is, with the same end, which no other
 * deployment's webhook has (modules/webhook.ts).
 */
function isFormer(other: string, url: string): boolean {
  if (!URL.canParse(other)) return false;
  const [mine, theirs] = [new URL(url), new URL(other)];
  const [end] = /\/[^/]+\/[^/]+$/.exec(mine.pathname) ?? [];
  const isGateway = /^[a-z0-9]+\.execute-api\.[a-z0-9-]+\.amazonaws\.com$/.test(theirs.hostname);
  return end !== undefined && theirs.pathname.endsWith(end) && (isGateway || theirs.host === mine.host);
}

function byHand(settings: Settings, url: string, why: string): string {
  const { region, source } = settings;
  return `The token may not make webhooks in ${source.repository} (${why}): it lacks the scope admin:repo_hook, or, if fine-grained, Webhooks read and write. Give it that and connect once more, or let somebody who may make it at
  https://github.com/${source.repository}/settings/hooks/new
There, enter
  Payload URL       ${url}
  Content type      application/json
  Secret            what this prints: aws secretsmanager get-secret-value --secret-id ${webhookSecretName(settings)} --region ${region} --query SecretString --output text
  SSL verification  enabled
and, below "Let me select individual events", ${Object.values(EVENTS).join(", ")}. If there is one with this Payload URL, edit that.`;
}
