import { plainText } from "../../../tools/review/phrase";
import { change, markdownOf, planReviewOf, textOf } from "./support";

// What a policy, a rule or a fact is about, and which resource it comes from.

const allow = (Action: string | string[], more: object = {}) => ({
  Effect: "Allow",
  Action,
  Resource: "*",
  ...more,
});
const deny = (Action: string, more: object = {}) => ({ ...allow(Action, more), Effect: "Deny" });
const policy = (...Statement: object[]) => JSON.stringify({ Version: "2012-10-17", Statement });
const everybody = { Principal: "*" };
const replacing = { change: { actions: ["delete", "create"] } };

const findings = (changes: unknown[], more: object = {}) =>
  planReviewOf(changes, more).access.map(({ direction, text }) => `${direction}: ${plainText(text)}`);
const widening = (changes: unknown[], more: object = {}) =>
  findings(changes, more).filter((line) => !line.startsWith("narrows"));
const staying = (type: string, values: object, name = "it") =>
  change(type, { ...values }, { ...values }, { name, change: { actions: ["no-op"] } });

describe("what moves to another thing is gained by that, and lost by the first:", () => {
  test.each<[string, string, object, object, string]>([
    [
      "a role's policy",
      "aws_iam_role_policy",
      { role: "readonly", policy: policy(allow("*")) },
      { role: "public-web", policy: policy(allow("*")) },
      "widens: allows * on *",
    ],
    [
      "a bucket's policy that denies",
      "aws_s3_bucket_policy",
      { bucket: "a", policy: policy(deny("s3:*", everybody)) },
      { bucket: "b", policy: policy(deny("s3:*", everybody)) },
      "widens: no longer denies s3:* to anybody",
    ],
    [
      "a function's permission",
      "aws_lambda_permission",
      { function_name: "a", action: "lambda:InvokeFunction", principal: "*" },
      { function_name: "b", action: "lambda:InvokeFunction", principal: "*" },
      "widens: allows lambda:InvokeFunction on the function itself to anybody",
    ],
    [
      "a permission of one alias",
      "aws_lambda_permission",
      { function_name: "a", action: "lambda:InvokeFunction", principal: "*", qualifier: "dev" },
      { function_name: "a", action: "lambda:InvokeFunction", principal: "*", qualifier: null },
      "widens: allows lambda:InvokeFunction on the function itself to anybody",
    ],
    [
      "a public access block",
      "aws_s3_bucket_public_access_block",
      { bucket: "a", block_public_acls: true },
      { bucket: "b", block_public_acls: true },
      "widens: removes the public access block: aws_s3_bucket_public_access_block",
    ],
    [
      "a rule",
      "aws_vpc_security_group_ingress_rule",
      { security_group_id: "sg-1", ip_protocol: "tcp", from_port: 22, to_port: 22, cidr_ipv4: "0.0.0.0/0" },
      { security_group_id: "sg-2", ip_protocol: "tcp", from_port: 22, to_port: 22, cidr_ipv4: "0.0.0.0/0" },
      "widens: opens tcp 22 from 0.0.0.0/0",
    ],
  ])("%s", (_, type, before, after, expected) => {
    expect(widening([change(type, { ...before }, { ...after }, replacing)])).toContain(expected);
  });

  test("to one that nobody knows yet", () => {
    const moved = change(
      "aws_iam_role_policy",
      { role: "readonly", policy: policy(allow("*")) },
      { policy: policy(allow("*")) },
      { change: { actions: ["delete", "create"], after_unknown: { role: true } } },
    );
    expect(widening([moved])).toEqual(["widens: allows * on *"]);
  });
});

