import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { Deployments, type Order } from "../../../tools/local-aws/deployments/deployments";
import { approvalNotice } from "../../../tools/local-aws/events/approval-notice";
import { buildEvent } from "../../../tools/local-aws/events/builds";
import { EventBus, type EventBusProps } from "../../../tools/local-aws/events/bus";
import { type AwsEvent, eventOf, type Occurrence } from "../../../tools/local-aws/events/event";
import { inputOf } from "../../../tools/local-aws/events/input";
import { pipelineEvents } from "../../../tools/local-aws/events/pipelines";
import { taskEvent } from "../../../tools/local-aws/events/tasks";
import { Engine } from "../../../tools/local-aws/pipelines/engine";
import { ActionFailure, type ActionRun } from "../../../tools/local-aws/pipelines/execution";
import { declaration } from "../../../tools/local-aws/services/pipeline-structure";
import { EmulatedTime } from "../../../tools/local-aws/time";
import { TestClock } from "./emulated-clock";
import { Bed } from "./upstream";

const scope = { account: "111111111111", region: "eu-west-1" };
const settle = () => new Promise(setImmediate);

/** Keeps what it is told. */
class Heard {
  readonly all: Occurrence[] = [];
  publish(_scope: typeof scope, occurrence: Occurrence): void {
    this.all.push(occurrence);
  }
}

describe("what a target gets", () => {
  const rule = "arn:aws:events:eu-west-1:111111111111:rule/it";
  const event: AwsEvent = eventOf(scope, {
    source: "acme",
    detailType: "It",
    resources: ["arn:one", "arn:two"],
    detail: { name: 'a "b"\n', size: 3, list: [{ id: 1 }, { id: 2 }], "with-dash": true },
  });
  const of = (InputTemplate: string, paths: Record<string, string> = {}) =>
    inputOf({ InputTransformer: { InputTemplate, InputPathsMap: paths } }, event, rule);

  test("is the event, a part of it, or what the rule says", () => {
    expect(JSON.parse(inputOf({}, event, rule))).toEqual(event);
    expect(inputOf({ InputPath: "$.detail.list[1].id" }, event, rule)).toBe("2");
    expect(inputOf({ InputPath: "$.detail.list[*].id" }, event, rule)).toBe("[1,2]");
    expect(inputOf({ InputPath: "$.detail.missing.more" }, event, rule)).toBe("null");
    expect(inputOf({ Input: '{"a":1}' }, event, rule)).toBe('{"a":1}');
  });

  test.each<[string, string, Record<string, string>, unknown]>([
    ["a value in a text", '{"a":"<x> it"}', { x: "$.source" }, { a: "acme it" }],
    ["a hostile value in a text", '{"a":"<x>"}', { x: "$.detail.name" }, { a: 'a "b"\n' }],
    [
      "a value as it is",
      '{"a":<x>,"b":<y>}',
      { x: "$.detail.name", y: "$.detail.size" },
      { a: 'a "b"\n', b: 3 },
    ],
    ["a list", '{"a":<x>}', { x: "$.resources" }, { a: ["arn:one", "arn:two"] }],
    ["a field with a dash", '{"a":<x-y>}', { "x-y": "$.detail.with-dash" }, { a: true }],
    ["one that is not there", '{"a":"<x>."}', { x: "$.detail.none" }, { a: "." }],
    ["what is no variable", '{"a":"<b>"}', {}, { a: "<b>" }],
    ["the rule's name", '{"a":"<aws.events.rule-name>"}', {}, { a: "it" }],
  ])("is made by a template with %s", (_, template, paths, expected) => {
    expect(JSON.parse(of(template, paths))).toEqual(expected);
  });

  test("is a text with its quotes, as AWS has it", () => {
    expect(of('"<x> has <n>"', { x: "$.source", n: "$.detail.size" })).toBe('"acme has 3"');
  });
});

