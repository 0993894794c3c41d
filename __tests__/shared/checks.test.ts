import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { text } from "node:stream/consumers";
import { LambdaClient } from "@aws-sdk/client-lambda";
import fc from "fast-check";
import { functionTarget, httpTarget } from "../../shared/check-targets";
import {
  type Answer,
  type Check,
  type CheckResult,
  type RequestCheck,
  runChecks,
  sentence,
  serviceChecks,
  type Target,
} from "../../shared/checks";
import { tries } from "../support/effort";
import { anyText } from "../support/text";

const HEALTH: RequestCheck = { path: "/health", method: "GET", status: 200, withinMilliseconds: 1000 };
const ONCE = { patienceMilliseconds: 0, pauseMilliseconds: 1 };

/** Gives one answer after the other; the last one stays. */
function fake(...answers: (Answer | Error)[]): Target & { readonly asked: Check[] } {
  const asked: Check[] = [];
  return {
    name: "the fake",
    asked,
    async answer(check) {
      asked.push(check);
      const answer = answers.length > 1 ? answers.shift()! : answers[0]!;
      if (answer instanceof Error) throw answer;
      return answer;
    },
  };
}

const never: Target = {
  name: "the fake",
  answer: (_, signal) =>
    new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
};

async function runOne(check: Check, target: Target): Promise<CheckResult> {
  const [result] = await runChecks([check], target, ONCE);
  return result!;
}

describe("a list of checks", () => {
  test("is good when each answer is what was asked for", async () => {
    const target = fake({ status: 200, body: "all is well" });
    const checks = [HEALTH, { ...HEALTH, path: "/", contains: "well" }];
    expect(await runChecks(checks, target, ONCE)).toEqual([
      expect.objectContaining({
        isGood: true,
        asked: "GET /health of the fake",
        expected: "status 200 within 1000 ms",
        came: "200: all is well",
        tries: 1,
      }),
      expect.objectContaining({ isGood: true, expected: 'status 200 and "well" within 1000 ms' }),
    ]);
    expect(target.asked).toEqual(checks);
  });

  test.each<[string, Check, Answer | Error, string]>([
    ["another status", HEALTH, { status: 204, body: "" }, "204"],
    ["a body without the words", { ...HEALTH, contains: "well" }, { status: 200, body: "ill" }, "200: ill"],
    [
      "a failure where any other status is good",
      { ...HEALTH, status: undefined },
      { status: 500, body: "" },
      "500",
    ],
    ["an error", HEALTH, new Error("connect ECONNREFUSED"), "nothing (connect ECONNREFUSED)"],
    [
      "an error that has a code alone",
      HEALTH,
      Object.assign(new Error(), { code: "ECONNREFUSED" }),
      "nothing (ECONNREFUSED)",
    ],
    ["a result without the words", { event: "{}", contains: "7", withinMilliseconds: 9 }, { body: "8" }, "8"],
  ])("fails when the answer is %s", async (_, check, answer, came) => {
    expect(await runOne(check, fake(answer))).toMatchObject({ isGood: false, came });
  });

  test.each<[string, Check, Answer]>([
    [
      "any status below 500, where none is asked for",
      { ...HEALTH, status: undefined },
      { status: 404, body: "" },
    ],
    [
      "any result of an event, where no words are asked for",
      { event: "{}", withinMilliseconds: 9 },
      { body: "null" },
    ],
  ])("takes %s", async (_, check, answer) => {
    expect(await runOne(check, fake(answer))).toMatchObject({ isGood: true });
  });

  test("tries again what was not good, and nothing else", async () => {
    const target = fake({ status: 200, body: "" }, { status: 503, body: "" }, { status: 200, body: "" });
    const other = { ...HEALTH, path: "/other" };
    const options = { patienceMilliseconds: 5000, pauseMilliseconds: 1 };
    const results = await runChecks([HEALTH, other], target, options);
    expect(results.map(({ isGood, tries }) => [isGood, tries])).toEqual([
      [true, 1],
      [true, 2],
    ]);
    expect(target.asked).toEqual([HEALTH, other, other]);
  });

  test("fails when patience has an end, with the last answer", async () => {
    const target = fake(new Error("not yet"), { status: 503, body: "no database" });
    const options = { patienceMilliseconds: 60, pauseMilliseconds: 20 };
    const [result] = await runChecks([HEALTH], target, options);
    expect(result!.tries).toBeGreaterThan(1);
    expect(sentence(result!)).toBe(
      `GET /health of the fake should answer with status 200 within 1000 ms; asked ${result!.tries} times, it answered 503: no database`,
    );
  });

  test("fails when a good answer comes too late", async () => {
    const result = await runOne({ ...HEALTH, withinMilliseconds: 30 }, never);
    expect(result).toMatchObject({ isGood: false, came: "nothing in time" });
    expect(result.milliseconds).toBeGreaterThanOrEqual(29);
  });

  test("ends at once when it is told to, and asks nothing more", async () => {
    const options = { patienceMilliseconds: 60_000, signal: AbortSignal.timeout(30) };
    const begin = Date.now();
    const long = { ...HEALTH, withinMilliseconds: 60_000 };
    const results = await runChecks([long, long], never, options);
    expect(Date.now() - begin).toBeLessThan(5000);
    expect(results.map(({ isGood, came, tries }) => [isGood, came, tries])).toEqual([
      [false, "nothing until there was no time left", 1],
      [false, "nothing (there was no time left to ask)", 0],
    ]);
  });

  test("ends at once when it is told to between two tries", async () => {
    const options = { patienceMilliseconds: 60_000, signal: AbortSignal.timeout(30) };
    const begin = Date.now();
    const [result] = await runChecks([HEALTH], fake({ status: 503, body: "" }), options);
    expect(Date.now() - begin).toBeLessThan(1900);
    expect(result).toMatchObject({ isGood: false, came: "503", tries: 1 });
  });

  test("tells an answer on one line, shortened, of which every character is seen", async () => {
    await fc.assert(
      fc.asyncProperty(anyText({ maxLength: 600 }), anyText(), async (body, path) => {
        const result = await runOne({ ...HEALTH, path, contains: body }, fake({ status: 500, body }));
        for (const said of [result.asked, result.expected, result.came, sentence(result)]) {
          expect(said).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
        }
        // A character that is not seen takes up to ten.
        expect(result.came.length).toBeLessThan(300 * 10 + 100);
      }),
      { numRuns: tries(100) },
    );
  });
});

