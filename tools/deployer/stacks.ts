import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import minimatch from "minimatch";
import { z } from "zod";
import { UserError } from "../project";

/** A stack that was synthesized. */
export interface SynthesizedStack {
  readonly name: string;
  readonly folder: string;
  /** Names of the stacks that it stands on, of those that are meant. */
  readonly dependencies: readonly string[];
  /** Folders of all stacks that it stands on, meant or not. */
  readonly foundations: readonly string[];
}

const manifest = z.object({
  stacks: z.record(
    z.string(),
    z.object({ name: z.string(), workingDirectory: z.string(), dependencies: z.array(z.string()) }),
  ),
});

/**
 * The stacks that a synth has left.
 *
 * @param output the synth's folder, `cdktf.out`
 * @throws UserError where there is none
 */
export function readStacks(output: string): SynthesizedStack[] {
  const file = join(output, "manifest.json");
  if (!existsSync(file)) throw new UserError(`Nothing is synthesized in ${output}: npm run synth does it.`);
  const { stacks } = manifest.parse(JSON.parse(readFileSync(file, "utf8")));
  // A synth on Windows writes its own separators, and what it left may be taken to another system.
  const folders = new Map(
    Object.values(stacks).map((one) => [one.name, join(output, one.workingDirectory.replaceAll("\\", "/"))]),
  );
  return Object.values(stacks).map(({ name, dependencies }) => ({
    name,
    folder: folders.get(name)!,
    dependencies,
    foundations: dependencies.flatMap((one) => folders.get(one) ?? []),
  }));
}

/**
 * Those that patterns name; what they stand on and is not among them is taken as there.
 *
 * @param patterns names, or patterns such as `access-*`
 * @throws UserError that names each pattern that means none, and what there is
 */
export function select(stacks: readonly SynthesizedStack[], patterns: readonly string[]): SynthesizedStack[] {
  const names = stacks.map(({ name }) => name);
  // A "!" would mean all others: next to another pattern, or with --destroy, that is nobody's intent.
  const means = (pattern: string) =>
    names.filter((name) => minimatch(name, pattern, { nonegate: true, nocomment: true }));
  const wrong = patterns.filter((pattern) => means(pattern).length === 0);
  if (wrong.length)
    throw new UserError(
      `No stack is called ${wrong.map((pattern) => JSON.stringify(pattern)).join(", nor ")}. There are: ${names.sort().join(", ")}.`,
    );
  const meant = new Set(patterns.flatMap(means));
  const dependenciesOf = new Map(stacks.map(({ name, dependencies }) => [name, dependencies]));
  /** What stands on one that is not meant stands on those below it all the same. */
  const meantBelow = (name: string): string[] =>
    (dependenciesOf.get(name) ?? []).flatMap((one) => (meant.has(one) ? [one] : meantBelow(one)));
  return stacks
    .filter(({ name }) => meant.has(name))
    .map((stack) => ({ ...stack, dependencies: [...new Set(meantBelow(stack.name))] }));
}

/** In the order of a destroy: each stands on those that stood on it. */
export const reversed = (stacks: readonly SynthesizedStack[]): SynthesizedStack[] =>
  stacks.map((stack) => ({
    ...stack,
    dependencies: stacks
      .filter(({ dependencies }) => dependencies.includes(stack.name))
      .map(({ name }) => name),
  }));
