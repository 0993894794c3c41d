import { BlockList } from "node:net";
import fc from "fast-check";
import {
  AddressSet,
  compareRules,
  LATER,
  type Rule,
  readRange,
  readRules,
  trafficOf,
} from "../../../tools/review/access/network";
import { covers, Effort, overlap } from "../../../tools/review/access/patterns";
import { compareStatements, readPolicy, type Statement } from "../../../tools/review/access/policy";
import type { JsonObject, Mask } from "../../../tools/review/plan";
import { cpuSeconds, sized, tries } from "../../support/effort";

type Element = Record<string, unknown>;

const read = (all: readonly Element[]) =>
  readPolicy({ Version: "2012-10-17", Statement: all } as unknown as JsonObject)!;
const directions = (before: readonly Element[], after: readonly Element[]) =>
  compareStatements(read(before), read(after)).map(({ direction }) => direction);
const widens = (before: readonly Element[], after: readonly Element[]) =>
  directions(before, after).includes("widens");

const ACCOUNT = "arn:aws:iam::111122223333";
const ROOT = `${ACCOUNT}:root`;
const ROLE = `${ACCOUNT}:role/contractor`;
const to = (principal: unknown, more: Element = {}): Element => ({
  Effect: "Allow",
  Principal: { AWS: principal },
  Action: "kms:Decrypt",
  Resource: "*",
  ...more,
});

const toAllBut = (principal: string, more: Element = {}): Element => {
  const { Principal, ...others } = to(principal, more);
  return { ...others, NotPrincipal: Principal };
};

describe("an account's root", () => {
  test.each([[ROOT], ["111122223333"]])("as %s hides nobody who is named beside it", (root) => {
    const [all] = [to(root, { Action: "kms:*" })];
    const changes = compareStatements(read([all]), read([all, to(ROLE)]));
    expect(changes).toEqual([
      expect.objectContaining({ direction: "widens", principals: { not: false, of: [`AWS:${ROLE}`] } }),
    ]);
    expect(directions([to([root])], [to([root, ROLE])])).toEqual(["widens"]);
  });

  test.each<[string, Element[], Element[], string[]]>([
    ["is the same in either spelling", [to(ROOT)], [to("111122223333")], []],
    [
      "in another partition is the bare number's",
      [to("111122223333")],
      [to(ROOT.replace("aws", "aws-cn"))],
      [],
    ],
    ["takes nobody's place who was named", [to(ROLE)], [to(ROOT)], ["widens", "narrows"]],
    [
      "that is denied stops whoever was",
      [to(ROLE, { Effect: "Deny" })],
      [to(ROOT, { Effect: "Deny" })],
      ["narrows"],
    ],
    [
      "of another account stops nobody",
      [to(ROLE, { Effect: "Deny" })],
      [to("999999999999", { Effect: "Deny" })],
      ["widens", "narrows"],
    ],
    ["that is exempted may exempt all of its account", [toAllBut(ROOT)], [to(ROLE)], ["widens", "narrows"]],
    [
      "is not exempted where one of its roles is",
      [toAllBut(ROLE, { Effect: "Deny" })],
      [toAllBut(ROOT, { Effect: "Deny" })],
      ["widens", "narrows"],
    ],
    ["is one of everybody", [to("*")], [to("*"), to(ROOT)], []],
  ])("%s", (_, before, after, expected) => {
    expect(directions(before, after)).toEqual(expected);
  });
});

