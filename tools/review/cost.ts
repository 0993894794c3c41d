import { type Kind, kindOf } from "./kind";
import { get, isAnyTrue, isArray, isObject, maskOf } from "./masks";
import { plural } from "./phrase";
import type { Json, Mask, Plan, ResourceChange } from "./plan";
import table from "./prices.json";
import { append } from "./printer";

/** What has a price, in the table. */
type Price = keyof typeof table.prices;

/** One line of the estimate. */
export interface CountedCost {
  /** In our words: "NAT gateways". */
  readonly what: string;
  /** How many there are of it in the whole plan, before the apply. */
  readonly before: number;
  /** And after it. */
  readonly after: number;
  /** USD a month. */
  readonly change: number;
}

/**
 * What a month costs more or less after the apply, as a hint: list prices of what costs by being there, without what is
 * paid by use, free tiers, discounts and taxes. Words and numbers of ours alone: nothing in it is the plan's.
 */
export interface CostReview {
  readonly currency: "USD";
  /** USD a month, of what is counted. */
  readonly change: number;
  /** Of what there is more or less. */
  readonly counted: readonly CountedCost[];
  /** Resources that come, change or go, and whose price is not in the table. */
  readonly unpriced: number;
  /** Those of which the plan does not say how many, or how large: that is known after the apply, or secret. */
  readonly unclear: number;
  /** Those that come or go, and cost by use alone. */
  readonly byUse: number;
  readonly prices: {
    /** Where the prices are those of; other regions' are counted at those of `elsewhere`. */
    readonly regions: readonly string[];
    /** Year and month. */
    readonly asOf: string;
  };
}

const HOURS_A_MONTH = 730;

/** More of anything AWS gives no account; a plan that says so is wrong. */
const MOST = 10_000;

/** Amounts of what has a price; undefined where the plan does not say. None where there is no such price. */
type Amounts = Readonly<Partial<Record<Price, number | undefined>>>;
const UNPRICED = "unpriced";

/** What a resource of a type is billed for by being there. */
const AMOUNTS: Readonly<Record<string, (side: Side) => Amounts | typeof UNPRICED>> = {
  aws_nat_gateway: () => ({ natGateway: 1 }),
  aws_eip: () => ({ publicAddress: 1 }),
  aws_kms_key: () => ({ key: 1 }),
  aws_cloudwatch_dashboard: () => ({ dashboard: 1 }),
  aws_route53_zone: () => ({ hostedZone: 1 }),
  aws_secretsmanager_secret: (side) => ({ secret: plus(1, side.length("replica")) }),
  aws_cloudwatch_metric_alarm: alarmAmounts,
  aws_wafv2_web_acl: (side) => ({
    webAcl: 1,
    webAclRule: side.read("rule_json") ? undefined : side.length("rule"),
  }),
  aws_lb: balancerAmounts,
  aws_alb: balancerAmounts,
  aws_vpc_endpoint: (side) => {
    const type = side.read("vpc_endpoint_type");
    if (type === undefined) return { interfaceEndpoint: undefined };
    if (type === null || type === "Gateway") return {};
    return type === "Interface" ? { interfaceEndpoint: side.length("subnet_ids") } : UNPRICED;
  },
};

function balancerAmounts(side: Side): Amounts | typeof UNPRICED {
  const type = side.read("load_balancer_type");
  if (type === undefined) return { loadBalancer: undefined };
  if (type !== null && type !== "application") return UNPRICED;
  const internal = side.read("internal");
  // It has an address in each of its subnets, at least.
  const addresses = internal === true ? 0 : internal === undefined ? undefined : side.length("subnets");
  return { loadBalancer: 1, publicAddress: addresses };
}

function alarmAmounts(side: Side): Amounts | typeof UNPRICED {
  const [period, band] = ["period", "threshold_metric_id"].map((key) => side.read(key));
  const queries = side.list("metric_query");
  // Detecting anomalies is billed as three metrics, of which some are not in the alarm.
  if (band) return UNPRICED;
  if (queries === undefined || period === undefined || band === undefined) return { alarm: undefined };
  const metrics = queries.flatMap((query) => (isObject(query) ? (get(query, "metric") ?? []) : []));
  const isQuick = (of: Json | undefined) => typeof of === "number" && of < 60;
  const quick = isQuick(period) || metrics.some((one) => isObject(one) && isQuick(get(one, "period")));
  return { [quick ? "quickAlarm" : "alarm"]: atMost(Math.max(1, metrics.length)) };
}

