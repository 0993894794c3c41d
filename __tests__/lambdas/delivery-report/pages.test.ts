import { createHash } from "node:crypto";
import fc from "fast-check";
import { type DefaultTreeAdapterTypes, parse } from "parse5";
import { overviewPage } from "../../../lambdas/delivery-report/pages/overview";
import { runPage } from "../../../lambdas/delivery-report/pages/run";
import type { Overview, RunReport, StageReport } from "../../../shared/run-report";
import { tries } from "../../support/effort";
import { anyText } from "../../support/text";
import { HOSTILE, hostileRun } from "./messages-hostile";
import { approval, at, runs, succeeded } from "./messages-runs";
import { overview } from "./pages-overview";

interface Found {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly text: string;
}

/** All elements of a page, in their order. */
function elements(page: string): readonly Found[] {
  if (page === last.page) return last.found;
  const found: Found[] = [];
  const walk = (node: DefaultTreeAdapterTypes.Node) => {
    if (node.nodeName === "#comment") found.push({ name: "#comment", attributes: {}, text: "" });
    if ("tagName" in node)
      found.push({
        name: node.tagName,
        attributes: Object.fromEntries(node.attrs.map(({ name, value }) => [name, value])),
        text: textOf(node),
      });
    if ("childNodes" in node) for (const child of node.childNodes) walk(child);
  };
  walk(parse(page));
  last = { page, found };
  return found;
}
let last: { readonly page: string; readonly found: readonly Found[] } = { page: "", found: [] };

const textOf = (node: DefaultTreeAdapterTypes.Node): string =>
  "value" in node ? node.value : "childNodes" in node ? node.childNodes.map(textOf).join("") : "";

const named = (page: string, name: string) => elements(page).filter((element) => element.name === name);
const texts = (page: string, name: string) =>
  named(page, name).map(({ text }) => text.replace(/\s+/g, " ").trim());
const bodyText = (page: string) => texts(page, "main")[0]!;

/** A page without its words. */
const shape = (page: string) =>
  elements(page)
    .map(({ name, attributes }) => `${name} ${JSON.stringify(attributes)}`)
    .join("\n");

const hostileOverview = (text: string): Overview => ({
  ...overview,
  pipelines: overview.pipelines.map((pipeline) => ({
    ...pipeline,
    branch: text,
    runs: pipeline.runs.map((run) => ({
      ...run,
      commit: { ...run.commit, message: text, author: text || "x", branch: text },
    })),
  })),
});

const PAGES: Readonly<Record<string, string>> = {
  ...Object.fromEntries(Object.entries(runs).map(([name, run]) => [name, runPage(run)])),
  waiting: runPage(approval.run),
  overview: overviewPage(overview),
  "overview of nothing": overviewPage({ project: "hello", when: at(0), pipelines: [], drifted: [] }),
};

describe("whatever a commit, a branch, a test or a log holds", () => {
  const text = fc.oneof(
    fc.constantFrom(...HOSTILE),
    anyText({ maxLength: 300 }),
    fc.array(fc.constantFrom(...HOSTILE), { maxLength: 4 }).map((parts) => parts.join("")),
  );

  test("a page has our elements and attributes, and no others", () => {
    const [run, all] = [shape(runPage(hostileRun("x"))), shape(overviewPage(hostileOverview("x")))];
    fc.assert(
      fc.property(text, (foreign) => {
        expect(shape(runPage(hostileRun(foreign)))).toBe(run);
        expect(shape(overviewPage(hostileOverview(foreign)))).toBe(all);
      }),
      { numRuns: tries(40) },
    );
  });

  test("what nobody would see is written out", () => {
    expect(bodyText(runPage(hostileRun("a\u202Eb\u0000<i>")))).toContain("a\\u202eb\\u0000<i>");
  });

  test.each([
    "javascript:alert(1)",
    "https://github.com@evil.example/",
    "data:text/html,x",
    "//evil.example",
  ])("%s is no link", (url) => {
    const run: RunReport = {
      ...succeeded,
      commit: { ...succeeded.commit, url, compareUrl: url },
      links: { console: url, page: url },
      plans: [{ ...succeeded.plans[0]!, reviewUrl: url }],
      stages: succeeded.stages.map((stage) => ({
        ...stage,
        actions: stage.actions.map((action) => ({ ...action, logUrl: url })),
      })),
    };
    // The way to the overview is ours.
    expect(named(runPage(run), "a").map(({ attributes }) => attributes.href)).toEqual(["../../index.html"]);
  });
});

