import fc from "fast-check";
import { covers, overlap } from "../../../tools/review/access/patterns";
import { compareStatements, readPolicy } from "../../../tools/review/access/policy";
import { plainText } from "../../../tools/review/phrase";
import type { JsonObject } from "../../../tools/review/plan";
import { tries } from "../../support/effort";
import { change, planReviewOf } from "./support";

type Element = Record<string, unknown>;
const allow = (more: Element): Element => ({
  Effect: "Allow",
  Action: "s3:GetObject",
  Resource: "*",
  ...more,
});
const deny = (more: Element): Element => ({ ...allow(more), Effect: "Deny" });
const document = (...Statement: Element[]) => JSON.stringify({ Version: "2012-10-17", Statement });

/** What is told of a policy that changes, each finding as "widens: allows …". */
function told(
  before: string | null,
  after: string | null,
  type = "aws_iam_policy",
  attribute = "policy",
): string[] {
  const side = (policy: string | null) => (policy === null ? null : { [attribute]: policy });
  return findings([change(type, side(before), side(after))]);
}

const findings = (changes: unknown[], more: object = {}) =>
  planReviewOf(changes, more).access.map(({ direction, text }) => `${direction}: ${plainText(text)}`);

describe("a policy widens", () => {
  test.each<[string, Element[], Element[], string]>([
    [
      "with an action",
      [allow({})],
      [allow({ Action: ["s3:GetObject", "s3:PutObject"] })],
      "widens: allows s3:PutObject on *",
    ],
    [
      "with an action's wildcard",
      [allow({ Action: ["s3:GetObject", "s3:PutObject"] })],
      [allow({ Action: "s3:*" })],
      "widens: allows s3:* on *",
    ],
    [
      "with a resource",
      [allow({ Resource: "arn:aws:s3:::a/*" })],
      [allow({ Resource: ["arn:aws:s3:::a/*", "arn:aws:s3:::b/*"] })],
      "widens: allows s3:GetObject on arn:aws:s3:::b/*",
    ],
    [
      "with a principal",
      [allow({ Principal: { AWS: "111111111111" } })],
      [allow({ Principal: { AWS: ["111111111111", "222222222222"] } })],
      "widens: allows s3:GetObject to arn:aws:iam::222222222222:root",
    ],
    [
      "from a role to its account",
      [allow({ Principal: { AWS: "arn:aws:iam::111111111111:role/r" } })],
      [allow({ Principal: { AWS: "arn:aws:iam::111111111111:root" } })],
      "widens: allows s3:GetObject to arn:aws:iam::111111111111:root",
    ],
    [
      "to everybody",
      [allow({ Principal: { AWS: "111111111111" } })],
      [allow({ Principal: "*" })],
      "widens: allows s3:GetObject to anybody",
    ],
    [
      "with a condition lost",
      [allow({ Condition: { StringEquals: { "aws:SourceAccount": "1" } } })],
      [allow({})],
      "widens: allows s3:GetObject on *, and no longer only if StringEquals aws:SourceAccount = 1",
    ],
    [
      "with a condition's value more",
      [allow({ Condition: { StringEquals: { "aws:SourceAccount": "1" } } })],
      [allow({ Condition: { StringEquals: { "aws:SourceAccount": ["1", "2"] } } })],
      "widens: allows s3:GetObject on *",
    ],
    [
      "with a condition that holds where the key is absent",
      [allow({ Condition: { StringEquals: { "aws:SourceAccount": "1" } } })],
      [allow({ Condition: { StringEqualsIfExists: { "aws:SourceAccount": "1" } } })],
      "widens: allows s3:GetObject on *",
    ],
    [
      "with less that a condition excludes",
      [allow({ Condition: { StringNotEquals: { "aws:SourceAccount": ["1", "2"] } } })],
      [allow({ Condition: { StringNotEquals: { "aws:SourceAccount": ["1"] } } })],
      "widens: allows s3:GetObject on *",
    ],
    [
      "with a Deny lost",
      [allow({}), deny({ Action: "s3:*" })],
      [allow({})],
      "widens: no longer denies s3:* on *",
    ],
    [
      "with a Deny that has a condition",
      [deny({})],
      [deny({ Condition: { Bool: { "aws:SecureTransport": "false" } } })],
      "widens: denies s3:GetObject on *, now only if Bool aws:SecureTransport = false",
    ],
    [
      "with NotAction in the place of Action",
      [allow({})],
      [{ Effect: "Allow", NotAction: "iam:*", Resource: "*" }],
      "widens: allows all but iam:* on *",
    ],
    [
      "with less in NotAction",
      [{ Effect: "Allow", NotAction: ["iam:*", "sts:*"], Resource: "*" }],
      [{ Effect: "Allow", NotAction: ["iam:*"], Resource: "*" }],
      "widens: allows all but iam:* on *",
    ],
    [
      "with less in NotResource",
      [{ Effect: "Allow", Action: "s3:*", NotResource: ["arn:a", "arn:b"] }],
      [{ Effect: "Allow", Action: "s3:*", NotResource: "arn:a" }],
      "widens: allows s3:* on all but arn:a",
    ],
    [
      "with more in a Deny's NotPrincipal",
      [deny({ NotPrincipal: { AWS: "111111111111" } })],
      [deny({ NotPrincipal: { AWS: ["111111111111", "222222222222"] } })],
      "widens: no longer denies s3:GetObject to all but arn:aws:iam::111111111111:root",
    ],
  ])("%s", (_, before, after, words) => {
    const found = told(document(...before), document(...after)).filter((line) => line.startsWith("widens"));
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(words);
    // The other way round it is a narrowing, and told as one.
    const back = told(document(...after), document(...before));
    expect(back.filter((line) => line.startsWith("narrows"))).toHaveLength(1);
  });
});

