import { get, hidesAll, isArray, isObject, maskOf } from "./masks";
import type { Change, Json, Mask, Plan } from "./plan";

/** What stands in a secret's place. */
export const HIDDEN = "(sensitive)";

/** A shorter secret is hidden only where it stands alone: "5" is in everything. */
const SHORTEST_PART = 4;

/** A long secret's lines are secret as well: an indented copy of a key has other line breaks. */
const SHORTEST_LINE = 12;

/**
 * Forms of credentials, as their makers document them: AWS access key ids, GitHub, GitLab, Slack, Stripe, Google, npm
 * and SendGrid tokens, JSON Web Tokens, private keys, and the password in an address.
 */
const CREDENTIAL = new RegExp(
  [
    String.raw`\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b`,
    String.raw`\bgh[pousr]_[A-Za-z0-9]{20,}`,
    String.raw`\bgithub_pat_\w{20,}`,
    String.raw`\bglpat-[\w-]{20,}`,
    String.raw`\bxox[abeoprs]-[\w-]{10,}`,
    String.raw`\bhooks\.slack\.com/services/[\w/]{20,}`,
    String.raw`\b[rs]k_(?:live|test)_\w{16,}`,
    String.raw`\bAIza[\w-]{35}`,
    String.raw`\bnpm_[A-Za-z0-9]{36}`,
    String.raw`\bSG\.[\w-]{16,}\.[\w-]{16,}`,
    String.raw`\beyJ[\w-]{10,}\.[\w-]{10,}(?:\.[\w-]*)?`,
    "-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----(?:[^-]|-(?!----))*(?:-----END [A-Z ]{0,40}PRIVATE KEY-----)?",
    String.raw`(?<=:\/\/[^\s:@/]{0,256}:)[^\s:@/]{1,256}(?=@)`,
  ].join("|"),
  "g",
);

/** AWS secret access keys have no form but this; hashes in hexadecimal have it too, and are let through. */
const AWS_SECRET = /(?<![A-Za-z0-9/+=])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])/g;
const looksRandom = (value: string) => /[a-z]/.test(value) && /[A-Z]/.test(value) && /\d/.test(value);

/** Words that make a name one of a secret, where they end it. */
const SECRET_NAME =
  /(?:^|[\W_]|(?<=[a-z])(?=[A-Z]))(?:password|passwd|pwd|passphrase|secret|token|api_?key|private_?key|secret_?(?:access_?)?key|access_?key|credentials?|auth_?string|connection_?string)s?$/i;

/** Whether what has this name is a secret by its name. */
export const isSecretName = (name: string) => SECRET_NAME.test(name.slice(-64));

/** A reference to a secret, or a switch, is none. */
export const isHarmless = (value: string) =>
  /^(?:arn:[^\s]*|true|false|null|enabled|disabled|required|optional|none|\d{1,3}|)$/i.test(value);

/** Hides the secrets of a plan wherever they appear. */
export class Redactor {
  /** Secrets by a hash of how they begin. */
  private readonly parts = new Map<number, Bucket>();
  /** Secrets too short for that. */
  private readonly words = new Set<string>();
  /** Beginnings by their hash: most places of a text need no more than a look at it. */
  private readonly beginnings = new Uint8Array(1 << 16);
  private readonly seen = new Set<string>();

  /** All that is marked as sensitive in these plans; a secret of one may appear in another. */
  constructor(plans: readonly Plan[]) {
    for (const plan of plans) {
      for (const { values, sensitive } of plan.otherValues) this.collect(values, sensitive);
      for (const resource of [...plan.resources, ...plan.drift, ...plan.deferred])
        this.collectChange(resource.change);
      for (const change of plan.outputs.values()) this.collectChange(change);
    }
    for (const { lengths } of this.parts.values()) lengths.sort((a, b) => b - a);
  }

  /** A text without the secrets in it, and without what looks like a credential. */
  text(value: string): string {
    let text = this.parts.size ? this.withoutParts(value) : value;
    if (this.words.size) text = this.withoutWords(text);
    if (text.length < SHORTEST_PART) return text;
    text = text.replace(CREDENTIAL, HIDDEN);
    return text.replace(AWS_SECRET, (found) => (looksRandom(found) ? HIDDEN : found));
  }

