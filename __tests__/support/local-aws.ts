import { type ChildProcess, spawn } from "node:child_process";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { AssumeRoleCommand, STSClient } from "@aws-sdk/client-sts";
import { ROOT } from "./settings";

interface Client {
  destroy(): void;
}

interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

export const region = "eu-west-1";

/** Credentials that Local AWS takes for its build account's. */
const OWN: Credentials = { accessKeyId: "local", secretAccessKey: "local" };

/** The SDK's clients of a Local AWS, which are destroyed together. */
export class LocalClients {
  private readonly made: Client[] = [];

  /** @param endpoint of Local AWS */
  constructor(
    readonly endpoint: string,
    readonly credentials = OWN,
  ) {}

  /** @param Client one of the SDK's, as `S3Client` */
  of<C extends Client>(Client: new (config: object) => C, more: object = {}): C {
    const { endpoint, credentials } = this;
    // Only S3's client knows the last.
    const client = new Client({ endpoint, region, credentials, forcePathStyle: true, ...more });
    this.made.push(client);
    return client;
  }

  /** Clients with the credentials of another account's role. */
  async as(account: string, role: string): Promise<LocalClients> {
    const { Credentials: given } = await this.of(STSClient).send(
      new AssumeRoleCommand({ RoleArn: `arn:aws:iam::${account}:role/${role}`, RoleSessionName: "test" }),
    );
    const clients = new LocalClients(this.endpoint, {
      accessKeyId: given!.AccessKeyId!,
      secretAccessKey: given!.SecretAccessKey!,
      sessionToken: given!.SessionToken!,
    });
    this.made.push(clients);
    return clients;
  }

  async createBucket(Bucket: string): Promise<void> {
    const CreateBucketConfiguration = { LocationConstraint: region } as const;
    await this.of(S3Client).send(new CreateBucketCommand({ Bucket, CreateBucketConfiguration }));
  }

  destroy(): void {
    for (const client of this.made) client.destroy();
  }
}

/** A Local AWS in a process of its own, for who wants to kill it. @throws Error where it does not start */
export async function spawnLocalAws(): Promise<{ cli: ChildProcess; endpoint: string }> {
  const cli = spawn(process.execPath, ["tools/run.mjs", "tools/local-aws/cli.ts"], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  // Left open: what it writes later would otherwise end it.
  for await (const chunk of cli.stdout.iterator({ destroyOnReturn: false })) {
    output += chunk;
    const [, endpoint] = /AWS_ENDPOINT_URL=(\S+)/.exec(output) ?? [];
    if (endpoint) return { cli, endpoint };
  }
  throw new Error(`Local AWS has ended:\n${output}`);
}
