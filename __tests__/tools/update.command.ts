import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { delimiter, join } from "node:path";
import { FakeServer } from "../support/fake-server";
import { FakeTerraform } from "../support/fake-terraform";
import { temporaryProject } from "../support/project";
import { exampleText } from "../support/settings";
import { runTool, startTool } from "../support/tools";

const EXECUTION = "11111111-2222-4333-8444-555555555555";
const NEW = "99999999-2222-4333-8444-555555555555";
const REVISION = "a".repeat(40);
const UPDATE = [{ address: "aws_codebuild_project.lint", actions: ["update"] }];

/** CodePipeline, as far as an update talks to it. */
class FakeCodePipeline extends FakeServer {
  readonly calls: [string, unknown][] = [];
  /** Errors that the next calls of an operation are answered with. */
  readonly errors: [string, string][] = [];
  protected override answer(request: IncomingMessage, body: string, response: ServerResponse): void {
    const operation = String(request.headers["x-amz-target"]).split(".")[1]!;
    this.calls.push([operation, JSON.parse(body)]);
    const failing = this.errors.findIndex(([of]) => of === operation);
    const [, error] = failing < 0 ? [] : this.errors.splice(failing, 1)[0]!;
    response.writeHead(error ? 400 : 200, { "content-type": "application/x-amz-json-1.1" });
    response.end(JSON.stringify(error ? { __type: error, message: "no" } : { pipelineExecutionId: NEW }));
  }
}

let codepipeline: FakeCodePipeline;
let endpoint: string;
let terraform: FakeTerraform;
let cwd: string;

beforeEach(async () => {
  codepipeline = new FakeCodePipeline();
  endpoint = await codepipeline.start();
  cwd = temporaryProject(
    exampleText().replace(
      "pipelines = {",
      'pipelines = {\n  develop = { branch = "develop", deploy = [["dev"]] }',
    ),
  );
  terraform = new FakeTerraform(join(cwd, "terraform"));
  for (const stack of ["delivery", "pipeline-main", "pipeline-develop", "pipeline-preview-main_dev"])
    mkdirSync(join(cwd, "cdktf.out/stacks", stack), { recursive: true });
});
afterEach(() => codepipeline.stop());

const inPipeline = { EXECUTION_ID: EXECUTION, REVISION, UPDATED_FOR: "nothing" };

const UPDATE_TOOL = "tools/pipeline/update.ts";
const within = (env: Record<string, string> = inPipeline) => ({
  cwd,
  env: {
    PATH: `${terraform.bin}${delimiter}${process.env.PATH}`,
    HOME: cwd,
    AWS_ENDPOINT_URL: endpoint,
    AWS_ACCESS_KEY_ID: "local",
    AWS_SECRET_ACCESS_KEY: "local",
    ...env,
  },
});
const update = (args: string[], env?: Record<string, string>) => runTool(UPDATE_TOOL, args, within(env));

test("passes where nothing changes, and starts nothing", async () => {
  const { exitCode, stdout } = await update(["develop"]);
  expect({ exitCode, stdout }).toEqual({
    exitCode: 0,
    stdout: expect.stringMatching(/The pipeline develop is as it should be\.$/),
  });
  expect(terraform.asked.filter((line) => /apply/.test(line))).toEqual([]);
  expect(codepipeline.calls).toEqual([]);
});

test("applies what changed, starts the pipeline anew, and only then ends its own execution", async () => {
  terraform.plans("pipeline-develop", UPDATE);
  const { exitCode, stdout } = await startTool(UPDATE_TOOL, ["develop"], within()).ended;
  expect({ exitCode, stdout }).toEqual({
    exitCode: 0,
    stdout: expect.stringContaining(`the execution ${NEW} goes on in the place of this one`),
  });
  expect(stdout).toContain("aws_codebuild_project.lint");
  expect(terraform.asked).toContain("pipeline-develop: apply");
  expect(codepipeline.calls).toEqual([
    [
      "StartPipelineExecution",
      {
        name: "hello-develop",
        clientRequestToken: EXECUTION,
        variables: [{ name: "UPDATED_FOR", value: REVISION }],
      },
    ],
    [
      "StopPipelineExecution",
      {
        pipelineName: "hello-develop",
        pipelineExecutionId: EXECUTION,
        abandon: false,
        reason: `The pipeline has changed: ${NEW} goes on in its place`,
      },
    ],
  ]);
});

