import { readPlan } from "../../../tools/review/plan";
import { review } from "../../../tools/review/review";
import { change, planReviewOf, planText, reviewOf, shown, textOf } from "./support";

type Values = Record<string, unknown> | null;
type More = Parameters<typeof change>[3];

/** The rest of a stack: heads of its resources, and what stands below them. */
function rest(changes: unknown[], more: object = {}): string[] {
  const lines = textOf(changes, more).trimEnd().split("\n");
  return lines.slice(lines.findIndex((line) => line.startsWith("dev:")));
}

/** The lines of one resource's attributes. */
const told = (before: Values, after: Values, more: More = {}): string[] =>
  rest([change("aws_thing", before, after, more)])
    .filter((line) => line.startsWith("      "))
    .map((line) => line.slice(6));

const later = (after_unknown: object): More => ({ change: { after_unknown } });
const statement = (more: object) => ({
  Sid: "Read",
  Effect: "Allow",
  Action: "s3:Get",
  Resource: "*",
  ...more,
});
const policy = (...Statement: unknown[]) => JSON.stringify({ Version: "2012-10-17", Statement });

describe("a value is told by its path:", () => {
  test.each<[string, Values, Values, string[]]>([
    ["at the top", { size: "s" }, { size: "l" }, ['- size = "s"', '+ size = "l"']],
    [
      "nested",
      { environment: [{ variables: { STAGE: "dev", KEPT: "k" } }] },
      { environment: [{ variables: { STAGE: "prod", KEPT: "k" } }] },
      ['- environment[0].variables.STAGE = "dev"', '+ environment[0].variables.STAGE = "prod"'],
    ],
    [
      "with keys that are no identifiers",
      { labels: { "a b": 1, "0": 1, "": 1, 'say "hi"': 1, "a-b": 1, "a.b": 1 } },
      { labels: { "a b": 2, "0": 2, "": 2, 'say "hi"': 2, "a-b": 2, "a.b": 2 } },
      [
        '- labels["0"] = 1',
        '+ labels["0"] = 2',
        '- labels["a b"] = 1',
        '+ labels["a b"] = 2',
        '- labels[""] = 1',
        '+ labels[""] = 2',
        '- labels["say \\"hi\\""] = 1',
        '+ labels["say \\"hi\\""] = 2',
        "- labels.a-b = 1",
        "+ labels.a-b = 2",
        '- labels["a.b"] = 1',
        '+ labels["a.b"] = 2',
      ],
    ],
    [
      "with keys that objects of JavaScript have",
      JSON.parse('{"__proto__": {"a": 1}, "constructor": 1}'),
      JSON.parse('{"__proto__": {"a": 2}, "constructor": 2}'),
      ["- __proto__.a = 1", "+ __proto__.a = 2", "- constructor = 1", "+ constructor = 2"],
    ],
    [
      "false and 0, which are values",
      { a: false, b: 0 },
      { a: true, b: 1 },
      ["- a = false", "+ a = true", "- b = 0", "+ b = 1"],
    ],
  ])("%s", (_, before, after, lines) => {
    expect(told(before, after)).toEqual(lines);
  });
});

describe("what comes and what goes:", () => {
  test.each<[string, Values, Values, string[]]>([
    ["a value where there was null", { a: null }, { a: "x" }, ['+ a = "x"']],
    ["a value where there was no key", {}, { a: "x" }, ['+ a = "x"']],
    ["null where there was a value", { a: "x" }, { a: null }, ['- a = "x"']],
    ["an empty text, which is a value", { a: "" }, { a: null }, ['- a = ""']],
    [
      "an object, by its attributes",
      { a: null },
      { a: { x: 1, deep: [{ y: true }] } },
      ["+ a.x = 1", "+ a.deep[0].y = true"],
    ],
    [
      "an object that goes, by its attributes",
      { a: { x: 1, y: [2] } },
      { a: null },
      ["- a.x = 1", "- a.y[0] = 2"],
    ],
    ["an empty map where there was none", { a: null, b: {} }, { a: {}, b: null }, ["+ a = {}", "- b = {}"]],
    ["an empty list where there was none", { a: null, b: [] }, { a: [], b: null }, ["+ a = []", "- b = []"]],
    ["all of a new resource", null, { a: 1, b: null, c: [], d: {} }, ["+ a = 1", "+ d = {}"]],
    ["all of a resource that goes", { a: 1, b: null, c: [], d: {} }, null, ["- a = 1"]],
  ])("%s", (_, before, after, lines) => {
    expect(told(before, after)).toEqual(lines);
  });
});

