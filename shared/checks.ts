/** A request, and what a good answer to it is: of a service, or of a function that answers requests. */
export interface RequestCheck {
  /** With its query. */
  readonly path: string;
  readonly method: string;
  /** Body of the request. @default - none */
  readonly body?: string;
  /** Status of a good answer. */
  readonly status: number;
  /** What a good answer's body holds. @default - anything */
  readonly contains?: string;
  /** Within which a good answer comes. */
  readonly withinMilliseconds: number;
}

/** An event, and what a good answer to it is: of a function that answers no requests. */
export interface EventCheck {
  /** JSON. */
  readonly event: string;
  /** What a good answer, as JSON, holds. @default - anything but a failure */
  readonly contains?: string;
  readonly withinMilliseconds: number;
}

/** What a new version has to do to be released, and a released one to be sound. */
export type Check = RequestCheck | EventCheck;
