import type { AttributeChange } from "./attributes";
import { costLines, costText } from "./cost";
import { type Kind, kindIsDestructive } from "./kind";
import { code, codes, type Phrase, plural } from "./phrase";
import type { Counts, PlanReview, ResourceReview, Review, Risk } from "./review";

/** What stands below an item's line and can be left out. */
export type Body = { readonly attributes: readonly AttributeChange[] } | { readonly text: string };

export interface Item {
  readonly head: Phrase;
  readonly body?: Body;
  /** What it counts as where there is room for a number alone: "to create" of "aws_instance". */
  readonly group: string;
  /** Its shortest form, where many must be told: addresses; none where its line is all that there is. */
  readonly names: readonly string[];
  /** Whose it is, where there are several. */
  readonly stacks?: readonly string[];
  /** Order in which items get room; the lower the sooner. Those of rank 0 are never left out. */
  readonly rank: number;
}

export interface Section {
  readonly title: string;
  readonly items: readonly Item[];
  /** The stack whose rest this is: told folded, below the other sections. */
  readonly stack?: string;
  /** Follows a folded section's title. */
  readonly note?: string;
}

/** A review as its reader sees it, in whatever format. */
export interface Layout {
  readonly severity: "high" | "middle" | "low";
  readonly verdict: Phrase;
  /** A line a stack, where there are several. */
  readonly stacks: readonly Phrase[];
  readonly sections: readonly Section[];
}

const MUST = 0;

export function layOut(review: Review): Layout {
  const { plans, failed } = review;
  const several = plans.length + failed.length > 1;
  const sections = [
    section(
      "Failed",
      failed.map(({ name, failure }) => ({ stack: name, ...failedItem(failure) })),
    ),
    section("Needs review", collect(plans, needsReview)),
    section("Destroys", collect(plans, destroys)),
    section("Widens access", collect(plans, widens)),
    section("Takes traffic from releases", collect(plans, undoes)),
    section("Reaches what serves before its release", collect(plans, precedes)),
    section("Drifted", collect(plans, drifts)),
    section("Checks", collect(plans, checks)),
    section("Outputs", collect(plans, outputs)),
    section("Deferred, or with errors", collect(plans, deferred)),
    section("Narrows access", collect(plans, narrows)),
    section("Invokes", collect(plans, invokes)),
    section("Costs", collect(plans, costs)),
  ].map((found) => label(found, several));
  return {
    severity: severityOf(review.risks),
    verdict: ["Plan review: ", ...(isNothing(review) ? ["no changes."] : verdict(review))],
    stacks: several
      ? [
          ...plans.map((plan): Phrase => [code(plan.name), ": ", ...verdict(plan)]),
          ...failed.map(({ name }): Phrase => [code(name), ": the plan failed"]),
        ]
      : [],
    sections: [...sections, ...plans.map(rest)].filter(({ items, note }) => items.length > 0 || note),
  };
}

/** One line: what happens, and what of it is a risk. */
export function verdict(reviewed: {
  readonly counts: Counts;
  readonly risks: readonly Risk[];
  readonly failed?: readonly unknown[];
}): Phrase {
  const failed = reviewed.failed?.length ? [`${plural(reviewed.failed.length, "plan")} failed; `] : [];
  const risks = reviewed.risks.length ? [`. Risks: ${reviewed.risks.join(", ")}`] : [];
  return [...failed, countsText(reviewed.counts) || "no resource changes", ...risks, "."];
}

/** As Terraform's own line, with what that leaves out. */
export function countsText(counts: Counts): string {
  const { add, change, destroy, forget, move, output } = counts;
  const more = [
    counts.import && `${counts.import} to import`,
    (add || change || destroy || counts.import || forget) &&
      `${add} to add, ${change} to change, ${destroy} to destroy`,
    forget && `${forget} to forget`,
    move && `${move} to move`,
    output && plural(output, "output"),
  ].filter(Boolean);
  return more.join(", ");
}

