import { BatchDeleteImageCommand, ECRClient, paginateDescribeImages } from "@aws-sdk/client-ecr";
import type { Settings } from "../../settings";
import { previewImageTag, previewRepositoryName } from "../../shared/previews";
import { UserError } from "../project";

/** As many as ECR deletes at once. */
const AT_ONCE = 100;

/**
 * Deletes the images of one preview, of each service; those of others stay.
 *
 * @param environment the preview's name
 * @returns how many there were
 * @throws UserError where one could not be deleted
 */
export async function deleteImages(settings: Settings, environment: string): Promise<number> {
  const ecr = new ECRClient({ region: settings.region });
  let deleted = 0;
  for (const service of Object.keys(settings.services)) {
    const place = {
      registryId: settings.account,
      repositoryName: previewRepositoryName(settings, service),
    };
    try {
      const tags = await tagsOf(ecr, place, environment);
      for (let at = 0; at < tags.length; at += AT_ONCE) {
        const imageIds = tags.slice(at, at + AT_ONCE).map((imageTag) => ({ imageTag }));
        const { failures = [] } = await ecr.send(new BatchDeleteImageCommand({ ...place, imageIds }));
        // Somebody else may delete as well.
        const failed = failures.find(({ failureCode }) => failureCode !== "ImageNotFound");
        if (failed) throw new Error(`${failed.imageId?.imageTag}: ${failed.failureReason}`);
      }
      deleted += tags.length;
    } catch (error) {
      const { name, message } = error as Error;
      if (name === "RepositoryNotFoundException") continue;
      throw new UserError(
        `Images of the preview in ${place.repositoryName} could not be deleted (${name}: ${message}). What it had deployed is gone. Run this again; else they go by themselves after 30 days.`,
      );
    }
  }
  return deleted;
}

type Place = { readonly registryId: string; readonly repositoryName: string };

async function tagsOf(client: ECRClient, place: Place, environment: string): Promise<string[]> {
  const beginning = previewImageTag(environment, "");
  const tags: string[] = [];
  const pages = paginateDescribeImages({ client }, { ...place, filter: { tagStatus: "TAGGED" } });
  // Builds of branches may push any tag: behind the name is a commit, and nothing else.
  for await (const { imageDetails = [] } of pages)
    for (const { imageTags = [] } of imageDetails)
      tags.push(
        ...imageTags.filter(
          (tag) => tag.startsWith(beginning) && /^[0-9a-f]{40}$/.test(tag.slice(beginning.length)),
        ),
      );
  return tags;
}
