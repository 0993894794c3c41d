import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { pipelineStackName } from "../../shared/names";
import { type RunOptions, synthesize as synthesizeApp, tail } from "../cdktf";
import { UserError } from "../project";
import type { Options } from "./options";

export const BOOTSTRAP = "bootstrap";

/** Where stacks are synthesized to, apart from where they are deployed from. */
const OUTPUT = ".slipway/synthesized";

/** What of a pipeline can be named. */
export interface PipelineNames {
  readonly stages: readonly string[];
  /** Actions with a build. */
  readonly builds: readonly string[];
}

/** Stacks as they are synthesized. */
export interface Stacks {
  /** The same for stacks of the same content, by the stack's name. */
  readonly sums: ReadonlyMap<string, string>;
  names(pipeline: string): PipelineNames;
}

/**
 * Synthesizes all stacks of a project, `bootstrap` too.
 *
 * @param options as they are deployed with; with the project's folder
 * @throws UserError with the end of what was printed
 */
export async function synthesize(folder: string, options: RunOptions): Promise<Stacks> {
  const apps = ["stacks", BOOTSTRAP] as const;
  const outputs = await Promise.all(
    apps.map(async (app) => {
      const output = join(folder, OUTPUT, app);
      // Of stacks that are there no longer, nothing would take the folders away.
      rmSync(output, { recursive: true, force: true });
      mkdirSync(output, { recursive: true });
      const synth = await synthesizeApp({ ...options, project: folder, app, output });
      if (synth.exitCode !== 0) throw new UserError(tail(synth.output));
      return output;
    }),
  );
  return readStacks(outputs);
}

/** @param folders where stacks have been synthesized to */
export function readStacks(folders: readonly string[]): Stacks {
  const stacks = new Map<string, string>();
  for (const folder of folders)
    for (const name of readdirSync(join(folder, "stacks"))) stacks.set(name, join(folder, "stacks", name));
  return {
    sums: new Map([...stacks].map(([name, folder]) => [name, sumOf(folder)])),
    names: (pipeline) =>
      namesIn(readFileSync(join(stacks.get(pipelineStackName(pipeline))!, "cdk.tf.json"), "utf8")),
  };
}

function sumOf(folder: string): string {
  const hash = createHash("sha256");
  for (const path of readdirSync(folder, { recursive: true, encoding: "utf8" }).sort()) {
    const file = join(folder, path);
    if (statSync(file).isFile()) hash.update(`${path}\0`).update(readFileSync(file)).update("\0");
  }
  return hash.digest("hex");
}

const stack = z.object({
  resource: z.object({
    aws_codepipeline: z.record(
      z.string(),
      z.object({
        stage: z.array(
          z.object({
            name: z.string(),
            action: z.array(z.object({ name: z.string(), provider: z.string() })),
          }),
        ),
      }),
    ),
  }),
});

function namesIn(json: string): PipelineNames {
  const { resource } = stack.parse(JSON.parse(json));
  const stages = Object.values(resource.aws_codepipeline).flatMap(({ stage }) => stage);
  const actions = stages.flatMap(({ action }) => action);
  return {
    stages: stages.map(({ name }) => name),
    builds: actions.filter(({ provider }) => provider === "CodeBuild").map(({ name }) => name),
  };
}

/**
 * @param pipeline its name
 * @throws UserError where an option names what the pipeline has not
 */
export function checkNames(
  { until, faults }: Pick<Options, "until" | "faults">,
  pipeline: string,
  { stages, builds }: PipelineNames,
): void {
  if (until !== undefined && !stages.includes(until))
    throw new UserError(`--until ${until}: ${pipeline} has no such stage. It has ${stages.join(", ")}.`);
  if (faults.kill !== undefined && !builds.includes(faults.kill))
    throw new UserError(
      `--fault kill=${faults.kill}: ${pipeline} has no such action with a build. It has ${builds.join(", ")}.`,
    );
}
