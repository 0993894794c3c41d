import { StatusType } from "@aws-sdk/client-codebuild";
import type { Settings } from "../../settings";
import { exampleSettings } from "../support/settings";
import { synthesizeDelivery } from "../support/synth";
import { all, statements } from "../support/synthesized";

/** Of the example's settings, without its previews. */
const delivery = async (changes: Partial<Settings> = {}) =>
  synthesizeDelivery({ ...(await exampleSettings()), previews: [], ...changes });

interface Project {
  readonly name: string;
  readonly count?: string;
  readonly source: { readonly type: string; readonly auth?: object };
  readonly secondary_sources?: readonly object[];
}
const projects = (stack: Awaited<ReturnType<typeof delivery>>) =>
  Object.fromEntries(
    (all(stack, "aws_codebuild_project") as unknown as Project[]).map((one) => [one.name, one]),
  );

describe("the review of pull requests", () => {
  test("is started for those into the branches that are deployed, and whatever changes their plans", async () => {
    const { main: pipeline } = (await exampleSettings()).pipelines;
    const stack = await delivery({
      pipelines: { main: pipeline!, old: { ...pipeline!, name: "old", branch: "release/1.0" } },
    });
    const told = all(stack, "aws_lambda_function").find(
      ({ function_name: n }) => n === "hello-delivery-webhook",
    );
    const { variables } = (told as { environment: { variables: { WEBHOOK: string } } }).environment;
    expect(JSON.parse(variables.WEBHOOK).review).toEqual({
      project: "hello-delivery-review",
      into: ["main", "release/1.0"],
    });
  });

  test("is there as soon as the token is stored, and the first deploy works without it", async () => {
    const stack = await delivery();
    const { "hello-delivery-review": review } = projects(stack);
    expect(review!.count).toMatch(/^\$\{try\(length\(data\..*\[0\]\.versions\), 0\) > 0 \? 1 : 0\}$/);
    expect(JSON.stringify(stack.data)).toContain(`contains(data.aws_secretsmanager_secrets.`);
  });

  test("keeps the token from the build that runs the pull request's code", async () => {
    const { "hello-delivery-plan": plan, "hello-delivery-review": review } = projects(await delivery());
    expect(plan!.source).toMatchObject({ type: "S3" });
    expect(JSON.stringify(plan)).not.toMatch(/auth|token|SECRETS_MANAGER/i);
    expect(review!.source.auth).toMatchObject({ type: "SECRETS_MANAGER" });
    expect(review!.secondary_sources).toMatchObject([{ source_identifier: "trusted" }]);
  });

  test.each<Settings["source"]>([
    { provider: "codecommit", repository: "hello" },
    { provider: "connection", repository: "acme/hello", host: "GitHub" },
  ])("is not there where there is no token: $provider", async (source) => {
    const stack = await delivery({ source });
    expect(Object.keys(projects(stack))).toEqual(["hello-delivery-drift"]);
    expect(all(stack, "aws_secretsmanager_secret")).toEqual([]);
  });
});