describe("a value of another type is another value:", () => {
  test.each<[string, unknown, unknown, string[]]>([
    ["a text that becomes a number", "1", 1, ['- a = "1"', "+ a = 1"]],
    ["a number that becomes an object", 1, { x: [true, null] }, ["- a = 1", '+ a = {"x":[true,null]}']],
    ["an object that becomes a text", { x: 1 }, "x", ['- a = {"x":1}', '+ a = "x"']],
    ["a list that becomes an object", [1], { "0": 1 }, ["- a = [1]", '+ a = {"0":1}']],
    ["a boolean that becomes a text", true, "true", ["- a = true", '+ a = "true"']],
    ["a number that becomes lines", 1, "x\ny", ["- a = 1", '+ a = "x\\ny"']],
  ])("%s", (_, before, after, lines) => {
    expect(told({ a: before }, { a: after })).toEqual(lines);
  });

  test("and what is secret in it stays hidden: what is marked, what its name gives away, keys", () => {
    const after = {
      a: {
        pin: 1234567,
        admin: true,
        password: "hunter2",
        list: [{ name: "API_TOKEN", value: "hunter2" }],
        "hunter2-key": 1,
      },
      key: "hunter2-key",
    };
    const after_sensitive = { a: { pin: true, admin: true }, key: true };
    expect(told({ a: 1, key: null }, after, { change: { after_sensitive } })).toEqual([
      "- a = 1",
      '+ a = {"pin":"(sensitive)","admin":"(sensitive)","password":"(sensitive)","list":[{"name":"API_TOKEN","value":"(sensitive)"}],"(sensitive)":1}',
      "+ key = (sensitive)",
    ]);
  });

  test("what is unknown in it is told as such", () => {
    expect(told({ a: 1 }, {}, later({ a: { id: true } }))).toEqual([
      "- a = 1",
      '+ a = {"id":"(known after apply)"}',
    ]);
  });
});

test("numbers with more digits than a double keeps are told apart, digit by digit", () => {
  const [before, after] = ["12345678901234567890", "12345678901234567891"];
  const text = planText([change("aws_thing", { a: "BEFORE" }, { a: "AFTER" })]);
  const plan = readPlan("dev", text.replace('"BEFORE"', before).replace('"AFTER"', after));
  expect(shown(review([plan])).text).toContain(`      - a = "${before}"\n      + a = "${after}"\n`);
});

