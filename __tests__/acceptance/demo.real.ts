import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  CodePipelineClient,
  GetPipelineCommand,
  ListPipelineExecutionsCommand,
  StartPipelineExecutionCommand,
} from "@aws-sdk/client-codepipeline";
import {
  GetSecretValueCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
} from "@aws-sdk/client-secrets-manager";
import { execa } from "execa";
import { cdktf, run } from "../../tools/cdktf";
import { demoEnvironment } from "../../tools/demo/environment";
import { rehearsedProject } from "../support/rehearsed-project";
import { exampleText, ROOT } from "../support/settings";
import { FakeGitHub, NUMBER } from "../tools/review/fake-github";
import { releaseScenarios } from "./release-scenarios";

jest.setTimeout(20 * 60_000);

// One Local AWS for all of it: deploying takes minutes.
const folder = join(ROOT, ".slipway/demo");
let demo: ChildProcess;
let output = "";
let env: Record<string, string | undefined>;

beforeAll(async () => {
  demo = spawn(process.execPath, ["tools/demo.mjs", "--minute", "2"], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "pipe"],
  });
  for (const stream of [demo.stdout, demo.stderr])
    stream!.setEncoding("utf8").on("data", (chunk: string) => {
      output += chunk;
    });
  while (!output.includes("runs until Ctrl-C")) {
    if (demo.exitCode !== null) throw new Error(`The demo ended:\n${output}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  const endpoint = /AWS_ENDPOINT_URL=(\S+)/.exec(output)![1]!;
  env = demoEnvironment(process.env, { endpoint, region: "eu-west-1", githubToken: "" });
});

afterAll(async () => {
  if (demo.exitCode === null) demo.kill("SIGKILL");
});

test("every stack deploys to Local AWS, in three accounts, and plans empty", () => {
  expect(output).toMatch(/access-dev +222222222222 +[1-9]/);
  expect(output).toMatch(/access-prod +333333333333 +[1-9]/);
  expect(output).toMatch(/bootstrap +111111111111 +[1-9]/);
  expect(output).toMatch(/pipeline-main +111111111111 +[1-9]/);
  expect(output).toMatch(/service web: http:\/\/\S+/);
  expect(output).toMatch(/pipeline-preview-main_dev +111111111111 +[1-9]/);
  expect(output).toMatch(/every one must be empty \(8 are\)/);
});

test("a deployed function runs, and asks for IAM at its address", async () => {
  const [, address] = /function hello: (\S+)/.exec(output) ?? [];
  expect((await fetch(address!)).status).toBe(403);
  const headers = {
    authorization: `AWS4-HMAC-SHA256 Credential=local/20260101/eu-west-1/lambda/aws4_request, SignedHeaders=host, Signature=${"0".repeat(64)}`,
  };
  expect((await fetch(address!, { headers })).status).toBe(200);
});

describe("a pull request", () => {
  let github: FakeGitHub;
  let api: string;
  /** The pull request's tree, as CodeBuild checks it out. */
  let tree: string;
  const git = (...args: string[]) =>
    execa("git", ["-c", "user.name=somebody", "-c", "user.email=somebody@example.com", ...args], {
      cwd: tree,
    });

  async function push(settings: string): Promise<void> {
    writeFileSync(join(tree, "terraform.tfvars"), settings);
    await git("add", "--all");
    await git("commit", "--quiet", "--message", "Change the settings");
    github.restart((await git("rev-parse", "HEAD")).stdout);
  }

  /** What the review project does when GitHub starts it. */
  const review = () =>
    run(process.execPath, [join(ROOT, "tools/run.mjs"), "tools/review/hosted.ts"], {
      cwd: folder,
      env: {
        ...env,
        GITHUB_TOKEN: undefined,
        GITHUB_API_URL: api,
        CODEBUILD_BUILD_ID: `hello-delivery-review:${randomUUID()}`,
        CODEBUILD_BUILD_URL: "https://eu-west-1.console.aws.amazon.com/codebuild/home",
        CODEBUILD_SRC_DIR: tree,
        PULL_REQUEST: String(NUMBER),
        CODEBUILD_RESOLVED_SOURCE_VERSION: github.head,
      },
      onLine: () => {},
    });

  beforeAll(async () => {
    tree = await rehearsedProject(exampleText());
    // The build installs its own.
    rmSync(join(tree, "node_modules"));
    github = new FakeGitHub("");
    api = await github.start();
    await git("init", "--quiet");
  });
  afterAll(async () => {
    await github.stop();
    rmSync(tree, { recursive: true, force: true });
  });

  test("is planned by a build without the token, and its review posted by one that has it", async () => {
    await push(exampleText().replace('nat              = "per-zone"', 'nat              = "single"'));
    const { exitCode, output: said } = await review();
    expect({ exitCode, said }).toEqual({ exitCode: 0, said: expect.stringContaining("Plans in ") });
    expect(github.comments).toHaveLength(1);
    const [{ body } = { body: "" }] = github.comments;
    expect(body).toContain("> - `dev`: no resource changes.");
    expect(body).toMatch(/> - `prod`: 0 to add, 1 to change, 2 to destroy\. Risks: delete\./);
    expect(body).toMatch(/### Destroys \(2\)\n\n- `prod`: delete `aws_eip\.network_nat-1-address_\w+`/);
    expect(github.statuses.at(-1)).toMatchObject({ state: "success", sha: github.head });
  });

  test("whose settings are wrong is told so in their own words, and not as no change", async () => {
    await push(exampleText().replace("memory      = 512", "memory      = 513"));
    expect((await review()).exitCode).toBe(0);
    const { body } = github.comments[0]!;
    expect(body).toMatch(/terraform.tfvars has a problem:[\s\S]*memory = 513/);
    // What a build prints beside is nobody's concern.
    expect(body).not.toContain("[Container]");
    expect(github.statuses.at(-1)).toMatchObject({ state: "error" });
  });

  test("from a fork is not planned without somebody's word", async () => {
    await push(exampleText());
    github.pull = { head: { sha: github.head, repo: { full_name: "mallory/hello" } } };
    const { output: said } = await review();
    expect(said).toContain(`/codebuild_run(${github.head})`);
    expect(github.comments).toEqual([]);
    expect(github.statuses).toMatchObject([{ state: "pending" }]);
  });

  test("can be reviewed from a laptop as well", async () => {
    github.restart("a".repeat(40));
    github.pull = {};
    const { exitCode, stdout } = await run(
      process.execPath,
      [join(ROOT, "tools/run.mjs"), "tools/review/pr.ts", "--commit", github.head],
      { cwd: folder, env: { ...env, GITHUB_TOKEN: undefined, GITHUB_API_URL: api }, onLine: () => {} },
    );
    expect({ exitCode, stdout }).toEqual({
      exitCode: 0,
      stdout: expect.stringMatching(/^Plan review: no changes/),
    });
    expect(github.comments[0]!.body).toContain("Plan review: no changes.");
  });
});

/** Where the pipeline's actions would run. */
const copies = { plan: join(folder, "planning"), apply: join(folder, "applying") };

describe("a change", () => {
  const plan = join(copies.plan, "plan");
  /** A command of the pipeline, where its action would run it. */
  const command = (name: keyof typeof copies, args: string[], more: Record<string, string> = {}) =>
    run(process.execPath, [join(ROOT, "tools/run.mjs"), `tools/pipeline/${name}.ts`, ...args], {
      cwd: copies[name],
      env: { ...env, ...more },
      onLine: () => {},
    });
  /** What the plan's action tells the actions after it. */
  const variable = async (name: string) =>
    (await execa("sh", ["-c", `. ./variables.sh && printf %s "$${name}"`], { cwd: plan })).stdout;

  beforeAll(async () => {
    writeFileSync(
      join(folder, "terraform.tfvars"),
      exampleText()
        .replace("memory          = 256", "memory          = 512")
        .replace(
          'health_path = "/health"',
          'health_path = "/health"\n    checks = [{ path = "/health" }, { path = "/", contains = "hello" }]',
        ),
    );
    await cdktf(["synth"], { cwd: folder, env, onLine: () => {} });
    for (const copy of Object.values(copies)) {
      cpSync(join(folder, "cdktf.out"), join(copy, "cdktf.out"), {
        recursive: true,
        filter: (path) => !path.includes(".terraform"),
      });
      cpSync(join(folder, "terraform.tfvars"), join(copy, "terraform.tfvars"));
    }
  });

  test("is planned, and its plan read for who approves it", async () => {
    const { exitCode, output: said } = await command("plan", ["dev", "plan"]);
    expect({ exitCode, said }).toEqual({ exitCode: 0, said: expect.stringContaining("memory_size = 512") });
    expect(await variable("PLAN_SHA256")).toMatch(/^[0-9a-f]{64}$/);
    expect(await variable("PLAN_SUMMARY")).toBe("0 to add, 2 to change, 0 to destroy.");
    expect(await variable("PLAN_RISKS")).toBe("none");
    expect(await variable("PLAN_IS_RISKY")).toBe("no");
  });

  test("is not applied with another plan than the one that was approved", async () => {
    const { exitCode, stderr } = await command("apply", ["dev", plan], { PLAN_SHA256: "0".repeat(64) });
    expect({ exitCode, stderr }).toEqual({
      exitCode: 1,
      stderr: expect.stringMatching(/not the plan that was approved.*Nothing was applied\./),
    });
    expect((await command("apply", ["dev", plan])).stderr).toMatch(/PLAN_SHA256 is not set/);
  });

  test("is applied as it was approved, and the next plan is empty", async () => {
    const approved = { PLAN_SHA256: await variable("PLAN_SHA256") };
    const applied = await command("apply", ["dev", plan], approved);
    expect({ exitCode: applied.exitCode, said: applied.output }).toEqual({
      exitCode: 0,
      said: expect.stringContaining("0 added, 2 changed, 0 destroyed"),
    });
    expect((await command("plan", ["dev", "again"])).stdout).toMatch(/^Plan review: no changes\./);
  });

  test("whose plan is stale changes nothing, and says what to do", async () => {
    const approved = { PLAN_SHA256: await variable("PLAN_SHA256") };
    const { exitCode, stderr } = await command("apply", ["dev", plan], approved);
    expect({ exitCode, stderr }).toEqual({
      exitCode: 1,
      stderr: expect.stringMatching(/The plan is stale: dev has changed.*Release a new change/),
    });
  });
});

describe("a release that was deployed,", () =>
  releaseScenarios({ folder: () => copies.apply, env: () => env }));

describe("a pipeline", () => {
  const revision = "a".repeat(40);
  let codepipeline: CodePipelineClient;
  let executionId: string;
  /** What the action of the stage Update runs. */
  const update = (updatedFor: string) =>
    run(process.execPath, [join(ROOT, "tools/run.mjs"), "tools/pipeline/update.ts", "main"], {
      cwd: folder,
      env: { ...env, EXECUTION_ID: executionId, REVISION: revision, UPDATED_FOR: updatedFor },
      onLine: () => {},
    });
  const stages = async () => {
    const { pipeline } = await codepipeline.send(new GetPipelineCommand({ name: "hello-main" }));
    return pipeline!.stages!.map(({ name }) => name);
  };
  const executions = async () => {
    const { pipelineExecutionSummaries = [] } = await codepipeline.send(
      new ListPipelineExecutionsCommand({ pipelineName: "hello-main" }),
    );
    return pipelineExecutionSummaries;
  };

  beforeAll(async () => {
    const { AWS_ENDPOINT_URL: endpoint, AWS_REGION: region } = env;
    const credentials = { accessKeyId: "local", secretAccessKey: "local" };
    codepipeline = new CodePipelineClient({ endpoint, region, credentials });
    const started = await codepipeline.send(new StartPipelineExecutionCommand({ name: "hello-main" }));
    executionId = started.pipelineExecutionId!;
    const settings = readFileSync(join(folder, "terraform.tfvars"), "utf8");
    writeFileSync(
      join(folder, "terraform.tfvars"),
      settings.replace('approval         = "always"', 'approval         = "never"'),
    );
    await cdktf(["synth"], { cwd: folder, env, onLine: () => {} });
  });

  test("that changes is brought up to date, and started anew", async () => {
    expect(await stages()).toContain("Approve-2");
    const { exitCode, output: said } = await update("nothing");
    expect({ exitCode, said }).toEqual({
      exitCode: 0,
      said: expect.stringMatching(/goes on in the place of this one/),
    });
    expect(said).not.toMatch(/ghp_\w+/);
    expect(await stages()).not.toContain("Approve-2");
    expect((await executions()).map(({ pipelineExecutionId }) => pipelineExecutionId)).toEqual([
      expect.any(String),
      executionId,
    ]);
  });

  test("is not started anew a second time: nothing changes any more, in whatever form the same token is stored", async () => {
    const { AWS_ENDPOINT_URL: endpoint, AWS_REGION: region } = env;
    const credentials = { accessKeyId: "local", secretAccessKey: "local" };
    const secrets = new SecretsManagerClient({ endpoint, region, credentials });
    const SecretId = "hello/github-token";
    const { SecretString = "" } = await secrets.send(new GetSecretValueCommand({ SecretId }));
    const { Token } = JSON.parse(SecretString);
    await secrets.send(new PutSecretValueCommand({ SecretId, SecretString: Token }));
    const { exitCode, output: said } = await update(revision);
    expect({ exitCode, said }).toEqual({
      exitCode: 0,
      said: expect.stringMatching(/The pipeline main is as it should be\./),
    });
    expect(await executions()).toHaveLength(2);
  });
});

test("everything is destroyed in order, as the README says", async () => {
  await cdktf(["destroy", "*", "--parallelism", "2"], { cwd: folder, env, onLine: () => {} });
  const bootstrap = await run(
    process.execPath,
    [join(ROOT, "tools/run.mjs"), "tools/bootstrap/index.ts", "--destroy", "--auto-approve"],
    { cwd: folder, env, onLine: () => {} },
  );
  expect(bootstrap).toMatchObject({ exitCode: 0 });
  expect(existsSync(join(folder, ".slipway/bootstrap.out"))).toBe(false);
  demo.kill("SIGINT");
  expect(await once(demo, "exit")).toEqual([0, null]);
});
