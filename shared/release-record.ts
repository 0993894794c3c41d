import * as z from "./zod";

/** The file of a release's folder that holds its record. */
export const RELEASE_RECORD = "releases.json";

const releaseEntry = z.object({
  /** What ran before. */
  before: z.optional(z.string()),
  /** What was released. */
  after: z.optional(z.string()),
  /** Id of CodeDeploy's deployment. */
  deployment: z.optional(z.string()),
  /** "releasing" of a release that did not see its end. */
  done: z.enum(["waiting", "releasing", "released", "runs already", "failed", "brought back"]),
});

/** What a release did, as `npm run release` leaves it. */
export const releaseRecord = z.object({
  environment: z.string(),
  services: z.record(z.string(), releaseEntry),
  functions: z.record(z.string(), releaseEntry),
});

/** What became of a service or a function. */
export type ReleaseEntry = z.infer<typeof releaseEntry>;
export type ReleaseContent = z.infer<typeof releaseRecord>;
