import { randomInt } from "node:crypto";
import {
  isHarmlessText,
  NO_SECRET_NAME,
  SECRET_WORDS,
  secretWords,
  withoutCredentialForms,
} from "../../shared/credential-forms";
import { get, hidesAll, isArray, isObject, markedParts, maskedKeys, maskOf } from "./masks";
import type { Change, Json, Mask, Plan } from "./plan";

const { imul } = Math;

/** What stands in a secret's place. */
export const HIDDEN = "(sensitive)";

/** A shorter secret is hidden only where it stands alone: "5" is in everything. */
const SHORTEST_PART = 4;

/** A long secret's lines are secret as well: an indented copy of a key has other line breaks. */
const SHORTEST_LINE = 12;

/** Shorter ones are where they are no words of a script: `hunter2`, and not `set -e`. */
const SHORT_SECRET_LINE = /^(?=\S*\d)\S{6,}$/;

/** A whole file that is secret is not in an address, nor in hexadecimal. */
const LONGEST_IN_ALL_FORMS = 1 << 16;

/** Less of a text's encoding may be there by chance. */
const SHORTEST_ENCODED = 8;

const SECRET_NAME = new RegExp(`${SECRET_WORDS}$`, "i");
const MAY_BE_SECRET_NAME = new RegExp(`${secretWords("")}$`, "i");

/** What describes a secret, beside it. */
const DESCRIPTION = /(?:^|[\W_])(?:arn|description|from|id|kind|label|name|provider|status|type|version)s?$/i;

const apart = (name: string) => name.slice(-64).replace(/([a-z\d])([A-Z])/g, "$1_$2");

/** Whether what has this name is a secret by its name. */
export function isSecretName(name: string): boolean {
  // Most names are of no secret, with all their words run together or apart.
  if (!MAY_BE_SECRET_NAME.test(name.slice(-64))) return false;
  const words = apart(name);
  return SECRET_NAME.test(words) && !NO_SECRET_NAME.test(words);
}

/**
 * The name by which to judge an element of what has a name: all below a secret's name is secret, but what describes it.
 *
 * @param key of an object; the place in a list is none
 */
export function nameBelow(name: string, key: string | number): string {
  if (typeof key === "number") return name;
  return isSecretName(name) && !DESCRIPTION.test(apart(key)) ? name : key;
}

/** A reference to a secret, a switch or a small number is none; nor is what holds but such. */
export function isHarmless(value: Json | undefined): boolean {
  if (typeof value === "number") return Math.abs(value) < 1000;
  if (typeof value === "object" && value !== null) return Object.values(value).every(isHarmless);
  if (typeof value !== "string") return true;
  return isHarmlessText(value);
}

/**
 * What a document that is secret holds beside its secrets, and what would be missing everywhere: up to three plain
 * words (`postgres`, `hello-dev-db`), a version or a day, a region, an action or a service of AWS's.
 */
const COMMON =
  /^(?:(?:[a-z]{1,12}|[A-Z][a-z]{1,11}|[A-Z]{1,12})(?:[-_./](?:[a-z]{1,12}|[A-Z][a-z]{1,11}|[A-Z]{1,12})){0,2}|v?\d{1,3}(?:\.\d{1,3}){1,2}|\d{4}-\d\d-\d\d|[a-z]{2}(?:-[a-z]{2,10}){1,2}-\d[a-z]?|[a-z\d-]{2,30}:(?:Assume|Create|Decrypt|Delete|Describe|Encrypt|Generate|Get|Invoke|List|Pass|Put|ReEncrypt|Send|Update)[A-Za-z]*\*?|[a-z\d-]{2,30}\.amazonaws\.com)$/;
const isCommon = (text: string) => isHarmless(text) || COMMON.test(text);

/** A key that looks like a value (`jane@example.com`, `hunter2-key`), not like a name (`s3_bucket`). */
const isTellingKey = (key: string) =>
  key.length >= 8 &&
  /[@\d]/.test(
    key.replace(/base64|ec2|http2|ipv[46]|k8s|md5|oauth2|route53|s3|sha\d{1,3}|utf8|v\d|x509/gi, ""),
  );

/** Hides the secrets of plans wherever they appear. */
export class Redactor {
  private readonly parts: Search;
  /** Secrets too short for that. */
  private readonly words = new Set<string>();
  private readonly firstOfWords: ReadonlySet<number>;