describe("nothing is told where nothing changes but the writing:", () => {
  test.each<[string, Element[], Element[]]>([
    ["casing of actions", [allow({ Action: "s3:GetObject" })], [allow({ Action: "S3:getobject" })]],
    [
      "a list of one",
      [allow({ Action: "s3:GetObject" })],
      [allow({ Action: ["s3:GetObject"], Resource: ["*"] })],
    ],
    [
      "order of statements and values",
      [allow({ Action: ["s3:A", "s3:B"] }), deny({ Action: "s3:C" })],
      [deny({ Action: "s3:C" }), allow({ Action: ["s3:B", "s3:A"] })],
    ],
    [
      "one statement in two",
      [allow({ Action: ["s3:A", "s3:B"] })],
      [allow({ Action: "s3:A" }), allow({ Action: "s3:B" })],
    ],
    [
      "what another statement covers",
      [allow({ Action: "s3:*" })],
      [allow({ Action: "s3:*" }), allow({ Action: "s3:Get*" })],
    ],
    ["names of statements", [allow({ Sid: "A" })], [allow({ Sid: "B" })]],
    [
      "an account by number",
      [allow({ Principal: { AWS: "111111111111" } })],
      [allow({ Principal: { AWS: "arn:aws:iam::111111111111:root" } })],
    ],
    ["everybody", [allow({ Principal: "*" })], [allow({ Principal: { AWS: "*" } })]],
    [
      "casing of condition keys",
      [allow({ Condition: { StringEquals: { "AWS:SourceAccount": "1" } } })],
      [allow({ Condition: { stringequals: { "aws:sourceaccount": ["1"] } } })],
    ],
    [
      "a condition's true",
      [allow({ Condition: { Bool: { "aws:SecureTransport": true } } })],
      [allow({ Condition: { Bool: { "aws:SecureTransport": "true" } } })],
    ],
  ])("%s", (_, before, after) => {
    expect(told(document(...before), document(...after))).toEqual([]);
  });
});

test("two conditions that are merely different are told as both", () => {
  const one = allow({ Condition: { StringEquals: { "aws:SourceAccount": "1" } } });
  const other = allow({ Condition: { ArnLike: { "aws:SourceArn": "arn:aws:sns:*" } } });
  expect(told(document(one), document(other)).map((line) => line.split(":")[0])).toEqual([
    "widens",
    "narrows",
  ]);
});

test("a new policy widens, one that goes narrows", () => {
  expect(told(null, document(allow({})))).toEqual(["widens: allows s3:GetObject on *"]);
  const gone = change("aws_iam_role_policy", { role: "r", policy: document(allow({})) }, null);
  expect(findings([gone])).toEqual(["narrows: no longer allows s3:GetObject on *"]);
});

