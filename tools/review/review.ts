import { type Finding, findAccess } from "./access";
import { type AttributeChange, compareAttributes, pathOf } from "./attributes";
import { type CostReview, estimateCost } from "./cost";
import { type Kind, kindOf } from "./kind";
import { get, isArray, isObject } from "./masks";
import { code, type Phrase, plainText } from "./phrase";
import type { Change, Check, Json, Plan, ResourceChange } from "./plan";
import { type ReleaseEffect, Releases, topOf } from "./releases";
import { isHarmless, isSecretName, Redactor } from "./secrets";

/** What a plan does that somebody should look at, in the words of `--fail-on`. */
export const RISKS = [
  "delete",
  "replace",
  "forget",
  "access",
  "network",
  "release",
  "drift",
  "check",
  "deferred",
  "errored",
  "unknown",
] as const;
export type Risk = (typeof RISKS)[number];

/** As Terraform counts in its line "Plan: …"; it counts neither forgets nor moves. */
export interface Counts {
  readonly import: number;
  readonly add: number;
  readonly change: number;
  readonly destroy: number;
  readonly forget: number;
  readonly move: number;
  /** Outputs whose value changes. */
  readonly output: number;
}

/** One resource of a plan, without secrets. */
export interface ResourceReview {
  readonly address: string;
  readonly kind: Kind;
  readonly type: string;
  /** The action words of Terraform's. */
  readonly actions: readonly string[];
  readonly deposed?: string;
  readonly movedFrom?: string;
  /** Id of what is imported; "" where it is not known. */
  readonly importing?: string;
  /** Why, where Terraform says it. */
  readonly reason?: Phrase;
  /** Attributes that force the replacement. */
  readonly forcedBy: readonly string[];
  /** Whether what is destroyed holds data that nothing brings back. */
  readonly holdsData: boolean;
  readonly attributes: readonly AttributeChange[];
  /** What it has to do with releases, where it has. */
  readonly release?: ReleaseEffect;
  /** Whether nothing differs but tags, or the form of documents. */
  readonly trivial?: "tags" | "form";
  /** Why it is left for a later plan. */
  readonly deferredBecause?: Phrase;
}

export interface OutputReview {
  readonly name: string;
  readonly kind: Kind;
  readonly attributes: readonly AttributeChange[];
}

export interface DriftReview {
  readonly resource: ResourceReview;
  /** What the change from outside opened. */
  readonly findings: readonly Finding[];
}

/** The reading of one plan. Nothing in it is secret; all of it but our own words is the plan's, and hostile. */
export interface PlanReview {
  readonly name: string;
  readonly counts: Counts;
  readonly risks: readonly Risk[];
  readonly errored: boolean;
  readonly complete: boolean;
  /** All but those that stay as they are and those that only tags or form touch. */
  readonly resources: readonly ResourceReview[];
  readonly access: readonly Finding[];
  readonly drift: readonly DriftReview[];
  readonly checks: readonly Check[];
  readonly outputs: readonly OutputReview[];
  readonly deferred: readonly ResourceReview[];
  /** Providers' actions that it invokes. */
  readonly invokes: readonly string[];
  /** A hint at what it changes in the bill. */
  readonly cost: CostReview;
  /** Counted, not told. */
  readonly folded: {
    readonly tags: number;
    readonly form: number;
    readonly unchanged: number;
    /** Resources of which only what is neither configured nor used was read anew. */
    readonly readAnew: number;
    /** Resources of which only what releases change differs from the state. */
    readonly released: number;
    readonly checksPassed: number;
  };
}

/** A plan that could not be made: Terraform's own words. */
export interface FailedPlan {
  readonly name: string;
  readonly failure: string;
}

export interface Review {
  readonly counts: Counts;
  readonly risks: readonly Risk[];
  readonly plans: readonly PlanReview[];
  readonly failed: readonly FailedPlan[];
}

/** Reads plans together: a secret of one is hidden in all. */
export function review(plans: readonly Plan[], failed: readonly FailedPlan[] = []): Review {
  const redactor = new Redactor(plans);
  const reviews = plans.map((plan) => new PlanReader(plan, redactor).read());
  const found = new Set<Risk>(reviews.flatMap(({ risks }) => risks));
  if (failed.length) found.add("errored");
  return {
    counts: sum(reviews.map(({ counts }) => counts)),
    risks: RISKS.filter((risk) => found.has(risk)),
    plans: reviews,
    failed: failed.map(({ name, failure }) => ({ name, failure: redactor.text(failure) })),
  };
}

