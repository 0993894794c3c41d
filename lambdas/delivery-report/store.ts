import { GetObjectCommand, PutObjectCommand, type S3Client } from "@aws-sdk/client-s3";
import { Busy, isLost } from "../../shared/hints";

/** How often a write that others were faster than is tried again. */
const WRITES = 8;

/** An object, and what a write that follows up on it has to name; no tag of one that is not there. */
interface Stored<T> {
  readonly value?: T;
  readonly etag?: string;
}

/** The bucket of states and pages, in which nobody's write undoes another's. */
export class Store {
  constructor(
    private readonly s3: Pick<S3Client, "send">,
    private readonly bucket: string,
  ) {}

  async read<T>(key: string): Promise<Stored<T>> {
    try {
      const { Body, ETag } = await this.s3.send(new GetObjectCommand({ Bucket: this.bucket, Key: key }));
      return { value: JSON.parse(await Body!.transformToString()) as T, etag: ETag };
    } catch (error) {
      if ((error as Error).name === "NoSuchKey") return {};
      throw error;
    }
  }

  /**
   * Changes an object, from what it is at that moment.
   *
   * @param change gives what it becomes, or undefined where it stays; may be asked several times
   * @returns what it is then
   * @throws Busy where others were faster all the time
   */
  async update<T>(key: string, change: (before: T | undefined) => T | undefined): Promise<T | undefined> {
    return this.replace(key, "application/json", async () => {
      const { value, etag } = await this.read<T>(key);
      const after = change(value);
      return { etag, body: after && JSON.stringify(after), result: after ?? value };
    });
  }

  /** Writes a page that nobody else writes at the same time. */
  async writePage(path: string, html: string): Promise<void> {
    await this.put(path, PAGE, html);
  }

  /** Writes a page of what others change: it never tells less than the one before it. @throws Busy as {@link update} */
  async updatePage(path: string, make: () => Promise<string>): Promise<void> {
    await this.replace(path, PAGE, async () => {
      // Its tag first: what is read after it is newer.
      const etag = await this.etagOf(path);
      return { etag, body: await make(), result: undefined };
    });
  }

  private async replace<R>(
    key: string,
    type: string,
    make: () => Promise<{ readonly etag?: string; readonly body?: string; readonly result: R }>,
  ): Promise<R> {
    for (let attempt = 1; attempt <= WRITES; attempt++) {
      const { etag, body, result } = await make();
      if (body === undefined) return result;
      try {
        await this.put(key, type, body, etag ? { IfMatch: etag } : { IfNoneMatch: "*" });
        return result;
      } catch (error) {
        if (!isLost(error)) throw error;
      }
    }
    throw new Busy(`${key} was changed by others ${WRITES} times in a row`);
  }

  private async etagOf(key: string): Promise<string | undefined> {
    try {
      const { ETag, Body } = await this.s3.send(new GetObjectCommand({ Bucket: this.bucket, Key: key }));
      // Left unread it would keep its connection.
      await Body?.transformToByteArray();
      return ETag;
    } catch (error) {
      if ((error as Error).name === "NoSuchKey") return undefined;
      throw error;
    }
  }

  private async put(
    Key: string,
    ContentType: string,
    Body: string,
    condition: { readonly IfMatch?: string; readonly IfNoneMatch?: string } = {},
  ): Promise<void> {
    await this.s3.send(
      new PutObjectCommand({
        Bucket: this.bucket,
        Key,
        Body,
        ContentType,
        CacheControl: "no-store",
        ...condition,
      }),
    );
  }
}

const PAGE = "text/html; charset=utf-8";
