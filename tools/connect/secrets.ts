import {
  GetSecretValueCommand,
  PutSecretValueCommand,
  type SecretsManagerClient,
} from "@aws-sdk/client-secrets-manager";
import { UserError } from "../project";

type Client = Pick<SecretsManagerClient, "send">;

export interface Secret {
  readonly name: string;
  readonly content: string;
  /** What no message may show. */
  readonly hidden: string;
}

/** @throws UserError, without what is hidden, where it is not taken */
export async function put(client: Client, { name, content, hidden }: Secret): Promise<void> {
  await client
    .send(new PutSecretValueCommand({ SecretId: name, SecretString: content }))
    .catch((error: Error) => {
      if (error.name === "ResourceNotFoundException") {
        throw new UserError(
          `The secret ${name} is not there yet. Deploy it first: npx cdktf deploy delivery`,
        );
      }
      // A service may quote what it does not take.
      const message = error.message.replaceAll(hidden, "(hidden)");
      throw new UserError(`Nothing could be put into ${name}: ${error.name}: ${message}`);
    });
}

/** What a secret holds; undefined where nothing was put into it. @throws UserError where it cannot be read */
export async function readSecret(client: Client, name: string): Promise<string | undefined> {
  try {
    const { SecretString } = await client.send(new GetSecretValueCommand({ SecretId: name }));
    return SecretString?.trim() || undefined;
  } catch (error) {
    const { name: kind, message } = error as Error;
    if (kind === "ResourceNotFoundException") return undefined;
    throw new UserError(`What ${name} holds cannot be read: ${kind}: ${message}`);
  }
}
