import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exampleText } from "../support/settings";
import { synthesizeFile } from "../support/synthesize-file";
import { resourcesOf, type SynthesizedStack, statements } from "../support/synthesized";

interface Trust {
  readonly Condition: {
    readonly ArnLike?: Readonly<Record<string, string | string[]>>;
    readonly ArnNotLike?: Readonly<Record<string, string | string[]>>;
  };
}

const BUILD = "arn:aws:iam::111111111111:role";
let stacks: Record<string, SynthesizedStack>;
beforeAll(async () => {
  stacks = await synthesizeFile();
});

const matches = (pattern: string, arn: string) =>
  new RegExp(`^${pattern.replace(/[.+^${}()|[\]\\]/g, "\\$&").replace(/\*/g, ".*")}$`).test(arn);

/** Whether an environment's role lets another take it on. */
function trusts(environment: string, role: string, arn: string): boolean {
  const [found] = resourcesOf(stacks[`access-${environment}`]!).filter(
    ({ type, properties }) => type === "aws_iam_role" && properties.name === role,
  );
  const documents = statements(found!.properties, "assume_role_policy") as unknown as Trust[];
  return documents.some(({ Condition: { ArnLike, ArnNotLike } }) => {
    const any = (patterns: string | string[]) => [patterns].flat().some((pattern) => matches(pattern, arn));
    if (ArnLike) return any(ArnLike["aws:PrincipalArn"]!);
    return !any(ArnNotLike!["aws:PrincipalArn"]!);
  });
}

/** The roles of the build account that are granted to take on a role of an environment. */
function grantedTo(target: string): string[] {
  return ["delivery", "pipeline-main"].flatMap((stack) => {
    const all = resourcesOf(stacks[stack]!);
    return all
      .filter(({ type }) => type === "aws_iam_role_policy")
      .filter(({ properties }) =>
        statements(properties).some(
          ({ Action, Resource }) =>
            [Action].flat().includes("sts:AssumeRole") && [Resource].flat().includes(target),
        ),
      )
      .map(({ properties }) => {
        const id = /aws_iam_role\.([\w-]+)\./.exec(properties.role as string)![1];
        return all.find((one) => one.type === "aws_iam_role" && one.id === id)!.properties.name as string;
      });
  });
}

const ownRoles = () =>
  ["delivery", "pipeline-main"].flatMap((stack) =>
    resourcesOf(stacks[stack]!).flatMap(({ type, properties }) =>
      type === "aws_iam_role" ? [properties.name as string] : [],
    ),
  );

describe.each([
  ["dev", "222222222222"],
  ["prod", "333333333333"],
])("the roles of %s", (environment, account) => {
  test.each([
    ["deploy", ["apply"]],
    ["plan", ["plan", "delivery-plan", "delivery-cleanup-function", "delivery-drift"]],
    ["verify", ["verify"]],
  ])("fail when %s can be taken on by another of the project's roles than those it is for", (kind, by) => {
    const role = `hello-${environment}-${kind}`;
    const meant = by.map((one) =>
      one.startsWith("delivery-") ? `hello-${one}` : `hello-main-${one}-${environment}`,
    );
    expect(grantedTo(`arn:aws:iam::${account}:role/${role}`).sort()).toEqual(meant.sort());
    expect(ownRoles().length).toBeGreaterThan(10);
    for (const own of ownRoles())
      expect([own, trusts(environment, role, `${BUILD}/${own}`)]).toEqual([own, meant.includes(own)]);
  });

  test("fail when another pipeline could make a role that they let in", () => {
    for (const kind of ["deploy", "plan", "verify"])
      for (const made of [
        "develop-apply",
        "develop-plan",
        "develop-verify",
        "main-apply-x",
        "delivery-plan-x",
      ])
        expect(
          trusts(environment, `hello-${environment}-${kind}`, `${BUILD}/hello-${made}-${environment}`),
        ).toBe(false);
  });

  test("leave it to the build account which people may take them on", () => {
    expect(trusts(environment, `hello-${environment}-deploy`, `${BUILD}/Administrator`)).toBe(true);
    expect(trusts(environment, `hello-${environment}-deploy`, "arn:aws:iam::111111111111:user/jane")).toBe(
      true,
    );
  });
});

