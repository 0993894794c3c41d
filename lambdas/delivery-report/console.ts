import type { Task } from "./task";

// Addresses in AWS's console. All that they are made of are names and ids.

const console = ({ region }: Pick<Task, "region">) => `https://${region}.console.aws.amazon.com/codesuite`;

/** An execution. */
export const executionUrl = (task: Pick<Task, "region">, pipeline: string, id: string) =>
  `${console(task)}/codepipeline/pipelines/${encodeURIComponent(pipeline)}/executions/${encodeURIComponent(id)}/timeline?region=${task.region}`;

/** The log of a build, by the build's id, `<project>:<id>`. */
export const logUrl = (task: Pick<Task, "region" | "account">, build: string) =>
  `${console(task)}/codebuild/${task.account}/projects/${encodeURIComponent(build.split(":")[0]!)}/build/${encodeURIComponent(build)}/log?region=${task.region}`;

/**
 * Where an approval is answered (user guide, "JSON data format for manual approval notifications"); whoever answers
 * has to sign in, and to be allowed to.
 *
 * @param token of the approval. @default - the pipeline, in which it waits
 */
export function approvalUrl(
  task: Pick<Task, "region">,
  pipeline: string,
  { stage, name }: { readonly stage: string; readonly name: string },
  token: string | undefined,
): string {
  const view = `${console(task)}/codepipeline/pipelines/${encodeURIComponent(pipeline)}/view?region=${task.region}`;
  return token ? `${view}#/${encodeURIComponent(stage)}/${encodeURIComponent(name)}/approve/${token}` : view;
}