describe.each(Object.entries(PAGES))("the page %s", (_, page) => {
  const all = elements(page);

  test("loads nothing, runs nothing, and its policy lets in its own style alone", () => {
    const [style] = named(page, "style");
    const hash = createHash("sha256").update(style!.text).digest("base64");
    const policy = all.find(({ attributes }) => attributes["http-equiv"] === "Content-Security-Policy");
    expect(policy?.attributes.content).toBe(
      `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'`,
    );
    expect(style!.text).not.toMatch(/url\(|@import/);
    const names = new Set(all.map(({ name }) => name));
    for (const name of ["script", "img", "link", "iframe", "object", "form", "base", "#comment"])
      expect(names).not.toContain(name);
    for (const attribute of new Set(all.flatMap(({ attributes }) => Object.keys(attributes))))
      expect(attribute).not.toMatch(/^(on.*|src|srcset|style|action|xlink:href)$/);
  });

  test("tells no page that it leads to where it was", () => {
    expect(all.find(({ attributes }) => attributes.name === "referrer")?.attributes.content).toBe(
      "no-referrer",
    );
    const own = /^(\.\.\/\.\.\/index\.html|runs\/[a-z0-9-]+\/[\w-]+\.html)$/;
    for (const { attributes } of named(page, "a")) {
      if (own.test(attributes.href ?? "")) continue;
      expect(attributes.href).toMatch(/^https:\/\//);
      expect(attributes.rel).toBe("noopener noreferrer");
    }
  });

  test("can be heard: language, landmarks, headings in their order, names of tables' cells, no picture without words", () => {
    expect(named(page, "html")[0]!.attributes.lang).toBe("en");
    for (const landmark of ["header", "main", "footer", "h1", "title"])
      expect([landmark, named(page, landmark).length]).toEqual([landmark, 1]);
    const levels = all.flatMap(({ name }) => (/^h[1-6]$/.test(name) ? [Number(name[1])] : []));
    for (const [index, level] of levels.entries())
      expect(level).toBeLessThanOrEqual((levels[index - 1] ?? 0) + 1);
    const ids = all.flatMap(({ attributes }) => (attributes.id ? [attributes.id] : []));
    expect(new Set(ids).size).toBe(ids.length);
    for (const { attributes } of named(page, "section")) expect(ids).toContain(attributes["aria-labelledby"]);
    for (const { attributes } of named(page, "th")) expect(attributes.scope).toMatch(/^(col|row)$/);
    for (const { attributes } of named(page, "svg")) expect(attributes["aria-hidden"]).toBe("true");
    for (const name of ["a", "summary", "h1", "h2", "h3", "th"])
      for (const text of texts(page, name)) expect([name, text]).not.toEqual([name, ""]);
  });

  test("has its times in UTC, for programs too", () => {
    const times = named(page, "time");
    expect(times.length).toBeGreaterThan(0);
    for (const { attributes, text } of times) {
      expect(new Date(attributes.datetime!).toISOString()).toBe(attributes.datetime);
      expect(text).toMatch(/^\d+ \w{3} \d{4}, \d\d:\d\d UTC$/);
    }
  });
});

describe("a run's page", () => {
  test("says first why the run failed, then its stages", () => {
    expect(texts(PAGES["failed-test"]!, "h2")).toEqual([
      "Why it failed",
      "Stages",
      "Tests",
      "Coverage",
      "Ends of the logs",
    ]);
    expect(texts(PAGES["failed-test"]!, "h1")).toEqual(["main failed in Build (test)"]);
  });

  test("tells plans with what their risks mean, and what became of each release", () => {
    const text = bodyText(PAGES["rolled-back"]!);
    expect(text).toContain("delete: something is destroyed");
    expect(text).toContain("prod: went back to the version before");
  });

  test("leads from a run that the pipeline's change has ended to the one that goes on", () => {
    expect(bodyText(PAGES["restarted-by-self-update"]!)).toContain(
      "The same change is released by 0b6e2c1f-2f0e-4ad1-9f53-ffb4a1f2d001.",
    );
  });
});

/** Bars of a page, by the width that they are drawn with, in percent: where they begin and end. */
const bars = (page: string) =>
  named(page, "rect").flatMap(({ attributes: { x, y, width } }) =>
    y ? [{ from: Number.parseFloat(x!), to: Number.parseFloat(x!) + Number.parseFloat(width!) }] : [],
  );

describe("the timeline", () => {
  const stage = (name: string, begin: number, seconds: number): StageReport => ({
    name,
    status: "succeeded",
    seconds,
    actions: [{ name, status: "succeeded", started: at(begin), seconds }],
  });
  const page = (...stages: StageReport[]) =>
    runPage({ ...succeeded, tests: undefined, coverage: undefined, stages });

  test("is scaled to time", () => {
    expect(bars(page(stage("a", 0, 30), stage("b", 30, 60), stage("c", 90, 10)))).toEqual([
      { from: 0, to: 30 },
      { from: 30, to: 90 },
      { from: 90, to: 100 },
    ]);
  });

  test("draws a night's wait for an answer shorter, and says so", () => {
    const waited = page(stage("a", 0, 50), stage("approve-prod", 50, 50_000), stage("b", 50_050, 50));
    const [first, wait, last] = bars(waited);
    expect(first!.to - first!.from).toBeCloseTo(last!.to - last!.from, 1);
    expect(wait!.to - wait!.from).toBeLessThan(10);
    expect(bodyText(waited)).toContain("Long waits for an answer are drawn shorter than they were.");
    expect(bodyText(page(stage("a", 0, 50)))).not.toContain("drawn shorter");
  });

  test("draws all bars within its width, and so that they are seen, however long they took", () => {
    const some = fc.tuple(
      fc.integer({ min: 0, max: 1e6 }),
      fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 1e6 })),
    );
    fc.assert(
      fc.property(fc.array(some, { minLength: 1, maxLength: 6 }), (all) => {
        const drawn = bars(page(...all.map(([begin, seconds], index) => stage(`s${index}`, begin, seconds))));
        expect(drawn).toHaveLength(all.length);
        for (const { from, to } of drawn) {
          expect(from).toBeGreaterThanOrEqual(0);
          expect(to).toBeLessThanOrEqual(100.011);
          expect(to - from).toBeGreaterThan(0.7);
        }
      }),
      { numRuns: tries(100) },
    );
  });

  test("draws what waits to its end", () => {
    const [last] = bars(runPage(approval.run)).slice(-1);
    expect(last!.to).toBeCloseTo(100, 1);
    expect(last!.to - last!.from).toBeGreaterThan(5);
  });
});

describe("the overview", () => {
  const cards = texts(PAGES.overview!, "article").slice(0, 3);

  test("says of each environment which commit is there, how it is, and what differs", () => {
    expect(cards[0]).toMatch(/^dev Healthy Differs from what was released c\w{6} Show the price/);
    expect(cards[1]).toMatch(/^prod Went back to the version before c\w{6} Bring the base image/);
    expect(cards[2]).toMatch(/^lab Nothing deployed yet No commit was verified here\./);
  });

  test("lists the last ten runs of each pipeline, and counts all", () => {
    const rows = named(PAGES.overview!, "tr").length;
    expect(rows).toBe(1 + 10);
    expect(bodyText(PAGES.overview!)).toContain("30 runs: 23 succeeded, 4 failed, 1 stopped, 1 superseded");
    expect(bodyText(PAGES.overview!)).toContain("hotfixfrom hotfix/* to prod It has not run yet.");
  });
});