  /** All that is marked as sensitive in these plans; a secret of one may appear in another. */
  constructor(plans: readonly Plan[]) {
    const collection = new Collection(this.words);
    for (const plan of plans) {
      for (const secret of plan.otherSecrets) collection.add(secret);
      for (const resource of [...plan.resources, ...plan.drift, ...plan.deferred])
        collection.addChange(resource.change);
      for (const change of plan.outputs.values()) collection.addChange(change);
    }
    this.parts = new Search(collection.parts);
    this.firstOfWords = new Set([...this.words].map((word) => word.charCodeAt(0)));
  }

  /** A text without the secrets in it, and without what looks like a credential. */
  text(value: string): string {
    let text = this.parts.replace(value, HIDDEN);
    if (this.words.size) text = this.withoutWords(text);
    if (text.length < SHORTEST_PART) return text;
    return withoutCredentialForms(text, HIDDEN);
  }

  private withoutWords(text: string): string {
    let [safe, from] = ["", 0];
    for (let at = 0; at < text.length; at++) {
      if (!this.firstOfWords.has(text.charCodeAt(at)) || isWithinWord(text, at - 1)) continue;
      for (let length = SHORTEST_PART - 1; length > 0; length--) {
        if (!this.words.has(text.slice(at, at + length)) || isWithinWord(text, at + length)) continue;
        safe += text.slice(from, at) + HIDDEN;
        from = at + length;
        at = from - 1;
        break;
      }
    }
    return safe + text.slice(from);
  }
}

const ALPHANUMERIC = /[\p{L}\p{N}]/u;
const isWithinWord = (text: string, at: number) => ALPHANUMERIC.test(text[at] ?? "");

/** The texts that are secret, in all the forms in which they may appear. */
class Collection {
  readonly parts = new Set<string>();
  private readonly seen = new Set<string>();

  /** @param words takes those too short to be looked for inside of others */
  constructor(private readonly words: Set<string>) {}

  addChange({ before, after, beforeSensitive, afterSensitive }: Change): void {
    // What is sensitive on one side is so on the other.
    this.addPair(before, beforeSensitive, after, afterSensitive);
  }

  private addMarked(value: Json | undefined, mask: Mask): void {
    for (const part of markedParts(value, mask)) this.add(part);
  }

  private addPair(a: Json | undefined, maskA: Mask, b: Json | undefined, maskB: Mask): void {
    if (!maskA && !maskB) return;
    if (hidesAll(maskA, a) || hidesAll(maskB, b)) {
      this.add(a);
      this.add(b);
    } else if (isObject(a) || isObject(b)) {
      for (const key of maskedKeys(maskA, maskB)) {
        this.addPair(
          isObject(a) ? get(a, key) : undefined,
          maskOf(maskA, key),
          isObject(b) ? get(b, key) : undefined,
          maskOf(maskB, key),
        );
      }
    } else {
      // Elements of lists move: only their own masks tell of them.
      this.addMarked(a, maskA);
      this.addMarked(b, maskB);
    }
  }

  add(value: Json | undefined): void {
    if (isArray(value)) for (const element of value) this.add(element);
    else if (isObject(value)) {
      for (const [key, element] of Object.entries(value)) {
        if (isTellingKey(key)) this.addText(key);
        this.add(element);
      }
    } else if (typeof value === "number") this.addText(String(value));
    else if (typeof value === "string") this.addText(value);
  }

  private addText(secret: string): void {
    const text = secret.trim();
    if (text === "" || this.seen.has(text)) return;
    this.seen.add(text);
    if (text.length < SHORTEST_PART) {
      this.words.add(text);
      return;
    }
    for (const plain of [text, ...linesOf(text)]) for (const form of formsOf(plain)) this.addPart(form);
    const document = parseDocument(text);
    if (document !== undefined) this.addInside(document, "");
  }

