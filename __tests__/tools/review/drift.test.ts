import { plainText } from "../../../tools/review/phrase";
import { change, planReviewOf } from "./support";

const policy = (...actions: string[]) =>
  JSON.stringify({
    Version: "2012-10-17",
    Statement: actions.map((Action) => ({ Effect: "Allow", Action, Resource: "*" })),
  });

/** A configuration that sets these attributes of these resources. */
const configuration = (attributes: Record<string, string[]>) => ({
  configuration: {
    root_module: {
      resources: Object.entries(attributes).map(([address, names]) => ({
        address,
        expressions: Object.fromEntries(names.map((name) => [name, {}])),
      })),
    },
  },
});

const staying = (type: string, values: object, name = "it") =>
  change(type, { ...values }, { ...values }, { name, change: { actions: ["no-op"] } });

/** What is told of the drift: addresses with the attributes and what they open. */
function told(resource_drift: unknown[], more: object = {}, resources: unknown[] = []) {
  const { drift, folded, risks } = planReviewOf(resources, { resource_drift, ...more });
  return {
    told: drift.map(({ resource, findings }) => [
      resource.address,
      ...resource.attributes.map(({ path }) => path),
      ...findings.map(({ text }) => plainText(text)),
    ]),
    readAnew: folded.readAnew,
    risks,
  };
}

describe("drift is told", () => {
  test("where an attribute that is configured has changed, and of that attribute alone", () => {
    const drifted = change(
      "aws_lambda_function",
      { timeout: 10, layers: null, tags: null },
      { timeout: 99, layers: ["x"], tags: {} },
    );
    expect(told([drifted], configuration({ "aws_lambda_function.it": ["timeout"] }))).toEqual({
      told: [["aws_lambda_function.it", "timeout"]],
      readAnew: 0,
      risks: ["drift"],
    });
  });

  test.each([
    0,
    false,
    "",
    [],
    {},
  ])("but not where what nobody wrote in a block is read back as %j", (zero) => {
    const stage = (value: unknown, size = 1) => ({ stage: [{ name: "Build", size, it: value }] });
    const configured = configuration({ "aws_codepipeline.it": ["stage"] });
    const pipeline = (before: object, after: object) => [
      change("aws_codepipeline", { ...before }, { ...after }),
    ];
    expect(told(pipeline(stage(null), stage(zero)), configured)).toEqual({
      told: [],
      readAnew: 1,
      risks: [],
    });
    expect(told(pipeline(stage(null), stage(zero, 2)), configured).told).toEqual([
      ["aws_codepipeline.it", "stage[0].size"],
    ]);
    expect(told(pipeline(stage("x"), stage(zero)), configured).risks).toEqual(["drift"]);
    expect(told(pipeline({ stage: null }, { stage: zero }), configured).risks).toEqual(["drift"]);
  });

  test("but not where a number that nobody wrote in a block is read back as 0", () => {
    const queries = (period: number | null, stat: string) => ({
      metric_query: [{ id: "calls", period, metric: [{ stat }] }],
    });
    const configured = configuration({ "aws_cloudwatch_metric_alarm.it": ["metric_query"] });
    const alarm = (before: object, after: object) => [
      change("aws_cloudwatch_metric_alarm", { ...before }, { ...after }),
    ];
    expect(told(alarm(queries(null, "Sum"), queries(0, "Sum")), configured)).toEqual({
      told: [],
      readAnew: 1,
      risks: [],
    });
    expect(told(alarm(queries(null, "Sum"), queries(0, "Average")), configured).told).toEqual([
      ["aws_cloudwatch_metric_alarm.it", "metric_query[0].metric[0].stat"],
    ]);
    expect(told(alarm(queries(null, "Sum"), queries(60, "Sum")), configured).risks).toEqual(["drift"]);
  });

  test("where the plan uses what changed", () => {
    const drifted = change("aws_eip", { public_ip: "1.2.3.4" }, { public_ip: "5.6.7.8" });
    const more = configuration({ "aws_eip.it": ["domain"] });
    expect(told([drifted], more).told).toEqual([]);
    const relevant_attributes = [{ resource: "aws_eip.it", attribute: ["public_ip"] }];
    expect(told([drifted], { ...more, relevant_attributes }).told).toEqual([["aws_eip.it", "public_ip"]]);
    const whole = [{ resource: "aws_eip.it[0]", attribute: [] }];
    expect(told([drifted], { ...more, relevant_attributes: whole }).told).toHaveLength(1);
  });

  test("where a resource is gone", () => {
    const gone = change("aws_eip", { public_ip: "1.2.3.4" }, null);
    expect(told([gone], configuration({ "aws_eip.it": [] })).told).toEqual([["aws_eip.it"]]);
  });

  test("where a block that was there has changed, also one that the configuration makes dynamically", () => {
    const drifted = change(
      "aws_cloudfront_distribution",
      { origin: [{ domain: "a" }] },
      { origin: [{ domain: "b" }] },
    );
    expect(told([drifted], configuration({ "aws_cloudfront_distribution.it": ["enabled"] })).told).toEqual([
      ["aws_cloudfront_distribution.it", "origin[0].domain"],
    ]);
  });

  test("where the plan changes the same attribute back, although nobody configured it", () => {
    const drifted = change("aws_lb", { protection: true }, { protection: false });
    const back = change("aws_lb", { protection: false }, { protection: true });
    const more = configuration({ "aws_lb.it": ["name"] });
    expect(told([drifted], more, [back]).told).toEqual([["aws_lb.it", "protection"]]);
    expect(told([drifted], more, []).told).toEqual([]);
  });

  test("in whole where the plan does not say what is configured", () => {
    const drifted = change("aws_eip", { public_ip: "1.2.3.4" }, { public_ip: "5.6.7.8" });
    expect(told([drifted]).told).toEqual([["aws_eip.it", "public_ip"]]);
  });
});

