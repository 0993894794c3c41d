import { code, codes, type Phrase } from "../phrase";
import type { Fact } from "./facts";
import { type Rule, trafficOf } from "./network";
import type { AccessChange, Terms } from "./policy";

/** So many names stand in a sentence; the others are told below it. */
const MOST = 12;

const IN_LINE = 8;

/** What lets somebody do most: told first, so that it does not hide behind many. */
const DANGER = [
  /^(AWS:)?\*$/,
  /\*/,
  /^(iam|sts|kms|secretsmanager|organizations|sso[^:]*):/i,
  /:(Put|Create|Delete|Update|Attach|Set|Add|Pass|Invoke|Run|Start)/i,
];

const rankOf = (name: string) => {
  const found = DANGER.findIndex((pattern) => pattern.test(name));
  return found < 0 ? DANGER.length : found;
};

const byDanger = (names: readonly string[]): readonly string[] =>
  names.length > MOST ? [...names].sort((a, b) => rankOf(a) - rankOf(b)) : names;

/** Continues an address: what somebody may do that they could not do before, or no longer. */
export function tellChange(change: AccessChange): Phrase {
  const { direction, effect, actions, resources, principals, conditions, conditionsChanged } = change;
  const widens = direction === "widens";
  // Where a condition alone came or went, what it is about stays.
  const verbs =
    conditionsChanged.length > 0
      ? { Allow: "allows ", Deny: "denies " }
      : widens
        ? { Allow: "allows ", Deny: "no longer denies " }
        : { Allow: "no longer allows ", Deny: "now denies " };
  const everywhere = !resources.not && resources.of.join() === "*";
  const rest = conditions.filter((condition) => !conditionsChanged.includes(condition));
  return [
    verbs[effect],
    ...tellTerms(actions),
    ...(everywhere && principals ? [] : [" on ", ...tellTerms(resources)]),
    ...(principals ? [" to ", ...tellPrincipals(principals)] : []),
    ...(rest.length ? [" if ", ...codes(rest, MOST)] : []),
    ...(conditionsChanged.length
      ? [
          (effect === "Allow") === widens ? ", and no longer only if " : ", now only if ",
          ...codes(conditionsChanged, MOST),
        ]
      : []),
  ];
}

/** All names of a change that a sentence has no room for, a line for each kind; none where it has. */
export function detailsOf({ actions, resources, principals, conditions }: AccessChange): string[] {
  const lists = {
    actions: actions.of,
    resources: resources.of,
    principals: principals?.of ?? [],
    conditions,
  };
  return Object.entries(lists).flatMap(([kind, names]) =>
    names.length > MOST ? [`${kind}:`, ...inLines(byDanger(names))] : [],
  );
}

const inLines = (names: readonly string[]) =>
  Array.from(
    { length: Math.ceil(names.length / IN_LINE) },
    (_, line) => `  ${names.slice(line * IN_LINE, (line + 1) * IN_LINE).join(", ")}`,
  );

/** Continues an address: what can be reached, or no longer. */
export function tellRule(rule: Rule, direction: "widens" | "narrows"): Phrase {
  const opens = rule.effect === "Allow" ? direction === "widens" : direction === "narrows";
  const verb =
    rule.effect === "Allow" ? (opens ? "opens " : "closes ") : opens ? "stops " : "no longer stops ";
  return [verb, code(trafficOf(rule)), rule.direction === "ingress" ? " from " : " to ", code(rule.peer)];
}

export const tellFact = (fact: Fact, which: "gained" | "lost"): Phrase => [
  `${fact[which]} `,
  code(fact.about),
];

const tellTerms = ({ not, of }: Terms): Phrase => [
  ...(not ? ["all but "] : []),
  ...codes(byDanger(of), MOST),
];

function tellPrincipals({ not, of }: Terms): Phrase {
  const names = of.filter((name) => name !== "*").map((name) => name.replace(/^(AWS|Service):/, ""));
  const anybody = of.includes("*") ? ["anybody"] : [];
  return [
    ...(not ? ["all but "] : []),
    ...anybody,
    ...(anybody.length && names.length ? [", "] : []),
    ...codes(byDanger(names), MOST),
  ];
}
