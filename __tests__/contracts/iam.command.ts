import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { boundaryStatements } from "../../modules/environment-access";
import {
  EVERY_ACTION,
  EVERY_RESOURCE,
  iamFindings,
  type Policy,
  policiesOf,
  WITHOUT_RESOURCE,
} from "../../tools/scan/iam";
import { secretsIn } from "../../tools/scan/secrets";
import { exampleText } from "../support/settings";
import { synthesizeFile } from "../support/synthesize-file";
import type { SynthesizedStack } from "../support/synthesized";

const list = (value: string | readonly string[] | undefined) => (value === undefined ? [] : [value].flat());

let stacks: [string, SynthesizedStack][];
let policies: Policy[];
/** With another source. */
let elsewhere: Policy[];

/** The example settings, changed. */
function settingsFile(change: (text: string) => string): string {
  const file = join(mkdtempSync(join(tmpdir(), "slipway-settings-")), "terraform.tfvars");
  writeFileSync(file, change(exampleText()));
  return file;
}

beforeAll(async () => {
  stacks = Object.entries(await synthesizeFile());
  policies = stacks.flatMap(([name, content]) => policiesOf(name, content));
  const connected = await synthesizeFile(
    settingsFile((text) =>
      text
        .replace(/\ngit = \{[^}]*\}/, '\ngit = { provider = "connection", repository = "acme/hello" }')
        .replace(/(port +=) 8080/, "exec = true\n    $1 8080"),
    ),
  );
  elsewhere = Object.entries(connected).flatMap(([name, content]) => policiesOf(name, content));
});

test("reads the policies that are there", () => {
  expect(policies.length).toBeGreaterThan(60);
});

test("fails when a secret stands in what Terraform gets", () => {
  expect(stacks.flatMap(([name, content]) => secretsIn(name, JSON.stringify(content)))).toEqual([]);
});

test("fails when a stack gives more than the rules of the scan let it", () => {
  expect(stacks.flatMap(([name, content]) => iamFindings(name, content))).toEqual([]);
});

test.each([
  'git = { provider = "github-token", repository = "acme/hello" }',
  'git = { provider = "connection", repository = "acme/hello" }',
  'git = { provider = "codecommit", repository = "hello" }',
])("fails when the longest names that the settings take make a policy larger than IAM takes: %s", async (git) => {
  const long = (name: string, length: number) => name.repeat(length).slice(0, length);
  const file = settingsFile((text) =>
    ["dev", "prod", "main", "web"]
      .reduce((changed, name) => changed.replace(new RegExp(`\\b${name}\\b`, "g"), long(name, 16)), text)
      .replace('project = "hello"', `project = "${long("hello", 20)}"`)
      .replace('region = "eu-west-1"', 'region = "ap-southeast-1"')
      .replace(/\ngit = \{[^}]*\}/, `\n${git}`),
  );
  const largest = Object.entries(await synthesizeFile(file));
  expect(largest.flatMap(([name, content]) => iamFindings(name, content))).toEqual([]);
});

test("fails when a role of an environment is granted what its boundary keeps from it", () => {
  const dev = {
    project: "hello",
    environment: "dev",
    account: "222222222222",
    regions: ["eu-west-1"],
    secrets: [],
    parameters: [],
  };
  const boundary = [...new Set(boundaryStatements(dev).flatMap(({ actions }) => actions))];
  const matches = (action: string) =>
    boundary.some((pattern) =>
      pattern.endsWith("*") ? action.startsWith(pattern.slice(0, -1)) : pattern === action,
    );
  const granted = [...policies, ...elsewhere]
    .filter(({ type, where }) => type === "aws_iam_role_policy" && /^(dev|prod)\//.test(where))
    .flatMap(({ where, statements }) =>
      statements
        .filter(({ Effect }) => Effect === "Allow")
        .flatMap(({ Action }) => list(Action).map((action) => ({ where, action }))),
    );
  expect(granted.length).toBeGreaterThan(50);
  expect(granted.filter(({ action }) => !matches(action))).toEqual([]);
});

describe("fails when an exception is listed that nobody needs any more:", () => {
  test.each([...new Set([EVERY_ACTION, EVERY_RESOURCE].flatMap(Object.keys))])("%s", (exception) => {
    const needed = policies.some(({ type, where }) =>
      where.split("/").some((construct) => `${type} ${construct}` === exception),
    );
    expect(needed).toBe(true);
  });

  test.each(Object.keys(WITHOUT_RESOURCE))("%s", (action) => {
    const needed = [...policies, ...elsewhere]
      .flatMap(({ statements }) => statements)
      .some(({ Action, Resource }) => list(Resource).includes("*") && list(Action).includes(action));
    expect(needed).toBe(true);
  });
});

/** What the roles of a stack are allowed. */
const granted = () =>
  policies
    .filter(({ type }) => type === "aws_iam_role_policy")
    .flatMap(({ where, statements }) =>
      statements
        .filter(({ Effect }) => Effect === "Allow")
        .map(({ Action, Resource }) => ({ where, actions: list(Action), resources: list(Resource) })),
    );

test("fails when a role may read a state that holds the token", () => {
  const readable = granted()
    .flatMap(({ where, resources }) => resources.map((resource) => ({ where, resource })))
    .filter(({ resource }) => /:hello-state-[^/]*\//.test(resource));
  expect(readable.length).toBeGreaterThan(0);
  for (const { where, resource } of readable) {
    // What brings the pipeline up to date works on these very states; previews' have none but their own.
    const states =
      where === "pipeline-main/update/role/policy"
        ? "delivery|pipeline-main|pipeline-preview-main_(dev|\\*)"
        : /^(pipeline-preview-main_dev|delivery\/teardown)\//.test(where)
          ? "pv-dev-\\*(-\\?{6})?"
          : "dev|prod";
    expect([where, resource]).toEqual([
      where,
      expect.stringMatching(new RegExp(`^arn:aws:s3:::[^/*]+/(${states})\\.tfstate(\\.tflock)?$`)),
    ]);
  }
});

test("fails when what runs a pull request's code may do anything but plan", () => {
  const of = (construct: string) =>
    granted()
      .filter(({ where }) => where.startsWith(construct))
      .flatMap(({ actions, resources }) => actions.map((action) => `${action} ${resources.join(" ")}`))
      .filter((line) => !/^(kms|logs):/.test(line));
  const artifacts = "arn:aws:s3:::hello-artifacts-111111111111-eu-west-1";
  const state = "arn:aws:s3:::hello-state-111111111111-eu-west-1";
  expect(new Set(of("delivery/review/plan/"))).toEqual(
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
  const trusted = of("delivery/review/review/");
  expect(trusted).toContain(`s3:PutObject ${artifacts}/review/sources/*`);
  expect(trusted.filter((line) => /^(sts|iam|s3:.*-state-)/.test(line))).toEqual([]);
});