describe("a bus", () => {
  let server: Server;
  /** What was asked, by its operation. */
  let asked: [string, Record<string, unknown>][];
  let refuse: { status: number; text: string } | undefined;
  let log: string[];
  let target: Record<string, unknown>;
  let bus: EventBus;
  beforeEach(async () => {
    asked = [];
    log = [];
    refuse = undefined;
    target = { Id: "1", Arn: "arn:aws:sqs:eu-west-1:111111111111:failures" };
    server = createServer(async (incoming, response) => {
      let body = "";
      for await (const chunk of incoming) body += chunk;
      const operation =
        String(incoming.headers["x-amz-target"] ?? incoming.url)
          .split(".")
          .at(-1) ?? "";
      const input = body.startsWith("{") ? JSON.parse(body) : Object.fromEntries(new URLSearchParams(body));
      asked.push([operation, input]);
      const rules = [
        { Name: "it", Arn: "arn:rule/it", State: "ENABLED", EventPattern: '{"source":["acme"]}' },
        { Name: "off", Arn: "arn:rule/off", State: "DISABLED", EventPattern: '{"source":["acme"]}' },
        { Name: "timed", Arn: "arn:rule/timed", State: "ENABLED", ScheduleExpression: "rate(1 hour)" },
      ];
      const known: Record<string, object> = {
        ListRules: { Rules: rules },
        ListTargetsByRule: { Targets: [target] },
      };
      if (!known[operation] && refuse && input.QueueUrl?.endsWith("/failures") !== false) {
        response.writeHead(refuse.status).end(refuse.text);
      } else response.end(JSON.stringify(known[operation] ?? {}));
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    bus = open();
  });
  afterEach(async () => {
    await bus.stop();
    server.closeAllConnections();
    server.close();
  });

  const open = (more: Partial<EventBusProps> = {}) => {
    const endpoint = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const opened = new EventBus({
      endpoint,
      keyOf: () => "key",
      log: (line) => log.push(line),
      retryMilliseconds: [1, 1],
      ...more,
    });
    opened.learn(scope);
    return opened;
  };
  const deliveries = () => asked.filter(([operation]) => !/^List/.test(operation));
  const publish = async (source: string, expected: () => boolean) => {
    bus.publish(scope, { source, detailType: "It", resources: [], detail: {} });
    const deadline = Date.now() + 5000;
    while (!expected() && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 5));
    // What comes after it, if it is too much, comes now.
    await new Promise((resolve) => setTimeout(resolve, 50));
  };

  test("gives an event to the targets of the rules that wait for it, and not of those that are disabled", async () => {
    await publish("acme", () => deliveries().length > 0);
    expect(deliveries().map(([operation]) => operation)).toEqual(["SendMessage"]);
    expect(JSON.parse(String(deliveries()[0]?.[1].MessageBody))).toMatchObject({
      source: "acme",
      version: "0",
    });
    await publish("other", () => false || asked.length > 0);
    expect(deliveries()).toHaveLength(1);
  });

  test("asks for rules once until they change, and never where nobody has made one", async () => {
    const lists = () => asked.filter(([operation]) => operation === "ListRules").length;
    await publish("acme", () => deliveries().length === 1);
    await publish("acme", () => deliveries().length === 2);
    expect(lists()).toBe(1);
    bus.learn(scope);
    await publish("acme", () => deliveries().length === 3);
    expect(lists()).toBe(2);
    bus.publish(
      { ...scope, account: "222222222222" },
      { source: "acme", detailType: "", resources: [], detail: {} },
    );
    await settle();
    expect(lists()).toBe(2);
  });

  test("delivers twice where it is to", async () => {
    bus = open({ twice: true });
    await publish("acme", () => deliveries().length === 2);
    const [one, two, ...more] = deliveries().map(([, { MessageBody }]) => MessageBody);
    expect([one, more]).toEqual([two, []]);
  });

  test("leaves the second time of a function to its invocation", async () => {
    bus = open({ twice: true });
    target = { Id: "1", Arn: "arn:aws:lambda:eu-west-1:111111111111:function:it" };
    await publish("acme", () => deliveries().length === 1);
    expect(deliveries()).toHaveLength(1);
  });

  test("tries again what was refused as too much, twice, and buries it then", async () => {
    refuse = { status: 400, text: '{"__type":"ThrottlingException"}' };
    target.DeadLetterConfig = { Arn: "arn:aws:sqs:eu-west-1:111111111111:dead" };
    await publish("acme", () => deliveries().length === 4);
    const [, { QueueUrl, MessageBody, MessageAttributes }] = deliveries()[3]!;
    expect(deliveries()).toHaveLength(4);
    expect(QueueUrl).toMatch(/\/111111111111\/dead$/);
    expect(JSON.parse(String(MessageBody)).source).toBe("acme");
    expect(MessageAttributes).toMatchObject({
      RULE_ARN: { StringValue: "arn:rule/it" },
      TARGET_ARN: { StringValue: target.Arn },
      ERROR_CODE: { StringValue: "THROTTLING" },
      RETRY_ATTEMPTS: { StringValue: "2" },
      EXHAUSTED_RETRY_CONDITION: { StringValue: "MaximumRetryAttempts" },
    });
    expect(log).toEqual([]);
  });

  test("tries no more often than the target's policy says", async () => {
    refuse = { status: 500, text: "" };
    target.RetryPolicy = { MaximumRetryAttempts: 0 };
    await publish("acme", () => log.length > 0);
    expect(deliveries()).toHaveLength(1);
  });

  test("does not try again what is refused for good, and says so where there is no queue for it", async () => {
    refuse = { status: 404, text: "no such queue" };
    await publish("acme", () => log.length > 0);
    expect(deliveries()).toHaveLength(1);
    expect(log).toEqual([`The rule arn:rule/it could not give its event to ${target.Arn}: no such queue`]);
  });

  test("calls a rule whose time has come with an event that says so, and one that is disabled not at all", async () => {
    const clock = new TestClock();
    bus = open({ time: new EmulatedTime(undefined, clock) });
    bus.schedule(scope, "timed", "rate(1 hour)");
    bus.schedule(scope, "off", "rate(1 hour)");
    expect(asked).toEqual([]);
    await clock.pass(3600);
    const deadline = Date.now() + 5000;
    while (!deliveries().length && Date.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 5));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(deliveries()).toHaveLength(1);
    expect(JSON.parse(String(deliveries()[0]?.[1].MessageBody))).toMatchObject({
      source: "aws.events",
      "detail-type": "Scheduled Event",
      resources: ["arn:rule/timed"],
      detail: {},
    });
  });

  test("says what it gives no events to", async () => {
    target = { Id: "1", Arn: "arn:aws:states:eu-west-1:111111111111:stateMachine:it" };
    await publish("acme", () => log.length > 0);
    expect(log[0]).toContain("Local AWS gives events to functions, topics, queues");
  });

  test("starts a pipeline only with a role", async () => {
    target = { Id: "1", Arn: "arn:aws:codepipeline:eu-west-1:111111111111:hello" };
    await publish("acme", () => log.length > 0);
    expect(log[0]).toContain("needs a RoleArn");
    expect(deliveries()).toEqual([]);
  });

  test("hands an event on to another bus, and from there to no third one", async () => {
    target = { Id: "1", Arn: "arn:aws:events:eu-west-1:111111111111:event-bus/other" };
    await publish("acme", () => asked.filter(([operation]) => operation === "ListRules").length === 2);
    const buses = asked
      .filter(([operation]) => operation === "ListRules")
      .map(([, input]) => input.EventBusName);
    expect(buses).toEqual(["default", "other"]);
  });
});

