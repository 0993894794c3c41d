// Addresses in AWS's console. All that they are made of are names and ids.

/** Where what is linked to is. */
interface Where {
  readonly region: string;
  readonly account: string;
}

const console = ({ region }: Pick<Where, "region">) => `https://${region}.console.aws.amazon.com/codesuite`;

/** A pipeline. */
export const pipelineUrl = (where: Pick<Where, "region">, pipeline: string) =>
  `${console(where)}/codepipeline/pipelines/${encodeURIComponent(pipeline)}/view?region=${where.region}`;

/** An execution. */
export const executionUrl = (where: Pick<Where, "region">, pipeline: string, id: string) =>
  `${console(where)}/codepipeline/pipelines/${encodeURIComponent(pipeline)}/executions/${encodeURIComponent(id)}/timeline?region=${where.region}`;

/** The log of a build, by the build's id, `<project>:<id>`. */
export const logUrl = (where: Where, build: string) =>
  `${console(where)}/codebuild/${where.account}/projects/${encodeURIComponent(build.split(":")[0]!)}/build/${encodeURIComponent(build)}/log?region=${where.region}`;

/**
 * Where an approval is answered (user guide, "JSON data format for manual approval notifications"); whoever answers
 * has to sign in, and to be allowed to.
 *
 * @param token of the approval. @default - the pipeline, in which it waits
 */
export function approvalUrl(
  where: Pick<Where, "region">,
  pipeline: string,
  { stage, name }: { readonly stage: string; readonly name: string },
  token: string | undefined,
): string {
  const view = pipelineUrl(where, pipeline);
  return token ? `${view}#/${encodeURIComponent(stage)}/${encodeURIComponent(name)}/approve/${token}` : view;
}