describe("JSON in a text is compared as a document:", () => {
  test.each<[string, string | null, string | null, string[]]>([
    [
      "a value, with an arrow before its path",
      '{"a":{"b":1},"kept":2}',
      '{"kept":2,"a":{"b":2}}',
      ["- doc → a.b = 1", "+ doc → a.b = 2"],
    ],
    ["a key that is no identifier", "{}", '{"x y":[1]}', ['+ doc → ["x y"][0] = 1']],
    [
      "a list",
      '[{"name":"a","v":1},{"name":"b","v":1}]',
      '[{"name":"b","v":2},{"name":"a","v":1}]',
      ["- doc → [0].v = 1", "+ doc → [0].v = 2"],
    ],
    [
      "a document in a document",
      '{"a":"{\\"x\\":1}"}',
      '{"a":"{\\"x\\":2}"}',
      ["- doc → a → x = 1", "+ doc → a → x = 2"],
    ],
    ["a document that comes", null, '{"a":1}', ["+ doc → a = 1"]],
    ["a document that goes", '{"a":1}', null, ["- doc → a = 1"]],
    ["a value's type", '{"a":1}', '{"a":"1"}', ["- doc → a = 1", '+ doc → a = "1"']],
    ["null, which is not the same as no key", '{"a":null}', "{}", ["- doc → a = null"]],
    [
      "an empty object, which is not the same as none",
      '{"None":{}}',
      '{"Count":{}}',
      ["- doc → None = {}", "+ doc → Count = {}"],
    ],
    ["an empty list, which is not the same as none", "{}", '{"a":[]}', ["+ doc → a = []"]],
    ["a document that becomes a text", '{"a":1}', "plain", ['- doc = "{\\"a\\":1}"', '+ doc = "plain"']],
    ["what only begins like one", '{"a":1}', '{"a":', ['- doc = "{\\"a\\":1}"', '+ doc = "{\\"a\\":"']],
    [
      "a number that a double does not keep",
      '{"n":12345678901234567890}',
      '{"n":12345678901234567891}',
      ['- doc = "{\\"n\\":12345678901234567890}"', '+ doc = "{\\"n\\":12345678901234567891}"'],
    ],
  ])("%s", (_, before, after, lines) => {
    expect(told({ doc: before }, { doc: after })).toEqual(lines);
  });

  test.each([
    ["keys in another order", '{"a":1,"b":{"c":2,"d":3}}', '{"b":{"d":3,"c":2},"a":1}'],
    ["blanks and line breaks", '{"a":[1,2]}', '{\n  "a": [1, 2]\n}\n'],
    ["another way to write the same text", '{"a":"<"}', '{"a":"\\u003c"}'],
  ])("%s are no change", (_, before, after) => {
    expect(rest([change("aws_thing", { doc: before }, { doc: after })])).toEqual([
      "dev: 1 only in the form of a document",
    ]);
  });

  test("the form of a document is not told beside a change", () => {
    expect(told({ doc: '{"a":1,"b":2}', x: 1 }, { doc: '{"b":2,"a":1}', x: 2 })).toEqual([
      "- x = 1",
      "+ x = 2",
    ]);
  });

  test("several are counted", () => {
    const one = (name: string) => change("aws_thing", { doc: '{"a":1}' }, { doc: '{ "a": 1 }' }, { name });
    expect(rest([one("a"), one("b")])).toEqual(["dev: 2 only in the form of documents"]);
  });

  test.each([
    ["becomes a text", { doc: '{\n"password": "hunter2"\n}' }, { doc: "plain" }, {}],
    ["becomes unknown", { doc: '{"password": "hunter2"}' }, {}, { doc: true }],
    ["has a long number", { doc: '{"password":"hunter2","n":12345678901234567890}' }, { doc: "{}" }, {}],
  ])("a secret by its name stays hidden where a document %s", (_, before, after, unknown) => {
    const output = textOf([change("aws_thing", before, after, later(unknown))]);
    expect(output).not.toContain("hunter2");
    expect(output).toContain("(sensitive)");
  });
});