describe("the endpoint", () => {
  let bed: Bed;
  beforeEach(async () => {
    bed = await new Bed().start();
  });
  afterEach(() => bed.stop());

  test("takes events itself, and refuses those that are none", async () => {
    let reached = 0;
    bed.upstream = (_, response) => {
      reached++;
      response.end("{}");
    };
    const good = { Source: "acme", DetailType: "It", Detail: "{}" };
    const { content } = await bed.call("AWSEvents.PutEvents", {
      Entries: [good, { ...good, Detail: "[]" }, { ...good, Source: "" }, { ...good, Source: "aws.ec2" }],
    });
    expect(content).toMatchObject({
      FailedEntryCount: 3,
      Entries: [
        { EventId: expect.any(String) },
        { ErrorCode: "MalformedDetail" },
        { ErrorCode: "InvalidArgument" },
        { ErrorCode: "NotAuthorizedForSource" },
      ],
    });
    expect((await bed.call("AWSEvents.PutEvents", { Entries: [] })).status).toBe(400);
    expect(reached).toBe(0);
  });

  test("refuses a rule whose schedule is none", async () => {
    const given = { Name: "it", ScheduleExpression: "rate(1 minutes)" };
    const { status, content } = await bed.call("AWSEvents.PutRule", given);
    expect([status, content.__type]).toEqual([400, "ValidationException"]);
  });

  test("refuses a rule whose pattern is none, and tests patterns", async () => {
    const { status, content } = await bed.call("AWSEvents.PutRule", {
      Name: "it",
      EventPattern: '{"source":"x"}',
    });
    expect([status, content.__type]).toEqual([400, "InvalidEventPatternException"]);
    const EventPattern = '{"source":[{"prefix":"ac"}]}';
    const test = (Event: string) => bed.call("AWSEvents.TestEventPattern", { EventPattern, Event });
    expect((await test('{"source":"acme"}')).content).toEqual({ Result: true });
    expect((await test('{"source":"other"}')).content).toEqual({ Result: false });
  });

  test("collects what is published for people, in the text that is theirs", async () => {
    const member = (protocol: string, to: string) =>
      `<member><Protocol>${protocol}</Protocol><Endpoint>${to}</Endpoint></member>`;
    bed.upstream = (_, response, body) => {
      const listed = `<X>${member("email", "a&amp;b@example.com")}${member("sqs", "arn:q")}</X>`;
      response.end(/ListSubscriptions/.test(body.toString()) ? listed : "<X/>");
    };
    const TopicArn = "arn:aws:sns:eu-west-1:111111111111:it";
    const publish = (fields: object) => bed.form("sns", { Action: "Publish", TopicArn, ...fields });
    await publish({ Message: "plain" });
    const texts = JSON.stringify({ default: "{}", email: "for people" });
    await publish({ Message: texts, MessageStructure: "json", Subject: "It" });
    const sent = await (await fetch(`${bed.endpoint}/local-aws/mail`)).json();
    expect(sent).toMatchObject([
      { to: "a&b@example.com", subject: "AWS Notification Message", text: "plain", topic: TopicArn },
      { to: "a&b@example.com", subject: "It", text: "for people" },
    ]);
    expect(sent).toHaveLength(2);
  });
});

