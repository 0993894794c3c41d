import fc from "fast-check";
import { toJson } from "../../../tools/review/review";
import { change, reviewOf, shown, textOf } from "./support";

const everyShape = (changes: unknown[], more: object = {}) => {
  const reviewed = reviewOf(changes, more);
  return [shown(reviewed, "markdown").text, shown(reviewed).text, toJson(reviewed)].join("\n");
};

/** A change of which `secret` is marked, and an unmarked `elsewhere`. */
const withSecret = (secret: unknown, elsewhere: unknown) =>
  change(
    "aws_thing",
    { secret: null },
    { secret, elsewhere },
    { change: { after_sensitive: { secret: true } } },
  );

describe("a secret is hidden wherever it appears:", () => {
  const secret = 'hunter2-p"w<d>';
  test.each<[string, unknown]>([
    ["as another value", secret],
    ["inside a text", `postgres://user:${secret}@host`],
    ["inside a list", ["a", secret]],
    ["as a key", { [secret]: 1 }],
    ["inside JSON", JSON.stringify({ deep: [{ value: `x${secret}` }] })],
    [
      "inside JSON of Go's",
      JSON.stringify({ a: secret }).replaceAll("<", "\\u003c").replaceAll(">", "\\u003e"),
    ],
    ["inside JSON in JSON", JSON.stringify({ inner: JSON.stringify({ a: secret }) })],
    ["in base64", Buffer.from(secret).toString("base64")],
    ["in an address", `https://host/?password=${encodeURIComponent(secret)}`],
    ["on a line among others", `one\n  ${secret}\nthree`],
  ])("%s", (_, elsewhere) => {
    const output = everyShape([withSecret(secret, elsewhere)]);
    expect(output).not.toContain(secret);
    expect(output).not.toMatch(/hunter2/);
    expect(output).not.toContain(Buffer.from(secret).toString("base64"));
  });

  test("in names, reasons and messages", () => {
    const word = "hunter2-word";
    const named = change("aws_thing", { a: 1 }, null, {
      address: `aws_thing.it["${word}"]`,
      previous_address: `aws_thing.${word}`,
      deposed: word,
      action_reason: word,
      change: { importing: { id: word }, replace_paths: [[word]] },
    });
    const output = everyShape([withSecret(word, 1), named], {
      checks: [
        {
          address: { to_display: word },
          status: "fail",
          instances: [
            { address: { to_display: word }, status: "fail", problems: [{ message: `is ${word}` }] },
          ],
        },
      ],
      output_changes: { [word]: { actions: ["create"], before: null, after: word } },
      resource_drift: [change("aws_thing", { a: word }, { a: 2 })],
      deferred_changes: [{ reason: word, resource_change: change("aws_thing", null, { a: word }) }],
      action_invocations: [{ address: word }],
    });
    expect(output).not.toContain(word);
  });
});

describe("what is marked elsewhere is hidden as well:", () => {
  const plain = change("aws_thing", null, { a: "hunter2-secret" });
  test.each<[string, object]>([
    [
      "a variable",
      {
        variables: { p: { value: "hunter2-secret" } },
        configuration: { root_module: { variables: { p: { sensitive: true } } } },
      },
    ],
    [
      "a variable's default",
      {
        configuration: { root_module: { variables: { p: { sensitive: true, default: "hunter2-secret" } } } },
      },
    ],
    [
      "an output",
      {
        output_changes: {
          o: { actions: ["create"], before: null, after: "hunter2-secret", after_sensitive: true },
        },
      },
    ],
    [
      "a planned output",
      { planned_values: { outputs: { o: { sensitive: true, value: "hunter2-secret" } } } },
    ],
    [
      "the state's",
      {
        prior_state: {
          values: {
            root_module: {
              child_modules: [
                { resources: [{ values: { a: "hunter2-secret" }, sensitive_values: { a: true } }] },
              ],
            },
          },
        },
      },
    ],
  ])("%s", (_, more) => {
    expect(everyShape([plain], more)).not.toContain("hunter2-secret");
  });

  test("a secret of one side is one on the other", () => {
    const before = change(
      "aws_thing",
      { a: "hunter2-old" },
      { a: "hunter2-new" },
      { change: { before_sensitive: { a: true } } },
    );
    const after = change(
      "aws_thing",
      { a: "hunter2-old" },
      { a: "hunter2-new" },
      { change: { after_sensitive: { a: true } } },
    );
    for (const one of [before, after]) expect(everyShape([one])).not.toMatch(/hunter2/);
    expect(textOf([before])).toContain("(sensitive) (changes)");
  });
});

