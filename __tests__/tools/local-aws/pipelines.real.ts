import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { CodeBuildClient, CreateProjectCommand } from "@aws-sdk/client-codebuild";
import {
  CodePipelineClient,
  CreatePipelineCommand,
  GetPipelineExecutionCommand,
  GetPipelineStateCommand,
  ListActionExecutionsCommand,
  type PipelineDeclaration,
  PutApprovalResultCommand,
  StartPipelineExecutionCommand,
  StopPipelineExecutionCommand,
  UpdatePipelineCommand,
} from "@aws-sdk/client-codepipeline";
import { CreateBucketCommand, GetObjectCommand, HeadObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { unzipSync } from "fflate";
import { handInSource, type LocalAws, SOURCES_BUCKET, startLocalAws } from "../../../tools/local-aws";
import { packedFiles, writeZip } from "../../../tools/local-aws/builds/zip";
import { motoServer } from "../../support/moto";
import { untilFound } from "./until";

jest.setTimeout(3 * 60_000);

const BUILD = "111111111111";
const region = "eu-west-1";
const BUCKET = "proof-artifacts";

let aws: LocalAws;
let folder: string;
let codepipeline: CodePipelineClient;
let s3: S3Client;
beforeAll(async () => {
  aws = await startLocalAws({ account: BUILD, motoServer: await motoServer() });
  folder = mkdtempSync(join(tmpdir(), "slipway-pipelines-"));
  const config = {
    endpoint: aws.endpoint,
    region,
    credentials: { accessKeyId: "local", secretAccessKey: "local" },
  };
  codepipeline = new CodePipelineClient(config);
  s3 = new S3Client({ ...config, forcePathStyle: true });
  await s3.send(
    new CreateBucketCommand({ Bucket: BUCKET, CreateBucketConfiguration: { LocationConstraint: region } }),
  );
  const codebuild = new CodeBuildClient(config);
  for (const [name, buildspec] of Object.entries(PROJECTS)) {
    await codebuild.send(
      new CreateProjectCommand({
        name,
        serviceRole: `arn:aws:iam::${BUILD}:role/build`,
        source: { type: "CODEPIPELINE", buildspec: JSON.stringify({ version: "0.2", ...buildspec }) },
        artifacts: { type: "CODEPIPELINE" },
        environment: { type: "LINUX_CONTAINER", image: "i", computeType: "BUILD_GENERAL1_SMALL" },
      }),
    );
  }
  codebuild.destroy();
});
afterAll(async () => {
  codepipeline.destroy();
  s3.destroy();
  await aws.stop();
  rmSync(folder, { recursive: true });
});

const commands = (...given: string[]) => ({ phases: { build: { commands: given } } });

/** Is there while the slow build runs. */
const SLOW = join(tmpdir(), `slipway-pipelines-slow-${process.pid}`);

/** Builds, by their project's name. */
const PROJECTS = {
  make: {
    env: { "exported-variables": ["TAG"] },
    ...commands("mkdir bin", "ln -s ../tools/hello.sh bin/hello", "TAG=v-$(cat version.txt)"),
    artifacts: { files: ["**/*"], "enable-symlinks": "yes" },
  },
  check: commands(
    'test "$(tools/hello.sh)" = hello',
    "! test -e node_modules",
    "! test -e terraform.tfstate",
  ),
  use: {
    ...commands(
      'test "$CODEBUILD_INITIATOR" = codepipeline/$PIPELINE',
      `case "$CODEBUILD_SOURCE_VERSION" in arn:aws:s3:::${BUCKET}/*/Made/*) ;; *) exit 1;; esac`,
      'test "$CODEBUILD_RESOLVED_SOURCE_VERSION" = c0ffee',
      'test "$(bin/hello) $TAG" = "hello v-7"',
      "test -L bin/hello",
      'test "$(cat "$CODEBUILD_SRC_DIR_Code/version.txt")" = 7',
    ),
  },
  slow: commands(`touch ${SLOW}; sleep 2`),
  // Artifacts of five megabytes and more are kept unpacked.
  install: {
    ...commands("mkdir -p node_modules/pack", "head -c 6000000 /dev/urandom > node_modules/pack/index.js"),
    artifacts: { files: ["**/*"] },
  },
  look: {
    env: { "exported-variables": ["PACKAGES"] },
    // When they were laid out.
    ...commands("PACKAGES=$(node -p 'fs.statSync(\"node_modules/pack\").mtimeMs')"),
  },
};

const type = (category: "Source" | "Build" | "Approval", provider: string) => ({
  category,
  owner: "AWS" as const,
  provider,
  version: "1",
});
const build = (name: keyof typeof PROJECTS, changes: object = {}) => ({
  name,
  namespace: name,
  actionTypeId: type("Build", "CodeBuild"),
  inputArtifacts: [{ name: "Code" }],
  configuration: { ProjectName: name },
  ...changes,
});

/** Source, two builds side by side, an approval, and a build that uses both. */
const pipeline = (name: string): PipelineDeclaration => ({
  name,
  roleArn: `arn:aws:iam::${BUILD}:role/pipeline`,
  pipelineType: "V2",
  executionMode: "SUPERSEDED",
  artifactStore: { type: "S3", location: BUCKET },
  stages: [
    {
      name: "Source",
      actions: [
        {
          name: "Fetch",
          namespace: "Source",
          actionTypeId: type("Source", "CodeStarSourceConnection"),
          configuration: { ConnectionArn: "arn:c", FullRepositoryId: `acme/${name}`, BranchName: "main" },
          outputArtifacts: [{ name: "Code" }],
        },
      ],
    },
    {
      name: "Build",
      actions: [build("make", { outputArtifacts: [{ name: "Made" }] }), build("check")],
    },
    {
      name: "Ask",
      actions: [
        {
          name: "approve",
          actionTypeId: type("Approval", "Manual"),
          configuration: { CustomData: "#{make.TAG} of #{Source.CommitId}: #{Source.CommitMessage}" },
        },
      ],
    },
    {
      name: "Deploy",
      actions: [
        build("use", {
          inputArtifacts: [{ name: "Code" }, { name: "Made" }],
          configuration: {
            ProjectName: "use",
            PrimarySource: "Made",
            EnvironmentVariables: JSON.stringify([
              { name: "TAG", value: "#{make.TAG}", type: "PLAINTEXT" },
              { name: "PIPELINE", value: name, type: "PLAINTEXT" },
            ]),
          },
        }),
      ],
    },
  ],
});

async function handIn(name: string): Promise<void> {
  const source = join(folder, name);
  const write = (path: string, content: string, mode = 0o644) => {
    mkdirSync(dirname(join(source, path)), { recursive: true });
    writeFileSync(join(source, path), content, { mode });
  };
  write("tools/hello.sh", "#!/bin/sh\necho hello\n", 0o755);
  write("version.txt", "7\n");
  for (const path of ["node_modules/a/b.js", ".git/HEAD", "terraform.tfstate", "cdktf.out/a"])
    write(path, "");
  symlinkSync("tools/hello.sh", join(source, "hello"));
  const commit = { commit: "c0ffee", message: "Grüße ☂\n\nand more", author: "ada" };
  await handInSource({ s3, repository: `acme/${name}`, branch: "main", folder: source, ...commit });
}

/** A pipeline that has not run yet. */
async function create(name: string, declaration = pipeline(name)): Promise<void> {
  await codepipeline.send(new CreatePipelineCommand({ pipeline: declaration }));
  // It would start by itself where its source is there by the time that it is looked for.
  await new Promise((resolve) => setTimeout(resolve, 1000));
  await handIn(name);
}

const start = async (name: string) =>
  (await codepipeline.send(new StartPipelineExecutionCommand({ name }))).pipelineExecutionId ?? "";
const stages = async (name: string) =>
  (await codepipeline.send(new GetPipelineStateCommand({ name }))).stageStates ?? [];
const actions = async (pipelineName: string, pipelineExecutionId: string) =>
  (
    await codepipeline.send(
      new ListActionExecutionsCommand({ pipelineName, filter: { pipelineExecutionId } }),
    )
  ).actionExecutionDetails ?? [];

async function decide(name: string, status: "Approved" | "Rejected"): Promise<void> {
  const token = await untilFound(
    async () => (await stages(name))[2]?.actionStates?.[0]?.latestExecution?.token,
  );
  await codepipeline.send(
    new PutApprovalResultCommand({
      pipelineName: name,
      stageName: "Ask",
      actionName: "approve",
      token,
      result: { status, summary: "" },
    }),
  );
}

/** How an execution ended, and why. */
const ended = (pipelineName: string, pipelineExecutionId: string) =>
  untilFound(async () => {
    const command = new GetPipelineExecutionCommand({ pipelineName, pipelineExecutionId });
    const { pipelineExecution: found } = await codepipeline.send(command);
    const ends = !["InProgress", "Stopping"].includes(found?.status ?? "");
    return ends && [found?.status, found?.statusSummary];
  });

test("an execution goes from its source to the end, when it is approved", async () => {
  await create("approved");
  const id = await start("approved");
  await decide("approved", "Approved");
  expect(await ended("approved", id)).toEqual(["Succeeded", undefined]);

  const runs = new Map((await actions("approved", id)).map((run) => [run.actionName, run]));
  expect(runs.get("approve")?.input?.resolvedConfiguration?.CustomData).toBe(
    "v-7 of c0ffee: Grüße ☂\n\nand more",
  );
  expect(runs.get("make")?.output).toMatchObject({
    outputVariables: { TAG: "v-7" },
    executionResult: { externalExecutionId: expect.stringMatching(/^make:/) },
  });
  const { bucket: Bucket, key: Key } = runs.get("make")?.output?.outputArtifacts?.[0]?.s3location ?? {};
  expect([Bucket, Key]).toEqual([BUCKET, expect.stringMatching(/^approved\/Made\/\w{7}$/)]);
  const { Body, Metadata, ContentLength } = await s3.send(new GetObjectCommand({ Bucket, Key }));
  const content = (await Body?.transformToByteArray()) ?? new Uint8Array();
  expect([ContentLength, Metadata?.["codebuild-buildarn"]]).toEqual([
    content.length,
    expect.stringMatching(/:build\/make:/),
  ]);
  const files = unzipSync(content);
  expect(Object.keys(files)).toEqual(["bin/hello", "hello", "tools/hello.sh", "version.txt"]);
  expect(Buffer.from(files["bin/hello"]!).toString()).toBe("../tools/hello.sh");
});

test("a build gets the packages of one before it, without their being laid out anew", async () => {
  const { stages: all, ...rest } = pipeline("handed-on");
  const look = (action: string) =>
    build("look", { name: action, namespace: action, inputArtifacts: [{ name: "Packages" }] });
  const stage = (name: string, ...of: object[]) => ({
    name,
    actions: of as (typeof all & object)[0]["actions"],
  });
  await create("handed-on", {
    ...rest,
    stages: [
      all![0]!,
      stage("Install", build("install", { outputArtifacts: [{ name: "Packages" }] })),
      stage("First", look("first")),
      stage("Second", look("second")),
    ],
  });
  const id = await start("handed-on");
  expect(await ended("handed-on", id)).toEqual(["Succeeded", undefined]);
  const runs = await actions("handed-on", id);
  const [second, first] = runs.map(({ output }) => output?.outputVariables?.PACKAGES);
  expect(first).toMatch(/^\d+/);
  expect(second).toBe(first);
});

test("an execution that is refused fails, and deploys nothing", async () => {
  await create("refused");
  const id = await start("refused");
  await decide("refused", "Rejected");
  expect(await ended("refused", id)).toEqual(["Failed", expect.stringContaining("approve: Rejected by")]);
  expect((await actions("refused", id)).map(({ actionName }) => actionName)).not.toContain("use");
});

test("of executions that wait the newest stays", async () => {
  await create("superseded");
  await start("superseded");
  // Or the one that its creation started, where the source was there in time.
  const { pipelineExecutionId: first = "" } = await untilFound(
    async () => (await stages("superseded"))[2]?.latestExecution,
  );
  const second = await start("superseded");
  await untilFound(async () => (await stages("superseded"))[2]?.inboundExecution);
  const third = await start("superseded");
  expect(await ended("superseded", second)).toEqual(["Superseded", undefined]);
  await decide("superseded", "Rejected");
  expect((await ended("superseded", first))[0]).toBe("Failed");
  await decide("superseded", "Approved");
  expect(await ended("superseded", third)).toEqual(["Succeeded", undefined]);
});

/** Source and one build that takes its time; and waits until that runs. */
async function startSlow(name: string): Promise<string> {
  const { stages: all, ...rest } = pipeline(name);
  const slow = [all![0]!, { name: "Build", actions: [build("slow"), build("check", { runOrder: 2 })] }];
  await create(name, { ...rest, stages: slow });
  rmSync(SLOW, { force: true });
  const id = await start(name);
  await untilFound(async () => {
    try {
      return readFileSync(SLOW) && true;
    } catch {
      return false;
    }
  });
  return id;
}

test("an execution that is stopped lets its build come to its end; one that is abandoned does not", async () => {
  const id = await startSlow("stopped");
  const stop = (pipelineExecutionId: string, abandon: boolean) =>
    codepipeline.send(
      new StopPipelineExecutionCommand({ pipelineName: "stopped", pipelineExecutionId, abandon }),
    );
  await stop(id, false);
  expect((await ended("stopped", id))[0]).toBe("Stopped");
  const statuses = async (of: string) =>
    (await actions("stopped", of)).map(({ actionName, status }) => [actionName, status]);
  expect(await statuses(id)).toEqual([
    ["slow", "Succeeded"],
    ["Fetch", "Succeeded"],
  ]);
  const other = await start("stopped");
  await untilFound(async () => (await statuses(other)).length === 2);
  await stop(other, true);
  expect([await ended("stopped", other), (await statuses(other))[0]]).toEqual([
    ["Stopped", undefined],
    ["slow", "Abandoned"],
  ]);
});

test("an execution whose pipeline is updated is cancelled after the build that runs", async () => {
  const id = await startSlow("updated");
  await codepipeline.send(new UpdatePipelineCommand({ pipeline: pipeline("updated") }));
  expect((await ended("updated", id))[0]).toBe("Cancelled");
  expect((await actions("updated", id)).map(({ actionName, status }) => [actionName, status])).toEqual([
    ["slow", "Succeeded"],
    ["Fetch", "Succeeded"],
  ]);
});

test("a pipeline starts when it is created, where its source is there", async () => {
  await handIn("created");
  const head = { Bucket: SOURCES_BUCKET, Key: "acme/created/main.zip" };
  expect((await s3.send(new HeadObjectCommand(head))).Metadata).toMatchObject({ commit: "c0ffee" });
  await codepipeline.send(new CreatePipelineCommand({ pipeline: pipeline("created") }));
  await decide("created", "Rejected");
});

test("a ZIP holds more entries than 16 bits count", async () => {
  const entries = Array.from({ length: 70_000 }, (_, index) => ({ path: `${index}`, file: "/dev/null" }));
  const [once, zip] = [join(folder, "once.zip"), join(folder, "many.zip")];
  await writeZip(once, entries.slice(0, 1));
  const [packed] = await packedFiles(once);
  // To pack so many takes far longer than to write them.
  await writeZip(zip, entries, () => ({ ...packed!, zip: once }));
  expect(Object.keys(unzipSync(readFileSync(zip))).length).toBe(entries.length);
});
