import { existsSync } from "node:fs";
import { Functions, readFunctionName } from "../../../tools/local-aws/functions/functions";
import { archive, FunctionsBed } from "./functions-bed";
import { lives, until } from "./until";
import { BUILD, OTHER } from "./upstream";

let bed: FunctionsBed;
beforeEach(async () => {
  bed = (await new FunctionsBed().start()) as FunctionsBed;
});
afterEach(() => bed.stop());

const script = (handler: string) => ({ "index.js": `exports.handler = ${handler};` });
const ARN = `arn:aws:lambda:eu-west-1:${BUILD}:function:hello`;

describe("a handler", () => {
  test.each([
    ["a promise", script("async ({ name }) => ({ hello: name })")],
    ["a callback", script("(event, context, done) => { setTimeout(done, 5, null, { hello: event.name }); }")],
    ["an ES module", { "index.mjs": "export const handler = async ({ name }) => ({ hello: name });" }],
    [
      "an ES module by its package",
      {
        "package.json": '{ "type": "module" }',
        "index.js": "await null; export const handler = async ({ name }) => ({ hello: name });",
      },
    ],
  ])("answers by %s", async (_, files) => {
    await bed.create(files);
    expect(await bed.invoke({ name: "you" })).toMatchObject({
      status: 200,
      error: null,
      version: "$LATEST",
      payload: { hello: "you" },
    });
  });

  test("is found in a folder, and inside of what is exported", async () => {
    await bed.create(
      { "src/app.js": "exports.api = { get: async () => 1 };" },
      { Handler: "src/app.api.get" },
    );
    expect((await bed.invoke()).payload).toBe(1);
  });

  test("gets its context, its variables and the credentials of its role, and nothing of this machine's AWS", async () => {
    process.env.AWS_SECRET_ACCESS_KEY = "mine";
    const names = [
      "AWS_ACCESS_KEY_ID",
      "AWS_SECRET_ACCESS_KEY",
      "AWS_REGION",
      "AWS_ENDPOINT_URL",
      "AWS_EXECUTION_ENV",
      "AWS_LAMBDA_FUNCTION_NAME",
      "AWS_LAMBDA_FUNCTION_VERSION",
      "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
      "_HANDLER",
      "GREETING",
    ];
    await bed.create(
      script(`async (event, context) => ({
        variables: Object.fromEntries(${JSON.stringify(names)}.map((name) => [name, process.env[name]])),
        task: process.env.LAMBDA_TASK_ROOT === __dirname && process.cwd() === __dirname,
        remaining: context.getRemainingTimeInMillis(),
        context,
      })`),
      { Environment: { Variables: { GREETING: "hi", AWS_REGION: "mine" } } },
    );
    const context = Buffer.from('{"custom":{"a":"b"}}').toString("base64");
    const { payload } = await bed.invoke({}, { headers: { "x-amz-client-context": context } });
    delete process.env.AWS_SECRET_ACCESS_KEY;
    expect(payload.variables).toEqual({
      AWS_ACCESS_KEY_ID: "ASIAHELLO",
      AWS_SECRET_ACCESS_KEY: "s",
      AWS_REGION: "eu-west-1",
      AWS_ENDPOINT_URL: bed.endpoint,
      AWS_EXECUTION_ENV: "AWS_Lambda_nodejs22.x",
      AWS_LAMBDA_FUNCTION_NAME: "hello",
      AWS_LAMBDA_FUNCTION_VERSION: "$LATEST",
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: "128",
      _HANDLER: "index.handler",
      GREETING: "hi",
    });
    expect(payload.task).toBe(true);
    expect(payload.remaining).toBeGreaterThan(1000);
    expect(payload.remaining).toBeLessThanOrEqual(3000);
    expect(payload.context).toMatchObject({
      functionName: "hello",
      functionVersion: "$LATEST",
      invokedFunctionArn: ARN,
      memoryLimitInMB: "128",
      awsRequestId: expect.stringMatching(/^[\w-]{36}$/),
      logGroupName: "/aws/lambda/hello",
      clientContext: { custom: { a: "b" } },
    });
  });

  test("finds GitHub at Local AWS, unless its own variables say where it is", async () => {
    const code = script("async () => process.env.GITHUB_API_URL");
    await bed.create(code);
    expect((await bed.invoke()).payload).toBe(`${bed.endpoint}/local-aws/github`);
    const GITHUB_API_URL = "https://github.example.com/api/v3";
    await bed.create(code, { Environment: { Variables: { GITHUB_API_URL } } });
    expect((await bed.invoke()).payload).toBe(GITHUB_API_URL);
  });

  test("has the SDK at hand, whatever its module system", async () => {
    await bed.create({
      "index.mjs": `import { createRequire } from "node:module";
        import { STSClient } from "@aws-sdk/client-sts";
        const same = createRequire(import.meta.url)("@aws-sdk/client-sts").STSClient;
        export const handler = async () => [typeof STSClient, typeof same];`,
    });
    expect((await bed.invoke()).payload).toEqual(["function", "function"]);
  });

  test("that waits for nothing answers null", async () => {
    await bed.create(script("() => new Promise(() => {})"));
    expect(await bed.invoke()).toMatchObject({ error: null, payload: null });
  });
});

