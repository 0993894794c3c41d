import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { delimiter, join } from "node:path";
import { text } from "node:stream/consumers";
import { FakeServer } from "../../support/fake-server";
import { temporaryProject } from "../../support/project";
import { ROOT } from "../../support/settings";
import { runTool, startTool } from "../../support/tools";
import { JsonTerraform } from "./json-terraform";

const DEPLOY = "tools/deployer/index.ts";

/** STS, as far as it says whose credentials these are. */
class FakeSts extends FakeServer {
  account = "111111111111";
  protected override answer(_: IncomingMessage, __: string, response: ServerResponse): void {
    response.writeHead(200, { "content-type": "text/xml" });
    const result = `<Account>${this.account}</Account><Arn>arn:aws:iam::${this.account}:user/somebody</Arn>`;
    response.end(
      `<GetCallerIdentityResponse><GetCallerIdentityResult>${result}</GetCallerIdentityResult></GetCallerIdentityResponse>`,
    );
  }
}

let sts: FakeSts;
let endpoint: string;
let terraform: JsonTerraform;
let cwd: string;
beforeEach(async () => {
  sts = new FakeSts();
  endpoint = await sts.start();
  cwd = temporaryProject();
  terraform = new JsonTerraform(join(cwd, "terraform"));
  synthesized({ "access-dev": [], dev: ["access-dev"], delivery: [] });
});
afterEach(() => sts.stop());

/** @param stacks names of those that each stands on */
function synthesized(stacks: Record<string, string[]>): void {
  const manifest = Object.entries(stacks).map(([name, dependencies]) => {
    const workingDirectory = `stacks/${name}`;
    mkdirSync(join(cwd, "cdktf.out", workingDirectory), { recursive: true });
    writeFileSync(join(cwd, "cdktf.out", workingDirectory, "cdk.tf.json"), '{"terraform": {}}');
    return [name, { name, workingDirectory, dependencies }];
  });
  const content = JSON.stringify({ stacks: Object.fromEntries(manifest) });
  writeFileSync(join(cwd, "cdktf.out/manifest.json"), content);
}

const environment = () => ({
  PATH: `${terraform.bin}${delimiter}${process.env.PATH}`,
  HOME: cwd,
  AWS_ENDPOINT_URL: endpoint,
  AWS_ACCESS_KEY_ID: "local",
  AWS_SECRET_ACCESS_KEY: "local",
});
const deploy = (...args: string[]) =>
  runTool(DEPLOY, [...args, "--synthesized"], { cwd, env: environment() });
const applied = () => terraform.asked.filter((line) => /: (apply|destroy)/.test(line));

test("--plan shows all plans as one, and changes nothing", async () => {
  const { exitCode, stdout } = await deploy("access-dev", "dev", "--plan");
  expect({ exitCode, stdout }).toEqual({
    exitCode: 0,
    stdout: expect.stringContaining("aws_sqs_queue.queue"),
  });
  expect(stdout).toMatch(/access-dev[\s\S]*dev/);
  expect(applied()).toEqual([]);
});

test("--plan fails where one cannot be planned, and shows the others", async () => {
  terraform.fails("dev", "plan", "Error: no such region");
  const { exitCode, stdout } = await deploy("*", "--plan");
  expect({ exitCode, stdout }).toEqual({
    exitCode: 1,
    stdout: expect.stringContaining("Error: no such region"),
  });
  expect(stdout).toContain("aws_sqs_queue.queue");
});

test("--auto-approve applies all of them, and tells what became of each", async () => {
  terraform.hasNothingToDo("delivery");
  const { exitCode, stdout, stderr } = await deploy("*", "--auto-approve", "--at-once", "1");
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  expect(stdout).toContain("access-dev: 1 added, 0 changed, 0 destroyed");
  expect(stdout).toContain("delivery: nothing to change");
  expect(applied()).toEqual(["access-dev: apply", "dev: apply", "delivery: apply"]);
});

test("tells a failure once, in Terraform's words, which cannot paint the terminal; warnings once for all that have them", async () => {
  terraform.fails("access-dev", "apply", "AccessDenied \u001b[2J");
  for (const stack of ["access-dev", "delivery"]) terraform.warns(stack, "Deprecated");
  const { exitCode, stdout, stderr } = await deploy("*", "--auto-approve");
  expect(exitCode).toBe(1);
  expect(stderr.split("AccessDenied")).toHaveLength(2);
  expect(stderr).toContain(`access-dev failed, or not all of it was done.
AccessDenied \\u001b[2J
with aws_sqs_queue.queue`);
  expect(stdout).toContain("access-dev, delivery: warning: Deprecated");
  expect(stdout).toContain("dev: left out");
  expect(stdout).toContain("delivery: 1 added");
  expect(stdout).not.toContain("AccessDenied");
});

test("fails with all names that mean nothing", async () => {
  expect(await deploy("dev", "staging", "!dev", "--plan")).toEqual({
    exitCode: 1,
    stdout: "",
    stderr: 'No stack is called "staging", nor "!dev". There are: access-dev, delivery, dev.',
  });
});

