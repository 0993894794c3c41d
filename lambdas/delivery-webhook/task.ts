import { jsonText } from "../../shared/json-text";
import * as z from "../../shared/zod";

const name = z.string().check(z.minLength(1));

const webhook = z.object({
  project: name,
  region: name,
  /** owner/name on GitHub. */
  repository: name,
  /** Name of the secret by which GitHub signs. */
  secret: name,
  /** By their name in CodePipeline, those that a push to their branch starts. */
  pipelines: z.record(name, z.object({ branch: name })),
  /** The build project that reviews pull requests into these branches. @default - nothing does */
  review: z.optional(z.object({ project: name, into: z.array(name) })),
  /** URL of the queue of what previews there may be news of. @default - there are no previews */
  queue: z.optional(z.url()),
});

const variables = z.object({ WEBHOOK: z.pipe(jsonText, webhook) });

/** Of which repository is heard, and what is done then. */
export type Task = z.infer<typeof webhook>;

/** @throws Error that names the environment variables that are not what they should be */
export function readTask(environment: NodeJS.ProcessEnv): Task {
  const { success, error, data } = variables.safeParse(environment);
  if (!success) throw new Error(`The function's environment variables are wrong:\n${z.prettifyError(error)}`);
  return data.WEBHOOK;
}
