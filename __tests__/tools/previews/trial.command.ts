import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { trialSlug } from "../../../shared/previews";
import { temporaryProject } from "../../support/project";
import { runTool, startTool } from "../../support/tools";

const HASH = "a".repeat(64);
const EXECUTION = "0b1e6a5c-6f1b-4d43-9f0c-5111b0a40001";
const NAME = `pv-dev-${trialSlug(EXECUTION, "us-east-1")}`;

let folder: string;
let bin: string;
beforeEach(() => {
  folder = temporaryProject();
  bin = mkdtempSync(join(tmpdir(), "slipway-npm-"));
  // Each command does well, unless <command>.fails says why not, or <command>.waits is there.
  writeFileSync(
    join(bin, "npm"),
    `#!/bin/sh
shift 2
command=$1
echo "$* ($SLIPWAY_PREVIEW $SLIPWAY_REGION $PLAN_SHA256 $IMAGES)" >> ${bin}/asked
if [ -f ${bin}/$command.waits ]; then trap 'exit 1' TERM; while :; do sleep 0.1; done; fi
if [ -f ${bin}/$command.fails ]; then cat ${bin}/$command.fails >&2; exit 1; fi
if [ $command = plan ]; then mkdir -p "$4"; echo "export PLAN_SHA256='${HASH}'" > "$4/variables.sh"; fi
`,
  );
  chmodSync(join(bin, "npm"), 0o755);
});

const fails = (command: string, words: string) => writeFileSync(join(bin, `${command}.fails`), words);
const asked = () =>
  existsSync(join(bin, "asked")) ? readFileSync(join(bin, "asked"), "utf8").trim().split("\n") : [];
const commands = () => asked().map((line) => line.split(" ")[0]);
const result = () => JSON.parse(readFileSync(join(folder, "trial/us-east-1.json"), "utf8"));

const TRIAL = "tools/previews/trial.ts";
const REPORT = "tools/previews/trial-report.ts";
const within = () => ({
  cwd: folder,
  env: {
    PATH: `${bin}${delimiter}${process.env.PATH}`,
    TRIAL_EXECUTION: EXECUTION,
    CODEBUILD_BUILD_ID: "hello-main-trial:0a1b",
    IMAGES: "image",
  },
});
const trial = () => runTool(TRIAL, ["dev", "us-east-1"], within());

test("runs what a pipeline runs under a name and in a region of its own, and takes it away", async () => {
  const { exitCode, stdout } = await trial();
  expect({ exitCode, stdout }).toEqual({
    exitCode: 0,
    stdout: expect.stringMatching(
      new RegExp(`^Tries dev in us-east-1, as ${NAME}\\.\n.*us-east-1: passed\\.$`),
    ),
  });
  expect(asked()).toEqual(
    [
      ["synth", ""],
      [`plan -- ${NAME} ${folder}/plan`, ""],
      [`apply -- ${NAME} ${folder}/plan`, HASH],
      [`release -- ${NAME} ${folder}/release`, ""],
      [`verify -- ${NAME}`, ""],
      [`preview:teardown -- ${NAME}`, ""],
    ].map(([command, hash]) => `${command} (${NAME} us-east-1 ${hash} image)`),
  );
  expect(result()).toEqual({
    region: "us-east-1",
    result: "passed",
    seconds: expect.any(Number),
    log: "https://eu-west-1.console.aws.amazon.com/codesuite/codebuild/111111111111/projects/hello-main-trial/build/hello-main-trial%3A0a1b/log?region=eu-west-1",
  });
});

test.each([
  ["synth", ["synth", "preview:teardown"]],
  ["apply", ["synth", "plan", "apply", "preview:teardown"]],
  ["verify", ["synth", "plan", "apply", "release", "verify", "preview:teardown"]],
])("takes away what there is where %s fails, says why, and ends with 0", async (step, ran) => {
  fails(step, "Error: it cannot be done");
  const { exitCode, stderr } = await trial();
  expect([exitCode, stderr]).toEqual([0, "Error: it cannot be done"]);
  expect(commands()).toEqual(ran);
  expect(result()).toMatchObject({ result: "failed", step, why: "Error: it cannot be done" });
});

test("has failed where it passed, and something is left", async () => {
  fails("preview:teardown", "2 resources are left");
  await trial();
  expect(result()).toMatchObject({ result: "failed", step: "teardown", why: "2 resources are left" });
});

test("tells both where a step failed, and something is left", async () => {
  fails("apply", "no rights");
  fails("preview:teardown", "2 resources are left");
  await trial();
  expect(result()).toMatchObject({ step: "apply", why: "no rights\n2 resources are left" });
});

