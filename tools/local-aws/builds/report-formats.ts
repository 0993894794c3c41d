import { XMLParser, XMLValidator } from "fast-xml-parser";

// What the files of reports say. They are a build's own: broken or hostile ones are refused, with what is wrong.

/** A file that is not of the format that the buildspec names. */
export class UnreadableReport extends Error {}

export type TestStatus = "SUCCEEDED" | "FAILED" | "ERROR" | "SKIPPED" | "UNKNOWN";

export interface TestResult {
  readonly name: string;
  /** What its framework puts before the name. */
  readonly prefix: string;
  readonly suite: string;
  readonly status: TestStatus;
  readonly nanoseconds: number;
  /** Why it did not succeed. @default - it tells nothing */
  readonly message?: string;
}

/** How much of a source file is covered. */
export interface FileCoverage {
  readonly file: string;
  readonly linesCovered: number;
  readonly linesMissed: number;
  readonly branchesCovered: number;
  readonly branchesMissed: number;
}

/** What CodeBuild reads of reports, and Local AWS too. */
export const FORMATS = {
  JUNITXML: { type: "TEST", read: readJunit },
  CLOVERXML: { type: "CODE_COVERAGE", read: readClover },
  COBERTURAXML: { type: "CODE_COVERAGE", read: readCobertura },
} as const;
export type ReportFormat = keyof typeof FORMATS;

/** What CodeBuild reads of reports besides. */
export const OTHER_FORMATS = [
  "CUCUMBERJSON",
  "JACOCOXML",
  "NUNITXML",
  "NUNIT3XML",
  "SIMPLECOV",
  "TESTNGXML",
  "VISUALSTUDIOTRX",
] as const;

/** An element of XML. Its children lie below their names; what it says itself below `#text` and `#cdata`. */
interface Element {
  readonly [child: string]: unknown;
}

const ATTRIBUTES = "$";
const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: "",
  attributesGroupName: ATTRIBUTES,
  cdataPropName: "#cdata",
  isArray: (_name, _path, _isLeaf, isAttribute) => !isAttribute,
  parseTagValue: false,
  parseAttributeValue: false,
  // A file's own entities could stand for gigabytes.
  processEntities: false,
});
/** What is wrong with a file is told with parts of it. */
const LONGEST_REASON = 200;

function readXml(xml: string, root: string): Element[] {
  const wellFormed = XMLValidator.validate(xml);
  if (wellFormed !== true) throw unreadable(`line ${wellFormed.err.line} is no XML: ${wellFormed.err.msg}`);
  let content: Element;
  try {
    content = parser.parse(xml) as Element;
  } catch (error) {
    throw unreadable((error as Error).message);
  }
  const found = childrenOf(content, root);
  if (!found.length) throw unreadable(`there is no element <${root}>`);
  return found;
}

const unreadable = (reason: string) => new UnreadableReport(reason.slice(0, LONGEST_REASON));

/** One that is empty is no object, but a text. */
const childrenOf = (element: Element, name: string): Element[] =>
  ((element[name] ?? []) as unknown[]).map((child) =>
    typeof child === "string" ? { "#text": child } : (child as Element),
  );

function attributeOf(element: Element, name: string): string {
  const value = (element[ATTRIBUTES] as Readonly<Record<string, string>> | undefined)?.[name];
  return decoded(value ?? "");
}

/** 0 where it is no number. */
function numberOf(element: Element, name: string): number {
  const value = Number(attributeOf(element, name).replaceAll(",", ""));
  return Number.isFinite(value) && value > 0 ? value : 0;
}

function textOf(element: Element): string {
  const cdata = (element["#cdata"] ?? []) as readonly string[];
  return [decoded(String(element["#text"] ?? "")), ...cdata].filter(Boolean).join("\n").trim();
}

const NAMED: Readonly<Record<string, string>> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };

