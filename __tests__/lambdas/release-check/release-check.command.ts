import type { IncomingMessage, ServerResponse } from "node:http";
import type { Context } from "aws-lambda";
import { handler } from "../../../lambdas/release-check";
import type { Check } from "../../../shared/checks";
import { FakeServer } from "../../support/fake-server";

// A hundredth of each pause, which nothing of what is tested depends on.
jest.mock("node:timers/promises", () => {
  const { setTimeout: pause } = jest.requireActual("node:timers/promises");
  return {
    setTimeout: (milliseconds: number, ...more: unknown[]) => pause(milliseconds / 100, ...more),
  };
});

const DEPLOYMENT = "d-ABCDEF123";
const HOOK = { DeploymentId: DEPLOYMENT, LifecycleEventHookExecutionId: "hook-1" };
const HEALTH: Check = { path: "/health", method: "GET", status: 200, withinMilliseconds: 2000 };
const LOAD_BALANCER = "app/hello-dev/0123456789abcdef";

/** What CodeDeploy, EC2, Lambda and the load balancer of an environment answer, on one port. */
class FakeAws extends FakeServer {
  port = 0;
  /** What is asked of it, and by which name: `Invoke hello:7`, `GET dev.example.com /health`, `PutLifecycle…`. */
  readonly asked: string[] = [];
  /** What CodeDeploy was told, by the hook's execution. */
  readonly told: Record<string, string> = {};
  /** Lifecycle events of the deployment, one list a question; the last one stays. */
  events: Record<string, string>[] = [{}];
  /** Ids of the deployment's targets, one list a question; afterwards there is one. */
  targets: string[][] = [];
  deployment: object = { status: "InProgress" };
  kind: "ecs" | "lambda" = "ecs";
  targetVersion: string | undefined;
  addresses = ["127.0.0.1"];
  /** Status of the service, and result of the function. */
  status = 200;
  /** Statuses that the service answers with before. */
  readonly before: number[] = [];
  /** The answer to PutLifecycleEventHookExecutionStatus, where it is an error. */
  refusal: string | undefined;
  /** Operations that are never answered. */
  silent: string | undefined;

  protected override answer(request: IncomingMessage, body: string, response: ServerResponse): void {
    const { method, url = "", headers } = request;
    const operation = String(headers["x-amz-target"] ?? "").split(".")[1];
    if (this.silent && (operation === this.silent || url.startsWith(this.silent))) return;
    if (operation) {
      this.asked.push(operation);
      const { status = 200, answer } = this.codeDeploy(operation, JSON.parse(body));
      response
        .writeHead(status, { "content-type": "application/x-amz-json-1.1" })
        .end(JSON.stringify(answer));
    } else if (url.startsWith("/2015-03-31/")) {
      const [, name, qualifier] = /functions\/([^/]+)\/invocations\?Qualifier=(.*)/.exec(url)!;
      this.asked.push(`Invoke ${name}:${qualifier}`);
      response.end(JSON.stringify({ statusCode: this.status, body: "the function" }));
    } else if (method === "POST" && url === "/") {
      const asked = new URLSearchParams(body);
      this.asked.push(
        `${asked.get("Action")} ${asked.get("Filter.1.Name")}=${asked.get("Filter.1.Value.1")}`,
      );
      const items = this.addresses.map((it) => `<item><privateIpAddress>${it}</privateIpAddress></item>`);
      response
        .writeHead(200, { "content-type": "text/xml" })
        .end(
          `<DescribeNetworkInterfacesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><networkInterfaceSet>${items.join("")}</networkInterfaceSet></DescribeNetworkInterfacesResponse>`,
        );
    } else {
      this.asked.push(`${method} ${headers.host} ${url}`);
      response.writeHead(this.before.shift() ?? this.status).end("the service");
    }
  }

