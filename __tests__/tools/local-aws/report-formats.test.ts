import { FORMATS, UnreadableReport } from "../../../tools/local-aws/builds/report-formats";
import { cpuSeconds, sized } from "../../support/effort";

const junit = (inner: string) => FORMATS.JUNITXML.read(`<?xml version="1.0"?>${inner}`);
const clover = (files: string) =>
  FORMATS.CLOVERXML.read(`<coverage><project name="All files"><metrics/>${files}</project></coverage>`);

describe("JUnit's XML", () => {
  test("gives each test case its outcome, its time and why it did not succeed", () => {
    const results = junit(`<testsuites name="jest tests" tests="4">
      <testsuite name="sums" time="1.5">
        <testcase classname="sums add" name="one &amp; two" time="0.25"></testcase>
        <testcase classname="sums" name="breaks" time="0"><failure>Expected &lt;3&gt;, got &#52;</failure></testcase>
        <testcase classname="sums" name="crashes" time="x"><error message="Out of memory"><![CDATA[at <a>&amp;]]></error></testcase>
        <testcase classname="sums" name="waits"><skipped/></testcase>
      </testsuite>
    </testsuites>`);
    expect(results).toEqual([
      {
        name: "one & two",
        prefix: "sums add",
        suite: "sums",
        status: "SUCCEEDED",
        nanoseconds: 250_000_000,
        message: undefined,
      },
      expect.objectContaining({ name: "breaks", status: "FAILED", message: "Expected <3>, got 4" }),
      expect.objectContaining({
        name: "crashes",
        status: "ERROR",
        nanoseconds: 0,
        message: "Out of memory\nat <a>&amp;",
      }),
      expect.objectContaining({ name: "waits", status: "SKIPPED", nanoseconds: 0 }),
    ]);
  });

  test("may have one suite alone, or suites in suites", () => {
    const one = junit('<testsuite name="outer"><testcase name="a"/></testsuite>');
    const inner =
      '<testsuite name="outer"><testsuite name="inner"><testcase name="a"/></testsuite></testsuite>';
    expect([one, junit(`<testsuites>${inner}</testsuites>`)]).toEqual([
      [expect.objectContaining({ name: "a", suite: "outer" })],
      [expect.objectContaining({ name: "a", suite: "inner" })],
    ]);
  });
});

describe("coverage", () => {
  test("in Clover's XML counts lines and branches of each file, also of files in packages", () => {
    const file = `<file name="a.ts" path="/src/a.ts">
      <metrics statements="3" coveredstatements="2"/>
      <line num="1" count="4" type="stmt"/>
      <line num="2" count="1" type="cond" truecount="1" falsecount="2"/>
      <line num="3" count="0" type="stmt"/>
    </file>`;
    const counts = { linesCovered: 2, linesMissed: 1, branchesCovered: 1, branchesMissed: 2 };
    expect(clover(file)).toEqual([{ file: "/src/a.ts", ...counts }]);
    expect(clover(`<package name="p">${file}</package>`)).toEqual([{ file: "/src/a.ts", ...counts }]);
  });

  test("in Cobertura's XML is of files, however many classes each has", () => {
    const one = (lines: string) => `<class filename="src/a.ts"><lines>${lines}</lines></class>`;
    const classes = [
      one(
        '<line number="1" hits="0"/><line number="2" hits="3" branch="true" condition-coverage="50% (1/2)"/>',
      ),
      one('<line number="1" hits="1"/><line number="9" hits="0"/>'),
    ];
    const xml = `<!DOCTYPE coverage SYSTEM "http://cobertura.sourceforge.net/xml/coverage-04.dtd">
      <coverage><packages><package><classes>${classes.join("")}</classes></package></packages></coverage>`;
    expect(FORMATS.COBERTURAXML.read(xml)).toEqual([
      { file: "src/a.ts", linesCovered: 2, linesMissed: 1, branchesCovered: 1, branchesMissed: 1 },
    ]);
  });
});

describe("a file that is none is refused:", () => {
  test.each<[string, string, RegExp]>([
    ["one that is empty", "", /Start tag expected/],
    ["one that is something else", "TAP version 13", /no XML/],
    ["one that was cut off", '<testsuites><testsuite name="a', /open quote/],
    [
      "one whose tags do not close",
      "<testsuites><testsuite></testsuites>",
      /line 1 is no XML: Expected closing tag/,
    ],
    ["one of another format", "<coverage></coverage>", /no element <testsuite>/],
    ["one that reaches for the prototype", "<testsuites><__proto__ a='1'/></testsuites>", /__proto__/],
    [
      "one that names other files",
      '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><testsuite/>',
      /External entities/,
    ],
    ["one that is too deep", `${"<testsuite>".repeat(500)}${"</testsuite>".repeat(500)}`, /nested/],
  ])("%s", (_, xml, reason) => {
    expect(() => FORMATS.JUNITXML.read(xml)).toThrow(UnreadableReport);
    expect(() => FORMATS.JUNITXML.read(xml)).toThrow(reason);
  });

  test("with a reason that is short, however long what it is about", () => {
    let reason = "";
    try {
      FORMATS.JUNITXML.read(`<testsuites ${"x".repeat(100_000)}`);
    } catch (error) {
      reason = (error as Error).message;
    }
    expect(reason.length).toBeLessThanOrEqual(200);
    expect(reason).toMatch(/no XML/);
  });
});

test("a file's own entities stand for nothing", () => {
  const laughs = '<!DOCTYPE a [<!ENTITY one "ha"><!ENTITY two "&one;&one;">]>';
  expect(junit(`${laughs}<testsuite><testcase name="&two;"/></testsuite>`)).toEqual([
    expect.objectContaining({ name: "&two;" }),
  ]);
});

test.each([
  ["tags", "<a>"],
  ["open brackets", "<"],
  ["attributes", 'x="1" '],
  ["comments", "<!--"],
  ["ampersands", "&"],
])("much of %s ends in good time", (_, part) => {
  const text = `<testsuites ${part.repeat(sized(1_000_000) / part.length)}`;
  expect(cpuSeconds(() => expect(() => junit(text)).toThrow(UnreadableReport))).toBeLessThan(1.25);
});