describe("what people are told of runs", () => {
  const notifications = (changes: Partial<Settings["notifications"]> = {}) => ({
    notifications: { emails: [], subscribers: {}, commitStatus: true, pages: true, drift: true, ...changes },
  });
  const told = (stack: Awaited<ReturnType<typeof delivery>>) => {
    const fn = all(stack, "aws_lambda_function").find((one) => one.function_name === "hello-delivery-report");
    const { environment } = fn as { environment: { variables: { REPORT: string } } };
    return JSON.parse(environment.variables.REPORT) as Record<string, unknown>;
  };

  test("is heard of by rules that a queue takes from, and from nobody else", async () => {
    const stack = await delivery(notifications());
    const rules = all(stack, "aws_cloudwatch_event_rule").filter(({ event_pattern }) => event_pattern);
    expect(rules.map(({ name }) => name).sort()).toEqual(
      ["approvals", "drift", "runs"].map((rule) => `hello-delivery-report-${rule}`),
    );
    const patterns = rules.map(({ event_pattern }) => JSON.parse(event_pattern as string));
    for (const { source, detail } of patterns)
      if (source[0] === "aws.codepipeline") expect(detail.pipeline).toEqual(["hello-main"]);
    const queue = all(stack, "aws_sqs_queue").find(({ policy }) => policy)!;
    const [statement, ...others] = statements(queue) as {
      Principal: object;
      Action: string;
      Condition: { ArnEquals: { "aws:SourceArn": string[] } };
    }[];
    expect(others).toEqual([]);
    expect(statement).toMatchObject({
      Principal: { Service: "events.amazonaws.com" },
      Action: "sqs:SendMessage",
    });
    expect(statement!.Condition.ArnEquals["aws:SourceArn"]).toHaveLength(rules.length);
  });

  test("is heard of drift however the build ended that looked for it", async () => {
    const rule = all(await delivery(notifications()), "aws_cloudwatch_event_rule").find(
      ({ name }) => name === "hello-delivery-report-drift",
    )!;
    expect(JSON.parse(rule.event_pattern as string).detail["build-status"].sort()).toEqual(
      Object.values(StatusType)
        .filter((status) => status !== "IN_PROGRESS")
        .sort(),
    );
  });

  test("is tried five times, is in nobody else's hands meanwhile, and is heard of where it could not be told", async () => {
    const stack = await delivery(notifications());
    const [mapping] = all(stack, "aws_lambda_event_source_mapping");
    expect(mapping).toMatchObject({ function_response_types: ["ReportBatchItemFailures"] });
    const queues = all(stack, "aws_sqs_queue");
    const queue = queues.find(({ name }) => name === "hello-delivery-report-events")!;
    expect(JSON.parse(queue.redrive_policy as string)).toMatchObject({ maxReceiveCount: 5 });
    const fn = all(stack, "aws_lambda_function").find((one) => one.function_name === "hello-delivery-report");
    expect(queue.visibility_timeout_seconds).toBeGreaterThanOrEqual(6 * Number(fn!.timeout));
    const alarm = all(stack, "aws_cloudwatch_metric_alarm").find((one) =>
      String(one.alarm_name).endsWith("report-lost"),
    );
    expect(alarm).toMatchObject({ threshold: 0, alarm_actions: [expect.stringContaining("aws_sns_topic")] });
  });

  test("comes to those who chose, and alarms to those of them who hear of failures", async () => {
    const stack = await delivery(
      notifications({
        emails: ["all@example.com"],
        subscribers: {
          "failures@example.com": { events: ["failure"], pipelines: ["main"] },
          "approvals@example.com": { events: ["approval"] },
        },
      }),
    );
    const filters = Object.fromEntries(
      all(stack, "aws_sns_topic_subscription").map(({ endpoint, filter_policy: filter }) => [
        endpoint,
        filter && JSON.parse(filter as string),
      ]),
    );
    expect(filters).toEqual({
      "all@example.com": undefined,
      "failures@example.com": { kind: ["failure", { exists: false }], pipeline: ["main", { exists: false }] },
      "approvals@example.com": { kind: ["approval"] },
    });
  });

  test("is by commit statuses only where there is a token", async () => {
    expect(told(await delivery(notifications()))).toMatchObject({
      statuses: true,
      tokenSecret: expect.stringContaining("secret.github-token.name"),
    });
    const without = told(
      await delivery({
        ...notifications(),
        source: { provider: "connection", repository: "acme/hello", host: "GitHub" },
      }),
    );
    expect(without).toMatchObject({ statuses: false });
    expect(without).not.toHaveProperty("tokenSecret");
    expect(told(await delivery(notifications({ commitStatus: false })))).toMatchObject({ statuses: false });
  });

  test("is by a chat where one is set, whose webhook's address is in a secret", async () => {
    const stack = await delivery(notifications({ chat: { events: ["failure"] } }));
    expect(told(stack).chat).toEqual({
      secret: expect.stringContaining("secret.chat-webhook.name"),
      events: ["failure"],
    });
    expect(all(stack, "aws_secretsmanager_secret").map(({ name }) => name)).toContain("hello/chat-webhook");
    expect(told(await delivery(notifications()))).not.toHaveProperty("chat");
  });

  test("is by pages that a signed link opens, or by none", async () => {
    const stack = await delivery(notifications());
    expect(told(stack)).toHaveProperty("pages");
    expect(all(stack, "aws_kms_key")).toContainEqual(
      expect.objectContaining({ customer_master_key_spec: "HMAC_256", key_usage: "GENERATE_VERIFY_MAC" }),
    );
    const without = await delivery(notifications({ pages: false }));
    expect(told(without)).not.toHaveProperty("pages");
    expect(all(without, "aws_apigatewayv2_api").map(({ name }) => name)).toEqual(["hello-delivery-webhook"]);
    expect(all(without, "aws_kms_key")).toHaveLength(1);
  });

  test("fits into a function's variables, which take 4 KB, with thirty pipelines", async () => {
    const { main: pipeline } = (await exampleSettings()).pipelines;
    const names = Array.from({ length: 30 }, (_, index) => `pipelinenumber${index}`);
    const stack = await delivery({
      ...notifications(),
      pipelines: Object.fromEntries(names.map((name) => [name, { ...pipeline!, name }])),
    });
    const fn = all(stack, "aws_lambda_function").find((one) => one.function_name === "hello-delivery-report");
    const { variables } = fn!.environment as { variables: Record<string, string> };
    expect(Object.entries(variables).flat().join("").length).toBeLessThan(4096);
  });
});

