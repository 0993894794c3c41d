import { z } from "zod";

/** What is tried of an environment, in this order; last of all it goes, whatever came of the others. */
export const TRIAL_STEPS = ["synth", "plan", "apply", "release", "verify", "teardown"] as const;

/** What a trial leaves in `<region>.json`. */
export const trialResultSchema = z.object({
  region: z.string(),
  result: z.enum(["passed", "failed"]),
  /** The first step that failed. */
  step: z.enum(TRIAL_STEPS).optional(),
  /** Its last words; of `teardown` too, where that failed as well. */
  why: z.string().optional(),
  seconds: z.number(),
  /** Address of its build's log. */
  log: z.string().optional(),
});

/** What came of a trial in one region. */
export type TrialResult = z.infer<typeof trialResultSchema>;