test.each([
  ["aws_iam_role", "assume_role_policy"],
  ["aws_s3_bucket_policy", "policy"],
  ["aws_kms_key", "policy"],
  ["aws_sqs_queue_policy", "policy"],
  ["aws_sns_topic_policy", "policy"],
  ["aws_vpc_endpoint", "policy"],
  ["whatever_comes_next", "some_document"],
])("policies of %s are compared", (type, attribute) => {
  const principal = { Principal: { Service: "lambda.amazonaws.com" } };
  const wider = { Principal: { Service: ["lambda.amazonaws.com", "ec2.amazonaws.com"] } };
  expect(told(document(allow(principal)), document(allow(wider)), type, attribute)).toEqual([
    "widens: allows s3:GetObject to ec2.amazonaws.com",
  ]);
});

describe("policies of one thing belong together:", () => {
  const rolePolicy = (name: string, before: Element[] | null, after: Element[] | null) =>
    change(
      "aws_iam_role_policy",
      before && { role: "r", policy: document(...before) },
      after && { role: "r", policy: document(...after) },
      { name },
    );

  test("a statement that moves from one policy of a role to another is no change", () => {
    const [a, b] = [allow({ Action: "s3:A" }), allow({ Action: "s3:B" })];
    expect(findings([rolePolicy("x", [a, b], [a]), rolePolicy("y", null, [b])])).toEqual([]);
  });

  test("what an unchanged policy of the role allows is not gained", () => {
    const same = rolePolicy("x", [allow({})], [allow({})]);
    const unchanged = { ...same, change: { ...same.change, actions: ["no-op"] } };
    expect(findings([unchanged, rolePolicy("y", null, [allow({})])])).toEqual([]);
  });

  test("the policy of a bucket that goes with it opens nothing", () => {
    const policy = document(deny({ Principal: "*" }));
    const bucket = change("aws_s3_bucket", { bucket: "b", id: "b" }, null);
    const gone = change("aws_s3_bucket_policy", { bucket: "b", policy }, null);
    const block = change("aws_s3_bucket_public_access_block", { bucket: "b", block_public_acls: true }, null);
    expect(findings([bucket, gone, block])).toEqual([]);
    expect(findings([gone])).toEqual(["widens: no longer denies s3:GetObject to anybody"]);
    expect(findings([block])[0]).toMatch(/^widens: removes the public access block/);
  });

  test("a policy whose role is replaced stays the same policy", () => {
    const { change: inner, ...rest } = rolePolicy("x", [allow({})], [allow({})]);
    const after = { policy: document(allow({})) };
    const replaced = { ...inner, actions: ["delete", "create"], after, after_unknown: { role: true } };
    const role = change(
      "aws_iam_role",
      { name: "r", id: "r" },
      { name: "r" },
      { change: { actions: ["delete", "create"] } },
    );
    expect(findings([role, { ...rest, change: replaced }])).toEqual([]);
    // Without the role nobody knows whose it will be.
    expect(findings([{ ...rest, change: replaced }])).toContainEqual(expect.stringMatching(/^widens/));
  });
});

describe("what cannot be compared is told, and is a risk:", () => {
  const unclear = (after: object, inner: object = {}, more: object = {}) =>
    planReviewOf(
      [change("aws_iam_policy", { policy: document(allow({})) }, after as never, { change: inner })],
      more,
    );

  test.each<[string, object, object]>([
    ["a policy that is known only after the apply", {}, { after_unknown: { policy: true } }],
    ["a broken document", { policy: '{"Statement": [' }, {}],
    ["an effect that nobody knows", { policy: document({ ...allow({}), Effect: "Maybe" }) }, {}],
    ["an element that nobody knows", { policy: document({ ...allow({}), Unless: {} }) }, {}],
    ["a statement without actions", { policy: document({ Effect: "Allow", Resource: "*" }) }, {}],
    [
      "a policy that is marked sensitive",
      { policy: document(allow({ Action: "*" })) },
      { after_sensitive: { policy: true } },
    ],
  ])("%s", (_, after, inner) => {
    const plan = unclear(after, inner);
    expect(plan.access.map(({ direction }) => direction)).toContain("unclear");
    expect(plan.risks).toContain("access");
  });

  test("but not a policy that the provider computes", () => {
    const configuration = (expressions: object) => ({
      configuration: { root_module: { resources: [{ address: "aws_s3_bucket.it", expressions }] } },
    });
    const created = change(
      "aws_s3_bucket",
      null,
      { bucket: "b" },
      { change: { after_unknown: { policy: true } } },
    );
    expect(findings([created], configuration({ bucket: {} }))).toEqual([]);
    expect(findings([created], configuration({ policy: {} }))).toHaveLength(1);
    expect(findings([created])).toHaveLength(1);
  });
});