describe("a policy is compared by what it says:", () => {
  test.each<[string, string, string]>([
    [
      "casing of actions",
      policy(statement({ Action: "s3:GetObject" })),
      policy(statement({ Action: "S3:getobject" })),
    ],
    [
      "order of actions",
      policy(statement({ Action: ["s3:A", "s3:B"] })),
      policy(statement({ Action: ["s3:B", "s3:A"] })),
    ],
    ["a list of one", policy(statement({})), policy(statement({ Action: ["s3:Get"], Resource: ["*"] }))],
    [
      "one statement without a list",
      policy(statement({})),
      JSON.stringify({ Statement: statement({}), Version: "2012-10-17" }),
    ],
  ])("%s is no change", (_, before, after) => {
    const { resources, folded } = planReviewOf([
      change("aws_iam_policy", { policy: before }, { policy: after }),
    ]);
    expect([resources, folded.form]).toEqual([[], 1]);
  });

  test("an action more is that action, whatever else is written in another way", () => {
    const before = policy(statement({ Action: "s3:GetObject" }));
    const after = policy(statement({ Action: ["s3:PutObject", "S3:GetObject"], Resource: ["*"] }));
    expect(told({ policy: before }, { policy: after })).toEqual([
      '+ policy → Statement[0].Action[1] = "s3:PutObject"',
    ]);
  });

  test("a statement is known by its Sid, wherever it stands", () => {
    const [read, write] = [statement({}), statement({ Sid: "Write", Action: "s3:Put" })];
    const after = policy({ ...write, Resource: "arn:aws:s3:::b" }, read);
    expect(told({ policy: policy(read, write) }, { policy: after })).toEqual([
      '- policy → Statement[0].Resource[0] = "*"',
      '+ policy → Statement[0].Resource[0] = "arn:aws:s3:::b"',
    ]);
  });
});

describe("a text of lines is told by its lines:", () => {
  test.each<[string, string | null, string | null, string[]]>([
    [
      "one of them, with what is around it",
      "1\n2\n3\n4\n5\n6\n7\n",
      "1\n2\n3\nfour\n5\n6\n7\n",
      ["! text:", "    2", "    3", "-   4", "+   four", "    5", "    6"],
    ],
    [
      "places far from each other",
      "a\n1\n2\n3\n4\n5\n6\nb\n",
      "A\n1\n2\n3\n4\n5\n6\nB\n",
      ["! text:", "-   a", "+   A", "    1", "    2", "    …", "    5", "    6", "-   b", "+   B"],
    ],
    ["a text that comes", null, "a\nb\n", ["! text:", "+   a", "+   b"]],
    ["a text that goes", "a\nb\n", null, ["! text:", "-   a", "-   b"]],
    ["one line that becomes two", "a", "a\nb", ["! text:", "    a", "+   b"]],
    ["line ends of Windows", "a\r\n", "a\n", ["! text:", "-   a\\r", "+   a"]],
    [
      "a break at the end less",
      "a\nb\n",
      "a\nc",
      ["! text:", "    a", "-   b", "+   c", "!   no longer with a line break at the end"],
    ],
    ["a break at the end", "a\nb", "a\nb\n", ["! text:", "!   now with a line break at the end"]],
    ["lines that look like a diff", "- a\n+ b\n", "- a\n- b\n", ["! text:", "    - a", "-   + b", "+   - b"]],
    [
      "blanks at the beginning of a line",
      "  a\nb\n",
      "    a\nb\n",
      ["! text:", "-     a", "+       a", "    b"],
    ],
  ])("%s", (_, before, after, lines) => {
    expect(told({ text: before }, { text: after })).toEqual(lines);
  });

  test("a very long text is cut, and says so", () => {
    const text = (mark: string) => Array.from({ length: 1500 }, (_, line) => `${mark}${line}\n`).join("");
    const lines = told({ text: null }, { text: text("x") });
    expect(lines).toHaveLength(401);
    expect(lines.at(-1)).toBe("  … 1101 more lines");
  });
});

