import { UserError } from "../project";
import { RISKS, type Risk } from "./review";

const isRisk = (word: string): word is Risk => (RISKS as readonly string[]).includes(word);

/**
 * Reads the lists of `--fail-on RISK,...`. What nobody understands may be any of the risks that somebody fears, so
 * `unknown` is always among them.
 *
 * @throws UserError where a word is no risk
 */
export function readFailOn(lists: readonly string[]): ReadonlySet<Risk> {
  const words = lists.flatMap((list) => list.split(",")).map((word) => word.trim());
  const foreign = words.find((word) => !isRisk(word));
  if (foreign !== undefined)
    throw new UserError(`--fail-on has ${JSON.stringify(foreign)}; risks are ${RISKS.join(", ")}.`);
  return new Set(words.length ? [...words.filter(isRisk), "unknown"] : []);
}
