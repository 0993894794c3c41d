import { runPage } from "../../../shared/page-links";
import type { Overview, RunSummary } from "../../../shared/run-report";
import { duration, foreign, percent, plural, secondsBetween, shortCommit } from "../messages/words";
import {
  type Html,
  html,
  link,
  page,
  pageLink,
  part,
  symbol,
  type Tone,
  time,
  took,
  waterline,
} from "./html";
import { type Measures, measures } from "./measures";
import { TONES } from "./timeline";

/** Of a pipeline's runs, those that the table has. */
const ROWS = 10;

type Pipeline = Overview["pipelines"][number];

/** What runs in each environment and how well it is delivered to, and the last runs of all pipelines. */
export function overviewPage(overview: Overview): string {
  const { project, when, pipelines } = overview;
  const environments = [...new Set(pipelines.flatMap((pipeline) => pipeline.environments))];
  return page(
    {
      title: `${project}: environments and pipelines`,
      where: html`<b>Slipway</b>`,
      footer: html`As of ${time(when)}. All times are UTC.`,
    },
    html`
<div class="verdict"><h1>${project}</h1><p class="note">As of ${time(when)}</p>${waterline("idle")}</div>
${part("environments", "Environments", environments.length ? html`<div class="cards">${environments.map((environment) => card(overview, environment))}</div>${explanation}` : undefined)}
${part("pipelines", "Pipelines", pipelines.map(pipelineRuns))}`,
  );
}

const HEALTH: Readonly<Record<Measures["health"], { readonly tone: Tone; readonly words: string }>> = {
  verified: { tone: "good", words: "Healthy" },
  failed: { tone: "bad", words: "The last deployment failed" },
  "brought-back": { tone: "wait", words: "Went back to the version before" },
  unknown: { tone: "idle", words: "Nothing deployed yet" },
};

function card({ pipelines, drifted }: Overview, environment: string): Html {
  const runs = pipelines.flatMap((pipeline) => pipeline.runs);
  const found = measures(runs, environment);
  const { tone, words } = HEALTH[found.health];
  return html`
<article class="card"><h3>${environment}</h3>
<p class="state">${symbol(tone)}<span>${words}</span></p>
${drifted.includes(environment) && html`<p class="state">${symbol("wait")}<span>Differs from what was released</span></p>`}
${found.current ? current(found.current) : html`<p class="current note">No commit was verified here.</p>`}
<dl class="measures">${[
    measure("Deployments", String(found.deployments)),
    measure("Lead time", found.leadSeconds === undefined ? undefined : duration(found.leadSeconds)),
    measure("Failure rate", found.failureRate === undefined ? undefined : percent(100 * found.failureRate)),
    measure(
      "Time to restore",
      found.restoreSeconds === undefined ? undefined : duration(found.restoreSeconds),
    ),
  ]}</dl>
</article>`;
}

const measure = (name: string, value: string | undefined) =>
  html`<div><dt>${name}</dt><dd class="${value === undefined ? "note" : "number"}">${value ?? "not known yet"}</dd></div>`;

const current = ({ commit, since }: NonNullable<Measures["current"]>): Html =>
  html`<p class="current">${link(commit.url, html`<code>${shortCommit(commit.id)}</code>`)} ${foreign(commit.message, 120)}<br><span class="note">since ${time(since)}</span></p>`;

const explanation = html`<details class="explained"><summary>What these measures mean</summary>
<dl><dt>Lead time</dt><dd>From when a commit was made to when it was verified in the environment; the median.</dd>
<dt>Failure rate</dt><dd>The share of deployments that failed or went back to the version before.</dd>
<dt>Time to restore</dt><dd>From when a deployment failed to when another run gave users a good version again; the median. What went back within its own run left nothing to restore.</dd></dl></details>`;

function pipelineRuns({ name, branch, environments, runs }: Pipeline): Html {
  return html`
<article class="pipeline"><h3>${name}</h3><p class="note">from <code>${foreign(branch, 100)}</code> to ${environments.map((environment, index) => html`${index > 0 && ", "}${environment}`)}</p>
${runs.length ? html`${strip(runs)}${table(name, runs.slice(0, ROWS))}` : html`<p class="note">It has not run yet.</p>`}
</article>`;
}

