import type { Check, CheckTarget } from "../../shared/checks";
import { jsonText } from "../../shared/json-text";
import * as z from "../../shared/zod";

const name = z.string().check(z.minLength(1));
const port = z.int().check(z.minimum(1), z.maximum(65535));
const withinMilliseconds = z.int().check(z.minimum(1));
const contains = z.optional(z.string());

const check: z.ZodMiniType<Check> = z.union([
  z.strictObject({
    path: z.string().check(z.startsWith("/")),
    method: name,
    body: z.optional(z.string()),
    status: z.optional(z.int()),
    contains,
    withinMilliseconds,
  }),
  z.strictObject({ event: name, contains, withinMilliseconds }),
]);

const target: z.ZodMiniType<CheckTarget> = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("service"),
    url: z.url({ protocol: /^https?$/ }),
    testPort: port,
    /** @default 443 where the address begins with https, otherwise 80 */
    productionPort: z.optional(port),
    loadBalancer: name,
  }),
  z.object({ kind: z.literal("function"), name, alias: name }),
]);

const variables = z.object({
  CHECKS: z.pipe(jsonText, z.array(check)),
  TARGET: z.pipe(jsonText, target),
  PATIENCE_SECONDS: z._default(z.coerce.number().check(z.minimum(0)), 60),
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
