import type { CodePipelineClient } from "@aws-sdk/client-codepipeline";
import {
  DeleteObjectsCommand,
  ListObjectVersionsCommand,
  type ListObjectVersionsCommandOutput,
  type ObjectIdentifier,
  type S3Client,
} from "@aws-sdk/client-s3";
import { planName } from "../../shared/names";
import { inParallel } from "../../shared/parallel";
import { type Execution, readArtifacts } from "./executions";
import type { Problems } from "./problems";

/** How many executions are looked at side by side; CodePipeline slows down who asks for more. */
const AT_ONCE = 8;

/** The most versions that one request deletes. */
const DELETED_AT_ONCE = 1000;

export interface PlansProps {
  readonly codepipeline: CodePipelineClient;
  readonly s3: S3Client;
  /** The bucket of the pipelines' artifacts; nothing is deleted anywhere else. */
  readonly bucket: string;
  /** All that run, and those that may have left plans. */
  readonly executions: readonly Execution[];
  /** The plans of executions that ended before then go. */
  readonly endedBefore: Date;
}

/**
 * Deletes the plans of executions that are over, with all their versions: a plan holds secrets in clear text.
 *
 * @returns how many plans went; what fails for one execution is told to `problems`, and the others go on
 * @throws where it cannot be told which plans are still needed
 */
export async function deletePlans(props: PlansProps, problems: Problems): Promise<number> {
  const { codepipeline, executions, endedBefore } = props;
  const running = executions.filter(({ ended }) => !ended);
  const needed = await inParallel(running, AT_ONCE, (execution) => readArtifacts(codepipeline, execution));
  const keep = new Set(needed.flat().map(({ key }) => key));

  const over = executions.filter(({ ended, changed }) => ended && changed < endedBefore);
  const deleted = await inParallel(over, AT_ONCE, (execution) =>
    problems.collect(`The plans of ${execution.pipeline}'s execution ${execution.id} are not deleted`, () =>
      deletePlansOf(execution, keep, props),
    ),
  );
  return deleted.reduce<number>((sum, count = 0) => sum + count, 0);
}

async function deletePlansOf(
  execution: Execution,
  keep: ReadonlySet<string>,
  { codepipeline, s3, bucket }: PlansProps,
): Promise<number> {
  let deleted = 0;
  for (const artifact of await readArtifacts(codepipeline, execution)) {
    const { from, key } = artifact;
    if (!from?.startsWith(planName("")) || artifact.bucket !== bucket || keep.has(key)) continue;
    const versions = await readVersions(s3, bucket, key);
    if (!versions.length) continue;
    await deleteVersions(s3, bucket, versions);
    deleted += 1;
  }
  return deleted;
}

/** All versions of an object, and the markers that it was deleted. */
async function readVersions(s3: S3Client, bucket: string, key: string): Promise<ObjectIdentifier[]> {
  const found: ObjectIdentifier[] = [];
  let page: Partial<ListObjectVersionsCommandOutput> = {};
  do {
    page = await s3.send(
      new ListObjectVersionsCommand({
        Bucket: bucket,
        Prefix: key,
        KeyMarker: page.NextKeyMarker,
        VersionIdMarker: page.NextVersionIdMarker,
      }),
    );
    // Other keys may begin alike.
    for (const { Key, VersionId } of [...(page.Versions ?? []), ...(page.DeleteMarkers ?? [])])
      if (Key === key) found.push({ Key, VersionId });
  } while (page.IsTruncated);
  return found;
}

async function deleteVersions(s3: S3Client, bucket: string, versions: ObjectIdentifier[]): Promise<void> {
  for (let first = 0; first < versions.length; first += DELETED_AT_ONCE) {
    const Objects = versions.slice(first, first + DELETED_AT_ONCE);
    const { Errors: [failed, ...others] = [] } = await s3.send(
      new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects, Quiet: true } }),
    );
    if (failed) {
      const { Key, Code, Message } = failed;
      throw new Error(`${others.length + 1} of the versions of ${Key} stay: ${Code}: ${Message}`);
    }
  }
}