const isNothing = ({ plans, failed, risks, counts }: Review): boolean =>
  failed.length === 0 &&
  risks.length === 0 &&
  countsText(counts) === "" &&
  plans.every(({ resources, invokes }) => resources.length + invokes.length === 0);

function severityOf(risks: readonly Risk[]): Layout["severity"] {
  if (risks.some((risk) => risk !== "drift" && risk !== "deferred")) return "high";
  return risks.length ? "middle" : "low";
}

interface StackItem extends Item {
  readonly stack: string;
}

const section = (title: string, items: readonly StackItem[]) => ({ title, items });

const collect = (plans: readonly PlanReview[], read: (plan: PlanReview) => readonly Item[]): StackItem[] =>
  plans.flatMap((plan) => read(plan).map((item) => ({ ...item, stack: plan.name })));

/** Says whose an item is; the same of several stacks is told once. */
function label({ title, items }: { title: string; items: readonly StackItem[] }, several: boolean): Section {
  const same = new Map<string, { item: Item; stacks: string[] }>();
  for (const { stack, ...item } of items) {
    const key = JSON.stringify([item.head, item.body]);
    const known = same.get(key);
    if (known) known.stacks.push(stack);
    else same.set(key, { item, stacks: [stack] });
  }
  return {
    title,
    items: [...same.values()].map(({ item, stacks }) =>
      several ? { ...item, stacks, head: [...codes(stacks, Infinity), ": ", ...item.head] } : item,
    ),
  };
}

const failedItem = (failure: string): Item => ({
  head: ["the plan failed"],
  body: { text: failure },
  group: "failed",
  names: [],
  rank: MUST,
});

function needsReview(plan: PlanReview): Item[] {
  return plan.resources
    .filter(({ kind }) => kind === "unknown")
    .map((resource) => ({
      head: [
        ...named(resource),
        ": actions that this review does not know: ",
        ...codes(resource.actions),
        ". Read the plan itself",
      ],
      group: "to be read",
      names: [resource.address],
      rank: MUST,
    }));
}

const DESTROYS: Readonly<Partial<Record<Kind, string>>> = {
  delete: "delete ",
  replace: "replace ",
  forget: "forget ",
  "replace-and-forget": "replace and forget ",
};

function destroys(plan: PlanReview): Item[] {
  return plan.resources
    .filter(({ kind }) => kindIsDestructive(kind))
    .map((resource) => {
      const { kind, importing, reason, forcedBy, holdsData, actions } = resource;
      return {
        head: [
          DESTROYS[kind] ?? "",
          ...named(resource),
          ...(kind === "replace"
            ? [actions[0] === "create" ? " (the new one first)" : " (the old one goes first)"]
            : []),
          ...(kind === "forget" ? [": it stays, and nobody manages it"] : []),
          ...(kind === "replace-and-forget" ? [": the old one stays, and nobody manages it"] : []),
          ...(importing === undefined ? [] : [": imported only to be destroyed"]),
          ...(forcedBy.length ? [", forced by ", ...codes(forcedBy)] : reason ? [": ", ...reason] : []),
          ...(holdsData ? [". It holds data"] : []),
          ...awaited(resource),
        ],
        group: (DESTROYS[kind] ?? "").trim(),
        names: [resource.address],
        rank: MUST,
      };
    });
}

function widens(plan: PlanReview): Item[] {
  const told = new Set<string>();
  return plan.access
    .filter(({ direction }) => direction !== "narrows")
    .map(({ addresses, text, direction, details }) => {
      // Each address is there; that they are many is enough the next time.
      const again = addresses.every((address) => told.has(address));
      for (const address of addresses) told.add(address);
      return {
        head: [
          ...codes(addresses, again ? 3 : Infinity),
          " ",
          ...(direction === "unclear" ? ["may widen access: "] : []),
          ...text,
        ],
        ...(details && { body: { text: details.join("\n") } }),
        group: "access",
        names: addresses,
        rank: MUST,
      };
    });
}

