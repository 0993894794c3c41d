import { createHash } from "node:crypto";

/** The longest names that AWS takes, in characters. */
export const NAME_LIMITS = {
  iamRole: 64,
  iamPolicy: 128,
  loadBalancer: 32,
  targetGroup: 32,
  function: 64,
  ecsFamily: 255,
  bucket: 63,
  pipeline: 100,
  project: 150,
  reportGroup: 128,
  eventRule: 64,
  connection: 32,
  queue: 80,
  codeDeploy: 100,
} as const;

/**
 * A physical name: the parts joined by dashes. One that is too long keeps its beginning and ends in a hash of
 * the whole, so that it stays the same from one deploy to the next and differs from its neighbours.
 */
export function physicalName(limit: keyof typeof NAME_LIMITS, ...parts: readonly string[]): string {
  const name = parts.join("-");
  const most = NAME_LIMITS[limit];
  if (name.length <= most) return name;
  const hash = createHash("sha256").update(name).digest("hex").slice(0, 8);
  return `${name.slice(0, most - hash.length - 1).replace(/-+$/, "")}-${hash}`;
}
