import type { Json, JsonObject, Mask } from "./plan";

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

export const isArray = (value: unknown): value is readonly Json[] => Array.isArray(value);

/** Of an object's own keys alone: plans may have a key `constructor`. */
export const get = (value: JsonObject, key: string): Json | undefined =>
  Object.hasOwn(value, key) ? value[key] : undefined;

/**
 * Whether all of a value is sensitive. A mask has the value's shape, with true where something is sensitive; one that
 * does not fit, or that is something else again, hides all of the value.
 */
export function hidesAll(mask: Mask, value: Json | undefined): boolean {
  if (mask === undefined || mask === false || value === undefined || value === null) return false;
  if (isArray(mask))
    return !isArray(value) || (mask.length !== value.length && mask.some((element) => element !== false));
  if (isObject(mask)) return !isObject(value);
  return true;
}

/** The mask of an element; to be asked only where not all of the value is hidden. */
export function maskOf(mask: Mask, key: string | number): Mask {
  if (isArray(mask) && typeof key === "number") return mask[key];
  if (isObject(mask) && typeof key === "string") return get(mask, key);
  return undefined;
}
