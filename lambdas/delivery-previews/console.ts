import type { Task } from "./task";

// Addresses in AWS's console. All that they are made of are names and ids.

const console = ({ region }: Pick<Task, "region">) => `https://${region}.console.aws.amazon.com/codesuite`;

/** A pipeline. */
export const pipelineUrl = (task: Pick<Task, "region">, pipeline: string) =>
  `${console(task)}/codepipeline/pipelines/${encodeURIComponent(pipeline)}/view?region=${task.region}`;

/** The log of a build, by the build's id, `<project>:<id>`. */
export const buildUrl = (task: Pick<Task, "region" | "account">, build: string) =>
  `${console(task)}/codebuild/${task.account}/projects/${encodeURIComponent(build.split(":")[0]!)}/build/${encodeURIComponent(build)}/log?region=${task.region}`;