describe("what is known only after the apply is told as such:", () => {
  test.each<[string, Values, Values, object, string[]]>([
    [
      "a value that was there",
      { id: "i-1" },
      {},
      { id: true },
      ['- id = "i-1"', "+ id = (known after apply)"],
    ],
    ["a value that was null", { id: null, a: 1 }, { a: 1 }, { id: true }, ["+ (known after apply): id"]],
    [
      "values of a new resource, together at the end",
      null,
      { a: 1 },
      { id: true, arn: true, a: false },
      ["+ a = 1", "+ (known after apply): id, arn"],
    ],
    [
      "an attribute of a block",
      { block: [{ a: 1, b: 1 }] },
      { block: [{ a: 1 }] },
      { block: [{ b: true }] },
      ["- block[0].b = 1", "+ block[0].b = (known after apply)"],
    ],
    [
      "an element of a list",
      { list: ["a", "b"] },
      { list: ["a", null] },
      { list: [false, true] },
      ['- list[1] = "b"', "+ list[1] = (known after apply)"],
    ],
    [
      "a block of which nothing else is known",
      { a: 1 },
      { a: 1 },
      { block: [{ deep: { id: true } }] },
      ["+ (known after apply): block[0].deep.id"],
    ],
    [
      "all of an object",
      { block: { a: 1, b: [2] } },
      {},
      { block: true },
      ['- block = {"a":1,"b":[2]}', "+ block = (known after apply)"],
    ],
    [
      "nothing, where nothing is marked",
      { a: 1 },
      { a: 2 },
      { a: false, b: [false], c: {} },
      ["- a = 1", "+ a = 2"],
    ],
  ])("%s", (_, before, after, unknown, lines) => {
    expect(told(before, after, later(unknown))).toEqual(lines);
  });

  test("an object that becomes unknown shows no secret of its", () => {
    const before = { env: { DB_PASSWORD: "hunter2", pin: 1234567, STAGE: "dev" } };
    const more = { change: { after_unknown: { env: true }, before_sensitive: { env: { pin: true } } } };
    expect(told(before, {}, more)).toEqual([
      '- env = {"DB_PASSWORD":"(sensitive)","pin":"(sensitive)","STAGE":"dev"}',
      "+ env = (known after apply)",
    ]);
  });
});

describe("elements of lists and sets:", () => {
  test.each<[string, unknown[], unknown[], string[]]>([
    ["one that comes, though the others shift", ["b", "c"], ["a", "b", "c"], ['+ list[0] = "a"']],
    ["one that goes, though the others shift", ["a", "b", "c"], ["b", "c"], ['- list[0] = "a"']],
    ["one of each", ["a", "b", "c"], ["b", "c", "d"], ['- list[0] = "a"', '+ list[2] = "d"']],
    ["one in its place", ["a", "b", "c"], ["a", "x", "c"], ['- list[1] = "b"', '+ list[1] = "x"']],
    ["another order", ["a", "b", "c"], ["c", "a", "b"], ["! list (the same elements in another order)"]],
    ["one of two that are the same", ["a", "a"], ["a"], ['- list[1] = "a"']],
    ["the last one", ["a"], [], ['- list[0] = "a"']],
    ["null, which is an element", [null, 1], [1], ["- list[0] = null"]],
    [
      "objects, known by their names",
      [
        { name: "a", v: 1 },
        { name: "b", v: 2 },
      ],
      [
        { name: "b", v: 3 },
        { name: "a", v: 1 },
      ],
      ["- list[0].v = 2", "+ list[0].v = 3"],
    ],
    [
      "an object of another name is another",
      [{ name: "a", v: 1 }],
      [{ name: "b", v: 1 }],
      ['- list[0].name = "a"', "- list[0].v = 1", '+ list[0].name = "b"', "+ list[0].v = 1"],
    ],
    [
      "an object without a name, in its place",
      [{ port: 80 }, { port: 443, open: true }],
      [{ port: 80 }, { port: 8443, open: true }],
      ["- list[1].port = 443", "+ list[1].port = 8443"],
    ],
    ["lists in lists", [["a"], ["b"]], [["a"], ["b", "c"]], ['+ list[1][1] = "c"']],
  ])("%s", (_, before, after, lines) => {
    expect(told({ list: before }, { list: after })).toEqual(lines);
  });

  test("a block that says all by being there is told", () => {
    const action = (allow: unknown[], block: unknown[]) => ({ action: [{ allow, block }] });
    const [blocks, allows] = [action([], [{ response: [] }]), action([{}], [])];
    expect(told(blocks, allows)).toEqual([
      "+ action[0].allow[0] = {}",
      '- action[0].block[0] = {"response":[]}',
    ]);
    expect(told(null, blocks)).toEqual(['+ action[0].block[0] = {"response":[]}']);
    // It must not get lost among tags, either.
    const tagged = (values: object, A: string) => ({ ...values, tags: { A } });
    expect(rest([change("aws_thing", tagged(blocks, "1"), tagged(allows, "2"))])[1]).toBe(
      "  ~ aws_thing.it: 3 attributes",
    );
  });
});