describe("a Deny that is deleted while what it guards stays is told:", () => {
  test.each([
    "aws_efs_file_system_policy",
    "aws_vpc_endpoint_policy",
    "aws_opensearch_domain_policy",
    "aws_backup_vault_policy",
    "aws_cloudwatch_event_bus_policy",
    "aws_dynamodb_resource_policy",
    "aws_ecr_registry_policy",
    "aws_s3_bucket_policy",
    "aws_sqs_queue_policy",
  ])("%s", (type) => {
    const gone = change(type, { policy: policy(deny("*", everybody)), bucket: "b", queue_url: "q" }, null);
    expect(widening([gone])).toContain("widens: no longer denies * to anybody");
  });

  test("and not, where what it guards goes with it", () => {
    const changes = [
      change(
        "aws_efs_file_system_policy",
        { file_system_id: "fs-1", policy: policy(deny("*", everybody)) },
        null,
      ),
      change("aws_efs_file_system", { id: "fs-1" }, null),
    ];
    expect(findings(changes)).toEqual([]);
  });

  test("although something else of its name goes", () => {
    const changes = [
      change("aws_cloudwatch_log_group", { id: "customer-data", name: "customer-data" }, null),
      change("aws_s3_bucket_policy", { bucket: "customer-data", policy: policy(deny("*", everybody)) }, null),
      change("aws_s3_bucket_public_access_block", { bucket: "customer-data" }, null),
    ];
    expect(widening(changes)).toEqual([
      "widens: no longer denies * to anybody",
      "widens: removes the public access block: aws_s3_bucket_public_access_block",
    ]);
  });

  test("where it is marked sensitive, as unclear", () => {
    const gone = change("aws_s3_bucket_policy", { bucket: "b", policy: policy(deny("*", everybody)) }, null, {
      change: { before_sensitive: { policy: true } },
    });
    expect(widening([gone])).toEqual(["unclear: deletes a policy that is marked sensitive: policy"]);
  });

  test.each([
    "aws_s3_account_public_access_block",
    "aws_organizations_policy_attachment",
  ])("and what guards an account: %s", (type) => {
    expect(widening([change(type, { account_id: "1", target_id: "1", policy_id: "p" }, null)])).toHaveLength(
      1,
    );
  });
});

describe("what nobody knows before the apply is unclear:", () => {
  const later = (type: string, attribute: unknown, before: object = {}, after: object = {}) =>
    findings([change(type, { ...before }, { ...after }, { change: { after_unknown: attribute } })]);

  test("rules of a group, which are not closed by that", () => {
    const ingress = [{ protocol: "tcp", from_port: 22, to_port: 22, cidr_blocks: ["0.0.0.0/0"] }];
    expect(later("aws_security_group", { ingress: true }, { id: "sg-1", ingress }, { id: "sg-1" })).toEqual([
      "widens: opens everything from (known after apply)",
    ]);
    const configured = (expressions: object) => ({
      configuration: { root_module: { resources: [{ address: "aws_security_group.it", expressions }] } },
    });
    const made = change(
      "aws_security_group",
      null,
      { name: "g" },
      { change: { after_unknown: { ingress: true } } },
    );
    expect(findings([made], configured({ name: {} }))).toEqual([]);
    expect(findings([made], configured({ name: {}, ingress: {} }))).toHaveLength(1);
  });

  test.each<[string, string]>([
    ["aws_iam_role", "managed_policy_arns"],
    ["aws_iam_group_membership", "users"],
    ["aws_lambda_function_url", "authorization_type"],
  ])("%s's %s", (type, attribute) => {
    expect(later(type, { [attribute]: true })).toEqual([
      `unclear: is decided only by the apply: ${attribute}`,
    ]);
  });

  test("a policy in a block, also one that the configuration makes dynamically", () => {
    const role = change(
      "aws_iam_role",
      null,
      { name: "r", inline_policy: [{ name: "p" }] },
      {
        change: { after_unknown: { inline_policy: [{ policy: true }] } },
      },
    );
    const configuration = {
      configuration: {
        root_module: { resources: [{ address: "aws_iam_role.it", expressions: { name: {} } }] },
      },
    };
    expect(findings([role], configuration)).toEqual([
      "unclear: has a policy that is known only after the apply: policy",
    ]);
  });

  test("an attribute that held a policy, whatever its name", () => {
    const before = { anything: policy(allow("s3:GetObject")) };
    expect(
      widening([change("aws_thing", before, {}, { change: { after_unknown: { anything: true } } })]),
    ).toEqual(["unclear: has a policy that is known only after the apply: anything"]);
  });

  test("a document in a policy's place that is none", () => {
    const [before, after] = ['[{"AllowFromPublic":false}]', '[{"AllowFromPublic":true}]'];
    expect(
      findings([change("aws_opensearchserverless_security_policy", { policy: before }, { policy: after })]),
    ).toEqual(["unclear: changes a policy that this review does not understand: policy"]);
    expect(findings([change("aws_ecr_lifecycle_policy", { policy: before }, { policy: after })])).toEqual([]);
  });
});