// biome-ignore-start lint/suspicious/noTemplateCurlyInString: IAM's variables, not JavaScript's.
describe("a condition that is narrowed", () => {
  const only = (condition: Element) => [{ Effect: "Allow", Action: "sts:AssumeRole", Condition: condition }];
  const sub = "token.actions.githubusercontent.com:sub";
  const arn = "aws:SourceArn";

  test.each<[Element, Element]>([
    [{ StringLike: { [sub]: "repo:o/*" } }, { StringLike: { [sub]: "repo:o/r:*" } }],
    [
      { StringLike: { [sub]: ["repo:o/*", "repo:p/*"] } },
      { StringLike: { [sub]: ["repo:o/r:*", "repo:o/?"] } },
    ],
    [{ StringLike: { [sub]: "repo:o/*" } }, { StringEquals: { [sub]: "repo:o/r:ref:refs/heads/main" } }],
    [{ StringLike: { k: "a*" } }, { StringEquals: { k: "a*" } }],
    [{ StringEquals: { [sub]: ["a", "b"] } }, { StringLike: { [sub]: "a" } }],
    [{ StringEqualsIgnoreCase: { k: "ABC" } }, { StringEquals: { k: "abc" } }],
    [{ StringNotLike: { k: "a*b" } }, { StringNotLike: { k: "a*" } }],
    [{ StringNotEquals: { k: "ab" } }, { StringNotLike: { k: "a*" } }],
    [{ ArnLike: { [arn]: "arn:aws:s3:::*" } }, { ArnLike: { [arn]: "arn:aws:s3:::bucket" } }],
    [{ ArnEquals: { [arn]: "arn:aws:sns:*:1:t*" } }, { ArnLike: { [arn]: "arn:aws:sns:eu-west-1:1:t" } }],
    [{ ArnLike: { [arn]: "arn:aws:sns:*:1:t" } }, { StringEquals: { [arn]: "arn:aws:sns:eu-west-1:1:t" } }],
    [{ IpAddress: { k: "10.0.0.0/8" } }, { IpAddress: { k: ["10.1.0.0/16", "10.9.9.9"] } }],
    [
      { IpAddress: { k: ["10.0.0.0/9", "10.128.0.0/9"] } },
      { IpAddress: { k: ["10.0.0.0/9", "10.128.0.0/10"] } },
    ],
    [{ IpAddress: { k: "2001:db8::/32" } }, { IpAddress: { k: "2001:0db8:1::/48" } }],
    [{ NotIpAddress: { k: "10.1.0.0/16" } }, { NotIpAddress: { k: "10.0.0.0/8" } }],
    [{ NumericLessThan: { k: 10 } }, { NumericLessThanEquals: { k: 9 } }],
    [{ NumericLessThanEquals: { k: 10 } }, { NumericLessThan: { k: 10 } }],
    [{ NumericLessThanEquals: { k: "10" } }, { NumericEquals: { k: ["10", "3"] } }],
    [{ NumericGreaterThan: { k: "1" } }, { NumericGreaterThan: { k: "1.5" } }],
    [{ DateLessThan: { k: "2030-01-01T00:00:00Z" } }, { DateLessThan: { k: "2026-01-01T00:00:00Z" } }],
    [{ Bool: { k: ["true", "false"] } }, { Bool: { k: "TRUE" } }],
    [{ StringLikeIfExists: { k: "a*" } }, { StringLike: { k: "ab" } }],
  ])("from %j to %j is told as that alone", (wide, narrow) => {
    expect(directions(only(wide), only(narrow))).toEqual(["narrows"]);
    expect(directions(only(narrow), only(wide))).toEqual(["widens"]);
  });

  test.each<[Element, Element]>([
    [{ StringLike: { k: "a*" } }, { StringLike: { k: "a${aws:username}" } }],
    [{ StringLike: { k: "${aws:username}*" } }, { StringLike: { k: "${aws:username}b" } }],
    [{ StringLike: { k: "a*" } }, { StringLikeIfExists: { k: "ab" } }],
    [{ "ForAllValues:StringLike": { k: "a*" } }, { "ForAllValues:StringLike": { k: "ab" } }],
    [{ StringLike: { k: "a*" } }, { "ForAnyValue:StringLike": { k: "ab" } }],
    [{ Null: { k: "true" } }, { Null: { k: "false" } }],
    [{ ArnLike: { k: "arn:*:b" } }, { ArnLike: { k: "arn:aws:s3:::b" } }],
    [{ ArnLike: { k: "arn:aws:s3:::*" } }, { StringLike: { k: "arn:aws:s3:::b*" } }],
    [{ IpAddress: { k: "10.0.0.0/8" } }, { IpAddress: { k: "::ffff:10.0.0.1" } }],
    [{ IpAddress: { k: "10.0.0.0/8" } }, { NotIpAddress: { k: "10.1.0.0/16" } }],
    [{ NumericLessThan: { k: "10" } }, { NumericGreaterThan: { k: "1" } }],
    [{ NumericLessThan: { k: "9007199254740993" } }, { NumericLessThan: { k: "9007199254740992" } }],
    [{ DateLessThan: { k: "2030-01-01" } }, { DateLessThan: { k: "2026-01-01" } }],
    [{ StringEquals: { k: ["a", "b"] } }, { StringEquals: { k: "a\nb" } }],
    [{ BinaryEquals: { k: "YQ==" } }, { StringEquals: { k: "YQ==" } }],
    [{ FutureLike: { k: "a*" } }, { FutureLike: { k: "ab" } }],
    [{ StringEquals: { k: "a" } }, { StringEquals: { k: [] } }],
  ])("from %j to %j is told both ways: nobody can be sure", (before, after) => {
    expect(directions(only(before), only(after))).toEqual(["widens", "narrows"]);
  });
});
// biome-ignore-end lint/suspicious/noTemplateCurlyInString: IAM's variables, not JavaScript's.

test.each<[Element, Element]>([
  [{ IpAddress: { k: ["10.0.0.0/9", "10.128.0.0/9"] } }, { IpAddress: { k: "10.0.0.0/8" } }],
  [{ ArnEquals: { k: "arn:aws:s3:::b*" } }, { ArnLike: { k: "arn:aws:s3:::b*" } }],
  [{ StringLike: { k: "a" } }, { StringEquals: { k: "a" } }],
  [{ NumericEquals: { k: "1" } }, { NumericEquals: { k: "1.0" } }],
])("nothing is told of conditions %j and %j, which say the same", (one, other) => {
  const only = (Condition: Element) => [{ Effect: "Allow", Action: "s3:Get", Resource: "*", Condition }];
  expect(directions(only(one), only(other))).toEqual([]);
  expect(directions(only(other), only(one))).toEqual([]);
});