describe("moves and imports are told as such:", () => {
  const noOp = { actions: ["no-op"] };
  test.each<[string, Values, More, string[]]>([
    [
      "a move",
      { a: 1 },
      { previous_address: "aws_thing.old", change: noOp },
      ["    aws_thing.it, moved from aws_thing.old"],
    ],
    [
      "a move with a change",
      { a: 2 },
      { previous_address: "aws_thing.old" },
      ["  ~ aws_thing.it, moved from aws_thing.old: 1 attribute", "      - a = 1", "      + a = 2"],
    ],
    [
      "an import",
      { a: 1 },
      { change: { ...noOp, importing: { id: "i-1" } } },
      ["    aws_thing.it, imported: i-1"],
    ],
    [
      "an import by identity",
      { a: 1 },
      { change: { ...noOp, importing: { identity: { name: "x" } } } },
      ['    aws_thing.it, imported: {"name":"x"}'],
    ],
    [
      "an import whose id is unknown",
      { a: 1 },
      { change: { ...noOp, importing: { unknown: true } } },
      ["    aws_thing.it, imported"],
    ],
    [
      "an import of what has moved",
      { a: 1 },
      { previous_address: "aws_thing.old", change: { ...noOp, importing: { id: "i-1" } } },
      ["    aws_thing.it, moved from aws_thing.old, imported: i-1"],
    ],
  ])("%s", (_, after, more, lines) => {
    expect(rest([change("aws_thing", { a: 1 }, after, more)])).toEqual(["dev: 1 resource", ...lines]);
  });

  test("a move of which only tags change is no change of tags alone", () => {
    const [before, after] = [{ tags: { A: "1" } }, { tags: { A: "2" } }];
    expect(rest([change("aws_thing", before, after, { previous_address: "aws_thing.old" })])).toEqual([
      "dev: 1 resource",
      "  ~ aws_thing.it, moved from aws_thing.old: 1 attribute",
      '      - tags.A = "1"',
      '      + tags.A = "2"',
    ]);
  });
});

