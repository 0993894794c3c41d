import fc from "fast-check";
import { micromark } from "micromark";
import { gfm, gfmHtml } from "micromark-extension-gfm";
import { type DefaultTreeAdapterTypes, parseFragment } from "parse5";
import { readPlan } from "../../../tools/review/plan";
import { render } from "../../../tools/review/render";
import { type Review, review } from "../../../tools/review/review";
import { sized, tries } from "../../support/effort";
import { change, markdownOf, planText, reviewOf, shown, textOf } from "./support";

type Stack = readonly [name: string, changes: unknown[], more?: object];

const reviewStacks = (stacks: readonly Stack[], failed: { name: string; failure: string }[] = []): Review =>
  review(
    stacks.map(([name, changes, more]) => readPlan(name, planText(changes, more))),
    failed,
  );

const policy = (...Action: string[]) =>
  JSON.stringify({ Version: "2012-10-17", Statement: { Effect: "Allow", Action, Resource: "*" } });
const replaced = { change: { actions: ["delete", "create"], replace_paths: [["a"]] } };
const noOp = { change: { actions: ["no-op"] } };

/** One of each: what is seen of a plan that has all. */
const CHANGES = [
  change("aws_thing", { a: 1 }, { a: 2 }, { name: "changed" }),
  change("aws_thing", { a: 1 }, null, { name: "gone", action_reason: "delete_because_no_resource_config" }),
  change("aws_s3_bucket", { a: 1 }, { a: 2 }, { name: "replaced", ...replaced }),
  change("aws_thing", { a: 1 }, null, { name: "forgotten", change: { actions: ["forget"] } }),
  change("aws_thing", { a: 1 }, { a: 2 }, { name: "odd", change: { actions: ["swap"] } }),
  change("aws_iam_policy", { policy: policy("s3:A") }, { policy: policy("s3:A", "s3:B") }, { name: "wide" }),
  change(
    "aws_iam_policy",
    { policy: policy("s3:A", "s3:B") },
    { policy: policy("s3:A") },
    { name: "narrow" },
  ),
  change("aws_thing", { a: 1 }, { a: 1 }, { name: "moved", previous_address: "aws_thing.old", ...noOp }),
  change("aws_thing", { a: 1 }, { a: 1 }, { name: "same", ...noOp }),
  change("aws_thing", null, { a: 1 }, { name: "new" }),
];
const check = (status: string, name = status) => ({
  address: { to_display: `check.${name}` },
  status,
  instances: [{ address: { to_display: `check.${name}` }, status, problems: [{ message: "It is not." }] }],
});
const MORE = {
  resource_drift: [change("aws_thing", { a: 1 }, { a: 9 }, { name: "drifted" })],
  checks: [check("fail"), check("pass"), check("unknown")],
  output_changes: { url: { actions: ["update"], before: "a", after: "b" } },
  deferred_changes: [
    { reason: "deferred_prereq", resource_change: change("aws_thing", null, { a: 1 }, { name: "later" }) },
  ],
  action_invocations: [{ address: "action.aws_lambda_invoke.it" }],
  complete: false,
};

