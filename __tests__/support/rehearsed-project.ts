import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { execa } from "execa";
import { ROOT } from "./settings";

const BUNDLES = ".slipway/build";
/** Commands, and functions: not what tests make for themselves, nor what is being written. */
const BUNDLED = /^(functions[\\/].*)?[^\\/]+\.(cjs|js|json|gz|zip|x64|arm64)$/;

/** Leaves the reports that a pipeline waits for. */
const REPORTS = [
  "mkdir -p .slipway/reports",
  `echo '<testsuites><testsuite name="all"><testcase name="is well" time="0"/></testsuite></testsuites>' > .slipway/reports/unit.xml`,
  `echo '<coverage><project><file path="main.ts"><line num="1" count="1"/></file></project></coverage>' > .slipway/reports/clover.xml`,
].join(" && ");

/**
 * Brings along what is bundled of ours: of sources that are the same it is not bundled again. What each bundle is of comes
 * first: one that another process replaces meanwhile is then of something else, and counts for nothing.
 */
function bringBundles(folder: string): void {
  const [from, to] = [join(ROOT, BUNDLES), join(folder, BUNDLES)];
  if (!existsSync(from)) return;
  const files = readdirSync(from, { recursive: true, encoding: "utf8" }).filter((file) => BUNDLED.test(file));
  const isStamp = (file: string) => file.endsWith(".inputs.json");
  for (const file of [...files.filter(isStamp), ...files.filter((file) => !isStamp(file))])
    cpSync(join(from, file), join(to, file));
}

/**
 * A project as its user has it, but that its packages are linked where they would be fetched: that takes minutes.
 *
 * @param settings text of its terraform.tfvars
 * @param scripts what npm runs in place of the project's own, which is not tried here
 * @returns its folder
 */
export async function rehearsedProject(
  settings: string,
  scripts: Readonly<Record<string, string>> = {},
): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "slipway-rehearsed-"));
  const left = new Set(["node_modules", ".git", ".slipway", "cdktf.out"]);
  cpSync(ROOT, folder, { recursive: true, filter: (path) => !left.has(relative(ROOT, path)) });
  bringBundles(folder);
  const packages = join(ROOT, "node_modules");
  symlinkSync(packages, join(folder, "node_modules"));
  const { name, version, scripts: all } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  const linked = Object.entries(all as Record<string, string>).map(([script, command]) => [
    script,
    script === "rehearse" ? command : `rm -rf node_modules && ln -s ${packages} node_modules && ${command}`,
  ]);
  const quick = { lint: "echo all is well", "test:report": REPORTS, ...scripts };
  const write = (file: string, content: string) => writeFileSync(join(folder, file), content);
  const manifest = { name, version, private: true, scripts: { ...Object.fromEntries(linked), ...quick } };
  write("package.json", JSON.stringify(manifest));
  const lock = { name, version, lockfileVersion: 3, requires: true, packages: { "": { name, version } } };
  write("package-lock.json", JSON.stringify(lock));
  write("terraform.tfvars", settings);
  const bundling = ["app/index.ts", "--bundle", "--platform=node", "--outfile=app/bundle.cjs"];
  await execa(join(packages, ".bin/esbuild"), bundling, { cwd: folder });
  write(
    "app/Dockerfile",
    'FROM public.ecr.aws/docker/library/node:22-alpine\nWORKDIR /app\nCOPY app/bundle.cjs index.cjs\nENV PORT=8080\nCMD ["node", "index.cjs"]\n',
  );
  return folder;
}
