import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { CreateRepositoryCommand, DescribeImagesCommand, ECRClient } from "@aws-sdk/client-ecr";
import { type LocalAws, startLocalAws } from "../../../tools/local-aws";
import { runInBuild } from "../../support/builds";
import { LocalClients, region } from "../../support/local-aws";
import { motoServer } from "../../support/moto";
import { exampleText, ROOT } from "../../support/settings";

jest.setTimeout(10 * 60_000);

const BUILD = "111111111111";
const BUCKET = "proof-images";
const REGISTRY = `${BUILD}.dkr.ecr.${region}.amazonaws.com`;
const COMMIT = "c0ffee".padEnd(40, "0");

let aws: LocalAws;
let clients: LocalClients;
let ecr: ECRClient;
beforeAll(async () => {
  aws = await startLocalAws({ account: BUILD, motoServer: await motoServer() });
  clients = new LocalClients(aws.endpoint);
  ecr = clients.of(ECRClient);
  await clients.createBucket(BUCKET);
  for (const repositoryName of ["hello/web", "small"])
    await ecr.send(new CreateRepositoryCommand({ repositoryName, imageTagMutability: "IMMUTABLE" }));
});
afterAll(async () => {
  clients.destroy();
  await aws.stop();
});

const run = (name: string, files: Record<string, string | Buffer>, commands: readonly string[]) =>
  runInBuild(clients, { name, bucket: BUCKET, files, commands, variables: { COMMIT } });

async function describe(repositoryName: string, imageId: { imageTag?: string; imageDigest?: string }) {
  const { imageDetails } = await ecr.send(
    new DescribeImagesCommand({ repositoryName, imageIds: [imageId], registryId: BUILD }),
  );
  return imageDetails?.[0];
}

test("docker of a build pushes what ECR then has, and never under a tag that is taken", async () => {
  const build = `docker buildx build --platform=linux/amd64 --tag=${REGISTRY}/small:v1 --metadata-file=meta.json --push .`;
  const Dockerfile = 'FROM node:22\nWORKDIR /app\nCOPY index.js .\nCMD ["node", "index.js"]\n';
  const { status, log } = await run("small", { Dockerfile, "index.js": "1" }, [
    `${build} || echo "not logged in: $?"`,
    `echo password | docker login --username AWS --password-stdin ${REGISTRY}`,
    build,
    `${build} && echo "the same again: $?"`,
    "cat meta.json",
    "echo 2 > index.js",
    `${build} || echo "another: $?"`,
    build.replaceAll("small:v1", "missing:v1"),
  ]);
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
  for (const file of [".dockerignore", "package.json"]) files[file] = readFileSync(join(ROOT, file));
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