/** Paid by use alone: by requests, bytes, seconds. */
const BY_USE =
  /^aws_(lambda_function|s3_bucket|s3_object|sqs_queue|sns_topic|cloudwatch_log_group|ecr_repository|flow_log|codebuild_project|codepipeline|dynamodb_table|efs_file_system|cloudfront_distribution|apigatewayv2_api|api_gateway_rest_api|sfn_state_machine)$/;

/** Whether a table of DynamoDB has, before or after the apply, capacity that is paid for by the hour: its default. */
const isProvisioned = (resource: ResourceChange) =>
  resource.type === "aws_dynamodb_table" &&
  SIDES.some((when) => {
    const side = sideOf(resource, when);
    return side !== undefined && side.read("billing_mode") !== "PAY_PER_REQUEST";
  });

/** What costs nothing, or is a part of what does. */
const FREE =
  /^(terraform_data|null_resource|(random|time|local|tls|archive)_\w+)$|^aws_(iam_\w+|s3_bucket_\w+|lambda_(alias|permission|function_url|layer_version|event_source_mapping)|sqs_queue_\w+|sns_topic_\w+|kms_(alias|grant|key_policy)|apigatewayv2_\w+|ecr_\w+_policy|ecs_(cluster|cluster_capacity_providers|task_definition)|appautoscaling_\w+|autoscaling_policy|codedeploy_\w+|codebuild_(webhook|report_group)|codestarconnections_connection|cloudwatch_event_(rule|target|permission)|cloudwatch_log_(stream|resource_policy|subscription_filter|metric_filter)|secretsmanager_secret_\w+|wafv2_(web_acl_\w+|ip_set|regex_pattern_set)|vpc|vpc_dhcp_options\w*|vpc_endpoint_\w+|vpc_security_group_\w+|default_\w+|subnet|route|route_table|route_table_association|main_route_table_association|internet_gateway|egress_only_internet_gateway|network_acl\w*|network_interface|security_group|security_group_rule|eip_association|lb_(listener|listener_rule|listener_certificate|target_group|target_group_attachment)|alb_(listener|listener_rule|target_group)|acm_certificate|acm_certificate_validation|route53_record)$/;

/** Estimates what a plan changes in the bill. */
export function estimateCost(plan: Plan): CostReview {
  const services = new Services(plan);
  const sums = new Map<Price, { before: number; after: number; change: number }>();
  const regions = new Set<Region>();
  let [unpriced, unclear, byUse] = [0, 0, 0];
  for (const resource of plan.resources.filter(({ mode }) => mode === "managed")) {
    const { type, change } = resource;
    const kind = kindOf(change.actions);
    if (BY_USE.test(type) && !isProvisioned(resource)) {
      if (kind === "create" || kind === "delete") byUse++;
      continue;
    }
    if (FREE.test(type)) continue;
    const isTouched = TOUCHING.has(kind) || services.isTouched(resource);
    const [before, after] = SIDES.map(
      (when) => services.amounts(resource, when) ?? amountsOf(resource, when),
    );
    if (before === UNPRICED || after === UNPRICED) {
      if (isTouched) unpriced++;
      continue;
    }
    let isClear = kind !== "unknown";
    for (const price of isClear ? pricesIn(before, after) : []) {
      const [was, is] = [before, after].map((amounts) => (amounts && price in amounts ? amounts[price] : 0));
      if (was === undefined || is === undefined) {
        isClear = false;
        continue;
      }
      const region = regionIn(plan.regionOf(resource.address));
      const sum = sums.get(price) ?? { before: 0, after: 0, change: 0 };
      sums.set(price, {
        before: sum.before + was,
        after: sum.after + is,
        change: sum.change + (is - was) * monthly(price, region),
      });
      if (was !== is) regions.add(region);
    }
    if (isTouched && !isClear) unclear++;
  }
  const counted = pricesIn(table.prices).flatMap((price): CountedCost[] => {
    const sum = sums.get(price);
    if (!sum || amount(sum.before) === amount(sum.after)) return [];
    return [{ what: table.prices[price].what, ...sum, change: cents(sum.change) }];
  });
  return {
    currency: "USD",
    change: cents(counted.reduce((total, { change }) => total + change, 0)),
    counted,
    unpriced,
    unclear,
    byUse,
    prices: { regions: [...regions].sort(), asOf: table.asOf },
  };
}

