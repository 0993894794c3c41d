import fc from "fast-check";
import { type Json, readPlan } from "../../../tools/review/plan";
import { toJson } from "../../../tools/review/review";
import { isHarmless, isSecretName, nameBelow, Redactor } from "../../../tools/review/secrets";
import { cpuSeconds, sized, tries } from "../../support/effort";
import { anyText } from "../../support/text";
import { change, planText, reviewOf, shown, textOf } from "./support";

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

/** What hides the secrets that are marked. */
const redactorOf = (...secrets: unknown[]) =>
  new Redactor([readPlan("dev", planText(secrets.map((secret) => withSecret(secret, null))))]);

/** What hides what looks like a credential. */
const plain = redactorOf();

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
  const unmarked = change("aws_thing", null, { a: "hunter2-secret" });
  const moduleCall = (call: object) => ({ configuration: { root_module: { module_calls: { m: call } } } });
  const action = { config_values: { p: ["hunter2-secret", "x"] }, config_sensitive: { p: [true, false] } };
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
      {
        planned_values: { outputs: { o: { sensitive: true, value: "hunter2-secret" } } },
        output_changes: { o: { actions: ["no-op"], before: 1, after: 1 } },
      },
    ],
    [
      "a module's variable's default",
      moduleCall({ module: { variables: { p: { sensitive: true, default: "hunter2-secret" } } } }),
    ],
    [
      "what a module is given",
      moduleCall({
        expressions: { p: { constant_value: { deep: ["hunter2-secret"] } } },
        module: { variables: { p: { sensitive: true } } },
      }),
    ],
    [
      "a module's output",
      moduleCall({
        module: { outputs: { o: { sensitive: true, expression: { constant_value: "hunter2-secret" } } } },
      }),
    ],
    [
      "a module's in a module",
      moduleCall({
        module: moduleCall({ module: { variables: { p: { sensitive: true, default: "hunter2-secret" } } } })
          .configuration.root_module,
      }),
    ],
    ["an action's argument", { action_invocations: [{ address: "action.x.y", ...action }] }],
    [
      "an action's that is put off",
      {
        deferred_action_invocations: [
          { reason: "x", action_invocation: { address: "action.x.y", ...action } },
        ],
      },
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
    expect(everyShape([unmarked], more)).not.toContain("hunter2-secret");
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
    [
      "a private key",
      `-----BEGIN ${"RSA PRIVATE"} KEY-----\n${long}\n${long}\n-----END RSA PRIVATE KEY-----`,
    ],
    ["a cut private key", `-----BEGIN ${"PRIVATE"} KEY-----\n${long}`],
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

describe("a secret is hidden in other forms:", () => {
  const secret = 'hunter2-S"e\\c<r>&t é!';
  const quoted = (text: string) => JSON.stringify(text).slice(1, -1);
  const base64 = (text: string) => Buffer.from(text).toString("base64");
  const base64url = (text: string) => Buffer.from(text).toString("base64url");
  test.each<[string, (text: string) => string]>([
    ["in hexadecimal", (text) => Buffer.from(text).toString("hex")],
    ["in upper hexadecimal", (text) => Buffer.from(text).toString("hex").toUpperCase()],
    ["in lower case", (text) => text.toLowerCase()],
    ["in upper case", (text) => text.toUpperCase()],
    ["in an address", encodeURIComponent],
    ["in an address, lower", (text) => encodeURIComponent(text).replace(/%../g, (hex) => hex.toLowerCase())],
    ["in a form's address", (text) => String(new URLSearchParams({ a: text })).slice(2)],
    [
      "in JSON of Go's",
      (text) => quoted(text).replace(/[<>&]/g, (c) => `\\u00${c.charCodeAt(0).toString(16)}`),
    ],
    [
      "in JSON of .NET's",
      (text) => quoted(text).replace("<", "\\u003C").replace(">", "\\u003E").replace("&", "\\u0026"),
    ],
    ["in JSON of Python's", (text) => quoted(text).replace("é", "\\u00e9")],
    ["in JSON, two deep", (text) => quoted(quoted(text))],
    ["in JSON, three deep", (text) => quoted(quoted(quoted(text)))],
    [
      "in XML",
      (text) => text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;"),
    ],
    ["in other Unicode", (text) => text.normalize("NFD")],
  ])("%s", (_, written) => {
    expect(redactorOf(secret).text(`a ${written(secret)} b`)).toBe("a (sensitive) b");
  });

  test("in a shell's quotes", () => {
    expect(redactorOf("it's-hunter2").text("echo 'it'\\''s-hunter2'")).toBe("echo '(sensitive)'");
  });

  test.each([
    ["base64", base64],
    ["base64url", base64url],
  ])("in %s, wherever it is in what is encoded", (_, encoded) => {
    for (const before of ["", "u", "u:", "u::", "#!/bin/sh\nexport PW="]) {
      for (const after of ["", "\n", "\n\n", "\n\n\n"]) {
        const whole = encoded(`${before}${secret}${after}`);
        const safe = redactorOf(secret).text(whole);
        expect(safe).toContain("(sensitive)");
        // Of a byte that is encoded together with what is beside it, some bits remain.
        const left = safe.replace("(sensitive)", "").replace(/=+$/, "").length;
        expect(left).toBeLessThanOrEqual(Math.ceil(((before.length + after.length) * 4) / 3) + 3);
      }
    }
  });

  test("in base64, where it is in JSON there", () => {
    expect(redactorOf(secret).text(base64(JSON.stringify({ a: secret })))).toMatch(
      /^.{1,12}\(sensitive\).{0,6}$/,
    );
  });

  test("but what is in base64 by chance is not", () => {
    expect(redactorOf("abcde").text(`x${base64("abcde").slice(0, 4)}y`)).toBe("xYWJjy");
  });
});

describe("of a secret document", () => {
  const document = JSON.stringify({
    Version: "2012-10-17",
    Effect: "Allow",
    Action: "s3:GetObject",
    Service: "lambda.amazonaws.com",
    engine: "postgres",
    version: "15.4",
    region: "eu-west-1",
    name: "hello-dev-db",
    arn: "arn:aws:s3:::bucket",
    port: 5432,
    enabled: "true",
    count: 12,
    user: "u-4711",
    k: "hunter2-x",
    phrase: "correct-horse-battery-staple",
    pin: 987654,
    deep: [{ password: "swordfish", inner: JSON.stringify({ k: "hunter3-x" }) }],
  });
  const redactor = redactorOf(document);

  test.each([
    "hunter2-x",
    "hunter3-x",
    "correct-horse-battery-staple",
    "987654",
    "swordfish",
    "u-4711",
  ])("%s is hidden elsewhere", (leaf) => {
    expect(redactor.text(`<${leaf}>`)).toBe("<(sensitive)>");
  });

  test.each([
    "2012-10-17",
    "Allow",
    "s3:GetObject",
    "lambda.amazonaws.com",
    "postgres",
    "15.4",
    "eu-west-1",
    "hello-dev-db",
    "arn:aws:s3:::bucket",
    "5432",
    "true",
    "12",
  ])("%s is not", (leaf) => {
    expect(redactor.text(`<${leaf}>`)).toBe(`<${leaf}>`);
  });

  test("all is hidden in a document that holds it", () => {
    expect(redactor.text(`[${document}]`)).toBe("[(sensitive)]");
    const parts = everyShape([
      withSecret(document, `[${document}]`),
      withSecret(document, [{ d: document }]),
    ]);
    expect(parts).not.toMatch(/hunter|swordfish|staple|987654/);
  });
});

describe("of a secret map", () => {
  test.each(["hunter2-key", "jane@example.com"])("the key %s is hidden", (key) => {
    expect(redactorOf({ [key]: "v" }).text(`aws_thing.it["${key}"]`)).toBe('aws_thing.it["(sensitive)"]');
  });

  test.each([
    "name",
    "DATABASE_URL",
    "s3_bucket_name",
    "ipv4_address",
    "id1",
  ])("the key %s is shown", (key) => {
    expect(redactorOf({ [key]: "v" }).text(key)).toBe(key);
  });
});

describe("of a secret of several lines", () => {
  test.each([
    ["indented", "alpha-7\nhunter2\n", "a:\n    alpha-7\n    hunter2"],
    ["with other ends", "alpha-7\nhunter2\n", "alpha-7\r\nhunter2"],
    ["that were indented", "  alpha-7\r\n  hunter2\r\n", "hunter2 alpha-7"],
    ["of many characters", "correct horse\nbattery staple", "* battery staple"],
  ])("each is hidden, %s", (_, secret, elsewhere) => {
    expect(redactorOf(secret).text(elsewhere)).not.toMatch(/alpha|hunter|staple/);
  });

  test("but no words of a script", () => {
    const script = "#!/bin/sh\nset -e\nif x; then\n  done\nfi\n------------\nmysql -phunter2-secret\n";
    const safe = redactorOf(script).text("set -e; #!/bin/sh done fi ------------ mysql -phunter2-secret");
    expect(safe).toBe("set -e; #!/bin/sh done fi ------------ (sensitive)");
  });
});

describe("what is set to a secret's name in a text is hidden:", () => {
  test.each([
    ["psql 'host=h password=hunter2 user=u'", "psql 'host=h password=(sensitive) user=u'"],
    ["DB_PASSWORD=hunter2", "DB_PASSWORD=(sensitive)"],
    ["export API_KEY='hun ter2'", "export API_KEY='(sensitive)'"],
    ["pwd: hunter2", "pwd: (sensitive)"],
    ["token = hunter2; x", "token = (sensitive); x"],
    ["https://h/?access_token=hunter2&x=1", "https://h/?access_token=(sensitive)&x=1"],
    ['x {"clientSecret": "hunter\\"2"} y', 'x {"clientSecret": "(sensitive)"} y'],
    ['{\\"password\\":\\"hunter2\\"}', '{\\"password\\":\\"(sensitive)\\"}'],
    ["'token' => 'hunter2'", "'token' => '(sensitive)'"],
    ['{"pin_token":12345678}', '{"pin_token":(sensitive)'],
    ["password=arn:x,password=hunter2", "password=(sensitive)"],
  ])("%s", (text, safe) => {
    expect(plain.text(text)).toBe(safe);
    expect(textOf([change("aws_thing", null, { list: [text] })])).not.toMatch(/hun ?ter/);
  });

  test.each([
    "arn:aws:secretsmanager:eu-west-1:1:secret:db-AbCdEf",
    "token.actions.githubusercontent.com:aud",
    "secretsmanager:GetSecretValue",
    "password = var.db_password",
    "PASSWORD=$DB_PASSWORD",
    "password=$(get x)",
    "secret = arn:aws:secretsmanager:eu-west-1:1:secret:x",
    'if password == "" {',
    "password_length = 24",
    "max_tokens=4096",
    "bypass: x",
    "password: required",
    '"password": null,',
    '"secrets": [{"name": "x"}]',
    "secrets = [",
    "kms_key=hunter2",
  ])("but not in %s", (text) => {
    expect(plain.text(text)).toBe(text);
  });
});

describe("what looks like a credential is hidden where", () => {
  const key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
  test.each([
    ["an AWS secret key is set", `export FOO=${key}\n`, "export FOO=(sensitive)\n"],
    ["an AWS secret key is in an address", `https://x/?k=${key}&y`, "https://x/?k=(sensitive)&y"],
    ["a password holds colons", "postgres://u:pa:ss@h/db", "postgres://u:(sensitive)@h/db"],
    ["a password holds a slash", "postgres://u:pa/ss@h/db", "postgres://u:(sensitive)@h/db"],
    ["a password holds an @", "x postgres://u:pa@ss@h/db y", "x postgres://u:(sensitive)@h/db y"],
    ["there is no user", "redis://:hunter2@h", "redis://:(sensitive)@h"],
    ["two addresses touch", "a://u:p1@h,b://u:p2@h", "a://u:(sensitive)@h,b://u:(sensitive)@h"],
    [
      "a key is PGP's",
      `a -----BEGIN ${"PGP PRIVATE"} KEY BLOCK-----\n\nlQOYBG=\n-----END PGP PRIVATE KEY BLOCK----- b`,
      "a (sensitive) b",
    ],
    ["a token is longer than known", `ghp_${"a1".repeat(300)} x`, "(sensitive) x"],
  ])("%s", (_, text, safe) => {
    expect(plain.text(text)).toBe(safe);
  });

  test.each([
    "sha1=da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "hash=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
    "https://registry.example.com:4873/@scope/package",
    "https://github.com/o/r.git@v1:x",
    "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----",
  ])("but not in %s", (text) => {
    expect(plain.text(text)).toBe(text);
  });
});

describe("names", () => {
  test.each([
    "password",
    "DB_PASS",
    "dbPass",
    "PASSPHRASE",
    "SIGNING_KEY",
    "PRIVATE_KEY",
    "CREDENTIALS",
    "apiKey",
    "GITHUB_TOKEN",
    "private_key_pem",
    "secret_string",
    "password1",
    "token_value",
    "client-secret",
    "psk",
  ])("%s is a secret's", (name) => {
    expect(isSecretName(name)).toBe(true);
  });

  test.each([
    "key_id",
    "kms_key",
    "public_key",
    "secret_arn",
    "secret_name",
    "token_id",
    "password_length",
    "compass",
    "bypass",
    "max_tokens",
    "creation_token",
    "kms_key_id",
    "image_pull_credentials_type",
    "encryption_key",
    "",
  ])("%s is not", (name) => {
    expect(isSecretName(name)).toBe(false);
  });

  test("what is below a secret's name is one, but what describes it", () => {
    expect(nameBelow("api_tokens", 0)).toBe("api_tokens");
    expect(nameBelow("password", "current")).toBe("password");
    for (const key of ["name", "valueFrom", "secret_arn", "type", "kms_key_id"])
      expect(isSecretName(nameBelow("secrets", key))).toBe(false);
    expect(nameBelow("environment", "current")).toBe("current");
  });

  test.each<[boolean, Json | undefined]>([
    [true, null],
    [true, undefined],
    [true, false],
    [true, 24],
    [true, "arn:aws:x"],
    [true, []],
    [true, { a: ["true", 1] }],
    [false, "hunter2"],
    [false, 12345678],
    [false, ["true", "hunter2"]],
    [false, { a: { b: "hunter2" } }],
  ])("it is %s that %j is harmless", (harmless, value) => {
    expect(isHarmless(value)).toBe(harmless);
  });
});

describe("what somebody made to be slow is read at once:", () => {
  test.each([
    "-eyJ",
    "eyJaaaaaaaaaa-",
    "eyJaaaaaaaaaa.",
    "AKIA",
    "ghp_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "hooks.slack.com/services/",
    "sk_live_",
    "AIza-",
    "npm_",
    "SG.",
    "SG.aaaaaaaaaaaaaaaa",
    `-----BEGIN ${"PRIVATE"} KEY-----`,
    "-----BEGIN ",
    "-----",
    "-",
    "://",
    "://a:",
    "://a:b@",
    "://a.b.c",
    "://a:b/",
    "password",
    "password=",
    "password='",
    'token=\\"',
    "token=arn:",
    "token: ",
    "secret_",
    "a",
    "A1b/",
    "pass ",
    "\\",
    '"',
    " ",
    "{",
    "} ",
    "[ ",
  ])("%j many times", (piece) => {
    const text = piece.repeat(sized(200_000) / piece.length);
    expect(cpuSeconds(() => plain.text(text))).toBeLessThan(0.5);
    expect(cpuSeconds(() => plain.text(`{${text}`))).toBeLessThan(0.5);
  });

  // More than a regular expression can look back on: for each character that it may give back, V8 keeps eight bytes of 64 MB.
  test("a private key, a token, a password and an ARN of megabytes", () => {
    const much = "a1B".repeat(sized(3_500_000));
    for (const [begin, safe] of [
      [`-----BEGIN ${"PRIVATE"} KEY-----`, "(sensitive)"],
      ["ghp_", "(sensitive)"],
      ["a://u:", `a://u:${much}`],
      ["password=", "password=(sensitive)"],
      ["password=arn:", "password=(sensitive)"],
    ])
      expect(plain.text(begin + much) === safe).toBe(true);
  });

  test("secrets of one beginning and many lengths, over much text of it", () => {
    const redactor = redactorOf(
      Array.from({ length: sized(2000) }, (_, index) => `${"a".repeat(index + 4)}b`),
    );
    expect(cpuSeconds(() => redactor.text("a".repeat(sized(2_000_000))))).toBeLessThan(5);
  });

  test("a long secret that overlaps itself", () => {
    const redactor = redactorOf("a".repeat(sized(10_000)));
    let safe = "";
    expect(cpuSeconds(() => (safe = redactor.text(`x${"a".repeat(sized(1_000_000))}`)))).toBeLessThan(5);
    expect(safe).toBe("x(sensitive)");
  });

  test("thousands of secrets over megabytes", () => {
    const secrets = Array.from(
      { length: sized(5_000) },
      (_, index) => `s3cr3t-${index * 7919}-${"w".repeat(index % 50)}`,
    );
    const redactor = redactorOf(secrets);
    const text = "arn:aws:iam::111111111111:role/some-thing ".repeat(sized(50_000));
    expect(cpuSeconds(() => redactor.text(text))).toBeLessThan(0.5);
    expect(redactor.text(secrets.join(" "))).toBe(secrets.map(() => "(sensitive)").join(" "));
  });
});

test("of many secrets, those are hidden that are there, and nothing else", () => {
  const word = fc.string({
    minLength: 4,
    maxLength: 12,
    unit: fc.constantFrom("x", "y", "\u4e2d", "\ud83d\ude00"),
  });
  fc.assert(
    fc.property(
      fc.array(word, { minLength: 1, maxLength: 30 }),
      fc.array(word, { maxLength: 30 }),
      (secrets, words) => {
        const text = words.join("-");
        const hidden = new Array<boolean>(text.length).fill(false);
        for (const secret of secrets.flatMap((one) => (one.length < 4 ? [] : [one])))
          for (let at = text.indexOf(secret); at !== -1; at = text.indexOf(secret, at + 1))
            hidden.fill(true, at, at + secret.length);
        const expected = [...text.split("").entries()]
          .map(([at, character]) => (!hidden[at] ? character : hidden[at - 1] ? "" : "(sensitive)"))
          .join("");
        expect(redactorOf(...secrets).text(text)).toBe(expected);
      },
    ),
    { numRuns: tries(100) },
  );
});

test("whatever is marked, in whatever form, does not come out", () => {
  const secret = anyText({ minLength: 6, maxLength: 30 }).filter((text) => /^\S.*\S$/s.test(text));
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
        const hidden = [id, JSON.stringify(id).slice(1, -1), Buffer.from(id).toString("base64")];
        expect(hidden.filter((form) => output.includes(form))).toEqual([]);
      },
    ),
    { numRuns: tries(300) },
  );
});