function narrows(plan: PlanReview): Item[] {
  return plan.access
    .filter(({ direction }) => direction === "narrows")
    .map(({ addresses, text }) => ({
      head: [...codes(addresses, 3), " ", ...text],
      group: "narrowings",
      names: addresses,
      rank: 1,
    }));
}

function undoes(plan: PlanReview): Item[] {
  return plan.resources
    .filter(({ release }) => release === "undone")
    .map((resource) => ({
      head: [
        ...named(resource),
        " leads users elsewhere with the apply: away from what the last release brought, without its checks",
      ],
      body: { attributes: resource.attributes },
      group: "traffic",
      names: [resource.address],
      rank: MUST,
    }));
}

/** By type, what the version that serves meets with the apply. */
const PRECEDES: Readonly<Record<string, string>> = {
  aws_lb_target_group:
    " asks for the new path as soon as it is applied, and the version that serves may not know it: then it counts as unwell. First release a version that answers both, then change health_path",
  aws_iam_role_policy:
    " takes a secret as soon as it is applied, and the version that serves may need it: then no new task of it starts until the release that follows has ended. First release a version that does without it, then take it out",
};

function precedes(plan: PlanReview): Item[] {
  return plan.resources
    .filter(({ release }) => release === "early")
    .map((resource) => ({
      head: [...named(resource), PRECEDES[resource.type] ?? ""],
      body: { attributes: resource.attributes },
      group: "early",
      names: [resource.address],
      rank: MUST,
    }));
}

/** Says that users do not get a change with the apply. */
function awaited({ release, type }: ResourceReview): string[] {
  if (release !== "awaited") return [];
  const who = type === "aws_ecs_task_definition" ? "The service gets" : "Callers of its alias get";
  return [`. ${who} it with the release that follows, not with the apply`];
}

const DRIFTED: Readonly<Partial<Record<Kind, string>>> = {
  update: "was changed",
  delete: "was deleted",
  create: "appeared",
};

function drifts(plan: PlanReview): Item[] {
  return plan.drift.map(({ resource, findings }) => ({
    head: [
      ...named(resource),
      ` ${DRIFTED[resource.kind] ?? "differs"} outside of Terraform`,
      ...findings.flatMap(({ text }) => ["; it ", ...text]),
    ],
    ...(resource.kind !== "delete" && resource.attributes.length
      ? { body: { attributes: resource.attributes } }
      : {}),
    group: "drifted",
    names: [resource.address],
    // What somebody opened by hand must not get lost among tags.
    rank: findings.some(({ direction }) => direction !== "narrows") ? MUST : 1,
  }));
}

function checks(plan: PlanReview): Item[] {
  return plan.checks.map(({ address, status, messages }) => ({
    head: [
      code(address),
      status === "fail"
        ? " fails"
        : status === "error"
          ? " cannot be evaluated"
          : status === "unknown"
            ? " is decided only by the apply"
            : " is ",
      ...(["fail", "error", "unknown"].includes(status) ? [] : [code(status)]),
      ...messages.flatMap((message) => [": ", code(message)]),
    ],
    group: "checks",
    names: [address],
    rank: status === "unknown" ? 1 : MUST,
  }));
}

const VERBS: Readonly<Record<Kind, string>> = {
  "no-op": "keep",
  create: "create",
  read: "read",
  update: "change",
  delete: "delete",
  replace: "replace",
  forget: "forget",
  "replace-and-forget": "replace and forget",
  ephemeral: "open",
  unknown: "needs review:",
};

function outputs(plan: PlanReview): Item[] {
  return plan.outputs.map(({ name, kind, attributes }) => ({
    head: [`${VERBS[kind]} `, code(name)],
    body: { attributes },
    group: "outputs",
    names: [name],
    rank: kind === "unknown" ? MUST : 1,
  }));
}

