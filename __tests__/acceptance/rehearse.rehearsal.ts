import { type ChildProcess, spawn } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { execa } from "execa";
import type { RehearsalRecord } from "../../tools/rehearse/report";
import { ROOT } from "../support/settings";

jest.setTimeout(15 * 60_000);

/** One environment, which asks: all that a rehearsal does, in the least time. */
const SETTINGS = `
project = "hello"
region  = "eu-west-1"
account = "111111111111"
git     = { provider = "github-token", repository = "acme/hello" }
services     = { web = { port = 8080 } }
functions    = { hello = {} }
environments = { prod = { account = "333333333333", nat = "single", firewall = false, bake_minutes = 0 } }
pipelines    = { main = { branch = "main", deploy = [["prod"]] } }
`;

/** A project as its user has it, but that its packages are linked where they would be fetched: that takes minutes. */
async function projectOf(scripts: Record<string, string> = {}): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "slipway-rehearsed-"));
  const left = new Set(["node_modules", ".git", ".slipway", "cdktf.out"]);
  cpSync(ROOT, folder, { recursive: true, filter: (path) => !left.has(relative(ROOT, path)) });
  const packages = join(ROOT, "node_modules");
  symlinkSync(packages, join(folder, "node_modules"));
  const { name, version, scripts: all } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  const linked = Object.entries(all as Record<string, string>).map(([script, command]) => [
    script,
    script === "rehearse" ? command : `rm -rf node_modules && ln -s ${packages} node_modules && ${command}`,
  ]);
  const quick = { lint: "echo all is well", "test:report": "echo all is well", ...scripts };
  const write = (file: string, content: string) => writeFileSync(join(folder, file), content);
  const manifest = { name, version, private: true, scripts: { ...Object.fromEntries(linked), ...quick } };
  write("package.json", JSON.stringify(manifest));
  const lock = { name, version, lockfileVersion: 3, requires: true, packages: { "": { name, version } } };
  write("package-lock.json", JSON.stringify(lock));
  write("terraform.tfvars", SETTINGS);
  const bundling = ["app/index.ts", "--bundle", "--platform=node", "--outfile=app/bundle.cjs"];
  await execa(join(packages, ".bin/esbuild"), bundling, { cwd: folder });
  write(
    "app/Dockerfile",
    'FROM public.ecr.aws/docker/library/node:22-alpine\nWORKDIR /app\nCOPY app/bundle.cjs index.cjs\nENV PORT=8080\nCMD ["node", "index.cjs"]\n',
  );
  await execa("git", ["init", "--quiet"], { cwd: folder });
  write(".git/info/exclude", "/node_modules\n");
  return folder;
}

interface Rehearsed {
  readonly exitCode: number | null;
  readonly said: string;
  readonly record?: RehearsalRecord;
  readonly left: readonly string[];
}

const running = new Set<ChildProcess>();
const folders: string[] = [];

/** Without a terminal. */
async function rehearse(args: readonly string[], scripts?: Record<string, string>): Promise<Rehearsed> {
  const folder = await projectOf(scripts);
  folders.push(folder);
  const file = join(folder, "record.log");
  const child = spawn("npm", ["run", "--silent", "rehearse", "--", ...args, "--json", file], {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (chunk: string) => {
      said += chunk;
    });
  const exitCode = await new Promise<number | null>((resolve) => child.on("close", resolve));
  running.delete(child);
  const record = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : undefined;
  return { exitCode, said, record, left: readdirSync(join(folder, ".slipway/rehearsals")) };
}

const statusOf = ({ record }: Rehearsed, stage: string) =>
  record?.executions.at(-1)?.stages.find(({ name }) => name === stage)?.status;

// Beside each other, as users may: none disturbs another.
let approved: Promise<Rehearsed>;
let rejected: Promise<Rehearsed>;
let unclean: Promise<Rehearsed>;
beforeAll(() => {
  approved = rehearse(["--approve"]);
  rejected = rehearse(["--reject"]);
  unclean = rehearse(["--approve"], { lint: "echo main.ts:1 is not as it should be; exit 3" });
});
afterAll(() => {
  for (const child of running) child.kill();
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

test("a lint error stops the pipeline there, with the end of its log", async () => {
  const result = await unclean;
  expect(result).toMatchObject({ exitCode: 1, left: [], record: { succeeded: false } });
  expect(result.said).toMatch(/The end of the log of lint:\n[\s\S]*main\.ts:1 is not as it should be/);
  expect([statusOf(result, "Build"), statusOf(result, "Update")]).toEqual(["Failed", "NotStarted"]);
});

test("a plan that is rejected is not applied: there is no production", async () => {
  const result = await rejected;
  expect(result).toMatchObject({ exitCode: 1, left: [], record: { succeeded: false, deployed: {} } });
  expect(result.said).toMatch(/hello-main: prod\. \d+ to add/);
  expect([statusOf(result, "Approve"), statusOf(result, "Deploy")]).toEqual(["Failed", "NotStarted"]);
});

test("one approval leads from the source to a production that is verified, and nothing is left", async () => {
  const result = await approved;
  expect({ ...result, said: result.exitCode === 0 ? "" : result.said }).toMatchObject({
    said: "",
    exitCode: 0,
    left: [],
    record: {
      succeeded: true,
      executions: [{ status: "Succeeded" }],
      deployed: { prod: { "service web": expect.stringMatching(/^http/) } },
    },
  });
  expect(result.said.match(/approve-prod: approved/g)).toHaveLength(1);
  expect(result.said).toMatch(/web: AllowTraffic 100 %/);
  expect(statusOf(result, "Verify")).toBe("Succeeded");
});
