import { createHmac, timingSafeEqual } from "node:crypto";
import { GetSecretValueCommand, type SecretsManagerClient } from "@aws-sdk/client-secrets-manager";

/**
 * So long what was read of the secret counts: whoever sends wrong signatures makes nobody ask more often, and whoever knows
 * one that was given up has no longer.
 */
const FRESH_MILLISECONDS = 60_000;

/** GitHub's header X-Hub-Signature-256. */
const SIGNATURE = /^sha256=([0-9a-f]{64})$/;

/** Tells whether GitHub has signed something, by the secret that `npm run connect` made up. */
export class Signatures {
  private known?: { readonly secret?: string; readonly read: number };

  constructor(
    private readonly secrets: Pick<SecretsManagerClient, "send">,
    private readonly name: string,
  ) {}

  /**
   * Whether a body was signed. The secret is read anew each minute, for it may have been changed.
   *
   * @throws Error where Secrets Manager does not answer
   */
  async holds(body: Buffer, signature: string | undefined, now: Date): Promise<boolean> {
    const [, given] = SIGNATURE.exec(signature ?? "") ?? [];
    if (given === undefined) return false;
    const isFresh = this.known && now.getTime() - this.known.read < FRESH_MILLISECONDS;
    if (!isFresh) this.known = { secret: await this.read(), read: now.getTime() };
    // Anybody can sign by an empty one.
    if (!this.known?.secret) return false;
    const own = createHmac("sha256", this.known.secret).update(body).digest();
    return timingSafeEqual(own, Buffer.from(given, "hex"));
  }

  private async read(): Promise<string | undefined> {
    try {
      const { SecretString } = await this.secrets.send(new GetSecretValueCommand({ SecretId: this.name }));
      return SecretString?.trim();
    } catch (error) {
      // It exists, but nobody has put anything into it: nothing can be signed by it.
      if ((error as Error).name === "ResourceNotFoundException") return undefined;
      throw error;
    }
  }
}
