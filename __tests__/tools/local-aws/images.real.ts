import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import {
  BatchGetBuildsCommand,
  type Build,
  CodeBuildClient,
  CreateProjectCommand,
  StartBuildCommand,
} from "@aws-sdk/client-codebuild";
import { CreateRepositoryCommand, DescribeImagesCommand, ECRClient } from "@aws-sdk/client-ecr";
import { CreateBucketCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { zipSync } from "fflate";
import { type LocalAws, startLocalAws } from "../../../tools/local-aws";
import { motoServer } from "../../../tools/toolchain";
import { exampleText, ROOT } from "../../support/settings";

jest.setTimeout(10 * 60_000);

const BUILD = "111111111111";
const BUCKET = "proof-images";
const region = "eu-west-1";
const REGISTRY = `${BUILD}.dkr.ecr.${region}.amazonaws.com`;
const COMMIT = "c0ffee".padEnd(40, "0");

let aws: LocalAws;
let codebuild: CodeBuildClient;
let ecr: ECRClient;
let s3: S3Client;
beforeAll(async () => {
  aws = await startLocalAws({ account: BUILD, motoServer: await motoServer() });
  const credentials = { accessKeyId: "local", secretAccessKey: "local" };
  const client = { endpoint: aws.endpoint, region, credentials };
  codebuild = new CodeBuildClient(client);
  ecr = new ECRClient(client);
  s3 = new S3Client({ ...client, forcePathStyle: true });
  const LocationConstraint = region;
  await s3.send(
    new CreateBucketCommand({ Bucket: BUCKET, CreateBucketConfiguration: { LocationConstraint } }),
  );
  for (const repositoryName of ["hello/web", "small"])
    await ecr.send(new CreateRepositoryCommand({ repositoryName, imageTagMutability: "IMMUTABLE" }));
});
afterAll(async () => {
  for (const client of [codebuild, ecr, s3]) client.destroy();
  await aws.stop();
});

/** Runs commands in a build of these files. @returns the build, and what its log says */
async function run(name: string, files: Record<string, Buffer>, commands: readonly string[]) {
  const Body = zipSync(files);
  await s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: `${name}.zip`, Body }));
  await codebuild.send(
    new CreateProjectCommand({
      name,
      serviceRole: `arn:aws:iam::${BUILD}:role/build`,
      source: {
        type: "S3",
        location: `${BUCKET}/${name}.zip`,
        buildspec: JSON.stringify({ version: 0.2, phases: { build: { commands } } }),
      },
      artifacts: { type: "NO_ARTIFACTS" },
      environment: {
        type: "LINUX_CONTAINER",
        image: "standard:7.0",
        computeType: "BUILD_GENERAL1_SMALL",
        environmentVariables: [{ name: "COMMIT", value: COMMIT }],
      },
      logsConfig: { cloudWatchLogs: { status: "ENABLED", groupName: "builds", streamName: name } },
    }),
  );
  const { build } = await codebuild.send(new StartBuildCommand({ projectName: name }));
  const ended = await waitFor(build?.id ?? "");
  return { status: ended.buildStatus, log: await logOf(ended) };
}