  private codeDeploy(operation: string, input: Record<string, string>): { status?: number; answer: object } {
    switch (operation) {
      case "ListDeploymentTargets":
        return { answer: { targetIds: this.targets.shift() ?? ["target"] } };
      case "GetDeployment":
        return { answer: { deploymentInfo: { deploymentId: input.deploymentId, ...this.deployment } } };
      case "BatchGetDeploymentTargets": {
        const events = this.events.length > 1 ? this.events.shift()! : this.events[0]!;
        const lifecycleEvents = Object.entries(events).map(([lifecycleEventName, status]) => ({
          lifecycleEventName,
          status,
        }));
        const lambdaFunctionInfo = this.targetVersion && { targetVersion: this.targetVersion };
        const target =
          this.kind === "ecs"
            ? { deploymentTargetType: "ECSTarget", ecsTarget: { lifecycleEvents } }
            : { deploymentTargetType: "LambdaTarget", lambdaTarget: { lifecycleEvents, lambdaFunctionInfo } };
        return { answer: { deploymentTargets: [target] } };
      }
      default:
        if (this.refusal) return { status: 400, answer: { __type: this.refusal, message: "no longer" } };
        this.told[input.lifecycleEventHookExecutionId!] = input.status!;
        return { answer: { lifecycleEventHookExecutionId: input.lifecycleEventHookExecutionId } };
    }
  }
}

let aws: FakeAws;
const ENVIRONMENT = { ...process.env };
/** Lines of the log. */
let lines: { level: string; message: string; check?: unknown }[];

beforeEach(async () => {
  aws = new FakeAws();
  const address = await aws.start();
  aws.port = Number(new URL(address).port);
  Object.assign(process.env, {
    AWS_ENDPOINT_URL: address,
    AWS_REGION: "eu-west-1",
    AWS_ACCESS_KEY_ID: "local",
    AWS_SECRET_ACCESS_KEY: "local",
    PATIENCE_SECONDS: "0",
  });
  lines = [];
  for (const stream of [process.stdout, process.stderr])
    jest.spyOn(stream, "write").mockImplementation((line) => {
      lines.push(JSON.parse(String(line)));
      return true;
    });
});
afterEach(() => {
  aws.stop();
  jest.restoreAllMocks();
  process.env = { ...ENVIRONMENT };
});

const TIME_LEFT = 60_000;
/** What is kept for the answer. */
const MARGIN = 15_000;

async function run(event: unknown = HOOK, timeLeft = TIME_LEFT) {
  const end = Date.now() + timeLeft;
  await handler(event, { getRemainingTimeInMillis: () => end - Date.now() } as Context);
}

function service(options: { at?: string; url?: string; checks?: readonly Check[] } = {}) {
  const { at = "AfterAllowTestTraffic", url = "https://dev.example.com/api/", checks = [HEALTH] } = options;
  aws.events = [{ AllowTestTraffic: "Succeeded", [at]: "InProgress", AllowTraffic: "Pending" }];
  process.env.TARGET = JSON.stringify({
    kind: "service",
    url,
    testPort: aws.port,
    loadBalancer: LOAD_BALANCER,
  });
  process.env.CHECKS = JSON.stringify(checks);
}

function lambda(at = "BeforeAllowTraffic", checks: readonly Check[] = [{ ...HEALTH, path: "/" }]) {
  aws.kind = "lambda";
  aws.targetVersion = "8";
  aws.events = [{ [at]: "InProgress" }];
  process.env.TARGET = JSON.stringify({ kind: "function", name: "hello", alias: "live" });
  process.env.CHECKS = JSON.stringify(checks);
}

const checked = () => aws.asked.filter((it) => /^(GET|Invoke|Describe)/.test(it));

