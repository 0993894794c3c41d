import { GetSecretValueCommand, type SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { Refused } from "../../shared/ask";
import { tokenOf } from "../../shared/github-token";
import type { Task } from "./task";

/** What the function knows and must not tell. Where one cannot be read, that is the trouble of what needs it alone. */
export interface Secrets {
  readonly token: Secret;
  readonly webhook: Secret;
}

export interface Secret {
  /** @default - none is configured, or it cannot be read */
  readonly value?: string;
  /** Why it cannot be read. */
  readonly problem?: Error;
}

/** Reads them anew each time: somebody may just have mended one. */
export async function readSecrets(
  client: Pick<SecretsManagerClient, "send">,
  { tokenSecret, chat }: Pick<Task, "tokenSecret" | "chat">,
): Promise<Secrets> {
  const [token, webhook] = await Promise.all([
    read(tokenSecret, "GitHub's token", "store it: npm run connect", tokenOf),
    read(chat?.secret, "The chat's webhook", "put its address there"),
  ]);
  return { token, webhook };

  async function read(
    name: string | undefined,
    what: string,
    mend: string,
    form = (text: string) => text.trim(),
  ): Promise<Secret> {
    if (name === undefined) return {};
    try {
      const { SecretString = "" } = await client.send(new GetSecretValueCommand({ SecretId: name }));
      const value = form(SecretString);
      return value ? { value } : { problem: new Refused(`${what} is not in ${name}: ${mend}`) };
    } catch (error) {
      const { name: kind } = error as Error;
      // It exists, but nobody has put anything into it.
      if (kind === "ResourceNotFoundException" || error instanceof SyntaxError)
        return { problem: new Refused(`${what} is not in ${name}: ${mend}`) };
      return { problem: new Error(`${what} cannot be read from ${name} (${kind})`) };
    }
  }
}