describe("what opens beside policies:", () => {
  type Values = Record<string, unknown> | null;
  const base = { bucket: "b" };
  test.each<[string, Values, Values, string, string]>([
    [
      "aws_iam_role_policy_attachment",
      null,
      { role: "r", policy_arn: "arn:aws:iam::aws:policy/P" },
      "access",
      "attaches a managed policy to a role: arn:aws:iam::aws:policy/P ⇢ r",
    ],
    [
      "aws_iam_role",
      { name: "r", managed_policy_arns: [] },
      { name: "r", managed_policy_arns: ["arn:aws:iam::aws:policy/P"] },
      "access",
      "arn:aws:iam::aws:policy/P ⇢ r",
    ],
    [
      "aws_s3_bucket_public_access_block",
      {
        ...base,
        block_public_acls: true,
        block_public_policy: true,
        ignore_public_acls: true,
        restrict_public_buckets: true,
      },
      {
        ...base,
        block_public_acls: true,
        block_public_policy: false,
        ignore_public_acls: true,
        restrict_public_buckets: true,
      },
      "access",
      "lifts the public access block: block_public_policy",
    ],
    [
      "aws_s3_bucket_acl",
      { ...base, acl: "private" },
      { ...base, acl: "public-read" },
      "access",
      "opens to everybody by ACL: public-read",
    ],
    [
      "aws_lambda_function_url",
      { function_name: "f", authorization_type: "AWS_IAM" },
      { function_name: "f", authorization_type: "NONE" },
      "access",
      "without authorization: f",
    ],
    [
      "aws_lambda_permission",
      {
        function_name: "f",
        action: "lambda:InvokeFunction",
        principal: "s3.amazonaws.com",
        source_account: "1",
      },
      { function_name: "f", action: "lambda:InvokeFunction", principal: "s3.amazonaws.com" },
      "access",
      "no longer only if StringEquals AWS:SourceAccount = 1",
    ],
    [
      "aws_db_instance",
      { publicly_accessible: false },
      { publicly_accessible: true },
      "network",
      "be reached from the internet",
    ],
    ["aws_lb", null, { name: "l", internal: false }, "network", "opens a load balancer to the internet: l"],
  ])("%s", (type, before, after, risk, words) => {
    const { access, risks } = planReviewOf([change(type, before, after)]);
    expect(access.filter(({ direction }) => direction === "widens")).toHaveLength(1);
    expect(plainText(access[0]!.text)).toContain(words);
    expect(risks).toEqual([risk]);
    if (before === null) return;
    expect(planReviewOf([change(type, after, before)]).access.map(({ direction }) => direction)).toEqual([
      "narrows",
    ]);
  });

  test("a permissions boundary that goes", () => {
    const role = (boundary: string | null) => ({ name: "r", permissions_boundary: boundary });
    expect(findings([change("aws_iam_role", role("arn:b"), role(null))])).toEqual([
      "widens: lifts the permissions boundary: arn:b",
    ]);
    expect(findings([change("aws_iam_role", null, role(null))])).toEqual([]);
  });
});

