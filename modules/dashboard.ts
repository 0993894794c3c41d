/** A metric as a dashboard names it: namespace, name, and pairs of a dimension's name and value. */
export type Metric = readonly [namespace: string, name: string, ...dimensions: string[]];

export interface Line {
  /** @default - none: an expression is drawn */
  readonly metric?: Metric;
  /** Search over metrics, each of which is a line. @default - none */
  readonly expression?: string;
  readonly label?: string;
  /** @default - the chart's */
  readonly stat?: string;
}

export interface Chart {
  readonly title: string;
  /** Of each minute. */
  readonly stat: string;
  readonly lines: readonly Line[];
}

const WIDTH = 24;
const HEIGHT = 6;

/** A dashboard's body: each row of charts over the whole width. */
export function dashboardBody(region: string, rows: readonly (readonly Chart[])[]): string {
  const widgets = rows.flatMap((row, y) =>
    row.map(({ title, stat, lines }, x) => ({
      type: "metric",
      x: (x * WIDTH) / row.length,
      y: y * HEIGHT,
      width: WIDTH / row.length,
      height: HEIGHT,
      properties: { title, region, stat, period: 60, view: "timeSeries", metrics: lines.map(lineOf) },
    })),
  );
  return JSON.stringify({ widgets });
}

function lineOf({ metric = [] as never, expression, label, stat }: Line): unknown[] {
  const options = { ...(expression && { expression }), ...(label && { label }), ...(stat && { stat }) };
  return [...metric, ...(Object.keys(options).length ? [options] : [])];
}
