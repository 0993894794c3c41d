import { parseArgs } from "node:util";
import { UserError } from "../project";

/** What a user asks of the deployer. */
export interface Options {
  /** Names and patterns of stacks. */
  readonly patterns: readonly string[];
  /** Only plans. */
  readonly plan: boolean;
  readonly destroy: boolean;
  /** Asks nothing. */
  readonly autoApprove: boolean;
  /** Leaves out what was applied from here as it is now. */
  readonly skipUnchanged: boolean;
  /** Takes what was synthesized last. */
  readonly synthesized: boolean;
  /** So many stacks at once. @default - as many as cores and memory carry */
  readonly atOnce?: number;
}

const USAGE =
  "npm run deploy -- STACK... [--plan | --auto-approve] [--destroy] [--skip-unchanged] [--synthesized] [--at-once N]";

/** @throws UserError where they are not understood */
export function readOptions(args: readonly string[]): Options {
  const { values, positionals } = parse(args);
  if (positionals.length === 0)
    throw new UserError(`No stack is named. Name some, or patterns: 'access-*', '*'.\n${USAGE}`);
  if (values.plan && values["auto-approve"])
    throw new UserError(`--plan and --auto-approve were both given: a plan alone changes nothing.\n${USAGE}`);
  if (values.plan && values["skip-unchanged"])
    throw new UserError(
      `--plan and --skip-unchanged were both given: what is unchanged here may have changed in AWS, and a plan is to tell.\n${USAGE}`,
    );
  if (values.destroy && values["skip-unchanged"])
    throw new UserError(
      `--destroy and --skip-unchanged were both given: what is destroyed is never left out.\n${USAGE}`,
    );
  const count = values["at-once"];
  if (count !== undefined && !/^[1-9]\d?$/.test(count))
    throw new UserError(`--at-once ${JSON.stringify(count)} is no number from 1 to 99.\n${USAGE}`);
  return {
    patterns: positionals,
    plan: values.plan,
    destroy: values.destroy,
    autoApprove: values["auto-approve"],
    skipUnchanged: values["skip-unchanged"],
    synthesized: values.synthesized,
    atOnce: count === undefined ? undefined : Number(count),
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        plan: { type: "boolean", default: false },
        destroy: { type: "boolean", default: false },
        "auto-approve": { type: "boolean", default: false },
        "skip-unchanged": { type: "boolean", default: false },
        synthesized: { type: "boolean", default: false },
        "at-once": { type: "string" },
      },
    });
  } catch (error) {
    throw new UserError(`${(error as Error).message}\n${USAGE}`);
  }
}