describe("a failure", () => {
  test("of the handler comes back as its error, and the environment stays", async () => {
    await bed.create({
      "index.js": `let calls = 0;
        exports.handler = async ({ fail }) => {
          calls++;
          if (fail) throw new TypeError("no " + fail);
          return calls;
        };`,
    });
    const { error, payload, status } = await bed.invoke({ fail: "good" });
    expect([status, error, payload]).toEqual([
      200,
      "Unhandled",
      {
        errorType: "TypeError",
        errorMessage: "no good",
        trace: expect.arrayContaining(["TypeError: no good"]),
      },
    ]);
    expect((await bed.invoke()).payload).toBe(2);
  });

  test.each([
    ["a missing file", { "other.js": "" }, "Runtime.ImportModuleError", "Error: Cannot find module 'index'"],
    [
      "a missing package",
      { "index.js": "require('nowhere')" },
      "Runtime.ImportModuleError",
      "module 'nowhere'",
    ],
    ["a syntax error", { "index.js": "exports.handler = (" }, "Runtime.UserCodeSyntaxError", "SyntaxError: "],
    [
      "a missing handler",
      { "index.js": "" },
      "Runtime.HandlerNotFound",
      "index.handler is undefined or not exported",
    ],
    ["an error while loading", { "index.js": "throw new RangeError('far')" }, "RangeError", "far"],
    ["an exit while loading", { "index.js": "process.exit(3)" }, "Runtime.ExitError", "exit status 3"],
  ])("by %s says so", async (_, files, errorType, message) => {
    await bed.create(files);
    expect(await bed.invoke()).toMatchObject({
      error: "Unhandled",
      payload: { errorType, errorMessage: expect.stringContaining(message) },
    });
  });

  test.each([
    [
      "an exit",
      "process.exit(1)",
      "Runtime.ExitError",
      /^RequestId: [\w-]{36} Error: Runtime exited with error: exit status 1$/,
    ],
    [
      "an exception of nobody's",
      "setTimeout(() => { throw new Error('late'); }); await new Promise(() => {})",
      "Error",
      /^late$/,
    ],
    [
      "a rejection of nobody's",
      "Promise.reject(new Error('late')); await new Promise(() => {})",
      "Runtime.UnhandledPromiseRejection",
      /^Error: late$/,
    ],
  ])("by %s ends the environment, and the next call has another", async (_, code, errorType, message) => {
    await bed.create(script(`async ({ end }) => { if (end) { ${code} } return process.pid; }`));
    const before = (await bed.invoke()).payload;
    expect(await bed.invoke({ end: true })).toMatchObject({
      error: "Unhandled",
      payload: { errorType, errorMessage: expect.stringMatching(message) },
    });
    const after = await bed.invoke();
    expect([after.error, after.payload === before]).toEqual([null, false]);
  });

  test.each([
    ["sleeps", "await new Promise((done) => setTimeout(done, 60_000))"],
    ["never rests", "for (;;);"],
  ])("by time, of a handler that %s, kills it", async (_, code) => {
    await bed.create(
      script(
        `async ({ stay }) => { console.log("at", process.pid); if (stay) { ${code} } return process.pid; }`,
      ),
      { Timeout: 0.5 },
    );
    const pid = (await bed.invoke()).payload;
    const { error, payload, tail } = await bed.invoke(
      { stay: true },
      { headers: { "x-amz-log-type": "Tail" } },
    );
    expect([error, payload]).toEqual([
      "Unhandled",
      {
        errorType: "Sandbox.Timedout",
        errorMessage: expect.stringMatching(/^RequestId: \S+ Error: Task timed out after 0\.50 seconds$/),
      },
    ]);
    expect(tail).toMatch(/INFO\tat \d+\n\S+Z \S+ Task timed out after 0\.50 seconds\nEND /);
    await until(() => !lives(pid));
    expect((await bed.invoke()).payload).not.toBe(pid);
  });

  test("by an answer that is too long, or no JSON, is the function's", async () => {
    await bed.create(script("async ({ long }) => (long ? 'x'.repeat(6_300_000) : 1n)"));
    expect((await bed.invoke({ long: true })).payload.errorType).toBe("Function.ResponseSizeTooLarge");
    expect((await bed.invoke()).payload.errorMessage).toBe("Unable to stringify response body");
  });
});