const pricesIn = (...amounts: readonly (object | undefined)[]) =>
  Object.keys(Object.assign({}, ...amounts)) as Price[];

/** On one line: "about +$43.80 a month; 2 resources not counted". */
export function costText({ change, counted, unpriced, unclear }: CostReview): string {
  const left = unpriced + unclear;
  const known = counted.length
    ? `about ${money(change)} a month`
    : left
      ? "no estimate"
      : "no fixed costs change";
  return left ? `${known}; ${plural(left, "resource")} not counted` : known;
}

/** What the estimate is made of, a line each. */
export function costLines({ counted, unpriced, unclear, byUse }: CostReview): string[] {
  const not = [
    unpriced && `${unpriced} whose price is not in the table`,
    unclear && `${unclear} whose number or size the plan does not say`,
    byUse && `${byUse} paid by use`,
  ].filter(Boolean);
  return [
    ...counted.map(
      ({ what, before, after, change }) => `${money(change)} ${what}: ${amount(before)} to ${amount(after)}`,
    ),
    ...(not.length ? [`Resources not counted: ${not.join(", ")}`] : []),
  ];
}

const money = (dollars: number) => `${dollars < 0 ? "-" : "+"}$${Math.abs(dollars).toFixed(2)}`;
const amount = (number: number) => String(Math.round(number * 1000) / 1000);
/** To whole cents, and no -0. */
const cents = (dollars: number) => Math.round(dollars * 100) / 100 + 0;

const monthly = (price: Price, region: Region): number => {
  const { per, usd } = table.prices[price];
  return usd[region] * (per === "hour" ? HOURS_A_MONTH : 1);
};

type Region = keyof (typeof table.prices)["key"]["usd"];
const isRegion = (name: string): name is Region => Object.hasOwn(table.prices.key.usd, name);
const regionIn = (name: string | undefined): Region =>
  name !== undefined && isRegion(name) ? name : (table.elsewhere as Region);

const atMost = (number: number) => (number <= MOST ? number : undefined);
const plus = (a: number, b: number | undefined) => (b === undefined ? undefined : atMost(a + b));

/** Kinds by which something comes, changes or goes. */
const TOUCHING: ReadonlySet<Kind> = new Set([
  "create",
  "update",
  "delete",
  "replace",
  "replace-and-forget",
  "unknown",
]);

const SIDES = ["before", "after"] as const;
type When = (typeof SIDES)[number];

/** What there is before or after the apply. What is forgotten stays, and its bill with it. */
function sideOf({ change }: ResourceChange, when: When): Side | undefined {
  const kind = kindOf(change.actions);
  if (kind === "replace-and-forget" && when === "before") return undefined;
  if (when === "after" && kind !== "forget")
    return isObject(change.after)
      ? new Side(change.after, change.afterSensitive, change.afterUnknown)
      : undefined;
  return isObject(change.before) ? new Side(change.before, change.beforeSensitive) : undefined;
}

function amountsOf(resource: ResourceChange, when: When): Amounts | typeof UNPRICED {
  if (!Object.hasOwn(AMOUNTS, resource.type)) return UNPRICED;
  const side = sideOf(resource, when);
  return side ? AMOUNTS[resource.type]!(side) : {};
}

/** The part of a mask that is of a key: one that is no object is of all keys. */
const partOf = (mask: Mask, key: string): Mask => (isObject(mask) ? maskOf(mask, key) : mask);

/** A resource's values, as far as they are known and no secret: how much something costs tells how large it is. */
class Side {
  constructor(
    private readonly values: Readonly<Record<string, Json>>,
    private readonly sensitive: Mask,
    private readonly unknown?: Mask,
  ) {}

  /** A value, null where it is not set; undefined where nobody may know it, or does. */
  read(key: string): Json | undefined {
    return this.isSecret(key) || isAnyTrue(partOf(this.unknown, key)) ? undefined : this.given(key);
  }

  /** The elements of a list, of which parts need not be known; none where it is not set. */
  list(key: string): readonly Json[] | undefined {
    const unknown = partOf(this.unknown, key);
    if (this.isSecret(key) || (isArray(unknown) ? unknown.includes(true) : unknown === true))
      return undefined;
    const value = this.given(key);
    return isArray(value) ? value : value === null ? [] : undefined;
  }

