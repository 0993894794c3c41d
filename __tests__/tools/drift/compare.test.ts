import { compare, reportOf } from "../../../tools/drift/compare";
import { sized } from "../../support/effort";
import { change, planText } from "../review/support";

type Resource = ReturnType<typeof change>;

const stays = (type: string, values: Record<string, unknown>) =>
  change(type, { ...values }, { ...values }, { change: { actions: ["no-op"] } });

/** A configuration that sets an attribute of a resource. */
const configured = (address: string, ...attributes: string[]) => ({
  configuration: {
    root_module: {
      resources: [{ address, expressions: Object.fromEntries(attributes.map((one) => [one, {}])) }],
    },
  },
});

const compared = (resources: Resource[], resource_drift: Resource[] = [], more: object = {}) =>
  compare({ name: "dev", plan: planText(resources, { resource_drift, ...more }) });

const key = stays("aws_kms_key", { description: "Logs" });

describe("is as it was released", () => {
  test("where the plan changes nothing, and nothing else has changed anything", () => {
    expect(compared([key])).toEqual({ is: "as released" });
  });

  test("where only what nobody configured was read anew", () => {
    const read = change("aws_iam_role", { inline_policy: [] }, { inline_policy: null });
    expect(compared([key], [read], configured("aws_iam_role.it", "name"))).toEqual({ is: "as released" });
  });

  test("where only data is read, an output differs, or a document has another form", () => {
    const read = change(
      "aws_region",
      null,
      { name: "eu-west-1" },
      { mode: "data", change: { actions: ["read"] } },
    );
    const output_changes = { url: { actions: ["update"], before: "a", after: "b" } };
    const form = change("aws_sqs_queue", { policy: '{"a":1,"b":2}' }, { policy: '{"b":2,"a":1}' });
    expect(compared([key, read, form], [], { output_changes })).toEqual({ is: "as released" });
  });

  test("where a release moved traffic, and autoscaling tasks", () => {
    const group = stays("aws_codedeploy_deployment_group", { app_name: "web" });
    const target = stays("aws_appautoscaling_target", { resource_id: "service/hello-dev/web" });
    const cluster = "arn:aws:ecs:eu-west-1:222222222222:cluster/hello-dev";
    const service = change(
      "aws_ecs_service",
      { name: "web", cluster, desired_count: 1, task_definition: "web:1" },
      { name: "web", cluster, desired_count: 3, task_definition: "web:2" },
    );
    const rule = change("aws_lb_listener_rule", { action: [{ weight: 100 }] }, { action: [{ weight: 0 }] });
    const more = configured("aws_ecs_service.it", "desired_count", "task_definition");
    expect(compared([group, target], [service, rule], more)).toEqual({ is: "as released" });
  });
});

describe("drifted", () => {
  test("where somebody changed what is configured, and the plan sets it right", () => {
    const byHand = change("aws_kms_key", { description: "Logs" }, { description: "Mine" });
    const right = change("aws_kms_key", { description: "Mine" }, { description: "Logs" });
    expect(compared([right], [byHand], configured("aws_kms_key.it", "description"))).toMatchObject({
      is: "drifted",
      summary:
        "1 resource changed outside of Terraform; to be as it was released: 0 to add, 1 to change, 0 to destroy",
    });
  });

  test("where the plan changes something, and nobody knows why: an apply that failed halfway, say", () => {
    expect(compared([key, change("aws_eip", null, { domain: "vpc" })])).toMatchObject({
      is: "drifted",
      summary: "to be as it was released: 1 to add, 0 to change, 0 to destroy",
    });
  });

  test("where only tags differ", () => {
    expect(compared([key, change("aws_eip", { tags: {} }, { tags: { a: "b" } })])).toMatchObject({
      is: "drifted",
      summary: "to be as it was released: 0 to add, 1 to change, 0 to destroy",
    });
  });

  test("where the number of tasks of a service was changed that nothing scales", () => {
    const service = change(
      "aws_ecs_service",
      { name: "web", desired_count: 1 },
      { name: "web", desired_count: 3 },
    );
    expect(compared([key], [service], configured("aws_ecs_service.it", "desired_count"))).toMatchObject({
      summary: "1 resource changed outside of Terraform",
    });
  });

  test("where nothing is there any more: whoever lost the state must hear of it", () => {
    expect(compared([change("aws_eip", null, { domain: "vpc" })])).toMatchObject({ is: "drifted" });
  });

  test("where everything was deleted by hand", () => {
    const gone = change("aws_eip", { domain: "vpc" }, null);
    expect(compared([change("aws_eip", null, { domain: "vpc" })], [gone])).toMatchObject({ is: "drifted" });
  });
});

describe("fails", () => {
  test("with Terraform's words where it left no plan, without what looks like a credential", () => {
    const failure = "Error: no valid credential AKIAIOSFODNN7EXAMPLE"; // slipway:not-a-secret of AWS's documentation
    expect(compare({ name: "dev", failure })).toEqual({
      is: "failed",
      reason: "Error: no valid credential (sensitive)",
    });
  });

  test("where Terraform met an error, though it left what it had planned; and hides what is secret in that", () => {
    const secret = change(
      "aws_thing",
      null,
      { a: "hunter2-hunter2" },
      { change: { after_sensitive: { a: true } } },
    );
    const plan = planText([secret], { errored: true });
    expect(compare({ name: "dev", plan, failure: "Error: hunter2-hunter2 is no name" })).toEqual({
      is: "failed",
      reason: expect.not.stringContaining("hunter2"),
    });
  });

  test("where what it left cannot be read: that is never as it was released", () => {
    expect(compare({ name: "dev", plan: "{}" })).toMatchObject({ is: "failed" });
    expect(compare({ name: "dev" })).toMatchObject({ is: "failed" });
  });
});

describe("the report", () => {
  const when = new Date("2026-11-21T04:00:00Z");

  test("has what drifted and what failed, and of the rest nothing", () => {
    const drifted = compared([change("aws_eip", { tags: {} }, { tags: { a: "b" } }), key]);
    const report = reportOf("hello", when, [
      ["dev", drifted],
      ["test", { is: "as released" }],
      ["prod", { is: "failed", reason: "Error: no state" }],
    ]);
    expect(report).toEqual({
      project: "hello",
      when: "2026-11-21T04:00:00.000Z",
      environments: [
        {
          environment: "dev",
          summary: "to be as it was released: 0 to add, 1 to change, 0 to destroy",
          review: expect.arrayContaining(["Plan review: 0 to add, 1 to change, 0 to destroy."]),
        },
      ],
      failures: [{ environment: "prod", reason: "Error: no state" }],
    });
  });

  test("cuts a review that no mail takes, and has no secret of it", () => {
    const many = Array.from({ length: sized(3000) }, (_, index) =>
      change("aws_thing", { a: "hunter2-hunter2", b: `${index}` }, null, {
        name: `it${index}`,
        change: { before_sensitive: { a: true } },
      }),
    );
    const [found] = reportOf("hello", when, [["dev", compared(many)]]).environments;
    const { review } = found!;
    expect(review.length).toBeLessThanOrEqual(501);
    expect(review.join("\n").length).toBeLessThan(200_000);
    expect(review.join("\n")).not.toContain("hunter2");
  });
});
