import type { Scope } from "./aws-request";

/** One value of a metric of CloudWatch. */
export interface Sample {
  readonly namespace: string;
  readonly name: string;
  readonly dimensions: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Takes what services of Local AWS measure, for alarms. */
export interface Meter {
  record(scope: Scope, sample: Sample): void;
}