/** With the characters that all XML knows by name or number. */
function decoded(text: string): string {
  return text.replace(
    /&(?:(lt|gt|amp|quot|apos)|#(\d{1,7})|#x([\da-fA-F]{1,6}));/g,
    (all, name, ten, hex) => {
      if (name) return NAMED[name] ?? all;
      const code = ten ? Number(ten) : Number.parseInt(hex, 16);
      return code <= 0x10ffff ? String.fromCodePoint(code) : all;
    },
  );
}

/**
 * Test cases of JUnit's XML. Suites may be in suites.
 *
 * @throws UnreadableReport
 */
function readJunit(xml: string): TestResult[] {
  const below = (suite: Element, name: string): TestResult[] => [
    ...childrenOf(suite, "testcase").map((one) => testResult(one, name)),
    ...childrenOf(suite, "testsuite").flatMap((inner) => below(inner, attributeOf(inner, "name"))),
  ];
  const root = /<testsuites[\s/>]/.test(xml) ? "testsuites" : "testsuite";
  return readXml(xml, root).flatMap((suite) => below(suite, attributeOf(suite, "name")));
}

const OUTCOMES: readonly (readonly [child: string, status: TestStatus])[] = [
  ["error", "ERROR"],
  ["failure", "FAILED"],
  ["skipped", "SKIPPED"],
];

function testResult(testcase: Element, suite: string): TestResult {
  const [child, status] = OUTCOMES.find(([name]) => testcase[name]) ?? [undefined, "SUCCEEDED" as const];
  const reasons = child ? childrenOf(testcase, child) : [];
  const message = reasons
    .flatMap((reason) => [attributeOf(reason, "message"), textOf(reason)])
    .filter(Boolean)
    .join("\n");
  return {
    name: attributeOf(testcase, "name"),
    prefix: attributeOf(testcase, "classname"),
    suite,
    status,
    nanoseconds: Math.round(numberOf(testcase, "time") * 1e9),
    message: message || undefined,
  };
}

/** How often a line ran, and its branches. */
interface Line {
  readonly number: string;
  readonly hits: number;
  readonly branchesCovered: number;
  readonly branchesMissed: number;
}

/**
 * Coverage in Clover's XML.
 *
 * @throws UnreadableReport
 */
function readClover(xml: string): FileCoverage[] {
  const files = (element: Element): Element[] => [
    ...childrenOf(element, "file"),
    ...childrenOf(element, "package").flatMap(files),
  ];
  return readXml(xml, "coverage")
    .flatMap((coverage) => childrenOf(coverage, "project"))
    .flatMap(files)
    .map((file) => {
      const lines = childrenOf(file, "line").map((line): Line => {
        const [covered, missed] = [numberOf(line, "truecount"), numberOf(line, "falsecount")];
        return {
          number: attributeOf(line, "num"),
          hits: numberOf(line, "count") || covered,
          branchesCovered: covered,
          branchesMissed: missed,
        };
      });
      return coverageOf(attributeOf(file, "path") || attributeOf(file, "name"), lines);
    });
}

/**
 * Coverage in Cobertura's XML, in which a file may have several classes.
 *
 * @throws UnreadableReport
 */
function readCobertura(xml: string): FileCoverage[] {
  const below = (element: Element, ...path: readonly string[]) =>
    path.reduce((elements, name) => elements.flatMap((one) => childrenOf(one, name)), [element]);
  const files = new Map<string, Line[]>();
  for (const coverage of readXml(xml, "coverage")) {
    for (const one of below(coverage, "packages", "package", "classes", "class")) {
      const file = attributeOf(one, "filename");
      const lines = below(one, "lines", "line").map((line): Line => {
        const [, covered = "0", all = "0"] =
          /\((\d+)\/(\d+)\)/.exec(attributeOf(line, "condition-coverage")) ?? [];
        return {
          number: attributeOf(line, "number"),
          hits: numberOf(line, "hits"),
          branchesCovered: Number(covered),
          branchesMissed: Math.max(0, Number(all) - Number(covered)),
        };
      });
      files.set(file, [...(files.get(file) ?? []), ...lines]);
    }
  }
  return [...files].map(([file, lines]) => coverageOf(file, lines));
}

/** A line that is named twice is one, and has run if either says so. */
function coverageOf(file: string, lines: readonly Line[]): FileCoverage {
  const hit = new Map<string, boolean>();
  for (const { number, hits } of lines) hit.set(number, hit.get(number) || hits > 0);
  const linesCovered = [...hit.values()].filter(Boolean).length;
  const sum = (count: (line: Line) => number) => lines.reduce((total, line) => total + count(line), 0);
  return {
    file,
    linesCovered,
    linesMissed: hit.size - linesCovered,
    branchesCovered: sum(({ branchesCovered }) => branchesCovered),
    branchesMissed: sum(({ branchesMissed }) => branchesMissed),
  };
}