test("asks nobody where there is no terminal: says what to do, before anything is begun", async () => {
  const { exitCode, stderr } = await deploy("*");
  expect({ exitCode, stderr }).toEqual({
    exitCode: 1,
    stderr: expect.stringMatching(/^There is no terminal to ask.*--plan.*--auto-approve/),
  });
  expect(terraform.asked).toEqual([]);
});

test("touches nothing with another account's credentials", async () => {
  sts.account = "999999999999";
  const { exitCode, stderr } = await deploy("*", "--auto-approve");
  expect({ exitCode, stderr }).toEqual({
    exitCode: 1,
    stderr: expect.stringMatching(/^These credentials are of account 999999999999/),
  });
  expect(terraform.asked).toEqual([]);
});

test("destroys nothing that another stack stands on which is to stay", async () => {
  expect(await deploy("access-dev", "--destroy", "--auto-approve")).toEqual({
    exitCode: 1,
    stdout: "",
    stderr: expect.stringMatching(/^dev would be left without what it stands on.*Nothing was destroyed\.$/),
  });
  expect(terraform.asked).toEqual([]);
  expect((await deploy("access-dev", "dev", "--destroy", "--auto-approve")).exitCode).toBe(0);
  expect(applied()).toEqual(["dev: destroy", "access-dev: destroy"]);
});

/** A deploy that hangs in access-dev, in a group of processes of its own, as a terminal starts it. */
async function hanging(args: readonly string[] = ["*", "--auto-approve", "--at-once", "1"]) {
  terraform.waits("access-dev");
  const child = spawn(process.execPath, [join(ROOT, "tools/run.mjs"), DEPLOY, ...args, "--synthesized"], {
    cwd,
    env: environment(),
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  await terraform.untilAsked("access-dev: waits");
  return { pid: child.pid!, ended: ended.then(([stdout, stderr, [code]]) => ({ stdout, stderr, code })) };
}
const signals = () => terraform.asked.filter((line) => /: (got|ended)/.test(line));

test.each([
  ["to the command alone", (pid: number) => process.kill(pid, "SIGTERM")],
  ["to all processes at once, as some runners send it", (pid: number) => process.kill(-pid, "SIGTERM")],
])("SIGTERM %s ends it once Terraform, which is told once, has come to an end that leaves no lock", async (_, send) => {
  const { pid, ended } = await hanging();
  send(pid);
  const { code, stderr } = await ended;
  expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining("execution halted") });
  expect(signals()).toEqual(["access-dev: got TERM", "access-dev: ended"]);
  expect(applied()).toEqual(["access-dev: apply"]);
});

test("Ctrl-C is told Terraform once: twice, and it would leave its lock", async () => {
  const { pid, ended } = await hanging();
  process.kill(-pid, "SIGINT");
  const { code, stdout, stderr } = await ended;
  expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining("execution halted") });
  expect(stdout).toContain("delivery: left out");
  expect(signals()).toEqual(["access-dev: got TERM", "access-dev: ended"]);
  expect(applied()).toEqual(["access-dev: apply"]);
});

test("SIGINT of the command alone, as some runners cancel, is told Terraform as well", async () => {
  const { pid, ended } = await hanging();
  process.kill(pid, "SIGINT");
  expect((await ended).code).toBe(1);
  expect(signals()).toEqual(["access-dev: got TERM", "access-dev: ended"]);
  expect(applied()).toEqual(["access-dev: apply"]);
});

const onTerminal = existsSync("/usr/bin/script") && process.platform === "linux" ? test : test.skip;

/** Runs it on a terminal, and types an answer to its first question. */
async function answering(answer: string, ...stacks: string[]) {
  const command = [process.execPath, join(ROOT, "tools/run.mjs"), DEPLOY, ...stacks, "--synthesized"];
  const env = { ...environment(), TERM: "dumb" };
  const child = spawn("script", ["-qec", command.join(" "), "/dev/null"], { cwd, env });
  let [shown, isAnswered] = ["", false];
  child.stdout.on("data", (chunk) => {
    shown += chunk;
    if (isAnswered || !shown.includes("Apply just this?")) return;
    isAnswered = true;
    child.stdin.write(answer);
  });
  const [code] = await once(child, "close");
  return { code, shown };
}

onTerminal("asks, with the plans before it, and applies what is approved", async () => {
  const { code, shown } = await answering("y\r", "access-dev");
  expect({ code, applied: applied() }).toEqual({
    code: 0,
    applied: [`access-dev: apply ${terraform.saved("access-dev").trim()}`],
  });
  expect(shown.indexOf("aws_sqs_queue.queue")).toBeLessThan(shown.indexOf("Apply just this?"));
});

onTerminal.each([
  ["Enter alone", "\r"],
  ["Ctrl-C", "\u0003"],
])("takes %s for a no, and applies nothing", async (_, answer) => {
  const { code, shown } = await answering(answer, "access-dev", "dev");
  expect({ code, applied: applied() }).toEqual({ code: 1, applied: [] });
  expect(shown).toContain("dev: left out");
});

test("starts as its users start it, and says how it is used", async () => {
  const { ended } = startTool(DEPLOY, [], { cwd, env: environment() });
  expect(await ended).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining("npm run deploy -- STACK..."),
  });
});