describe("a change names the very statements that it comes from:", () => {
  const [a, b] = [to(ROLE), to(`${ACCOUNT}:role/b`)];
  const of = (before: readonly Statement[], after: readonly Statement[]) =>
    compareStatements(before, after).map((change) => change.of);
  const same = (found: readonly (readonly Statement[])[], expected: readonly (readonly Statement[])[]) => {
    expect(found.map(({ length }) => length)).toEqual(expected.map(({ length }) => length));
    for (const [index, those] of expected.entries())
      for (const [at, one] of those.entries()) expect(found[index]![at]).toBe(one);
  };

  test("what comes, by those after", () => {
    const [before, after] = [read([a]), read([a, b, b])];
    same(of(before, after), [[after[1]!, after[2]!]]);
    // One that said so already does not stand for what comes with the other.
    same(of(read([]), after), [[after[0]!], [after[1]!, after[2]!]]);
  });

  test("what goes, by those before", () => {
    const before = read([a, { ...b, Effect: "Deny" }]);
    same(of(before, []), [[before[1]!], [before[0]!]]);
  });

  test("rules, by the rule", () => {
    const [old, now] = ["10.0.0.0/8", "11.0.0.0/8"].map(
      (peer): Rule => ({
        effect: "Allow",
        direction: "ingress",
        protocol: "tcp",
        fromPort: 1,
        toPort: 2,
        peer,
      }),
    );
    const [widening, narrowing] = compareRules([old!], [now!]);
    expect(widening!.rule).toBe(now);
    expect(narrowing!.rule).toBe(old);
  });
});

