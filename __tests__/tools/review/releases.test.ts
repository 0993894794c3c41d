import { change, planReviewOf, reviewOf, shown, textOf } from "./support";

const group = change(
  "aws_codedeploy_deployment_group",
  { app_name: "web" },
  { app_name: "web" },
  { change: { actions: ["no-op"] } },
);
const staying = (type: string, values: object) =>
  change(type, { ...values }, { ...values }, { change: { actions: ["no-op"] } });
const live = staying("aws_lambda_alias", { name: "live", function_name: "hello", function_version: "3" });
const replaced = { change: { actions: ["create", "delete"], replace_paths: [["container_definitions"]] } };
const newTask = change(
  "aws_ecs_task_definition",
  { container_definitions: "[1]" },
  { container_definitions: "[2]" },
  replaced,
);
const fn = (before: object, after: object) =>
  change("aws_lambda_function", { function_name: "hello", ...before }, { function_name: "hello", ...after });
const AWAITED = "it with the release that follows, not with the apply";

describe("says that a release brings it", () => {
  test("of a new task definition, where it is told as replaced", () => {
    expect(textOf([group, newTask])).toContain(
      `replace aws_ecs_task_definition.it (the new one first), forced by container_definitions. The service gets ${AWAITED}\n`,
    );
  });

  test.each([
    ["memory_size", 128, 256],
    ["timeout", 3, 4],
    ["environment", [{ variables: { A: "1" } }], [{ variables: { A: "2" } }]],
    ["role", "a", "b"],
    ["layers", ["a"], ["b"]],
  ])("of a function's %s, by its alias", (attribute, before, after) => {
    expect(textOf([group, live, fn({ [attribute]: before }, { [attribute]: after })])).toContain(
      `~ aws_lambda_function.it: 1 attribute. Callers of its alias get ${AWAITED}\n`,
    );
  });

  test("of a function that its alias names by ARN", () => {
    const byArn = staying("aws_lambda_alias", { function_name: "arn:hello" });
    const values = { arn: "arn:hello" };
    const changed = fn({ ...values, timeout: 3 }, { ...values, timeout: 4 });
    expect(planReviewOf([group, byArn, changed]).resources).toMatchObject([{ release: "awaited" }]);
  });

  test("and calls it no risk", () => {
    expect(planReviewOf([group, live, fn({ timeout: 3 }, { timeout: 4 })]).risks).toEqual([]);
  });
});

describe("says nothing of releases", () => {
  const release = (...changes: unknown[]) =>
    planReviewOf(changes).resources.flatMap((resource) => resource.release ?? []);

  test("where nothing is released by CodeDeploy", () => {
    const rule = change("aws_lb_listener_rule", { action: [{ order: 1 }] }, { action: [{ order: 2 }] });
    expect(release(newTask, live, fn({ timeout: 3 }, { timeout: 4 }), rule)).toEqual([]);
  });

  test("of a function without an alias", () => {
    const other = staying("aws_lambda_alias", { function_name: "other" });
    expect(release(group, other, fn({ timeout: 3 }, { timeout: 4 }))).toEqual([]);
  });

  test("of what a function's versions do not keep", () => {
    const [before, after] = [{ reserved_concurrent_executions: 1 }, { reserved_concurrent_executions: 2 }];
    expect(release(group, live, fn(before, after))).toEqual([]);
  });

  test("of what is made", () => {
    expect(release(group, change("aws_ecs_task_definition", null, { family: "web" }))).toEqual([]);
  });

  test("of a task definition that the apply itself gives a service", () => {
    const service = change(
      "aws_ecs_service",
      { task_definition: "web:1" },
      {},
      { change: { after_unknown: { task_definition: true } } },
    );
    expect(release(group, service, newTask)).toEqual(["undone"]);
  });
});

