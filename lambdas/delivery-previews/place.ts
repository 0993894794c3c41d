import { pipelineName } from "../../shared/names";
import { previewEnvironmentName, previewPipelineName, templatePipelineName } from "../../shared/previews";
import type { Task } from "./task";

/** Where a preview is, or would be. */
export interface Place {
  readonly template: string;
  readonly slug: string;
  /** What its pipeline and its record are told apart by. */
  readonly name: string;
  /** In CodePipeline. */
  readonly pipeline: string;
  /** Name of the environment that is the preview, and of the one that it is made like. */
  readonly environment: string;
  readonly like: string;
  /** The ordinary pipeline that it is made like, in CodePipeline. */
  readonly ordinary: string;
}

/**
 * Of no other text is a template, or a preview, made: names have no underscores. Pipelines are not called so: it would be
 * another project's, whose name goes on from this one's.
 */
const TEMPLATE = /^(?!(?:delivery|preview|pv)[-_])([a-z0-9-]+)_([a-z0-9-]+)$/;
const PREVIEW = /^((?!(?:delivery|preview|pv)[-_])[a-z0-9-]+_[a-z0-9-]+)_([a-z0-9-]+)$/;

/** The place of a preview; also of one whose template the settings have no more. */
export function placeOf(task: Task, template: string, slug: string): Place {
  const [, pipeline = "", like = ""] = TEMPLATE.exec(template) ?? [];
  return {
    template,
    slug,
    name: `${template}_${slug}`,
    pipeline: previewPipelineName(task, template, slug),
    environment: previewEnvironmentName(like, slug),
    like,
    ordinary: task.templates[template]?.pipeline ?? pipelineName(task, pipeline),
  };
}

/** The place that a record is named after. */
export function placeNamed(task: Task, name: string): Place | undefined {
  const [, template, slug] = PREVIEW.exec(name) ?? [];
  return template && slug ? placeOf(task, template, slug) : undefined;
}

/** The place of a pipeline, where it is a preview's. */
export function placeOfPipeline(task: Task, pipeline: string): Place | undefined {
  const before = templatePipelineName(task, "");
  return pipeline.startsWith(before) ? placeNamed(task, pipeline.slice(before.length)) : undefined;
}