describe("whatever the policies, what newly is allowed is told:", () => {
  const some = <T>(of: readonly T[]) =>
    fc.uniqueArray(fc.constantFrom(...of), { minLength: 1, maxLength: 3 });
  const twoOf = <T>(one: fc.Arbitrary<T>, isOfInterest: (before: T, after: T) => boolean) =>
    fc.tuple(one, one).filter(([before, after]) => isOfInterest(before, after));
  const globs = new Map<string, RegExp>();
  const glob = (of: string, value: string) => {
    const written = () => of.replace(/[.:/]/g, "\\$&").replaceAll("*", ".*").replaceAll("?", ".");
    const known = globs.get(of) ?? new RegExp(`^${written()}$`);
    globs.set(of, known);
    return known.test(value);
  };

  const accounts = ["111111111111", "222222222222"];
  const names = accounts.flatMap((account) =>
    ["root", "role/r", "user/u"].map((name) => `arn:aws:iam::${account}:${name}`),
  );

  // What a root exempts, the documentation leaves open: it must be told either way.
  test.each([true, false])("with roots of accounts (a root exempts its account: %p)", (rootExempts) => {
    const principals = some([...names, ...accounts, "*"]);
    const statement = fc.record({
      Effect: fc.constantFrom("Allow", "Deny"),
      named: principals,
      not: fc.boolean(),
    });
    type Drawn = { Effect: string; named: string[]; not: boolean };
    const written = (all: readonly Drawn[]) =>
      all.map(({ Effect, named, not }) => ({
        Effect,
        [not ? "NotPrincipal" : "Principal"]: { AWS: named },
        Action: "s3:Get",
        Resource: "*",
      }));
    /** Whether somebody may, given whether policies of the account let them. */
    const allowed = (all: readonly Drawn[], name: string, byAccount: boolean) => {
      const account = name.slice(13, 25);
      const root = (one: string) => one === account || one === `arn:aws:iam::${account}:root`;
      const isNamed = (named: string[], withRoot: boolean) =>
        named.some((one) => one === "*" || one === name || ((withRoot || root(name)) && root(one)));
      const applies = ({ named, not, Effect }: Drawn) =>
        not ? !isNamed(named, rootExempts) : isNamed(named, Effect === "Deny" || byAccount);
      const hits = all.filter(applies);
      return hits.some(({ Effect }) => Effect === "Allow") && !hits.some(({ Effect }) => Effect === "Deny");
    };
    fc.assert(
      fc.property(
        twoOf(fc.array(statement, { maxLength: 3 }), (a, b) =>
          names.some((name) =>
            [true, false].some((byAccount) => !allowed(a, name, byAccount) && allowed(b, name, byAccount)),
          ),
        ),
        ([a, b]) => widens(written(a), written(b)),
      ),
      { numRuns: tries(1000) },
    );
  });

  const IP = /^(\d+)\.(\d+)\.(\d+)\.(\d+)(?:\/(\d+))?$/;
  const inRange = (range: string, address: string) => {
    const bits = Number(IP.exec(range)![5] ?? 32);
    const number = (text: string) =>
      IP.exec(text)!
        .slice(1, 5)
        .reduce((sum, part) => sum * 256 + Number(part), 0);
    return Math.floor(number(range) / 2 ** (32 - bits)) === Math.floor(number(address) / 2 ** (32 - bits));
  };
  const inArn = (pattern: string, value: string) => {
    const [wide, narrow] = [pattern, value].map((arn) => arn.split(":"));
    return wide!.length === narrow!.length && wide!.every((part, index) => glob(part, narrow![index]!));
  };
  type Kind = [
    values: string[],
    operators: Record<string, (of: string, value: string) => boolean>,
    requests: string[],
  ];
  const lists: Record<string, Kind> = {
    text: [
      ["a", "ab", "a*", "?b", "*", "AB", "a*b"],
      {
        StringEquals: (of, value) => of === value,
        StringLike: glob,
        StringEqualsIgnoreCase: (of, value) => of.toLowerCase() === value.toLowerCase(),
      },
      ["a", "ab", "aab", "b", "AB", "a*"],
    ],
    arn: [
      ["arn:p:s:r:1:x", "arn:p:*:r:1:x", "arn:p:s:*:*:*", "arn:p:s:r:1:x*", "arn:*:1:x", "*"],
      {
        ArnEquals: inArn,
        ArnLike: inArn,
        StringEquals: (of, value) => of === value,
        StringLike: glob,
      },
      ["arn:p:s:r:1:x", "arn:p:t:r:1:x", "arn:p:s:r:1:xy", "arn:p:s:q:2:z", "text"],
    ],
    address: [
      ["10.0.0.0/8", "10.0.0.0/9", "10.128.0.0/9", "10.1.2.3", "10.1.2.0/23", "0.0.0.0/0"],
      { IpAddress: inRange },
      ["10.0.0.1", "10.129.0.1", "10.1.2.3", "10.1.3.3", "11.0.0.1"],
    ],
    number: [
      ["1", "2", "2.5", "3", "-1"],
      {
        NumericEquals: (of, value) => Number(value) === Number(of),
        NumericLessThan: (of, value) => Number(value) < Number(of),
        NumericLessThanEquals: (of, value) => Number(value) <= Number(of),
        NumericGreaterThan: (of, value) => Number(value) > Number(of),
        NumericGreaterThanEquals: (of, value) => Number(value) >= Number(of),
      },
      ["-2", "-1", "0", "1", "2", "2.2", "2.5", "3", "4"],
    ],
  };
  const NOT: Record<string, string> = {
    StringEquals: "StringNotEquals",
    StringLike: "StringNotLike",
    StringEqualsIgnoreCase: "StringNotEqualsIgnoreCase",
    ArnEquals: "ArnNotEquals",
    ArnLike: "ArnNotLike",
    IpAddress: "NotIpAddress",
    NumericEquals: "NumericNotEquals",
  };

  test.each(Object.keys(lists))("with conditions on %s", (kind) => {
    const [values, operators, requests] = lists[kind]!;
    const condition = fc.record({
      operator: fc.constantFrom(...Object.keys(operators)),
      not: fc.boolean(),
      ifExists: fc.boolean(),
      of: some(values),
    });
    type Drawn = { operator: string; not: boolean; ifExists: boolean; of: string[] };
    const negated = ({ operator, not }: Drawn) => not && operator in NOT;
    const statement = fc.record({
      Effect: fc.constantFrom("Allow", "Allow", "Deny"),
      conditions: fc.array(condition, { maxLength: 1 }),
    });
    type Policy = readonly { Effect: string; conditions: readonly Drawn[] }[];
    const written = (all: Policy) =>
      all.map(({ Effect, conditions }) => ({
        Effect,
        Action: "s3:Get",
        Resource: "*",
        Condition: Object.fromEntries(
          conditions.map((one) => [
            `${negated(one) ? NOT[one.operator] : one.operator}${one.ifExists ? "IfExists" : ""}`,
            { key: one.of },
          ]),
        ),
      }));
    const holds = (one: Drawn, value: string | undefined) => {
      if (value === undefined) return one.ifExists || negated(one);
      return one.of.some((of) => operators[one.operator]!(of, value)) !== negated(one);
    };
    const allowed = (all: Policy, value: string | undefined) => {
      const hits = all.filter(({ conditions }) => conditions.every((one) => holds(one, value)));
      return hits.some(({ Effect }) => Effect === "Allow") && !hits.some(({ Effect }) => Effect === "Deny");
    };
    fc.assert(
      fc.property(
        twoOf(fc.array(statement, { maxLength: 3 }), (a, b) =>
          [undefined, ...requests].some((value) => !allowed(a, value) && allowed(b, value)),
        ),
        ([a, b]) => widens(written(a), written(b)),
      ),
      { numRuns: tries(1000) },
    );
  });

  test("and what widens one way narrows the other, by the statement", () => {
    const statement = fc.record({
      Effect: fc.constantFrom("Allow", "Deny"),
      Principal: fc.record({ AWS: some(names) }),
      Action: some(["s3:Get*", "s3:*", "s3:GetObject"]),
      Resource: some(["a*", "ab", "*"]),
    });
    const statements = fc.array(statement, { maxLength: 4 });
    fc.assert(
      fc.property(statements, statements, (a, b) => {
        const [one, other] = [read(a), read(b)];
        const told = (direction: string, from: typeof one, to: typeof one) =>
          compareStatements(from, to).filter((found) => found.direction === direction);
        expect(told("widens", one, other)).toEqual(
          told("narrows", other, one).map((found) => ({ ...found, direction: "widens" })),
        );
      }),
      { numRuns: tries(100) },
    );
  });
});

