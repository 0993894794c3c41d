import type { ActionReport, RunReport, StageReport } from "../../../shared/run-report";
import { duration, isApproval, outcome } from "../messages/words";
import { type Html, html, symbol, type Tone, time, timed } from "./html";

/** Of what was busy, the share that a pause is drawn with at most: a night's wait for an answer would leave no room. */
const PAUSE = 0.06;
/** In percent: a bar that can be seen. */
const SEEN = 0.8;

export const TONES: Readonly<Record<ActionReport["status"] | RunReport["status"], Tone>> = {
  "not-started": "idle",
  running: "run",
  waiting: "wait",
  succeeded: "good",
  failed: "bad",
  stopped: "idle",
  skipped: "idle",
  superseded: "idle",
};

interface Span {
  readonly from: number;
  readonly to: number;
}

/** Milliseconds to percent of the width. */
type Axis = (at: number) => number;

/** Stages one below the other, each with its actions as bars side by side in time. */
export function timeline({ stages }: RunReport): Html | undefined {
  const begun = stages.filter(({ status }) => status !== "not-started");
  const later = stages.filter(({ status }) => status === "not-started");
  if (!begun.length) return undefined;
  const actions = begun.flatMap((stage) => stage.actions);
  const spans = actions.flatMap((action) => spanOf(action) ?? []);
  const first = Math.min(...spans.map(({ from }) => from));
  const last = Math.max(...spans.map(({ to }) => to));
  const { axis, hasPause } = axisOf(actions, first, last);
  const usual = begun.some((stage) => usualEnd(stage) !== undefined);
  return html`
<ol class="stages">${begun.map((stage) => stageRow(stage, axis, first))}</ol>
${later.length > 0 && html`<p class="later"><span class="label">Not begun</span> ${later.map(({ name }) => html`<span class="name">${name}</span> `)}</p>`}
${
  spans.length > 0 &&
  html`<p class="note">From ${time(new Date(first).toISOString())} to ${time(new Date(last).toISOString())}. ${usual && "The upright line is where a stage usually ends. "}${hasPause && "Long waits for an answer are drawn shorter than they were."}</p>`
}`;
}

function stageRow(stage: StageReport, axis: Axis, first: number): Html {
  const { name, actions, status } = stage;
  // Where there is one action, its time is the stage's: a phone shows the one, a desktop the other.
  const isSingle = actions.length === 1;
  const own = isSingle && { name, medianSeconds: stage.medianSeconds };
  return html`
<li class="stage${isSingle && " single"}">
<div class="head"><h3>${symbol(TONES[status])}<span class="name">${name}</span></h3><p class="note">${spoken(stage)}</p></div>
<ul class="actions">${actions.map((action) => actionRow(action, own, axis, first, usualEnd(stage)))}</ul>
</li>`;
}

/** How something came out. Who hears it is told what others see by its symbol. */
const spoken = (of: Parameters<typeof outcome>[0]): Html =>
  html`${of.status === "succeeded" && html`<span class="unseen">succeeded in </span>`}${timed(outcome(of))}`;

/** @param stage whose only action it is */
function actionRow(
  action: ActionReport,
  stage: Pick<StageReport, "name" | "medianSeconds"> | false,
  axis: Axis,
  first: number,
  usual: number | undefined,
): Html {
  const span = spanOf(action);
  const after = span ? Math.round((span.from - first) / 1000) : 0;
  // Most stages and their only action have one name.
  const isSame = stage && stage.name.toLowerCase() === action.name.toLowerCase();
  return html`
<li class="action"><span class="name${isSame && " unseen"}">${action.name}</span> <span class="took">${spoken({ ...action, medianSeconds: stage ? stage.medianSeconds : undefined })}</span>${after > 0 && html`<span class="unseen">, begun ${duration(after)} after the first</span>`}${bar(action, span, axis, usual)}</li>`;
}

function bar(action: ActionReport, span: Span | undefined, axis: Axis, usual: number | undefined): Html {
  const tone = isApproval(action) && action.status === "succeeded" ? "wait" : TONES[action.status];
  const x = span ? Math.min(axis(span.from), 100 - SEEN) : 0;
  const width = span ? Math.max((isOpen(action) ? 100 : axis(span.to)) - x, SEEN) : 0;
  const mark = usual === undefined ? undefined : axis(usual);
  return html`<svg class="bar ${tone}${isApproval(action) && " person"}" aria-hidden="true">${span && html`<rect class="${tone}" x="${round(x)}%" y="32%" width="${round(width)}%" height="36%" rx="2"/>`}${mark !== undefined && html`<line x1="${round(mark)}%" x2="${round(mark)}%" y1="-11%" y2="111%"/>`}</svg>`;
}

const isOpen = ({ status, seconds }: ActionReport) =>
  seconds === undefined && (status === "running" || status === "waiting");

const round = (value: number) => Math.round(value * 100) / 100;

/** Undefined where it cannot be told. */
function spanOf({ started, seconds }: ActionReport): Span | undefined {
  const from = started === undefined ? Number.NaN : Date.parse(started);
  return Number.isNaN(from) ? undefined : { from, to: from + 1000 * Math.max(0, seconds ?? 0) };
}

/** When a stage would have ended that takes as long as most often. */
function usualEnd({ actions, medianSeconds }: StageReport): number | undefined {
  const starts = actions.flatMap((action) => spanOf(action)?.from ?? []);
  // How long people take is no measure.
  if (medianSeconds === undefined || !starts.length || actions.every(isApproval)) return undefined;
  return Math.min(...starts) + 1000 * medianSeconds;
}

/** Time as it passes, but for pauses in which the run waited for a person or for nothing. */
function axisOf(actions: readonly ActionReport[], first: number, last: number) {
  const busy = actions
    .filter((action) => !isApproval(action))
    .flatMap((action) => spanOf(action) ?? [])
    .sort((one, other) => one.from - other.from);
  // Stretches, busy and idle in turn.
  const stretches: (Span & { readonly isIdle: boolean })[] = [];
  let at = first;
  for (const { from, to } of [...busy, { from: last, to: last }]) {
    if (from > at) stretches.push({ from: at, to: from, isIdle: true });
    const begin = Math.max(from, at);
    if (to > begin) stretches.push({ from: begin, to, isIdle: false });
    at = Math.max(at, to);
  }
  const length = ({ from, to }: Span) => to - from;
  const worked = stretches.filter(({ isIdle }) => !isIdle).reduce((sum, one) => sum + length(one), 0);
  const most = worked ? PAUSE * worked : Number.POSITIVE_INFINITY;
  const drawn = stretches.map((one) => ({
    ...one,
    width: one.isIdle ? Math.min(length(one), most) : length(one),
  }));
  const total = drawn.reduce((sum, { width }) => sum + width, 0) || 1;
  // What has not ended goes on, for nobody knows how long.
  const room = actions.some(isOpen) ? 100 * (1 - PAUSE) : 100;
  const axis: Axis = (moment) => {
    let passed = 0;
    for (const stretch of drawn)
      if (moment > stretch.from)
        passed += (stretch.width * (Math.min(moment, stretch.to) - stretch.from)) / length(stretch);
    return Math.min(room, (room * passed) / total);
  };
  return { axis, hasPause: drawn.some((one) => one.width < length(one)) };
}