describe("rules of security groups:", () => {
  const rule = (more: object) => ({
    from_port: 443,
    to_port: 443,
    protocol: "tcp",
    cidr_blocks: ["10.0.0.0/8"],
    ...more,
  });
  const group = (...ingress: object[]) => ({ id: "sg-1", ingress, egress: [] });
  test.each<[string, object[], object[], string[]]>([
    [
      "a new range",
      [rule({})],
      [rule({ cidr_blocks: ["10.0.0.0/8", "0.0.0.0/0"] })],
      ["widens: opens tcp 443 from 0.0.0.0/0"],
    ],
    [
      "a wider range of ports",
      [rule({})],
      [rule({ from_port: 0 })],
      ["widens: opens tcp 0-443 from 10.0.0.0/8"],
    ],
    [
      "every protocol",
      [rule({})],
      [rule({ protocol: "-1", from_port: 0, to_port: 0 })],
      ["widens: opens everything from 10.0.0.0/8"],
    ],
    [
      "a narrower range",
      [rule({})],
      [rule({ cidr_blocks: ["10.1.0.0/16"] })],
      ["narrows: closes tcp 443 from 10.0.0.0/8"],
    ],
    ["another description", [rule({ description: "a" })], [rule({ description: "b" })], []],
    [
      "two rules in one",
      [rule({}), rule({ cidr_blocks: ["11.0.0.0/8"] })],
      [rule({ cidr_blocks: ["11.0.0.0/8", "10.0.0.0/8"] })],
      [],
    ],
    [
      "an IPv6 range",
      [rule({ ipv6_cidr_blocks: ["fd00::/8"] })],
      [rule({ ipv6_cidr_blocks: ["::/0"] })],
      ["widens: opens tcp 443 from ::/0"],
    ],
    ["itself", [], [rule({ cidr_blocks: [], self: true })], ["widens: opens tcp 443 from itself"]],
  ])("%s", (_, before, after, expected) => {
    expect(findings([change("aws_security_group", group(...before), group(...after))])).toEqual(expected);
  });

  test("a rule that moves out of its group into a resource of its own is no change", () => {
    const out = change("aws_security_group", group(rule({})), group());
    const own = {
      security_group_id: "sg-1",
      ip_protocol: "tcp",
      from_port: 443,
      to_port: 443,
      cidr_ipv4: "10.0.0.0/8",
    };
    expect(findings([out, change("aws_vpc_security_group_ingress_rule", null, own)])).toEqual([]);
  });

  test("a rule for a group that the apply will make", () => {
    const own = { security_group_id: "sg-1", ip_protocol: "tcp", from_port: 80, to_port: 80 };
    expect(findings([change("aws_vpc_security_group_ingress_rule", null, own)])).toEqual([
      "widens: opens tcp 80 from (known after apply)",
    ]);
  });

  test("a network ACL's deny that goes", () => {
    const acl = (action: string) => ({
      network_acl_id: "acl-1",
      egress: false,
      protocol: "-1",
      rule_action: action,
      cidr_block: "0.0.0.0/0",
    });
    expect(findings([change("aws_network_acl_rule", acl("deny"), null)])).toEqual([
      "widens: no longer stops everything from 0.0.0.0/0",
    ]);
  });
});

test("what somebody opened by hand is told with the drift", () => {
  const drifted = change(
    "aws_iam_policy",
    { policy: document(allow({})) },
    { policy: document(allow({ Action: "*" })) },
  );
  const { drift } = planReviewOf([], { resource_drift: [drifted] });
  expect(drift[0]!.findings.map(({ text }) => plainText(text))).toEqual(["allows * on *"]);
});

// biome-ignore-start lint/suspicious/noTemplateCurlyInString: IAM's variables, not JavaScript's.
describe("patterns", () => {
  const upTo = (length: number, letters: string): string[] =>
    length === 0
      ? [""]
      : ["", ...[...letters].flatMap((one) => upTo(length - 1, letters).map((more) => one + more))];
  const words = upTo(6, "ab");
  const matchedBy = (glob: string) => {
    const expression = new RegExp(`^${glob.replaceAll("*", ".*").replaceAll("?", ".")}$`);
    return new Set(words.filter((word) => expression.test(word)));
  };
  const long = fc.stringMatching(/^[ab*?]{0,6}$/);

  /** Every two short patterns, and some longer ones. */
  const ofTwo = (check: (a: string, b: string, ofA: Set<string>, ofB: Set<string>) => void) => {
    const short = upTo(3, "ab*?").map((glob) => [glob, matchedBy(glob)] as const);
    for (const [a, ofA] of short) for (const [b, ofB] of short) check(a, b, ofA, ofB);
    fc.assert(
      fc.property(long, long, (a, b) => check(a, b, matchedBy(a), matchedBy(b))),
      { numRuns: tries(500) },
    );
  };

  test("one that covers another matches all that the other does", () => {
    ofTwo((general, special, ofGeneral, ofSpecial) => {
      if (covers(general, special) && ![...ofSpecial].every((word) => ofGeneral.has(word)))
        throw new Error(`${general} is said to cover ${special}`);
    });
  });

  test("what both match, they overlap in", () => {
    ofTwo((a, b, ofA, ofB) => {
      if (!overlap(a, b) && [...ofA].some((word) => ofB.has(word)))
        throw new Error(`${a} and ${b} are said not to overlap`);
    });
  });

  test.each([
    ["s3:*", "s3:Get*", true],
    ["s3:Get*", "s3:*", false],
    ["arn:${aws:username}/*", "arn:bob/*", false],
    ["arn:*/x", "arn:${aws:username}/x", true],
    ["arn:?/x", "arn:${aws:username}/x", false],
    ["a${*}b", "a*b", false],
    ["a${*}b", "aXb", false],
  ])("%s covers %s: %p", (general, special, expected) => {
    expect(covers(general, special, { variables: true })).toBe(expected);
  });
});