describe("what a provider fills in by itself", () => {
  const role = (...actions: string[]) =>
    change(
      "aws_iam_role",
      { id: "web", name: "web", inline_policy: [] },
      {
        id: "web",
        name: "web",
        inline_policy: actions.map((action) => ({ name: action, policy: policy(action) })),
      },
    );
  const rolePolicy = staying("aws_iam_role_policy", {
    id: "web:logs",
    role: "web",
    policy: policy("logs:PutLogEvents"),
  });
  const group = (...ports: number[]) =>
    change(
      "aws_security_group",
      { id: "sg-1", ingress: [] },
      {
        id: "sg-1",
        ingress: ports.map((port) => ({
          protocol: "tcp",
          from_port: port,
          to_port: port,
          cidr_blocks: ["0.0.0.0/0"],
        })),
      },
    );
  const rule = staying("aws_vpc_security_group_ingress_rule", {
    security_group_id: "sg-1",
    ip_protocol: "tcp",
    from_port: 80,
    to_port: 80,
    cidr_ipv4: "0.0.0.0/0",
  });
  const configured = configuration({ "aws_iam_role.it": ["name"], "aws_security_group.it": ["name"] });

  test("is counted and not told, where another resource of the configuration is what opens it", () => {
    expect(told([role("logs:PutLogEvents"), group(80)], configured, [rolePolicy, rule])).toEqual({
      told: [],
      readAnew: 2,
      risks: [],
    });
  });

  test("is told where somebody opened more by hand", () => {
    expect(
      told([role("logs:PutLogEvents", "s3:*"), group(80, 22)], configured, [rolePolicy, rule]).told,
    ).toEqual([
      ["aws_iam_role.it", "allows s3:* on *"],
      ["aws_security_group.it", "opens tcp 22 from 0.0.0.0/0"],
    ]);
  });

  test("is told where what opens it is another's of the same name", () => {
    const other = staying("aws_sqs_queue_policy", { queue_url: "web", policy: policy("s3:*") });
    expect(told([role("s3:*")], configured, [other]).told).toEqual([["aws_iam_role.it", "allows s3:* on *"]]);
  });

  test("is told where the resource that opens it was changed by hand itself", () => {
    const drifted = change(
      "aws_iam_role_policy",
      { role: "web", policy: policy("logs:PutLogEvents") },
      { role: "web", policy: policy("logs:PutLogEvents", "s3:*") },
    );
    const all = told([role("logs:PutLogEvents", "s3:*"), drifted], configured, [
      staying("aws_iam_role_policy", { role: "web", policy: policy("logs:PutLogEvents", "s3:*") }),
    ]);
    expect(all.told.flat()).toContain("allows s3:* on *");
  });
});

describe("what a provider reads back, while a plan changes what it is of,", () => {
  const document = (...statements: object[]) =>
    JSON.stringify({ Version: "2012-10-17", Statement: statements });
  const allow = { Effect: "Allow", Principal: "*", Action: "s3:GetObject", Resource: "*" };
  const deny = { Effect: "Deny", Principal: "*", Action: "s3:*", Resource: "*" };
  const bucket = (policy: string) => staying("aws_s3_bucket", { bucket: "b", policy });
  const bucketPolicy = (before: string | null, after: string) =>
    change("aws_s3_bucket_policy", before === null ? null : { bucket: "b", policy: before }, {
      bucket: "b",
      policy: after,
    });
  const opened = (changes: unknown[], configured: string[] = ["bucket"]) =>
    planReviewOf(changes, configuration({ "aws_s3_bucket.it": configured })).access.map(
      ({ direction, text }) => `${direction}: ${plainText(text)}`,
    );

  test("hides no Deny that goes", () => {
    const old = document(allow, deny);
    expect(opened([bucket(old), bucketPolicy(old, document(allow))])).toEqual([
      "widens: no longer denies s3:* to anybody",
    ]);
  });

  test("hides no statement that comes, although somebody had made it by hand", () => {
    const byHand = document(allow, { ...allow, Action: "s3:*" });
    expect(
      opened([
        bucket(byHand),
        bucketPolicy(document(allow), document(allow, { ...allow, Action: "s3:Put*" })),
      ]),
    ).toEqual(["widens: allows s3:Put* to anybody"]);
  });

  test("is what was there, where a policy moves to a resource of its own", () => {
    const same = document(allow);
    expect(opened([bucket(same), bucketPolicy(null, same)])).toEqual([]);
  });

  test("is its own where somebody configured it", () => {
    const same = document(allow, deny);
    const more = document({ ...allow, Action: "s3:*" });
    expect(opened([bucket(same), bucketPolicy(null, more)], ["bucket", "policy"])).toEqual([
      "widens: allows s3:* to anybody",
    ]);
  });
});
