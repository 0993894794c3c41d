import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  S3Client,
  type S3ServiceException,
} from "@aws-sdk/client-s3";
import { z } from "zod";
import type { Settings } from "../../settings";
import { stateBucketName, stateKey } from "../../shared/names";
import { visible } from "../../shared/visible";
import { UserError } from "../project";

/** What a preview's own stack is made by. Another one would be fetched and run, with the rights to destroy. */
const PROVIDERS = ["terraform", "opentofu"].map((who) => `provider["registry.${who}.io/hashicorp/aws"]`);

const stateSchema = z.object({
  version: z.literal(4),
  resources: z.array(
    z.object({
      mode: z.string(),
      type: z.string(),
      name: z.string(),
      provider: z.string(),
      instances: z.array(z.object({ attributes: z.record(z.string(), z.unknown()).optional() })),
    }),
  ),
});

/** What a preview's state holds. */
export interface Held {
  /** Of each resource, as `aws_sqs_queue.jobs`. */
  readonly addresses: readonly string[];
  /** Of task definitions, of which releases make versions that are not in the state. */
  readonly families: readonly string[];
  /** Where they are. @default - none of them is in a region */
  readonly region?: string;
}

export interface Lock {
  readonly since: Date;
  readonly isDead: boolean;
}

/** Nothing that works on a preview takes so long: a lock of that age is of something that died. */
const STALE_MILLISECONDS = 2 * 60 * 60_000;

/** The state of one preview in the bucket of all state. What it says was written by a branch's builds: it is hostile. */
export class PreviewState {
  private readonly s3: S3Client;
  private readonly bucket: string;
  private readonly key: string;

  constructor(
    settings: Settings,
    private readonly name: string,
  ) {
    this.s3 = new S3Client({
      region: settings.region,
      forcePathStyle: process.env.AWS_ENDPOINT_URL !== undefined,
    });
    this.bucket = stateBucketName(settings);
    this.key = stateKey(name);
  }

  /**
   * What it holds; nothing where there is no state.
   *
   * @throws UserError where it is no state, or not one of this project's
   */
  async read(): Promise<Held | undefined> {
    const text = await this.found(async () => {
      const { Body } = await this.s3.send(new GetObjectCommand({ Bucket: this.bucket, Key: this.key }));
      return (await Body?.transformToString()) ?? "";
    });
    if (text === undefined) return undefined;
    const { resources } = this.parse(text);
    const foreign = resources.find(({ provider }) => !PROVIDERS.includes(provider));
    if (foreign)
      throw this.refusal(
        `holds ${addressOf(foreign)} of ${visible(foreign.provider)}, and a preview has resources of ${PROVIDERS[0]} alone`,
      );
    const managed = resources.filter(({ mode }) => mode === "managed");
    const instances = managed.flatMap(({ type, instances }) =>
      instances.map(({ attributes = {} }) => ({ type, attributes })),
    );
    const regions = new Set(instances.flatMap(({ attributes }) => regionOf(attributes) ?? []));
    if (regions.size > 1)
      throw this.refusal(`holds resources of several regions: ${[...regions].join(", ")}`);
    return {
      addresses: managed.map(addressOf),
      families: instances
        .filter(({ type }) => type === "aws_ecs_task_definition")
        .map(({ attributes: { family } }) => String(family)),
      region: [...regions][0],
    };
  }

  /** By whom it is locked: by somebody at work, or by what died without giving the lock back; undefined where by nobody. */
  async lock(): Promise<Lock | undefined> {
    const since = await this.found(async () => {
      const { LastModified } = await this.s3.send(
        new HeadObjectCommand({ Bucket: this.bucket, Key: this.lockKey }),
      );
      return LastModified ?? new Date();
    });
    return since && { since, isDead: Date.now() - since.getTime() >= STALE_MILLISECONDS };
  }

  /** Takes the lock away. Whoever does has made sure that what had it is dead. */
  unlock(): Promise<void> {
    return this.delete(this.lockKey);
  }

  /** Deletes it. Whoever does has made sure that it holds nothing. */
  remove(): Promise<void> {
    return this.delete(this.key);
  }

  private get lockKey(): string {
    return `${this.key}.tflock`;
  }

  private parse(text: string): z.infer<typeof stateSchema> {
    try {
      return stateSchema.parse(JSON.parse(text));
    } catch {
      throw this.refusal("is not Terraform's, or of a version that is not known here");
    }
  }

  private refusal(why: string): UserError {
    return new UserError(
      `The state of ${this.name} ${why}. Nothing was destroyed. Look at s3://${this.bucket}/${this.key}: an older version of the object may be the right one; else remove what ${this.name} has in its account by hand, then the object.`,
    );
  }

  private async delete(Key: string): Promise<void> {
    await this.asked(() => this.s3.send(new DeleteObjectCommand({ Bucket: this.bucket, Key })));
  }

  /** What is asked for, where the object is there. */
  private found<T>(ask: () => Promise<T>): Promise<T | undefined> {
    return this.asked(async () => {
      try {
        return await ask();
      } catch (error) {
        const { name, $metadata } = error as S3ServiceException;
        if (name !== "NoSuchBucket" && $metadata?.httpStatusCode === 404) return undefined;
        throw error;
      }
    });
  }

  private async asked<T>(ask: () => Promise<T>): Promise<T> {
    try {
      return await ask();
    } catch (error) {
      const { name, message } = error as Error;
      throw new UserError(
        `S3 does not let the state of ${this.name} be used, s3://${this.bucket}/${this.key} (${name}: ${message}).`,
      );
    }
  }
}

const addressOf = ({ type, name }: { readonly type: string; readonly name: string }) =>
  visible(`${type}.${name}`);

const REGION = /^[a-z]{2,3}(-[a-z]+)+-\d$/;

/** Where a resource is, as far as it says so: IAM's and CloudFront's are nowhere. */
function regionOf({ region, arn }: Readonly<Record<string, unknown>>): string | undefined {
  const said = typeof region === "string" ? region : typeof arn === "string" ? arn.split(":")[3] : undefined;
  return said && REGION.test(said) ? said : undefined;
}