test("brings what all pipelines share up to date in the first pipeline alone", async () => {
  await update(["develop"]);
  await update(["main"]);
  expect(terraform.asked.filter((line) => line.endsWith(": plan")).sort()).toEqual([
    "delivery: plan",
    "pipeline-develop: plan",
    "pipeline-main: plan",
    "pipeline-preview-main_dev: plan",
  ]);
});

test("applies what the pipeline's previews are made like, and does not start anew for it", async () => {
  terraform.plans("pipeline-preview-main_dev", UPDATE);
  const { exitCode, stdout } = await update(["main"]);
  expect({ exitCode, stdout }).toEqual({
    exitCode: 0,
    stdout: expect.stringMatching(/The pipeline main is as it should be\.$/),
  });
  expect(terraform.asked).toContain("pipeline-preview-main_dev: apply");
  expect(codepipeline.calls).toEqual([]);
});

test("brings it up to date before the pipeline, which is planned anew then", async () => {
  terraform.plans("delivery", UPDATE);
  terraform.plans("pipeline-develop", UPDATE);
  await update(["develop"]);
  const asked = terraform.asked.filter((line) => !line.endsWith(": init"));
  // Both are planned at once, so that the pipeline's first plan may begin before the apply or beside it.
  const plan = "pipeline-develop: plan";
  expect(asked.filter((line) => line !== plan)).toEqual([
    "delivery: plan",
    "delivery: apply",
    "pipeline-develop: apply",
  ]);
  expect(asked.filter((line) => line === plan)).toHaveLength(2);
  expect(asked.slice(-2)).toEqual([plan, "pipeline-develop: apply"]);
});

test("starts anew as well where only what all pipelines share has changed", async () => {
  terraform.plans("delivery", UPDATE);
  await update(["develop"]);
  expect(codepipeline.calls.map(([operation]) => operation)).toEqual([
    "StartPipelineExecution",
    "StopPipelineExecution",
  ]);
});

test("names the revision where the pipeline's branch is a pattern: none of them is the newest", async () => {
  const file = join(cwd, "terraform.tfvars");
  const settings = readFileSync(file, "utf8")
    .replace(/git = \{[^}]*\}/, 'git = { provider = "codecommit", repository = "hello" }')
    .replaceAll('branch = "develop"', 'branch = "release/*"');
  writeFileSync(file, settings);
  terraform.plans("pipeline-develop", UPDATE);
  await update(["develop"]);
  expect(codepipeline.calls[0]![1]).toMatchObject({
    sourceRevisions: [{ actionName: "Source", revisionType: "COMMIT_ID", revisionValue: REVISION }],
  });
});

test("does not go round: fails where the same revision changes something once more", async () => {
  terraform.plans("pipeline-develop", UPDATE, { always: true });
  expect((await update(["develop"])).exitCode).toBe(0);
  codepipeline.calls.length = 0;
  const { exitCode, stderr } = await update(["develop"], { ...inPipeline, UPDATED_FOR: REVISION });
  expect({ exitCode, stderr }).toEqual({
    exitCode: 1,
    stderr: expect.stringMatching(/up to date to this revision a moment ago.*Nothing was applied/),
  });
  expect(codepipeline.calls).toEqual([]);
  expect(terraform.asked.filter((line) => line === "pipeline-develop: apply")).toHaveLength(1);
});

test("goes on to update where a newer revision came between", async () => {
  terraform.plans("pipeline-develop", UPDATE);
  const { exitCode } = await update(["develop"], { ...inPipeline, UPDATED_FOR: "b".repeat(40) });
  expect(exitCode).toBe(0);
  expect(codepipeline.calls).toHaveLength(2);
});

test.each([
  ["aws_ecr_repository.images-web", ["delete"]],
  ["aws_kms_key.key", ["delete"]],
  ["aws_s3_bucket.artifacts", ["delete", "create"]],
  ["aws_codestarconnections_connection.source", ["create", "delete"]],
])("leaves alone, and says so, what it would destroy and nothing brings back: %s", async (address, actions) => {
  terraform.plans("delivery", [...UPDATE, { address, actions }]);
  const { exitCode, stdout } = await update(["develop"]);
  expect({ exitCode, stdout }).toEqual({
    exitCode: 0,
    stdout: expect.stringMatching(new RegExp(`left as it is.*${address}.*npx cdktf deploy delivery`)),
  });
  expect(terraform.asked.filter((line) => /apply/.test(line))).toEqual([]);
  expect(codepipeline.calls).toEqual([]);
});

