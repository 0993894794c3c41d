import fc from "fast-check";
import { type CostReview, costLines, costText } from "../../../tools/review/cost";
import table from "../../../tools/review/prices.json";
import { toJson } from "../../../tools/review/review";
import { tries } from "../../support/effort";
import { change, markdownOf, planReviewOf, reviewOf, textOf } from "./support";

const REGION = "eu-west-1";
const HOURS = 730;

/** A configuration whose provider works in a region; with what services' task definitions are read of. */
const inRegion = (
  region: string,
  addresses: readonly string[],
  references: Record<string, string[]> = {},
) => ({
  configuration: {
    provider_config: { aws: { name: "aws", expressions: { region: { constant_value: region } } } },
    root_module: {
      resources: addresses.map((address) => ({
        address,
        provider_config_key: "aws",
        expressions: references[address] ? { task_definition: { references: references[address] } } : {},
      })),
    },
  },
});

type Resource = ReturnType<typeof change>;

const costOf = (resources: Resource[], region = REGION, references?: Record<string, string[]>): CostReview =>
  planReviewOf(
    resources,
    inRegion(
      region,
      resources.map(({ address }) => address),
      references,
    ),
  ).cost;

const nat = (name: string, made: "comes" | "goes" | "stays" = "comes") => {
  const there = { connectivity_type: "public" };
  return change(
    "aws_nat_gateway",
    made === "comes" ? null : { ...there },
    made === "goes" ? null : { ...there },
    {
      name,
      ...(made === "stays" && { change: { actions: ["no-op"] } }),
    },
  );
};

describe("counts", () => {
  test("what comes, what goes, and how many there were", () => {
    expect(costOf([nat("a"), nat("b", "stays")])).toMatchObject({
      change: 35.04,
      counted: [{ what: "NAT gateways", before: 1, after: 2, change: 35.04 }],
      prices: { regions: ["eu-west-1"], asOf: table.asOf },
    });
    expect(costOf([nat("a", "goes")])).toMatchObject({
      change: -35.04,
      counted: [{ what: "NAT gateways", before: 1, after: 0, change: -35.04 }],
    });
  });

  test("nothing of what is only replaced, moved or changed in its tags", () => {
    const replaced = change(
      "aws_kms_key",
      { tags: {} },
      { tags: { a: "b" } },
      { change: { actions: ["delete", "create"] } },
    );
    const updated = change("aws_eip", { tags: {} }, { tags: { a: "b" } });
    expect(costOf([replaced, updated, nat("it", "stays")])).toMatchObject({
      change: 0,
      counted: [],
      unpriced: 0,
      unclear: 0,
    });
  });

  test("what is forgotten as there still, and so twice where another comes", () => {
    expect(costOf([change("aws_eip", {}, null, { change: { actions: ["forget"] } })]).counted).toEqual([]);
    expect(
      costOf([change("aws_eip", {}, {}, { change: { actions: ["create", "forget"] } })]).counted,
    ).toMatchObject([{ what: "public IPv4 addresses", before: 0, after: 1 }]);
  });

  test.each<[string, string, object, Record<string, number>]>([
    ["a key", "aws_kms_key", {}, { "KMS keys": 1 }],
    ["a dashboard", "aws_cloudwatch_dashboard", {}, { dashboards: 1 }],
    ["a zone", "aws_route53_zone", {}, { "hosted zones": 1 }],
    ["a secret, and each replica", "aws_secretsmanager_secret", { replica: [{}, {}] }, { secrets: 3 }],
    [
      "a load balancer, and the addresses by which it is reached",
      "aws_lb",
      { load_balancer_type: "application", internal: false, subnets: ["a", "b"] },
      { "application load balancers": 1, "public IPv4 addresses": 2 },
    ],
    [
      "an internal one, which has none",
      "aws_lb",
      { load_balancer_type: "application", internal: true, subnets: ["a", "b"] },
      { "application load balancers": 1 },
    ],
    [
      "a web ACL, and its rules",
      "aws_wafv2_web_acl",
      { rule: [{}, {}, {}] },
      { "web ACLs": 1, "rules of web ACLs": 3 },
    ],
    [
      "an interface endpoint in each of its zones",
      "aws_vpc_endpoint",
      { vpc_endpoint_type: "Interface", subnet_ids: ["a", "b", "c"] },
      { "interface endpoints, each in each zone": 3 },
    ],
    ["a gateway endpoint, which is free", "aws_vpc_endpoint", { vpc_endpoint_type: "Gateway" }, {}],
    [
      "an alarm",
      "aws_cloudwatch_metric_alarm",
      { period: 60, metric_query: [] },
      { "metrics that alarms watch": 1 },
    ],
    [
      "an alarm by each metric that it watches, not by what it computes",
      "aws_cloudwatch_metric_alarm",
      {
        metric_query: [
          { metric: [{ period: 60 }] },
          { metric: [{ period: 60 }] },
          { expression: "a/b", metric: [] },
        ],
      },
      { "metrics that alarms watch": 2 },
    ],
    [
      "one that looks more often than each minute",
      "aws_cloudwatch_metric_alarm",
      { period: 10 },
      { "metrics that alarms watch by the second": 1 },
    ],
  ])("%s", (_, type, values, expected) => {
    const { counted, unclear, unpriced } = costOf([change(type, null, { ...values })]);
    expect([Object.fromEntries(counted.map(({ what, after }) => [what, after])), unclear, unpriced]).toEqual([
      expected,
      0,
      0,
    ]);
  });
});

