import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { transformFileSync } from "@swc/core";
import { unzipSync, zipSync } from "fflate";
import { machineEnvironment } from "../../../tools/local-aws/builds/environment";
import { type BuildSource, noSource, s3Source, s3Target } from "../../../tools/local-aws/builds/exchange";
import { BuildProcesses } from "../../../tools/local-aws/builds/processes";
import { type BuildJob, BuildRun } from "../../../tools/local-aws/builds/runner";
import { FakeRole } from "./fake-role";
import { lives, until } from "./until";

let role: FakeRole;
let runs: BuildRun[];
beforeEach(() => {
  role = new FakeRole();
  runs = [];
});
afterEach(async () => {
  for (const run of runs) run.stop();
  await Promise.all(runs.map(({ done }) => done));
});

const nothing: BuildSource = { url: "", version: "", bring: async () => undefined };
type Spec = Record<string, unknown>;
const specOf = (phases: Spec, rest: Spec = {}) => JSON.stringify({ version: 0.2, phases, ...rest });

function start(buildspec: string | undefined, changes: Partial<BuildJob> = {}): BuildRun {
  const run = new BuildRun({
    project: "web",
    buildspec,
    sources: [nothing],
    targets: [],
    environment: {},
    variables: [],
    timeoutMilliseconds: 60_000,
    logs: { group: "g", stream: "s" },
    connect: async () => role,
    ...changes,
  });
  runs.push(run);
  return run;
}

async function runBuild(phases: Spec, rest: Spec = {}, changes: Partial<BuildJob> = {}): Promise<BuildRun> {
  const run = start(specOf(phases, rest), changes);
  await run.done;
  return run;
}

const statuses = ({ phases }: BuildRun) =>
  Object.fromEntries(phases.slice(2, -1).map(({ phaseType, phaseStatus }) => [phaseType, phaseStatus]));
const contextOf = ({ phases }: BuildRun, type: string) =>
  phases.find(({ phaseType }) => phaseType === type)?.contexts?.[0];
/** What the commands printed. */
const printed = () =>
  role.log
    .split("\n")
    .filter((line) => line && !line.startsWith("[Container]"))
    .join("\n");
/** The folder that a build printed first. */
const sourceFolder = () => /CODEBUILD_SRC_DIR=(\S+)/.exec(role.log)?.[1] ?? "";

test("loses no line where the log could not be reached for a moment", async () => {
  role.failingLogs = 2;
  await runBuild({ build: { commands: ["echo hello"] } });
  expect(printed()).toBe("hello");
});

// As much as fills all that lies between a command and us, and leaves its last lines waiting.
test.each([
  66_000, 68_000, 70_000,
])("has all %i lines of a command that has ended, also where nobody read for a while", async (lines) => {
  const processes = new BuildProcesses();
  let output = "";
  try {
    await processes.run(
      ["sh", "-c", `seq ${lines}`],
      { cwd: "/", env: machineEnvironment(process.env) },
      (text) => {
        // Longer than a command's output may be silent after its end.
        if (!output) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400);
        output += text;
      },
    );
    expect(output.trimEnd().split("\n").at(-1)).toBe(String(lines));
  } finally {
    await processes.end();
  }
});

test("goes through all phases, and leaves nothing behind", async () => {
  const run = await runBuild({ build: { commands: ["echo hello", "echo late >&2"] } });
  expect(run.phases.map(({ phaseType }) => phaseType)).toEqual([
    "SUBMITTED",
    "QUEUED",
    "PROVISIONING",
    "DOWNLOAD_SOURCE",
    "INSTALL",
    "PRE_BUILD",
    "BUILD",
    "POST_BUILD",
    "UPLOAD_ARTIFACTS",
    "FINALIZING",
    "COMPLETED",
  ]);
  expect([run.status, run.currentPhase, printed()]).toEqual(["SUCCEEDED", "COMPLETED", "hello\nlate"]);
  expect(run.phases[6]).toMatchObject({
    phaseStatus: "SUCCEEDED",
    startTime: expect.any(Number),
    endTime: expect.any(Number),
    durationInSeconds: expect.any(Number),
    contexts: [{ statusCode: "", message: "" }],
  });
  expect(role.log).toContain("Running command echo hello");
  expect(existsSync(join(sourceFolder(), ".."))).toBe(false);
});

test.each(["sh", "bash"])("commands share folder and variables, as if %s ran them all", async (shell) => {
  await runBuild(
    {
      install: { commands: ["mkdir inner && cd inner", "PLAIN=\"it's\" && export OUT='a\nb'", "unset GONE"] },
      build: { commands: ['basename "$PWD"', 'echo "$PLAIN-$OUT-$GONE."'] },
    },
    { env: { shell, variables: { GONE: "here" } } },
  );
  expect(printed()).toBe("inner\nit's-a\nb-.");
});