describe("rules", () => {
  const rule = (more: Partial<Rule> = {}): Rule => ({
    effect: "Allow",
    direction: "ingress",
    protocol: "tcp",
    fromPort: 443,
    toPort: 443,
    peer: "10.0.0.0/8",
    ...more,
  });
  const told = (before: readonly Rule[], after: readonly Rule[]) =>
    compareRules(before, after).map(({ direction, rule: { peer } }) => `${direction} ${peer}`);
  const icmp = (fromPort: number, toPort: number, more: Partial<Rule> = {}) =>
    readRules("aws_security_group_rule", {
      type: "ingress",
      protocol: "icmp",
      from_port: fromPort,
      to_port: toPort,
      cidr_blocks: ["0.0.0.0/0"],
      ...more,
    } as JsonObject)!;

  test.each<[string, readonly Rule[], readonly Rule[], string[]]>([
    ["ICMP's type and code are no range", icmp(0, 8), [...icmp(0, 8), ...icmp(5, 3)], ["widens 0.0.0.0/0"]],
    ["a code is one of its type's", icmp(8, -1), icmp(8, 0), ["narrows 0.0.0.0/0"]],
    [
      "a type is not one of another's codes",
      icmp(0, -1),
      icmp(8, 0),
      ["widens 0.0.0.0/0", "narrows 0.0.0.0/0"],
    ],
    ["every code of a type is not every type", icmp(0, -1), icmp(-1, -1), ["widens 0.0.0.0/0"]],
    ["-1 is every type", icmp(-1, -1), icmp(8, 0), ["narrows 0.0.0.0/0"]],
    ["ICMP by its number is the same", icmp(8, 0), icmp(8, 0, { protocol: "1" }), []],
    ["so is ICMPv6", icmp(8, 0, { protocol: "58" }), icmp(8, 0, { protocol: "icmpv6" }), []],
    [
      "every type is none of UDP",
      icmp(-1, -1),
      [rule({ protocol: "udp" })],
      ["widens 10.0.0.0/8", "narrows 0.0.0.0/0"],
    ],
    [
      "two ranges are as good as the one they make up",
      [rule({ peer: "10.0.0.0/9" }), rule({ peer: "10.128.0.0/9" })],
      [rule({})],
      [],
    ],
    [
      "but not with a gap",
      [rule({ peer: "10.0.0.0/9" }), rule({ peer: "10.129.0.0/16" })],
      [rule({})],
      ["widens 10.0.0.0/8"],
    ],
    [
      "nor with another port",
      [rule({ peer: "10.0.0.0/9" }), rule({ peer: "10.128.0.0/9", fromPort: 80, toPort: 80 })],
      [rule({})],
      ["widens 10.0.0.0/8", "narrows 10.128.0.0/9"],
    ],
    [
      "the same range may be spelled otherwise",
      [rule({ peer: "fd00::/8" })],
      [rule({ peer: "FD00:0:0::1/8" })],
      [],
    ],
    [
      "a group is no range",
      [rule({ peer: "0.0.0.0/0" })],
      [rule({ peer: "sg-1" })],
      ["widens sg-1", "narrows 0.0.0.0/0"],
    ],
    [
      "what is known later is never the same",
      [rule({ peer: LATER })],
      [rule({ peer: LATER })],
      [`widens ${LATER}`, `narrows ${LATER}`],
    ],
    [
      "and within everything from everywhere alone",
      ["0.0.0.0/0", "::/0"].map((peer) => rule({ peer, protocol: "-1", fromPort: 0, toPort: 65535 })),
      ["0.0.0.0/0", "::/0", LATER].map((peer) => rule({ peer, protocol: "-1", fromPort: 0, toPort: 65535 })),
      [],
    ],
    [
      "not within everything from half of everywhere",
      [rule({ peer: "0.0.0.0/0", protocol: "-1", fromPort: 0, toPort: 65535 })],
      [rule({ peer: "0.0.0.0/0", protocol: "-1", fromPort: 0, toPort: 65535 }), rule({ peer: LATER })],
      [`widens ${LATER}`],
    ],
  ])("%s", (_, before, after, expected) => {
    expect(told(before, after)).toEqual(expected);
  });

  test.each<[readonly Rule[], string]>([
    [icmp(-1, -1), "icmp"],
    [icmp(8, -1), "icmp type 8"],
    [icmp(0, -1), "icmp type 0"],
    [icmp(3, 4), "icmp type 3 code 4"],
    [[rule()], "tcp 443"],
    [[rule({ fromPort: 80 })], "tcp 80-443"],
    [[rule({ fromPort: 0, toPort: 65535 })], "tcp"],
    [[rule({ protocol: "-1" })], "everything"],
  ])("%j is about %s", ([one], words) => {
    expect(trafficOf(one!)).toBe(words);
  });

  test("of a network ACL have ICMP's type and code by name", () => {
    const values = { protocol: "icmp", icmp_type: 8, icmp_code: -1, cidr_block: "10.0.0.0/8" };
    const [own] = readRules("aws_network_acl_rule", { ...values, egress: false, rule_action: "allow" })!;
    const [inline] = readRules("aws_network_acl", {
      ingress: [{ ...values, action: "allow", from_port: 0, to_port: 0 }],
    })!;
    expect(own).toEqual(rule({ protocol: "icmp", fromPort: 8, toPort: -1 }));
    expect(inline).toEqual(own);
  });
});