test.each([
  ["aws_kms_key.links", ["create"]],
  ["aws_kms_alias.links", ["create"]],
  ["aws_apigatewayv2_stage.stage", ["update"]],
])("leaves to a person, and says so before anything is applied, what it may not make: %s", async (address, actions) => {
  terraform.plans("delivery", [...UPDATE, { address, actions }]);
  const { exitCode, stdout } = await update(["develop"]);
  expect({ exitCode, stdout }).toEqual({
    exitCode: 0,
    stdout: expect.stringMatching(new RegExp(`left as it is.*${address}.*npx cdktf deploy delivery`)),
  });
  expect(terraform.asked.filter((line) => /apply/.test(line))).toEqual([]);
});

test("makes nothing anew that holds what nothing brings back and cannot be found, be it gone or hidden", async () => {
  const bucket = "aws_s3_bucket.artifacts";
  terraform.plans("delivery", [{ address: bucket, actions: ["create"] }], {
    drift: [{ address: bucket, actions: ["delete"] }],
  });
  const { exitCode, stderr } = await update(["develop"]);
  expect({ exitCode, stderr }).toEqual({
    exitCode: 1,
    stderr: expect.stringMatching(
      /left as it is: aws_s3_bucket\.artifacts cannot be found.*npx cdktf deploy/s,
    ),
  });
  expect(terraform.asked.filter((line) => /apply/.test(line))).toEqual([]);
});

test("initializes one stack after the other: they share the folder that providers are unpacked into", async () => {
  await update(["develop"]);
  const inits = terraform.asked.filter((line) => line.endsWith(": init"));
  expect(inits).toEqual(["delivery: init", "pipeline-develop: init"]);
});

test("fails when the apply fails, and starts nothing; the next execution goes on from there", async () => {
  terraform.plans("pipeline-develop", UPDATE);
  terraform.fails("apply", "Error: AccessDenied");
  const { exitCode, stderr } = await update(["develop"]);
  expect({ exitCode, stderr }).toEqual({
    exitCode: 1,
    stderr: expect.stringMatching(/not brought up to date.*next execution goes on.*\n.*AccessDenied/),
  });
  expect(codepipeline.calls).toEqual([]);
});

test("fails with what to do when the pipeline does not start anew: the change is not lost in silence", async () => {
  terraform.plans("pipeline-develop", UPDATE);
  codepipeline.errors.push(["StartPipelineExecution", "PipelineNotFoundException"]);
  const { exitCode, stderr } = await update(["develop"]);
  expect({ exitCode, stderr }).toEqual({
    exitCode: 1,
    stderr: expect.stringMatching(
      /did not start anew.*aws codepipeline start-pipeline-execution --name hello-develop/,
    ),
  });
});

test("takes it well that CodePipeline has already ended what ran on the old structure", async () => {
  terraform.plans("pipeline-develop", UPDATE);
  codepipeline.errors.push(["StopPipelineExecution", "PipelineExecutionNotStoppableException"]);
  expect((await update(["develop"])).exitCode).toBe(0);
});

test("fails when its own execution cannot be ended: it must not deploy beside the new one", async () => {
  terraform.plans("pipeline-develop", UPDATE);
  codepipeline.errors.push(["StopPipelineExecution", "ValidationException"]);
  const { exitCode, stderr } = await update(["develop"]);
  expect({ exitCode, stderr }).toEqual({
    exitCode: 1,
    stderr: expect.stringMatching(/could not be stopped/),
  });
});

test("starts nothing where somebody runs it by hand", async () => {
  terraform.plans("pipeline-develop", UPDATE);
  const { exitCode, stdout } = await update(["develop"], {});
  expect({ exitCode, stdout }).toEqual({
    exitCode: 0,
    stdout: expect.stringMatching(/The pipeline develop has changed/),
  });
  expect(codepipeline.calls).toEqual([]);
});

test.each<[string[], RegExp]>([
  [[], /^Name a pipeline: npm run update -- main/],
  [["main", "more"], /^Name a pipeline/],
  [["release"], /no pipeline "release" in terraform\.tfvars: it has develop, main\..*npx cdktf destroy/],
  [["__proto__"], /no pipeline "__proto__"/],
])("fails with words for people when it is given %j", async (args, message) => {
  const { exitCode, stderr } = await update(args);
  expect({ exitCode, stderr }).toEqual({ exitCode: 1, stderr: expect.stringMatching(message) });
});