describe("tells as a risk what takes traffic from a release", () => {
  const forward = (...weights: number[]) => [
    { forward: [{ target_group: weights.map((weight, index) => ({ arn: `arn:${index}`, weight })) }] },
  ];

  test("by a listener rule's weights", () => {
    const rule = change("aws_lb_listener_rule", { action: forward(0, 100) }, { action: forward(100, 0) });
    expect(planReviewOf([group, rule]).risks).toEqual(["release"]);
    expect(textOf([group, rule])).toContain(`\
Takes traffic from releases (1)
  aws_lb_listener_rule.it leads users elsewhere with the apply: away from what the last release brought, without its checks
      - action[0].forward[0].target_group[0].weight = 0
`);
  });

  test("by a rule that is made anew", () => {
    const rule = change(
      "aws_lb_listener_rule",
      { listener_arn: "a", action: forward(0, 100) },
      { listener_arn: "b", action: forward(100, 0) },
      { change: { actions: ["delete", "create"], replace_paths: [["listener_arn"]] } },
    );
    expect(planReviewOf([group, rule]).risks).toEqual(["replace", "release"]);
  });

  test.each([
    ["function_version", "4", "3"],
    ["routing_config", [{ additional_version_weights: { 4: 0.1 } }], []],
  ])("by an alias's %s", (attribute, before, after) => {
    const alias = change(
      "aws_lambda_alias",
      { function_name: "hello", [attribute]: before },
      { function_name: "hello", [attribute]: after },
    );
    const { risks, resources } = planReviewOf([group, alias, fn({ timeout: 3 }, { timeout: 4 })]);
    expect(risks).toEqual(["release"]);
    expect(resources[0]).toMatchObject({ release: "undone" });
  });

  test("and not by a rule's other attributes", () => {
    const rule = change("aws_lb_listener_rule", { priority: 1 }, { priority: 2 });
    expect(planReviewOf([group, rule]).risks).toEqual([]);
  });

  test("and has it in what a limit leaves", () => {
    const rule = change("aws_lb_listener_rule", { action: forward(0, 100) }, { action: forward(100, 0) });
    const others = Array.from({ length: 300 }, (_, index) =>
      change("aws_thing", { a: 1 }, { a: 2 }, { name: `thing${index}` }),
    );
    expect(shown(reviewOf([group, ...others, rule]), "text", 3000).text).toContain(
      "aws_lb_listener_rule.it leads users",
    );
  });
});

describe("tells as a risk what reaches the version that serves before its release", () => {
  const checked = (path: string, more: object = {}) => ({ health_check: [{ path, interval: 15, ...more }] });
  const health = change("aws_lb_target_group", checked("/health"), checked("/up"));
  const policy = (...statements: object[]) =>
    JSON.stringify({ Version: "2012-10-17", Statement: statements });
  const allow = (Action: string | string[], ...Resource: string[]) => ({ Effect: "Allow", Action, Resource });
  const logs = allow("logs:PutLogEvents", "arn:logs");
  const [secret, parameter] = [
    allow("secretsmanager:GetSecretValue", "arn:db"),
    allow("ssm:GetParameters", "arn:key"),
  ];
  const grants = (before: object[], after: object[], role = "hello-dev-web-execution") =>
    change("aws_iam_role_policy", { role, policy: policy(...before) }, { role, policy: policy(...after) });
  const risksOf = (...changes: unknown[]) => planReviewOf([group, ...changes]).risks;

  test("by the path that its health is asked at", () => {
    expect(risksOf(health)).toEqual(["release"]);
    expect(textOf([group, health])).toContain(`\
Reaches what serves before its release (1)
  aws_lb_target_group.it asks for the new path as soon as it is applied, and the version that serves may not know it: then it counts as unwell. First release a version that answers both, then change health_path
      - health_check[0].path = "/health"
      + health_check[0].path = "/up"
`);
  });

  test("and not by what else is asked of its health", () => {
    expect(
      risksOf(change("aws_lb_target_group", checked("/health"), checked("/health", { interval: 30 }))),
    ).toEqual([]);
  });

  test("by a secret that its tasks may not read any more", () => {
    const changed = grants([logs, secret, parameter], [logs, parameter]);
    expect(risksOf(changed)).toEqual(["release"]);
    expect(textOf([group, changed])).toContain(
      "aws_iam_role_policy.it takes a secret as soon as it is applied, and the version that serves may need it: then no new task of it starts until the release that follows has ended. First release a version that does without it, then take it out\n",
    );
  });

  test.each<[string, object[], object[]]>([
    ["a parameter", [logs, parameter], [logs]],
    [
      "one of two",
      [allow("secretsmanager:GetSecretValue", "arn:a", "arn:b")],
      [allow("secretsmanager:GetSecretValue", "arn:a")],
    ],
    ["one for another", [secret], [allow("secretsmanager:GetSecretValue", "arn:other")]],
    [
      "one that it still may do other things with",
      [allow(["secretsmanager:GetSecretValue", "x:Y"], "arn:db")],
      [allow("x:Y", "arn:db")],
    ],
    ["what a pattern of actions allowed", [allow("secretsmanager:Get*", "arn:db")], [logs]],
    ["one that is denied", [secret], [secret, { ...secret, Effect: "Deny" }]],
  ])("by losing %s", (_, before, after) => {
    expect(risksOf(grants(before, after))).toContain("release");
  });

  test("and not by a secret that another statement still allows", () => {
    const both = allow("secretsmanager:GetSecretValue", "arn:db", "arn:key");
    expect(risksOf(grants([secret, logs], [logs, both]))).not.toContain("release");
  });

  test("and not by what else an execution role loses, or another role", () => {
    expect(risksOf(grants([logs, secret], [secret]))).toEqual([]);
    expect(risksOf(grants([logs, secret], [logs], "hello-dev-web-task"))).toEqual([]);
  });

  test("and not where the service goes with it", () => {
    const role = "hello-dev-web-execution";
    const gone = [
      change("aws_iam_role", { name: role }, null),
      change("aws_iam_role_policy", { role, policy: policy(secret) }, null),
    ];
    expect(risksOf(...gone)).toEqual(["delete"]);
  });

  test("and not where nothing is released by CodeDeploy", () => {
    expect(planReviewOf([health, grants([logs, secret], [logs])]).risks).toEqual([]);
  });

  test("and has it in JSON", () => {
    expect(planReviewOf([group, health]).resources).toMatchObject([{ release: "early" }]);
  });
});

