/** The one style sheet of all pages. Nothing in it loads anything; its hash is what the pages' policy lets in. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --paper: #f4f2ec; --sheet: #fffefb; --ink: #17222c; --soft: #55616b; --line: #d8d4c8; --track: #e9e6dc;
  --good: #1c6b57; --bad: #b02e22; --wait: #8d5a06; --run: #245f96; --idle: #6a7580; --link: #14586b;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #0f171d; --sheet: #16212a; --ink: #e9e6dd; --soft: #a3afb8; --line: #2b3944; --track: #22303a;
    --good: #5cc2a2; --bad: #ff8b7b; --wait: #e3b155; --run: #83bcf0; --idle: #8d99a4; --link: #8fd0df;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0; background: var(--paper); color: var(--ink); overflow-wrap: anywhere;
  font: 400 1rem/1.5 "Avenir Next", "Segoe UI", Roboto, "Noto Sans", Ubuntu, "DejaVu Sans Condensed", sans-serif;
}
h1, h2, h3, p, ul, ol, dl, dd, pre, figure { margin: 0; padding: 0; }
ul, ol { list-style: none; }
h1 { font-size: clamp(1.45rem, 1.1rem + 1.8vw, 2.2rem); line-height: 1.18; letter-spacing: -.015em; font-weight: 600; text-wrap: balance; }
h2 { font-size: 1.25rem; line-height: 1.3; letter-spacing: -.01em; font-weight: 600; margin-bottom: .8rem; }
h3 { font-size: 1rem; font-weight: 600; line-height: 1.35; }
code, pre { font: .875em/1.55 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
a { color: var(--link); text-underline-offset: .18em; text-decoration-thickness: 1px; }
a:hover { text-decoration-thickness: 2px; }
:focus-visible { outline: 3px solid var(--run); outline-offset: 3px; border-radius: 2px; }
.number, time { font-variant-numeric: tabular-nums; white-space: nowrap; }
.note { color: var(--soft); font-size: .875rem; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.top, main, .end { max-width: 68rem; margin: 0 auto; padding: 0 1.1rem; }
.top { padding-top: 1.1rem; }
.top p { display: flex; align-items: center; gap: .55rem; font-size: .9375rem; }
.top a::after { content: "/"; color: var(--soft); display: inline-block; padding-left: .55rem; }
.logo { width: 2.5rem; height: 1.75rem; flex: none; fill: var(--ink); }
.logo .rail { stroke: var(--bad); stroke-width: 2.4; stroke-linecap: round; }
.end { padding-top: .5rem; padding-bottom: 2.5rem; color: var(--soft); font-size: .8125rem; }
main { display: grid; gap: 2.4rem; grid-template-columns: minmax(0, 1fr); padding-top: 1.6rem; padding-bottom: 2.4rem; }
section { min-width: 0; }

.symbol { width: 1.15em; height: 1.15em; flex: none; stroke: var(--sheet); stroke-width: 2.6; stroke-linecap: round; stroke-linejoin: round; fill: none; }
.symbol circle, .symbol .body { fill: currentColor; stroke: none; }
.symbol .hollow { fill: none; stroke: currentColor; }
.symbol .dash { stroke: currentColor; }
.symbol.good { color: var(--good); } .symbol.bad { color: var(--bad); } .symbol.wait { color: var(--wait); }
.symbol.run { color: var(--run); } .symbol.idle { color: var(--idle); }
rect.good { fill: var(--good); } rect.bad { fill: var(--bad); } rect.wait { fill: var(--wait); } rect.run { fill: var(--run); } rect.idle { fill: var(--idle); }

.waterline { display: block; width: 100%; height: 20px; margin-top: 1.1rem; fill: none; }
.waterline path { stroke: currentColor; stroke-width: 3; vector-effect: non-scaling-stroke; stroke-linejoin: round; }
.waterline.good { color: var(--good); } .waterline.bad { color: var(--bad); } .waterline.wait { color: var(--wait); }
.waterline.run { color: var(--run); } .waterline.idle { color: var(--idle); }
.verdict h1 { display: flex; gap: .5em; align-items: flex-start; }
.verdict h1 .symbol { margin-top: .03em; }
.reason { margin-top: .7rem; font-size: 1.0625rem; max-width: 46rem; }
.message { margin-top: 1.1rem; font-size: 1.0625rem; font-weight: 600; max-width: 46rem; }
.facts { display: grid; gap: .6rem 2rem; grid-template-columns: minmax(0, 1fr); margin-top: .8rem; font-size: .9375rem; }
.facts div { display: grid; grid-template-columns: 5rem minmax(0, 1fr); }
dt { color: var(--soft); }
.links { display: flex; flex-wrap: wrap; gap: .3rem 1.4rem; font-size: .9375rem; }
.verdict .links { margin-top: .9rem; }
.links a, td a, summary { padding: .2rem 0; }

pre { white-space: pre-wrap; overflow-wrap: anywhere; background: var(--track); border-radius: 4px; padding: .75rem .9rem; font-size: .8125rem; }
.failure { display: grid; gap: .6rem; grid-template-columns: minmax(0, 1fr); }
.failure + .failure { margin-top: 1.4rem; }

.stages { background: var(--sheet); border-radius: 6px; border: 1px solid var(--line); }
.stage { display: grid; grid-template-columns: minmax(0, 1fr); gap: .35rem; padding: .7rem .9rem; }
.stage + .stage { border-top: 1px solid var(--line); }
.head { display: flex; flex-wrap: wrap; justify-content: space-between; align-items: baseline; column-gap: 1rem; }
.head h3 { display: flex; align-items: center; gap: .5rem; }
.actions { display: grid; gap: .3rem; }
.action { display: grid; grid-template-columns: minmax(0, 1fr) auto; column-gap: .8rem; font-size: .875rem; align-items: center; }
.bar { grid-column: 1 / -1; width: 100%; height: 1.05rem; margin-top: .15rem; overflow: visible; background: linear-gradient(var(--track), var(--track)) center / 100% 36% no-repeat; }
.bar line { stroke: var(--soft); stroke-width: 1.5; }
.bar.person rect { fill-opacity: .3; stroke: var(--wait); stroke-dasharray: 3 2; }
.bar.person rect.bad { stroke: var(--bad); }
.single .took { display: none; }
.later { margin-top: .8rem; font-size: .9375rem; color: var(--soft); }
.later .label { margin-right: .5rem; }
.later .name { display: inline-block; margin-right: .6rem; }
.later .label::after { content: ":"; }
.stages ~ .note { margin-top: .6rem; }

.pair { display: grid; gap: 2.4rem; grid-template-columns: minmax(0, 1fr); }
.pair:empty { display: none; }
.share { display: block; width: 100%; height: .8rem; background: var(--track); border-radius: 2px; overflow: visible; margin-bottom: .8rem; }
.share line { stroke: var(--ink); stroke-width: 2; }
.counts { display: flex; flex-wrap: wrap; gap: .4rem 1.8rem; }
.counts div { display: flex; align-items: center; gap: .5rem; }
.counts dt { display: flex; align-items: center; gap: .4rem; order: 2; color: var(--ink); }
.counts dt .symbol { display: none; }
.counts dd, .large { font-size: 1.5rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.failures { display: grid; gap: .9rem; margin-top: 1.1rem; grid-template-columns: minmax(0, 1fr); }
.failures b { font-weight: 600; }
.failures pre { margin-top: .35rem; }

table { width: 100%; border-collapse: separate; border-spacing: 0; font-size: .9375rem; background: var(--sheet); border: 1px solid var(--line); border-radius: 6px; }
.stacked, .stacked tbody, .stacked tr, .stacked th, .stacked td { display: block; }
.stacked thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.stacked tr { padding: .7rem .9rem; }
.stacked tr + tr { border-top: 1px solid var(--line); }
.stacked td { margin-top: .25rem; }
th { text-align: left; font-weight: 600; }
.risks { display: grid; gap: .15rem; }
.risks li, .state, .releases h3 { display: flex; align-items: flex-start; gap: .5rem; }
.risks .symbol, .state .symbol, .releases .symbol { margin-top: .17em; }
.releases { display: grid; gap: 1.1rem; grid-template-columns: minmax(0, 1fr); }
.releases ul { padding-left: 1.65rem; margin-top: .2rem; color: var(--soft); font-size: .9375rem; }

details { border-top: 1px solid var(--line); }
details:last-of-type { border-bottom: 1px solid var(--line); }
summary { cursor: pointer; padding: .6rem .2rem; font-size: .9375rem; }
summary .symbol { vertical-align: -.2em; margin-right: .35rem; }
details[open] { padding-bottom: .9rem; }
details .links { margin-top: .6rem; }

.cards { display: grid; gap: 1rem; grid-template-columns: minmax(0, 1fr); }
.card { background: var(--sheet); border: 1px solid var(--line); border-radius: 6px; padding: 1rem 1.1rem; display: flex; flex-direction: column; gap: .45rem; }
.card h3 { font-size: 1.25rem; letter-spacing: -.01em; }
.current { margin-top: .3rem; font-size: .9375rem; }
.measures { margin-top: auto; padding-top: .6rem; font-size: .9375rem; }
.measures div { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0 1rem; padding: .3rem 0; border-top: 1px solid var(--line); }
.measures dd { font-weight: 600; }
.measures dd.note { font-weight: 400; }
.explained { margin-top: 1rem; border: 0; }
.explained:last-of-type { border: 0; }
.explained dl { font-size: .9375rem; max-width: 46rem; }
.explained dt { color: var(--ink); font-weight: 600; }
.explained dd { color: var(--soft); margin-bottom: .5rem; }
.pipeline + .pipeline { margin-top: 2.2rem; }
.pipeline h3 { font-size: 1.25rem; }
.strip { margin: .8rem 0 1rem; }
.strip svg { display: block; width: 100%; height: 62px; }
.strip line { stroke: var(--soft); stroke-width: 1; }
.runs td:nth-child(3), .runs td:nth-child(4) { display: inline-block; font-size: .875rem; margin-right: 1.2rem; }

@media (min-width: 46rem) {
  .top, main, .end { padding-left: 2rem; padding-right: 2rem; }
  main { padding-top: 2.2rem; }
  .facts { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .pair:has(section + section) { grid-template-columns: minmax(0, 3fr) minmax(0, 2fr); }
  .stage { grid-template-columns: 13.5rem minmax(0, 1fr); column-gap: 1.2rem; align-items: start; padding: .5rem 1.1rem; }
  .head { display: block; }
  .head .note { padding-left: 1.65rem; }
  .single .head .note { display: none; }
  .action { grid-template-columns: 7.5rem minmax(0, 1fr) 14rem; min-height: 1.5rem; }
  .action .bar { grid-column: 2; grid-row: 1; height: 1.5rem; margin: 0; }
  .action .took, .single .took { display: block; grid-column: 3; grid-row: 1; color: var(--soft); }
  .action .name { grid-column: 1; grid-row: 1; }
  .cards { grid-template-columns: repeat(auto-fit, minmax(19rem, 1fr)); }
  .releases { grid-template-columns: repeat(auto-fit, minmax(22rem, 1fr)); gap: 1.4rem 2rem; }
  .stacked { display: table; }
  .stacked tr + tr { border: 0; }
  .stacked tbody tr > * { border-top: 1px solid var(--line); }
  .stacked thead { position: static; width: auto; height: auto; overflow: visible; clip-path: none; display: table-header-group; }
  .stacked tbody { display: table-row-group; }
  .stacked tr { display: table-row; }
  .stacked th, .stacked td { display: table-cell; padding: .6rem 1.1rem; vertical-align: top; margin: 0; }
  .stacked thead th { color: var(--soft); font-weight: 400; font-size: .875rem; padding-bottom: .6rem; }
  .runs td:nth-child(3), .runs td:nth-child(4), .runs th { display: table-cell; white-space: nowrap; font-size: .9375rem; }
}
@media (prefers-reduced-motion: no-preference) { a { transition: text-decoration-thickness .12s; } }
@media print { body { background: #fff; } details::details-content { content-visibility: visible; } }
`;
