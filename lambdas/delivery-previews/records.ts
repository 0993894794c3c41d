import {
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import { Busy, isLost } from "../../shared/hints";
import { jsonText } from "../../shared/json-text";
import * as z from "../../shared/zod";

const time = z.iso.datetime();
const commit = z.string().check(z.minLength(1), z.maxLength(100));

const record = z.object({
  branch: z.string().check(z.minLength(1)),
  /** The pattern of the rule that it has a preview by. */
  rule: z.string(),
  /** Whether it takes one of the rule's places: it is there, or about to be. */
  holds: z.boolean(),
  /** The branch's head that was seen last, and when it was seen first. */
  commit,
  pushedAt: time,
  /** Since when it is to be there: runs from before were of one that is gone. */
  openedAt: time,
  /** The commit that it was run for last. @default - none since then */
  started: z.optional(commit),
  /** The commit that its time was over with. @default - it is not over */
  expired: z.optional(commit),
  /** Tells apart the tokens that its pipeline was given. */
  credential: z.optional(z.string()),
  /** In what its pipeline differed from the template when it was changed last. */
  difference: z.optional(z.string()),
  /** By the pull requests' numbers, what they were told last. */
  told: z.record(z.string().check(z.regex(/^[1-9]\d{0,9}$/)), z.string()),
});

/** What is known of a preview beyond what AWS and the repository say. */
export type PreviewRecord = z.infer<typeof record>;

const closing = z.object({
  since: time,
  /** When a build was about to be started last, after how many others. @default - none was */
  attempt: z.optional(z.object({ at: time, after: z.int() })),
  /** After how many failures people were told. */
  told: z._default(z.int(), 0),
});

/** What is known of the end of an environment that is on its way. */
export type Closing = z.infer<typeof closing>;

/** An object as it was read, and what a write that follows up on it has to name. */
export interface Kept<T> {
  readonly value: T;
  readonly etag: string;
}

/** Objects of one kind in a bucket, in which nobody's write undoes another's. */
export class Records<T> {
  constructor(
    private readonly s3: Pick<S3Client, "send">,
    private readonly bucket: string,
    private readonly prefix: string,
    private readonly form: z.ZodMiniType<T>,
  ) {}

  static readonly ofPreviews = (s3: Pick<S3Client, "send">, bucket: string) =>
    new Records<PreviewRecord>(s3, bucket, "records/", record);

  static readonly ofClosings = (s3: Pick<S3Client, "send">, bucket: string) =>
    new Records<Closing>(s3, bucket, "records/closings/", closing);

  async names(): Promise<string[]> {
    const names: string[] = [];
    let token: string | undefined;
    do {
      const page = await this.s3.send(
        new ListObjectsV2Command({
          Bucket: this.bucket,
          Prefix: this.prefix,
          Delimiter: "/",
          ContinuationToken: token,
        }),
      );
      for (const { Key = "" } of page.Contents ?? [])
        if (Key.endsWith(JSON_END)) names.push(Key.slice(this.prefix.length, -JSON_END.length));
      token = page.NextContinuationToken;
    } while (token);
    return names;
  }

  /** @throws Error where somebody else has written what is there */
  async read(name: string): Promise<Kept<T> | undefined> {
    try {
      const { Body, ETag } = await this.s3.send(
        new GetObjectCommand({ Bucket: this.bucket, Key: this.keyOf(name) }),
      );
      const { data, error } = z.pipe(jsonText, this.form).safeParse(await Body!.transformToString());
      if (error)
        throw new Error(
          `s3://${this.bucket}/${this.keyOf(name)} is not what this function wrote. Delete it: the next sweep writes it anew.\n${z.prettifyError(error)}`,
        );
      return { value: data, etag: ETag! };
    } catch (error) {
      if ((error as Error).name === "NoSuchKey") return undefined;
      throw error;
    }
  }

  /**
   * @param before what the write follows up on; nothing where there is to be none yet
   * @throws Busy where somebody else was faster
   */
  async write(name: string, value: T, before?: Kept<T>): Promise<Kept<T>> {
    const { ETag } = await this.orBusy(
      name,
      this.s3.send(
        new PutObjectCommand({
          Bucket: this.bucket,
          Key: this.keyOf(name),
          Body: JSON.stringify(value),
          ContentType: "application/json",
          ...(before ? { IfMatch: before.etag } : { IfNoneMatch: "*" }),
        }),
      ),
    );
    return { value, etag: ETag! };
  }

  /** Deletes it, where it is still as it was read. @throws Busy where it is not */
  async remove(name: string, before: Kept<T>): Promise<void> {
    await this.orBusy(
      name,
      this.s3.send(
        new DeleteObjectCommand({ Bucket: this.bucket, Key: this.keyOf(name), IfMatch: before.etag }),
      ),
    );
  }

  private async orBusy<R>(name: string, answer: Promise<R>): Promise<R> {
    try {
      return await answer;
    } catch (error) {
      throw isLost(error) ? new Busy(`${this.keyOf(name)} is being changed by somebody else`) : error;
    }
  }

  private readonly keyOf = (name: string) => `${this.prefix}${name}${JSON_END}`;
}

const JSON_END = ".json";