describe("a call", () => {
  const count = (start = 0) => ({
    "index.js": `let calls = ${start}; exports.handler = async () => ++calls;`,
  });

  test("finds the environment of the last one warm, until code or configuration change", async () => {
    await bed.create(count());
    await bed.invoke();
    expect((await bed.invoke()).payload).toBe(2);
    await bed.update(count(10));
    expect((await bed.invoke()).payload).toBe(11);
    await bed.lambda("PUT", "/2015-03-31/functions/hello/configuration", { MemorySize: 256 });
    expect((await bed.invoke()).payload).toBe(11);
  });

  test("by a version gets the code of then, and by an alias that of its version", async () => {
    await bed.create(count(100));
    await bed.lambda("POST", "/2015-03-31/functions/hello/versions", {});
    await bed.update(count(200), { Publish: true });
    await bed.update(count(300));
    bed.aliases.set("hello:live", { FunctionVersion: "1" });
    const call = async (qualifier?: string) => {
      const { payload, version } = await bed.invoke({}, { qualifier });
      return [payload, version];
    };
    expect(await call("1")).toEqual([101, "1"]);
    expect(await call("live")).toEqual([102, "1"]);
    expect(await call("2")).toEqual([201, "2"]);
    expect(await call()).toEqual([301, "$LATEST"]);
    expect(await call("$LATEST")).toEqual([302, "$LATEST"]);
    bed.aliases.set("hello:live", { FunctionVersion: "2" });
    expect(await call("live")).toEqual([202, "2"]);
  });

  test("by an alias that splits goes where its weights say", async () => {
    await bed.create(count());
    await bed.update(count(), { Publish: true });
    await bed.update({ ...count(), "note.txt": "2" }, { Publish: true });
    const random = jest.spyOn(Math, "random");
    const routing = { AdditionalVersionWeights: { 2: 0.25 } };
    bed.aliases.set("hello:live", { FunctionVersion: "1", RoutingConfig: routing });
    const versions: (string | null)[] = [];
    for (const at of [0, 0.24, 0.25, 0.99]) {
      random.mockReturnValue(at);
      versions.push((await bed.invoke({}, { qualifier: "live" })).version);
    }
    random.mockRestore();
    expect(versions).toEqual(["2", "2", "1", "1"]);
  });

  test("reaches a function by its name and by its ARN, whole or a part of it, with an alias or without", async () => {
    await bed.create(script("async (event, { invokedFunctionArn }) => invokedFunctionArn"));
    bed.aliases.set("hello:live", { FunctionVersion: "$LATEST" });
    for (const name of ["hello", ARN]) expect((await bed.invoke({}, {}, name)).payload).toBe(ARN);
    for (const name of [`${ARN}:live`, `${BUILD}:function:hello:live`, "hello:live"])
      expect((await bed.invoke({}, {}, name)).payload).toBe(`${ARN}:live`);
  });

  test("beside another one has an environment of its own", async () => {
    await bed.create(
      script("async () => { await new Promise((done) => setTimeout(done, 300)); return process.pid; }"),
    );
    const [one, two] = await Promise.all([bed.invoke(), bed.invoke()]);
    expect([one?.error, two?.error, one?.payload === two?.payload]).toEqual([null, null, false]);
  });

  test("beyond the reserved concurrency is refused", async () => {
    bed.reserved.set("hello", 1);
    await bed.create(script("async () => { await new Promise((done) => setTimeout(done, 300)); return 1; }"));
    const all = await Promise.all([bed.invoke(), bed.invoke()]);
    expect(all.map(({ status, code }) => [status, code]).sort()).toEqual([
      [200, null],
      [429, "TooManyRequestsException"],
    ]);
    expect((await bed.invoke()).payload).toBe(1);
  });

  test("that only asks whether it could be made runs nothing", async () => {
    await bed.create({ "index.js": "process.exit(1)" });
    expect((await bed.invoke({}, { headers: { "x-amz-invocation-type": "DryRun" } })).status).toBe(204);
  });

  test.each([
    [
      "a function that is not there",
      "other",
      {},
      404,
      "ResourceNotFoundException",
      "Function not found: arn:aws:lambda:eu-west-1:111111111111:function:other",
    ],
    [
      "an alias that is not there",
      "hello:live",
      {},
      404,
      "ResourceNotFoundException",
      `Function not found: ${ARN}:live`,
    ],
    [
      "an event that is no JSON",
      "hello",
      "{",
      400,
      "InvalidRequestContentException",
      "Could not parse request body into json",
    ],
    [
      "two qualifiers",
      "hello:1?Qualifier=2",
      {},
      400,
      "InvalidParameterValueException",
      "does not match the specified qualifier",
    ],
    ["no name", "he llo", {}, 400, "ValidationException", "'he llo'"],
    ["no version", "hello?Qualifier=../x", {}, 400, "ValidationException", "'../x'"],
  ])("with %s is refused", async (_, name, input, status, code, message) => {
    await bed.create(count());
    const response = await bed.lambda(
      "POST",
      `/2015-03-31/functions/${name.replace("?", "/invocations?")}${name.includes("?") ? "" : "/invocations"}`,
      input,
    );
    const content = (await response.json()) as { message: string };
    expect([response.status, response.headers.get("x-amzn-errortype"), content.message]).toEqual([
      status,
      code,
      expect.stringContaining(message),
    ]);
  });

  test("whose role cannot be assumed fails, and the next one tries again", async () => {
    await bed.create(count());
    const { upstream } = bed;
    bed.upstream = (incoming, response, body) => {
      if (!body.includes("Action=AssumeRole")) return upstream(incoming, response, body);
      response.writeHead(403).end("<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>");
    };
    const { status, code, payload } = await bed.invoke();
    expect([status, code, payload.message]).toEqual([
      403,
      "AccessDeniedException",
      expect.stringContaining("The role defined for the function cannot be assumed by Lambda"),
    ]);
    bed.upstream = upstream;
    expect((await bed.invoke()).payload).toBe(1);
  });

  test("of code that is no archive says so", async () => {
    await bed.create({}, { Code: { ZipFile: Buffer.from("no archive at all").toString("base64") } });
    const { status, payload } = await bed.invoke();
    expect([status, payload.message]).toEqual([400, expect.stringMatching(/zip/i)]);
  });

  test("of another runtime says what Local AWS runs", async () => {
    await bed.create({ "index.py": "" }, { Runtime: "python3.13" });
    const { status, payload } = await bed.invoke();
    expect([status, payload.message]).toEqual([
      400,
      "Local AWS runs functions of nodejs alone: hello has the runtime python3.13",
    ]);
  });

  test("gets code from S3 as it was at the time", async () => {
    const zip = Buffer.from(archive(count()), "base64");
    const { upstream } = bed;
    const paths: (string | undefined)[] = [];
    bed.upstream = (incoming, response, body) => {
      if (!incoming.url?.startsWith("/code/")) return upstream(incoming, response, body);
      paths.push(incoming.url);
      response.end(zip);
    };
    await bed.create({}, { Code: { S3Bucket: "code", S3Key: "my app.zip", S3ObjectVersion: "v1" } });
    expect((await bed.invoke()).payload).toBe(1);
    expect(paths).toEqual(["/code/my%20app.zip?versionId=v1"]);
  });
});

