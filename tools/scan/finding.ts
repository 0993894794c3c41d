/** What a check objects to. */
export interface Finding {
  readonly where: string;
  readonly what: string;
  /** What to do about it. */
  readonly mend: string;
}

/** What came of a check. */
export interface Outcome {
  readonly findings: readonly Finding[];
  /** What is worth a word, and no failure. */
  readonly notes?: readonly string[];
}
