/** How CodeDeploy names a deployment's failure: `HOOK_EXECUTION_FAILURE`. */
export type ErrorCode =
  | "ALARM_ACTIVE"
  | "ECS_UPDATE_ERROR"
  | "ELASTIC_LOAD_BALANCING_INVALID"
  | "HOOK_EXECUTION_FAILURE"
  | "IAM_ROLE_PERMISSIONS"
  | "INTERNAL_ERROR"
  | "INVALID_ECS_SERVICE"
  | "INVALID_LAMBDA_CONFIGURATION"
  | "INVALID_LAMBDA_FUNCTION"
  | "MANUAL_STOP"
  | "TIMEOUT";

/** Why a deployment ends before its end, in CodeDeploy's words. */
export class DeploymentFailure extends Error {
  constructor(
    readonly code: ErrorCode,
    message: string,
  ) {
    super(message);
  }
}

/**
 * What a deployment changes: a function's alias, or a service's task sets. Where one of its methods fails with
 * anything but a {@link DeploymentFailure}, AWS refused something.
 */
export interface Target {
  /** How clients ask for it. */
  readonly id: string;
  /** Reads and checks what is there; changes nothing. */
  begin(): Promise<void>;
  /**
   * Has the new version run, and waits until it is sound.
   *
   * @default - it needs not to be run
   */
  install?(signal: AbortSignal): Promise<void>;
  /** Shows the new version to those who test it. @default - nobody can */
  allowTestTraffic?(): Promise<void>;
  /** Gives the new version its share of the traffic; with 100 percent it is the one that counts. */
  shift(percent: number): Promise<void>;
  /** Gives the old version all traffic, and ends the new one. It can be done at any time, and again. */
  revert(): Promise<void>;
  /** Ends the old version. @default - it ends by itself */
  retire?(): Promise<void>;
  /**
   * What CodeDeploy tells of it alone.
   *
   * @param reverts whether a rollback asks, to which the old version is the new one
   */
  describe(reverts: boolean): Readonly<Record<string, unknown>>;
}

/** AWS as a deployment group's service role reaches it. */
export interface Reach {
  readonly target: Target;
  /**
   * Hands an event to a function, and does not wait for it.
   *
   * @param fn name or ARN
   */
  invoke(fn: string, event: unknown): Promise<void>;
  /** @returns those of the alarms that are in ALARM */
  activeAlarms(names: readonly string[]): Promise<string[]>;
  /** Ends its connections. */
  close(): void;
}
