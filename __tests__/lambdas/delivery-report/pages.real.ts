import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { overviewPage } from "../../../lambdas/delivery-report/pages/overview";
import { runPage } from "../../../lambdas/delivery-report/pages/run";
import { startBrowser } from "../../support/browser";
import { hostileRun } from "./messages-hostile";
import { runs } from "./messages-runs";
import { overview } from "./pages-overview";

const IMAGES = join(__dirname, "../../../docs/images");

const SIZES = { phone: { width: 360, height: 740 }, desktop: { width: 1280, height: 900 } } as const;

const PAGES = {
  run: runPage(runs["failed-test"]!),
  "rolled-back": runPage(runs["rolled-back"]!),
  success: runPage(runs.success!),
  overview: overviewPage(overview),
  hostile: runPage(hostileRun(`<b>${"x".repeat(300)}</b>\u202E`)),
};
type Name = keyof typeof PAGES;

let folder: string;
let browser: Browser;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "slipway-pages-"));
  for (const [name, text] of Object.entries(PAGES)) writeFileSync(join(folder, `${name}.html`), text);
  browser = await startBrowser();
});

afterAll(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Opens a page, with what its console says and all that it asks for. */
async function open(name: Name, options: BrowserContextOptions) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const said: string[] = [];
  const asked: string[] = [];
  page.on("console", (message) => said.push(message.text()));
  page.on("pageerror", (error) => said.push(String(error)));
  page.on("request", (request) => asked.push(request.url()));
  await page.goto(pathToFileURL(join(folder, `${name}.html`)).href);
  return { page, said, asked };
}

