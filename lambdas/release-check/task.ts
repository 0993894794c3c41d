import * as z from "zod";
import type { Check, CheckTarget } from "../../shared/checks";
import { jsonText } from "../../shared/json-text";

const name = z.string().min(1);
const port = z.int().min(1).max(65535);
const withinMilliseconds = z.int().min(1);
const contains = z.string().optional();

const check: z.ZodType<Check> = z.union([
  z.strictObject({
    path: z.string().startsWith("/"),
    method: name,
    body: z.string().optional(),
    status: z.int().optional(),
    contains,
    withinMilliseconds,
  }),
  z.strictObject({ event: name, contains, withinMilliseconds }),
]);

const target: z.ZodType<CheckTarget> = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("service"),
    url: z.url({ protocol: /^https?$/ }),
    testPort: port,
    /** @default 443 where the address begins with https, otherwise 80 */
    productionPort: port.optional(),
    loadBalancer: name,
  }),
  z.object({ kind: z.literal("function"), name, alias: name }),
]);

const variables = z.object({
  CHECKS: jsonText.pipe(z.array(check)),
  TARGET: jsonText.pipe(target),
  PATIENCE_SECONDS: z.coerce.number().min(0).default(60),
});

export interface Task {
  readonly target: CheckTarget;
  readonly checks: readonly Check[];
  readonly patienceMilliseconds: number;
}

/** @throws Error that names the environment variables that are not what they should be */
export function readTask(environment: NodeJS.ProcessEnv): Task {
  const { success, error, data } = variables.safeParse(environment);
  if (!success) throw new Error(`the check's environment variables are wrong: ${z.prettifyError(error)}`);
  return {
    target: data.TARGET,
    checks: data.CHECKS,
    patienceMilliseconds: data.PATIENCE_SECONDS * 1000,
  };
}
