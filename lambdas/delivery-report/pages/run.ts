import { OVERVIEW_PAGE } from "../../../shared/page-links";
import {
  type ActionReport,
  type PlanReport,
  type ReleaseReport,
  type RunReport,
  successorOf,
  verdictOf,
} from "../../../shared/run-report";
import {
  coverageText,
  failuresOf,
  foreign,
  headline,
  isToldByAction,
  linksOf,
  percent,
  plural,
  RELEASE_WORDS,
  reasonOf,
  riskText,
  secondsBetween,
  shortCommit,
} from "../messages/words";
import { Html, html, link, page, pageLink, part, symbol, type Tone, time, took, waterline } from "./html";
import { TONES, timeline } from "./timeline";

/** A run as a page of its own: why it failed, its stages in time, tests, plans, releases, the ends of its logs. */
export function runPage(run: RunReport): string {
  const { project, pipeline, execution } = run;
  const title = `${project}/${pipeline} ${headline(run)}`;
  return page(
    {
      title,
      where: html`${pageLink(OVERVIEW_PAGE, project, "../../")} <b>${pipeline}</b>`,
      footer: html`Execution <code>${execution}</code> of the pipeline ${pipeline}. All times are UTC.`,
    },
    html`${opening(run)}${why(run)}${part("timeline", "Stages", timeline(run))}
<div class="pair">${part("tests", "Tests", tests(run))}${part("coverage", "Coverage", coverage(run))}</div>
${part("plans", "Plans", run.plans.length ? plans(run.plans) : undefined)}${part("releases", "Releases", run.releases.length ? html`<div class="releases">${run.releases.map(release)}</div>` : undefined)}${part("logs", "Ends of the logs", logs(run))}`,
  );
}

function opening(run: RunReport): Html {
  const { commit, started, ended, pipeline } = run;
  const tone = TONES[verdictOf(run)];
  const reason = reasonOf(run);
  const isRepeated = isToldByAction(run) && !run.tests?.failed;
  const seconds = secondsBetween(started, ended);
  const successor = successorOf(run);
  return html`
<div class="verdict">
<h1>${symbol(tone)}<span>${pipeline} ${headline(run)}</span></h1>
${reason && !isRepeated && html`<p class="reason">${reason}</p>`}
${successor && html`<p class="reason">The same change is released by <code>${successor}</code>.</p>`}
<p class="message">${foreign(commit.message, 300)}</p>
<dl class="facts">
<div><dt>Commit</dt><dd>${link(commit.url, html`<code>${shortCommit(commit.id)}</code>`)} on ${foreign(commit.branch, 100)}</dd></div>
<div><dt>Author</dt><dd>${commit.author ? foreign(commit.author, 100) : "unknown"}${commit.when && html`, ${time(commit.when)}`}</dd></div>
<div><dt>Started</dt><dd>${time(started)}</dd></div>
${ended && html`<div><dt>Ended</dt><dd>${time(ended)}${seconds !== undefined && html`, after ${took(seconds)}`}</dd></div>`}
</dl>
<p class="links">${linksOf(run)
    .filter(({ name }) => name !== "Report" && name !== "Commit")
    .map(({ name, url }) => link(url, name))}</p>
${waterline(tone)}
</div>`;
}

function why(run: RunReport): Html {
  const failures = failuresOf(run).filter(({ action }) => action.errors?.length || action.summary);
  return part(
    "why",
    "Why it failed",
    failures.map(
      ({ stage, action: { name, summary, errors = [], logUrl } }) => html`
<article class="failure"><h3>${stage}, ${name}</h3>
${summary && html`<p>${foreign(summary, 400)}</p>`}
${errors.length > 0 && lines(errors)}
${logUrl && html`<p class="links">${link(logUrl, "Its whole log")}</p>`}
</article>`,
    ),
  );
}

/** Lines of a log. They break where they must, so that nobody has to move them. */
const lines = (all: readonly string[]): Html =>
  html`<pre>${all.map((line, index) => html`${index > 0 && NEWLINE}${line}`)}</pre>`;

const NEWLINE = Html.made("\n");