  /** Every text of a value of ours; `except` names keys whose texts are our own words. */
  deep<T>(value: T, except: ReadonlySet<string>): T {
    if (typeof value === "string") return this.text(value) as T;
    if (Array.isArray(value)) return value.map((element) => this.deep(element, except)) as T;
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, element]) => [
        key,
        except.has(key) ? element : this.deep(element, except),
      ]),
    ) as T;
  }

  private collectChange({ before, after, beforeSensitive, afterSensitive }: Change): void {
    // What is sensitive on one side is so on the other.
    this.collectPair(before, beforeSensitive, after, afterSensitive);
  }

  private collectPair(a: Json | undefined, maskA: Mask, b: Json | undefined, maskB: Mask): void {
    if (!maskA && !maskB) return;
    if (hidesAll(maskA, a) || hidesAll(maskB, b)) {
      this.add(a);
      this.add(b);
    } else if (isObject(a) || isObject(b)) {
      const keys = new Set([...Object.keys(isObject(a) ? a : {}), ...Object.keys(isObject(b) ? b : {})]);
      for (const key of keys) {
        this.collectPair(
          isObject(a) ? get(a, key) : undefined,
          maskOf(maskA, key),
          isObject(b) ? get(b, key) : undefined,
          maskOf(maskB, key),
        );
      }
    } else {
      // Elements of lists move: only their own masks tell of them.
      if (isArray(a)) for (const [i, element] of a.entries()) this.collect(element, maskOf(maskA, i));
      if (isArray(b)) for (const [i, element] of b.entries()) this.collect(element, maskOf(maskB, i));
    }
  }

  private collect(value: Json | undefined, mask: Mask): void {
    this.collectPair(value, mask, undefined, undefined);
  }

  private add(value: Json | undefined): void {
    if (isArray(value)) for (const element of value) this.add(element);
    else if (isObject(value)) for (const element of Object.values(value)) this.add(element);
    else if (typeof value === "number") this.addText(String(value));
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
    const lines = text.includes("\n") ? text.split(/\r?\n/).map((line) => line.trim()) : [];
    for (const plain of [text, ...lines.filter((line) => line.length >= SHORTEST_LINE)])
      for (const form of formsOf(plain)) this.addPart(form);
    const document = parseDocument(text);
    if (document !== undefined) this.addNamed(document);
  }

  /** Of a secret document, what its names call secrets. */
  private addNamed(value: Json): void {
    if (isArray(value)) for (const element of value) this.addNamed(element);
    if (!isObject(value)) return;
    for (const [key, element] of Object.entries(value)) {
      if (typeof element !== "string") this.addNamed(element);
      else if (isSecretName(key) && !isHarmless(element)) this.addText(element);
    }
  }

  private addPart(part: string): void {
    const hash = beginningOf(part, 0);
    this.beginnings[hash] = 1;
    let bucket = this.parts.get(hash);
    if (!bucket) {
      bucket = { lengths: [], secrets: new Set() };
      this.parts.set(hash, bucket);
    }
    bucket.secrets.add(part);
    if (!bucket.lengths.includes(part.length)) bucket.lengths.push(part.length);
  }

  private withoutParts(text: string): string {
    const pieces: string[] = [];
    /** Where the text that is not yet dealt with begins. */
    let from = 0;
    /** Where what is hidden ends; secrets may overlap. */
    let hiddenTo = -1;
    for (let at = 0; at + SHORTEST_PART <= text.length; at++) {
      const hash = beginningOf(text, at);
      if (this.beginnings[hash] === 0) continue;
      const bucket = this.parts.get(hash)!;
      const length = bucket.lengths.find((of) => bucket.secrets.has(text.slice(at, at + of)));
      if (length === undefined) continue;
      if (at > hiddenTo) {
        pieces.push(text.slice(from, at), HIDDEN);
        hiddenTo = at;
      }
      hiddenTo = Math.max(hiddenTo, at + length);
      from = hiddenTo;
    }
    return pieces.length ? pieces.join("") + text.slice(from) : text;
  }

  private withoutWords(text: string): string {
    let [safe, from] = ["", 0];
    for (let at = 0; at < text.length; at++) {
      if (isWithinWord(text, at - 1)) continue;
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

interface Bucket {
  /** Of the secrets, the longest first. */
  readonly lengths: number[];
  readonly secrets: Set<string>;
}

const ALPHANUMERIC = /[\p{L}\p{N}]/u;
const isWithinWord = (text: string, at: number) => ALPHANUMERIC.test(text[at] ?? "");

const beginningOf = (text: string, at: number): number => {
  let hash = 0;
  for (let index = at; index < at + SHORTEST_PART; index++)
    hash = (Math.imul(hash, 31) + text.charCodeAt(index)) & 0xffff;
  return hash;
};

/** How a text looks inside JSON (also as Go writes it), HCL, an address and base64. */
function formsOf(text: string): Set<string> {
  const inJson = JSON.stringify(text).slice(1, -1);
  const forms = [
    text,
    inJson,
    inJson.replace(/[<>&]/g, (found) => `\\u00${found.charCodeAt(0).toString(16)}`),
    inJson.replace(/([$%])\{/g, "$1$1{"),
    encodeAddress(text),
    Buffer.from(text).toString("base64"),
    Buffer.from(text).toString("base64").replace(/=+$/, ""),
    Buffer.from(text).toString("base64url"),
  ];
  return new Set(forms.filter((form) => form.length >= SHORTEST_PART));
}

function encodeAddress(text: string): string {
  try {
    return encodeURIComponent(text);
  } catch {
    // Half a surrogate pair cannot be in an address.
    return text;
  }
}

/** Deeper ones stay texts: nobody nests so deep, but whoever wants to break this. */
const DEEPEST = 64;

/** A text that is a JSON object or list, as a value. */
export function parseDocument(text: string): Json | undefined {
  if (!/^\s*[{[]/.test(text) || !/[}\]]\s*$/.test(text)) return undefined;
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