const REASONS: Readonly<Record<string, string>> = {
  replace_because_tainted: "it is tainted",
  replace_because_cannot_update: "it cannot be changed in place",
  replace_by_request: "asked for with -replace",
  replace_by_triggers: "triggered by another's change",
  delete_because_no_resource_config: "it is no longer in the configuration",
  delete_because_no_module: "its module is no longer in the configuration",
  delete_because_wrong_repetition: "it changed between one and many (count, for_each)",
  delete_because_count_index: "its index is beyond count",
  delete_because_each_key: "its key is no longer in for_each",
  delete_because_no_move_target: "what it was moved to is not in the configuration",
  read_because_config_unknown: "its arguments are known only after the apply",
  read_because_dependency_pending: "what it depends on changes first",
  read_because_check_nested: "a check reads it",
  unknown: "something is not known yet",
  instance_count_unknown: "how many there will be is not known yet",
  resource_config_unknown: "its arguments are not known yet",
  provider_config_unknown: "its provider's arguments are not known yet",
  deferred_prereq: "it depends on what was put off",
  absent_prereq: "it depends on what is not there",
  excluded: "it was excluded",
  not_included: "it was not included",
};

/** Types that hold what people made: once destroyed, only a backup brings it back. */
const HOLDS_DATA =
  /^aws_(s3_bucket|s3_object|db_instance|db_cluster|rds_cluster|rds_global_cluster|docdb_cluster|neptune_cluster|redshift_cluster|dynamodb_table|efs_file_system|fsx_\w+|ebs_volume|elasticache_(cluster|replication_group)|memorydb_cluster|opensearch_domain|elasticsearch_domain|kms_key|secretsmanager_secret|ssm_parameter|ecr_repository|cloudwatch_log_group|kinesis_stream|sqs_queue|msk_cluster|cognito_user_pool|codecommit_repository|backup_vault|timestreamwrite_table|keyspaces_table|glacier_vault|lightsail_database|qldb_ledger|route53_zone|mq_broker)$/;

class PlanReader {
  private readonly releases: Releases;

  constructor(
    private readonly plan: Plan,
    private readonly redactor: Redactor,
  ) {
    this.releases = new Releases(plan.resources);
  }

  read(): PlanReview {
    const { plan } = this;
    const risks = new Set<Risk>();
    const changed = plan.resources.filter(isTold);
    const all = changed.map((resource) => this.resource(resource));
    const access = this.findings(plan.resources);
    const drift = this.drift(all);
    const deferred = plan.deferred.map((resource) => ({
      ...this.resource(resource),
      deferredBecause: this.reason(resource.deferredBecause),
    }));
    const checks = plan.checks.filter(({ status }) => status !== "pass");
    for (const { kind } of [...all, ...deferred])
      if (KIND_RISK[kind]) for (const risk of KIND_RISK[kind]) risks.add(risk);
    for (const { direction, risk } of access) if (direction !== "narrows") risks.add(risk);
    if (all.some(({ release }) => release === "undone" || release === "early")) risks.add("release");
    if (drift.told.some(({ resource }) => resource.kind !== "no-op")) risks.add("drift");
    if (checks.some(({ status }) => status !== "unknown")) risks.add("check");
    if (
      deferred.length ||
      plan.actions.some(({ deferredBecause }) => deferredBecause !== undefined) ||
      (!plan.complete && !plan.errored)
    )
      risks.add("deferred");
    if (plan.errored) risks.add("errored");
    const outputs = this.outputs();
    if (outputs.some(({ kind }) => kind === "unknown")) risks.add("unknown");

    return {
      name: plan.name,
      counts: countAll(changed, outputs.length),
      risks: RISKS.filter((risk) => risks.has(risk)),
      errored: plan.errored,
      complete: plan.complete,
      resources: all.filter(({ trivial }) => trivial === undefined),
      access,
      drift: drift.told,
      checks: checks.map((check) => this.check(check)),
      outputs,
      deferred,
      invokes: plan.actions.map(({ address }) => this.safe(address)),
      cost: estimateCost(plan),
      folded: {
        tags: all.filter(({ trivial }) => trivial === "tags").length,
        form: all.filter(({ trivial }) => trivial === "form").length,
        unchanged: plan.resources.length - changed.length,
        readAnew: drift.readAnew,
        released: drift.released,
        checksPassed: plan.checks.length - checks.length,
      },
    };
  }