test("what a reader must know comes first, the rest is folded by stack", () => {
  expect(textOf(CHANGES, MORE)).toBe(`\
Plan review: 2 to add, 3 to change, 2 to destroy, 1 to forget, 1 to move, 1 output. Risks: delete, replace, forget, access, drift, check, deferred, unknown.

Needs review (1)
  aws_thing.odd: actions that this review does not know: swap. Read the plan itself

Destroys (3)
  delete aws_thing.gone: it is no longer in the configuration
  replace aws_s3_bucket.replaced (the old one goes first), forced by a. It holds data
  forget aws_thing.forgotten: it stays, and nobody manages it

Widens access (1)
  aws_iam_policy.wide allows s3:B on *

Drifted (1)
  aws_thing.drifted was changed outside of Terraform
      - a = 1
      + a = 9

Checks (2)
  check.fail fails: It is not.
  check.unknown is decided only by the apply: It is not.

Outputs (1)
  change url
      - value = "a"
      + value = "b"

Deferred, or with errors (2)
  the plan is not complete: parts of the configuration are left out, or put off
  put off: create aws_thing.later, because it depends on what was put off
      + a = 1

Narrows access (1)
  aws_iam_policy.narrow no longer allows s3:B on *

Invokes (1)
  the action action.aws_lambda_invoke.it

dev: 9 resources; 1 unchanged, 1 check passed
  ~ aws_thing.changed: 1 attribute
      - a = 1
      + a = 2
  - aws_thing.gone
      - a = 1
  -/+ aws_s3_bucket.replaced
      - a = 1
      + a = 2  # forces replacement
  . aws_thing.forgotten
      - a = 1
  ? aws_thing.odd
      - a = 1
      + a = 2
  ~ aws_iam_policy.wide: 1 attribute
      + policy → Statement[0].Action[1] = "s3:B"
  ~ aws_iam_policy.narrow: 1 attribute
      - policy → Statement[0].Action[1] = "s3:B"
    aws_thing.moved, moved from aws_thing.old
  + aws_thing.new
      + a = 1

`);
});

test("in Markdown, too", () => {
  expect(markdownOf(CHANGES.slice(0, 2))).toBe(`\
> [!CAUTION]
> **Plan review: 0 to add, 1 to change, 1 to destroy. Risks: delete.**

### Destroys (1)

- delete \`aws_thing.gone\`: it is no longer in the configuration

<details><summary><b><code>dev</code></b>: 2 resources</summary>

<details><summary>~ <code>aws_thing.changed</code>: 1 attribute</summary>

\`\`\`diff
- a = 1
+ a = 2
\`\`\`

</details>

<details><summary>- <code>aws_thing.gone</code></summary>

\`\`\`diff
- a = 1
\`\`\`

</details>


</details>

`);
});

describe("the verdict", () => {
  test.each<[string, unknown[], object, string]>([
    ["of nothing", [], {}, "Plan review: no changes."],
    ["of what stays", [CHANGES[8]], {}, "Plan review: no changes."],
    ["of outputs alone", [], { output_changes: MORE.output_changes }, "Plan review: 1 output."],
    ["of a move", [CHANGES[7]], {}, "Plan review: 1 to move."],
    [
      "of what is forgotten, which Terraform does not count",
      [CHANGES[3]],
      {},
      "Plan review: 0 to add, 0 to change, 0 to destroy, 1 to forget. Risks: forget.",
    ],
    [
      "of an import",
      [change("aws_thing", { a: 1 }, { a: 1 }, { change: { actions: ["no-op"], importing: { id: "x" } } })],
      {},
      "Plan review: 1 to import, 0 to add, 0 to change, 0 to destroy.",
    ],
    [
      "of drift alone",
      [],
      { resource_drift: MORE.resource_drift },
      "Plan review: no resource changes. Risks: drift.",
    ],
    ["of a failed check", [], { checks: MORE.checks }, "Plan review: no resource changes. Risks: check."],
    ["of an error", [], { errored: true }, "Plan review: no resource changes. Risks: errored."],
    ["of a word that nobody knows", [CHANGES[4]], {}, "Plan review: no resource changes. Risks: unknown."],
  ])("%s", (_, changes, more, line) => {
    expect(textOf(changes, more).split("\n")[0]).toBe(line);
  });

  test.each([
    ["CAUTION", CHANGES, MORE],
    ["WARNING", [], { resource_drift: MORE.resource_drift }],
    ["NOTE", [CHANGES[0]], {}],
    ["NOTE", [], {}],
  ])("is a %s", (alert, changes, more) => {
    expect(markdownOf(changes, more)).toMatch(new RegExp(`^> \\[!${alert}\\]\n> \\*\\*Plan review: `));
  });
});