describe("a service on Fargate", () => {
  const CPU = 0.04048 * HOURS;
  const MEMORY = 0.004445 * HOURS;
  const stay = { change: { actions: ["no-op"] } };
  const service = (values: object | null, now: object | null = values, more: Record<string, unknown> = {}) =>
    change(
      "aws_ecs_service",
      values && {
        launch_type: "FARGATE",
        name: "web",
        cluster: "arn:aws:ecs:eu-west-1:1:cluster/dev",
        ...values,
      },
      now && { launch_type: "FARGATE", name: "web", cluster: "arn:aws:ecs:eu-west-1:1:cluster/dev", ...now },
      more,
    );
  const task = (before: object | null, after: object | null = before, more: Record<string, unknown> = {}) =>
    change("aws_ecs_task_definition", before && { ...before }, after && { ...after }, more);
  const target = (before: number | null, after: number | null, more: Record<string, unknown> = {}) => {
    const scaled = (min_capacity: number | null) =>
      min_capacity === null ? null : { resource_id: "service/dev/web", min_capacity };
    return change("aws_appautoscaling_target", scaled(before), scaled(after), more);
  };
  const uses = {
    "aws_ecs_service.it": ["aws_ecs_task_definition.it.arn", "aws_ecs_task_definition.it"],
  };
  const small = { cpu: "256", memory: "512" };

  test("costs what its tasks take", () => {
    const { change: monthly, counted } = costOf(
      [service(null, { desired_count: 2 }), task(null, small)],
      REGION,
      uses,
    );
    expect(monthly).toBeCloseTo(2 * (CPU / 4 + MEMORY / 2), 2);
    expect(counted.map(({ what, after }) => [what, after])).toEqual([
      ["vCPUs of Fargate", 0.5],
      ["GB of memory of Fargate", 1],
    ]);
  });

  test("costs its least number of tasks where it scales, whatever runs now", () => {
    const resources = [
      service({ desired_count: 9 }, undefined, stay),
      task(small, small, stay),
      target(1, 3),
    ];
    expect(costOf(resources, REGION, uses).change).toBeCloseTo(2 * (CPU / 4 + MEMORY / 2), 2);
  });

  test("costs more with larger tasks, though the service itself stays", () => {
    const larger = task(small, { cpu: "512", memory: "1024" }, { change: { actions: ["create", "delete"] } });
    expect(costOf([service({ desired_count: 1 }, undefined, stay), larger], REGION, uses).change).toBeCloseTo(
      CPU / 4 + MEMORY / 2,
      2,
    );
  });

  test.each<[string, Resource[]]>([
    [
      "its size is known only after the apply",
      [task(null, { memory: "512" }, { change: { after_unknown: { cpu: true } } })],
    ],
    ["its size is secret", [task(null, small, { change: { after_sensitive: { cpu: true } } })]],
    ["its size is no size", [task(null, { cpu: "9".repeat(300), memory: "512" })]],
    ["its task definition is not in the plan", []],
  ])("is told as not counted where %s", (_, others) => {
    expect(costOf([service(null, { desired_count: 1 }), ...others], REGION, uses)).toMatchObject({
      counted: [],
      unclear: 1,
    });
  });

  test.each<[string, object, object]>([
    ["not on Fargate", { launch_type: "EC2" }, {}],
    ["on ARM", {}, { runtime_platform: [{ cpu_architecture: "ARM64" }] }],
  ])("is told as without a price where it is %s", (_, serviceValues, taskValues) => {
    const resources = [
      service(null, { desired_count: 1, ...serviceValues }),
      task(null, { ...small, ...taskValues }),
    ];
    expect(costOf(resources, REGION, uses)).toMatchObject({ counted: [], unpriced: 1 });
  });
});