// biome-ignore-end lint/suspicious/noTemplateCurlyInString: IAM's variables, not JavaScript's.

describe("whatever the policies,", () => {
  const some = (of: string[]) => fc.uniqueArray(fc.constantFrom(...of), { minLength: 1, maxLength: 3 });
  const statement = fc.record({
    Effect: fc.constantFrom("Allow", "Deny"),
    Action: some(["s3:GetObject", "s3:Get*", "s3:*", "sqs:Send"]),
    Resource: some(["arn:a", "arn:a/*", "*"]),
    Condition: fc.constantFrom(
      {},
      { StringEquals: { "aws:SourceAccount": ["1"] } },
      { StringEquals: { "aws:SourceAccount": ["1", "2"] } },
    ),
  });
  const statements = fc.array(statement, { maxLength: 4 });
  const read = (all: unknown[]) => readPolicy({ Statement: all } as JsonObject)!;

  test("nothing changes between a policy and itself, however ordered and cased", () => {
    fc.assert(
      fc.property(statements, (all) => {
        const same = [...all]
          .reverse()
          .map((one) => ({ ...one, Action: one.Action.map((a) => a.toUpperCase()) }));
        expect(compareStatements(read(all), read(same))).toEqual([]);
      }),
      { numRuns: tries(100) },
    );
  });

  test("what widens one way narrows the other", () => {
    fc.assert(
      fc.property(statements, statements, (a, b) => {
        const count = (from: unknown[], to: unknown[], direction: string) =>
          compareStatements(read(from), read(to)).filter((found) => found.direction === direction).length;
        expect(count(a, b, "widens")).toBe(count(b, a, "narrows"));
      }),
      { numRuns: tries(100) },
    );
  });

  test("whatever newly is allowed is told", () => {
    const requests = ["s3:GetObject", "s3:PutObject", "sqs:Send"].flatMap((action) =>
      ["arn:a", "arn:a/b", "arn:c"].flatMap((resource) =>
        ["1", "2", "3"].map((account) => ({ action, resource, account })),
      ),
    );
    const globs = new Map<string, RegExp>();
    const glob = (of: string, value: string) => {
      const known = globs.get(of) ?? new RegExp(`^${of.replaceAll("*", ".*")}$`);
      globs.set(of, known);
      return known.test(value);
    };
    const allowed = (
      all: readonly { Effect: string; Action: string[]; Resource: string[]; Condition: object }[],
      request: (typeof requests)[number],
    ) => {
      const hits = all.filter(
        ({ Action, Resource, Condition }) =>
          Action.some((one) => glob(one, request.action)) &&
          Resource.some((one) => glob(one, request.resource)) &&
          (Object.keys(Condition).length === 0 || JSON.stringify(Condition).includes(`"${request.account}"`)),
      );
      return hits.some(({ Effect }) => Effect === "Allow") && !hits.some(({ Effect }) => Effect === "Deny");
    };
    fc.assert(
      fc.property(
        fc
          .tuple(statements, statements)
          .filter(([a, b]) => requests.some((request) => !allowed(a, request) && allowed(b, request))),
        ([a, b]) => compareStatements(read(a), read(b)).some(({ direction }) => direction === "widens"),
      ),
      { numRuns: tries(500) },
    );
  });
});