describe("a function's log", () => {
  const chatty = script(`async () => {
    console.log("hello %s\\nand you", "me");
    console.debug("details");
    console.error({ a: 1 });
    process.stdout.write("raw");
    return 1;
  }`);

  test("has what it printed between Lambda's own lines, in its group and a stream of the environment's", async () => {
    await bed.create(chatty, { LoggingConfig: { LogGroup: "/mine" } });
    const { tail } = await bed.invoke({}, { headers: { "x-amz-log-type": "Tail" } });
    await until(() => bed.logged.includes("REPORT"));
    expect(bed.logged).toBe(tail);
    const time = "\\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z";
    const lines = [
      "INIT_START Runtime Version: Node v[\\d.]+ of this machine",
      "START RequestId: (?<id>[\\w-]{36}) Version: \\$LATEST",
      `${time}\\t\\k<id>\\tINFO\\thello me\nand you`,
      `${time}\\t\\k<id>\\tDEBUG\\tdetails`,
      `${time}\\t\\k<id>\\tERROR\\t\\{ a: 1 \\}`,
      "raw",
      "END RequestId: \\k<id>",
      "REPORT RequestId: \\k<id>\\tDuration: [\\d.]+ ms\\tBilled Duration: \\d+ ms\\tMemory Size: 128 MB\\tMax Memory Used: [1-9]\\d* MB\\tInit Duration: [\\d.]+ ms\\t",
    ];
    expect(tail).toMatch(new RegExp(`^${lines.join("\n")}\n$`));
    const [, made] = bed.calls.find(([target]) => target.endsWith("CreateLogStream")) ?? [];
    expect(made).toEqual({
      logGroupName: "/mine",
      logStreamName: expect.stringMatching(/^\d{4}\/\d\d\/\d\d\/\[\$LATEST\][0-9a-f]{32}$/),
    });
    expect(bed.calls.map(([target]) => target)).not.toContain("Logs_20140328.CreateLogGroup");
  });

  test("is JSON where the function says so, from its level on", async () => {
    await bed.create(chatty, { LoggingConfig: { LogFormat: "JSON" } });
    const { tail } = await bed.invoke({}, { headers: { "x-amz-log-type": "Tail" } });
    const lines = tail.trimEnd().split("\n");
    const records = lines.filter((line) => line !== "raw").map((line) => JSON.parse(line));
    expect(records.map(({ type, level }) => type ?? level)).toEqual([
      "platform.initStart",
      "platform.start",
      "INFO",
      "ERROR",
      "platform.report",
    ]);
    expect([records[2].message, records[3].message]).toEqual(["hello me\nand you", { a: 1 }]);
    expect(records[2].requestId).toBe(records[1].record.requestId);
    expect(records[4].record).toMatchObject({ status: "success", metrics: { memorySizeMB: 128 } });
  });

  test("names the error of a handler that failed", async () => {
    await bed.create(script("async () => { throw new Error('boom'); }"));
    const { tail } = await bed.invoke({}, { headers: { "x-amz-log-type": "Tail" } });
    expect(tail).toContain('ERROR\tInvoke Error \t{"errorType":"Error","errorMessage":"boom"');
    expect(tail).toContain("\tStatus: error\t");
  });
});