/** Texts whose colour is too near to what they stand on (WCAG 2.2, 1.4.3), with their ratio. */
const faint = (page: Page) =>
  page.evaluate(() => {
    type Rgb = [number, number, number, number];
    const rgb = (text: string): Rgb => {
      const [red = 0, green = 0, blue = 0, alpha = 1] = (text.match(/[\d.]+/g) ?? []).map(Number);
      return [red, green, blue, alpha];
    };
    const luminance = ([red, green, blue]: Rgb) => {
      const [r, g, b] = [red, green, blue].map((value) => {
        const part = value / 255;
        return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
      }) as [number, number, number];
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = (element: Element | null): Rgb => {
      for (let at = element; at; at = at.parentElement) {
        const colour = rgb(getComputedStyle(at).backgroundColor);
        if (colour[3] > 0) return colour;
      }
      return [255, 255, 255, 1];
    };
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const found: string[] = [];
    let count = 0;
    while (texts.nextNode()) {
      const element = texts.currentNode.parentElement!;
      const text = texts.currentNode.textContent!.trim();
      if (!text || !element.checkVisibility() || element.closest(".unseen")) continue;
      count++;
      const [one, other] = [luminance(rgb(getComputedStyle(element).color)), luminance(ground(element))];
      const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
      if (ratio < 4.5) found.push(`${ratio.toFixed(2)}: ${text}`);
    }
    return { count, found };
  });

describe.each(Object.keys(SIZES) as (keyof typeof SIZES)[])("on a %s", (size) => {
  describe.each(["light", "dark"] as const)("in the %s", (colorScheme) => {
    test.each(
      Object.keys(PAGES) as Name[],
    )("the page %s can be read, fits, loads nothing and keeps to its own policy", async (name) => {
      const { page, said, asked } = await open(name, { viewport: SIZES[size], colorScheme });
      await page.evaluate(() => {
        for (const details of document.querySelectorAll("details")) details.open = true;
      });
      // As wide as the window, and nothing in it wider.
      const wide = await page.evaluate(() =>
        [...document.querySelectorAll("body *")]
          .filter((element) => element.getBoundingClientRect().right > innerWidth + 0.5)
          .map((element) => element.outerHTML.slice(0, 100)),
      );
      expect(wide).toEqual([]);
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(SIZES[size].width);
      const { count, found } = await faint(page);
      expect(found).toEqual([]);
      expect(count).toBeGreaterThan(20);
      expect(said).toEqual([]);
      expect(asked).toEqual([page.url()]);
      // The policy lets the style in: without it there would be none.
      expect(await page.evaluate(() => getComputedStyle(document.body).marginTop)).toBe("0px");
      await page.context().close();
    });
  });
});

test("the policy holds: no script runs and no other style counts", async () => {
  const { page, said } = await open("run", {});
  await page.evaluate(() => {
    document.body.append(Object.assign(document.createElement("script"), { textContent: "window.ran = 1" }));
    document.body.append(
      Object.assign(document.createElement("style"), { textContent: "h1 { margin-top: 99px }" }),
    );
    document.body.append(Object.assign(document.createElement("img"), { src: "https://example.com/x.png" }));
  });
  expect(await page.evaluate(() => "ran" in window)).toBe(false);
  expect(await page.evaluate(() => getComputedStyle(document.querySelector("h1")!).marginTop)).toBe("0px");
  expect(said.filter((text) => text.includes("Content Security Policy")).length).toBeGreaterThanOrEqual(3);
  await page.context().close();
});

test("whoever has the keyboard alone comes to all links and logs, in the order in which they stand", async () => {
  const { page } = await open("run", { viewport: SIZES.phone });
  const expected = await page.evaluate(() =>
    [...document.querySelectorAll("a[href], summary")]
      .filter((element) => element.checkVisibility())
      .map((element) => element.textContent),
  );
  const visited: (string | null)[] = [];
  for (let index = 0; index < expected.length; index++) {
    await page.keyboard.press("Tab");
    const { text, outline } = await page.evaluate(() => {
      const element = document.activeElement!;
      return { text: element.textContent, outline: getComputedStyle(element).outlineStyle };
    });
    expect(outline).toBe("solid");
    visited.push(text);
  }
  expect(visited).toEqual(expected);
  expect(expected.length).toBeGreaterThan(3);
  await page.context().close();
});

test("a log opens without JavaScript", async () => {
  const { page } = await open("run", { javaScriptEnabled: false });
  const log = page.locator("details pre").first();
  expect(await log.isVisible()).toBe(false);
  await page.locator("summary").first().click();
  expect(await log.isVisible()).toBe(true);
  await page.context().close();
});

test("a run's page tells the same as text alone: status and time of each action", async () => {
  const { page } = await open("run", { viewport: SIZES.desktop });
  const rows = await page.locator(".stage").nth(2).locator(".action").allTextContents();
  expect(rows).toEqual([
    "lint succeeded in 41 s, begun 1 min 9 s after the first",
    "test failed after 4 min 10 s, begun 1 min 9 s after the first",
    "scan succeeded in 1 min 6 s, begun 1 min 9 s after the first",
    "synth succeeded in 58 s, begun 1 min 9 s after the first",
    "image-web succeeded in 2 min 51 s, begun 1 min 9 s after the first",
  ]);
  await page.context().close();
});

// Beside the documentation. Which fonts a machine has tells in every pixel, so they are compared by people alone.
(process.env.UPDATE_SCREENSHOTS ? test : test.skip).each([
  ["run", "phone", "light", 1360],
  ["rolled-back", "desktop", "light", 1336],
  ["overview", "phone", "dark", 1360],
  ["overview", "desktop", "light", 1130],
] as const)("writes the image of the page %s on a %s", async (name, size, colorScheme, height) => {
  mkdirSync(IMAGES, { recursive: true });
  const { page } = await open(name, { viewport: SIZES[size], colorScheme });
  const kind = name === "overview" ? name : "run";
  await page.screenshot({
    path: join(IMAGES, `run-report-${kind}-${size}.png`),
    fullPage: true,
    clip: { x: 0, y: 0, ...SIZES[size], height },
  });
  await page.context().close();
});
