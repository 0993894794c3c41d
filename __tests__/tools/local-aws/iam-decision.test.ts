import fc from "fast-check";
import { type Context, glob } from "../../../tools/local-aws/iam/conditions";
import {
  type Asked,
  type Policies,
  type Principal,
  readStatements,
  refusalOf,
} from "../../../tools/local-aws/iam/decision";
import { cpuSeconds, tries } from "../../support/effort";

const [OWN, OTHER] = ["111111111111", "222222222222"];
const ROLE = `arn:aws:iam::${OWN}:role/deploy`;
const SESSION = `arn:aws:sts::${OWN}:assumed-role/deploy/build`;
const WHO: Principal = { arn: SESSION, name: ROLE, account: OWN };
const BUCKET = "arn:aws:s3:::hello";

type Written = Readonly<Record<string, unknown>>;

const policy = (...statements: readonly Written[]) =>
  readStatements(JSON.stringify({ Version: "2012-10-17", Statement: statements }));
const allow = (more: Written = {}): Written => ({
  Effect: "Allow",
  Action: "s3:GetObject",
  Resource: "*",
  ...more,
});
const deny = (more: Written = {}): Written => ({ ...allow(more), Effect: "Deny" });

function context(values: Readonly<Record<string, string | readonly string[]>>, unknown?: RegExp): Context {
  const entries = Object.entries(values).map(([key, value]) => [key.toLowerCase(), [value].flat()] as const);
  return { values: new Map(entries), unknown };
}

const asked = (more: Partial<Asked> = {}): Asked => ({
  action: "s3:GetObject",
  resource: `${BUCKET}/key`,
  account: OWN,
  context: context({}),
  ...more,
});

const refused = (policies: Partial<Policies>, more: Partial<Asked> = {}, who = WHO) =>
  refusalOf(asked(more), who, { identity: [], ...policies });

const NO_IDENTITY = "because no identity-based policy allows the s3:GetObject action";
const NO_RESOURCE = "because no resource-based policy allows the s3:GetObject action";