function tests({ tests }: RunReport): Html | undefined {
  if (!tests) return undefined;
  const { passed, failed, skipped, failures } = tests;
  const all = Math.max(1, passed + failed + skipped);
  const shares: [Tone, number, number][] = [
    ["bad", 0, failed],
    ["good", failed, passed],
    ["idle", failed + passed, skipped],
  ];
  const share = (count: number) => Math.round((10_000 * count) / all) / 100;
  return html`
<svg class="share" aria-hidden="true">${shares.map(([tone, from, count]) => count > 0 && html`<rect class="${tone}" x="${share(from)}%" width="${share(count)}%" height="100%"/>`)}</svg>
<dl class="counts"><div><dt>${symbol("good")}passed</dt><dd>${passed}</dd></div><div><dt>${symbol(failed ? "bad" : "idle")}failed</dt><dd>${failed}</dd></div><div><dt>${symbol("idle")}skipped</dt><dd>${skipped}</dd></div></dl>
${failures.length > 0 && html`<ul class="failures">${failures.slice(0, 20).map(({ name, message }) => html`<li><b>${foreign(name, 300)}</b>${message !== undefined && html`<pre>${foreign(message, 600)}</pre>`}</li>`)}</ul>`}`;
}

function coverage({ coverage }: RunReport): Html | undefined {
  if (!coverage) return undefined;
  const { lines, linesBefore } = coverage;
  const clamp = (value: number) => Math.min(100, Math.max(0, Math.round(value * 100) / 100));
  return html`
<svg class="share" aria-hidden="true"><rect class="good" width="${clamp(lines)}%" height="100%"/>${linesBefore !== undefined && html`<line x1="${clamp(linesBefore)}%" x2="${clamp(linesBefore)}%" y1="0" y2="100%"/>`}</svg>
<p><b class="large number">${percent(lines)}</b> ${coverageText(coverage).slice(percent(lines).length + 1)}</p>`;
}

function plans(all: readonly PlanReport[]): Html {
  return html`
<table role="table" class="stacked">
<thead role="rowgroup"><tr role="row"><th role="columnheader" scope="col">Environment</th><th role="columnheader" scope="col">Risks</th><th role="columnheader" scope="col">Changes</th><th role="columnheader" scope="col">Review</th></tr></thead>
<tbody role="rowgroup">${all.map(
    ({ environment, risks, summary, cost, reviewUrl }) => html`
<tr role="row"><th role="rowheader" scope="row">${environment}</th><td role="cell">${risks.length ? html`<ul class="risks">${risks.map((risk) => html`<li>${symbol("wait")}<span>${riskText(risk)}</span></li>`)}</ul>` : html`<span class="note">none</span>`}</td><td role="cell">${foreign(summary)}${cost !== undefined && html`<br><span class="note">${foreign(cost)}</span>`}</td><td role="cell">${reviewUrl ? link(reviewUrl, html`Review<span class="unseen"> of ${environment}</span>`) : html`<span class="note">none</span>`}</td></tr>`,
  )}</tbody>
</table>`;
}

const RELEASED: Readonly<Record<ReleaseReport["outcome"], Tone>> = {
  released: "good",
  unchanged: "idle",
  failed: "bad",
  "brought-back": "wait",
};

const release = ({ environment, outcome, lines: all }: ReleaseReport): Html => html`
<article><h3>${symbol(RELEASED[outcome])}<span>${environment}: ${RELEASE_WORDS[outcome]}</span></h3>
${all.length > 0 && html`<ul>${all.map((line) => html`<li>${foreign(line, 300)}</li>`)}</ul>`}
</article>`;

function logs({ stages }: RunReport): Html[] {
  const ends = stages.flatMap(({ name: stage, actions }) =>
    actions.flatMap((action) => (action.tail?.length ? [{ stage, action, tail: action.tail }] : [])),
  );
  return ends.map(
    ({ stage, action, tail }: { stage: string; action: ActionReport; tail: readonly string[] }) => html`
<details><summary>${symbol(TONES[action.status])}<span class="name">${stage}, ${action.name}</span> <span class="note">${plural(tail.length, "line")}</span></summary>
${lines(tail)}
${action.logUrl && html`<p class="links">${link(action.logUrl, html`The whole log<span class="unseen"> of ${action.name}</span>`)}</p>`}
</details>`,
  );
}