describe("the roles of dev's previews", () => {
  const KINDS = ["plan", "deploy", "release", "verify"];
  const BUILDS: Readonly<Record<string, readonly string[]>> = {
    plan: ["hello-preview-main_dev-plan-pv-dev"],
    deploy: ["hello-preview-main_dev-apply-pv-dev", "hello-delivery-teardown"],
    release: ["hello-preview-main_dev-release-pv-dev", "hello-preview-main_dev-verify-pv-dev"],
    verify: ["hello-preview-main_dev-verify-pv-dev"],
  };
  const all = Object.values(BUILDS).flat();

  test.each(KINDS)("let in the builds that %s previews, and no others of theirs", (kind) => {
    for (const build of all)
      expect([build, trusts("dev", `hello-pv-dev-${kind}`, `${BUILD}/${build}`)]).toEqual([
        build,
        BUILDS[kind]!.includes(build),
      ]);
  });

  test.each(
    KINDS,
  )("fail when what deploys dev, or reviews its pull requests, can %s its previews", (kind) => {
    for (const own of ownRoles())
      expect([own, trusts("dev", `hello-pv-dev-${kind}`, `${BUILD}/${own}`)]).toEqual([
        own,
        BUILDS[kind]!.includes(own),
      ]);
  });

  test("fail when builds of previews can take on a role of an environment", () => {
    for (const environment of ["dev", "prod"])
      for (const kind of KINDS)
        for (const build of [...all, "hello-preview-main_dev", "hello-preview-main_dev-test"])
          expect([
            environment,
            kind,
            build,
            trusts(environment, `hello-${environment}-${kind}`, `${BUILD}/${build}`),
          ]).toEqual([environment, kind, build, false]);
  });

  test("are none of an environment that nothing is made like", () => {
    const names = resourcesOf(stacks["access-prod"]!).map(({ properties }) => String(properties.name));
    expect(names.filter((name) => name.includes("pv-"))).toEqual([]);
  });
});

describe("the roles of previews of an environment that a pipeline tries", () => {
  const roles: Record<string, { readonly trust: string; readonly grants: string }> = {};
  beforeAll(async () => {
    const file = join(mkdtempSync(join(tmpdir(), "slipway-settings-")), "terraform.tfvars");
    const trial = 'trial = { environment = "prod", regions = ["eu-central-1", "us-west-2"] }';
    const tried = exampleText()
      .replace(/^previews = \{\n[\s\S]*?^\}\n/m, "")
      .replace(/^ +branch = "main"$/m, `$&\n    ${trial}`);
    writeFileSync(file, tried);
    const access = (await synthesizeFile(file))["access-prod"]!;
    const all = resourcesOf(access);
    for (const { id, properties } of all.filter(({ type }) => type === "aws_iam_role")) {
      const policy = all.find(
        ({ type, properties: of }) => type === "aws_iam_role_policy" && String(of.role).includes(id),
      );
      roles[String(properties.name)] = {
        trust: String(properties.assume_role_policy),
        grants: String(policy!.properties.policy),
      };
    }
  });

  test.each(["plan", "deploy", "release", "verify"])("let in the build that tries it, to %s", (kind) => {
    expect(roles[`hello-pv-prod-${kind}`]!.trust).toContain(`"${BUILD}/hello-main-trial"`);
    expect(roles[`hello-prod-${kind}`]!.trust).not.toContain("trial");
  });

  test("reach the regions in which it is tried", () => {
    expect(roles["hello-pv-prod-release"]!.grants).toContain(
      '"kms:ViaService":["lambda.eu-central-1.amazonaws.com","lambda.us-west-2.amazonaws.com"]',
    );
    expect(roles["hello-prod-release"]!.grants).toContain(
      '"kms:ViaService":"lambda.eu-west-1.amazonaws.com"',
    );
  });
});