describe("before a service gets traffic, and after", () => {
  test("asks the test listener at the load balancer's private address, by the service's name", async () => {
    service();
    await run();
    expect(aws.told).toEqual({ "hook-1": "Succeeded" });
    expect(checked()).toEqual([
      `DescribeNetworkInterfaces description=ELB ${LOAD_BALANCER}`,
      "GET dev.example.com /health",
    ]);
  });

  test("asks the production listener once traffic has moved", async () => {
    service({ at: "AfterAllowTraffic", url: "http://dev.example.com/" });
    // Nothing listens on the test port.
    process.env.TARGET = process.env.TARGET!.replace(
      `"testPort":${aws.port}`,
      `"testPort":1,"productionPort":${aws.port}`,
    );
    await run();
    expect(aws.told).toEqual({ "hook-1": "Succeeded" });
    expect(checked()[1]).toBe("GET dev.example.com /health");
  });

  test.each([
    ["https://dev.example.com/", 443],
    ["http://127.0.0.1:4711/", 80],
  ])("asks for %s on port %d of the private address", async (url, port) => {
    service({ at: "AfterAllowTraffic", url });
    await run();
    expect(lines.at(-1)!.message).toContain(` on port ${port}`);
  });

  test("fails when the service does not answer as it should, and says so in the last line", async () => {
    service({ checks: [HEALTH, { ...HEALTH, path: "/", status: undefined }] });
    aws.status = 404;
    await run();
    expect(aws.told).toEqual({ "hook-1": "Failed" });
    expect(lines.map(({ level, message }) => [level, message])).toEqual([
      [
        "ERROR",
        expect.stringMatching(/^GET \/health of http:\/\/dev\.example\.com on port \d+ should answer/),
      ],
      ["INFO", expect.stringMatching(/^GET \/ of .* is good: 404: the service, after \d+ ms$/)],
      [
        "ERROR",
        expect.stringMatching(
          /^d-ABCDEF123, AfterAllowTestTraffic: http:\/\/dev\.example\.com on port \d+ failed 1 of 2 checks\. GET \/health of \S+ on port \d+ should answer with status 200 within 2000 ms; asked once, it answered 404: the service$/,
        ),
      ],
    ]);
    expect(lines[0]!.check).toMatchObject({ isGood: false, came: "404: the service", tries: 1 });
  });

  test("tries again while patience lasts", async () => {
    service();
    process.env.PATIENCE_SECONDS = "20";
    aws.before.push(503);
    await run();
    expect(aws.told).toEqual({ "hook-1": "Succeeded" });
    expect(checked()).toHaveLength(3);
  });

  test("fails when the load balancer has no address", async () => {
    service();
    aws.addresses = [];
    await run();
    expect(aws.told).toEqual({ "hook-1": "Failed" });
    expect(lines.at(-1)!.message).toBe(
      `d-ABCDEF123 could not be checked: the load balancer ${LOAD_BALANCER} has no network interface`,
    );
  });
});

describe("before a function gets traffic, and after", () => {
  test("calls the new version", async () => {
    lambda();
    await run();
    expect([aws.told, checked()]).toEqual([{ "hook-1": "Succeeded" }, ["Invoke hello:8"]]);
  });

  test("calls the alias once traffic has moved", async () => {
    lambda("AfterAllowTraffic");
    await run();
    expect([aws.told, checked()]).toEqual([{ "hook-1": "Succeeded" }, ["Invoke hello:live"]]);
  });

  const YAML = `version: 0.0
Resources:
  - hello:
      Type: AWS::Lambda::Function
      Properties: { Name: hello, Alias: live, CurrentVersion: 8, TargetVersion: 9 }
`;
  const JSON_TEXT = JSON.stringify({
    version: 0.0,
    Resources: [
      { hello: { Type: "AWS::Lambda::Function", Properties: { CurrentVersion: "8", TargetVersion: "9" } } },
    ],
  });
  test.each([
    ["YAML", { revisionType: "AppSpecContent", appSpecContent: { content: YAML } }],
    ["JSON", { revisionType: "AppSpecContent", appSpecContent: { content: JSON_TEXT } }],
    ["an older field", { revisionType: "String", string: { content: JSON_TEXT } }],
  ])("finds the new version in the AppSpec, in %s, where the target does not tell it", async (_, revision) => {
    lambda();
    aws.targetVersion = undefined;
    aws.deployment = { status: "InProgress", revision };
    await run();
    expect([aws.told, checked()]).toEqual([{ "hook-1": "Succeeded" }, ["Invoke hello:9"]]);
  });

  test.each([
    ["there is no AppSpec", undefined],
    ["it has no version", { appSpecContent: { content: "Resources: [{ hello: { Properties: {} } }]" } }],
    ["it is no YAML", { appSpecContent: { content: "{{{ : ]" } }],
  ])("fails when nothing tells the new version, because %s", async (_, revision) => {
    lambda();
    aws.targetVersion = undefined;
    aws.deployment = { status: "InProgress", revision };
    await run();
    expect([aws.told, checked()]).toEqual([{ "hook-1": "Failed" }, []]);
    expect(lines.at(-1)).toMatchObject({
      level: "ERROR",
      message: expect.stringMatching(/^d-ABCDEF123 could not/),
    });
  });

  test("is good without a check", async () => {
    lambda("BeforeAllowTraffic", []);
    await run();
    expect(aws.told).toEqual({ "hook-1": "Succeeded" });
  });
});

