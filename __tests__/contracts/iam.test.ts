import { exampleSettings } from "../support/settings";
import { resourcesOf, type SynthesizedStack, synthesize } from "../support/synth";

interface PolicyStatement {
  Effect: string;
  Action: string | string[];
  Resource?: string | string[];
  Principal?: Record<string, string | string[]>;
  Condition?: Record<string, Record<string, unknown>>;
}

const list = (value: string | string[] | undefined) => (value === undefined ? [] : [value].flat());

/** Types whose policy is about the resource that carries it: there "*" is that resource. */
const RESOURCE_POLICIES = ["aws_kms_key"];

/**
 * Who may name every resource, and why. A new entry is a decision: it belongs into the change's description.
 */
const EVERY_RESOURCE: Record<string, string> = {
  "aws_iam_policy boundary": "caps what roles are granted elsewhere, and grants nothing",
  "aws_iam_role_policy plan-role": "reading actions without a resource",
  "aws_iam_role_policy deploy-role": "reading, and making what has no name of its own (VPC parts, keys)",
  "aws_iam_role_policy execution-role": "ecr:GetAuthorizationToken has no resource",
  "aws_iam_role_policy release-role": "describing load balancers and alarms has no resource",
  "aws_iam_role_policy role": "X-Ray's writing actions have no resource",
};

let stacks: Record<string, SynthesizedStack>;
beforeAll(async () => {
  stacks = synthesize(await exampleSettings());
});

function policies() {
  return Object.entries(stacks).flatMap(([stack, content]) =>
    resourcesOf(content).flatMap(({ type, id, properties }) =>
      (["policy", "assume_role_policy"] as const).flatMap((property) => {
        const text = properties[property];
        if (typeof text !== "string" || !text.includes('"Statement"')) return [];
        const { Statement } = JSON.parse(text) as { Statement: PolicyStatement[] };
        return Statement.map((statement) => ({
          where: `${stack}: ${type}.${id}`,
          type,
          id,
          property,
          statement,
        }));
      }),
    ),
  );
}

test("reads the policies that are there", () => {
  expect(policies().length).toBeGreaterThan(60);
});

test("fails when a statement allows every action", () => {
  const all = policies().filter(
    ({ statement }) => statement.Effect === "Allow" && list(statement.Action).includes("*"),
  );
  expect(all.map(({ where }) => where)).toEqual([]);
});

test("fails when a role may do something to every resource without a listed reason", () => {
  const unlisted = policies().filter(({ type, id, statement }) => {
    if (statement.Effect !== "Allow" || !list(statement.Resource).includes("*")) return false;
    if (RESOURCE_POLICIES.includes(type)) return false;
    return !Object.keys(EVERY_RESOURCE).some((entry) => {
      const [entryType, part = ""] = entry.split(" ");
      return type === entryType && id.split("_").some((piece) => piece === part);
    });
  });
  expect(unlisted.map(({ where, statement }) => `${where} ${list(statement.Action)}`)).toEqual([]);
});

test("fails when a role may be passed to any service", () => {
  const open = policies().filter(
    ({ statement }) =>
      statement.Effect === "Allow" &&
      list(statement.Action).includes("iam:PassRole") &&
      !statement.Condition?.StringEquals?.["iam:PassedToService"],
  );
  expect(open.map(({ where }) => where)).toEqual([]);
});

test("fails when a service is trusted without the account it acts for", () => {
  // Lambda sends no source account when it takes on a function's role.
  const open = policies().filter(
    ({ property, statement }) =>
      property === "assume_role_policy" &&
      statement.Principal?.Service &&
      statement.Principal.Service !== "lambda.amazonaws.com" &&
      !statement.Condition?.StringEquals?.["aws:SourceAccount"],
  );
  expect(open.map(({ where }) => where)).toEqual([]);
});

test("fails when a policy is larger than IAM takes", () => {
  for (const [stack, content] of Object.entries(stacks)) {
    for (const { type, id, properties } of resourcesOf(content)) {
      const limit = { aws_iam_role_policy: 10_240, aws_iam_policy: 6_144 }[type];
      // IAM does not count white space; a token stands for an ARN of about its length.
      if (limit) expect([stack, id, (properties.policy as string).length < limit]).toEqual([stack, id, true]);
    }
  }
});

test("fails when a wildcard action changes things", () => {
  const changing = policies()
    .filter(({ type, statement }) => statement.Effect === "Allow" && type === "aws_iam_role_policy")
    .flatMap(({ where, statement }) => list(statement.Action).map((action) => ({ where, action })))
    .filter(({ action }) => action.includes("*") && !/:(Describe|Get|List|BatchGet)/.test(action));
  expect(changing).toEqual([]);
});

test("fails when a role may read a state that holds the token", () => {
  const readable = policies()
    .filter(({ statement, type }) => statement.Effect === "Allow" && type === "aws_iam_role_policy")
    .flatMap(({ where, statement }) => list(statement.Resource).map((resource) => ({ where, resource })))
    .filter(({ resource }) => /:hello-state-[^/]*\//.test(resource));
  expect(readable.length).toBeGreaterThan(0);
  for (const { where, resource } of readable)
    expect([where, resource]).toEqual([
      where,
      expect.stringMatching(/^arn:aws:s3:::[^/*]+\/(dev|prod)\.tfstate(\.tflock)?$/),
    ]);
});

test("fails when what runs a pull request's code may do anything but plan", () => {
  const of = (part: RegExp) =>
    policies()
      .filter(({ where, type }) => type === "aws_iam_role_policy" && part.test(where))
      .flatMap(({ statement }) =>
        list(statement.Action).map((action) => `${action} ${list(statement.Resource).join(" ")}`),
      )
      .filter((line) => !/^(kms|logs):/.test(line));
  const artifacts = "arn:aws:s3:::hello-artifacts-111111111111-eu-west-1";
  const state = "arn:aws:s3:::hello-state-111111111111-eu-west-1";
  expect(new Set(of(/delivery: .*\.review_plan_/))).toEqual(
    new Set([
      `s3:GetBucketAcl ${artifacts}`,
      `s3:GetBucketLocation ${artifacts}`,
      `s3:GetObject ${artifacts}/review/sources/*`,
      `s3:GetObjectVersion ${artifacts}/review/sources/*`,
      `s3:PutObject ${artifacts}/review/plans/*`,
      `s3:ListBucket ${state}`,
      `s3:GetObject ${state}/dev.tfstate ${state}/prod.tfstate`,
      "sts:AssumeRole arn:aws:iam::222222222222:role/hello-dev-plan arn:aws:iam::333333333333:role/hello-prod-plan",
    ]),
  );
  // And the one that has the token runs none of it, and has no role to take on.
  expect(of(/delivery: .*\.review_role_/).filter((line) => /^(sts|iam|s3:.*-state-)/.test(line))).toEqual([]);
});
