import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { z } from "zod";
import { runCommand, UserError } from "../project";
import { projectSettings } from "../settings";
import { refusalOf } from "./admission";
import { type PullRequest, ReviewComment } from "./github";
import { PlanBuild } from "./plan-build";
import { FAIL_ON, reviewedRepository, reviewPullRequest } from "./pull-request";
import { readToken } from "./token";

/** What the webhook and CodeBuild tell a build of a pull request (user guide, "Environment variables"). */
const environment = z.object({
  /** Its number. */
  PULL_REQUEST: z.string().regex(/^[1-9]\d{0,9}$/),
  CODEBUILD_BUILD_ID: z.string().regex(/^[\w.-]+:[\w-]+$/),
  CODEBUILD_BUILD_URL: z.url().optional(),
  /** The pull request's tree. */
  CODEBUILD_SRC_DIR: z.string().min(1),
  /** Its head's commit: the build's source version is pr/ and the number. */
  CODEBUILD_RESOLVED_SOURCE_VERSION: z.string().regex(/^[0-9a-f]{40}$/),
  GITHUB_API_URL: z.url().optional(),
});

/**
 * `npm run review:hosted`: what the review project runs on CodeBuild, from the branch that is deployed and not from the
 * pull request: it has the token. It decides whether the pull request's code is run at all, has another build plan it,
 * and posts the review.
 */
async function main(): Promise<number> {
  const build = readEnvironment();
  const settings = await projectSettings();
  const pullRequest: PullRequest = {
    repository: reviewedRepository(settings),
    number: Number(build.PULL_REQUEST),
    commit: build.CODEBUILD_RESOLVED_SOURCE_VERSION,
  };
  const comment = new ReviewComment({
    token: await readToken(settings, undefined),
    project: settings.project,
    api: build.GITHUB_API_URL,
  });
  const deployed = Object.values(settings.pipelines).map(({ branch }) => branch);
  const refusal = await refusalOf(comment, pullRequest, deployed);
  if (refusal) {
    console.log(refusal);
    return 0;
  }
  const { text } = await reviewPullRequest({
    comment,
    pullRequest,
    failOn: new Set(FAIL_ON),
    log: build.CODEBUILD_BUILD_URL,
    plan: () => planIn(new PlanBuild(settings), build),
  });
  // The build's own end says whether there is a review; what it says stands in the commit's status.
  console.log(text);
  return 0;
}

async function planIn(plans: PlanBuild, build: z.output<typeof environment>) {
  const folder = mkdtempSync(join(tmpdir(), "slipway-source-"));
  try {
    const archive = join(folder, "source.zip");
    const { CODEBUILD_SRC_DIR: tree, CODEBUILD_RESOLVED_SOURCE_VERSION: commit } = build;
    await execa("git", ["-C", tree, "archive", "--format=zip", `--output=${archive}`, commit]);
    const id = build.CODEBUILD_BUILD_ID.replace(/^.*:/, "");
    return await plans.run(archive, id, (line) => console.log(line));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @throws UserError where this is no build of a pull request */
function readEnvironment() {
  const { success, data, error } = environment.safeParse(process.env);
  if (success) return data;
  const names = error.issues.map(({ path }) => path.join(".")).join(", ");
  throw new UserError(
    `This runs on CodeBuild, where the webhook starts it for a pull request: that would set ${names}. By hand, start a build of <project>-delivery-review with the source version pr/<number> and the variable PULL_REQUEST=<number>. On your machine: npm run review:pr`,
  );
}

runCommand(main, 2);