const HEIGHT = { line: 44, lowest: 5, below: 14 };

/** Runs from left to right in time: those that succeeded stand on the line, as high as they took long; the others hang below it. */
function strip(runs: readonly RunSummary[]): Html {
  const oldestFirst = runs.toReversed();
  const seconds = oldestFirst.map(({ started, ended }) => secondsBetween(started, ended) ?? 0);
  const longest = Math.max(
    1,
    ...oldestFirst.map(({ status }, index) => (status === "succeeded" ? seconds[index]! : 0)),
  );
  const slot = 100 / Math.max(oldestFirst.length, 12);
  const bars = oldestFirst.map(({ status }, index) => {
    const x = `${Math.round(index * slot * 100) / 100}%`;
    const width = `${Math.round(slot * 62) / 100}%`;
    if (status === "succeeded") {
      const high = HEIGHT.lowest + ((HEIGHT.line - HEIGHT.lowest) * seconds[index]!) / longest;
      return html`<rect class="good" x="${x}" y="${round(HEIGHT.line - high)}" width="${width}" height="${round(high)}" rx="1.5"/>`;
    }
    const below = status === "failed" ? HEIGHT.below : HEIGHT.lowest;
    return html`<rect class="${TONES[status]}" x="${x}" y="${HEIGHT.line + 2}" width="${width}" height="${below}" rx="1.5"/>`;
  });
  return html`<figure class="strip"><svg aria-hidden="true">${bars}<line x1="0" x2="100%" y1="${HEIGHT.line + 1}" y2="${HEIGHT.line + 1}"/></svg>
<figcaption class="note">${counted(runs)}. Above the line: succeeded, as high as it took long${longest > 1 && ` (at most ${duration(longest)})`}. Below: all others.</figcaption></figure>`;
}

const round = (value: number) => Math.round(value * 10) / 10;

function counted(runs: readonly RunSummary[]): string {
  const of = (status: RunSummary["status"]) => runs.filter((run) => run.status === status).length;
  return `${plural(runs.length, "run")}: ${(
    ["succeeded", "failed", "stopped", "superseded", "waiting", "running"] as const
  )
    .flatMap((status) => (of(status) ? [`${of(status)} ${WORDS[status].toLowerCase()}`] : []))
    .join(", ")}`;
}

const WORDS: Readonly<Record<RunSummary["status"], string>> = {
  running: "Running",
  waiting: "Waiting for an answer",
  succeeded: "Succeeded",
  failed: "Failed",
  stopped: "Stopped",
  superseded: "Superseded",
};

const table = (pipeline: string, runs: readonly RunSummary[]): Html => html`
<table role="table" class="stacked runs"><caption class="unseen">The last runs of ${pipeline}, newest first</caption>
<thead role="rowgroup"><tr role="row"><th role="columnheader" scope="col">Run</th><th role="columnheader" scope="col">Commit</th><th role="columnheader" scope="col">Started</th><th role="columnheader" scope="col">Took</th></tr></thead>
<tbody role="rowgroup">${runs.map(({ execution, status, commit, started, ended }) => {
  const seconds = secondsBetween(started, ended);
  return html`
<tr role="row"><th role="rowheader" scope="row"><span class="state">${symbol(TONES[status])}${pageLink(runPage(pipeline, execution), WORDS[status])}</span></th><td role="cell">${link(commit.url, html`<code>${shortCommit(commit.id)}</code>`)} ${foreign(commit.message, 100)}<br><span class="note">${commit.author ? foreign(commit.author, 60) : "unknown"}, on ${foreign(commit.branch, 60)}</span></td><td role="cell">${time(started)}</td><td role="cell">${seconds === undefined ? html`<span class="note">not ended</span>` : took(seconds)}</td></tr>`;
})}</tbody></table>`;