describe("several stacks", () => {
  test("each has its line and its fold; the same of several is told once", () => {
    const other = change("aws_thing", { a: 1 }, null, { name: "other" });
    const { text } = shown(
      reviewStacks([
        ["dev", CHANGES.slice(0, 2)],
        ["prod", [CHANGES[1], other]],
        ["idle", []],
      ]),
    );
    expect(text).toBe(`\
Plan review: 0 to add, 1 to change, 3 to destroy. Risks: delete.
  dev: 0 to add, 1 to change, 1 to destroy. Risks: delete.
  prod: 0 to add, 0 to change, 2 to destroy. Risks: delete.
  idle: no resource changes.

Destroys (2)
  dev, prod: delete aws_thing.gone: it is no longer in the configuration
  prod: delete aws_thing.other

dev: 2 resources
  ~ aws_thing.changed: 1 attribute
      - a = 1
      + a = 2
  - aws_thing.gone
      - a = 1

prod: 2 resources
  - aws_thing.gone
      - a = 1
  - aws_thing.other
      - a = 1

`);
  });

  test("what differs in what lies below it is not the same", () => {
    const drifted = (after: number) => ({ resource_drift: [change("aws_thing", { a: 1 }, { a: after })] });
    const titles = (first: number, second: number) =>
      shown(
        reviewStacks([
          ["dev", [], drifted(first)],
          ["prod", [], drifted(second)],
        ]),
      ).text.match(/^ {2}.*was changed/gm);
    expect(titles(2, 2)).toEqual(["  dev, prod: aws_thing.it was changed"]);
    expect(titles(2, 3)).toEqual(["  dev: aws_thing.it was changed", "  prod: aws_thing.it was changed"]);
  });

  test("every one of many is named", () => {
    const names = Array.from({ length: 20 }, (_, index) => `stack-${index}`);
    const { text } = shown(reviewStacks(names.map((name) => [name, [CHANGES[1]]])));
    expect(text).toContain(`\n  ${names.join(", ")}: delete aws_thing.gone`);
  });
});

describe("a plan that failed", () => {
  const failure =
    "\nError: Invalid <b>reference</b>\n\n  on main.tf line 3:\n   3:   a = `local.x`\n```\n@octocat\n";

  test("is told first, with Terraform's own words", () => {
    expect(
      shown(
        reviewStacks(
          [["dev", [CHANGES[1]]]],
          [{ name: "prod", failure: "Error: no\n\n  on main.tf line 3" }],
        ),
      ).text,
    ).toBe(`\
Plan review: 1 plan failed; 0 to add, 0 to change, 1 to destroy. Risks: delete, errored.
  dev: 0 to add, 0 to change, 1 to destroy. Risks: delete.
  prod: the plan failed

Failed (1)
  prod: the plan failed
      Error: no
      
        on main.tf line 3

Destroys (1)
  dev: delete aws_thing.gone: it is no longer in the configuration

dev: 1 resource
  - aws_thing.gone
      - a = 1

`);
  });

  test("alone is no review without changes", () => {
    const { text } = shown(reviewStacks([], [{ name: "prod", failure }]));
    expect(text.split("\n")[0]).toBe("Plan review: 1 plan failed; no resource changes. Risks: errored.");
  });

  test("has its words in a fence that they cannot leave", () => {
    const { text } = shown(reviewStacks([["dev", []]], [{ name: "prod", failure }]), "markdown");
    expect(elements(text).filter(({ words }) => /octocat|reference|local/.test(words))).toEqual([
      { path: "ul li pre code", words: expect.stringContaining("@octocat") },
    ]);
  });

  test("has no secret of another plan's", () => {
    const secret = change(
      "aws_thing",
      null,
      { a: "hunter2-secret" },
      { change: { after_sensitive: { a: true } } },
    );
    const { text } = shown(
      reviewStacks([["dev", [secret]]], [{ name: "prod", failure: "Error: hunter2-secret is bad" }]),
    );
    expect(text).toContain("\n      Error: (sensitive) is bad\n");
  });

  test("is told at every limit, though its words may have no room", () => {
    const reviewed = reviewStacks([["dev", CHANGES, MORE]], [{ name: "prod", failure: "x\n".repeat(3000) }]);
    for (const limit of [1, 2000, 65_536])
      expect(shown(reviewed, "text", limit).text).toContain("\nFailed (1)\n  prod: the plan failed\n");
  });
});

