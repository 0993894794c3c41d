import { createHash, randomUUID } from "node:crypto";
import { mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { type Outline, outline } from "./outline";
import { SettingsError, type SettingsProblem } from "./problems";

/** A parsed file; its values are what JSON has. */
export interface Hcl {
  readonly values: Readonly<Record<string, unknown>>;
  readonly outline: Outline;
}

const MAX_BYTES = 256 * 1024;
const MAX_DEPTH = 30;
/** Part of a cached file's name: raise it when the parser, and so what is cached, changes. */
const CACHE_FORMAT = 1;
/** What the parser is told that the file is called; easy to find in its messages again. */
const PARSED_AS = "settings.tfvars";

/**
 * Reads a file of HCL values.
 *
 * @param cacheFolder - Where parsed files are kept, by content: the parser is WebAssembly that takes longer to
 * load than all the rest of the settings. @default - no cache
 * @throws SettingsError - when the file is missing, cannot be read or is not HCL
 */
export async function readHcl(file: string, cacheFolder?: string): Promise<Hcl> {
  const text = await readText(file);
  const shape = outline(text);
  if (shape.depth > MAX_DEPTH) {
    throw refusal(file, `Its brackets nest ${shape.depth} deep; settings never need more than ${MAX_DEPTH}.`);
  }
  const digest = createHash("sha256").update(text).digest("hex");
  const cached = cacheFolder && join(cacheFolder, `settings-v${CACHE_FORMAT}-${digest}.json`);
  let values = cached ? await readCache(cached) : undefined;
  if (!values) {
    values = await parse(file, text);
    if (cached) await writeCache(cached, values);
  }
  return { values, outline: shape };
}

async function readText(file: string): Promise<string> {
  let bytes: Buffer;
  try {
    const status = await stat(file);
    if (!status.isFile()) {
      throw refusal(file, `It is ${status.isDirectory() ? "a folder" : "not a regular file"}.`);
    }
    if (status.size > MAX_BYTES) {
      throw refusal(file, `It has ${status.size} bytes; a settings file has at most ${MAX_BYTES}.`);
    }
    bytes = await readFile(file);
  } catch (error) {
    if (error instanceof SettingsError) throw error;
    throw unreadable(file, (error as NodeJS.ErrnoException).code);
  }
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw refusal(file, "It is not UTF-8 text.", "Save it as UTF-8 in your editor.");
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  const control = text.search(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/);
  if (control < 0) return text;
  const code = text.charCodeAt(control).toString(16).toUpperCase().padStart(4, "0");
  const before = text.slice(0, control).split("\n");
  throw new SettingsError(file, [
    {
      key: "",
      what: `It holds a control character (U+${code}).`,
      mend: "Delete that character.",
      place: { line: before.length, column: before.at(-1)!.length + 1 },
    },
  ]);
}

function unreadable(file: string, code: string | undefined): SettingsError {
  if (code !== "ENOENT" && code !== "ENOTDIR") {
    return refusal(
      file,
      `It cannot be read${code ? ` (${code})` : ""}.`,
      "Make it a file that you may read.",
    );
  }
  const name = basename(file);
  const folder = dirname(file);
  const copy = `cp ${name}.example ${name}`;
  const command = folder === "." ? copy : `cd ${JSON.stringify(folder)} && ${copy}`;
  return refusal(file, "There is no such file.", `Make it from the example and edit it:\n${command}`);
}

/** The file as a whole is refused. */
function refusal(
  file: string,
  what: string,
  mend = "Write it like terraform.tfvars.example.",
): SettingsError {
  return new SettingsError(file, [{ key: "", what, mend }]);
}

async function parse(file: string, text: string): Promise<Record<string, unknown>> {
  let values: unknown;
  try {
    const parser = await import("@cdktf/hcl2json");
    values = await parser.parse(PARSED_AS, text);
  } catch (error) {
    throw new SettingsError(file, [syntaxProblem(error instanceof Error ? error.message : String(error))]);
  }
  if (!isMap(values)) throw refusal(file, "It holds no values.");
  return values;
}

/** Tells the parser's message (`… [FILE:3,4-5: Summary; Detail]`) in words for people. */
function syntaxProblem(message: string): SettingsProblem {
  const [, line, column, rest] =
    /settings\.tfvars:(\d+),(\d+)-\S*?: ([\s\S]*?)(?:, and \d+ other diagnostic\(s\))?\]?$/.exec(message) ??
    [];
  if (!rest) {
    return { key: "", what: "It cannot be parsed as HCL.", mend: "Write it like terraform.tfvars.example." };
  }
  const [summary, ...details] = rest.split("; ");
  const detail = details
    .join("; ")
    .replace(/settings\.tfvars:(\d+),[\d,-]+/g, "line $1")
    .trim();
  return {
    key: "",
    what: `This is not valid HCL: ${summary!.charAt(0).toLowerCase()}${summary!.slice(1)}.`,
    mend: detail || "Compare with terraform.tfvars.example.",
    place: { line: Number(line), column: Number(column) },
  };
}

/** A cache that is absent, broken or unreadable is a miss. */
async function readCache(cached: string): Promise<Record<string, unknown> | undefined> {
  try {
    const values: unknown = JSON.parse(await readFile(cached, "utf8"));
    return isMap(values) ? values : undefined;
  } catch {
    return undefined;
  }
}

/** A cache that cannot be written costs time, nothing else. */
async function writeCache(cached: string, values: unknown): Promise<void> {
  const draft = `${cached}.${randomUUID()}`;
  try {
    await mkdir(dirname(cached), { recursive: true });
    await writeFile(draft, JSON.stringify(values));
    // Renamed into place, so that whoever reads meanwhile sees all of it or nothing.
    await rename(draft, cached);
  } catch {
    await rm(draft, { force: true }).catch(() => undefined);
  }
}

/** Whether a value is what HCL calls a map or an object. */
export function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
