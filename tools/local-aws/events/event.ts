import { randomUUID } from "node:crypto";
import type { Scope } from "../aws-request";

/** Something that happened in a service of Local AWS, as AWS documents its event. */
export interface Occurrence {
  /** `aws.codepipeline` */
  readonly source: string;
  readonly detailType: string;
  /** ARNs. */
  readonly resources: readonly string[];
  readonly detail: Readonly<Record<string, unknown>>;
  /** @default - now */
  readonly time?: Date;
}

/** Takes what happens, for the rules of the account and region that it happens in. */
export interface Publisher {
  publish(scope: Scope, occurrence: Occurrence): void;
}

/** An event as EventBridge hands it on. */
export interface AwsEvent {
  readonly version: "0";
  readonly id: string;
  readonly "detail-type": string;
  readonly source: string;
  readonly account: string;
  /** To the second, as `2026-01-24T22:03:07Z`. */
  readonly time: string;
  readonly region: string;
  readonly resources: readonly string[];
  readonly detail: unknown;
}

export function eventOf({ account, region }: Scope, occurrence: Occurrence): AwsEvent {
  const { source, detailType, resources, detail, time = new Date() } = occurrence;
  return {
    version: "0",
    id: randomUUID(),
    "detail-type": detailType,
    source,
    account,
    time: time.toISOString().replace(/\.\d+Z$/, "Z"),
    region,
    resources,
    detail,
  };
}
