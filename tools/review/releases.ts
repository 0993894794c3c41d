import { Effort, overlap } from "./access/patterns";
import { compareStatements, isPolicy, readPolicy } from "./access/policy";
import type { AttributeChange } from "./attributes";
import { type Kind, kindOf } from "./kind";
import { get, isObject, maskOf } from "./masks";
import type { Json, ResourceChange } from "./plan";
import { parseDocument } from "./secrets";

/**
 * What a change has to do with releases. `awaited`: users get it with the release that follows. `undone`: the apply
 * itself moves traffic, away from what a release gave it to. `early`: the version that serves meets it with the apply,
 * though it was made for the version that the release brings.
 */
export type ReleaseEffect = "awaited" | "undone" | "early";

/** What leads users to a version. */
const TRAFFIC: Readonly<Record<string, readonly string[]>> = {
  aws_lb_listener_rule: ["action"],
  aws_lambda_alias: ["function_version", "routing_config"],
  aws_ecs_service: ["task_definition", "load_balancer"],
};

/** What else a release changes: with its task set, and with its code. */
const BESIDE: Readonly<Record<string, readonly string[]>> = {
  aws_ecs_service: ["network_configuration", "platform_version"],
  aws_lambda_function: [
    "code_sha256",
    "last_modified",
    "qualified_arn",
    "qualified_invoke_arn",
    "source_code_hash",
    "source_code_size",
    "version",
  ],
};

/** What a version of a function keeps, as it was when it was published. */
const KEPT_BY_VERSIONS = new Set([
  "architectures",
  "dead_letter_config",
  "description",
  "environment",
  "ephemeral_storage",
  "file_system_config",
  "handler",
  "image_config",
  "image_uri",
  "kms_key_arn",
  "layers",
  "logging_config",
  "memory_size",
  "role",
  "runtime",
  "snap_start",
  "timeout",
  "tracing_config",
  "vpc_config",
]);

/** Where the load balancer asks whether a task is well. */
const HEALTH_PATH = /^health_check(\[\d+\])?\.path$/;

/** By what ECS, in the role that starts a service's tasks, reads their secrets. */
const READS_SECRETS = ["secretsmanager:getsecretvalue", "ssm:getparameters"];
const EXECUTION_ROLE = /-execution$/;

/** Knows which of a plan's resources CodeDeploy releases: none, where the plan has no deployment group. */
export class Releases {
  private readonly isReleasing: boolean;
  /** Names and ARNs of functions that an alias leads to, and whether that alias leads elsewhere after the apply. */
  private readonly aliased = new Map<Json, boolean>();
  private readonly movesServices: boolean;
  /** Services whose number of tasks is autoscaling's, as it names them. */
  private readonly scaled = new Set<Json>();
  /** One for all: what many policies take together is bounded, too. */
  private readonly effort = new Effort();

  constructor(resources: readonly ResourceChange[]) {
    this.isReleasing = resources.some(
      ({ type, change }) => type === "aws_codedeploy_deployment_group" && isObject(change.after),
    );
    for (const resource of resources.filter(({ type }) => type === "aws_lambda_alias"))
      for (const name of valuesOf(resource, "function_name"))
        this.aliased.set(name, this.aliased.get(name) === true || differs(resource, "function_version"));
    for (const target of resources.filter(({ type }) => type === "aws_appautoscaling_target"))
      for (const id of valuesOf(target, "resource_id")) this.scaled.add(id);
    this.movesServices = resources.some(
      (resource) => resource.type === "aws_ecs_service" && differs(resource, "task_definition"),
    );
  }

  /** What the change of a resource has to do with releases, if anything. */
  effectOf(
    resource: ResourceChange,
    kind: Kind,
    attributes: readonly AttributeChange[],
  ): ReleaseEffect | undefined {
    if (!this.isReleasing || !["update", "replace", "replace-and-forget"].includes(kind)) return undefined;
    const { type } = resource;
    const changed = attributes.map(({ path }) => topOf(path));
    if (changed.some((attribute) => TRAFFIC[type]?.includes(attribute))) return "undone";
    if (type === "aws_lb_target_group" && attributes.some(({ path }) => HEALTH_PATH.test(path)))
      return "early";
    if (type === "aws_iam_role_policy" && losesSecrets(resource, this.effort)) return "early";
    if (type === "aws_ecs_task_definition" && !this.movesServices) return "awaited";
    const isKept = type === "aws_lambda_function" && changed.some((one) => KEPT_BY_VERSIONS.has(one));
    return isKept && this.aliasOf(resource) === "stays" ? "awaited" : undefined;
  }

  /** Whether an attribute is the releases' to change, or autoscaling's: that it differs from the state is no drift. */
  owns(resource: ResourceChange, attribute: string): boolean {
    if (resource.type === "aws_ecs_service" && attribute === "desired_count" && this.scales(resource))
      return true;
    if (!this.isReleasing) return false;
    const { type } = resource;
    if (TRAFFIC[type]?.includes(attribute)) return true;
    if (!BESIDE[type]?.includes(attribute)) return false;
    return type !== "aws_lambda_function" || this.aliasOf(resource) !== undefined;
  }

  private scales(service: ResourceChange): boolean {
    const clusters = valuesOf(service, "cluster").map((cluster) => String(cluster).replace(/^.*\//, ""));
    return valuesOf(service, "name").some((name) =>
      clusters.some((cluster) => this.scaled.has(`service/${cluster}/${name}`)),
    );
  }

  private aliasOf(resource: ResourceChange): "stays" | "moves" | undefined {
    const names = ["function_name", "arn"].flatMap((key) => valuesOf(resource, key));
    const found = names.map((name) => this.aliased.get(name)).find((moves) => moves !== undefined);
    return found === undefined ? undefined : found ? "moves" : "stays";
  }
}

/** The attribute at the beginning of a path. */
export const topOf = (path: string) => /^[^.[ ]*/.exec(path)![0];

function valuesOf({ change }: ResourceChange, key: string): Json[] {
  return [change.before, change.after].flatMap((side) => (isObject(side) ? (get(side, key) ?? []) : []));
}

/** Whether the tasks that an execution role starts get a secret no more. */
function losesSecrets({ change: { before, after } }: ResourceChange, effort: Effort): boolean {
  const [old, now] = [before, after].map(statementsOf);
  if (!old || !now) return false;
  return compareStatements(old, now, effort).some(
    ({ direction, actions }) =>
      direction === "narrows" &&
      actions.of.some((action) =>
        READS_SECRETS.some((read) => overlap(action.toLowerCase(), read, { effort })),
      ),
  );
}

/** What an execution role's policy says, if it is one that can be read. */
function statementsOf(side: Json) {
  if (!isObject(side) || !EXECUTION_ROLE.test(String(get(side, "role")))) return undefined;
  const text = get(side, "policy");
  const document = typeof text === "string" ? parseDocument(text) : undefined;
  return isPolicy(document) ? readPolicy(document) : undefined;
}

/** Whether an attribute of what there is has another value after the apply, or one that is not known. */
function differs({ change }: ResourceChange, attribute: string): boolean {
  const { before, after, afterUnknown, actions } = change;
  if (kindOf(actions) === "no-op" || !isObject(before) || !isObject(after)) return false;
  if (maskOf(afterUnknown, attribute) === true) return true;
  return JSON.stringify(get(before, attribute)) !== JSON.stringify(get(after, attribute));
}