test("the first command that fails ends its phase, and finally runs", async () => {
  const run = await runBuild({
    build: { commands: ["echo one", "exit 3", "echo never"], finally: ["echo finally"] },
  });
  expect(printed()).toBe("one\nfinally");
  expect(contextOf(run, "BUILD")).toEqual({
    statusCode: "COMMAND_EXECUTION_ERROR",
    message: "Error while executing command: exit 3. Reason: exit status 3",
  });
});

test("fails when the build phase fails, but tells post_build, and uploads", async () => {
  const say = "echo succeeding=$CODEBUILD_BUILD_SUCCEEDING";
  const run = await runBuild({ build: { commands: [say, "false"] }, post_build: { commands: [say] } });
  expect([run.status, printed()]).toEqual(["FAILED", "succeeding=1\nsucceeding=0"]);
  expect(statuses(run)).toMatchObject({
    BUILD: "FAILED",
    POST_BUILD: "SUCCEEDED",
    UPLOAD_ARTIFACTS: "SUCCEEDED",
  });
});

test.each(["install", "pre_build"])("a failure in %s ends the build at once", async (name) => {
  const run = await runBuild({ [name]: { commands: ["false"] }, build: { commands: ["echo never"] } });
  expect([run.status, printed()]).toEqual(["FAILED", ""]);
  expect(Object.keys(statuses(run)).slice(-2)).toEqual([name.toUpperCase(), "FINALIZING"]);
});

test("on-failure decides otherwise", async () => {
  const goesOn = await runBuild({
    install: { commands: ["false"], "on-failure": "CONTINUE" },
    build: { commands: ["echo built"] },
  });
  expect([goesOn.status, printed()]).toEqual(["FAILED", "built"]);
  const ends = await runBuild({
    build: { commands: ["false"], "on-failure": "ABORT" },
    post_build: { commands: ["echo never"] },
  });
  expect([Object.keys(statuses(ends)).at(-2), printed()]).toEqual(["BUILD", "built"]);
});

test("variables: the caller's count more than the buildspec's, and none can take CodeBuild's place", async () => {
  await runBuild(
    { build: { commands: ['echo "$A $B $CODEBUILD_BUILD_ID $CI"'] } },
    { env: { variables: { A: "spec", B: "spec", CODEBUILD_BUILD_ID: "mine" } } },
    {
      variables: [{ name: "A", value: "given", type: "PLAINTEXT" }],
      environment: { CODEBUILD_BUILD_ID: "p:1" },
    },
  );
  expect(printed()).toBe("given spec p:1 true");
});

test("secrets reach the commands, and never the log, the contexts or the exports", async () => {
  role.parameters.set("/token", "s3cret");
  role.secrets.set("db:password", "line one\nline two\n");
  const run = await runBuild(
    {
      build: {
        commands: [
          'test "$TOKEN" = s3cret',
          'echo "$TOKEN"; printf "%s" "$DB"',
          "echo s3cret | grep nothing",
        ],
      },
    },
    {
      env: {
        "parameter-store": { TOKEN: "/token" },
        "secrets-manager": { DB: "db:password" },
        "exported-variables": ["TOKEN", "DB", "PLAIN", "AWS_ACCESS_KEY_ID", "UNSET"],
        variables: { PLAIN: "shown" },
      },
    },
  );
  expect(printed()).toBe("***\n***\n***");
  expect(role.log).not.toContain("s3cret");
  expect(contextOf(run, "BUILD")?.message).toBe(
    "Error while executing command: echo *** | grep nothing. Reason: exit status 1",
  );
  expect(run.exported).toEqual([{ name: "PLAIN", value: "shown" }]);
});

test("the role's credentials do not show", async () => {
  await runBuild({ build: { commands: ['echo "key: $AWS_ACCESS_KEY_ID"'] } });
  expect(printed()).toBe("key: ***");
});

test("exported variables have the values of the end", async () => {
  const run = await runBuild(
    { build: { commands: ["TAG=v2", "EMPTY=", "URL='https://x/?a=1&b=%s'"] } },
    { env: { variables: { TAG: "v1" }, "exported-variables": ["TAG", "EMPTY", "URL", "bad-name"] } },
  );
  expect(run.exported).toEqual([
    { name: "TAG", value: "v2" },
    { name: "EMPTY", value: "" },
    { name: "URL", value: "https://x/?a=1&b=%s" },
  ]);
});

