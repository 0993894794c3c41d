import { isMap } from "./hcl";
import type { Outline } from "./outline";
import { type Path, type Problems, print } from "./problems";

/** What gives a secret away, by its own form. */
const SECRETS: readonly (readonly [kind: string, form: RegExp])[] = [
  ["an AWS access key id", /\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/],
  ["a GitHub token", /\b(?:gh[pousr]_[A-Za-z0-9]{16,}|github_pat_[A-Za-z0-9_]{16,})/],
  ["a GitLab token", /\bglpat-[A-Za-z0-9_-]{16,}/],
  ["a Slack token", /\bxox[abeprs]-[A-Za-z0-9-]{10,}/],
  ["a private key or certificate", /-----BEGIN/],
];

const SECRET_MEND =
  "Take it out of this file, which is committed, and revoke it if it was ever committed. A GitHub token is given with `npm run connect`; other secrets belong in AWS Secrets Manager, read by your code.";

/**
 * Reports what is wrong with the file whatever it means: values that are not literal, secrets, keys given twice,
 * blocks, and keys that JavaScript's objects have a meaning of their own for.
 */
export function checkLiterals(
  values: Readonly<Record<string, unknown>>,
  file: Outline,
  problems: Problems,
): void {
  for (const key of file.blocks) {
    problems.add([key], {
      what: "It is written as a block.",
      mend: `Write it with an equals sign: ${key} = { … }.`,
    });
  }
  for (const { text, line } of file.comments) {
    const secret = secretIn(text);
    if (secret) {
      problems.addAtLine(line, {
        what: `A comment holds what looks like ${secret}; it is not shown here.`,
        mend: SECRET_MEND,
      });
    }
  }
  walk(values, [], problems);
  for (const path of file.repeated) {
    problems.add(path, { what: "It is given twice.", mend: "Keep one of them." });
  }
}

function walk(value: unknown, path: Path, problems: Problems): void {
  if (typeof value === "string") {
    checkText(value, path, problems);
  } else if (Array.isArray(value)) {
    value.forEach((item, i) => {
      walk(item, [...path, i], problems);
    });
  } else if (isMap(value)) {
    for (const [key, item] of Object.entries(value)) {
      const at = [...path, key];
      const secret = secretIn(key);
      if (secret) {
        problems.add([...path, "(key)"], {
          what: `A key looks like ${secret}; it is not shown here.`,
          mend: SECRET_MEND,
        });
      } else if (key in Object.prototype) {
        problems.add(at, { what: `${print(key)} is a reserved word.`, mend: "Choose another name." });
      } else if (isTemplate(key)) {
        problems.add(at, {
          what: "The key is not a literal.",
          mend: "Write it as plain text: this file takes only literal values.",
        });
      } else walk(item, at, problems);
    }
  }
}

function checkText(text: string, path: Path, problems: Problems): void {
  const secret = secretIn(text);
  if (secret) {
    problems.add(path, { what: `It looks like ${secret}; its value is not shown here.`, mend: SECRET_MEND });
  } else if (isTemplate(text)) {
    problems.add(path, {
      given: print(text),
      what: `${print(text)} is not a literal value.`,
      allowed: "only literal values: text in quotes, numbers, true, false, lists and maps of them",
      mend: /^\$\{[\w-]+\}$/.test(text)
        ? `Put text in quotes: "${text.slice(2, -1)}".`
        : "Write the value itself: no references, functions or templates, not even escaped ones.",
    });
  }
}

const secretIn = (text: string) => SECRETS.find(([, form]) => form.test(text))?.[0];

/**
 * Whether Terraform would read something into the text. An escaped template (`$${`) counts, because the text
 * goes on into Terraform's JSON, where it would be a template again.
 */
const isTemplate = (text: string) => /[$%]\{/.test(text);
