import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "../../support/settings";
import { runTool, startTool, type ToolRun } from "../../support/tools";
import { fixture } from "./fixtures";
import { change, planText } from "./support";

jest.setTimeout(60_000);

const REVIEW = "tools/review/index.ts";
/** In this project, with a text on its standard input. */
const within = (input = "") => ({ cwd: ROOT, env: { PATH: process.env.PATH }, input, isExact: true });

const told = async (run: Promise<ToolRun>) => {
  const { exitCode: status, stdout, stderr } = await run;
  return { status, stdout, stderr };
};
const review = (args: readonly string[], input?: string) => told(runTool(REVIEW, args, within(input)));
/** By a process of its own. */
const started = (args: readonly string[], input?: string) =>
  told(startTool(REVIEW, args, within(input)).ended);

const folder = mkdtempSync(join(tmpdir(), "slipway-review-"));

/** A file of this content. */
function file(name: string, content: string | Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const plan = (name: string) => fixture(name).path;
const quiet = file("quiet.json", planText([]));
const delet = file("delete.json", planText([change("aws_thing", { a: 1 }, null)]));
const odd = file(
  "odd.json",
  planText([change("aws_thing", { a: 1 }, { a: 2 }, { change: { actions: ["swap"] } })]),
);

/** Exit code 2: the reason and the mend, nothing that could be taken for a review, and no trace. */
async function expectRefused(
  args: readonly string[],
  reason: RegExp,
  { says = [""], input = "" } = {},
): Promise<void> {
  const { status, stdout, stderr } = await review(args, input);
  expect(stderr).toMatch(reason);
  for (const words of says) expect(stderr).toContain(words);
  expect(stderr).not.toMatch(/^\s+at |Error:|node:internal/m);
  expect([status, stdout]).toEqual([2, ""]);
}

const USAGE = "Usage: npm run --silent review -- [--plan NAME=FILE]";
const HOW = "Make it with: terraform show -json PLANFILE";

describe("reviews", () => {
  test("what is given, and writes nothing else", async () => {
    expect(await started(["--plan", `prod=${plan("delete")}`, "--format", "text"])).toEqual({
      status: 0,
      stderr: "",
      stdout: expect.stringMatching(
        /^Plan review: 0 to add, 0 to change, 2 to destroy\. Risks: delete\.\n\nDestroys \(2\)\n/,
      ),
    });
  });

  test("as GitHub's Markdown where no format is named", async () => {
    const { stdout } = await review(["--plan", quiet]);
    expect(stdout).toBe("> [!NOTE]\n> **Plan review: no changes.**\n\n");
  });

  test("through npm, which adds nothing to it", async () => {
    const npm = spawnSync(
      "npm",
      ["run", "--silent", "review", "--", "--plan", delet, "--fail-on", "delete"],
      {
        cwd: ROOT,
        env: { PATH: process.env.PATH },
        encoding: "utf8",
      },
    );
    const plain = await review(["--plan", delet]);
    expect([npm.status, npm.stdout]).toEqual([1, plain.stdout]);
  });

  test("several plans together, each under its name or its file's", async () => {
    const { status, stdout } = await review([
      "--format",
      "text",
      "--plan",
      `prod=${delet}`,
      "--plan",
      delet,
      quiet,
    ]);
    expect([status, stdout.split("\n").slice(0, 6)]).toEqual([
      0,
      [
        "Plan review: 0 to add, 0 to change, 2 to destroy. Risks: delete.",
        "  prod: 0 to add, 0 to change, 1 to destroy. Risks: delete.",
        "  delete: 0 to add, 0 to change, 1 to destroy. Risks: delete.",
        "  quiet: no resource changes.",
        "",
        "Destroys (1)",
      ],
    ]);
  });

  test("a plan whose path has an equals sign", async () => {
    const path = file("a=b.json", readFileSync(delet));
    const { stdout } = await review(["--format", "text", path]);
    expect(stdout).toContain("\na=b: 1 resource\n");
  });

  test.each([
    ["-", "standard input"],
    ["prod=-", "prod"],
  ])("standard input as %s", async (given, name) => {
    const { status, stdout } = await started(
      ["--format", "text", "--plan", given],
      readFileSync(delet, "utf8"),
    );
    expect([status, stdout.split("\n").at(-5)]).toEqual([0, `${name}: 1 resource`]);
  });

  test("a plan of a later minor version with keys that nobody knows", async () => {
    const changes = [change("aws_thing", null, { a: 1 }, { invented: [1], change: { invented: true } })];
    const later = file("later.json", planText(changes, { format_version: "1.99", invented: { a: 1 } }));
    const { status, stdout } = await review(["--format", "text", later]);
    expect([status, stdout.split("\n")[0]]).toEqual([0, "Plan review: 1 to add, 0 to change, 0 to destroy."]);
  });

  test("a plan that Windows' shell has marked", async () => {
    const marked = file("marked.json", `\uFEFF${planText([])}`);
    expect((await review([marked])).status).toBe(0);
  });
});

describe("fails with the reason and the mend, and writes no review, when it is given", () => {
  const whole = readFileSync(plan("everything"), "utf8");
  const state = '{"version": 4, "serial": 1, "lineage": "x", "resources": []}';
  const text = fixture("no-op").text;

  test.each<[string, string | Buffer, RegExp]>([
    ["an empty file", "", /is not reviewed: it is empty\./],
    ["blanks", " \n\n", /is not reviewed: it is empty\./],
    ["half of a plan", whole.slice(0, whole.length / 2), /is not reviewed: it is not whole, or not JSON/],
    [
      "a plan without its last brace",
      whole.trimEnd().slice(0, -1),
      /is not reviewed: it is not whole, or not JSON/,
    ],
    [
      "a saved plan",
      Buffer.from([0x50, 0x4b, 3, 4, 0x14, 0, 8, 0xff, 0xfe]),
      /is not reviewed: it is a saved plan itself/,
    ],
    ["what Terraform tells people", text, /is not reviewed: it is not JSON\./],
    [
      "the log of a plan",
      '{"@level":"info","type":"version"}\n{"@level":"info"}\n',
      /it is the log of terraform plan -json/,
    ],
    ["a state file", state, /is not reviewed: it is a state file, and no plan\./],
    [
      "a state that is shown",
      '{"format_version": "1.0", "values": {}}',
      /it is a state, shown as JSON, and no plan\./,
    ],
    [
      "foreign JSON",
      '{"name": "slipway"}',
      /is not reviewed: it is JSON without format_version, so no plan\./,
    ],
    ["a list", "[]", /is not reviewed: it is JSON, but no plan\./],
    [
      "a plan without its changes",
      '{"format_version": "1.2", "planned_values": {"root_module": {"resources": [{}]}}}',
      /it is not whole\./,
    ],
    [
      "changes of another shape",
      planText([{ address: "a.b", change: {} }]),
      /resource_changes\[0\]\.change\.actions is not as in any plan/,
    ],
  ])("%s", async (_, content, reason) => {
    const path = file("broken.json", content);
    const says = [`${path} is not reviewed: `, HOW];
    await expectRefused(["--plan", `prod=${path}`, "--format", "json"], reason, { says });
  });

  test("a plan of another major version", async () => {
    const path = file("major.json", planText([], { format_version: "2.0" }));
    await expectRefused(
      [path],
      /its format_version is "2\.0", and this reads 1\.x: update Slipway, or plan with /,
    );
  });

  test("a plan that is nested deeper than any", async () => {
    const deep = `${"[".repeat(200_000)}${"]".repeat(200_000)}`;
    const path = file(
      "deep.json",
      planText([change("aws_thing", null, { a: "DEEP" })]).replace('"DEEP"', deep),
    );
    await expectRefused([path], /nested deeper than any/);
  });

  test("no such file", () =>
    expectRefused(["--plan", join(folder, "none.json")], /none\.json cannot be read: ENOENT/));
  test("a folder", () => expectRefused(["--plan", folder], /cannot be read: EISDIR/));
  test("nothing on standard input", () =>
    expectRefused(["-"], /^Standard input is not reviewed: it is empty\./));

  test("one good plan and one that is not", async () => {
    const broken = file("one-broken.json", whole.slice(0, 1000));
    for (const args of [
      [delet, broken],
      [broken, delet],
    ])
      await expectRefused(
        [...args, "--fail-on", "delete"],
        /one-broken\.json is not reviewed: it is not whole/,
      );
  });
});

describe("fails with the usage when it is asked for", () => {
  test.each<[string, string[], RegExp]>([
    ["nothing", [], /^No plan is named\./],
    [
      "another format",
      [quiet, "--format", "html"],
      /^--format is "html"; it is one of markdown, text, json\./,
    ],
    [
      "a limit that is no number",
      [quiet, "--limit", "64k"],
      /^--limit is "64k"; it is a number of bytes, 0 for any\./,
    ],
    ["a limit below nothing", [quiet, "--limit=-1"], /^--limit is "-1"/],
    ["no limit", [quiet, "--limit", ""], /^--limit is ""/],
    [
      "an unknown risk",
      [quiet, "--fail-on", "delete,destroy"],
      /^--fail-on has "destroy"; risks are delete, replace, forget, access,/,
    ],
    ["no risk", [quiet, "--fail-on", ""], /^--fail-on has ""/],
    ["an option that it has not", [quiet, "--verbose"], /--verbose/],
    ["an option without its value", [quiet, "--format"], /--format/],
    ["a plan without a name", [`=${quiet}`], /^--plan is "=.*"; it is NAME=FILE, or FILE\./],
    ["a plan without a file", ["prod="], /^--plan is "prod="; it is NAME=FILE, or FILE\./],
    [
      "two plans of one name",
      ["--plan", `prod=${quiet}`, "--plan", `prod=${delet}`],
      /^Two plans are named "prod": give each its name/,
    ],
    ["two plans of one file name", [quiet, quiet], /^Two plans are named "quiet"/],
  ])("%s", async (_, args, reason) => {
    await expectRefused(args, reason);
  });

  test.each([
    [[]],
    [[quiet, "--format", "html"]],
    [[quiet, "--verbose"]],
  ])("of which it tells: %j", async (args) => {
    await expectRefused(args, /\n/, { says: [USAGE] });
  });
});

describe("--fail-on", () => {
  const drift = plan("drift-only");
  test.each<[string, number, string[]]>([
    ["is 1 where the risk is there", 1, [delet, "--fail-on", "delete"]],
    ["is 0 where it is not", 0, [delet, "--fail-on", "replace"]],
    ["is 0 where nothing is feared", 0, [delet]],
    ["takes a list", 1, [delet, "--fail-on", "replace,access, delete"]],
    ["takes several", 1, [delet, "--fail-on", "delete", "--fail-on", "access"]],
    ["is of all plans together", 1, [quiet, delet, "--fail-on", "delete"]],
    ["knows drift", 1, [drift, "--fail-on", "drift"]],
    [
      "knows each risk by itself",
      0,
      [drift, "--fail-on", "delete,replace,forget,access,network,check,deferred,errored,unknown"],
    ],
    ["fails for words that nobody knows, whatever is feared", 1, [odd, "--fail-on", "drift"]],
    ["is 0 for them only where nothing is feared", 0, [odd]],
  ])("%s", async (_, status, args) => {
    const { status: found, stdout, stderr } = await review([...args, "--format", "text"]);
    expect([found, stderr, stdout.slice(0, 12)]).toEqual([status, "", "Plan review:"]);
  });

  test("changes nothing of the review", async () => {
    expect((await review([delet, "--fail-on", "delete"])).stdout).toBe((await review([delet])).stdout);
  });
});

describe("--format json", () => {
  test("is one document with a version, counts and risks, whatever the limit", async () => {
    const { status, stdout } = await review([
      `prod=${plan("everything")}`,
      "--format",
      "json",
      "--limit",
      "10",
    ]);
    const reviewed = JSON.parse(stdout);
    expect([status, stdout.endsWith("}\n")]).toEqual([0, true]);
    expect(reviewed).toMatchObject({
      version: 1,
      counts: { import: 2, destroy: expect.any(Number) },
      risks: expect.arrayContaining(["delete", "replace", "forget", "drift", "check"]),
      plans: [{ name: "prod", counts: reviewed.counts, risks: reviewed.risks }],
      failed: [],
    });
    expect(reviewed.plans[0].resources).toContainEqual(
      expect.objectContaining({ address: "terraform_data.deleted", kind: "delete", actions: ["delete"] }),
    );
  });

  test("of nothing has no risks", async () => {
    const { stdout } = await review([quiet, "--format", "json"]);
    expect(JSON.parse(stdout)).toMatchObject({
      version: 1,
      risks: [],
      counts: { add: 0, change: 0, destroy: 0 },
    });
  });
});

describe("--limit", () => {
  const many = plan("many");
  const bytes = async (args: string[]) => {
    const { status, stdout, stderr } = await review([many, ...args]);
    return { status, stderr, stdout, bytes: Buffer.byteLength(stdout) };
  };

  test("is GitHub's where none is named; what is left out is said", async () => {
    const found = await bytes([]);
    expect(found).toMatchObject({ status: 0, stderr: "" });
    expect(found.bytes).toBeLessThanOrEqual(65_536);
    expect(found.stdout).toMatch(
      /Left out to stay within 65536 bytes: .*\. The whole: run the review with --limit 0\.\*\n$/,
    );
  });

  test("0 is the whole", async () => {
    const found = await bytes(["--limit", "0"]);
    expect(found.bytes).toBeGreaterThan(65_536);
    expect(found.stdout).not.toContain("Left out");
    expect(found.stdout).toContain("<code>terraform_data.a&#91;499&#93;</code>");
  });

  test("that is too small for what must be told is told on standard error", async () => {
    const found = await bytes(["--limit", "100"]);
    expect(found.status).toBe(0);
    expect(found.stderr).toBe(
      `The review has ${found.bytes} bytes, more than the 100 of --limit: what destroys or widens access is never left out.\n`,
    );
    expect(found.stdout).toContain("replace: `terraform_data.a[0-99]`");
  });
});