describe("an event", () => {
  const later = { headers: { "x-amz-invocation-type": "Event" } };

  test("is taken at once, and given to the function", async () => {
    await bed.create(script("async ({ name }) => { console.log('hello ' + name); }"));
    expect(await bed.invoke({ name: "you" }, later)).toMatchObject({ status: 202, payload: undefined });
    await until(() => bed.logged.includes("hello you"));
  });

  test("of no function is refused", async () => {
    expect((await bed.invoke({}, later)).status).toBe(404);
  });

  test("that fails is given twice more, and then to the queue for dead letters", async () => {
    await bed.create(script("async () => { throw new Error('boom'); }"), {
      DeadLetterConfig: { TargetArn: `arn:aws:sqs:eu-west-1:${BUILD}:dead` },
    });
    const functions = new Functions({
      endpoint: () => bed.endpoint,
      keyOf: () => "test",
      retryMilliseconds: [5, 5],
    });
    const fn = { scope: { account: BUILD, region: "eu-west-1" }, name: "hello" };
    functions.keep(fn, Buffer.from(archive(script("async () => { throw new Error('boom'); }")), "base64"));
    const RequestID = await functions.invokeLater(fn, { event: '{"a":1}' });
    const letters = () => bed.calls.filter(([target]) => target === "AmazonSQS.SendMessage");
    await until(() => letters().length);
    await functions.stop();
    expect(letters()[0]?.[1]).toMatchObject({
      QueueUrl: `${bed.endpoint}/${BUILD}/dead`,
      MessageBody: '{"a":1}',
      MessageAttributes: { RequestID: { StringValue: RequestID }, ErrorMessage: { StringValue: "boom" } },
    });
    const starts = bed.logged.match(/^START .*/gm);
    expect(starts).toEqual(Array(3).fill(`START RequestId: ${RequestID} Version: $LATEST`));
  });
});

