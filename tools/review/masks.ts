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

/** Whether a mask marks anything, at whatever depth. */
export const isAnyTrue = (mask: Mask): boolean =>
  typeof mask === "object" && mask !== null ? Object.values(mask).some(isAnyTrue) : Boolean(mask);

/** The mask of an element; to be asked only where not all of the value is hidden. */
export function maskOf(mask: Mask, key: string | number): Mask {
  if (isArray(mask) && typeof key === "number") return mask[key];
  if (isObject(mask) && typeof key === "string") return get(mask, key);
  return undefined;
}

/** The keys under which a mask, or another of the same value, tells anything. */
export const maskedKeys = (mask: Mask, other?: Mask): ReadonlySet<string> =>
  new Set([mask, other].flatMap((one) => (isObject(one) ? Object.keys(one) : [])));

/** What of a value is sensitive: the whole where it is, and otherwise its parts. */
export function markedParts(value: Json | undefined, mask: Mask): Json[] {
  if (!mask || value === undefined || value === null) return [];
  if (hidesAll(mask, value)) return [value];
  if (isArray(value)) return value.flatMap((element, index) => markedParts(element, maskOf(mask, index)));
  if (isObject(value))
    return [...maskedKeys(mask)].flatMap((key) => markedParts(get(value, key), maskOf(mask, key)));
  return [];
}