describe("a mail", () => {
  let bed: Bed;
  let attributes: Record<string, string>;
  beforeEach(async () => {
    bed = await new Bed().start();
    const member =
      "<member><SubscriptionArn>arn:s</SubscriptionArn><Protocol>email</Protocol><Endpoint>a@b.c</Endpoint></member>";
    const xml = (text: string) => text.replace(/&/g, "&amp;").replace(/"/g, "&quot;");
    bed.upstream = (_, response, body) => {
      const entries = Object.entries(attributes).map(
        ([key, value]) => `<entry><key>${key}</key><value>${xml(value)}</value></entry>`,
      );
      response.end(/ListSubscriptions/.test(body.toString()) ? member : entries.join("") || "<X/>");
    };
  });
  afterEach(() => bed.stop());
  const publish = async (given: Record<string, [type: string, value: string]>, Message = "It") => {
    const fields = Object.entries(given).flatMap(([name, [type, value]], index) => {
      const entry = `MessageAttributes.entry.${index + 1}`;
      return [
        [`${entry}.Name`, name],
        [`${entry}.Value.DataType`, type],
        [`${entry}.Value.StringValue`, value],
      ];
    });
    const TopicArn = "arn:aws:sns:eu-west-1:111111111111:it";
    await bed.form("sns", { Action: "Publish", TopicArn, Message, ...Object.fromEntries(fields) });
    const sent = (await (await fetch(`${bed.endpoint}/local-aws/mail`)).json()) as { attributes: object }[];
    return sent.map((one) => one.attributes);
  };

  test.each<[string, object, Record<string, [string, string]>, boolean]>([
    ["no filter", {}, {}, true],
    ["a value", { kind: ["release", "alarm"] }, { kind: ["String", "alarm"] }, true],
    ["another value", { kind: ["release"] }, { kind: ["String", "alarm"] }, false],
    ["no value", { kind: ["release"] }, {}, false],
    ["a prefix", { kind: [{ prefix: "rel" }] }, { kind: ["String", "release"] }, true],
    ["what is left out", { kind: [{ "anything-but": ["release"] }] }, { kind: ["String", "release"] }, false],
    ["what is not left out", { kind: [{ "anything-but": ["release"] }] }, { kind: ["String", "x"] }, true],
    ["one that is there", { kind: [{ exists: true }] }, { kind: ["String", ""] }, true],
    ["one that is not to be there", { kind: [{ exists: false }] }, { kind: ["String", "x"] }, false],
    ["one that is absent, and may be", { kind: [{ exists: false }] }, {}, true],
    ["a number", { size: [{ numeric: [">", 2] }] }, { size: ["Number", "10"] }, true],
    ["one of a list", { kind: ["b"] }, { kind: ["String.Array", '["a","b"]'] }, true],
    ["only one of two", { kind: ["a"], size: [1] }, { kind: ["String", "a"] }, false],
  ])("is sent by its attributes where the filter asks for %s", async (_, filter, given, expected) => {
    attributes = { FilterPolicy: JSON.stringify(filter), FilterPolicyScope: "MessageAttributes" };
    const told = Object.fromEntries(Object.entries(given).map(([name, [, value]]) => [name, value]));
    expect(await publish(given)).toEqual(expected ? [told] : []);
  });

  test("is sent by its text where the filter is about it", async () => {
    attributes = { FilterPolicy: '{"state":["failed"]}', FilterPolicyScope: "MessageBody" };
    await publish({}, '{"state":"failed"}');
    await publish({}, '{"state":"fine"}');
    expect(await publish({}, "no JSON")).toHaveLength(1);
  });

  test("is not sent where the filter cannot be read, which is said", async () => {
    attributes = { FilterPolicy: '{"kind":"release"}' };
    expect(await publish({ kind: ["String", "release"] })).toEqual([]);
    expect(bed.log).toEqual([expect.stringContaining("The filter of arn:s cannot be read")]);
  });
});

describe("a pipeline's events", () => {
  const type = (category: string, provider: string) => ({ category, owner: "AWS", provider, version: "1" });
  const pipeline = declaration.parse({
    name: "main",
    roleArn: "arn:aws:iam::111111111111:role/pipeline",
    pipelineType: "V2",
    version: 4,
    executionMode: "SUPERSEDED",
    artifactStore: { type: "S3", location: "artifacts" },
    stages: [
      {
        name: "Source",
        actions: [
          { name: "Fetch", actionTypeId: type("Source", "CodeCommit"), outputArtifacts: [{ name: "Code" }] },
        ],
      },
      { name: "Ask", actions: [{ name: "Approve", actionTypeId: type("Approval", "Manual") }] },
    ],
  });
  let heard: Heard;
  let engine: Engine;
  let failing: boolean;
  let announced: [ActionRun, number][];
  beforeEach(() => {
    heard = new Heard();
    announced = [];
    failing = false;
    engine = new Engine(pipeline, {
      region: scope.region,
      listener: pipelineEvents(scope, heard),
      announce: async (run, expires) => {
        announced.push([run, expires]);
      },
      perform: async () => {
        if (failing) throw new ActionFailure("JobFailed", "It is broken");
        return { revision: { id: "c0ffee", summary: "Works", created: 1 } };
      },
    });
  });
  afterEach(() => engine.end());
  const begin = async () => {
    const execution = engine.begin({
      trigger: { triggerType: "StartPipelineExecution", triggerDetail: "arn:me" },
    });
    for (let turn = 0; turn < 5; turn++) await settle();
    return execution;
  };
  const told = () =>
    heard.all.map(({ detailType, detail }) =>
      [
        detailType.split(" ")[1],
        detail.stage,
        detail.action,
        detail.state,
        detail["pipeline-execution-attempt"],
      ]
        .filter(Boolean)
        .join(" "),
    );

  test("tell each change of the execution, its stages and actions, in their order", async () => {
    const { id, actions } = await begin();
    const approval = actions.at(-1)!;
    const decision = { status: "Approved" as const, summary: "Fine", by: "arn:me" };
    engine.decide("Ask", "Approve", approval.token ?? "", decision);
    for (let turn = 0; turn < 5; turn++) await settle();
    expect(told()).toEqual([
      "Pipeline STARTED 1",
      "Stage Source STARTED 1",
      "Action Source Fetch STARTED 1",
      "Action Source Fetch SUCCEEDED 1",
      "Stage Source SUCCEEDED 1",
      "Stage Ask STARTED 1",
      "Action Ask Approve STARTED 1",
      "Action Ask Approve SUCCEEDED 1",
      "Stage Ask SUCCEEDED 1",
      "Pipeline SUCCEEDED 1",
    ]);
    const [started, , , fetched] = heard.all;
    expect(started).toMatchObject({
      source: "aws.codepipeline",
      detailType: "CodePipeline Pipeline Execution State Change",
      resources: ["arn:aws:codepipeline:eu-west-1:111111111111:main"],
      detail: {
        pipeline: "main",
        "execution-id": id,
        "execution-trigger": { "trigger-type": "StartPipelineExecution", "trigger-detail": "arn:me" },
        version: 4,
      },
    });
    expect(fetched?.detail).toMatchObject({
      "execution-result": { "external-execution-id": "c0ffee", "external-execution-summary": "Works" },
      "output-artifacts": [{ name: "Code", s3location: { bucket: "artifacts", key: expect.any(String) } }],
      region: "eu-west-1",
      type: { owner: "AWS", category: "Source", provider: "CodeCommit", version: "1" },
    });
  });

  test("say why an action failed, and count a retry", async () => {
    failing = true;
    const { id } = await begin();
    const action = heard.all.find(({ detail }) => detail.action && detail.state === "FAILED");
    expect(action?.detail["execution-result"]).toMatchObject({
      "error-code": "JobFailed",
      "external-execution-summary": "It is broken",
    });
    expect(told().slice(-2)).toEqual(["Stage Source FAILED 1", "Pipeline FAILED 1"]);
    engine.retry("Source", id, "FAILED_ACTIONS");
    for (let turn = 0; turn < 5; turn++) await settle();
    expect(told().slice(6)).toEqual([
      "Pipeline RESUMED 2",
      "Stage Source RESUMED 2",
      "Action Source Fetch STARTED 2",
      "Action Source Fetch FAILED 2",
      "Stage Source FAILED 2",
      "Pipeline FAILED 2",
    ]);
  });

  test("tell of a stop, and of what was abandoned", async () => {
    const { id } = await begin();
    engine.stop(id, false);
    engine.stop(id, true);
    for (let turn = 0; turn < 5; turn++) await settle();
    expect(told().slice(7)).toEqual([
      "Pipeline STOPPING 1",
      "Stage Ask STOPPING 1",
      "Pipeline STOPPED 1",
      "Action Ask Approve ABANDONED 1",
      "Stage Ask STOPPED 1",
    ]);
  });

  test("an approval is announced with what decides it, until when", async () => {
    const { startTime } = await begin();
    const [run, expires] = announced[0]!;
    expect(expires - startTime).toBeCloseTo(7 * 24 * 3600, -1);
    run.configuration = { CustomData: "Look at the plan", ExternalEntityLink: "https://example.com/plan" };
    const { subject, json, text } = approvalNotice(scope, run, Date.UTC(2026, 0, 24, 22, 3, 7) / 1000);
    expect(subject).toBe("APPROVAL NEEDED: AWS CodePipeline main for action Approve");
    expect(json.approval).toMatchObject({
      pipelineName: "main",
      stageName: "Ask",
      actionName: "Approve",
      token: run.token,
      expires: "2026-01-24T22:03Z",
      externalEntityLink: "https://example.com/plan",
      customData: "Look at the plan",
    });
    expect(text).toContain("Look at the plan");
  });

  test("an approval that nobody can be told of fails", async () => {
    const failed = new Engine(pipeline, {
      region: scope.region,
      perform: async () => ({}),
      announce: async () => {
        throw new ActionFailure("PermissionError", "No such topic");
      },
    });
    const execution = failed.begin({ trigger: { triggerType: "StartPipelineExecution" } });
    await execution.done;
    expect([execution.status, execution.statusSummary]).toEqual(["Failed", "Approve: No such topic"]);
  });
});

test("a build's event tells its phases and why it failed", () => {
  const context = { statusCode: "COMMAND_EXECUTION_ERROR", message: "exit status 1" };
  const at = Date.UTC(2026, 8, 1, 16, 12, 29) / 1000;
  const { detail, ...event } = buildEvent({
    arn: "arn:build",
    projectName: "test",
    buildStatus: "TIMED_OUT",
    buildComplete: true,
    startTime: at,
    currentPhase: "COMPLETED",
    timeoutInMinutes: 60,
    initiator: "codepipeline/main",
    artifacts: { location: "" },
    environment: { image: "it", type: "LINUX_CONTAINER", computeType: "SMALL", environmentVariables: [] },
    source: { type: "CODEPIPELINE" },
    logs: { groupName: "/aws/codebuild/test", streamName: "s", deepLink: "https://example.com" },
    phases: [
      {
        phaseType: "INSTALL",
        phaseStatus: "SUCCEEDED",
        startTime: at,
        contexts: [{ statusCode: "", message: "" }],
      },
      { phaseType: "BUILD", phaseStatus: "FAILED", startTime: at, endTime: at + 2, contexts: [context] },
    ],
  });
  expect(event).toEqual({
    source: "aws.codebuild",
    detailType: "CodeBuild Build State Change",
    resources: ["arn:build"],
  });
  expect(detail).toMatchObject({
    "build-status": "FAILED",
    "project-name": "test",
    "build-id": "arn:build",
    "current-phase": "COMPLETED",
    "current-phase-context": "[COMMAND_EXECUTION_ERROR: exit status 1]",
    "additional-information": {
      "build-complete": true,
      "build-start-time": "Sep 1, 2026 4:12:29 PM",
      initiator: "codepipeline/main",
      logs: { "group-name": "/aws/codebuild/test", "stream-name": "s" },
      phases: [{ "phase-context": [] }, { "phase-context": ["COMMAND_EXECUTION_ERROR: exit status 1"] }],
    },
  });
});

test("a task's event tells when and why it stopped", () => {
  const { detail, resources } = taskEvent({
    taskArn: "arn:task",
    lastStatus: "STOPPED",
    createdAt: 0,
    stoppedAt: 60,
    stoppedReason: "Essential container in task exited",
    containers: [{ name: "web", exitCode: 1 }],
  });
  expect(resources).toEqual(["arn:task"]);
  expect(detail).toMatchObject({
    lastStatus: "STOPPED",
    createdAt: "1970-01-01T00:00:00.000Z",
    stoppedAt: "1970-01-01T00:01:00.000Z",
    stopCode: "EssentialContainerExited",
    containers: [{ exitCode: 1 }],
  });
  expect(detail).not.toHaveProperty("startedAt");
});

test("a deployment that fails tells its start and its failure, and that which takes it back", async () => {
  const heard = new Heard();
  const deployments = new Deployments(new EmulatedTime(60_000, new TestClock()), heard);
  const order: Order = {
    scope,
    platform: "Lambda",
    application: "web",
    group: "live",
    groupId: "1",
    configName: "CodeDeployDefault.LambdaAllAtOnce",
    creator: "user",
    revision: "new",
    settings: {},
  };
  const target = {
    id: "it",
    begin: async () => {},
    shift: async () => Promise.reject(new Error("refused")),
    revert: async () => {},
    describe: () => ({}),
  };
  deployments.begin(order, {
    hooks: new Map(),
    shifts: [{ afterMinutes: 0, percent: 100 }],
    alarms: [],
    ignoreAlarmFailure: false,
    rollbackOn: new Set(["DEPLOYMENT_FAILURE" as const]),
    terminationMinutes: 0,
    open: async () => ({ target, invoke: async () => {}, activeAlarms: async () => [], close: () => {} }),
  });
  for (let turn = 0; turn < 20; turn++) await settle();
  await deployments.stop();
  expect(heard.all.map(({ detail }) => detail.state)).toEqual(["START", "FAILURE", "START", "SUCCESS"]);
  expect(heard.all[1]).toMatchObject({
    detailType: "CodeDeploy Deployment State-change Notification",
    resources: [
      "arn:aws:codedeploy:eu-west-1:111111111111:application:web",
      "arn:aws:codedeploy:eu-west-1:111111111111:deploymentgroup:web/live",
    ],
    detail: { application: "web", deploymentGroup: "live", deploymentId: expect.stringMatching(/^d-/) },
  });
});