async function waitFor(id: string): Promise<Build> {
  for (;;) {
    const { builds } = await codebuild.send(new BatchGetBuildsCommand({ ids: [id] }));
    if (builds?.[0]?.buildComplete) return builds[0];
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

async function logOf({ logs }: Build): Promise<string> {
  const response = await fetch(aws.endpoint, {
    method: "POST",
    headers: {
      authorization: `AWS4-HMAC-SHA256 Credential=local/20260101/${region}/logs/aws4_request, SignedHeaders=host, Signature=0`,
      "content-type": "application/x-amz-json-1.1",
      "x-amz-target": "Logs_20140328.GetLogEvents",
    },
    body: JSON.stringify({
      logGroupName: logs?.groupName,
      logStreamName: logs?.streamName,
      startFromHead: true,
    }),
  });
  const { events = [] } = (await response.json()) as { events?: { message: string }[] };
  return events.map(({ message }) => message).join("");
}

async function describe(repositoryName: string, imageId: { imageTag?: string; imageDigest?: string }) {
  const { imageDetails } = await ecr.send(
    new DescribeImagesCommand({ repositoryName, imageIds: [imageId], registryId: BUILD }),
  );
  return imageDetails?.[0];
}

test("docker of a build pushes what ECR then has, and never under a tag that is taken", async () => {
  const build = `docker buildx build --platform=linux/amd64 --tag=${REGISTRY}/small:v1 --metadata-file=meta.json --push .`;
  const Dockerfile = 'FROM node:22\nWORKDIR /app\nCOPY index.js .\nCMD ["node", "index.js"]\n';
  const { status, log } = await run(
    "small",
    { Dockerfile: Buffer.from(Dockerfile), "index.js": Buffer.from("1") },
    [
      `${build} || echo "not logged in: $?"`,
      `echo password | docker login --username AWS --password-stdin ${REGISTRY}`,
      build,
      `${build} && echo "the same again: $?"`,
      "cat meta.json",
      "echo 2 > index.js",
      `${build} || echo "another: $?"`,
      build.replaceAll("small:v1", "missing:v1"),
    ],
  );
  expect(log).toContain("Local AWS simulates docker");
  expect(log).toContain(`no basic auth credentials for ${REGISTRY}`);
  expect(log).toMatch(/^not logged in: 1$/m);
  expect(log).toMatch(/^the same again: 0$/m);
  expect(log).toMatch(/ECR says Image(Tag)?AlreadyExistsException: .*\n(.*\n)*?another: 1$/m);
  expect(log).toMatch(/not pushed to \S+missing:v1\. ECR says RepositoryNotFoundException: /);
  expect(status).toBe("FAILED");

  const [, digest = ""] = /^\{"containerimage.digest":"(sha256:[0-9a-f]{64})"/m.exec(log) ?? [];
  expect((await describe("small", { imageTag: "v1" }))?.imageDigest).toBe(digest);
  expect((await describe("small", { imageDigest: digest }))?.imageTags).toEqual(["v1"]);
  const image = aws.images.find(`${REGISTRY}/small@${digest}`);
  expect(image).toEqual(aws.images.find(`${REGISTRY}/small:v1`));
  expect(readFileSync(join(image?.root ?? "", "app/index.js"), "utf8")).toBe("1");
});

/** The project as its repository holds it, as far as an image is built of it. */
function project(): Record<string, Buffer> {
  const files: Record<string, Buffer> = { "terraform.tfvars": Buffer.from(exampleText()) };
  for (const name of ["package.json", "package-lock.json", ".dockerignore"])
    files[name] = readFileSync(join(ROOT, name));
  for (const folder of ["app", "settings", "shared", "tools"])
    for (const entry of readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })) {
      const file = join(entry.parentPath, entry.name);
      if (entry.isFile()) files[file.slice(ROOT.length + 1)] = readFileSync(file);
    }
  return files;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

test("npm run image builds the sample app in a build, and what it built answers", async () => {
  const { status, log } = await run("app", project(), [
    `ln -s ${join(ROOT, "node_modules")} node_modules`,
    "npm run --silent image -- web",
    "cat image/web.json",
  ]);
  expect([status, log]).toEqual(["SUCCEEDED", expect.stringContaining(`web: ${REGISTRY}/hello/web@sha256:`)]);
  const { digest, uri } = JSON.parse(/^\{\n {2}"service"[\s\S]*?^\}/m.exec(log)?.[0] ?? "{}");
  expect((await describe("hello/web", { imageTag: COMMIT }))?.imageDigest).toBe(digest);

  const image = aws.images.find(uri);
  expect(image).toMatchObject({ command: ["node", "index.js"], workingDirectory: "/app" });
  const { root = "", command: [program = "", ...args] = [], environment } = image ?? {};
  const port = await freePort();
  const app = spawn(program, args, {
    cwd: join(root, "app"),
    env: { PATH: process.env.PATH, ...environment, PORT: String(port) },
    stdio: "inherit",
  });
  try {
    const answer = await answered(`http://127.0.0.1:${port}/health`);
    expect(answer.status).toBe(200);
  } finally {
    app.kill();
    await once(app, "exit");
  }
  await aws.stop();
  expect(() => readdirSync(root)).toThrow("ENOENT");
});

async function answered(url: string): Promise<Response> {
  for (let tries = 0; ; tries++) {
    try {
      return await fetch(url);
    } catch (error) {
      if (tries === 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