describe("in one account", () => {
  test.each<[what: string, policies: Partial<Policies>, expected: string | undefined]>([
    ["nothing allows anything by itself", {}, NO_IDENTITY],
    ["an identity policy allows", { identity: policy(allow()) }, undefined],
    ["another action is not allowed", { identity: policy(allow({ Action: "s3:PutObject" })) }, NO_IDENTITY],
    ["actions have no case", { identity: policy(allow({ Action: "S3:getobject" })) }, undefined],
    [
      "another resource is not allowed",
      { identity: policy(allow({ Resource: `${BUCKET}2/*` })) },
      NO_IDENTITY,
    ],
    ["resources have a case", { identity: policy(allow({ Resource: "arn:aws:s3:::Hello/*" })) }, NO_IDENTITY],
    [
      "NotAction allows the others",
      { identity: policy(allow({ Action: undefined, NotAction: "iam:*" })) },
      undefined,
    ],
    [
      "NotResource allows the others",
      { identity: policy(allow({ Resource: undefined, NotResource: `${BUCKET}/*` })) },
      NO_IDENTITY,
    ],
    [
      "a Deny is stronger than an Allow",
      { identity: policy(allow(), deny()) },
      "with an explicit deny in an identity-based policy",
    ],
    [
      "a boundary limits",
      { identity: policy(allow()), boundary: policy(allow({ Action: "s3:Put*" })) },
      "because no permissions boundary allows the s3:GetObject action",
    ],
    ["a boundary grants nothing", { boundary: policy(allow()) }, NO_IDENTITY],
    [
      "a boundary denies",
      { identity: policy(allow()), boundary: policy(allow(), deny()) },
      "with an explicit deny in a permissions boundary",
    ],
    [
      "a session policy limits",
      { identity: policy(allow()), session: policy(allow({ Action: "s3:Put*" })) },
      "because no session policy allows the s3:GetObject action",
    ],
    [
      "a session policy denies",
      { identity: policy(allow()), session: policy(allow(), deny()) },
      "with an explicit deny in a session policy",
    ],
    [
      "a resource policy lets a role in",
      { resource: policy(allow({ Principal: { AWS: ROLE } })) },
      undefined,
    ],
    ["a resource policy lets everybody in", { resource: policy(allow({ Principal: "*" })) }, undefined],
    [
      "a role that it lets in stays within its boundary",
      { resource: policy(allow({ Principal: { AWS: ROLE } })), boundary: [] },
      "because no permissions boundary allows the s3:GetObject action",
    ],
    [
      "a session that it lets in needs nothing else",
      { resource: policy(allow({ Principal: { AWS: SESSION } })), boundary: [], session: [] },
      undefined,
    ],
    [
      "an account that it lets in has to hand that on",
      { resource: policy(allow({ Principal: { AWS: OWN } })) },
      NO_IDENTITY,
    ],
    [
      "a resource policy of others says nothing",
      {
        resource: policy(allow({ Principal: { AWS: `${ROLE}2` } }), deny({ Principal: { AWS: `${ROLE}2` } })),
      },
      NO_IDENTITY,
    ],
    [
      "a resource policy denies whom it names by his account",
      { identity: policy(allow()), resource: policy(deny({ Principal: { AWS: OWN } })) },
      "with an explicit deny in a resource-based policy",
    ],
    [
      "a Deny for all but a role denies it where its account is not exempted, too",
      { identity: policy(allow()), resource: policy(deny({ NotPrincipal: { AWS: ROLE } })) },
      "with an explicit deny in a resource-based policy",
    ],
    [
      "a Deny exempts whose account, role and session it names",
      { identity: policy(allow()), resource: policy(deny({ NotPrincipal: { AWS: [ROLE, SESSION, OWN] } })) },
      undefined,
    ],
    [
      "where the resource decides, an identity policy is not enough",
      { identity: policy(allow()), resourceDecides: true },
      NO_RESOURCE,
    ],
    [
      "where it hands the decision to the account, it is",
      {
        identity: policy(allow()),
        resource: policy(allow({ Principal: { AWS: `arn:aws:iam::${OWN}:root` } })),
        resourceDecides: true,
      },
      undefined,
    ],
    [
      "what is no policy denies everything",
      { identity: [...policy(allow()), ...readStatements('{"Statement":[{"Effect":"Perhaps"}]}')] },
      "with an explicit deny in an identity-based policy",
    ],
  ])("%s", (_, policies, expected) => {
    expect(refused(policies)).toBe(expected);
  });
});

describe("across accounts, both have to allow", () => {
  const there = { account: OTHER };
  const resource = policy(allow({ Principal: { AWS: ROLE } }));
  const identity = policy(allow());
  test.each<[what: string, policies: Partial<Policies>, expected: string | undefined]>([
    ["both", { identity, resource }, undefined],
    ["both, by the account", { identity, resource: policy(allow({ Principal: { AWS: OWN } })) }, undefined],
    ["the caller's alone", { identity }, NO_RESOURCE],
    ["the resource's alone", { resource }, NO_IDENTITY],
    [
      "a session that is named needs its own account, too",
      { resource: policy(allow({ Principal: { AWS: SESSION } })) },
      NO_IDENTITY,
    ],
    [
      "the resource's account itself is somebody else",
      { identity, resource: policy(allow({ Principal: { AWS: OTHER } })) },
      NO_RESOURCE,
    ],
  ])("%s", (_, policies, expected) => {
    expect(refused(policies, there)).toBe(expected);
  });
});

