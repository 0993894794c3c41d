import { createHash } from "node:crypto";
import { visible } from "../../../shared/visible";
import { address, duration, moment } from "../messages/words";
import { STYLE } from "./style";

/** HTML that may stand in a page as it is; made by `html` alone. */
export class Html {
  private constructor(readonly text: string) {}

  /** @internal of `html`, whose own words it is */
  static made(text: string): Html {
    return new Html(text);
  }
}

type Part = Html | string | number | undefined | false | readonly Part[];

/** A piece of a page. What is put into it is text, in an element or in a quoted attribute, if it is not itself made by this. */
export const html = (words: TemplateStringsArray, ...parts: readonly Part[]): Html =>
  Html.made(String.raw({ raw: words }, ...parts.map(textOf)));

function textOf(part: Part): string {
  if (part === undefined || part === false) return "";
  if (part instanceof Html) return part.text;
  if (typeof part === "object") return part.map(textOf).join("");
  return visible(String(part)).replace(/[&<>"'`]/g, (found) => `&#${found.charCodeAt(0)};`);
}

/** A link to another of our pages, from where the one that it stands on lies: `base` leads up to their root. */
export const pageLink = (path: string, content: Html | string, base = ""): Html =>
  html`<a href="${base}${path}">${content}</a>`;

/** A link that tells the page it leads to nothing; text alone where the address is none that may be followed. */
export function link(url: string | undefined, content: Html | string): Html {
  const to = address(url);
  return to ? html`<a href="${to}" rel="noopener noreferrer">${content}</a>` : html`${content}`;
}

export const time = (iso: string): Html =>
  Number.isNaN(Date.parse(iso))
    ? html`${moment(iso)}`
    : html`<time datetime="${new Date(iso).toISOString()}">${moment(iso)}</time>`;

/** A text in which each length of time stays on its line. */
export const timed = (text: string): Html =>
  html`${text
    .split(/(\d+ (?:s|min|h|days?)(?: \d+ (?:s|min|h))?)/)
    .map((words, index) => (index % 2 ? html`<span class="number">${words}</span>` : words))}`;

export const took = (seconds: number): Html => html`<span class="number">${duration(seconds)}</span>`;

/** How something came out: a shape and words beside its colour. */
export type Tone = "good" | "bad" | "wait" | "run" | "idle";

/** Without words: what it means stands beside it. */
export const symbol = (tone: Tone): Html =>
  html`<svg class="symbol ${tone}" viewBox="0 0 24 24" aria-hidden="true">${SHAPES[tone]}</svg>`;

const SHAPES: Readonly<Record<Tone, Html>> = {
  good: html`<circle cx="12" cy="12" r="11"/><path d="M6.5 12.5l3.8 3.8 7.2-8"/>`,
  bad: html`<path class="body" d="M7.5 1h9L23 7.5v9L16.5 23h-9L1 16.5v-9z"/><path d="M8 8l8 8M16 8l-8 8"/>`,
  wait: html`<path class="body" d="M12 1l11 11-11 11L1 12z"/><path d="M12 6.5v7M12 17v.6"/>`,
  run: html`<circle cx="12" cy="12" r="11"/><path d="M9.5 7.5l6 4.5-6 4.5z"/>`,
  idle: html`<circle class="hollow" cx="12" cy="12" r="10"/><path class="dash" d="M7.5 12h9"/>`,
};

/** A hull on its slipway. */
const LOGO = html`<svg class="logo" viewBox="0 0 40 28" aria-hidden="true"><path class="rail" d="M2 26.5L38 16.5"/><path d="M5.2 13.4l29-8c.2 4.5-2 8.3-6 9.5l-14.5 4c-4 1.1-7-1-8.5-5.5z"/><path d="M13.5 9.3l-1-4 9-2.5 1.1 4z"/></svg>`;

/** What a page opens with ends on it: water, and the way up from it. */
export const waterline = (tone: Tone): Html =>
  html`<svg class="waterline ${tone}" viewBox="0 0 1000 20" preserveAspectRatio="none" aria-hidden="true"><path d="M0 18H640L1000 3"/></svg>`;

const POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${createHash("sha256").update(STYLE).digest("base64")}'`,
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");

/** A whole page. It loads nothing, runs nothing, and says to no page that it leads to where it was: its address is a key. */
export function page(
  { title, where, footer }: { readonly title: string; readonly where: Html; readonly footer: Html },
  main: Html,
): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${Html.made(POLICY)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<meta name="robots" content="noindex">
<title>${title}</title>
<style>${Html.made(STYLE)}</style>
</head>
<body>
<header class="top"><p>${LOGO}${where}</p></header>
<main>
${main}
</main>
<footer class="end"><p>${footer}</p></footer>
</body>
</html>
`.text;
}

/** A part of a page with its heading; none where it is empty. */
export const part = (id: string, title: string, content: Html | readonly Html[] | undefined): Html =>
  content === undefined || (Array.isArray(content) && !content.length)
    ? html``
    : html`
<section aria-labelledby="${id}">
<h2 id="${id}">${title}</h2>
${content as Html}
</section>`;
