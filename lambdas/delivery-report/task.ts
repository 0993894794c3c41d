import { jsonText } from "../../shared/json-text";
import type { NewsKind } from "../../shared/run-report";
import * as z from "../../shared/zod";

const name = z.string().check(z.minLength(1));
const kind: z.ZodMiniType<NewsKind> = z.enum(["success", "failure", "superseded", "approval", "drift"]);

const report = z.object({
  project: name,
  account: name,
  region: name,
  provider: z.enum(["github-token", "connection", "codecommit"]),
  /** As the settings name it: owner/name, but for CodeCommit. */
  repository: name,
  /** By their name in the settings. */
  pipelines: z.record(
    name,
    z.object({
      /** In CodePipeline. */
      pipeline: name,
      branch: name,
      environments: z.array(name),
    }),
  ),
  /** The bucket of states and pages. */
  bucket: name,
  /** ARN of the topic that mails go out by. */
  topic: name,
  /** Name of the build project that looks for drift. @default - none does */
  driftProject: z.optional(name),
  /** The secret with GitHub's token. @default - there is none */
  tokenSecret: z.optional(name),
  chat: z.optional(
    z.object({
      /** Holds the address of the webhook. */
      secret: name,
      /** @default - all */
      events: z.optional(z.array(kind)),
      /** @default - all */
      pipelines: z.optional(z.array(name)),
    }),
  ),
  /** Where pages are read, and ARN of the key that signs links to them. @default - there are no pages */
  pages: z.optional(
    z.object({
      url: z.pipe(
        z.url(),
        z.transform((url) => url.replace(/\/+$/, "")),
      ),
      key: name,
    }),
  ),
  /** Whether commits have statuses. */
  statuses: z.boolean(),
});

const variables = z.object({
  REPORT: z.pipe(jsonText, report),
  GITHUB_API_URL: z._default(z.url(), "https://api.github.com"),
});

/** What is told, of which pipelines, and where. */
export type Task = z.infer<typeof report> & { readonly githubApi: string };

/** @throws Error that names the environment variables that are not what they should be */
export function readTask(environment: NodeJS.ProcessEnv): Task {
  const { success, error, data } = variables.safeParse(environment);
  if (!success) throw new Error(`The function's environment variables are wrong:\n${z.prettifyError(error)}`);
  return { ...data.REPORT, githubApi: data.GITHUB_API_URL.replace(/\/+$/, "") };
}