describe("a mask that does not fit hides more:", () => {
  test.each<[string, unknown, unknown]>([
    ["an object over a text", "hunter2-secret", { a: true }],
    ["an empty object over a text", "hunter2-secret", {}],
    ["a list over an object", { a: "hunter2-secret" }, [true]],
    ["an object over a list", ["hunter2-secret"], { 0: true }],
    ["a shorter list", ["a", "hunter2-secret"], [true]],
    ["a text", "hunter2-secret", "true"],
    ["a number", "hunter2-secret", 1],
    ["null", "hunter2-secret", null],
  ])("%s", (_, value, mask) => {
    const changes = [change("aws_thing", null, { value }, { change: { after_sensitive: { value: mask } } })];
    expect(everyShape(changes)).not.toContain("hunter2-secret");
  });
});

describe("what looks like a credential is hidden:", () => {
  const long = "aB3".repeat(20);
  test.each([
    ["an AWS access key", `AKIA${"ABCDEFGHIJKLMNOP"}`],
    ["an AWS secret key", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"],
    ["a GitHub token", `ghp_${long}`],
    ["a fine-grained GitHub token", `github_pat_${long}`],
    ["a Slack token", `xoxb-${long}`],
    ["a JSON Web Token", `eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.${long}`],
    ["a password in an address", "postgres://user:hunter2pass@host/db"],
    ["a private key", `-----BEGIN RSA PRIVATE KEY-----\n${long}\n${long}\n-----END RSA PRIVATE KEY-----`],
    ["a cut private key", `-----BEGIN PRIVATE KEY-----\n${long}`],
  ])("%s", (_, credential) => {
    const output = everyShape([change("aws_thing", null, { description: `it is ${credential} indeed` })]);
    expect(output).not.toContain(credential);
    expect(output).not.toContain(long);
    expect(output).not.toContain("hunter2pass");
  });

  test("and what has a secret's name", () => {
    const containers = JSON.stringify([
      {
        name: "web",
        environment: [
          { name: "DB_PASSWORD", value: "hunter2" },
          { name: "STAGE", value: "dev" },
        ],
      },
    ]);
    const values = {
      master_password: "hunter2",
      apiKey: "hunter2",
      environment: { variables: { GITHUB_TOKEN: "hunter2" } },
      containers,
    };
    const output = everyShape([change("aws_thing", null, values)]);
    expect(output).not.toContain("hunter2");
    expect(output).toContain('"dev"');
  });

  test.each([
    ["kms_key_id", "1234abcd-12ab"],
    ["secret_arn", "arn:aws:secretsmanager:eu-west-1:1:secret:x"],
    ["password_length", "plain"],
    ["source_code_hash", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="],
    ["git_sha", "da39a3ee5e6b4b0d3255bfef95601890afd80709"],
    ["token", "arn:aws:secretsmanager:eu-west-1:1:secret:x"],
  ])("but not %s = %s", (name, value) => {
    expect(textOf([change("aws_thing", null, { [name]: value })])).toContain(value);
  });
});

test("whatever is marked, in whatever form, does not come out", () => {
  const secret = fc
    .string({ minLength: 6, maxLength: 30, unit: "grapheme" })
    .filter((text) => /^\S.*\S$/s.test(text));
  const around = fc.constantFrom<(text: string) => unknown>(
    (text) => text,
    (text) => `before ${text} after`,
    (text) => JSON.stringify({ a: [text, `x${text}y`] }),
    (text) => ({ [text]: [text] }),
    (text) => `line\n${text}\nline`,
    (text) => Buffer.from(text).toString("base64"),
  );
  fc.assert(
    fc.property(
      secret,
      fc.array(around, { minLength: 1, maxLength: 3 }),
      fc.boolean(),
      (value, forms, deep) => {
        const id = `«${value}»`;
        const [marked, mask] = deep ? [{ list: ["x", { id }] }, { list: [false, { id: true }] }] : [id, true];
        const elsewhere = forms.map((form) => form(id));
        const changes = [
          change(
            "aws_thing",
            { secret: "old" },
            { secret: marked, elsewhere },
            { change: { before_sensitive: {}, after_sensitive: { secret: mask } } },
          ),
          change("aws_thing", { elsewhere }, null, { name: "gone" }),
        ];
        const output = everyShape(changes, {
          output_changes: { o: { actions: ["create"], before: null, after: elsewhere } },
        });
        for (const form of [id, JSON.stringify(id).slice(1, -1), Buffer.from(id).toString("base64")])
          expect(output).not.toContain(form);
      },
    ),
    { numRuns: 300 },
  );
});
