import {
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  S3Client,
} from "@aws-sdk/client-s3";
import { stateBucketName, stateKey } from "../../shared/names";
import { UserError } from "../project";

/** What `bootstrap` asks of the bucket that it makes. */
export interface StateBucket {
  readonly name: string;
  /** Whether it is there. */
  exists(): Promise<boolean>;
  /** Whether it holds the state of a stack. */
  holds(stack: string): Promise<boolean>;
  /** Stacks whose state in it still has resources. */
  stacksWithResources(): Promise<string[]>;
}

/** The bucket in the build account, by its name's convention; whether it is there or not. */
export class S3StateBucket implements StateBucket {
  readonly name: string;
  private readonly s3: S3Client;

  constructor(props: { readonly project: string; readonly account: string; readonly region: string }) {
    this.name = stateBucketName(props);
    this.s3 = new S3Client({
      region: props.region,
      forcePathStyle: process.env.AWS_ENDPOINT_URL !== undefined,
    });
  }

  exists(): Promise<boolean> {
    return this.isThere(() => this.s3.send(new HeadBucketCommand({ Bucket: this.name })));
  }

  holds(stack: string): Promise<boolean> {
    return this.isThere(() =>
      this.s3.send(new HeadObjectCommand({ Bucket: this.name, Key: stateKey(stack) })),
    );
  }

  async stacksWithResources(): Promise<string[]> {
    const stacks: string[] = [];
    let ContinuationToken: string | undefined;
    do {
      const page = await this.s3.send(new ListObjectsV2Command({ Bucket: this.name, ContinuationToken }));
      for (const { Key = "" } of page.Contents ?? []) {
        if (!Key.endsWith(".tfstate")) continue;
        const { Body } = await this.s3.send(new GetObjectCommand({ Bucket: this.name, Key }));
        if (hasResources((await Body?.transformToString()) ?? "")) stacks.push(Key.replace(/\.tfstate$/, ""));
      }
      ContinuationToken = page.NextContinuationToken;
    } while (ContinuationToken);
    return stacks;
  }

  private async isThere(ask: () => Promise<unknown>): Promise<boolean> {
    try {
      await ask();
      return true;
    } catch (error) {
      const { name, message, $metadata } = error as Error & { $metadata?: { httpStatusCode?: number } };
      if ($metadata?.httpStatusCode === 404) return false;
      if ($metadata?.httpStatusCode === 403) {
        throw new UserError(
          `The bucket ${this.name} may not be read with these credentials, or is somebody else's.`,
        );
      }
      throw new UserError(`The bucket ${this.name} cannot be asked for: ${name}: ${message}`);
    }
  }
}

/** Whether a state has resources that a destroy would remove. */
export function hasResources(state: string): boolean {
  if (state.trim() === "") return false;
  const { resources = [] } = JSON.parse(state) as { resources?: { mode: string }[] };
  return resources.some(({ mode }) => mode === "managed");
}