/** What a reader sees: texts, and in what they stand. */
function elementsOf(html: string): { path: string; words: string }[] {
  const found: { path: string; words: string }[] = [];
  const walk = (node: DefaultTreeAdapterTypes.Node, path: readonly string[]) => {
    if (node.nodeName === "#text" && "value" in node && node.value.trim())
      found.push({ path: path.join(" "), words: node.value });
    const within = "tagName" in node ? [...path, node.tagName] : path;
    if ("childNodes" in node) for (const child of node.childNodes) walk(child, within);
  };
  walk(parseFragment(html), []);
  return found;
}

const htmlOf = (markdown: string) =>
  micromark(markdown, { extensions: [gfm()], htmlExtensions: [gfmHtml()], allowDangerousHtml: true });

const elements = (markdown: string) => elementsOf(htmlOf(markdown));

/** What has neither attributes nor a reason, after what has: Markdown must begin again. */
test("a line after a fold is Markdown, whatever is in it", () => {
  const hostile = 'aws_thing.it["<img src=x>``@octocat"]';
  const moved = change(
    "aws_thing",
    { a: 1 },
    { a: 1 },
    { address: hostile, previous_address: hostile, ...noOp },
  );
  const found = elements(markdownOf([CHANGES[0], moved, CHANGES[0]]));
  const told = found.filter(({ words }) => words.includes("octocat"));
  expect(told).toEqual([
    { path: "details ul li code", words: hostile },
    { path: "details ul li code", words: hostile },
  ]);
});

/** Kinds of changes in turn; the address tells which, and `must` which of them nobody may miss. */
const KINDS: readonly { must: boolean; make: (index: number) => { address: string } }[] = [
  {
    must: false,
    make: (i) =>
      change("aws_thing", null, { a: i, b: "é".repeat(i % 50) }, { address: `aws_thing.new[${i}]` }),
  },
  {
    must: false,
    make: (i) =>
      change("aws_thing", { t: "a\nb\n" }, { t: "a\n😀\n" }, { address: `module.m["é${i}"].aws_thing.it` }),
  },
  { must: true, make: (i) => change("aws_thing", { a: i }, null, { address: `aws_thing.gone[${i}]` }) },
  {
    must: true,
    make: (i) =>
      change(
        "aws_thing",
        { a: i },
        { a: -i },
        { address: `module.m["k${i}"].aws_thing.replaced`, ...replaced },
      ),
  },
  {
    must: false,
    make: (i) =>
      change(
        "aws_thing",
        { a: i },
        { a: i },
        { address: `aws_thing.moved["${i}"]`, previous_address: "aws_thing.x", ...noOp },
      ),
  },
  {
    must: true,
    make: (i) =>
      change(
        "aws_iam_policy",
        { policy: policy("s3:A") },
        { policy: policy("s3:A", `s3:B${i}`) },
        { address: `aws_iam_policy.wide[${i}]` },
      ),
  },
  {
    must: true,
    make: (i) =>
      change("aws_thing", { a: i }, null, {
        address: `aws_thing.forgotten["${i}"]`,
        change: { actions: ["forget"] },
      }),
  },
  {
    must: false,
    make: (i) =>
      change(
        "aws_thing",
        { tags: { A: `${i}` } },
        { tags: { A: "new" } },
        { address: `aws_thing.tagged["${i}"]` },
      ),
  },
  {
    must: true,
    make: (i) =>
      change(
        "aws_thing",
        { a: i },
        { a: 1 },
        { address: `aws_thing.odd[${i}]`, change: { actions: ["swap"] } },
      ),
  },
  {
    must: true,
    make: (i) =>
      change(
        "aws_security_group_rule",
        null,
        {
          type: "ingress",
          protocol: "tcp",
          cidr_blocks: ["0.0.0.0/0"],
          from_port: i,
          to_port: i,
          security_group_id: "sg-1",
        },
        { address: `aws_security_group_rule.open["${i}"]` },
      ),
  },
];