test("a service is let in by its name alone, and with its account where that is asked", () => {
  const service: Principal = { arn: "codebuild.amazonaws.com", name: "codebuild.amazonaws.com" };
  const trust = (name: string, Condition?: Written) =>
    policy({ Effect: "Allow", Action: "sts:AssumeRole", Principal: { Service: name }, Condition });
  const take = (resource: ReturnType<typeof policy>, account = OWN) =>
    refusalOf(
      {
        action: "sts:AssumeRole",
        resource: ROLE,
        account: OWN,
        context: context({ "aws:SourceAccount": account }),
      },
      service,
      { identity: [], resource, resourceDecides: true },
    );
  const own = { StringEquals: { "aws:SourceAccount": OWN } };
  expect(take(trust("codebuild.amazonaws.com"))).toBeUndefined();
  expect(take(trust("lambda.amazonaws.com"))).toMatch(/^because no resource-based/);
  expect(take(trust("codebuild.amazonaws.com", own))).toBeUndefined();
  expect(take(trust("codebuild.amazonaws.com", own), OTHER)).toMatch(/^because no resource-based/);
});

describe("conditions", () => {
  const request = context({
    "aws:PrincipalArn": ROLE,
    "aws:SecureTransport": "true",
    "aws:TagKeys": ["team", "cost"],
    "aws:ResourceTag/Team": "blue",
    "s3:prefix": "a/b",
    "aws:EpochTime": "100",
    "aws:CurrentTime": "2026-01-02T00:00:00Z",
  });
  test.each<[operator: string, key: string, value: unknown, met: boolean]>([
    ["StringEquals", "S3:Prefix", "a/b", true],
    ["StringEquals", "s3:prefix", "a/*", false],
    ["StringEquals", "s3:prefix", ["x", "a/b"], true],
    ["StringEquals", "s3:delimiter", "a", false],
    ["StringEqualsIfExists", "s3:delimiter", "a", true],
    ["StringEqualsIfExists", "s3:prefix", "a", false],
    ["StringEqualsIgnoreCase", "s3:prefix", "A/B", true],
    ["StringNotEquals", "s3:prefix", ["x", "a/b"], false],
    ["StringNotEquals", "s3:delimiter", "a", true],
    ["StringNotEqualsIgnoreCase", "s3:prefix", "A/B", false],
    ["StringLike", "s3:prefix", "a/?", true],
    ["StringNotLike", "s3:prefix", "a/*", false],
    ["StringEquals", "aws:ResourceTag/team", "blue", true],
    ["StringEquals", "s3:prefix", `\${aws:ResourceTag/Team}`, false],
    ["StringEquals", "aws:ResourceTag/Team", `\${aws:ResourceTag/Team}`, true],
    ["StringEquals", "aws:ResourceTag/Team", `\${aws:PrincipalTag/none, 'blue'}`, true],
    ["StringEquals", "aws:ResourceTag/Team", `\${aws:PrincipalTag/none}`, false],
    ["ArnLike", "aws:PrincipalArn", `arn:aws:iam::${OWN}:role/dep*`, true],
    ["ArnEquals", "aws:PrincipalArn", "arn:aws:iam::*:role/deploy", true],
    ["ArnLike", "aws:PrincipalArn", "arn:*:role/deploy", false],
    ["ArnNotLike", "aws:PrincipalArn", "arn:aws:iam::*:role/x*", true],
    ["ArnNotLike", "aws:SourceArn", "arn:aws:iam::*:role/x*", true],
    ["Bool", "aws:SecureTransport", "TRUE", true],
    ["Bool", "aws:SecureTransport", false, false],
    ["Null", "s3:prefix", "false", true],
    ["Null", "s3:delimiter", true, true],
    ["Null", "s3:delimiter", "false", false],
    ["NumericLessThan", "aws:EpochTime", "101", true],
    ["NumericGreaterThanEquals", "aws:EpochTime", 100, true],
    ["NumericNotEquals", "aws:EpochTime", "100", false],
    ["NumericEquals", "s3:prefix", "1", false],
    ["DateGreaterThan", "aws:CurrentTime", "2026-01-01T00:00:00Z", true],
    ["DateLessThan", "aws:CurrentTime", "2026-01-01T00:00:00Z", false],
    ["ForAllValues:StringEquals", "aws:TagKeys", ["team", "cost", "more"], true],
    ["ForAllValues:StringEquals", "aws:TagKeys", ["team"], false],
    ["ForAllValues:StringEquals", "s3:delimiter", ["x"], true],
    ["ForAnyValue:StringEquals", "aws:TagKeys", ["team"], true],
    ["ForAnyValue:StringEquals", "aws:TagKeys", ["x"], false],
    ["ForAnyValue:StringEquals", "s3:delimiter", ["x"], false],
    ["ForAllValues:StringNotLike", "aws:TagKeys", ["x*"], true],
    ["ForAllValues:StringNotLike", "aws:TagKeys", ["te*"], false],
  ])("%s %s %j: %s", (operator, key, value, met) => {
    const identity = policy(allow({ Condition: { [operator]: { [key]: value } } }));
    expect(refused({ identity }, { context: request })).toBe(met ? undefined : NO_IDENTITY);
  });

  test("all keys and all operators have to be met", () => {
    const Condition = { StringEquals: { "s3:prefix": "a/b", "aws:ResourceTag/Team": "red" } };
    expect(refused({ identity: policy(allow({ Condition })) }, { context: request })).toBe(NO_IDENTITY);
  });

  test.each([
    ["a key that Local AWS does not know", "StringEquals", "aws:PrincipalOrgID", undefined],
    ["an operator that it does not know", "StringAlmost", "s3:prefix", undefined],
    ["tags that it cannot read", "Null", "aws:ResourceTag/Team", /^aws:resourcetag/],
  ])("%s allows nothing, denies, and is told", (_, operator, key, unknown) => {
    const told: string[] = [];
    const Condition = { [operator]: { [key]: "false" } };
    const one = asked({ context: { ...request, unknown } });
    const tell = (word: string) => told.push(word);
    expect(refusalOf(one, WHO, { identity: policy(allow({ Condition })) }, tell)).toBe(NO_IDENTITY);
    const identity = policy(allow(), deny({ Condition }));
    expect(refusalOf(one, WHO, { identity }, tell)).toMatch(/^with an explicit deny/);
    expect(told).toEqual([
      expect.stringContaining(`${operator} ${key}`),
      expect.stringContaining("so the statement denies"),
    ]);
  });

  test("addresses are not looked at, and that is told", () => {
    const told: string[] = [];
    const Condition = { IpAddress: { "aws:SourceIp": "10.0.0.0/8" } };
    const identity = policy(allow({ Condition }), deny({ Condition }));
    expect(refusalOf(asked(), WHO, { identity }, (word) => told.push(word))).toBeUndefined();
    expect(told[0]).toContain("addresses are not looked at");
  });

  test("a variable in a resource is the request's value, and a `*` of it no wildcard", () => {
    const identity = policy(allow({ Resource: `${BUCKET}/\${aws:PrincipalTag/team}/*` }));
    const by = (team: string) => ({ context: context({ "aws:PrincipalTag/team": team }) });
    expect(refused({ identity }, { resource: `${BUCKET}/blue/1`, ...by("blue") })).toBeUndefined();
    expect(refused({ identity }, { resource: `${BUCKET}/blue/1`, ...by("*") })).toBe(NO_IDENTITY);
    expect(refused({ identity }, { resource: `${BUCKET}/blue/1` })).toBe(NO_IDENTITY);
  });

  test("a policy of an older version has no variables", () => {
    const document = { Statement: allow({ Resource: `${BUCKET}/\${aws:PrincipalTag/team}` }) };
    const identity = readStatements(JSON.stringify(document));
    expect(refused({ identity }, { resource: `${BUCKET}/\${aws:PrincipalTag/team}` })).toBeUndefined();
  });
});

