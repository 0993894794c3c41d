import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  BatchGetProjectsCommand,
  CodeBuildClient,
  CreateProjectCommand,
  StartBuildCommand,
  type StartBuildCommandInput,
  StopBuildCommand,
} from "@aws-sdk/client-codebuild";
import { GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { unzipSync, zipSync } from "fflate";
import { type LocalAws, startLocalAws } from "../../../tools/local-aws";
import { logOf, waitForBuild } from "../../support/builds";
import { LocalClients, spawnLocalAws } from "../../support/local-aws";
import { motoServer } from "../../support/moto";
import { ROOT } from "../../support/settings";
import { initializedTerraformIn } from "../../support/terraform";
import { lives, until } from "./functions-bed";

jest.setTimeout(5 * 60_000);

const BUILD = "111111111111";
const OTHER = "222222222222";
const BUCKET = "proof-builds";

let aws: LocalAws;
let clients: LocalClients;
let codebuild: CodeBuildClient;
let s3: S3Client;
let folder: string;
let runTerraform: Awaited<ReturnType<typeof initializedTerraformIn>>;
beforeAll(async () => {
  aws = await startLocalAws({ account: BUILD, motoServer: await motoServer() });
  const { endpoint } = aws;
  clients = new LocalClients(endpoint);
  codebuild = clients.of(CodeBuildClient);
  s3 = clients.of(S3Client);
  folder = mkdtempSync(join(tmpdir(), "slipway-builds-"));
  cpSync(join(ROOT, "__tests__/tools/local-aws/terraform/builds"), folder, { recursive: true });
  runTerraform = await initializedTerraformIn(folder, endpoint);
  await runTerraform("apply", "-auto-approve", "-input=false");
});
afterAll(async () => {
  clients.destroy();
  await aws.stop();
  rmSync(folder, { recursive: true });
});

async function startBuild(client: CodeBuildClient, input: StartBuildCommandInput): Promise<string> {
  const { build } = await client.send(new StartBuildCommand(input));
  return build?.id ?? "";
}

/** Prints, in a build, whose credentials it has. */
const WHO = `node -e "
  const { AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID } = process.env;
  const authorization = 'AWS4-HMAC-SHA256 Credential=' + AWS_ACCESS_KEY_ID + '/20260101/eu-west-1/sts/aws4_request, SignedHeaders=host, Signature=0';
  fetch(AWS_ENDPOINT_URL, { method: 'POST', headers: { authorization }, body: new URLSearchParams({ Action: 'GetCallerIdentity' }) })
    .then((answer) => answer.text())
    .then((text) => console.log('I am ' + /<Arn>(.*)\\/AWSCodeBuild/.exec(text)[1]));
"`;

test("a plan right after an apply is empty, also after an update, and destroying works", async () => {
  const plan = async (...args: string[]) =>
    (await runTerraform("plan", "-detailed-exitcode", "-input=false", ...args)).exitCode;
  expect(await plan()).toBe(0);
  await runTerraform("apply", "-auto-approve", "-input=false", "-var=revision=2");
  expect(await plan("-var=revision=2")).toBe(0);
  const { projects } = await codebuild.send(new BatchGetProjectsCommand({ names: ["proof-review"] }));
  expect(projects?.[0]?.webhook?.filterGroups?.[0]?.[1]).toMatchObject({
    pattern: "^refs/heads/(main|release-2)$",
  });
  await runTerraform("destroy", "-auto-approve", "-input=false", "-target=aws_codebuild_webhook.review");
  const after = await codebuild.send(new BatchGetProjectsCommand({ names: ["proof-review"] }));
  expect(after.projects?.[0]?.webhook).toBeUndefined();
});

test("a build takes its source from S3, runs, and leaves its artifact and its log", async () => {
  const buildspec = `
version: 0.2
env:
  exported-variables: [VERSION]
phases:
  install:
    runtime-versions: { nodejs: 22 }
  build:
    commands:
      - VERSION=$(cat version.txt)
      - ${JSON.stringify(WHO)}
      - echo "token $TOKEN, password $PASSWORD"
      - test "$TOKEN/$PASSWORD" = made-up-token/made-up-password
      - mkdir dist && tr a-z A-Z < hello.txt > dist/hello.txt
artifacts:
  base-directory: dist
  files: ["**/*"]
`;
  const source = zipSync({
    "buildspec.yml": Buffer.from(buildspec),
    "hello.txt": Buffer.from("hello\n"),
    "version.txt": Buffer.from("1.2.3\n"),
  });
  await s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: "in/app.zip", Body: source }));
  const id = await startBuild(codebuild, { projectName: "proof-app" });
  const build = await waitForBuild(codebuild, id);
  const log = await logOf(clients, build);
  expect([build.buildStatus, log]).toEqual(["SUCCEEDED", expect.stringContaining("Phase complete: BUILD")]);
  expect(log).toContain(`I am arn:aws:sts::${BUILD}:assumed-role/proof-build`);
  expect(log).toContain("token ***, password ***\n");
  expect(log).toContain("Local AWS installs no runtime (nodejs 22)");
  expect(build.exportedEnvironmentVariables).toEqual([{ name: "VERSION", value: "1.2.3" }]);
  expect(build.startTime).toBeInstanceOf(Date);

  const key = `out/${id.split(":")[1]}/app.zip`;
  expect(build.artifacts).toMatchObject({
    location: `arn:aws:s3:::${BUCKET}/${key}`,
    sha256sum: expect.stringMatching(/^[0-9a-f]{64}$/),
  });
  const artifact = await s3.send(new GetObjectCommand({ Bucket: BUCKET, Key: key }));
  expect(artifact.Metadata).toEqual({ "codebuild-buildarn": build.arn });
  const files = unzipSync((await artifact.Body?.transformToByteArray()) ?? new Uint8Array());
  expect(Object.entries(files).map(([path, content]) => [path, Buffer.from(content).toString()])).toEqual([
    ["hello.txt", "HELLO\n"],
  ]);
});