describe("previews", () => {
  const names = (stack: Awaited<ReturnType<typeof delivery>>) =>
    ["aws_lambda_function", "aws_s3_bucket", "aws_ecr_repository", "aws_codebuild_project"]
      .flatMap((type) => all(stack, type))
      .map(({ function_name: fn, bucket, name }) => fn ?? bucket ?? name);
  const OWN = [
    "hello-delivery-previews",
    "hello-previews-111111111111-eu-west-1",
    "hello/preview/web",
    "hello-delivery-teardown",
  ];

  test("have a function, a bucket, repositories and what ends them where the settings have previews", async () => {
    const { previews } = await exampleSettings();
    expect(names(await delivery({ previews }))).toEqual(expect.arrayContaining(OWN));
    expect(names(await delivery()).filter((name) => OWN.includes(String(name)))).toEqual([]);
  });

  test("are heard of by the webhook", async () => {
    const { previews } = await exampleSettings();
    const rights = (stack: Awaited<ReturnType<typeof delivery>>) =>
      JSON.stringify(all(stack, "aws_iam_role_policy"));
    const hints = /aws_sqs_queue\.branches_hints/;
    expect(rights(await delivery({ previews }))).toMatch(hints);
    expect(rights(await delivery())).not.toMatch(hints);
  });

  test("ask for a token behind a connection, for what is open, and for nothing else", async () => {
    const { previews } = await exampleSettings();
    const source = { provider: "connection", repository: "acme/hello", host: "GitHub" } as const;
    const stack = await delivery({ previews, source });
    expect(all(stack, "aws_secretsmanager_secret").map(({ name }) => name)).toEqual([
      "hello/github-token",
      "hello/github-webhook",
    ]);
    expect(Object.keys(projects(stack))).not.toContain("hello-delivery-review");
  });

  test("leave a sweep to trials, which die as well", async () => {
    const { main } = (await exampleSettings()).pipelines;
    const trial = { environment: "dev", regions: ["eu-west-1"] };
    const stack = await delivery({ pipelines: { main: { ...main!, trial } } });
    expect(names(stack)).toEqual(
      expect.arrayContaining(["hello-delivery-previews", "hello-delivery-teardown"]),
    );
    expect(names(stack)).not.toContain("hello/preview/web");
  });

  test("keep what they leave for as long as one may live, and a week", async () => {
    const [rule] = (await exampleSettings()).previews;
    const stack = await delivery({ previews: [{ ...rule!, ttlHours: 20 * 24 }] });
    const policies = all(stack, "aws_ecr_lifecycle_policy").map(({ policy }) => JSON.parse(policy as string));
    const days = policies.flatMap(({ rules }) =>
      rules.map(({ selection }: { selection: { countNumber: number } }) => selection.countNumber),
    );
    expect(Math.max(...days)).toBe(27);
  });
});
