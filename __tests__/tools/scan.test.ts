import { mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { iamFindings } from "../../tools/scan/iam";
import { secretsBelow, secretsIn } from "../../tools/scan/secrets";

/** As Terraform writes it. */
const reference = (path: string) => `\${${path}}`;

describe("rights", () => {
  const allow = (changes: object) => ({
    Effect: "Allow",
    Action: "s3:GetObject",
    Resource: "arn:aws:s3:::bucket/*",
    ...changes,
  });
  const document = (...statements: object[]) => JSON.stringify({ Statement: statements });
  const stack = (type: string, properties: object, path = "dev/thing/role/policy") => ({
    resource: { [type]: { id: { "//": { metadata: { path } }, ...properties } } },
  });
  const found = (...args: Parameters<typeof stack>) =>
    iamFindings("dev", stack(...args)).map(({ where, what }) => `${where}: ${what}`);
  const ofRole = (statement: object, path?: string) =>
    found("aws_iam_role_policy", { role: "a", policy: document(statement) }, path);

  test.each<[string, object, RegExp]>([
    ["every action", { Action: "*" }, /allows \*/],
    ["every action of a service", { Action: ["s3:GetObject", "s3:*"] }, /allows s3:\*$/],
    ["every action that begins so", { Action: "s3:Put*" }, /allows s3:Put\*$/],
    ["all actions but some", { Action: undefined, NotAction: "iam:*" }, /all but some \(NotAction\)/],
    [
      "all resources but some",
      { Resource: undefined, NotResource: "arn:aws:s3:::b" },
      /all but some \(NotRes/,
    ],
    ["something on every resource", { Resource: "*" }, /allows s3:GetObject on every resource/],
    [
      "more on every resource than has none",
      { Action: ["ecr:GetAuthorizationToken", "ecr:PutImage"], Resource: ["*"] },
      /allows ecr:PutImage on every resource/,
    ],
    ["a role to be passed to any service", { Action: "iam:PassRole" }, /passed to any service/],
    [
      "a role to be passed to services that look alike",
      { Action: "iam:PassRole", Condition: { StringLike: { "iam:PassedToService": "*" } } },
      /passed to any service/,
    ],
  ])("fails when a role is allowed %s", (_, changes, what) => {
    expect(ofRole(allow(changes))).toEqual([expect.stringMatching(what)]);
  });

  test.each<[string, object]>([
    ["one action on one resource", {}],
    ["to read by a wildcard", { Action: ["s3:Get*", "ecs:Describe*", "codebuild:BatchGet*"] }],
    ["what has no resource", { Action: ["ecr:GetAuthorizationToken", "kms:CreateKey"], Resource: "*" }],
    [
      "a role to be passed to one service",
      {
        Action: "iam:PassRole",
        Condition: { StringEquals: { "iam:passedtoservice": "ecs-tasks.amazonaws.com" } },
      },
    ],
    ["nothing: it is a refusal", { Effect: "Deny", Action: "*", Resource: "*", Principal: "*" }],
  ])("passes when a role is allowed %s", (_, changes) => {
    expect(ofRole(allow(changes))).toEqual([]);
  });

  test("tells where it is, and what to do", () => {
    expect(
      iamFindings("dev", stack("aws_iam_role_policy", { policy: document(allow({ Action: "*" })) })),
    ).toEqual([
      {
        where: "dev/thing/role/policy (aws_iam_role_policy)",
        what: "allows *",
        mend: expect.stringMatching(/^Name the actions/),
      },
    ]);
    const { "//": _, ...unnamed } = { "//": {}, policy: document(allow({ Action: "*" })) };
    const [finding] = iamFindings("dev", { resource: { aws_iam_role_policy: { thing_policy: unnamed } } });
    expect(finding?.where).toBe("dev/thing_policy (aws_iam_role_policy)");
  });

  test("takes an exception for the construct that it is listed for, and no other", () => {
    const makes = allow({ Action: "ec2:CreateVpc", Resource: "*" });
    expect(ofRole(makes, "access-dev/deploy-role/policy")).toEqual([]);
    expect(ofRole(makes, "access-dev/deploy-role-2/policy")).toHaveLength(1);
    expect(ofRole(allow({ Action: "ec2:*" }), "access-dev/deploy-role/policy")).toHaveLength(1);
    expect(found("aws_iam_policy", { policy: document(allow({ Action: "s3:*" })) }, "a/boundary")).toEqual(
      [],
    );
  });

  test.each<[string, object, RegExp | undefined]>([
    ["without the account it acts for", {}, /trusts codebuild\.amazonaws\.com whoever/],
    ["for one account", { StringEquals: { "aws:SourceAccount": "111111111111" } }, undefined],
    [
      "for one thing",
      { ArnLike: { "aws:SourceArn": "arn:aws:codebuild:*:111111111111:project/a" } },
      undefined,
    ],
    [
      "with another condition",
      { StringEquals: { "aws:RequestedRegion": "eu-west-1" } },
      /whoever it acts for/,
    ],
  ])("a service trusted %s", (_, Condition, what) => {
    const trust = {
      Effect: "Allow",
      Action: "sts:AssumeRole",
      Principal: { Service: "codebuild.amazonaws.com" },
      Condition,
    };
    expect(found("aws_iam_role", { assume_role_policy: document(trust) })).toEqual(
      what ? [expect.stringMatching(what)] : [],
    );
  });

  test("a key's policy is about the key, and leaves the rest to its account", () => {
    const key = (Principal: object, Action = "kms:*") =>
      found("aws_kms_key", { policy: document({ Effect: "Allow", Action, Principal, Resource: "*" }) });
    expect(key({ AWS: "arn:aws:iam::111111111111:root" })).toEqual([]);
    expect(key({ AWS: "arn:aws:iam::111111111111:role/admin" })).toEqual([
      expect.stringContaining("allows kms:*"),
    ]);
    expect(key({ AWS: ["arn:aws:iam::111111111111:root", "*"] }, "kms:Decrypt")).toEqual([
      expect.stringContaining("to anybody in the world"),
    ]);
  });

  test("fails when anybody is allowed something, unless there is a condition", () => {
    const bucket = (changes: object) =>
      found("aws_s3_bucket_policy", { policy: document(allow({ Principal: "*", ...changes })) });
    expect(bucket({})).toEqual([expect.stringContaining("to anybody in the world")]);
    expect(bucket({ Condition: { StringEquals: { "aws:PrincipalOrgID": "o-1" } } })).toEqual([]);
  });

  test("fails when a policy of IAM's is not there to be read", () => {
    const policy = reference("data.aws_iam_policy_document.mine.json");
    expect(found("aws_iam_role_policy", { policy })).toEqual([expect.stringContaining("nobody can check")]);
    expect(found("aws_iam_role", { inline_policy: [{ policy }] })).toHaveLength(1);
    expect(found("aws_sns_topic_policy", { policy })).toEqual([]);
  });

  test("reads a role's policies wherever they stand", () => {
    const policy = document(allow({ Action: "*" }));
    expect(found("aws_iam_role", { inline_policy: [{ name: "a", policy }] })).toHaveLength(1);
  });

  test("fails when a policy of AWS's own gives all, unless it caps", () => {
    const arn = "arn:aws:iam::aws:policy/AdministratorAccess";
    expect(found("aws_iam_role_policy_attachment", { policy_arn: arn })).toEqual([
      expect.stringContaining(`hands on ${arn}`),
    ]);
    expect(found("aws_iam_role", { managed_policy_arns: [arn] })).toHaveLength(1);
    expect(found("aws_iam_role", { permissions_boundary: arn })).toEqual([]);
    expect(
      found("aws_iam_role_policy_attachment", {
        policy_arn: "arn:aws:iam::aws:policy/AWSXRayDaemonWriteAccess",
      }),
    ).toEqual([]);
  });

  describe("the size of", () => {
    const long = (characters: number) => {
      const around = document(allow({ Resource: "" })).length;
      return document(allow({ Resource: "r".repeat(characters - around) }));
    };
    const policies = (...all: { role: string; policy: string }[]) =>
      iamFindings("dev", {
        resource: { aws_iam_role_policy: Object.fromEntries(all.map((one, index) => [`p${index}`, one])) },
      }).map(({ what }) => what);
    const [one, other] = [reference("aws_iam_role.one.name"), reference("aws_iam_role.other.id")];

    test("a role's policies counts together", () => {
      expect(policies({ role: one, policy: long(10_240) })).toEqual([]);
      expect(policies({ role: one, policy: long(6_000) }, { role: other, policy: long(6_000) })).toEqual([]);
      expect(policies({ role: one, policy: long(6_000) }, { role: one, policy: long(6_000) })).toEqual([
        "has 12000 characters of policy, and IAM takes 10240",
      ]);
      expect(
        policies(
          { role: one, policy: long(6_000) },
          { role: reference("aws_iam_role.one.id"), policy: long(6_000) },
        ),
      ).toHaveLength(1);
    });

    test("a policy is counted without white space", () => {
      const spaced = JSON.stringify(JSON.parse(long(10_240)), undefined, 4);
      expect(policies({ role: one, policy: spaced })).toEqual([]);
    });

    test("what others take is less", () => {
      expect(found("aws_iam_policy", { policy: long(6_145) })).toHaveLength(1);
      expect(found("aws_iam_role", { assume_role_policy: long(2_049) })).toHaveLength(1);
    });
  });
});

describe("secrets", () => {
  const KEY = `AKIA${"ABCDEFGHIJKLMNOP"}`;
  const SECRET = `wJalrXUtnFEMI/K7MDENG/${"bPxRfiCYzzzzzzzKEY"}`;

  test.each([
    ["GitHub token", `ghp_${"a1".repeat(18)}`, "ghp_…"],
    ["GitHub token", `ghs_${"a1".repeat(18)}`, "ghs_…"],
    ["GitHub token", `github_pat_${"a1".repeat(18)}`, "gith…"],
    ["AWS access key", KEY, "AKIA…"],
    ["AWS access key", KEY.replace("AKIA", "ASIA"), "ASIA…"],
    ["private key", `-----BEGIN ${"EC PRIVATE"} KEY-----`, "----…"],
    ["Slack token", `xoxb-${"1234567890"}-abc`, "xoxb…"],
    ["npm token", `npm_${"a1".repeat(18)}`, "npm_…"],
    ["token of a registry", `//registry.example.com/:_authToken=${"0a1b2c3d".repeat(4)}`, "0a1b…"],
  ])("fails when there is this, and shows no more than its beginning: %s", (kind, secret, shown) => {
    const [finding, ...others] = secretsIn("a.ts", `one\nconst a = "${secret}";`);
    expect(finding).toMatchObject({ where: "a.ts:2", what: `${kind} ${shown}` });
    expect(others).toEqual([]);
  });

  test("fails when the secret of an AWS access key stands near it, and tells both", () => {
    const what = (text: string) => secretsIn("a", text).map((finding) => finding.what);
    expect(what(`id = ${KEY}\n\nsecret = ${SECRET}`)).toEqual([
      "AWS access key AKIA…",
      "secret of an AWS access key wJal…",
    ]);
    expect(what(`secret = ${SECRET}\nid = ${KEY}`)).toHaveLength(2);
    expect(what(`id = ${KEY}\n\n\nsecret = ${SECRET}`)).toHaveLength(1);
    // Without a key it may be anything; in hexadecimal it is a hash.
    expect(what(`secret = ${SECRET}`)).toEqual([]);
    expect(what(`id = ${KEY}\ncommit ${"0a".repeat(20)}`)).toHaveLength(1);
  });

  test.each([
    `//registry.example.com/:_authToken=${reference("NPM_TOKEN_OF_THE_PIPELINE")}`,
    "ghp_short",
    `a part of X${KEY}X`,
    "-----BEGIN CERTIFICATE-----",
  ])("passes over %s", (text) => {
    expect(secretsIn("a", text)).toEqual([]);
  });

  test("takes a line's mark with a reason, and without one asks for it", () => {
    expect(secretsIn("a", `${KEY} # slipway:not-a-secret of AWS's documentation`)).toEqual([]);
    for (const mark of ["slipway:not-a-secret", "/* slipway:not-a-secret */"])
      expect(secretsIn("a", `${KEY} ${mark}`)[0]?.mend).toMatch(/without a reason/);
    expect(secretsIn("a", `${KEY}\n# slipway:not-a-secret it is made up`)[0]?.mend).toMatch(/revoke it/);
  });

  test("are looked for in a folder's own files of text", () => {
    const folder = mkdtempSync(join(tmpdir(), "slipway-secrets-"));
    const write = (path: string, content: string) => {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), content);
    };
    for (const path of [
      "a.ts",
      ".env",
      "deep/er/b.json",
      "node_modules/c/c.js",
      "deep/node_modules/c.js",
      ".git/config",
      ".slipway/d",
      "cdktf.out/stacks/dev/cdk.tf.json",
    ])
      write(path, KEY);
    write("binary", `\0${KEY}`);
    write("large.txt", KEY + " ".repeat(1_000_000));
    symlinkSync(join(folder, "a.ts"), join(folder, "link.ts"));
    expect(
      secretsBelow(folder)
        .map(({ where }) => where)
        .sort(),
    ).toEqual([".env:1", "a.ts:1", "deep/er/b.json:1"]);
  });
});
