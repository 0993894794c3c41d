import {
  BatchDeleteImageCommand,
  type ECRClient,
  ImageFailureCode,
  paginateDescribeImages,
} from "@aws-sdk/client-ecr";

/** The most that one request deletes. */
const DELETED_AT_ONCE = 100;

export interface Image {
  readonly digest: string;
  readonly tags: readonly string[];
  readonly pushed: Date;
}

/** Why an image stays. */
export type Reason = "inUse" | "beingDeployed" | "newest" | "young";

/** What makes an image stay. */
export interface Keep {
  /** Images as tasks name them: with their registry, and by tag or digest. */
  readonly inUse: readonly string[];
  /** Commits that are being deployed: an image's tag is its commit. */
  readonly commits: readonly string[];
  /** How many of a repository stay in any case. */
  readonly newest: number;
  /** All pushed since then stay. */
  readonly since: Date;
}

/** Which images of a repository nothing keeps, and how many stay for which reason. */
export function sortOut(repository: string, images: readonly Image[], keep: Keep) {
  const used = new Set(keep.inUse.flatMap(namesOf));
  const kept: Record<Reason, number> = { inUse: 0, beingDeployed: 0, newest: 0, young: 0 };
  const unneeded: Image[] = [];
  const byAge = [...images].sort((a, b) => b.pushed.getTime() - a.pushed.getTime());
  for (const [index, image] of byAge.entries()) {
    const reason = reasonFor(image, index);
    if (reason) kept[reason] += 1;
    else unneeded.push(image);
  }
  return { kept, unneeded };

  function reasonFor({ digest, tags, pushed }: Image, index: number): Reason | undefined {
    if (used.has(digest) || tags.some((tag) => used.has(`${repository}:${tag}`))) return "inUse";
    if (tags.some((tag) => keep.commits.includes(tag))) return "beingDeployed";
    if (index < keep.newest) return "newest";
    return pushed >= keep.since ? "young" : undefined;
  }
}

/** What tells an image that a task names: its digest, in whatever repository, and its tag in this one. */
function namesOf(image: string): string[] {
  const [name = "", digest] = image.split("@");
  const path = name.replace(/^[^/]*[.:][^/]*\//, "");
  if (path.includes(":")) return digest ? [path, digest] : [path];
  return [digest ?? `${path}:latest`];
}

/** The images of a repository. */
export async function readImages(ecr: ECRClient, repositoryName: string): Promise<Image[]> {
  const images: Image[] = [];
  for await (const { imageDetails = [] } of paginateDescribeImages({ client: ecr }, { repositoryName })) {
    for (const { imageDigest, imageTags = [], imagePushedAt = new Date() } of imageDetails)
      if (imageDigest) images.push({ digest: imageDigest, tags: imageTags, pushed: imagePushedAt });
  }
  return images;
}

/**
 * Deletes images with all their tags.
 *
 * @returns how many it deleted, how many stay because others consist of them, and what failed
 */
export async function deleteImages(ecr: ECRClient, repositoryName: string, images: readonly Image[]) {
  const result = { deleted: 0, partOfOthers: 0, failures: [] as string[] };
  for (let first = 0; first < images.length; first += DELETED_AT_ONCE) {
    const batch = images.slice(first, first + DELETED_AT_ONCE);
    const imageIds = batch.map(({ digest }) => ({ imageDigest: digest }));
    const answer = await ecr.send(new BatchDeleteImageCommand({ repositoryName, imageIds }));
    // One that had several tags is told once for each.
    result.deleted += new Set(answer.imageIds?.map(({ imageDigest }) => imageDigest)).size;
    for (const { failureCode, failureReason, imageId } of answer.failures ?? []) {
      if (failureCode === ImageFailureCode.ImageReferencedByManifestList) result.partOfOthers += 1;
      // Somebody else was faster.
      else if (failureCode !== ImageFailureCode.ImageNotFound)
        result.failures.push(`${imageId?.imageDigest}: ${failureCode}: ${failureReason}`);
    }
  }
  return result;
}
