import type { ServiceRelease } from "../../shared/releases";

/** One step from a version to another: task definitions by ARN, or numbers of a function's versions. */
export interface Change {
  readonly before: string;
  readonly after: string;
}

/** What is released by itself: a service, or a function. */
export interface Releasable {
  readonly kind: "service" | "function";
  /** In the settings. */
  readonly name: string;
  readonly group: Pick<ServiceRelease, "application" | "group" | "check" | "alarms">;
  /** The configuration of CodeDeploy's that moves all its traffic at once. */
  readonly atOnce: string;

  /** The version that its users reach. */
  running(): Promise<string>;

  /**
   * Makes the version that is to be released. No traffic reaches it yet.
   *
   * @returns none where what runs is that already
   */
  make(running: string): Promise<Made | undefined>;

  /**
   * What CodeDeploy is to do.
   *
   * @param options.checked whether it asks the check before traffic moves, and after
   */
  appSpec(change: Change, options: { readonly checked: boolean }): object;
}

export interface Made {
  readonly version: string;
  /** What it was made of, for the record, by the name of a file. */
  readonly files: Readonly<Record<string, object>>;
}
