import { statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { parseArgs } from "node:util";
import { type FaultSettings, minuteMilliseconds, readFaults } from "../local-aws";
import { UserError } from "../project";

export type Decision = "Approved" | "Rejected";

/** What a user says about a rehearsal. */
export interface Options {
  /** @default - the first one of the settings */
  readonly pipeline?: string;
  /** File of settings. @default - terraform.tfvars, or terraform.tfvars.example where there is none */
  readonly settings?: string;
  /** @default - the working tree */
  readonly fromCommit?: string;
  /** The stage after which it ends. @default - the last one */
  readonly until?: string;
  /** How every approval is answered. @default - somebody is asked */
  readonly decision?: Decision;
  /** File that gets the record, or "-". @default - none */
  readonly json?: string;
  readonly faults: FaultSettings;
  /** Whether Local AWS stays for looking around. */
  readonly keep: boolean;
  /** Whether each change of the working tree is rehearsed, until Ctrl-C. */
  readonly watch: boolean;
  /** Whether the mails' texts are told, too. */
  readonly mails: boolean;
  /** How long a minute of a release takes. */
  readonly minuteMilliseconds: number;
}

const USAGE =
  "npm run rehearse -- [--pipeline NAME] [--settings FILE] [--from-commit REV] [--until STAGE] [--approve | --reject] [--json FILE|-] [--fault FAULT]… [--minute SECONDS] [--mails] [--keep | --watch]";

/** @throws UserError where they are not understood */
export function readOptions(args: readonly string[]): Options {
  const { approve, reject, fault, minute, ...given } = parse(args);
  if (approve && reject)
    throw new UserError(
      "--approve and --reject were both given: every approval is answered the same. Give one.",
    );
  if (given.watch && given["from-commit"] !== undefined)
    throw new UserError(
      "--watch and --from-commit were both given: a commit does not change. Give one, or neither.",
    );
  checkRecord(given.json);
  return {
    pipeline: given.pipeline,
    settings: given.settings,
    fromCommit: given["from-commit"],
    until: given.until,
    decision: approve ? "Approved" : reject ? "Rejected" : undefined,
    json: given.json,
    faults: readFaults(fault),
    keep: given.keep,
    watch: given.watch,
    mails: given.mails,
    minuteMilliseconds: minuteMilliseconds(minute),
  };
}

/** Before minutes have gone by for what cannot be kept. */
function checkRecord(file: string | undefined): void {
  if (file === undefined || file === "-") return;
  if (file === "") throw new UserError("--json is empty: name a file, or - for the standard output.");
  const folder = dirname(resolve(file));
  const isFolder = (path: string) => statSync(path, { throwIfNoEntry: false })?.isDirectory();
  if (!isFolder(folder))
    throw new UserError(`--json ${file}: there is no folder ${folder}. Make it, or name a file elsewhere.`);
  if (isFolder(file)) throw new UserError(`--json ${file}: that is a folder. Name a file in it.`);
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        pipeline: { type: "string" },
        settings: { type: "string" },
        "from-commit": { type: "string" },
        until: { type: "string" },
        approve: { type: "boolean", default: false },
        reject: { type: "boolean", default: false },
        json: { type: "string" },
        fault: { type: "string", multiple: true, default: [] },
        minute: { type: "string", default: "1" },
        keep: { type: "boolean", default: false },
        watch: { type: "boolean", default: false },
        mails: { type: "boolean", default: false },
      },
    }).values;
  } catch (error) {
    throw new UserError(`${(error as Error).message}\nUsage: ${USAGE}`);
  }
}
