import type * as z from "zod";
import { isMap } from "./hcl";
import type { Outline } from "./outline";
import { nearest, type Path, type Problems, print, printAll } from "./problems";
import { type Help, keysAt, type SettingsFile, settingsFile } from "./schema";

/** What is left of a settings file when everything that is wrong by itself has been taken out. */
export type Sound = Partial<{ [K in keyof SettingsFile]: DeepPartial<SettingsFile[K]> }>;
type DeepPartial<T> = T extends readonly unknown[]
  ? T
  : T extends object
    ? { [K in keyof T]?: DeepPartial<T[K]> }
    : T;

/**
 * Checks each value of a file by itself, reports what is wrong, and returns the rest, so that what joins several
 * values can be checked in the same run.
 */
export function checkValues(
  values: Readonly<Record<string, unknown>>,
  file: Outline,
  problems: Problems,
): Sound {
  const given = withoutNulls(values);
  const issues = settingsFile.safeParse(given).error?.issues ?? [];
  // A misspelt key first: it covers the required key that is missing because of it.
  const ordered = issues.toSorted(
    (a, b) => Number(b.code === "unrecognized_keys") - Number(a.code === "unrecognized_keys"),
  );
  for (const issue of ordered) report(issue, given, file, problems);
  for (const issue of issues) {
    const path = issue.path as Path;
    if (issue.code === "unrecognized_keys") for (const key of issue.keys) remove(given, [...path, key]);
    else remove(given, path);
  }
  return given as Sound;
}

/** A copy in which what is set to null is absent, as it is for Terraform. */
function withoutNulls<T>(value: T): T {
  if (Array.isArray(value)) return value.map(withoutNulls) as T;
  if (!isMap(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key, item]) => item !== null && !(key in Object.prototype))
      .map(([key, item]) => [key, withoutNulls(item)]),
  ) as T;
}

function report(issue: z.core.$ZodIssue, values: object, file: Outline, problems: Problems): void {
  const path = issue.path as Path;
  const given = at(values, path);
  switch (issue.code) {
    case "unrecognized_keys":
      for (const key of issue.keys) reportUnknownKey([...path, key], values, problems);
      return;
    case "custom":
      reportValue(path, given, issue.params as Help, file, problems);
      return;
    case "invalid_key": {
      const help = (issue.issues[0] as { params?: Help } | undefined)?.params;
      if (help) reportValue(path, path.at(-1), help, file, problems);
      return;
    }
    case "too_small":
      problems.add(path, {
        given: "[]",
        what: "It is an empty list.",
        mend: path.includes("deploy")
          ? "Name at least one environment in it, or take it out."
          : "Name at least one, or take it out.",
      });
      return;
    case "too_big":
      problems.add(path, {
        given: "a list",
        what: `It has more than ${issue.maximum} entries.`,
        mend: `Keep at most ${issue.maximum}${path.at(-1) === "paths" ? "; patterns can be joined with * and ?" : ""}.`,
      });
      return;
    case "invalid_union": {
      const providers = printAll(["github-token", "connection", "codecommit"]);
      const near = nearest(given, ["github-token", "connection", "codecommit"]);
      problems.add(path, {
        ...(given === undefined ? {} : { given: print(given) }),
        what: given === undefined ? "It is missing." : `${print(given)} is not a provider of sources.`,
        allowed: providers,
        mend: `Write ${near ? print(near) : "the one that holds your repository"}.`,
      });
      return;
    }
    case "invalid_type": {
      const list = issue.expected === "array";
      problems.add(path, {
        ...(given === undefined ? {} : { given: print(given) }),
        what: given === undefined ? "It is missing." : `${print(given)} is not ${list ? "a list" : "a map"}.`,
        allowed: list ? "a list: [ … ]" : "a map: { … }",
        mend: "Write it like the one in terraform.tfvars.example.",
      });
      return;
    }
    default:
      problems.add(path, {
        given: print(given),
        what: issue.message,
        mend: "Compare with terraform.tfvars.example.",
      });
  }
}

function reportUnknownKey(path: Path, values: object, problems: Problems): void {
  const parent = path.slice(0, -1);
  const siblings = Object.keys(at(values, parent) as object);
  const known = keysAt(parent, values);
  const near = nearest(
    path.at(-1),
    known.filter((key) => !siblings.includes(key)),
  );
  problems.add(path, {
    given: print(path.at(-1)),
    what: `There is no such setting.${near ? ` Did you mean ${near}?` : ""}`,
    allowed: known.join(", "),
    mend: near ? `Rename it to ${near}.` : "Take it out.",
  });
  if (near) problems.cover([...parent, near]);
}

function reportValue(path: Path, given: unknown, help: Help, file: Outline, problems: Problems): void {
  const key = path.at(-1);
  const example = typeof key === "number" ? help.example : `${key} = ${help.example}`;
  if (given === undefined) {
    problems.add(path, { what: "It is missing.", allowed: help.allowed, mend: `Add it: ${example}` });
    return;
  }
  const written = file.writtenNumber(path) ?? print(given);
  problems.add(path, {
    ...(help.isHidden ? {} : { given: typeof given === "number" ? written : print(given) }),
    what:
      help.what?.(given, written) ??
      `${typeof given === "number" ? written : print(given)} is not ${help.is}.`,
    allowed: help.allowed,
    mend: help.mend?.(given, written) ?? `Write it like this: ${example}`,
  });
}

function at(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (inside, step) =>
      typeof inside === "object" && inside !== null && Object.hasOwn(inside, step)
        ? (inside as Record<string | number, unknown>)[step]
        : undefined,
    value,
  );
}

/** Takes a value out; where it is part of a list, the whole list, whose other parts mean little without it. */
function remove(values: object, path: Path): void {
  const list = path.findIndex((step) => typeof step === "number");
  const whole = list < 0 ? path : path.slice(0, list);
  const parent = at(values, whole.slice(0, -1));
  if (isMap(parent)) delete parent[whole.at(-1)!];
}