describe("what matters to nobody is counted:", () => {
  const tagged = (name: string, before: object, after: object) =>
    change("aws_thing", { a: 1, ...before }, { a: 1, ...after }, { name });
  const [one, two] = [
    { tags: { A: "1" }, tags_all: { A: "1" } },
    { tags: { A: "2" }, tags_all: { A: "2" } },
  ];

  test("changes of tags alone", () => {
    const changes = [tagged("a", one, two), tagged("b", { tags: null }, two), tagged("c", one, { tags: {} })];
    expect(rest(changes)).toEqual(["dev: 3 only in their tags"]);
    expect(rest(changes.slice(0, 1))).toEqual(["dev: 1 only in its tags"]);
    expect(reviewOf(changes).counts.change).toBe(3);
  });

  test("a new resource's tags are told", () => {
    expect(told(null, { tags: { A: "1" } })).toEqual(['+ tags.A = "1"']);
  });

  test("tags beside another change are told once; those of the provider alone, too", () => {
    const [before, after] = [
      { a: 1, tags: { A: "1" }, tags_all: { A: "1", Team: "x" } },
      { a: 2, tags: { A: "2" }, tags_all: { A: "2", Team: "y" } },
    ];
    expect(told(before, after)).toEqual([
      "- a = 1",
      "+ a = 2",
      '- tags.A = "1"',
      '+ tags.A = "2"',
      '- tags_all.Team = "x"',
      '+ tags_all.Team = "y"',
    ]);
    expect(rest([change("aws_thing", before, after)])[1]).toBe("  ~ aws_thing.it: 3 attributes");
  });

  test("an attribute whose name only begins like that of tags is told", () => {
    expect(told({ tagset: 1 }, { tagset: 2 })).toEqual(["- tagset = 1", "+ tagset = 2"]);
  });

  test("resources that stay as they are", () => {
    const same = (name: string) =>
      change("aws_thing", { a: 1 }, { a: 1 }, { name, change: { actions: ["no-op"] } });
    expect(rest([same("a"), same("b")])).toEqual(["dev: 2 unchanged"]);
  });

  test("all of it in one line", () => {
    const same = change("aws_thing", { a: 1 }, { a: 1 }, { name: "same", change: { actions: ["no-op"] } });
    const form = change("aws_thing", { d: '{"a":1}' }, { d: '{ "a":1}' }, { name: "form" });
    const checks = [{ address: { to_display: "check.c" }, status: "pass" }];
    expect(rest([same, form, tagged("t", one, two)], { checks })).toEqual([
      "dev: 1 only in its tags, 1 only in the form of a document, 1 unchanged, 1 check passed",
    ]);
  });
});

describe("a replacement is told with what forces it:", () => {
  const replaced = (before: Values, after: Values, replace_paths: unknown[], more: object = {}) =>
    textOf([
      change("aws_thing", before, after, {
        change: { actions: ["delete", "create"], replace_paths, ...more },
      }),
    ])
      .split("\n")
      .filter((line) => line.startsWith("  "))
      .filter((line) => !line.startsWith("  -/+"));

  test.each<[string, Values, Values, unknown[], object, string[]]>([
    [
      "among others",
      { ami: "a", n: 1 },
      { ami: "b", n: 2 },
      [["ami"]],
      {},
      [
        "  replace aws_thing.it (the old one goes first), forced by ami",
        '      - ami = "a"',
        '      + ami = "b"  # forces replacement',
        "      - n = 1",
        "      + n = 2",
      ],
    ],
    [
      "several, and nested ones",
      { ami: "a", block: [{ "x y": 1, z: 1 }] },
      { ami: "b", block: [{ "x y": 2, z: 2 }] },
      [["ami"], ["block", 0, "x y"]],
      {},
      [
        '  replace aws_thing.it (the old one goes first), forced by ami, block[0]["x y"]',
        '      - ami = "a"',
        '      + ami = "b"  # forces replacement',
        '      - block[0]["x y"] = 1',
        '      + block[0]["x y"] = 2  # forces replacement',
        "      - block[0].z = 1",
        "      + block[0].z = 2",
      ],
    ],
    [
      "one that has parts, but none that only begins alike",
      { block: [{ a: 1 }], blocks: 1 },
      { block: [{ a: 2 }], blocks: 2 },
      [["block"]],
      {},
      [
        "  replace aws_thing.it (the old one goes first), forced by block",
        "      - block[0].a = 1",
        "      + block[0].a = 2  # forces replacement",
        "      - blocks = 1",
        "      + blocks = 2",
      ],
    ],
    [
      "one that goes",
      { ami: "a" },
      { ami: null },
      [["ami"]],
      {},
      [
        "  replace aws_thing.it (the old one goes first), forced by ami",
        '      - ami = "a"  # forces replacement',
      ],
    ],
    [
      "one that is unknown",
      { ami: null },
      {},
      [["ami"]],
      { after_unknown: { ami: true, id: true } },
      [
        "  replace aws_thing.it (the old one goes first), forced by ami",
        "      + ami = (known after apply)  # forces replacement",
        "      + (known after apply): id",
      ],
    ],
    [
      "a text of lines",
      { script: "a\nb\n" },
      { script: "a\nc\n" },
      [["script"]],
      {},
      [
        "  replace aws_thing.it (the old one goes first), forced by script",
        "      ! script:  # forces replacement",
        "          a",
        "      -   b",
        "      +   c",
      ],
    ],
    [
      "a document",
      { doc: '{"a":1}' },
      { doc: '{"a":2}' },
      [["doc"]],
      {},
      [
        "  replace aws_thing.it (the old one goes first), forced by doc",
        "      - doc → a = 1",
        "      + doc → a = 2  # forces replacement",
      ],
    ],
  ])("%s", (_, before, after, paths, more, lines) => {
    expect(replaced(before, after, paths, more)).toEqual(lines);
  });

  test("the new one first, and for a reason that no attribute is", () => {
    const tainted = change(
      "aws_thing",
      { a: 1 },
      { a: 1 },
      {
        action_reason: "replace_because_tainted",
        change: { actions: ["create", "delete"] },
      },
    );
    expect(textOf([tainted])).toContain("\n  replace aws_thing.it (the new one first): it is tainted\n");
  });
});