  /** What of a secret document is secret by itself. */
  private addInside(value: Json, name: string): void {
    if (isArray(value)) for (const element of value) this.addInside(element, name);
    else if (isObject(value)) {
      for (const [key, element] of Object.entries(value)) {
        if (isTellingKey(key)) this.addText(key);
        this.addInside(element, nameBelow(name, key));
      }
    } else if (typeof value === "string") {
      const text = value.trim();
      if (isSecretName(name) ? !isHarmless(text) : text.length >= SHORTEST_PART && !isCommon(text))
        this.addText(text);
    } else if (typeof value === "number") {
      // Every rule of a network has a port.
      const digits = String(value).replace(/\D/g, "");
      if (digits.length >= SHORTEST_PART && !/(?:^|[\W_])port$/i.test(apart(name)))
        this.addText(String(value));
    }
  }

  private addPart(form: string): void {
    // Of a long one, its pieces: where it is, they are.
    const last = form.length - LONGEST_PIECE;
    if (last <= 0) this.parts.add(form);
    else
      for (let at = 0; at < last + LONGEST_PIECE; at += LONGEST_PIECE)
        this.parts.add(form.slice(Math.min(at, last), Math.min(at, last) + LONGEST_PIECE));
  }
}

function linesOf(text: string): string[] {
  if (!/[\r\n]/.test(text)) return [];
  return text
    .split(/[\r\n]+/)
    .map((line) => line.trim())
    .filter((line) => (line.length < SHORTEST_LINE ? SHORT_SECRET_LINE : ALPHANUMERIC).test(line));
}

/**
 * How a text looks elsewhere: in other Unicode and case, in JSON (also as Go and Python write it) up to three deep, in
 * HCL, XML, a shell's quotes and an address, and in hexadecimal and base64, there also amid other bytes.
 */
