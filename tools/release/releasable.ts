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
   * Makes the version that is to be released, unless what runs is that already. No traffic reaches it yet. The version
   * carries what it takes the place of, and the commit: a release that is done again knows them from there.
   */
  make(running: string): Promise<Made | RunsAlready>;

  /**
   * What CodeDeploy is to do.
   *
   * @param options.checked whether it asks the check before traffic moves, and after
   */
  appSpec(change: Change, options: { readonly checked: boolean }): object;
}

/** What runs is what was asked for. */
export interface RunsAlready {
  readonly version?: undefined;
  /** What ran before, where the same commit released what runs. */
  readonly before?: string;
}

export interface Made {
  readonly version: string;
  /** Whether it takes the place of a placeholder. */
  readonly isFirst: boolean;
  /** What it was made of, for the record, by the name of a file. */
  readonly files: Readonly<Record<string, object>>;
}