function deferred(plan: PlanReview): Item[] {
  const whole: Item[] = [];
  const say = (text: string) => whole.push({ head: [text], group: "notes", names: [], rank: MUST });
  if (plan.errored) say("Terraform met an error: this is not all that it would do");
  else if (!plan.complete)
    say("the plan is not complete: parts of the configuration are left out, or put off");
  return [
    ...whole,
    ...plan.deferred.map((resource) => ({
      head: [
        `put off: ${VERBS[resource.kind]} `,
        ...named(resource),
        ...(resource.deferredBecause ? [", because ", ...resource.deferredBecause] : []),
      ],
      body: { attributes: resource.attributes },
      group: "put off",
      names: [resource.address],
      rank: resource.kind === "unknown" || kindIsDestructive(resource.kind) ? MUST : 1,
    })),
  ];
}

function invokes(plan: PlanReview): Item[] {
  return plan.invokes.map((address) => ({
    head: ["the action ", code(address)],
    group: "actions",
    names: [address],
    rank: 1,
  }));
}

/** Of a plan that changes nothing that has a known price, nothing is said. */
function costs({ cost }: PlanReview): Item[] {
  const { counted, unclear, prices } = cost;
  if (counted.length + unclear === 0) return [];
  const source = counted.length
    ? `. An estimate, at list prices of ${prices.regions.join(" and ")} (${prices.asOf}), without what is paid by use, free tiers and taxes`
    : "";
  return [
    {
      head: [costText(cost), source],
      body: { text: costLines(cost).join("\n") },
      group: "costs",
      names: [],
      rank: 1,
    },
  ];
}

const SYMBOL: Readonly<Record<Kind, string>> = {
  "no-op": " ",
  create: "+",
  read: "<=",
  update: "~",
  delete: "-",
  replace: "-/+",
  forget: ".",
  "replace-and-forget": "+/.",
  ephemeral: "<=",
  unknown: "?",
};

const RANK: Readonly<Partial<Record<Kind, number>>> = { update: 2, replace: 2, unknown: 2, create: 3 };

/** What is left: everything with attributes, folded by stack. */
function rest(plan: PlanReview): Section {
  const { folded } = plan;
  const items = plan.resources.map((resource): Item => {
    const { kind, movedFrom, importing, attributes, reason } = resource;
    const told = attributes.reduce((sum, { more = 1 }) => sum + more, 0);
    return {
      head: [
        `${SYMBOL[kind]} `,
        ...named(resource),
        ...(movedFrom === undefined ? [] : [", moved from ", code(movedFrom)]),
        ...(importing === undefined ? [] : importing ? [", imported: ", code(importing)] : [", imported"]),
        ...(kind === "read" && reason ? [": ", ...reason] : []),
        ...(kind === "update" ? [`: ${told ? plural(told, "attribute") : "nothing that can be shown"}`] : []),
        ...(kind === "update" ? awaited(resource) : []),
      ],
      ...(told ? { body: { attributes } } : {}),
      group: kind === "unknown" ? "to be read" : `to ${VERBS[kind]}`,
      names: [resource.address],
      rank: RANK[kind] ?? 4,
    };
  });
  const notes = [
    folded.tags && `${folded.tags} only in ${folded.tags === 1 ? "its" : "their"} tags`,
    folded.form && `${folded.form} only in the form of ${folded.form === 1 ? "a document" : "documents"}`,
    folded.unchanged && `${folded.unchanged} unchanged`,
    folded.readAnew && `${folded.readAnew} read anew, in what nobody configured`,
    folded.released && `${folded.released} as releases left ${folded.released === 1 ? "it" : "them"}`,
    folded.checksPassed && `${plural(folded.checksPassed, "check")} passed`,
  ].filter(Boolean);
  return { title: plural(items.length, "resource"), items, stack: plan.name, note: notes.join(", ") };
}

const named = ({ address, deposed }: ResourceReview): Phrase =>
  deposed ? [code(address), " (deposed object ", code(deposed), ")"] : [code(address)];
