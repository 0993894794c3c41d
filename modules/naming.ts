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

/** Hexadecimal digits of the hash that a name ends in where it is too long. */
const HASH_LENGTH = 8;

/**
 * A physical name: the parts joined by dashes. One that is too long keeps its beginning and ends in a hash of
 * the whole, so that it stays the same from one deploy to the next and differs from its neighbours.
 */
export function physicalName(limit: keyof typeof NAME_LIMITS, ...parts: readonly string[]): string {
  const name = parts.join("-");
  const most = NAME_LIMITS[limit];
  if (name.length <= most) return name;
  const hash = createHash("sha256").update(name).digest("hex").slice(0, HASH_LENGTH);
  return `${name.slice(0, keptOf(limit)).replace(/-+$/, "")}-${hash}`;
}

/**
 * All names that {@link physicalName} gives of parts whose joined text begins so, as a pattern of IAM's: cut off where a
 * name may be. What begins like it up to there fits as well.
 *
 * @param beginning with a dash at its end where more parts follow in any case
 */
export function namePattern(limit: keyof typeof NAME_LIMITS, beginning: string): string {
  // Of several dashes at its end, a name that is cut off there keeps the one before its hash.
  return `${beginning.slice(0, keptOf(limit)).replace(/-+$/, "-")}*`;
}

/** How many characters a name that is too long keeps. */
const keptOf = (limit: keyof typeof NAME_LIMITS) => NAME_LIMITS[limit] - HASH_LENGTH - 1;
