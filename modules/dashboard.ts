import { physicalName } from "./naming";

export interface DashboardProps {
  readonly prefix: string;
  readonly region: string;
  readonly services: readonly string[];
  readonly functions: readonly string[];
}

const WIDTH = 24;
const HEIGHT = 6;

/** The dashboard of an environment: a row a service and a row a function, load on the left, errors on the right. */
export function environmentDashboard({ prefix, region, services, functions }: DashboardProps): string {
  const rows = [
    ...services.map((name) => [
      chart(`${name}: CPU and memory, %`, region, "Average", [
        ["AWS/ECS", "CPUUtilization", "ClusterName", prefix, "ServiceName", name],
        ["AWS/ECS", "MemoryUtilization", "ClusterName", prefix, "ServiceName", name],
      ]),
      chart(`${name}: running tasks`, region, "Average", [
        ["ECS/ContainerInsights", "RunningTaskCount", "ClusterName", prefix, "ServiceName", name],
      ]),
    ]),
    ...functions.map((name) => {
      const fn = physicalName("function", prefix, name);
      return [
        chart(`${name}: calls and errors`, region, "Sum", [
          ["AWS/Lambda", "Invocations", "FunctionName", fn],
          ["AWS/Lambda", "Errors", "FunctionName", fn],
        ]),
        chart(`${name}: duration, ms`, region, "p99", [["AWS/Lambda", "Duration", "FunctionName", fn]]),
      ];
    }),
  ];
  const widgets = rows.flatMap((row, y) =>
    row.map((properties, x) => ({
      type: "metric",
      x: (x * WIDTH) / row.length,
      y: y * HEIGHT,
      width: WIDTH / row.length,
      height: HEIGHT,
      properties,
    })),
  );
  return JSON.stringify({ widgets });
}

function chart(title: string, region: string, stat: string, metrics: string[][]) {
  return { title, region, stat, metrics, period: 60, view: "timeSeries" };
}