test("a build that is stopped ends, with what its commands printed", async () => {
  const id = await startBuild(codebuild, {
    projectName: "proof-app",
    sourceTypeOverride: "NO_SOURCE",
    artifactsOverride: { type: "NO_ARTIFACTS" },
    buildspecOverride: "version: 0.2\nphases: { build: { commands: [echo started, sleep 300] } }",
  });
  await waitForBuild(codebuild, id, ({ currentPhase }) => currentPhase === "BUILD");
  await codebuild.send(new StopBuildCommand({ id }));
  const build = await waitForBuild(codebuild, id);
  expect([build.buildStatus, await logOf(clients, build)]).toEqual([
    "STOPPED",
    expect.stringContaining("started\n"),
  ]);
});

test("a build of another account has that account's credentials", async () => {
  const inOther = await clients.as(OTHER, "deploy");
  const other = inOther.of(CodeBuildClient);
  const buildspec = JSON.stringify({ version: "0.2", phases: { build: { commands: [WHO] } } });
  await other.send(
    new CreateProjectCommand({
      name: "other",
      serviceRole: `arn:aws:iam::${OTHER}:role/build`,
      source: { type: "NO_SOURCE", buildspec },
      artifacts: { type: "NO_ARTIFACTS" },
      environment: { type: "LINUX_CONTAINER", image: "i", computeType: "BUILD_GENERAL1_SMALL" },
    }),
  );
  const build = await waitForBuild(other, await startBuild(other, { projectName: "other" }));
  const log = await logOf(inOther, build);
  expect(log).toContain(`I am arn:aws:sts::${OTHER}:assumed-role/build`);
  await expect(logOf(clients, build)).rejects.toMatchObject({ name: "ResourceNotFoundException" });
});

test("no build outlives a Local AWS that was killed", async () => {
  const { cli, endpoint } = await spawnLocalAws();
  const its = new LocalClients(endpoint);
  const mine = its.of(CodeBuildClient);
  const note = join(folder, "note");
  const buildspec = `version: 0.2\nphases: { build: { commands: ['echo "$$ $CODEBUILD_SRC_DIR" > ${note}; sleep 300'] } }`;
  await mine.send(
    new CreateProjectCommand({
      name: "lasting",
      serviceRole: `arn:aws:iam::${BUILD}:role/build`,
      source: { type: "NO_SOURCE", buildspec },
      artifacts: { type: "NO_ARTIFACTS" },
      environment: { type: "LINUX_CONTAINER", image: "i", computeType: "BUILD_GENERAL1_SMALL" },
    }),
  );
  await startBuild(mine, { projectName: "lasting" });
  await until(() => existsSync(note) && readFileSync(note, "utf8").endsWith("\n"));
  its.destroy();
  const [pid = "", source = ""] = readFileSync(note, "utf8").trim().split(" ");
  cli.kill("SIGKILL");
  await until(() => !lives(Number(pid)));
  await until(() => !existsSync(source));
});