describe("what a release has changed is no drift", () => {
  const configuration = {
    configuration: {
      root_module: {
        resources: Object.entries({
          aws_lb_listener_rule: ["action", "priority"],
          aws_lambda_alias: ["function_name", "function_version"],
          aws_lambda_function: ["source_code_hash", "timeout"],
          aws_ecs_service: ["network_configuration", "task_definition"],
        }).map(([type, names]) => ({
          address: `${type}.it`,
          expressions: Object.fromEntries(names.map((name) => [name, {}])),
        })),
      },
    },
  };
  const moved = [
    change("aws_lb_listener_rule", { action: [{ order: 1 }] }, { action: [{ order: 2 }] }),
    change("aws_lambda_alias", { function_version: "3" }, { function_version: "4" }),
    fn({ source_code_hash: "a", version: "3" }, { source_code_hash: "b", version: "4" }),
    change(
      "aws_ecs_service",
      { network_configuration: ["a"], task_definition: "web:1" },
      { network_configuration: ["b"], task_definition: "web:2" },
    ),
  ];
  const driftOf = (resource_drift: unknown[], ...resources: unknown[]) =>
    planReviewOf(resources, { resource_drift, ...configuration });

  test("and is counted", () => {
    const { risks, drift, folded } = driftOf(moved, group, live);
    expect({ risks, drift, folded }).toMatchObject({
      risks: [],
      drift: [],
      folded: { released: 4, readAnew: 0 },
    });
    expect(textOf([group, live], { resource_drift: moved, ...configuration })).toContain(
      "4 as releases left them",
    );
  });

  test("but what somebody changed beside it is", () => {
    const both = fn({ source_code_hash: "a", timeout: 3 }, { source_code_hash: "b", timeout: 9 });
    const { risks, drift } = driftOf([both], group, live);
    expect(risks).toEqual(["drift"]);
    expect(drift[0]!.resource.attributes.map(({ path }) => path)).toEqual(["timeout"]);
    expect(drift[0]!.resource.release).toBeUndefined();
  });

  test("but the same by hand is, where nothing is released", () => {
    expect(driftOf(moved, live).drift).toHaveLength(4);
  });

  test("but code of a function that has no alias is", () => {
    expect(driftOf([moved[2]], group).drift).toHaveLength(1);
  });
});
