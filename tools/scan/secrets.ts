import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Finding } from "./finding";

const ACCESS_KEY = /(?<![A-Za-z0-9])A[KS]IA[A-Z0-9]{16}(?![A-Za-z0-9])/g;
const KINDS: readonly (readonly [kind: string, pattern: RegExp])[] = [
  ["GitHub token", /\b(?:gh[oprsu]_|github_pat_)[A-Za-z0-9_]{20,}/g],
  ["AWS access key", ACCESS_KEY],
  ["private key", /-----BEGIN [A-Z0-9 ]*PRIVATE KEY/g],
  ["Slack token", /\bx(?:ox[a-z]|app)-[A-Za-z0-9-]{10,}/g],
  ["npm token", /\bnpm_[A-Za-z0-9]{36}/g],
  ["token of a registry", /(?<=_authToken\s*=\s*["']?)[A-Za-z0-9+/_=-]{20,}/g],
];

/** An access key's secret has no form but this, which hashes in hexadecimal have too; but it stands near its key. */
const ACCESS_SECRET = /(?<![A-Za-z0-9/+=])(?![0-9a-f]{40})[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])/g;
/** Lines above and below the key. */
const NEAR = 2;

/** Says, on the same line, that what looks like a secret is none, and why. */
const MARK = /slipway:not-a-secret\b(?:[ \t]+(\w.*))?/;

const SKIPPED = new Set(["node_modules", ".git", ".slipway", "cdktf.out"]);
/** Bytes. */
const LARGEST = 1_000_000;
/** Bytes among which a binary file has a zero. */
const HEAD = 8_000;

/**
 * Secrets that stand in a text, apart from those that are marked as none with a reason.
 *
 * @param name of the file, for people
 */
export function secretsIn(name: string, text: string): Finding[] {
  const lines = text.split("\n");
  const withKey = lines.map((line) => line.search(ACCESS_KEY) >= 0);
  return lines.flatMap((line, index) => {
    const isNearKey = withKey.slice(Math.max(0, index - NEAR), index + NEAR + 1).includes(true);
    const kinds = isNearKey ? [...KINDS, ["secret of an AWS access key", ACCESS_SECRET] as const] : KINDS;
    const found = kinds.flatMap(([kind, pattern]) =>
      (line.match(pattern) ?? []).map((secret) => `${kind} ${secret.slice(0, 4)}…`),
    );
    if (!found.length) return [];
    const [marked, reason] = MARK.exec(line) ?? [];
    if (reason) return [];
    return found.map((what) => ({
      where: `${name}:${index + 1}`,
      what,
      mend: marked
        ? "It is marked as no secret, without a reason: slipway:not-a-secret REASON"
        : "Take it out and revoke it: the history keeps it. If it is made up, say so on its line: slipway:not-a-secret REASON",
    }));
  });
}

/** Secrets in the files of a folder, apart from what is installed, generated, binary or large. */
export function secretsBelow(folder: string): Finding[] {
  return filesBelow(folder).flatMap((path) => {
    const file = join(folder, path);
    if (statSync(file).size > LARGEST) return [];
    const content = readFileSync(file);
    return content.subarray(0, HEAD).includes(0) ? [] : secretsIn(path, content.toString());
  });
}

/** Paths from the folder, with slashes. Links are not followed. */
function filesBelow(folder: string, path = ""): string[] {
  return readdirSync(join(folder, path), { withFileTypes: true }).flatMap((entry) => {
    const inner = path + entry.name;
    if (entry.isDirectory()) return SKIPPED.has(entry.name) ? [] : filesBelow(folder, `${inner}/`);
    return entry.isFile() ? [inner] : [];
  });
}