test("keeps the end of what a step said, and no more", async () => {
  fails("verify", `${"many words\n".repeat(10_000)}the last`);
  await trial();
  expect(result().why).toMatch(/^many words\n.*\nthe last$/s);
  expect(result().why.length).toBeLessThan(4001);
});

test("keeps what a step said without its colours", async () => {
  fails("verify", "\u001b[31mit is \u001b[1mred\u001b[0m");
  await trial();
  expect(result().why).toBe("it is red");
});

test("takes away what there is where it is told to end", async () => {
  writeFileSync(join(bin, "apply.waits"), "");
  const running = startTool(TRIAL, ["dev", "us-east-1"], within());
  while (!commands().includes("apply")) await pause(20);
  running.kill("SIGTERM");
  expect((await running.ended).exitCode).toBe(0);
  expect(commands()).toEqual(["synth", "plan", "apply", "preview:teardown"]);
  expect(result()).toMatchObject({ result: "failed", step: "apply", why: "Somebody has stopped it." });
});

test.each<[string[], RegExp]>([
  [[], /^Name an environment and a region/],
  [["test", "us-east-1"], /no environment "test" in terraform\.tfvars: it has dev, prod\. Nothing was tried/],
  [["dev", "../us"], /"\.\.\/us" is no region of AWS/],
])("fails with words for people, before anything is tried, when it is given %j", async (args, message) => {
  const { exitCode, stdout, stderr } = await runTool(TRIAL, args, within());
  expect({ exitCode, stdout, stderr }).toEqual({
    exitCode: 1,
    stdout: "",
    stderr: expect.stringMatching(message),
  });
  expect(stderr).not.toMatch(/\n\s+at /);
  expect(asked()).toEqual([]);
});

describe("the report of all regions", () => {
  const passed = { region: "eu-west-1", result: "passed", seconds: 720, log: "https://log/1" };
  const leave = (region: string, content: object | string) => {
    mkdirSync(join(folder, "trial"), { recursive: true });
    const text = typeof content === "string" ? content : JSON.stringify(content);
    writeFileSync(join(folder, "trial", `${region}.json`), text);
  };
  const report = (...regions: string[]) => runTool(REPORT, ["trial", ...regions], within());
  const xml = () => readFileSync(join(folder, ".slipway/reports/trial.xml"), "utf8");

  test("passes where all have passed", async () => {
    leave("eu-west-1", passed);
    expect(await startTool(REPORT, ["trial", "eu-west-1"], within()).ended).toEqual({
      exitCode: 0,
      stdout: `region     result  failed at  minutes  log\neu-west-1  passed             12.0     https://log/1`,
      stderr: "",
    });
    expect(xml()).toContain('<testsuite name="trial" tests="1" failures="0">');
  });

  test("fails where one has failed, and tells why in words that no terminal and no XML takes for its own", async () => {
    leave("eu-west-1", passed);
    const why = 'Error: <a href="x">\u001b[2J&\nin use';
    leave("us-east-1", {
      region: "us-east-1",
      result: "failed",
      step: "verify",
      why,
      seconds: 60,
      log: "https://log/2",
    });
    const { exitCode, stdout } = await report("eu-west-1", "us-east-1");
    expect(exitCode).toBe(1);
    expect(stdout.split("\n").slice(1)).toEqual([
      "eu-west-1  passed             12.0     https://log/1",
      "us-east-1  failed  verify     1.0      https://log/2",
      "",
      "us-east-1, verify:",
      '  Error: <a href="x">\\u001b[2J&',
      "  in use",
    ]);
    expect(xml()).toContain('<testcase classname="trial" name="us-east-1" time="60">');
    expect(xml()).toMatch(
      /<failure message="failed at verify">Error: &lt;a href=(&quot;|")x(&quot;|")&gt;\\u001b\[2J&amp;\nin use\nhttps:\/\/log\/2<\/failure>/,
    );
  });

  test.each<[string, object | string | undefined, RegExp]>([
    ["left no result", undefined, /its build has died/],
    ["left something else", "not JSON", /is not what this version of the project leaves/],
    ["left the result of another region", { ...passed, region: "us-west-2" }, /of another region: us-west-2/],
  ])("fails where one has %s", async (_, content, message) => {
    leave("eu-west-1", passed);
    if (content !== undefined) leave("us-east-1", content);
    const { exitCode, stdout } = await report("eu-west-1", "us-east-1");
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: expect.stringMatching(message) });
    expect(xml()).toContain('failures="1"');
  });

  test("fails with words for people where no region is named", async () => {
    expect(await report()).toMatchObject({
      exitCode: 1,
      stderr: expect.stringMatching(/^Name the folder of the results, and the regions/),
    });
  });
});
