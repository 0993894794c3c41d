import * as z from "zod";
import { jsonText } from "../../shared/json-text";
import type { NewsKind } from "../../shared/run-report";

const name = z.string().min(1);
const kind: z.ZodType<NewsKind> = z.enum(["success", "failure", "superseded", "approval", "drift"]);

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
  driftProject: name.optional(),
  /** The secret with GitHub's token. @default - there is none */
  tokenSecret: name.optional(),
  chat: z
    .object({
      /** Holds the address of the webhook. */
      secret: name,
      /** @default - all */
      events: z.array(kind).optional(),
      /** @default - all */
      pipelines: z.array(name).optional(),
    })
    .optional(),
  /** Where pages are read, and ARN of the key that signs links to them. @default - there are no pages */
  pages: z.object({ url: z.url().transform((url) => url.replace(/\/+$/, "")), key: name }).optional(),
  /** Whether commits have statuses. */
  statuses: z.boolean(),
});

const variables = z.object({
  REPORT: jsonText.pipe(report),
  GITHUB_API_URL: z.url().default("https://api.github.com"),
});

/** What is told, of which pipelines, and where. */
export type Task = z.infer<typeof report> & { readonly githubApi: string };

/** @throws Error that names the environment variables that are not what they should be */
export function readTask(environment: NodeJS.ProcessEnv): Task {
  const { success, error, data } = variables.safeParse(environment);
  if (!success) throw new Error(`The function's environment variables are wrong:\n${z.prettifyError(error)}`);
  return { ...data.REPORT, githubApi: data.GITHUB_API_URL.replace(/\/+$/, "") };
}