describe("what is too long is cut, and says so:", () => {
  test("a value", () => {
    expect(told({ a: null }, { a: "y".repeat(600) })).toEqual([
      `+ a = "${"y".repeat(499)}… (102 more characters)`,
    ]);
  });

  test("a line", () => {
    expect(told({ a: "x\n" }, { a: `x\n${"y".repeat(600)}\n` })).toEqual([
      "! a:",
      "    x",
      `+   ${"y".repeat(500)}… (100 more characters)`,
    ]);
  });

  test("a name", () => {
    expect(told({}, { ["k".repeat(300)]: 1 })).toEqual([`+ ${"k".repeat(240)}… (60 more characters) = 1`]);
  });

  test("but no character is cut in two", () => {
    const [line] = told({}, { a: `${"y".repeat(498)}😀${"y".repeat(100)}` });
    expect(line).toBe(`+ a = "${"y".repeat(498)}… (103 more characters)`);
  });

  test("many attributes: all are counted, some are told", () => {
    const values = (value: number) =>
      Object.fromEntries(Array.from({ length: 2500 }, (_, key) => [`k${key}`, value]));
    const [, head, first, ...lines] = rest([change("aws_thing", values(1), values(2))]);
    expect(head).toBe("  ~ aws_thing.it: 2500 attributes");
    expect(first).toBe("      - k0 = 1");
    expect(lines).toHaveLength(400);
    expect(lines.at(-1)).toBe("        … 3601 more lines");
    expect(planReviewOf([change("aws_thing", values(1), values(2))]).resources[0]!.attributes.at(-1)).toEqual(
      {
        path: "…",
        kind: "change",
        note: "and 500 more attributes",
        more: 500,
      },
    );
  });
});

describe("an output is told like an attribute:", () => {
  const output = (more: object) =>
    textOf([], { output_changes: { o: { actions: ["update"], before: null, after: null, ...more } } })
      .split("\n")
      .filter((line) => line.startsWith("      "))
      .map((line) => line.slice(6));

  test.each<[string, object, string[]]>([
    ["a text", { before: "a", after: "b" }, ['- value = "a"', '+ value = "b"']],
    ["a part of it", { before: { a: [1] }, after: { a: [1, 2] } }, ["+ value.a[1] = 2"]],
    ["unknown", { before: "a", after_unknown: true }, ['- value = "a"', "+ value = (known after apply)"]],
    ["one that goes", { actions: ["delete"], before: "a" }, ['- value = "a"']],
    ["sensitive", { before: "a", after: "b", after_sensitive: true }, ["! value = (sensitive) (changes)"]],
  ])("%s", (_, more, lines) => {
    expect(output(more)).toEqual(lines);
  });
});