describe("does not count, and says so,", () => {
  test("what has no price in the table; what costs by use; and not what is free", () => {
    const cost = costOf([
      change("aws_db_instance", null, { instance_class: "db.t4g.micro" }),
      change("aws_lb", null, { load_balancer_type: "network" }, { name: "network" }),
      change("aws_lambda_function", null, { memory_size: 512 }),
      change("aws_iam_role", null, { name: "web" }),
      nat("a"),
    ]);
    expect(cost).toMatchObject({ change: 35.04, unpriced: 2, byUse: 1, unclear: 0 });
    expect(costLines(cost)).toEqual([
      "+$35.04 NAT gateways: 0 to 1",
      "Resources not counted: 2 whose price is not in the table, 1 paid by use",
    ]);
  });

  test("a table of DynamoDB whose capacity is bought by the hour as one that is paid by use", () => {
    const table = (name: string, billing_mode: string) =>
      change("aws_dynamodb_table", null, { billing_mode, read_capacity: 5000 }, { name });
    expect(costOf([table("a", "PROVISIONED"), table("b", "PAY_PER_REQUEST")])).toMatchObject({
      counted: [],
      unpriced: 1,
      byUse: 1,
    });
  });

  test("what is known only after the apply, beside what is known of the same resource", () => {
    const balancer = change(
      "aws_lb",
      null,
      { load_balancer_type: "application", internal: false },
      { change: { after_unknown: { subnets: true } } },
    );
    expect(costOf([balancer])).toMatchObject({
      counted: [{ what: "application load balancers", after: 1 }],
      unclear: 1,
    });
  });

  test("but does count what an alarm watches, though not yet of what", () => {
    const alarm = change(
      "aws_cloudwatch_metric_alarm",
      null,
      { metric_query: [{ metric: [{ period: 60 }] }, { metric: [{ period: 60 }] }] },
      { change: { after_unknown: { metric_query: [{ metric: [{ dimensions: true }] }, { metric: [{}] }] } } },
    );
    expect(costOf([alarm])).toMatchObject({ counted: [{ after: 2, change: 0.2 }], unclear: 0 });
  });

  test("what an action that nobody knows does to a resource", () => {
    expect(costOf([change("aws_eip", {}, {}, { change: { actions: ["swap"] } })])).toMatchObject({
      counted: [],
      unclear: 1,
    });
  });

  test("how many there are of what is secret", () => {
    const acl = change(
      "aws_wafv2_web_acl",
      { rule: [{}] },
      { rule: [{}, {}, {}] },
      { change: { before_sensitive: { rule: true }, after_sensitive: { rule: true } } },
    );
    expect(costOf([acl])).toMatchObject({ change: 0, counted: [], unclear: 1 });
  });
});

test("what goes is counted at the prices of the default provider's region: it is in no configuration", () => {
  const { cost } = planReviewOf([nat("a", "goes")], inRegion("eu-west-1", []));
  expect(cost.change).toBe(-35.04);
});

test("another region's are counted at the prices of a region that is told", () => {
  expect(costOf([nat("a")], "us-east-1").change).toBe(32.85);
  for (const region of ["ap-south-1", "__proto__", "toString"])
    expect(costOf([nat("a")], region)).toMatchObject({ change: 32.85, prices: { regions: ["us-east-1"] } });
});

