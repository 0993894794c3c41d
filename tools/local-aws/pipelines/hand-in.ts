import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import type { S3Client } from "@aws-sdk/client-s3";
import { filesBelow } from "../builds/files";
import { writeZip } from "../builds/zip";
import { SOURCES_BUCKET, sourceKey } from "./source";

export interface SourceProps {
  /** At Local AWS, in the account and region of the pipelines. */
  readonly s3: S3Client;
  /** As the pipelines name it: `owner/repository`. */
  readonly repository: string;
  readonly branch: string;
  /** A checkout of the branch. */
  readonly folder: string;
  /** Id of its last commit. */
  readonly commit: string;
  readonly message: string;
  /** @default - nobody */
  readonly author?: string;
}

/** No part of a repository, wherever they lie. */
const LEFT_OUT = new Set([".git", "node_modules", ".slipway", "cdktf.out", ".terraform"]);
const STATE = /\.tfstate(\..*)?$/;

/** S3 takes 2 kB of metadata in all. */
const LONGEST_VALUE = 800;

/**
 * Hands a folder in as a repository's branch: pipelines find it from now on, and it is what the next execution works
 * on. Links are kept; those to folders outside stay behind.
 */
export async function handInSource(props: SourceProps): Promise<void> {
  const { s3, repository, branch, commit, message, author = "" } = props;
  const folder = resolve(props.folder);
  const scratch = mkdtempSync(join(tmpdir(), "slipway-source-"));
  try {
    const zip = join(scratch, "source.zip");
    const skips = (path: string) => LEFT_OUT.has(basename(path)) || STATE.test(path);
    await writeZip(zip, filesBelow(folder, true, skips));
    const { CreateBucketCommand, HeadBucketCommand, PutObjectCommand } = await import("@aws-sdk/client-s3");
    const there = await s3.send(new HeadBucketCommand({ Bucket: SOURCES_BUCKET })).then(
      () => true,
      () => false,
    );
    if (!there) {
      const region = await s3.config.region();
      // The one that S3 does not want to be told.
      const elsewhere = region === "us-east-1" ? undefined : { LocationConstraint: region as "eu-west-1" };
      await s3.send(
        new CreateBucketCommand({ Bucket: SOURCES_BUCKET, CreateBucketConfiguration: elsewhere }),
      );
    }
    await s3.send(
      new PutObjectCommand({
        Bucket: SOURCES_BUCKET,
        Key: sourceKey(repository, branch),
        Body: readFileSync(zip),
        Metadata: { commit, message: asMetadata(message), author: asMetadata(author) },
      }),
    );
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

/** As in a URL, since metadata is ASCII of one line; cut where it is too long, never within a character. */
function asMetadata(text: string): string {
  let value = "";
  // By way of bytes: half a character could not be encoded.
  for (const character of Buffer.from(text).toString()) {
    const encoded = encodeURIComponent(character);
    if (value.length + encoded.length > LONGEST_VALUE) break;
    value += encoded;
  }
  return value;
}