  /** How many elements a list has. */
  length(key: string): number | undefined {
    const list = this.list(key);
    return list && atMost(list.length);
  }

  /** A whole number that AWS takes. */
  number(key: string, most: number): number | undefined {
    const value = this.read(key);
    const number = typeof value === "string" && /^\d{1,6}$/.test(value) ? Number(value) : value;
    return typeof number === "number" && Number.isInteger(number) && number >= 0 && number <= most
      ? number
      : undefined;
  }

  private given(key: string): Json {
    return get(this.values, key) ?? null;
  }

  private isSecret(key: string): boolean {
    return isAnyTrue(partOf(this.sensitive, key));
  }
}

/** The largest task that Fargate has. */
const LARGEST = { cpuUnits: 16_384, memoryMib: 122_880 };

/** Services on Fargate: what one costs is in its task definition, and in what scales it. */
class Services {
  private readonly definitions = new Map<string, ResourceChange[]>();
  /** By the name of what is scaled. */
  private readonly targets = new Map<Json, ResourceChange[]>();

  constructor(private readonly plan: Plan) {
    for (const resource of plan.resources) {
      if (resource.type === "aws_ecs_task_definition") append(this.definitions, resource.address, resource);
      if (resource.type === "aws_appautoscaling_target")
        for (const id of new Set(SIDES.map((when) => sideOf(resource, when)?.read("resource_id"))))
          if (id) append(this.targets, id, resource);
    }
  }

  /** What the least number of its tasks takes; undefined for what is no service. */
  amounts(service: ResourceChange, when: When): Amounts | typeof UNPRICED | undefined {
    if (service.type !== "aws_ecs_service") return undefined;
    const side = sideOf(service, when);
    if (!side) return {};
    const unclear = { fargateCpu: undefined, fargateMemory: undefined };
    const type = side.read("launch_type");
    if (type === undefined) return unclear;
    const task = this.definitionsOf(service)
      .map((one) => sideOf(one, when))
      .find((one) => one !== undefined);
    if (type !== "FARGATE" || (task && !isPlain(task))) return UNPRICED;
    const target = this.targetsOf(service)
      .map((one) => sideOf(one, when))
      .find((one) => one !== undefined);
    const tasks = target ? target.number("min_capacity", MOST) : side.number("desired_count", MOST);
    const cpu = task?.number("cpu", LARGEST.cpuUnits);
    const memory = task?.number("memory", LARGEST.memoryMib);
    if (tasks === undefined || cpu === undefined || memory === undefined) return unclear;
    return { fargateCpu: (tasks * cpu) / 1024, fargateMemory: (tasks * memory) / 1024 };
  }

  /** Whether a plan changes what a service takes, though not the service. */
  isTouched(service: ResourceChange): boolean {
    return (
      service.type === "aws_ecs_service" &&
      [...this.definitionsOf(service), ...this.targetsOf(service)].some(({ change }) =>
        TOUCHING.has(kindOf(change.actions)),
      )
    );
  }

  /** That of the configuration: releases register others, of the same size. */
  private definitionsOf({ address }: ResourceChange): readonly ResourceChange[] {
    return this.plan
      .referencesOf(address, "task_definition")
      .flatMap((reference) => this.definitions.get(reference) ?? []);
  }

  private targetsOf(service: ResourceChange): readonly ResourceChange[] {
    const names = SIDES.map((when) => {
      const side = sideOf(service, when);
      const [cluster, name] = [side?.read("cluster"), side?.read("name")];
      return `service/${String(cluster).replace(/^.*\//, "")}/${name}`;
    });
    return [...new Set(names)].flatMap((name) => this.targets.get(name) ?? []);
  }
}

/** Whether a task is for Linux on x86: others have other prices. */
function isPlain(task: Side): boolean {
  const platform = task.read("runtime_platform");
  if (platform === undefined) return false;
  const all = isArray(platform) ? platform : [];
  return all.every(
    (one) =>
      isObject(one) &&
      [null, undefined, "", "X86_64"].includes(get(one, "cpu_architecture") as string) &&
      [null, undefined, "", "LINUX"].includes(get(one, "operating_system_family") as string),
  );
}
