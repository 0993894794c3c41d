import { parseArgs } from "node:util";
import { execa } from "execa";
import { runCommand, UserError } from "../project";
import { projectSettings } from "../settings";
import { planEnvironments } from "./environments";
import { readFailOn } from "./fail-on";
import { type PullRequest, ReviewComment } from "./github";
import { FAIL_ON, reviewedRepository, reviewPullRequest } from "./pull-request";
import { readToken } from "./token";

const USAGE = "Usage: npm run review:pr -- [--pull-request NUMBER] [--commit SHA] [--fail-on RISK,...]";

/**
 * `npm run review:pr`: plans every environment, and posts the review on the pull request whose head is checked out.
 *
 * @returns 0: reviewed and posted; 1: and a plan failed, or a risk of `--fail-on` is present
 * @throws UserError where it could not be reviewed, or not be posted: the exit code is 2 then
 */
async function main(): Promise<number> {
  const {
    "pull-request": number,
    commit,
    "fail-on": risks = [FAIL_ON.join()],
  } = parse(process.argv.slice(2));
  const failOn = readFailOn(risks);
  const settings = await projectSettings();
  const repository = reviewedRepository(settings);
  const comment = new ReviewComment({
    token: await readToken(settings, process.env.GITHUB_TOKEN),
    project: settings.project,
    api: process.env.GITHUB_API_URL,
  });
  const pullRequest = await findPullRequest(comment, repository, commit ?? (await checkedOut()), number);
  const { text, failed } = await reviewPullRequest({
    comment,
    pullRequest,
    failOn,
    plan: () => planEnvironments(settings, (line) => process.stderr.write(`${line}\n`)),
  });
  process.stdout.write(text);
  process.stderr.write(`Posted on https://github.com/${repository}/pull/${pullRequest.number}\n`);
  return failed ? 1 : 0;
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        "pull-request": { type: "string" },
        commit: { type: "string" },
        "fail-on": { type: "string", multiple: true },
      },
    }).values;
  } catch (error) {
    throw new UserError(`${(error as Error).message}\n${USAGE}`);
  }
}

/** @throws UserError where what is planned here is not what the commit holds */
async function checkedOut(): Promise<string> {
  const git = (...args: string[]) =>
    execa("git", args).catch((error: Error) => {
      throw new UserError(`The commit to review is not known: ${error.message}\n${USAGE}`);
    });
  const { stdout: changes } = await git("status", "--porcelain", "--untracked-files=no");
  if (changes)
    throw new UserError(
      `The review would be of more than the commit holds: commit or stash these changes first.\n${changes}`,
    );
  return (await git("rev-parse", "HEAD")).stdout;
}

async function findPullRequest(
  comment: ReviewComment,
  repository: string,
  commit: string,
  given: string | undefined,
): Promise<PullRequest> {
  if (given !== undefined) return { repository, number: Number(given), commit };
  const [number, ...others] = await comment.pullRequestsAt(repository, commit);
  if (number === undefined)
    throw new UserError(
      `No open pull request of ${repository} has ${commit} as its head: push it, or name one.\n${USAGE}`,
    );
  if (others.length)
    throw new UserError(
      `Several pull requests have ${commit} as their head (${[number, ...others].join(", ")}): name one.\n${USAGE}`,
    );
  return { repository, number, commit };
}

runCommand(main, 2);
