import { type AwsRequest, type Fields, isFields } from "../aws-request";
import { decodeCbor } from "../cbor";

/** A text of an object; empty where it has none. */
export function text(fields: unknown, key: string): string {
  const value = isFields(fields) && Object.hasOwn(fields, key) ? fields[key] : undefined;
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
}

/** A list of objects or texts, in JSON, and as forms number it: with `member` and without. */
export function list<T = Fields>(value: unknown): T[] {
  if (Array.isArray(value)) return value as T[];
  if (!isFields(value)) return [];
  const { member = value } = value;
  if (!isFields(member)) return [];
  return Object.keys(member).every((key) => /^\d+$/.test(key)) ? (Object.values(member) as T[]) : [];
}

/** The object that a text is the JSON of. */
export function fieldsOf(json: string | undefined): Fields | undefined {
  try {
    const content: unknown = JSON.parse(json ?? "");
    return isFields(content) ? content : undefined;
  } catch {
    return undefined;
  }
}

/** The input of an operation, whatever protocol it came by; empty where it has none that can be read. */
export function inputOf({ body, form, headers }: AwsRequest): Fields {
  if (!body.length) return {};
  if (form) return readForm(body.toString());
  if (headers["content-type"] === "application/cbor") {
    const content = decodeCbor(body);
    return isFields(content) ? content : {};
  }
  return fieldsOf(body.toString()) ?? {};
}

/** `A.B.1.C=d` as objects in objects. */
function readForm(body: string): Fields {
  const input: Fields = Object.create(null);
  for (const [path, value] of new URLSearchParams(body)) {
    const keys = path.split(".");
    const last = keys.pop()!;
    let at = input;
    for (const key of keys) {
      if (!isFields(at[key])) at[key] = Object.create(null);
      at = at[key] as Fields;
    }
    at[last] = value;
  }
  return input;
}

const ENTITIES: Readonly<Record<string, string>> = { amp: "&", apos: "'", gt: ">", lt: "<", quot: '"' };

export const unescapeXml = (escaped: string): string =>
  escaped.replace(/&(?:#x([\da-f]+)|#(\d+)|(\w+));/gi, (all, hex, decimal, name) =>
    name ? (ENTITIES[name] ?? all) : String.fromCodePoint(Number.parseInt(hex ?? decimal, hex ? 16 : 10)),
  );