  private resource(resource: ResourceChange): ResourceReview {
    const { change, type } = resource;
    const kind = isKnownMode(resource.mode) ? kindOf(change.actions) : "unknown";
    const { changes: attributes, formOnly } = compareAttributes(change, this.redactor);
    const release = this.releases.effectOf(resource, kind, attributes);
    const destroys = kind === "delete" || kind === "replace" || kind === "unknown";
    const plain = kind === "update" && change.importing === undefined && !resource.previousAddress;
    const trivial = !plain
      ? undefined
      : attributes.length === 0 && formOnly > 0
        ? "form"
        : attributes.length > 0 && attributes.every(({ path }) => /^tags(_all)?\b/.test(path))
          ? "tags"
          : undefined;
    return {
      address: this.safe(resource.address),
      kind,
      type: this.safe(type),
      actions: change.actions.map((action) => this.safe(action)),
      ...(resource.deposed && { deposed: this.safe(resource.deposed) }),
      ...(resource.previousAddress && { movedFrom: this.safe(resource.previousAddress) }),
      ...(change.importing !== undefined && { importing: this.safe(change.importing) }),
      ...(resource.reason && { reason: this.reason(resource.reason) }),
      forcedBy: change.replacePaths.map((path) => this.safe(pathOf(path))),
      holdsData: destroys && HOLDS_DATA.test(type),
      attributes: withoutCopies(attributes),
      ...(release && { release }),
      ...(trivial && { trivial }),
    };
  }

  /**
   * What differs from the state. Providers fill in much by themselves after an apply (a role's policies, a network's
   * routes): that is told only where somebody configured it, where this plan uses it, or where it opens something
   * that no resource of the configuration does.
   */
  private drift(changes: readonly ResourceReview[]): {
    told: DriftReview[];
    readAnew: number;
    released: number;
  } {
    const { plan, releases } = this;
    const drifted = plan.drift.filter(isTold);
    if (drifted.length === 0) return { told: [], readAnew: 0, released: 0 };
    const planned = new Set(
      changes.flatMap(({ address, attributes }) => attributes.map(({ path }) => `${address} ${topOf(path)}`)),
    );
    const addresses = new Set(drifted.map(({ address }) => address));
    const deleted = new Set(
      plan.resources
        .filter(({ change }) => kindOf(change.actions) === "delete")
        .map(({ address }) => address),
    );
    const others = plan.resources.filter(({ address }) => !addresses.has(address)).map(unchanged);
    // What was read back is what there is to look at.
    const findings = this.findings([...others, ...drifted], () => false);
    const released = new Set<string>();
    const all = drifted.map((resource): DriftReview => {
      // What became of it before the plan is no change that awaits, or undoes, a release.
      const { release: _, ...told } = this.resource(resource);
      return {
        resource: {
          ...told,
          attributes: told.attributes.filter((one) => {
            const attribute = topOf(one.path);
            if (releases.owns(resource, attribute)) {
              released.add(told.address);
              return false;
            }
            if (plan.isRelevant(resource.address, attribute)) return true;
            if (isFilledIn(one)) return false;
            if (deleted.has(resource.address)) return false;
            return (
              plan.isConfigured(resource.address, attribute) !== false ||
              planned.has(`${told.address} ${attribute}`) ||
              isBlockChanged(resource.change, attribute)
            );
          }),
        },
        findings: findings.filter(({ addresses: [first] }) => first === told.address),
      };
    });
    const told = all.filter(
      ({ resource, findings: opened }) =>
        resource.kind !== "update" ||
        resource.attributes.length > 0 ||
        opened.some(({ direction }) => direction !== "narrows"),
    );
    const folded = all.filter((one) => !told.includes(one));
    const byRelease = folded.filter(({ resource }) => released.has(resource.address)).length;
    return { told, readAnew: folded.length - byRelease, released: byRelease };
  }

  private outputs(): OutputReview[] {
    return [...this.plan.outputs]
      .map(([name, change]) => ({
        name: this.safe(name),
        kind: kindOf(change.actions),
        attributes: compareAttributes(wrapped(name, change), this.redactor).changes,
      }))
      .filter(({ kind, attributes }) => kind !== "no-op" || attributes.length > 0);
  }

  private check({ address, status, messages }: Check): Check {
    return {
      address: this.safe(address),
      status: this.safe(status),
      messages: messages.map((message) => this.safe(message)),
    };
  }

  private findings(
    resources: readonly ResourceChange[],
    isEcho?: (address: string, attribute: string) => boolean,
  ): Finding[] {
    return findAccess(resources, { plan: this.plan, isEcho }).map((finding) => ({
      ...finding,
      ...(finding.details && { details: finding.details.map((line) => this.safe(line)) }),
      addresses: finding.addresses.map((address) => this.safe(address)),
      text: finding.text.map((part) => (typeof part === "string" ? part : code(this.safe(part.code)))),
    }));
  }

  /** One that we know in our words, any other in Terraform's. */
  private reason(reason: string): Phrase {
    return [Object.hasOwn(REASONS, reason) ? REASONS[reason]! : code(this.safe(reason))];
  }

  private safe(text: string): string {
    return this.redactor.text(text);
  }
}

