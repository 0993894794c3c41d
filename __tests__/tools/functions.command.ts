import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { execa } from "execa";
import { unzipSync } from "fflate";
import { budgetOf } from "../../tools/bench/function-budgets";
import { FakeServer } from "../support/fake-server";
import { ROOT } from "../support/settings";

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), "slipway-functions-"));
  folders.push(folder);
  return folder;
}

const FUNCTION = `import { greet } from "greeting";

export class Sorry extends Error {}
export async function handler() {
  const greeting = greet("you");
  if (greeting) throw new Sorry(greeting);
}
`;

/** A project of its own with one function, which uses one of two packages, and nothing to synthesize. */
function project(files: Readonly<Record<string, string>> = {}, root = temporary()): string {
  const all = {
    "main.ts": "",
    "node_modules/.package-lock.json": "{}",
    "lambdas/greet/index.ts": FUNCTION,
    "node_modules/greeting/package.json": '{"name": "greeting", "main": "lib/index.js"}',
    "node_modules/greeting/lib/index.js": "exports.greet = (name) => {\n  return 'hello ' + name;\n};\n",
    "node_modules/unused/index.js": "exports.unused = true;",
    ...files,
  };
  for (const [path, text] of Object.entries(all)) {
    mkdirSync(join(root, dirname(path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  mkdirSync(join(root, "tools"));
  for (const script of ["run.mjs", "bundle.mjs", "functions.mjs"])
    cpSync(join(ROOT, "tools", script), join(root, "tools", script));
  for (const tool of ["esbuild", "fflate", "@aws-sdk"])
    symlinkSync(join(ROOT, "node_modules", tool), join(root, "node_modules", tool));
  return root;
}

async function archiveOf(root: string): Promise<Buffer> {
  await execa(process.execPath, ["tools/run.mjs", "main.ts"], { cwd: root });
  return readFileSync(join(root, ".slipway/build/functions/greet.zip"));
}

function textsOf(archive: Uint8Array): Record<string, string> {
  const files = Object.entries(unzipSync(archive));
  return Object.fromEntries(files.map(([name, bytes]) => [name, new TextDecoder().decode(bytes)]));
}

test("gives the same bytes for the same source, wherever it lies", async () => {
  const [one, other] = [project(), project()];
  expect((await archiveOf(one)).equals(await archiveOf(other))).toBe(true);
});

test("gives other bytes when the source changes", async () => {
  const root = project();
  const before = await archiveOf(root);
  writeFileSync(join(root, "lambdas/greet/index.ts"), FUNCTION.replace("you", "everybody"));
  expect((await archiveOf(root)).equals(before)).toBe(false);
});

test("puts a map of the source beside the code, with what is used and without paths of a machine", async () => {
  const root = project();
  const { "index.js": code, "index.js.map": map, ...others } = textsOf(await archiveOf(root));
  expect(others).toEqual({});
  expect(code).toMatch(/^\/\/# sourceMappingURL=index\.js\.map$/m);
  const { sources, sourcesContent } = JSON.parse(map!);
  expect(sources.toSorted()).toEqual(["lambdas/greet/index.ts", "node_modules/greeting/lib/index.js"]);
  expect(sourcesContent).toBeUndefined();
  expect(code! + map).not.toContain(root);
});

test("lets a failure name its class and the line of the source, when it runs with source maps", async () => {
  const folder = temporary();
  for (const [name, text] of Object.entries(textsOf(await archiveOf(project()))))
    writeFileSync(join(folder, name), text);
  const print = `require("./index.js").handler().catch((it) => console.log(it.constructor.name, it.stack))`;
  const { stdout } = await execa(process.execPath, ["--enable-source-maps", "-e", print], { cwd: folder });
  expect(stdout).toMatch(/^Sorry /);
  expect(stdout).toContain(join(folder, "lambdas/greet/index.ts:6:"));
});

test("maps a package by its file alone, so that the map stays small", async () => {
  const line = "exports.greet = (name) => 'hello ' + name;\n";
  const large = { "node_modules/greeting/lib/index.js": line.repeat(2000) };
  const map = textsOf(await archiveOf(project(large)))["index.js.map"]!;
  expect(map.length).toBeLessThan(2000);
});

test("fails when a function imports what is not there", async () => {
  const root = project({ "lambdas/greet/index.ts": 'import "./gone";' });
  await expect(archiveOf(root)).rejects.toThrow(/Could not resolve "\.\/gone"/);
});

describe("of AWS's clients", () => {
  /** Tells what became of a request: the answer's field, or the error as a log has it. */
  const ASKING = `
import { CodePipelineClient, GetPipelineCommand, PipelineNotFoundException } from "@aws-sdk/client-codepipeline";
import { InvokeWithResponseStreamCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { GetObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { PublishCommand, SNSClient } from "@aws-sdk/client-sns";
import { GetQueueAttributesCommand, SQSClient } from "@aws-sdk/client-sqs";

export async function handler(errand: string) {
  try {
    return await ask(errand);
  } catch (error) {
    const { name, message, $fault } = error as Error & { $fault?: string };
    const isKnown = error instanceof PipelineNotFoundException;
    return { name, message, $fault, isError: error instanceof Error, isKnown };
  }
}

async function ask(errand: string) {
  const once = { maxAttempts: 1 };
  const client = new CodePipelineClient(once);
  if (errand === "answer") {
    const { pipeline } = await client.send(new GetPipelineCommand({ name: "hello" }));
    return pipeline;
  }
  if (errand === "error of JSON") return client.send(new GetPipelineCommand({ name: "gone" }));
  if (errand === "error of XML")
    return new S3Client({ ...once, forcePathStyle: true }).send(new GetObjectCommand({ Bucket: "b", Key: "gone" }));
  if (errand === "error of a query")
    return new SNSClient(once).send(new PublishCommand({ TopicArn: "arn:aws:sns:eu-central-1:111122223333:gone", Message: "m" }));
  if (errand === "error of what was a query")
    return new SQSClient({ ...once, useQueueUrlAsEndpoint: false }).send(
      new GetQueueAttributesCommand({ QueueUrl: "https://sqs.eu-central-1.amazonaws.com/111122223333/gone" }),
    );
  return new LambdaClient(once).send(new InvokeWithResponseStreamCommand({ FunctionName: "hello" }));
}
`;

  /** Answers as AWS does, in each of its protocols. */
  class FakeAws extends FakeServer {
    /** Headers of all requests. */
    readonly asked: IncomingMessage["headers"][] = [];

    protected override answer(
      { headers, url }: IncomingMessage,
      body: string,
      response: ServerResponse,
    ): void {
      this.asked.push(headers);
      const target = String(headers["x-amz-target"] ?? "");
      if (target.endsWith(".GetPipeline") && body.includes("hello"))
        response.end(
          `{"pipeline":{"name":"hello","roleArn":"r","stages":[],"version":3},"newer":"than the SDK"}`,
        );
      else if (target.endsWith(".GetPipeline"))
        response.writeHead(400).end(`{"__type":"PipelineNotFoundException","message":"No pipeline gone"}`);
      else if (target.startsWith("AmazonSQS."))
        response
          .writeHead(400, { "x-amzn-query-error": "AWS.SimpleQueueService.NonExistentQueue;Sender" })
          .end(`{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"No queue gone"}`);
      else if (body.includes("Action=Publish"))
        response
          .writeHead(404)
          .end(
            "<ErrorResponse><Error><Type>Sender</Type><Code>NotFound</Code><Message>No topic gone</Message></Error></ErrorResponse>",
          );
      else if (url?.startsWith("/b/"))
        response
          .writeHead(404, { "content-type": "application/xml" })
          .end("<Error><Code>NoSuchKey</Code><Message>No object gone</Message></Error>");
      else response.end();
    }
  }

  const aws = new FakeAws();
  let endpoint: string;
  let root: string;
  /** The function's folder: as it is deployed, and with the clients as they are installed. */
  let bundled: string;
  let plain: string;
  beforeAll(async () => {
    endpoint = await aws.start();
    root = project({ "lambdas/greet/index.ts": ASKING }, mkdtempSync(join(tmpdir(), "slipway-functions-")));
    await archiveOf(root);
    bundled = join(root, ".slipway/build/functions/greet");
    plain = join(root, "plain");
    const esbuild = join(ROOT, "node_modules/.bin/esbuild");
    const options = ["--bundle", "--packages=external", "--platform=node", "--outfile=plain/index.js"];
    await execa(esbuild, ["lambdas/greet/index.ts", ...options], { cwd: root });
  });
  afterAll(() => {
    aws.stop();
    rmSync(root, { recursive: true });
  });

  /** Runs the function with Lambda's variables, and these. */
  async function ask(cwd: string, errand: string, variables: Readonly<Record<string, string>> = {}) {
    const env = {
      AWS_REGION: "eu-central-1",
      AWS_ACCESS_KEY_ID: "ASIAFUNCTION",
      AWS_SECRET_ACCESS_KEY: "secret",
      AWS_SESSION_TOKEN: "of the role",
      AWS_ENDPOINT_URL: endpoint,
      AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true",
      ...variables,
    };
    // A stream that nobody reads keeps its process.
    const print = `require("./index.js").handler(process.argv[1]).then((it) => {
      console.log(JSON.stringify(it));
      process.exit();
    })`;
    const options = { cwd, env, extendEnv: false } as const;
    const { stdout } = await execa(process.execPath, ["-e", print, errand], options);
    return JSON.parse(stdout) as unknown;
  }

  test("reads an answer, as the role that the environment tells", async () => {
    expect(await ask(bundled, "answer")).toEqual({ name: "hello", roleArn: "r", stages: [], version: 3 });
    const { authorization, "x-amz-security-token": token, "user-agent": agent } = aws.asked.at(-1)!;
    expect(authorization).toContain("Credential=ASIAFUNCTION/");
    expect(token).toBe("of the role");
    expect(agent).toMatch(/aws-sdk-js\/3\.\d+\.\d+/);
  });

  test("looks for no credentials outside the environment, such as in a profile or of the machine", async () => {
    const home = temporary();
    mkdirSync(join(home, ".aws"));
    const profile = "[default]\naws_access_key_id = AKIAPROFILE\naws_secret_access_key = secret\n";
    writeFileSync(join(home, ".aws/credentials"), profile);
    const none = { AWS_ACCESS_KEY_ID: "", AWS_SECRET_ACCESS_KEY: "", HOME: home };
    expect(await ask(bundled, "answer", none)).toMatchObject({
      name: "CredentialsProviderError",
      message: "Unable to find environment variable credentials.",
    });
  });

  test.each([
    ["error of JSON", "PipelineNotFoundException"],
    ["error of XML", "NoSuchKey"],
    // On the wire these are NotFound and AWS.SimpleQueueService.NonExistentQueue.
    ["error of a query", "NotFoundException"],
    ["error of what was a query", "QueueDoesNotExist"],
  ])("says of an %s what the client says as it is installed", async (errand, name) => {
    const told = await ask(bundled, errand);
    expect(told).toMatchObject({ name, message: expect.stringMatching(/^No \w+ gone$/), isError: true });
    expect(told).toEqual(await ask(plain, errand));
  });

  test("fails by name where an answer is a stream of events, which functions are bundled without", async () => {
    expect(await ask(bundled, "stream")).toMatchObject({
      message: expect.stringMatching(/without event streams/),
    });
  });

  test("holds no form of an operation that is not used", () => {
    const code = readFileSync(join(bundled, "index.js"), "utf8");
    expect(code).toContain('"GetPipeline"');
    expect(code).not.toContain('"PutApprovalResult"');
    expect(code).not.toContain('"CreateBucketConfiguration"');
  });
});

describe("of this project", () => {
  const bundles = join(ROOT, ".slipway/build/functions");
  const names = readdirSync(join(ROOT, "lambdas"));
  beforeAll(async () => {
    const bundle = `import { bundleFunctions } from "./tools/functions.mjs"; await bundleFunctions();`;
    await execa(process.execPath, ["--input-type=module", "-e", bundle], { cwd: ROOT });
  });

  // What grew is told by: npm run bench -- --only functions. More than others have needs a reason.
  test.each(names)("%s stays within the budget of its bundle", (name) => {
    const kilobytes = readFileSync(join(bundles, name, "index.js")).length / 1024;
    expect(kilobytes).toBeLessThanOrEqual(budgetOf(name).kilobytes);
  });

  test.each(
    names.filter((name) => budgetOf(name).kilobytes > 400),
  )("%s has a reason for a larger budget", (name) => {
    expect(budgetOf(name).reason).toMatch(/\w+ \w+/);
  });
});