describe("in any case CodeDeploy is answered", () => {
  test.each<[string, Record<string, string | undefined>, RegExp]>([
    ["there is no target", { TARGET: undefined }, /TARGET/],
    ["the target is no JSON", { TARGET: "{" }, /TARGET/],
    [
      "the target's address is no address",
      { TARGET: '{"kind":"service","url":"file:///etc"}' },
      /TARGET\.url/,
    ],
    ["the checks are none", { CHECKS: '[{"path":"health"}]' }, /CHECKS/],
    ["patience is no number", { PATIENCE_SECONDS: "long" }, /PATIENCE_SECONDS/],
  ])("fails when %s, and names the variable", async (_, variables, named) => {
    lambda();
    for (const [name, value] of Object.entries(variables))
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    await run();
    expect(aws.told).toEqual({ "hook-1": "Failed" });
    expect(lines.at(-1)!.message).toMatch(named);
    expect(lines.at(-1)!.message).not.toContain("\n");
  });

  test.each([
    "ListDeploymentTargets",
    "/2015-03-31",
  ])("fails before its time is over, when %s is never answered", async (silent) => {
    lambda("BeforeAllowTraffic", [{ ...HEALTH, withinMilliseconds: 60_000 }]);
    aws.silent = silent;
    const begin = Date.now();
    await run(HOOK, MARGIN + 300);
    expect(Date.now() - begin).toBeLessThan(MARGIN);
    expect(aws.told).toEqual({ "hook-1": "Failed" });
    expect(lines.at(-1)!.message).toMatch(/no time left/);
  });

  test("waits until CodeDeploy tells which event it asks for", async () => {
    lambda();
    aws.targets = [[]];
    aws.events = [{ BeforeAllowTraffic: "Pending" }, { BeforeAllowTraffic: "InProgress" }];
    await run();
    expect(aws.told).toEqual({ "hook-1": "Succeeded" });
  });

  test("fails when the deployment is at another event", async () => {
    lambda();
    aws.events = [{ AllowTraffic: "InProgress" }];
    await run(HOOK, MARGIN + 300);
    expect(aws.told).toEqual({ "hook-1": "Failed" });
  });

  test.each([
    "LifecycleEventAlreadyCompletedException",
    "InvalidLifecycleEventHookExecutionIdException",
    "DeploymentDoesNotExistException",
  ])("is told, and not thrown, that CodeDeploy no longer waits (%s)", async (refusal) => {
    lambda();
    aws.deployment = { status: "Stopped", completeTime: 1 };
    aws.events = [{ BeforeAllowTraffic: "Failed" }];
    aws.refusal = refusal;
    await run();
    expect(aws.told).toEqual({});
    expect(lines.map(({ level, message }) => [level, message])).toEqual([
      ["WARN", "CodeDeploy no longer waits for the answer"],
      [
        "ERROR",
        "d-ABCDEF123 could not be checked: it is Stopped, and at none of BeforeAllowTraffic, AfterAllowTraffic",
      ],
    ]);
  });

  test("throws when CodeDeploy cannot be told, so that Lambda calls it again, and still says what it found", async () => {
    lambda();
    aws.refusal = "AccessDeniedException";
    await expect(run()).rejects.toThrow("no longer");
    expect(lines.at(-1)).toMatchObject({
      level: "INFO",
      message: expect.stringMatching(/hello:8 passed 1 of 1 checks/),
    });
  });

  test("says what it found although CodeDeploy never answers", async () => {
    lambda();
    aws.silent = "PutLifecycleEventHookExecutionStatus";
    await expect(run(HOOK, 2500)).rejects.toThrow(/aborted/i);
    expect(lines.at(-1)).toMatchObject({ level: "ERROR", message: expect.stringMatching(/no time left/) });
  });

  test("gives the same answer when it is called twice", async () => {
    lambda();
    await run();
    await run();
    expect(aws.told).toEqual({ "hook-1": "Succeeded" });
  });

  test("throws when nobody says whom to answer", async () => {
    await expect(run({ DeploymentId: DEPLOYMENT })).rejects.toThrow(/LifecycleEventHookExecutionId/);
    expect(aws.asked).toEqual([]);
  });
});

test("a call that only wakes it asks nobody anything, and does not fail", async () => {
  const before = aws.asked.length;
  await handler({}, {} as Context);
  expect(aws.asked.slice(before)).toEqual([]);
});