describe("an environment ends", () => {
  const where = script("async () => [process.pid, process.env.LAMBDA_TASK_ROOT]");

  test("when it had nothing to do for long", async () => {
    await bed.create(where);
    const functions = new Functions({
      endpoint: () => bed.endpoint,
      keyOf: () => "test",
      idleMilliseconds: 20,
    });
    const fn = readFunctionName("hello", { account: BUILD, region: "eu-west-1" });
    functions.keep(fn, Buffer.from(archive(where), "base64"));
    const { payload } = await functions.invoke(fn, { event: "{}" });
    const [pid, task] = JSON.parse(payload);
    await until(() => !lives(pid) && !existsSync(task));
    await functions.stop();
  });

  test.each([
    ["its function's code is updated", () => bed.update(script("async () => 1"))],
    ["its function is deleted", () => bed.lambda("DELETE", "/2015-03-31/functions/hello")],
  ])("when %s", async (_, change) => {
    await bed.create(where);
    const [pid, task] = (await bed.invoke()).payload;
    expect(lives(pid)).toBe(true);
    await change();
    await until(() => !lives(pid) && !existsSync(task));
  });

  test("when Local AWS stops, also while it runs", async () => {
    const busy = (await new FunctionsBed().start()) as FunctionsBed;
    await busy.create(
      script(
        "async () => { console.log(process.pid, __dirname); await new Promise((done) => setTimeout(done, 60_000)); }",
      ),
      { Timeout: 60 },
    );
    const running = busy.invoke().catch(() => {});
    await until(() => /INFO\t\d+ /.test(busy.logged));
    const [, pid, task = ""] = /INFO\t(\d+) (\S+)/.exec(busy.logged) ?? [];
    await busy.stop();
    expect([lives(Number(pid)), existsSync(task)]).toEqual([false, false]);
    await running;
  });
});

test("an ARN says more of the account and the region than the caller", async () => {
  const other = readFunctionName(`arn:aws:lambda:eu-west-1:${OTHER}:function:hello`, {
    account: BUILD,
    region: "eu-central-1",
  });
  expect(other).toEqual({
    scope: { account: OTHER, region: "eu-west-1" },
    name: "hello",
    qualifier: undefined,
  });
});