/** Blocks that providers read back of what other resources make. */
const READ_BACK =
  /^(ingress|egress|route|inline_policy|grant|versioning|logging|website|\w+_rule|\w+_configuration)$/;

/**
 * Whether blocks that were there have changed: the plan does not say of blocks that are made dynamically that they
 * are configured.
 */
function isBlockChanged({ before }: Change, attribute: string): boolean {
  if (READ_BACK.test(attribute) || !isObject(before)) return false;
  const value = get(before, attribute);
  return isArray(value) && value.some(isObject);
}

/** Providers read back what nobody wrote in a block as the zero of its type. */
const ZEROS = new Set(["0", "false", '""', "[]", "{}"]);
const isFilledIn = ({ path, kind, after }: AttributeChange) =>
  kind === "add" && ZEROS.has(after ?? "") && path !== topOf(path);

/** A resource as it stands before the plan, as one that stays. */
const unchanged = (resource: ResourceChange): ResourceChange => ({
  ...resource,
  change: { ...resource.change, actions: ["no-op"], after: resource.change.before, afterUnknown: undefined },
});

const KIND_RISK: Readonly<Partial<Record<Kind, readonly Risk[]>>> = {
  delete: ["delete"],
  replace: ["replace"],
  forget: ["forget"],
  "replace-and-forget": ["forget"],
  unknown: ["unknown"],
};

const isKnownMode = (mode: string) => mode === "managed" || mode === "data" || mode === "ephemeral";

/** Resources that Terraform tells of: all but those that stay, and data that is no longer read. */
function isTold({ mode, change, previousAddress }: ResourceChange): boolean {
  const kind = kindOf(change.actions);
  if (kind === "no-op") return previousAddress !== undefined || change.importing !== undefined;
  return !(kind === "delete" && mode === "data");
}

function countAll(resources: readonly ResourceChange[], output: number): Counts {
  const kinds = resources.map(({ change }) => kindOf(change.actions));
  const count = (...these: Kind[]) => kinds.filter((kind) => these.includes(kind)).length;
  return {
    import: resources.filter(({ change }) => change.importing !== undefined).length,
    add: count("create", "replace", "replace-and-forget"),
    change: count("update"),
    destroy: count("delete", "replace"),
    forget: count("forget", "replace-and-forget"),
    move: resources.filter(({ previousAddress }) => previousAddress !== undefined).length,
    output,
  };
}

const sum = (all: readonly Counts[]): Counts =>
  all.reduce(
    (total, counts) => ({
      import: total.import + counts.import,
      add: total.add + counts.add,
      change: total.change + counts.change,
      destroy: total.destroy + counts.destroy,
      forget: total.forget + counts.forget,
      move: total.move + counts.move,
      output: total.output + counts.output,
    }),
    { import: 0, add: 0, change: 0, destroy: 0, forget: 0, move: 0, output: 0 },
  );

/** `tags_all` repeats `tags`, with the provider's defaults. */
function withoutCopies(attributes: readonly AttributeChange[]): readonly AttributeChange[] {
  const tags = new Set(attributes.filter(({ path }) => /^tags\b/.test(path)).map(({ path }) => path));
  if (tags.size === 0) return attributes;
  return attributes.filter(
    ({ path }) => !/^tags_all\b/.test(path) || !tags.has(path.replace("tags_all", "tags")),
  );
}

/** An output's value stands for itself: its path is "value". One with a secret's name is a secret. */
function wrapped(name: string, change: Change): Change {
  const { before, after } = change;
  const secret = (value: Json) => isSecretName(name) && !isHarmless(value);
  return {
    ...change,
    before: { value: before },
    after: { value: after },
    afterUnknown: { value: change.afterUnknown ?? false },
    beforeSensitive: { value: secret(before) || (change.beforeSensitive ?? false) },
    afterSensitive: { value: secret(after) || (change.afterSensitive ?? false) },
  };
}

/** A review as JSON: its shape is a contract; `version` grows where that breaks. */
export function toJson(reviewed: Review): string {
  const findings = (found: readonly Finding[]) =>
    found.map(({ text, ...rest }) => ({ ...rest, text: plainText(text) }));
  const resource = ({ reason, deferredBecause, ...rest }: ResourceReview) => ({
    ...rest,
    ...(reason && { reason: plainText(reason) }),
    ...(deferredBecause && { deferredBecause: plainText(deferredBecause) }),
  });
  const plans = reviewed.plans.map((plan) => ({
    ...plan,
    resources: plan.resources.map(resource),
    access: findings(plan.access),
    drift: plan.drift.map((drifted) => ({
      ...resource(drifted.resource),
      access: findings(drifted.findings),
    })),
    deferred: plan.deferred.map(resource),
  }));
  return JSON.stringify({ version: 1, ...reviewed, plans }, null, 2);
}