describe("sources", () => {
  const unix = (mode: number) => ({ os: 3, attrs: mode * 0x10000 });

  test("a ZIP in S3, its buildspec, its scripts and a second source", async () => {
    role.objects.set(
      "in/app.zip",
      Buffer.from(
        zipSync({
          "buildspec.yml": Buffer.from(
            'version: 0.2\nphases: { build: { commands: [./run.sh, "cat $CODEBUILD_SRC_DIR_more/a/b", "env | grep CODEBUILD_SOURCE_"] } }',
          ),
          "run.sh": [Buffer.from("#!/bin/sh\necho ran"), unix(0o100755)],
        }),
      ),
    );
    role.objects.set("in/more/a/b", Buffer.from("second\n"));
    const sources: BuildJob["sources"] = [s3Source("in/app.zip", "v7"), s3Source("in/more/", "", "more")];
    const run = start(undefined, { sources });
    await run.done;
    expect(run.status).toBe("SUCCEEDED");
    expect(printed().split("\n").sort()).toEqual([
      "CODEBUILD_SOURCE_REPO_URL=s3://in/app.zip",
      "CODEBUILD_SOURCE_REPO_URL_more=s3://in/more/",
      "CODEBUILD_SOURCE_VERSION=v7",
      "CODEBUILD_SOURCE_VERSION_more=",
      "ran",
      "second",
    ]);
  });

  test("a folder in S3, with a buildspec below it", async () => {
    role.objects.set("in/src/ci/spec.yml", Buffer.from(specOf({ build: { commands: ["cat hello.txt"] } })));
    role.objects.set("in/src/hello.txt", Buffer.from("hello\n"));
    await start("ci/spec.yml", { sources: [s3Source("in/src/")] }).done;
    expect(printed()).toBe("hello");
  });

  test("a buildspec in S3", async () => {
    role.objects.set("specs/one.yml", Buffer.from(specOf({ build: { commands: ["echo fetched"] } })));
    await start("arn:aws:s3:::specs/one.yml").done;
    expect(printed()).toBe("fetched");
  });

  test.each<[string, BuildSource, string | undefined, object]>([
    [
      "no such object",
      s3Source("in/none.zip"),
      undefined,
      {
        statusCode: "CLIENT_ERROR",
        message: "error while downloading key none.zip, error: NoSuchKey: The specified key does not exist.",
      },
    ],
    ["a repository", noSource("no such repository"), undefined, { message: "no such repository" }],
    [
      "no buildspec",
      nothing,
      undefined,
      {
        statusCode: "YAML_FILE_ERROR",
        message: expect.stringMatching(/^stat .*\/src\/buildspec.yml: no such file/),
      },
    ],
    ["a wrong buildspec", nothing, "version: 9\nphases: {}", { statusCode: "YAML_FILE_ERROR" }],
  ])("fails in DOWNLOAD_SOURCE: %s", async (_, source, buildspec, context) => {
    const run = start(buildspec, { sources: [source] });
    await run.done;
    expect(run.status).toBe("FAILED");
    expect(Object.keys(statuses(run)).slice(-2)).toEqual(["DOWNLOAD_SOURCE", "FINALIZING"]);
    expect(contextOf(run, "DOWNLOAD_SOURCE")).toMatchObject(context);
  });

  test("somebody else brings the source and takes the artifact", async () => {
    let taken = "";
    const run = await runBuild(
      { build: { commands: ["tr a-z A-Z < given > made"] } },
      { artifacts: { files: ["made"] } },
      {
        sources: [
          {
            ...nothing,
            async bring(folder) {
              writeFileSync(join(folder, "given"), "text");
              return "commit";
            },
          },
        ],
        targets: [
          {
            async take({ files }) {
              taken = `${files[0]?.path}: ${readFileSync(files[0]!.file, "utf8")}`;
            },
          },
        ],
      },
    );
    expect([taken, run.resolvedSourceVersion]).toEqual(["made: TEXT", "commit"]);
  });
});