describe("what is known only after the apply", () => {
  const block = { protocol: "tcp", from_port: 22, to_port: 22 };
  const [ssh, anything] = ["tcp 22", "everything"];
  const group = "aws_security_group";
  const single = "aws_vpc_security_group_ingress_rule";
  const one = { ip_protocol: "tcp", from_port: 22, to_port: 22 };

  test.each<[string, string, JsonObject, Mask, string[]]>([
    ["all rules of a group", group, { egress: [] }, { ingress: true }, [`ingress ${anything} ${LATER}`]],
    ["one of them", group, { ingress: [null] }, { ingress: [true] }, [`ingress ${anything} ${LATER}`]],
    [
      "one beside another",
      group,
      { ingress: [{ ...block, cidr_blocks: ["10.0.0.0/8"] }] },
      { ingress: [{ cidr_blocks: [false] }, true] },
      [`ingress ${ssh} 10.0.0.0/8`, `ingress ${anything} ${LATER}`],
    ],
    [
      "a peer beside others",
      group,
      { ingress: [{ ...block, cidr_blocks: ["10.0.0.0/8"] }] },
      { ingress: [{ cidr_blocks: [false], security_groups: true }] },
      [`ingress ${ssh} 10.0.0.0/8`, `ingress ${ssh} ${LATER}`],
    ],
    [
      "an element of a list of peers",
      group,
      { egress: [{ ...block, ipv6_cidr_blocks: ["::1/128", null] }] },
      { egress: [{ ipv6_cidr_blocks: [false, true] }] },
      [`egress ${ssh} ::1/128`, `egress ${ssh} ${LATER}`],
    ],
    [
      "the other group",
      "aws_security_group_rule",
      { ...block, type: "egress", cidr_blocks: ["10.0.0.0/8"] },
      { source_security_group_id: true, id: true },
      [`egress ${ssh} 10.0.0.0/8`, `egress ${ssh} ${LATER}`],
    ],
    [
      "the direction",
      "aws_security_group_rule",
      { ...block, cidr_blocks: ["10.0.0.0/8"] },
      { type: true },
      [`ingress ${ssh} 10.0.0.0/8`, `egress ${ssh} 10.0.0.0/8`],
    ],
    ["a range", single, one, { cidr_ipv4: true }, [`ingress ${ssh} ${LATER}`]],
    [
      "a group that is referenced",
      single,
      { ...one, cidr_ipv4: "10.0.0.0/8" },
      { referenced_security_group_id: true },
      [`ingress ${ssh} 10.0.0.0/8`, `ingress ${ssh} ${LATER}`],
    ],
    [
      "a port",
      single,
      { ip_protocol: "tcp", from_port: 22, cidr_ipv4: "10.0.0.0/8" },
      { to_port: true },
      ["ingress tcp 10.0.0.0/8"],
    ],
    [
      "the protocol",
      single,
      { from_port: 22, to_port: 22, cidr_ipv4: "10.0.0.0/8" },
      { ip_protocol: true },
      [`ingress ${anything} 10.0.0.0/8`],
    ],
    [
      "a network ACL's range",
      "aws_network_acl_rule",
      { ...block, egress: false, rule_action: "allow" },
      { cidr_block: true },
      [`ingress ${ssh} ${LATER}`],
    ],
    [
      "what else a resource has",
      group,
      { ingress: [{ ...block, cidr_blocks: ["10.0.0.0/8"] }] },
      { id: true, arn: true, ingress: [{ cidr_blocks: [false] }] },
      [`ingress ${ssh} 10.0.0.0/8`],
    ],
  ])("%s", (_, type, values, later, expected) => {
    const found = readRules(type, values, later)!;
    expect(found.map((rule) => `${rule.direction} ${trafficOf(rule)} ${rule.peer}`)).toEqual(expected);
  });

  test("a Deny of unknown ports takes no other's place", () => {
    const values = { rule_action: "deny", egress: false, protocol: "tcp", cidr_block: "0.0.0.0/0" };
    const before = readRules("aws_network_acl_rule", { ...values, from_port: 22, to_port: 22 })!;
    const after = readRules("aws_network_acl_rule", values, { from_port: true, to_port: true })!;
    expect(compareRules(before, after).map(({ direction }) => direction)).toContain("widens");
  });
});

