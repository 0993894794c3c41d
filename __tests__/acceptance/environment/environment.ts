import { readFileSync } from "node:fs";
import type { EnvironmentSettings } from "../../../settings";
import { type Check, runChecks, sentence, type Target } from "../../../shared/checks";

/** The deployed environment that the checks beside this file look at. */
export interface Environment {
  readonly name: string;
  readonly settings: EnvironmentSettings;
  /** What the environment's stack put out, but what is sensitive. */
  readonly outputs: Readonly<Record<string, unknown>>;
}

/** @throws Error where no environment is given: `npm run verify` gives it */
export function environment(): Environment {
  const { SLIPWAY_ENVIRONMENT: name, SLIPWAY_OUTPUTS: file } = process.env;
  if (!name || !file)
    throw new Error("These checks look at a deployed environment: npm run verify -- ENVIRONMENT");
  return { name, ...JSON.parse(readFileSync(file, "utf8")) };
}

/** Seconds that something just deployed gets to answer: a load balancer needs a moment. @default 60 */
export const PATIENCE = Number(process.env.SLIPWAY_VERIFY_SECONDS ?? 60);

/** Milliseconds for a test that expects a check to be good. */
export const waiting = ({ withinMilliseconds }: Check) => (PATIENCE + 30) * 1000 + withinMilliseconds;

/** Address of a service, with a path on it. */
export const serviceUrl = (service: string, path = ""): string =>
  new URL(path, output(`service_${service}_url`)).href;

/** A text that the stack put out. @throws Error where it did not */
export function output(name: string): string {
  const { name: environmentName, outputs } = environment();
  const value = outputs[name];
  if (typeof value !== "string")
    throw new Error(
      `${environmentName} has put out no ${name}: it was deployed before there was one. Deploy it again.`,
    );
  return value;
}

/**
 * Tries a check until it is good, or patience has an end.
 *
 * @throws Error with the last answer
 */
export async function expectGood(check: Check, target: Target): Promise<void> {
  const [result] = await runChecks([check], target, { patienceMilliseconds: PATIENCE * 1000 });
  if (!result!.isGood) throw new Error(sentence(result!));
}
