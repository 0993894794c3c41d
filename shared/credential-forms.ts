// What credentials look like, wherever a text comes from: a plan, a log, a commit's message.

/**
 * A text without what looks like a credential: private keys, tokens of known forms, passwords in addresses, what is
 * assigned to a secret's name, AWS secret access keys.
 *
 * @param hidden what stands in its place
 */
export function withoutCredentialForms(given: string, hidden: string): string {
  let text = withoutPrivateKeys(given, hidden);
  text = withoutCredentials(text, hidden);
  text = withoutPasswordsOfAddresses(text, hidden);
  text = withoutNamed(text, hidden);
  if (text.length < 40) return text;
  return text.replace(AWS_SECRET, (found) => (looksRandom(found) ? hidden : found));
}

/**
 * Forms of credentials, as their makers document them: AWS access key ids, GitHub, GitLab, Slack, Stripe, Google, npm
 * and SendGrid tokens, and JSON Web Tokens. Each finds how one begins, in a bounded look at the text: a hostile one
 * must not take long. What follows of the same characters is hidden with it.
 */
const CREDENTIAL = new RegExp(
  [
    String.raw`\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b`,
    String.raw`\bgh[pousr]_[A-Za-z0-9]{20}`,
    String.raw`\bgithub_pat_\w{20}`,
    String.raw`\bglpat-[\w-]{20}`,
    String.raw`\bxox[abeoprs]-[\w-]{10}`,
    String.raw`\bhooks\.slack\.com/services/[\w/]{20}`,
    String.raw`\b[rs]k_(?:live|test)_\w{16}`,
    String.raw`\bAIza[\w-]{35}`,
    String.raw`\bnpm_[A-Za-z0-9]{36}`,
    String.raw`\bSG\.[\w-]{16,64}\.[\w-]{16}`,
    String.raw`(?<![\w-])eyJ[\w-]{10,2048}\.[\w-]{10}`,
  ].join("|"),
  "g",
);

const OF_CREDENTIAL = /[\w./-]/;

/** AWS secret access keys have no form but this; hashes in hexadecimal have it too, and are let through. */
const AWS_SECRET = /(?<![A-Za-z0-9/+])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])/g;
const looksRandom = (value: string) => /[a-z]/.test(value) && /[A-Z]/.test(value) && /\d/.test(value);

/** Words that make a name one of a secret, where they end it, or all but end it. */
export const secretWords = (before: string) =>
  String.raw`(?:pass(?:word|wd|phrase|code)|secret|token|credential|auth_?string|connection_?string|(?:access|account|api|app|auth|license|master|private|secret|shared|signing)_?key|secret_?access_?key|${before}(?:pass|pwd|psk))s?(?:_?(?:b64|base64|binary|openssh|pem|plaintext|string|text|value|wo|\d{1,2}))?`;
/** The short ones are in other words, too. */
export const SECRET_WORDS = secretWords("(?<![A-Za-z])");
/** Counts of language models' words, and what makes a request the same one again. */
export const NO_SECRET_NAME =
  /(?:^|[\W_])(?:max|min|num|client_?request|continuation|creation|idempotency|next)_?tokens?$/i;

const LONGEST_ARN = 2048;

/** A text that tells nothing: a reference to a secret, a switch or a small number. */
export const isHarmlessText = (value: string): boolean =>
  value.length <= LONGEST_ARN &&
  /^(?:arn:[^\s]*|true|false|null|enabled|disabled|required|optional|none|\d{1,3}|)$/i.test(value);

/** From its first line to its last, or to the end of the text where that was cut. */
function withoutPrivateKeys(text: string, hidden: string): string {
  let [safe, from] = ["", 0];
  for (let at = text.indexOf(DASHES); at !== -1; at = text.indexOf(DASHES, at)) {
    PRIVATE_KEY.lastIndex = at;
    const [begin] = PRIVATE_KEY.exec(text) ?? [];
    if (begin === undefined) {
      at++;
      continue;
    }
    safe += text.slice(from, at) + hidden;
    at = text.indexOf(DASHES, at + begin.length);
    if (at === -1) return safe;
    END_OF_PRIVATE_KEY.lastIndex = at;
    at += END_OF_PRIVATE_KEY.exec(text)?.[0].length ?? 0;
    from = at;
  }
  return safe + text.slice(from);
}

