import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { text as readStream } from "node:stream/consumers";
import { parseArgs } from "node:util";
import { runCommand, UserError } from "../project";
import { COMMENT_LIMIT } from "./comment";
import { readFailOn } from "./fail-on";
import { type Plan, PlanError, readPlan } from "./plan";
import { render } from "./render";
import { type Review, type Risk, review, toJson } from "./review";

const FORMATS = ["markdown", "text", "json"] as const;
type Format = (typeof FORMATS)[number];

const USAGE = `Usage: npm run --silent review -- [--plan NAME=FILE]... [--format ${FORMATS.join("|")}] [--limit BYTES] [--fail-on RISK,...]`;

interface Request {
  readonly files: readonly { readonly name: string; readonly path: string }[];
  readonly format: Format;
  readonly limit: number;
  readonly failOn: ReadonlySet<Risk>;
}

/**
 * `npm run --silent review`: reads plans, writes what they mean.
 *
 * @returns 0: reviewed; 1: and a risk of `--fail-on` is present
 * @throws UserError where an input could not be understood: the exit code is 2 then, and nothing was written
 */
async function main(): Promise<number> {
  const { files, format, limit, failOn } = readRequest(process.argv.slice(2));
  const plans: Plan[] = [];
  for (const { name, path } of files) plans.push(await read(name, path));
  const reviewed = review(plans);
  process.stdout.write(print(reviewed, format, limit));
  return reviewed.risks.some((risk) => failOn.has(risk)) ? 1 : 0;
}

function print(reviewed: Review, format: Format, limit: number): string {
  if (format === "json") return `${toJson(reviewed)}\n`;
  const { text, over } = render(reviewed, { format, limit, whole: "run the review with --limit 0" });
  if (over) {
    process.stderr.write(
      `The review has ${Buffer.byteLength(text)} bytes, more than the ${limit} of --limit: what destroys or widens access is never left out.\n`,
    );
  }
  return text;
}

function readRequest(args: string[]): Request {
  const { values, positionals } = parse(args);
  const { format = "markdown", limit = String(COMMENT_LIMIT) } = values;
  if (!isOneOf(FORMATS, format))
    throw new UserError(
      `--format is ${JSON.stringify(format)}; it is one of ${FORMATS.join(", ")}.\n${USAGE}`,
    );
  if (!/^\d{1,12}$/.test(limit))
    throw new UserError(`--limit is ${JSON.stringify(limit)}; it is a number of bytes, 0 for any.\n${USAGE}`);
  const failOn = readFailOn(values["fail-on"] ?? []);
  const files = [...(values.plan ?? []), ...positionals].map(readName);
  if (files.length === 0) throw new UserError(`No plan is named.\n${USAGE}`);
  const twice = files.find(({ name }, index) => files.findIndex((other) => other.name === name) < index);
  if (twice)
    throw new UserError(
      `Two plans are named ${JSON.stringify(twice.name)}: give each its name, --plan NAME=FILE.\n${USAGE}`,
    );
  return { files, format, limit: Number(limit), failOn };
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        plan: { type: "string", multiple: true },
        format: { type: "string" },
        limit: { type: "string" },
        "fail-on": { type: "string", multiple: true },
      },
    });
  } catch (error) {
    throw new UserError(`${(error as Error).message}\n${USAGE}`);
  }
}

const isOneOf = <T extends string>(known: readonly T[], value: string): value is T =>
  (known as readonly string[]).includes(value);

/** `NAME=FILE`; a path without a name is named by its file. */
function readName(given: string): { name: string; path: string } {
  const [, name, path] = /^([^=/\\]*)=(.*)$/s.exec(given) ?? [];
  if (name === undefined || path === undefined)
    return { name: given === "-" ? "standard input" : basename(given).replace(/\.json$/, ""), path: given };
  if (name === "" || path === "")
    throw new UserError(`--plan is ${JSON.stringify(given)}; it is NAME=FILE, or FILE.\n${USAGE}`);
  return { name, path };
}

async function read(name: string, path: string): Promise<Plan> {
  const content = await (path === "-" ? readStream(process.stdin) : readFile(path));
  const shown = path === "-" ? "Standard input" : path;
  try {
    return readPlan(name, content);
  } catch (error) {
    if (!(error instanceof PlanError)) throw error;
    throw new UserError(`${shown} is not reviewed: ${error.message}`);
  }
}

function readFile(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new UserError(`${path} cannot be read: ${(error as Error).message}`);
  }
}

const tooDeep = (error: unknown): never => {
  // Deeper than the stack: no plan of Terraform's is.
  throw error instanceof RangeError
    ? new UserError("A plan is nested deeper than any of Terraform's.")
    : error;
};

runCommand(() => main().catch(tooDeep), 2);
