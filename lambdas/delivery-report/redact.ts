import { stripVTControlCharacters } from "node:util";
import { withoutCredentialForms } from "../../shared/credential-forms";
import { shortened, visible } from "../../shared/visible";

/** What stands in a credential's place. */
const HIDDEN = "(hidden)";

/** A shorter one would hide half of every text. */
const SHORTEST_SECRET = 8;

/** Keys of reports that hold addresses: they are made here, of names and ids, and would break. */
const ADDRESSES = new Set(["console", "page", "logUrl", "reviewUrl", "approvalUrl", "url", "compareUrl"]);

const END_OF_PRIVATE_KEY = /-----END [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----/;
const BEGIN_OF_PRIVATE_KEY = /-----BEGIN [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----/;

/** A colour as JSON writes it. */
const ESCAPED_COLOUR = /\\u001b\[[\d;]{0,20}m/gi;

/** `Authorization: Bearer …`, as clients that tell their requests write it. */
const AUTHORIZATION = /\b(Bearer|Basic) +[\w.~+/=-]{8,}/gi;

/** Hides credentials in what is told: those that are known, and whatever looks like one. */
export class Redaction {
  private readonly secrets: readonly string[];

  /** @param secrets that this function has read itself */
  constructor(secrets: readonly (string | undefined)[]) {
    this.secrets = secrets.filter((one): one is string => (one?.length ?? 0) >= SHORTEST_SECRET);
  }

  /** A text as it is, without credentials. */
  text(given: string): string {
    // Colours may stand in the middle of what is looked for.
    let text = stripVTControlCharacters(given).replace(ESCAPED_COLOUR, "");
    for (const secret of this.secrets) text = text.replaceAll(secret, HIDDEN);
    text = withoutCredentialForms(withoutEndOfKey(text), HIDDEN);
    return text.replace(AUTHORIZATION, (_, scheme: string) => `${scheme} ${HIDDEN}`);
  }

  /** The first line of a text, of at most so many characters. */
  line(given: string, most: number): string {
    // What reaches over several lines is told by all of them.
    const [first = ""] = this.text(given.trim()).split(/\r?\n/);
    return shortened(visible(first), most);
  }

  /** The lines of a log. */
  lines(given: string): string[] {
    return this.text(given)
      .split(/\r?\n/)
      .map((line) => visible(line.trimEnd().replaceAll("\t", "  ")));
  }

  /** A value with all its texts without credentials, but for addresses. */
  all<T>(value: T): T {
    if (typeof value === "string") return this.text(value) as T;
    if (Array.isArray(value)) return value.map((element) => this.all(element)) as T;
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, element]) => [
        this.text(key),
        ADDRESSES.has(key) ? element : this.all(element),
      ]),
    ) as T;
  }
}

/** Of a log only the end is read: a private key may have begun before. */
function withoutEndOfKey(text: string): string {
  const end = END_OF_PRIVATE_KEY.exec(text);
  if (!end) return text;
  const begin = BEGIN_OF_PRIVATE_KEY.exec(text)?.index ?? Number.POSITIVE_INFINITY;
  return begin < end.index ? text : HIDDEN + text.slice(end.index + end[0].length);
}