describe("managed policies", () => {
  const attached = (policy_arn: string) =>
    change("aws_iam_role_policy_attachment", { role: "r", policy_arn }, null);
  const own = "arn:aws:iam::1:policy/own";

  test("that only deny are not told as narrowing when they are detached", () => {
    expect(findings([attached("arn:aws:iam::aws:policy/AWSDenyAll")])[0]).toMatch(/^unclear: detaches/);
    expect(findings([attached("arn:aws:iam::aws:policy/AdministratorAccess")])[0]).toMatch(/^narrows/);
    expect(findings([attached(own)])[0]).toMatch(/^unclear/);
    expect(
      findings([attached(own), staying("aws_iam_policy", { arn: own, policy: policy(allow("s3:*")) })])[0],
    ).toMatch(/^narrows/);
    expect(
      findings([attached(own), staying("aws_iam_policy", { arn: own, policy: policy(deny("s3:*")) })])[0],
    ).toMatch(/^unclear/);
  });

  test("are the same wherever they are attached", () => {
    const arn = "arn:aws:iam::aws:policy/ReadOnlyAccess";
    const role = (arns: string[]) => ({ name: "r", managed_policy_arns: arns });
    expect(
      findings([
        change("aws_iam_role", role([arn]), role([])),
        change("aws_iam_role_policy_attachment", null, { role: "r", policy_arn: arn }),
      ]),
    ).toEqual([]);
  });

  test("of users and groups are told where a resource has all of them", () => {
    const arn = "arn:aws:iam::aws:policy/AdministratorAccess";
    const exclusive = (policy_arns: string[]) => ({ user_name: "u", policy_arns });
    expect(
      widening([change("aws_iam_user_policy_attachments_exclusive", exclusive([]), exclusive([arn]))]),
    ).toEqual([`widens: attaches a managed policy to a user: ${arn} ⇢ u`]);
  });
});

test("a policy is one, however its letters are written", () => {
  const hidden = policy(allow("*")).replace("Statement", "\\u0053tatement");
  expect(widening([change("aws_iam_role_policy", null, { role: "r", policy: hidden })])).toEqual([
    "widens: allows * on *",
  ]);
});

test("a finding names the resource that it comes from, and no other of the same thing", () => {
  const rule = (name: string, port: number) =>
    change(
      "aws_vpc_security_group_ingress_rule",
      null,
      {
        security_group_id: "sg-1",
        ip_protocol: "tcp",
        from_port: port,
        to_port: port,
        cidr_ipv4: "0.0.0.0/0",
      },
      { name },
    );
  const { access } = planReviewOf([rule("web", 443), rule("ssh", 22)]);
  expect(access.map(({ addresses, text }) => [...addresses, plainText(text)])).toEqual([
    ["aws_vpc_security_group_ingress_rule.web", "opens tcp 443 from 0.0.0.0/0"],
    ["aws_vpc_security_group_ingress_rule.ssh", "opens tcp 22 from 0.0.0.0/0"],
  ]);
  const statement = (name: string, action: string) =>
    change("aws_iam_role_policy", null, { role: "r", policy: policy(allow(action)) }, { name });
  const policies = planReviewOf([statement("one", "s3:GetObject"), statement("two", "*")]).access;
  expect(policies.map(({ addresses }) => addresses)).toContainEqual(["aws_iam_role_policy.two"]);
});

test("a role of another account's is another role", () => {
  const configuration = {
    configuration: {
      root_module: {
        resources: ["it", "other"].map((name) => ({
          address: `aws_iam_role_policy.${name}`,
          provider_config_key: name === "it" ? "aws" : "aws.second",
          expressions: { role: {}, policy: {} },
        })),
      },
    },
  };
  const both = [
    staying("aws_iam_role_policy", { role: "deploy", policy: policy(allow("*")) }),
    change("aws_iam_role_policy", null, { role: "deploy", policy: policy(allow("*")) }, { name: "other" }),
  ];
  expect(widening(both, configuration)).toEqual(["widens: allows * on *"]);
  expect(widening(both)).toEqual([]);
});

test("what is forgotten stays beside what takes its place", () => {
  const forgotten = change(
    "aws_iam_role_policy",
    { role: "r", policy: policy(allow("*")) },
    { role: "r", policy: policy(allow("s3:GetObject")) },
    { change: { actions: ["create", "forget"] } },
  );
  expect(findings([forgotten])).toEqual([]);
});

test("the most dangerous of many is told first, and all of them below", () => {
  const actions = [...Array.from({ length: 450 }, (_, index) => `a:l${index}`), "sts:AssumeRole"];
  const widened = change("aws_iam_role_policy", null, { role: "r", policy: policy(allow(actions)) });
  for (const output of [textOf([widened]), markdownOf([widened])]) {
    expect(output).toMatch(/allows `?sts:AssumeRole`?, /);
    expect(output).toContain("a:l449");
  }
});