describe("whatever the rules,", () => {
  const ranges = [
    "10.0.0.0/8",
    "10.0.0.0/9",
    "10.128.0.0/9",
    "10.192.0.0/10",
    "10.1.2.0/24",
    "0.0.0.0/0",
    "::/0",
    "fd00::/8",
  ];
  const rule = fc.record({
    type: fc.constantFrom("ingress", "egress"),
    protocol: fc.constantFrom("tcp", "icmp", "1", "-1"),
    from_port: fc.constantFrom(-1, 0, 3, 8),
    to_port: fc.constantFrom(-1, 0, 3, 8, 100),
    cidr_blocks: fc.uniqueArray(fc.constantFrom(...ranges), { maxLength: 2 }),
    security_groups: fc.uniqueArray(fc.constantFrom("sg-1", "sg-2"), { maxLength: 1 }),
    action: fc.constantFrom("allow", "allow", "deny"),
    later: fc.boolean(),
  });
  type Drawn = {
    type: string;
    protocol: string;
    from_port: number;
    to_port: number;
    cidr_blocks: string[];
    security_groups: string[];
    action: string;
    later: boolean;
  };
  type Packet = {
    direction: string;
    protocol: string;
    port: number;
    code: number;
    address: string;
    group: string;
  };
  const packets: Packet[] = ["ingress", "egress"].flatMap((direction) =>
    ["tcp", "udp", "icmp", "gre"].flatMap((protocol) =>
      [0, 3, 5, 8, 70, 65535].flatMap((port) =>
        [0, 3, 8].flatMap((code) =>
          ["10.1.2.3", "10.129.0.1", "11.0.0.1", "fd00::1", "2000::1"].flatMap((address) =>
            ["sg-1", "sg-3"].map((group) => ({ direction, protocol, port, code, address, group })),
          ),
        ),
      ),
    ),
  );
  const inBlock = (cidr: string, address: string) => {
    const [network = "", bits] = cidr.split("/");
    const family = (of: string) => (of.includes(":") ? "ipv6" : "ipv4");
    if (family(network) !== family(address)) return false;
    const list = new BlockList();
    list.addSubnet(network, Number(bits), family(network));
    return list.check(address, family(address));
  };
  const known = new Map<string, boolean>();
  const isIn = (cidr: string, address: string) => {
    const key = `${cidr} ${address}`;
    if (!known.has(key)) known.set(key, inBlock(cidr, address));
    return known.get(key)!;
  };
  const hits = (one: Drawn, { direction, protocol, port, code, address, group }: Packet) => {
    if (one.type !== direction) return false;
    if (one.protocol !== "-1") {
      const given = one.protocol === "1" ? "icmp" : one.protocol;
      if (given !== protocol) return false;
      if (one.from_port !== -1) {
        if (given === "icmp") {
          if (one.from_port !== port || (one.to_port !== -1 && one.to_port !== code)) return false;
        } else if (port < one.from_port || port > (one.to_port === -1 ? 65535 : one.to_port)) return false;
      }
    }
    const isNamed =
      one.security_groups.includes(group) || one.cidr_blocks.some((cidr) => isIn(cidr, address));
    // Whom it is for the apply to name may be anybody: let in, but not kept out for sure.
    return isNamed || (one.action === "allow" && isLater(one));
  };
  const isLater = (one: Drawn) => one.later || one.cidr_blocks.length + one.security_groups.length === 0;
  const lets = (all: readonly Drawn[], packet: Packet) => {
    const found = new Set(all.filter((one) => hits(one, packet)).map(({ action }) => action));
    return found.has("allow") && !found.has("deny");
  };
  const rulesOf = (all: readonly Drawn[]) =>
    all.flatMap(({ later, action, ...values }) =>
      readRules("aws_security_group_rule", values, later ? { source_security_group_id: true } : {})!.map(
        (one): Rule => ({ ...one, effect: action === "deny" ? "Deny" : "Allow" }),
      ),
    );

  test("packets that newly get through are told", () => {
    const sides = fc
      .array(fc.tuple(rule, fc.constantFrom("before", "after", "both")), { maxLength: 5 })
      .map((all) => ({
        // Before the apply everything is known.
        before: all
          .filter(
            ([one, side]) => side !== "after" && one.cidr_blocks.length + one.security_groups.length > 0,
          )
          .map(([one]) => ({ ...one, later: false })),
        after: all.filter(([, side]) => side !== "before").map(([one]) => one),
      }))
      .filter(({ before, after }) => packets.some((packet) => lets(after, packet) && !lets(before, packet)));
    fc.assert(
      fc.property(sides, ({ before, after }) =>
        compareRules(rulesOf(before), rulesOf(after)).some(({ direction }) => direction === "widens"),
      ),
      { numRuns: tries(500) },
    );
  });

  test("ranges hold the addresses that Node finds in them", () => {
    const bits = (most: number) => fc.integer({ min: 0, max: most });
    const range = fc.oneof(
      fc.tuple(fc.ipV4(), bits(32)).map(([address, length]) => `${address}/${length}`),
      fc.tuple(fc.ipV6(), bits(128)).map(([address, length]) => `${address}/${length}`),
    );
    fc.assert(
      fc.property(range, fc.oneof(fc.ipV4(), fc.ipV6()), (cidr, address) => {
        const set = new AddressSet([readRange(cidr)!]);
        return (
          set.covers(readRange(address)!) === inBlock(cidr, address) && set.covers(readRange(cidr)!) === true
        );
      }),
      { numRuns: tries(1000) },
    );
  });

  test.each([
    "10.0.0.0/33",
    "10.0.0/8",
    "fe80::1%eth0/64",
    "10.0.0.0/",
    "10.0.0.0/8/8",
    "sg-1",
    "::/129",
    "/8",
  ])("%s is no range", (text) => {
    expect(readRange(text)).toBeUndefined();
  });
});