const DASHES = "-----";
const PRIVATE_KEY = /-----BEGIN [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----/y;
const END_OF_PRIVATE_KEY = /-----END [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----/y;

function withoutCredentials(text: string, hidden: string): string {
  let [safe, from] = ["", 0];
  CREDENTIAL.lastIndex = 0;
  for (let found = CREDENTIAL.exec(text); found; found = CREDENTIAL.exec(text)) {
    let end = CREDENTIAL.lastIndex;
    while (end < text.length && OF_CREDENTIAL.test(text[end]!)) end++;
    safe += text.slice(from, found.index) + hidden;
    from = CREDENTIAL.lastIndex = end;
  }
  return safe + text.slice(from);
}

/** `scheme://user:password@host`; whatever the password holds, it ends at the address's last @. */
function withoutPasswordsOfAddresses(text: string, hidden: string): string {
  let [safe, from] = ["", 0];
  for (let at = text.indexOf("://"); at !== -1; ) {
    const start = at + 3;
    let [colon, last, end] = [-1, -1, start];
    for (; end < text.length && !ENDS_ADDRESS.has(text[end]!) && !text.startsWith("://", end); end++) {
      if (text[end] === "@") last = end;
      else if (colon === -1 && text[end] === "/") break;
      else if (colon === -1 && last === -1 && text[end] === ":") colon = end;
    }
    if (colon !== -1 && last > colon + 1 && !isPort(text, start, colon)) {
      safe += text.slice(from, colon + 1) + hidden;
      from = last;
    }
    at = text.indexOf("://", end);
  }
  return safe + text.slice(from);
}

/** Whether a colon is that of a host with dots, before a path that may have an @. */
const isPort = (text: string, start: number, colon: number) =>
  /^:\d{1,5}[/?#]/.test(text.slice(colon, colon + 7)) && text.slice(start, colon).includes(".");

const ENDS_ADDRESS = new Set(" \t\r\n\"'`<>");

/** `password=hunter2`, `"token": "hunter2"`: a secret's name, and what it is set to. */
const NAMED = new RegExp(
  // Without a quote around the name, a colon alone is part of it: of an ARN, of an action.
  String.raw`(${SECRET_WORDS})(?:\\{0,7}["'][ \t]{0,4}:(?=\d)|(?:\\{0,7}["'])?[ \t]{0,4}(?:=(?![=~])>?|:(?=[ \t"'\\])))[ \t]{0,4}(\\{0,7}["'])?`,
  "gi",
);
const LONGEST_QUOTED = 4096;

/** Where a value is had from: an ARN, a variable, an expression, a template, or what a bracket opens. */
function isReference(given: string): boolean {
  if (given.length > LONGEST_ARN) return false;
  const value = given.replace(/[,)\]}]{1,9}$/, "");
  return REFERENCE.test(value) || (isHarmlessText(value) && !value.includes("="));
}
const REFERENCE =
  /^(?:[[{(]+$|\$[{(]|\$\w+$|\{\{|(?:aws|data|each|local|module|random|self|var)[._][\w.[\]"]+$)/;

function withoutNamed(text: string, hidden: string): string {
  let [safe, from] = ["", 0];
  NAMED.lastIndex = 0;
  for (let found = NAMED.exec(text); found; found = NAMED.exec(text)) {
    const start = NAMED.lastIndex;
    const end = endOfValue(text, start, found[2]);
    const value = text.slice(start, end);
    const name = text.slice(Math.max(0, found.index - 20), found.index) + found[1];
    NAMED.lastIndex = end;
    if (value === "" || isReference(value) || NO_SECRET_NAME.test(name)) continue;
    safe += text.slice(from, start) + hidden;
    from = end;
  }
  return safe + text.slice(from);
}

function endOfValue(text: string, start: number, quote: string | undefined): number {
  if (quote !== undefined) {
    const near = text.slice(start, start + LONGEST_QUOTED);
    for (let at = near.indexOf(quote); at !== -1; at = near.indexOf(quote, at + 1))
      if (near[at - 1] !== "\\") return start + at;
  }
  ENDS_VALUE.lastIndex = start;
  const end = ENDS_VALUE.exec(text)?.index ?? text.length;
  return text[end] === '"' || text[end] === "'"
    ? start + text.slice(start, end).replace(/\\{1,7}$/, "").length
    : end;
}

const ENDS_VALUE = /[\s"'&;]/g;