describe("a service's checks", () => {
  const service = { healthPath: "/health", paths: ["/api/*"], checks: [HEALTH] };

  test("ask for any answer instead of its health, which its paths do not lead to", () => {
    expect(serviceChecks(service)).toEqual([{ path: "/api/", method: "GET", withinMilliseconds: 1000 }]);
  });

  test.each([
    ["its health is on its paths", { ...service, paths: ["/api/*", "/h?alth"] }],
    ["they ask for something else", { ...service, checks: [{ ...HEALTH, path: "/api/users?page=1" }] }],
  ])("stay when %s", (_, given) => {
    expect(serviceChecks(given)).toEqual(given.checks);
  });
});

describe("by HTTP", () => {
  const requests: { request: IncomingMessage; body: string }[] = [];
  let respond: (request: IncomingMessage, response: ServerResponse) => void;
  const server = createServer(async (request, response) => {
    requests.push({ request, body: await text(request) });
    respond(request, response);
  });
  let url: string;
  let port: number;
  beforeAll(async () => {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    port = (server.address() as AddressInfo).port;
    url = `http://127.0.0.1:${port}`;
  });
  beforeEach(() => {
    requests.length = 0;
    respond = (_, response) => response.end("well");
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  test("asks for the path on the address of the service, whatever path that has", async () => {
    const check = { ...HEALTH, path: "/health?deep=1", contains: "well" };
    expect(await runOne(check, httpTarget({ url: `${url}/api/` }))).toMatchObject({
      isGood: true,
      asked: `GET /health?deep=1 of ${url}`,
    });
    expect(requests[0]!.request).toMatchObject({ method: "GET", url: "/health?deep=1" });
  });

  test("sends a body, with its type", async () => {
    const post = { ...HEALTH, method: "POST", path: "/users" };
    await runOne({ ...post, body: '{"name":"Zoë"}' }, httpTarget({ url }));
    await runOne({ ...post, body: "Zoë" }, httpTarget({ url }));
    expect(
      requests.map(({ request, body }) => [request.method, request.headers["content-type"], body]),
    ).toEqual([
      ["POST", "application/json", '{"name":"Zoë"}'],
      ["POST", "text/plain; charset=utf-8", "Zoë"],
    ]);
  });

  test("connects elsewhere under the same name, to one address after the other", async () => {
    const connect = { addresses: ["127.0.0.1", "::1"], port };
    const target = httpTarget({ url: "http://dev.example.com", connect });
    const first = await runOne(HEALTH, target);
    expect(first).toMatchObject({
      isGood: true,
      asked: `GET /health of http://dev.example.com on port ${port}`,
    });
    expect(requests[0]!.request.headers.host).toBe("dev.example.com");
    // The server does not listen there.
    expect(await runOne(HEALTH, target)).toMatchObject({
      isGood: false,
      came: expect.stringMatching(/^nothing \(.*::1/),
    });
  });

  test("asks for the certificate of the name, and not of the address it connects to", async () => {
    const hello = new Promise<Buffer>((resolve) => {
      const tls = createTcpServer((socket) => {
        socket.once("data", (data) => {
          resolve(data);
          socket.destroy();
          tls.close();
        });
      }).listen(0, "127.0.0.1", () => {
        const connect = { addresses: ["127.0.0.1"], port: (tls.address() as AddressInfo).port };
        void runOne(HEALTH, httpTarget({ url: "https://dev.example.com", connect }));
      });
    });
    expect((await hello).includes("dev.example.com")).toBe(true);
  });

  test("follows no redirect", async () => {
    respond = (_, response) => response.writeHead(302, { location: "/elsewhere" }).end();
    expect(await runOne(HEALTH, httpTarget({ url }))).toMatchObject({ isGood: false, came: "302" });
    expect(requests).toHaveLength(1);
  });

  test.each([
    "//other.example.com/",
    "/\\other.example.com/",
    "/@other.example.com",
    "/a/../../b c",
  ])("asks no other host when the path is %s", async (path) => {
    expect(await runOne({ ...HEALTH, path }, httpTarget({ url }))).toMatchObject({ isGood: true });
    expect(requests[0]!.request.headers.host).toBe(`127.0.0.1:${port}`);
  });

  test("reads no more of a body than it needs", async () => {
    const ended = new Promise<void>((resolve) => {
      respond = (_, response) => {
        const write = () =>
          response.destroyed || response.write("x".repeat(256 * 1024), () => setImmediate(write));
        response.once("close", resolve);
        write();
      };
    });
    const result = await runOne(
      { ...HEALTH, contains: "y", withinMilliseconds: 20_000 },
      httpTarget({ url }),
    );
    expect(result).toMatchObject({
      isGood: false,
      came: expect.stringMatching(/ and more that was not read$/),
    });
    // It would go on for ever.
    await ended;
  });

  test("waits for a body no longer than for the answer", async () => {
    respond = (_, response) => response.write("wait");
    const result = await runOne({ ...HEALTH, withinMilliseconds: 100 }, httpTarget({ url }));
    expect(result).toMatchObject({ isGood: false, came: "nothing in time" });
  });

  test("fails when nobody listens, and an event is asked for", async () => {
    expect(await runOne(HEALTH, httpTarget({ url: "http://127.0.0.1:1" }))).toMatchObject({
      came: expect.stringMatching(/^nothing \(.*ECONNREFUSED/),
    });
    expect(await runOne({ event: "{}", withinMilliseconds: 99 }, httpTarget({ url }))).toMatchObject({
      came: "nothing (it takes requests, and no events)",
    });
  });

  test("ends with a word, whatever is answered in the place of HTTP", async () => {
    let said: Uint8Array = new Uint8Array();
    const rude = createTcpServer((socket) => {
      socket.on("error", () => {});
      socket.end(said);
    }).listen(0, "127.0.0.1");
    await once(rude, "listening");
    const target = httpTarget({ url: `http://127.0.0.1:${(rude.address() as AddressInfo).port}` });
    const start = fc.constantFrom(
      "",
      "HTTP/1.1 200 OK\r\n",
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    );
    const bytes = fc.tuple(start, fc.uint8Array({ maxLength: 200 }));
    try {
      await fc.assert(
        fc.asyncProperty(bytes, async ([begin, rest]) => {
          said = Buffer.concat([Buffer.from(begin), rest]);
          const result = await runOne({ ...HEALTH, contains: "never said by chance" }, target);
          expect(result).toMatchObject({ isGood: false, tries: 1 });
          expect(result.came).not.toMatch(/nothing in time/);
        }),
        { numRuns: tries(200) },
      );
    } finally {
      rude.close();
    }
  });
});

describe("of a function", () => {
  const given: { name?: string; qualifier?: string; event: unknown }[] = [];
  /** A client whose function returns this. */
  function client(payload: string, error?: string): LambdaClient {
    const lambda = new LambdaClient({ region: "eu-west-1" });
    lambda.send = async ({
      input,
    }: {
      input: { FunctionName: string; Qualifier: string; Payload: Uint8Array };
    }) => {
      given.push({
        name: input.FunctionName,
        qualifier: input.Qualifier,
        event: JSON.parse(Buffer.from(input.Payload).toString()),
      });
      return { FunctionError: error, Payload: Buffer.from(payload) };
    };
    return lambda;
  }
  const ask = (check: Check, payload: string, error?: string) =>
    runOne(check, functionTarget(client(payload, error), "hello-dev-hello", "7"));
  beforeEach(() => {
    given.length = 0;
  });

  test("gives it a request as its address would", async () => {
    const check = { ...HEALTH, method: "POST", path: "/users?tag=a&tag=b&name=Zo%C3%AB", body: "[1]" };
    expect(await ask(check, '{"statusCode":200,"body":"hello"}')).toMatchObject({
      isGood: true,
      asked: "POST /users?tag=a&tag=b&name=Zo%C3%AB of hello-dev-hello:7",
      came: "200: hello",
    });
    expect(given).toEqual([
      {
        name: "hello-dev-hello",
        qualifier: "7",
        event: expect.objectContaining({
          version: "2.0",
          rawPath: "/users",
          rawQueryString: "tag=a&tag=b&name=Zo%C3%AB",
          queryStringParameters: { tag: "a,b", name: "Zoë" },
          headers: expect.objectContaining({ "content-type": "application/json" }),
          requestContext: expect.objectContaining({
            http: expect.objectContaining({ method: "POST", path: "/users" }),
          }),
          body: "[1]",
          isBase64Encoded: false,
        }),
      },
    ]);
  });

  test.each<[string, string, string]>([
    ["an answer in base64", '{"statusCode":201,"body":"aGVsbG8=","isBase64Encoded":true}', "201: hello"],
    ["an answer whose status is a text", '{"statusCode":"404"}', "404"],
    ["an answer whose body is JSON", '{"statusCode":200,"body":{"ok":true}}', '200: {"ok":true}'],
    ["a status that is none", '{"statusCode":"fine"}', '502: {"statusCode":"fine"}'],
    ["a bare value", '{"ok":true}', '200: {"ok":true}'],
    ["a bare text", '"hello"', '200: "hello"'],
    ["no value", "null", "200: null"],
    ["what is no JSON", "hello", "200: hello"],
  ])("takes %s as its address would", async (_, payload, came) => {
    expect(await ask({ ...HEALTH, status: undefined }, payload)).toMatchObject({ came });
  });

  test("gives it an event as it is, and takes what it returns", async () => {
    const check = { event: '{"records":[]}', contains: '"count":0', withinMilliseconds: 1000 };
    expect(await ask(check, '{"count":0}')).toMatchObject({ isGood: true, came: '{"count":0}' });
    expect(given[0]!.event).toEqual({ records: [] });
  });

  test("fails when the function fails, whatever it returned", async () => {
    const failure = '{"errorType":"Error","errorMessage":"no database"}';
    for (const check of [
      { event: "{}", withinMilliseconds: 1000 },
      { ...HEALTH, status: undefined },
    ])
      expect(await ask(check, failure, "Unhandled")).toMatchObject({
        isGood: false,
        came: `nothing (the function failed: ${failure})`,
      });
  });
});