describe("artifacts", () => {
  const make = { build: { commands: ["mkdir -p out/sub && echo a > out/a && echo b > out/sub/b"] } };
  const artifacts = {
    files: ["**/*"],
    "base-directory": "$CODEBUILD_SRC_DIR/out",
    name: "made-$((40 + 2))",
  };
  const target = {
    bucket: "b",
    name: "app",
    overrideName: false,
    packaging: "NONE",
    buildArn: "arn",
  } as const;
  const keys = () => [...role.objects.keys()].sort();

  test.each<[string, object, string[], string]>([
    ["a folder", {}, ["b/app/a", "b/app/sub/b"], "arn:aws:s3:::b/app"],
    [
      "by build",
      { path: "p/", buildId: "id" },
      ["b/p/id/app/a", "b/p/id/app/sub/b"],
      "arn:aws:s3:::b/p/id/app",
    ],
    ["at the root", { name: "/" }, ["b/a", "b/sub/b"], "arn:aws:s3:::b"],
    ["below a path", { name: "/", path: "p" }, ["b/p/a", "b/p/sub/b"], "arn:aws:s3:::b/p"],
    [
      "named by the buildspec",
      { overrideName: true },
      ["b/made-42/a", "b/made-42/sub/b"],
      "arn:aws:s3:::b/made-42",
    ],
  ])("%s", async (_, changes, expected, location) => {
    const onStored = jest.fn();
    const targets = [s3Target({ ...target, ...changes, onStored })];
    const run = await runBuild(make, { artifacts }, { targets });
    expect([run.status, keys()]).toEqual(["SUCCEEDED", expected]);
    expect(onStored).toHaveBeenCalledWith({ location });
  });

  test("a ZIP has its sums, and a second artifact goes its own way", async () => {
    const onStored = jest.fn();
    const targets = [
      s3Target({ ...target, name: "app.zip", packaging: "ZIP", onStored }),
      s3Target({ ...target, bucket: "c", identifier: "more", onStored() {} }),
    ];
    const secondary = { "secondary-artifacts": { more: { files: ["out/a"], "discard-paths": "yes" } } };
    await runBuild(make, { artifacts: { ...artifacts, ...secondary } }, { targets });
    expect(keys()).toEqual(["b/app.zip", "c/app/a"]);
    expect(Object.keys(unzipSync(role.objects.get("b/app.zip")!))).toEqual(["a", "sub/b"]);
    expect(onStored).toHaveBeenCalledWith({
      location: "arn:aws:s3:::b/app.zip",
      md5sum: expect.stringMatching(/^[0-9a-f]{32}$/),
      sha256sum: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
  });

  test("fails when no file is there", async () => {
    const targets = [s3Target({ ...target, onStored() {} })];
    const run = await runBuild({}, { artifacts: { files: ["none"] } }, { targets });
    expect([run.status, contextOf(run, "UPLOAD_ARTIFACTS")]).toEqual([
      "FAILED",
      { statusCode: "CLIENT_ERROR", message: "no matching artifact paths found" },
    ]);
  });
});

describe("the end", () => {
  const sleeper = { build: { commands: ["sleep 300 & echo pid=$!; echo pid=$$; wait"] } };
  const pids = () => [...role.log.matchAll(/^pid=(\d+)$/gm)].map(([, pid]) => Number(pid));

  test("kills all processes of a build that is stopped, and removes its folder", async () => {
    const run = start(specOf({ ...sleeper, post_build: { commands: ["echo never"] } }));
    await until(() => pids().length === 2);
    const folder = sourceFolder();
    run.stop();
    await run.done;
    expect([run.status, statuses(run).BUILD, Object.keys(statuses(run)).at(-1)]).toEqual([
      "STOPPED",
      "STOPPED",
      "FINALIZING",
    ]);
    expect([pids().filter(lives), existsSync(folder)]).toEqual([[], false]);
  });

  test("kills those that do not listen", async () => {
    const stubborn = `trap "" TERM; echo pid=$$; while :; do sleep 0.1; done`;
    const run = start(specOf({ build: { commands: [stubborn] } }));
    await until(() => pids().length);
    run.stop();
    await run.done;
    expect([run.status, pids().filter(lives)]).toEqual(["STOPPED", []]);
  });

  test("times out", async () => {
    const run = start(specOf(sleeper), { timeoutMilliseconds: 1500 });
    await run.done;
    expect([run.status, contextOf(run, "BUILD")]).toEqual([
      "TIMED_OUT",
      { statusCode: "BUILD_TIMED_OUT", message: "Build has timed out." },
    ]);
    expect(pids().filter(lives)).toEqual([]);
  });

  test("waits for no process in the background, and leaves none", async () => {
    const started = Date.now();
    const run = await runBuild({
      build: { commands: ["sleep 300 & echo pid=$!", "sleep 300 > /dev/null & echo pid=$!", "echo next"] },
    });
    expect([run.status, pids().length, printed()]).toEqual(["SUCCEEDED", 2, expect.stringMatching(/next$/)]);
    expect(pids().filter(lives)).toEqual([]);
    expect(Date.now() - started).toBeLessThan(10_000);
  });

  test("leaves to a source what it brought, when nothing of the build runs any more", async () => {
    const left: unknown[] = [];
    const leave = (folder: string) =>
      left.push([readFileSync(join(folder, "made"), "utf8"), pids().filter(lives)]);
    const commands = ["sleep 300 & echo pid=$!", "printf new > made"];
    await runBuild({ build: { commands } }, {}, { sources: [{ ...nothing, leave }] });
    expect([left, existsSync(sourceFolder())]).toEqual([[["new", []]], false]);
  });

  test("leaves nothing of a build that is stopped", async () => {
    const leave = jest.fn();
    const run = start(specOf(sleeper), { sources: [{ ...nothing, leave }] });
    await until(() => pids().length === 2);
    run.stop();
    await run.done;
    expect(leave).not.toHaveBeenCalled();
  });

  /** Runs a script of its own, which has `BuildProcesses`. */
  function elsewhere(script: string) {
    const { code } = transformFileSync(join(__dirname, "../../../tools/local-aws/builds/processes.ts"), {
      jsc: { parser: { syntax: "typescript" }, target: "es2022" },
      module: { type: "commonjs" },
    });
    const child = spawn(process.execPath, [
      "-e",
      `${code}\n{ const { BuildProcesses } = exports; ${script} }`,
    ]);
    let output = "";
    child.stdout.on("data", (text) => {
      output += text;
    });
    const found = (what: string) =>
      [...output.matchAll(new RegExp(`^${what}=(.+)$`, "gm"))].map(([, one = ""]) => one);
    return { child, found, living: () => found("pid").filter((pid) => lives(Number(pid))) };
  }

  test("is that of all builds when we are killed, also of what does not listen, and of their folders", async () => {
    const commands = [
      "sleep 300 & echo pid=$$; echo pid=$!; wait",
      'trap "" TERM; echo pid=$$; exec sleep 300',
      // It has ended, and left something behind.
      "sleep 300 > /dev/null & echo pid=$!",
      "exec > /dev/null",
    ];
    const { child, found, living } = elsewhere(`
      for (const command of ${JSON.stringify(commands)}) {
        const build = new BuildProcesses();
        console.log("folder=" + build.folder);
        const options = { cwd: "/", env: process.env };
        void build.run(["sh", "-c", command], options, (text) => process.stdout.write(text));
      }`);
    await until(() => found("pid").length === 4 && found("folder").length === 4);
    expect(living()).toEqual(found("pid"));
    child.kill("SIGKILL");
    await until(() => !living().length && !found("folder").some(existsSync));
  });

  test("comes also where what watches over us is killed, and the next build has another", async () => {
    const { child, found, living } = elsewhere(`
      const { ChildProcess } = require("node:child_process");
      const { spawn } = ChildProcess.prototype;
      let keeper;
      ChildProcess.prototype.spawn = function (...options) {
        const result = spawn.apply(this, options);
        keeper ??= this;
        return result;
      };
      const options = { cwd: "/", env: process.env };
      const build = new BuildProcesses();
      console.log("folder=" + build.folder);
      const kill = (text) => { process.stdout.write(text); keeper.kill("SIGKILL"); };
      build.run(["sh", "-c", "echo pid=$$; sleep 300"], options, kill).catch(async ({ message }) => {
        console.log("error=" + message);
        await build.end();
        const next = new BuildProcesses();
        console.log("next=" + await next.run(["true"], options, () => {}));
        await next.end();
      });`);
    await once(child, "exit");
    expect([found("error"), found("next"), found("pid").length]).toEqual([
      ["the build's processes have ended"],
      ["0"],
      1,
    ]);
    await until(() => !living().length && !found("folder").some(existsSync));
  });
});

test("builds see of the machine what they need, and none of the caller's secrets", () => {
  const secrets = {
    AWS_SECRET_ACCESS_KEY: "x",
    AWS_PROFILE: "x",
    GITHUB_TOKEN: "x",
    NODE_OPTIONS: "x",
    "npm_config_//registry/:_authToken": "x",
  };
  const fine = {
    PATH: "/bin",
    HOME: "/home",
    LC_ALL: "C",
    npm_config_cache: "/c",
    NPM_AUDIT_REGISTRY: "http://audits",
    https_proxy: "http://p",
  };
  expect(machineEnvironment({ ...secrets, ...fine, NO_PROXY: "a" })).toEqual({
    ...fine,
    NO_PROXY: "a,127.0.0.1,localhost",
    no_proxy: "a,127.0.0.1,localhost",
    AWS_CONFIG_FILE: "/dev/null",
    AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
  });
});