test("a pattern that begs for backtracking is matched at once", () => {
  const match = () => expect(glob(`${"*a".repeat(100)}b`, "a".repeat(5000))).toBe(false);
  expect(cpuSeconds(match)).toBeLessThan(2);
});

describe("whatever the policies are", () => {
  const action = fc.constantFrom("s3:*", "s3:GetObject", "s3:Get*", "s3:PutObject", "*");
  const target = fc.constantFrom("*", `${BUCKET}/*`, `${BUCKET}/key`, `${BUCKET}/other`);
  const condition = fc.constantFrom(
    undefined,
    { StringEquals: { "s3:prefix": "a" } },
    { StringNotEquals: { "s3:prefix": "a" } },
    { Null: { "s3:prefix": "true" } },
    { StringEquals: { "aws:Unheard": "of" } },
  );
  const principal = fc.constantFrom(
    "*",
    { AWS: ROLE },
    { AWS: SESSION },
    { AWS: OWN },
    { AWS: OTHER },
    { Service: "lambda.amazonaws.com" },
  );
  const statement = (effect: fc.Arbitrary<string>) =>
    fc.record({ Effect: effect, Action: action, Resource: target, Condition: condition });
  const anyEffect = fc.constantFrom("Allow", "Allow", "Deny");
  const some = fc.array(statement(anyEffect), { maxLength: 4 });
  const withPrincipal = fc.record({
    Effect: anyEffect,
    Action: action,
    Resource: target,
    Condition: condition,
    Principal: principal,
  });
  const all = fc.record({
    identity: some,
    boundary: fc.option(some, { nil: undefined }),
    session: fc.option(some, { nil: undefined }),
    resource: fc.array(withPrincipal, { maxLength: 4 }),
  });
  type Sets = Readonly<
    Record<"identity" | "boundary" | "session" | "resource", readonly Written[] | undefined>
  >;
  const where = fc.record({
    account: fc.constantFrom(OWN, OTHER),
    context: fc.constantFrom(context({}), context({ "s3:prefix": "a" }), context({ "s3:prefix": "b" })),
    resourceDecides: fc.boolean(),
  });
  const decide = (
    sets: Sets,
    { resourceDecides, ...more }: Partial<Asked> & { resourceDecides: boolean },
  ) => {
    const read = (written: readonly Written[] | undefined) => written && policy(...written);
    return refused(
      {
        identity: read(sets.identity)!,
        boundary: read(sets.boundary),
        session: read(sets.session),
        resource: read(sets.resource),
        resourceDecides,
      },
      more,
    );
  };
  const kinds = ["identity", "boundary", "session", "resource"] as const;
  const change = (sets: Sets, kind: keyof Sets, by: (of: readonly Written[]) => readonly Written[]): Sets =>
    sets[kind] ? { ...sets, [kind]: by(sets[kind]) } : sets;

  test("a Deny is never undone by more Allows", () => {
    fc.assert(
      fc.property(
        all,
        where,
        fc.constantFrom(...kinds),
        fc.array(
          fc.record({ Effect: fc.constant("Allow"), Action: action, Resource: target, Principal: principal }),
        ),
        (sets, one, kind, allows) => {
          const before = decide(sets, one);
          fc.pre(before?.startsWith("with an explicit deny") ?? false);
          const more = allows.map(({ Principal, ...rest }) =>
            kind === "resource" ? { ...rest, Principal } : rest,
          );
          expect(
            decide(
              change(sets, kind, (of) => [...more, ...of, ...more]),
              one,
            ),
          ).toBe(before);
        },
      ),
      { numRuns: tries(300) },
    );
  });

  test("one Allow less, or one Deny more, never allows more", () => {
    fc.assert(
      fc.property(
        all,
        where,
        fc.constantFrom(...kinds),
        fc.nat(),
        statement(fc.constant("Deny")),
        (sets, one, kind, index, denied) => {
          fc.pre(decide(sets, one) !== undefined);
          const fewer = change(sets, kind, (of) => {
            const allows = of.filter(({ Effect }) => Effect === "Allow");
            return of.filter((each) => each !== allows[index % Math.max(1, allows.length)]);
          });
          const more = change(sets, kind, (of) => [
            ...of,
            kind === "resource" ? { ...denied, Principal: "*" } : denied,
          ]);
          expect(decide(fewer, one)).toBeDefined();
          expect(decide(more, one)).toBeDefined();
        },
      ),
      { numRuns: tries(500) },
    );
  });
});