/** A plan of so many changes, and addresses that must not be missing, or may. */
function mixed(count: number, kinds = KINDS) {
  const made = Array.from({ length: count }, (_, index) => {
    const { must, make } = kinds[index % kinds.length]!;
    return { must, made: make(index) };
  });
  const addresses = (which: boolean) =>
    made.filter(({ must }) => must === which).map(({ made: { address } }) => address);
  return {
    reviewed: reviewOf(made.map(({ made: one }) => one)),
    must: addresses(true),
    may: addresses(false),
  };
}

/** All addresses of a text, those of ranges one by one: of `thing[0-2, 5]` four. */
function addressesIn(text: string): ReadonlySet<string> {
  const plain = text.replace(/&#(\d+);/g, (_, point: string) => String.fromCharCode(Number(point)));
  const single = plain.replace(/([\w."[\]]+)\[([\d, -]+)\]/g, (_, stem: string, ranges: string) =>
    ranges
      .split(", ")
      .map((range) => range.split("-").map(Number))
      .flatMap(([from, to = from]) =>
        Array.from({ length: to! - from! + 1 }, (_, at) => `${stem}[${from! + at}]`),
      )
      .join(" "),
  );
  return new Set(single.split(/[\s`,:<>]+/));
}

const FORMATS = ["markdown", "text"] as const;
const LIMITS = [2000, 5000, 10_000, 20_000, 40_000, 65_536];

/** What holds of a review under whatever limit. */
function expectWithin(
  { reviewed, must }: ReturnType<typeof mixed>,
  format: (typeof FORMATS)[number],
  limit: number,
) {
  const { text, over } = shown(reviewed, format, limit);
  expect([Buffer.byteLength(text) > limit, limit]).toEqual([over, limit]);
  const told = addressesIn(text);
  expect(must.filter((address) => !told.has(address))).toEqual([]);
  return { text, over };
}

describe("under a limit", () => {
  const plans = new Map([5, 200, sized(1000)].map((count) => [count, mixed(count)]));

  test.each(
    [...plans.keys()].flatMap((count) => FORMATS.map((format) => [count, format] as const)),
  )("%i changes as %s: it fits, or says that it cannot; what destroys or widens access is there", (count, format) => {
    const plan = plans.get(count)!;
    const whole = shown(plan.reviewed, format).text;
    const least = shown(plan.reviewed, format, 1).text;
    const [all, few] = [addressesIn(whole), addressesIn(least)];
    expect(plan.may.filter((address) => !all.has(address) && !address.includes("tagged"))).toEqual([]);
    expect(plan.may.filter((address) => few.has(address))).toEqual([]);
    for (const limit of LIMITS) {
      const { text, over } = expectWithin(plan, format, limit);
      // It is over its limit with nothing but what must be there.
      if (over) expect(text).toBe(least.replace("within 1 bytes", `within ${limit} bytes`));
      if (text === whole) continue;
      expect(text).toContain(`Left out to stay within ${limit} bytes: `);
      expect(text).toContain("The whole: elsewhere.");
    }
  });

  test("many of one resource fit as ranges", () => {
    const gone = [...Array(1000).keys()].filter((index) => index !== 500);
    const reviewed = reviewOf(gone.map((index) => KINDS[2]!.make(index)));
    const { text, over } = shown(reviewed, "text", 1000);
    expect(over).toBe(false);
    expect(text).toContain("\nDestroys (999)\n  delete: aws_thing.gone[0-499, 501-999]\n\n");
    expect(text).toMatch(
      /\n {2}… and (9\d\d) more: \1 to delete\n\n {2}Left out to stay within 1000 bytes: the attributes of \d+, \1 lines, why, and how\. The whole: elsewhere\.\n$/,
    );
  });

  test("ranges are told of each stack, and many of them in several names", () => {
    const even = (from: number) =>
      Array.from({ length: 60 }, (_, index) =>
        change("aws_thing", { a: 1 }, null, { address: `aws_thing.gone[${from + index * 2}]` }),
      );
    const { text } = shown(
      reviewStacks([
        ["dev", even(0)],
        ["prod", even(2)],
      ]),
      "text",
      2000,
    );
    const ranges = (from: number, to: number) =>
      Array.from({ length: (to - from) / 2 + 1 }, (_, index) => from + index * 2).join(", ");
    expect(text).toContain(`\n  dev: delete: aws_thing.gone[0]\n`);
    expect(text).toContain(
      `\n  dev, prod: delete: aws_thing.gone[${ranges(2, 40)}], aws_thing.gone[${ranges(42, 80)}], aws_thing.gone[${ranges(82, 118)}]\n`,
    );
    expect(text).toContain(`\n  prod: delete: aws_thing.gone[120]\n`);
  });

  test("everybody who shares in an opening is named, at any limit", () => {
    const rules = Array.from({ length: 30 }, (_, index) => KINDS[9]!.make(index));
    const reviewed = reviewOf(rules);
    for (const limit of [0, 2000, 4000, 65_536]) {
      const { text } = shown(reviewed, "text", limit);
      const widening = text.slice(text.indexOf("Widens"), text.indexOf("\n\ndev:"));
      for (const { address } of rules) expect(widening).toContain(address);
    }
    expect(shown(reviewed, "text", 2000).text.match(/open\["7"\]/g)).toHaveLength(1);
  });

  test("the harmless goes first: attributes before lines, what is new before what changes", () => {
    // The more harmless, the longer: what there is room for at the end is no short one that waits.
    const [short, long] = ["x".repeat(40), "x".repeat(80)];
    const value = "y".repeat(200);
    const changes = Array.from({ length: 20 }, (_, i) => [
      change("aws_thing", { a: value }, null, { name: `gone_${i}` }),
      change("aws_thing", { a: value }, { a: `${value}z` }, { name: `changed_${short}_${i}` }),
      change("aws_thing", null, { a: value }, { name: `new_${long}_${i}` }),
      change("aws_thing", {}, {}, { name: `moved_${long}_${i}`, previous_address: "aws_thing.x", ...noOp }),
    ]).flat();
    const reviewed = reviewOf(changes);
    const parts = (limit: number) => {
      const { text } = shown(reviewed, "text", limit);
      return [/^ {2}delete /gm, /^ {2}~ /gm, /^ {2}\+ /gm, /^ {4}aws_thing\.moved/gm, /^ {6}/gm].map(
        (what) => text.match(what)?.length ?? 0,
      );
    };
    const whole = [20, 20, 20, 20, 20 + 2 * 20 + 20];
    expect(parts(0)).toEqual(whole);
    const seen = new Set<number>();
    for (let limit = 2500; limit < 12_000; limit += 250) {
      const told = parts(limit);
      const first = told.findIndex((count, index) => count < whole[index]!);
      seen.add(first);
      expect([limit, told.slice(first + 1)]).toEqual([limit, told.slice(first + 1).map(() => 0)]);
    }
    expect([...seen]).toEqual([1, 2, 3, 4]);
  });

  test("what is left out is counted by what would happen", () => {
    const { text } = shown(mixed(200).reviewed, "text", 2000);
    expect(text).toContain(
      "  … and 180 more: 40 to create, 40 to change, 20 to delete, 20 to replace, 20 to keep, 20 to forget, and others\n",
    );
  });

  test("bytes are counted, not characters", () => {
    const changes = Array.from({ length: 200 }, (_, index) =>
      change("aws_thing", null, { a: "😀".repeat(40) }, { address: `aws_thing.it["日本語${index}"]` }),
    );
    for (const format of FORMATS) {
      const { text, over } = shown(reviewOf(changes), format, 20_000);
      expect(over).toBe(false);
      expect(Buffer.byteLength(text)).toBeLessThanOrEqual(20_000);
      expect(Buffer.byteLength(text)).toBeGreaterThan(17_000);
      expect(text.length).toBeLessThan(Buffer.byteLength(text) - 1000);
    }
  });

  test("a long address of the whole has its room", () => {
    const { reviewed } = mixed(200);
    const whole = `https://ci.example/${"x".repeat(1000)}`;
    for (const limit of [6000, 8000, 10_000, 20_000]) {
      const { text, over } = render(reviewed, { format: "markdown", limit, whole });
      expect([limit, over]).toEqual([limit, false]);
      expect(text).toContain(`The whole: ${whole}.`);
    }
  });

  test("nothing is said to be left out where nothing is", () => {
    const reviewed = reviewOf(CHANGES, MORE);
    for (const format of FORMATS) expect(shown(reviewed, format, 65_536)).toEqual(shown(reviewed, format, 0));
  });

  test.each([["Failed"], ["Deferred, or with errors"]])("what has no name keeps its line: %s", (title) => {
    const changes = Array.from({ length: 300 }, (_, index) => KINDS[3]!.make(index));
    const reviewed = reviewStacks(
      [["dev", changes, { errored: true }]],
      [{ name: "prod", failure: "Error" }],
    );
    const { text } = shown(reviewed, "markdown", 2000);
    expect(text).toContain(`### ${title} (1)\n\n- \``);
    expect(text).not.toContain("(empty)");
    expect(text).toContain(
      title === "Failed" ? "- `prod`: the plan failed\n" : "- `dev`: Terraform met an error: ",
    );
  });

  test("that a plan is not all of it is told, however many are put off", () => {
    const put = Array.from({ length: 100 }, (_, index) => ({
      reason: "",
      resource_change: KINDS[2]!.make(index),
    }));
    const reviewed = reviewOf([], { errored: true, deferred_changes: put });
    expect(shown(reviewed, "text", 1000)).toEqual({
      over: false,
      text: `\
Plan review: no resource changes. Risks: delete, deferred, errored.

Deferred, or with errors (101)
  put off: aws_thing.gone[0-99]
  Terraform met an error: this is not all that it would do

  Left out to stay within 1000 bytes: why, and how. The whole: elsewhere.
`,
    });
  });

  test("what is too long for the limit waits, and what is short does not wait for it", () => {
    const lines = (mark: string) =>
      Array.from({ length: 300 }, (_, line) => `${mark} ${line} ${"x".repeat(80)}\n`);
    const long = change(
      "aws_thing",
      { t: lines("a").join("") },
      { t: lines("b").join("") },
      { name: "long" },
    );
    const { text, over } = shown(reviewOf([long, CHANGES[0]]), "text", 5000);
    expect([over, text]).toEqual([
      false,
      `\
Plan review: 0 to add, 2 to change, 0 to destroy.

dev: 2 resources
  ~ aws_thing.long: 1 attribute
  ~ aws_thing.changed: 1 attribute
      - a = 1
      + a = 2

  Left out to stay within 5000 bytes: the attributes of 1. The whole: elsewhere.
`,
    ]);
  });

  test("the Markdown is whole: what is opened is closed", () => {
    for (const count of [5, 200]) {
      for (const limit of [2000, 7777, 20_000]) {
        const { text } = shown(plans.get(count)!.reviewed, "markdown", limit);
        expectWhole(text);
      }
    }
  });

  test("however many there are, and whatever the limit", () => {
    const kinds = fc.subarray([...KINDS], { minLength: 1 });
    fc.assert(
      fc.property(
        kinds,
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 1, max: 20_000 }),
        fc.constantFrom(...FORMATS),
        (some, count, limit, format) => {
          const { text } = expectWithin(mixed(count, some), format, limit);
          if (format === "markdown") expectWhole(text);
        },
      ),
      { numRuns: tries(60) },
    );
  });
});

/** Elements where they belong: nothing that is Markdown comes out as text, every fold ends before the next section. */
function expectWhole(markdown: string) {
  const rendered = htmlOf(`${markdown}\n\nThe end\n`);
  expect(rendered.match(/<details>/g)?.length ?? 0).toBe(rendered.match(/<\/details>/g)?.length ?? 0);
  const found = elementsOf(rendered);
  expect(found.at(-1)).toEqual({ path: "p", words: "The end" });
  const astray = found.filter(
    ({ path, words }) =>
      (!/code|summary/.test(path) && /`|<|^#|^- |\*/m.test(words)) || (path.includes("h3") && path !== "h3"),
  );
  expect(astray).toEqual([]);
}
