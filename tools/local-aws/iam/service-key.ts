const SERVICE_KEY = /^LOCALAWS\.([\w-]+)$/;

/**
 * An access key for a service of Local AWS that takes on a role: it tells who the service is, and what for, and by no
 * other can the role's trust be looked at.
 *
 * @param service as `codebuild.amazonaws.com`
 * @param source ARN of what it takes the role on for
 */
export const serviceKey = (service: string, source: string): string =>
  `LOCALAWS.${Buffer.from(`${service} ${source}`).toString("base64url")}`;

/** Whose such a key is; undefined where it is none. */
export function readServiceKey(accessKey: string) {
  const [, encoded] = SERVICE_KEY.exec(accessKey) ?? [];
  if (!encoded) return undefined;
  const [name = "", source = ""] = Buffer.from(encoded, "base64url").toString().split(" ");
  return { name, source, account: source.split(":")[4] || undefined };
}
