import { z } from "zod";
import { INSTALL, UPDATE_ACTION } from "../../shared/names";
import type { Inputs, Question } from "../local-aws";

/** The scripts that `install` runs. Where they do anything else, it is not known what they read. */
const SCRIPTS = {
  toolchain: /(^|\s)node tools\/run\.mjs tools\/pipeline\/toolchain\.ts$/,
  bundle: /(^|\s)node tools\/pipeline\/bundle\.mjs$/,
} as const;
/** Scripts of the project's own that `npm ci` runs, which may read anything. */
const RUN_BY_NPM = ["preinstall", "install", "postinstall", "preprepare", "prepare", "postprepare"];
/** What its commands read. Bundles are of other sources, too, but one that is not of those at hand is made anew where it is used. */
const READ = [
  /^(package|package-lock|npm-shrinkwrap|tsconfig)\.json$/,
  /^\.npmrc$/,
  /^tools\/((run|bundle|functions)\.mjs|project\.ts|pipeline\/(toolchain\.ts|bundle\.mjs)|toolchain\/.*)$/,
];

/**
 * What the builds of a pipeline depend on: before it updates itself, on the tree that they are given; `install`, which takes
 * longest, on those of its files that it reads. What comes after that changes something, and always runs.
 */
export async function inputsOf({
  pipeline,
  action,
  buildspec,
  files,
}: Question): Promise<Inputs | undefined> {
  const update = pipeline.stages.findIndex(({ actions }) =>
    actions.some(({ name }) => name === UPDATE_ACTION),
  );
  const own = pipeline.stages.findIndex(({ actions }) => actions.includes(action));
  if (own < 0 || own >= update) return undefined;
  if (action.name !== INSTALL.action || !isInstall(buildspec)) return "all";
  const all = await files();
  if (!isPlain(all)) return "all";
  return Object.keys(all).filter((path) => READ.some((pattern) => pattern.test(path)));
}

const spec = z.object({
  phases: z.strictObject({
    install: z.strictObject({ "runtime-versions": z.unknown() }).optional(),
    build: z.strictObject({ commands: z.array(z.string()) }),
  }),
});

function isInstall(buildspec = ""): boolean {
  const parsed = spec.safeParse(jsonOf(buildspec));
  return parsed.success && `${parsed.data.phases.build.commands}` === `${INSTALL.commands}`;
}

const manifest = z.object({
  scripts: z.record(z.string(), z.string()).default({}),
  workspaces: z.undefined().optional(),
});
const lock = z.object({
  packages: z.record(
    z.string(),
    z.object({ link: z.literal(false).optional(), resolved: z.string().optional() }),
  ),
});

/** Whether npm reads nothing else of the project: no scripts, and no packages that lie in it. */
function isPlain(files: Readonly<Record<string, Uint8Array>>): boolean {
  const read = (path: string) => jsonOf(new TextDecoder().decode(files[path]));
  const project = manifest.safeParse(read("package.json"));
  const locked = lock.safeParse(read("npm-shrinkwrap.json") ?? read("package-lock.json"));
  if (!project.success || !locked.success) return false;
  const { scripts } = project.data;
  return (
    Object.entries(SCRIPTS).every(([name, command]) => command.test(scripts[name] ?? "")) &&
    !RUN_BY_NPM.some((name) => Object.hasOwn(scripts, name)) &&
    !Object.values(locked.data.packages).some(({ resolved }) => resolved?.startsWith("file:"))
  );
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
