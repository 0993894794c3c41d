import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import type { RehearsalRecord } from "../../tools/rehearse/report";
import { rehearsedProject } from "../support/rehearsed-project";

jest.setTimeout(15 * 60_000);

/** One environment, which asks, and two services: all that a rehearsal does, in the least time. */
const SETTINGS = `
project = "hello"
region  = "eu-west-1"
account = "111111111111"
git     = { provider = "github-token", repository = "acme/hello" }
services     = { web = { port = 8080, paths = ["/*"] }, the-api = { port = 8080, paths = ["/api/*"] } }
functions    = { hello = {} }
environments = { prod = { account = "333333333333", nat = "single", firewall = false, bake_minutes = 0 } }
pipelines    = { main = { branch = "main", deploy = [["prod"]] } }
notifications = {
  emails      = ["team@example.com"]
  subscribers = { "leads@example.com" = { events = ["approval"] } }
}
`;

/** What a user calls it in: the top of a repository. */
async function projectOf(scripts: Record<string, string> = {}): Promise<string> {
  const folder = await rehearsedProject(SETTINGS, scripts);
  await execa("git", ["init", "--quiet"], { cwd: folder });
  writeFileSync(join(folder, ".git/info/exclude"), "/node_modules\n");
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
      deployed: {
        prod: { "service web": expect.stringMatching(/^http/), "service the-api": expect.any(String) },
      },
    },
  });
  // People hear of it as they would on AWS: by the function, the queue and the topic that were deployed.
  const mails = result.record!.mails.map(({ to, subject }) => `${to}: ${subject}`).sort();
  expect(mails).toEqual([
    expect.stringMatching(/^leads@example\.com: hello\/main asks: deploy prod\?/),
    expect.stringMatching(/^team@example\.com: hello\/main asks: deploy prod\?/),
    expect.stringMatching(/^team@example\.com: hello\/main released to prod/),
  ]);
  expect(result.said.match(/approve-prod: approved/g)).toHaveLength(1);
  for (const service of ["web", "the-api"]) expect(result.said).toContain(`${service}: AllowTraffic 100 %`);
  expect(statusOf(result, "Verify")).toBe("Succeeded");
});
