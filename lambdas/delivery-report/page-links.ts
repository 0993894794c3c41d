import { GenerateMacCommand, type KMSClient } from "@aws-sdk/client-kms";
import { LINK_QUERY, LINK_SECONDS, runPage, signedText } from "../../shared/page-links";
import type { Task } from "./task";

/**
 * The link to a run's page, for people who have no access to the account. It opens all pages of the project until it
 * expires: whoever gets it in a mail or chat reads on from there.
 */
export async function pageLink(
  kms: Pick<KMSClient, "send">,
  project: string,
  { url, key }: NonNullable<Task["pages"]>,
  run: { readonly pipeline: string; readonly execution: string },
  now: Date,
): Promise<string> {
  const expires = Math.floor(now.getTime() / 1000) + LINK_SECONDS;
  const { Mac } = await kms.send(
    new GenerateMacCommand({
      KeyId: key,
      MacAlgorithm: "HMAC_SHA_256",
      Message: Buffer.from(signedText(project, expires)),
    }),
  );
  const query = new URLSearchParams({
    [LINK_QUERY.expires]: String(expires),
    [LINK_QUERY.signature]: Buffer.from(Mac ?? []).toString("hex"),
  });
  return `${url}/${runPage(run.pipeline, run.execution)}?${query}`;
}