describe("is worded", () => {
  test.each<[string, Resource[], string]>([
    ["with its sign", [nat("a")], "about +$35.04 a month"],
    ["with its sign", [nat("a", "goes")], "about -$35.04 a month"],
    [
      "with what is not counted",
      [nat("a"), change("aws_db_instance", null, {})],
      "about +$35.04 a month; 1 resource not counted",
    ],
    [
      "as none where none is counted",
      [change("aws_db_instance", null, {})],
      "no estimate; 1 resource not counted",
    ],
    ["as nothing where nothing has a price", [change("aws_iam_role", null, {})], "no fixed costs change"],
  ])("%s", (_, resources, words) => {
    expect(costText(costOf(resources))).toBe(words);
  });

  test("in a section of the review, which a plan without anything of a known price does not have", () => {
    const resources = [nat("a")];
    const more = inRegion(REGION, ["aws_nat_gateway.a"]);
    const head =
      "about +$35.04 a month. An estimate, at list prices of eu-west-1 (2026-10), without what is paid by use, free tiers and taxes";
    expect(textOf(resources, more)).toContain(
      `\nCosts (1)\n  ${head}\n      +$35.04 NAT gateways: 0 to 1\n\n`,
    );
    expect(markdownOf(resources, more)).toContain(`### Costs (1)\n\n- ${head}\n`);
    expect(textOf([change("aws_db_instance", null, {})])).not.toContain("Costs");
  });

  test("in the JSON of the review", () => {
    const { version, plans } = JSON.parse(
      toJson(reviewOf([nat("a")], inRegion(REGION, ["aws_nat_gateway.a"]))),
    );
    expect([version, plans[0].cost]).toEqual([
      1,
      {
        currency: "USD",
        change: 35.04,
        counted: [{ what: "NAT gateways", before: 0, after: 1, change: 35.04 }],
        unpriced: 0,
        unclear: 0,
        byUse: 0,
        prices: { regions: ["eu-west-1"], asOf: "2026-10" },
      },
    ]);
  });
});

test("no plan breaks it, makes its line long, or gets a word of its own into it", () => {
  const odd = fc.oneof(
    fc.jsonValue(),
    fc.constantFrom<unknown>(1e308, -1, "1e9", "NaN", { length: 1e9 }, [[]], "hunter2"),
  );
  const types = [
    "aws_ecs_service",
    "aws_ecs_task_definition",
    "aws_appautoscaling_target",
    "aws_lb",
    "hunter2",
  ];
  const more = ["aws_cloudwatch_metric_alarm", "aws_wafv2_web_acl", "aws_vpc_endpoint", "aws_nat_gateway"];
  const keys = [
    "launch_type",
    "desired_count",
    "cpu",
    "memory",
    "min_capacity",
    "resource_id",
    "runtime_platform",
  ];
  const others = ["metric_query", "period", "rule", "subnets", "internal", "name", "vpc_endpoint_type"];
  const values = fc.dictionary(fc.constantFrom(...keys, ...others), odd);
  const resource = fc
    .tuple(fc.constantFrom(...types, ...more), fc.option(values), fc.option(values), odd)
    .filter(([, before, after]) => before !== null || after !== null)
    .map(([type, before, after, mask]) =>
      change(type, before, after, { change: { after_unknown: mask, before_sensitive: mask } }),
    );
  fc.assert(
    fc.property(
      fc.array(resource, { maxLength: 6 }),
      fc.array(odd, { maxLength: 3 }),
      odd,
      (resources, references, provider_config) => {
        const cost = planReviewOf(resources, {
          configuration: {
            provider_config,
            root_module: {
              resources: [
                { address: "aws_ecs_service.it", expressions: { task_definition: { references } } },
              ],
            },
          },
        }).cost;
        expect(Number.isFinite(cost.change)).toBe(true);
        expect(costText(cost).length).toBeLessThanOrEqual(100);
        expect([costText(cost), ...costLines(cost)].join()).not.toMatch(/hunter2|NaN|Infinity|undefined/);
      },
    ),
    { numRuns: tries(300) },
  );
});

test("each price of the table has a source and one for each region", () => {
  for (const { usd, source, per } of Object.values(table.prices)) {
    expect(Object.keys(usd).sort()).toEqual(["eu-west-1", "us-east-1"]);
    expect(source).toMatch(/^https:\/\/aws\.amazon\.com\/[a-z0-9/-]+\/pricing\/$/);
    expect(["hour", "month"]).toContain(per);
  }
});