describe("nothing takes long,", () => {
  const many = (count: number, of: (index: number) => Element) =>
    Array.from({ length: sized(count) }, (_, index) => of(index));
  const allow = (more: Element): Element => ({ Effect: "Allow", Action: "s3:Get", Resource: "*", ...more });
  const source = (arn: string) => ({ Condition: { ArnLike: { "aws:SourceArn": arn } } });

  test.each<[string, Element[], Element[]]>([
    [
      "with patterns that fit everywhere but at the end",
      many(500, (index) => allow({ Action: `*${"a".repeat(120)}b${index}` })),
      many(500, (index) => allow({ Action: `${"a".repeat(240)}${index}` })),
    ],
    [
      "with patterns longer than any name",
      many(60, (index) => allow({ Action: `*${"a".repeat(1000)}b${index}` })),
      many(60, (index) => allow({ Action: `${"a".repeat(2000)}x${index}` })),
    ],
    [
      "with patterns that may overlap anywhere",
      [
        {
          Effect: "Allow",
          NotAction: many(300, (index) => `${"a*".repeat(100)}b${index}` as never),
          Resource: "*",
        },
      ],
      many(300, (index) => allow({ Action: `${"a*".repeat(100)}c${index}` })),
    ],
    [
      "with many statements",
      many(2000, (index) => allow({ Action: `s3:A${index}*x` })),
      many(2000, (index) => allow({ Action: `s3:B${index}*x` })),
    ],
    [
      "with many statements that differ in conditions alone",
      many(1000, (index) => allow(source(`arn:aws:s3:::a${index}`))),
      many(1000, (index) => allow(source(`arn:aws:s3:::b${index}`))),
    ],
    [
      "with many combinations",
      many(100, (index) => allow({ Action: `s3:A${index}`, Resource: `arn:${index}` })),
      many(60, (index) =>
        allow({
          Action: many(70, (at) => `s3:A${at}` as never),
          Resource: many(70, (at) => `arn:${at}` as never),
          ...source(`arn:aws:s3:::${index}`),
        }),
      ),
    ],
  ])("%s", (_, before, after) => {
    const [old, now] = [read(before), read(after)];
    let found: ReturnType<typeof compareStatements> = [];
    expect(cpuSeconds(() => (found = compareStatements(old, now)))).toBeLessThan(5);
    expect(found.some(({ direction }) => direction === "widens")).toBe(true);
  });

  test("with many rules", () => {
    const rules = (first: number): Rule[] =>
      Array.from({ length: sized(3000) }, (_, index) => ({
        effect: "Allow",
        direction: "ingress",
        protocol: "tcp",
        fromPort: first,
        toPort: 5 + (index % 1500),
        peer: `${10 + first}.${index >> 8}.${index & 255}.0/24`,
      }));
    let found: ReturnType<typeof compareRules> = [];
    expect(cpuSeconds(() => (found = compareRules(rules(0), rules(1))))).toBeLessThan(5);
    expect(found).toHaveLength(sized(6000));
  });

  test("and where no effort is left, the answer is the one that tells more", () => {
    const effort = new Effort(0);
    expect(covers("a*", "ab", { effort })).toBe(false);
    expect(overlap("a*", "b*", { effort })).toBe(true);
    expect(covers("*", "ab", { effort })).toBe(true);
  });

  test("but policies that people write are compared for as long as it takes", () => {
    const actions = many(40, (index) => `service${index % 7}:Action${index}*` as never);
    const before = many(40, (index) => allow({ Action: actions, Resource: `arn:aws:s3:::bucket${index}/*` }));
    const after = many(40, (index) =>
      allow({
        Action: actions.slice(1),
        Resource: [`arn:aws:s3:::bucket${index}/*`, `arn:aws:s3:::bucket${index}/a`],
      }),
    );
    const found = compareStatements(read(before), read(after), new Effort(0));
    expect(found.map(({ direction }) => direction)).toEqual(many(40, () => "narrows" as never));
  });
});
