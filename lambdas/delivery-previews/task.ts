import { jsonText } from "../../shared/json-text";
import { pipelineName } from "../../shared/names";
import { type PreviewRule, templateOf } from "../../shared/previews";
import * as z from "../../shared/zod";

const name = z.string().check(z.minLength(1));
const names = z.array(name);

const rule: z.ZodMiniType<PreviewRule> = z.object({
  pattern: name,
  exclude: names,
  into: names,
  pipeline: name,
  environment: name,
  ttlHours: z.number().check(z.positive()),
  limit: z.int().check(z.positive()),
});

const previews = z.object({
  project: name,
  account: name,
  region: name,
  provider: z.enum(["github-token", "connection", "codecommit"]),
  /** Of GitHub owner/name. */
  repository: name,
  /** Branches, and patterns of them, that pipelines deploy. */
  deployed: names,
  rules: z.array(rule),
  /** By environment that trials are made like, the ordinary pipeline that makes them, as CodePipeline calls it. */
  trials: z._default(z.record(name, name), {}),
  /** Holds the records, beside what the previews' pipelines keep there. */
  bucket: name,
  stateBucket: name,
  /** The build project that destroys environments. */
  teardown: name,
  /** ARN of the topic that tells people of what needs them. */
  topic: name,
  /** The secret with GitHub's token. @default - there is none */
  tokenSecret: z.optional(name),
});

const variables = z.object({
  PREVIEWS: z.pipe(jsonText, previews),
  GITHUB_API_URL: z._default(z.url(), "https://api.github.com"),
});

/** Which previews there are to be, and where. */
export type Task = z.infer<typeof previews> & {
  readonly githubApi: string;
  /** By their names, what previews are made like. */
  readonly templates: Readonly<Record<string, Template>>;
};

interface Template {
  /** The ordinary pipeline, as CodePipeline calls it. */
  readonly pipeline: string;
  readonly environment: string;
}

/** @throws Error that names the environment variables that are not what they should be */
export function readTask(environment: NodeJS.ProcessEnv): Task {
  const { success, error, data } = variables.safeParse(environment);
  if (!success) throw new Error(`The function's environment variables are wrong:\n${z.prettifyError(error)}`);
  const { PREVIEWS: task, GITHUB_API_URL: url } = data;
  const templates = task.rules.map((rule) => [
    templateOf(rule),
    { pipeline: pipelineName(task, rule.pipeline), environment: rule.environment },
  ]);
  return { ...task, templates: Object.fromEntries(templates), githubApi: url.replace(/\/+$/, "") };
}