function formsOf(text: string): string[] {
  if (text.length > LONGEST_IN_ALL_FORMS)
    return [...quotedForms(quoted(text)), text, ...amongBytes(Buffer.from(text))];
  const cased = text.length >= 6 && /\d/.test(text) ? [text.toLowerCase(), text.toUpperCase()] : [];
  const forms = [text, ...cased, ...encodedForms(text)];
  // Most secrets have nothing that is written otherwise anywhere.
  if (/[^\w.~-]/.test(text)) {
    let nested = [text];
    for (let depth = 0; depth < 3; depth++) {
      nested = [...new Set(nested.flatMap((inner) => quotedForms(quoted(inner))))];
      forms.push(...nested);
    }
    const inJson = quoted(text);
    forms.push(
      text.normalize("NFC"),
      text.normalize("NFD"),
      inJson.replace(/([$%])\{/g, "$1$1{"),
      text.replaceAll("'", "'\\''"),
      text.replace(/[&<>"']/g, (found) => XML[found]!),
      ...addressForms(text),
      ...(inJson === text ? [] : encodedForms(inJson)),
    );
  }
  return forms.filter((form) => form.length >= SHORTEST_PART);
}

const quoted = (text: string) => JSON.stringify(text).slice(1, -1);

const unicodeEscape = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;

function quotedForms(inJson: string): string[] {
  const ofGo = inJson.replace(/[<>&]/g, unicodeEscape);
  return [
    inJson,
    ofGo,
    inJson.replace(/[<>&]/g, (found) => unicodeEscape(found).replace(/.$/, (digit) => digit.toUpperCase())),
    // Without the u flag: what is beyond sixteen bits is two escapes.
    inJson.replace(/[\u0080-\uffff]/g, unicodeEscape),
  ];
}

const XML: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

function addressForms(text: string): string[] {
  try {
    const plain = encodeURIComponent(text);
    const strict = plain.replace(/[!'()*]/g, (found) => `%${found.charCodeAt(0).toString(16).toUpperCase()}`);
    const forms = [plain, strict, strict.replaceAll("%20", "+")];
    return forms.flatMap((form) => [form, form.replace(/%../g, (found) => found.toLowerCase())]);
  } catch {
    // Half a surrogate pair cannot be in an address.
    return [];
  }
}

function encodedForms(text: string): string[] {
  const bytes = Buffer.from(text);
  const hex = bytes.toString("hex");
  const inBase64 = [
    bytes.toString("base64").replace(/=+$/, ""),
    ...amongBytes(bytes).filter(({ length }) => length >= SHORTEST_ENCODED),
  ];
  return [hex, hex.toUpperCase(), ...inBase64, ...inBase64.map(ofAddress)];
}

/** Three bytes are four characters of base64: which they are depends on how many bytes come first. */
function amongBytes(bytes: Buffer): string[] {
  const amid = Buffer.alloc(bytes.length + 2);
  bytes.copy(amid, 2);
  return [0, 1, 2].map((before) =>
    amid
      .toString("base64", 2 - before)
      .slice(Math.ceil((before * 4) / 3), Math.floor(((before + bytes.length) * 4) / 3)),
  );
}

/** Base64 as addresses have it. */
const ofAddress = (base64: string) => base64.replaceAll("+", "-").replaceAll("/", "_");

/** Longer texts are looked for in pieces. */
const LONGEST_PIECE = 512;

/** Odd, and not known to whoever makes a plan: two texts with one hash can be made where they are known. */
const [BASE_A, BASE_B] = [randomInt(2 ** 30) * 2 + 1, randomInt(2 ** 30) * 2 + 1];

const powers = (base: number) => {
  const found = new Int32Array(LONGEST_PIECE + 1).fill(1);
  for (let index = 1; index < found.length; index++) found[index] = imul(found[index - 1]!, base);
  return found;
};
const [POWERS_A, POWERS_B] = [powers(BASE_A), powers(BASE_B)];

/** So much of a text is hashed at a time. */
const WINDOW = 1 << 16;

/** Hashes of all that is before a place in the window: of the text at hand, whichever search it is for. */
const [SUMS_A, SUMS_B] = [
  new Int32Array(WINDOW + LONGEST_PIECE + 1),
  new Int32Array(WINDOW + LONGEST_PIECE + 1),
];

/** The least and the most slots for how texts begin. To clear the most takes longer than to review a small plan. */
const [FEWEST_SLOTS, MOST_SLOTS] = [1 << 12, 1 << 20];
/** So many slots for each text leave nearly all of them empty. */
const SLOTS_PER_TEXT = 256;

/**
 * Looks for many texts at once. What that takes grows with the text alone, not with how many are looked for, how long
 * they are or how alike: how many characters from a place on begin one of them is found by halving, where hashes of
 * beginnings tell whether there are more. (Waldvogel et al., "Scalable High Speed IP Routing Lookups".)
 */
class Search {
  /** By a hash of its first four characters, how a text goes on: not at all, or for another four at least. */
  private readonly beginnings: Uint8Array;
  private readonly continuations: Uint8Array;
  /** What brings a hash of 32 bits down to a slot. */
  private readonly shift: number;
  /** Beginnings, each two hashes and one more than the length of the longest text that it begins with. */
  private readonly table: Int32Array;
  private readonly isEmpty: boolean;

  /** @param texts of 4 to 512 characters */
  constructor(texts: ReadonlySet<string>) {
    this.isEmpty = texts.size === 0;
    const wanted = Math.max(FEWEST_SLOTS, Math.min(MOST_SLOTS, texts.size * SLOTS_PER_TEXT));
    this.shift = Math.clz32(wanted - 1);
    this.beginnings = new Uint8Array(2 ** (32 - this.shift));
    this.continuations = new Uint8Array(this.beginnings.length);
    let beginnings = 0;
    for (const { length } of texts) for (let rest = length; rest > 0; rest &= rest - 1) beginnings++;
    this.table = new Int32Array(3 * 2 ** Math.ceil(Math.log2(2 * beginnings + 2)));
    // The shorter first: what a beginning begins with is known by then.
    for (const text of [...texts].sort((one, other) => one.length - other.length)) this.add(text);
  }

  /** A text with another in the place of each that was looked for; what overlaps or touches is one. */
  replace(text: string, by: string): string {
    if (this.isEmpty || text.length < SHORTEST_PART) return text;
    const { beginnings, continuations, shift } = this;
    const last = text.length - SHORTEST_PART;
    let [pieces, from, hiddenTo] = ["", 0, -1];
    /** Places of the window that is hashed. */
    let [windowFrom, windowTo] = [0, 0];
    let four = 0;
    for (let index = 0; index < SHORTEST_PART - 1; index++) four = (four << 8) ^ text.charCodeAt(index);
    for (let at = 0; at <= last; at++) {
      four = (four << 8) ^ text.charCodeAt(at + SHORTEST_PART - 1);
      const kinds = beginnings[slotOf(shift, four)]!;
      if (kinds === 0) continue;
      if (kinds === LONGER && continuations[slotOf(shift, four, fourAt(text, at + SHORTEST_PART))] === 0)
        continue;
      if (at >= windowTo) {
        [windowFrom, windowTo] = [at, at + WINDOW];
        hash(text, at);
      }
      const length = this.longestAt(at - windowFrom, text.length - at);
      if (length === 0) continue;
      if (at > hiddenTo) pieces += text.slice(from, at) + by;
      from = hiddenTo = Math.max(hiddenTo, at + length);
    }
    return from === 0 ? text : pieces + text.slice(from);
  }

  private add(text: string): void {
    const { shift } = this;
    const four = fourAt(text, 0);
    if (text.length < 2 * SHORTEST_PART) this.beginnings[slotOf(shift, four)]! |= SHORT;
    else {
      this.beginnings[slotOf(shift, four)]! |= LONGER;
      this.continuations[slotOf(shift, four, fourAt(text, SHORTEST_PART))] = 1;
    }
    hash(text, 0);
    let length = 0;
    for (let bit = LONGEST_PIECE; bit > 0; bit >>= 1) {
      if ((text.length & bit) === 0) continue;
      length |= bit;
      const slot = this.slotAt(0, length);
      const longest =
        length === text.length ? length : (this.table[slot + 2]! || this.longestAt(0, length) + 1) - 1;
      this.table[slot] = SUMS_A[length]!;
      this.table[slot + 1] = SUMS_B[length]!;
      this.table[slot + 2] = longest + 1;
    }
  }

  /** The length of the longest text that begins at a place of the window; 0 where none does. */
  private longestAt(place: number, available: number): number {
    const most = Math.min(available, LONGEST_PIECE);
    let [length, longest] = [0, 0];
    for (let bit = LONGEST_PIECE; bit > 0; bit >>= 1) {
      if (length + bit > most) continue;
      const found = this.table[this.slotAt(place, length + bit) + 2]!;
      if (found === 0) continue;
      length += bit;
      longest = found - 1;
    }
    return longest;
  }

  /** Where so many characters from a place on are in the table, or would be. */
  private slotAt(place: number, length: number): number {
    const { table } = this;
    const a = hashOf(SUMS_A, POWERS_A, place, length);
    const b = hashOf(SUMS_B, POWERS_B, place, length);
    const size = table.length / 3;
    for (let at = (imul(a ^ length, MIX) >>> 7) & (size - 1); ; at = (at + 1) & (size - 1)) {
      const slot = 3 * at;
      if (table[slot + 2] === 0 || (table[slot] === a && table[slot + 1] === b)) return slot;
    }
  }
}

const SHORT = 1;
const LONGER = 2;
const MIX = 0x9e3779b1;

function hash(text: string, from: number): void {
  const count = Math.min(text.length - from, WINDOW + LONGEST_PIECE);
  let [a, b] = [0, 0];
  for (let index = 0; index < count; index++) {
    const code = text.charCodeAt(from + index);
    SUMS_A[index + 1] = a = (imul(a, BASE_A) + code) | 0;
    SUMS_B[index + 1] = b = (imul(b, BASE_B) + code) | 0;
  }
}

const hashOf = (sums: Int32Array, powers: Int32Array, place: number, length: number): number =>
  (sums[place + length]! - imul(sums[place]!, powers[length]!)) | 0;

const fourAt = (text: string, at: number): number =>
  (text.charCodeAt(at) << 24) ^
  (text.charCodeAt(at + 1) << 16) ^
  (text.charCodeAt(at + 2) << 8) ^
  text.charCodeAt(at + 3);

const slotOf = (shift: number, four: number, next = 0): number =>
  imul(four ^ imul(next, BASE_B), MIX) >>> shift;

/** Deeper ones stay texts: nobody nests so deep, but whoever wants to break this. */
const DEEPEST = 64;

/** A text that is a JSON object or list, as a value. */
export function parseDocument(text: string): Json | undefined {
  const [first, last] = [text.trimStart()[0], text.trimEnd().at(-1)];
  if (!(first === "{" && last === "}") && !(first === "[" && last === "]")) return undefined;
  try {
    const document = JSON.parse(text) as Json;
    return isDeeper(document, DEEPEST) ? undefined : document;
  } catch {
    return undefined;
  }
}

function isDeeper(value: Json, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return levels === 0 || Object.values(value).some((element) => isDeeper(element, levels - 1));
}
