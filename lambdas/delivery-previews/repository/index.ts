import type { CodeCommitClient } from "@aws-sdk/client-codecommit";
import { type Fetch, Refused } from "../../../shared/ask";
import { GitHubApi } from "../../../shared/github-api";
import { CodeCommitRepository } from "./codecommit";
import { GitHubRepository } from "./github";

export interface Branch {
  readonly name: string;
  /** Id of its head. */
  readonly commit: string;
}

/** One that is open, and whose head is a branch of the repository itself. */
export interface PullRequest {
  readonly number: number;
  readonly branch: string;
  /** The branch that it is to be merged into. */
  readonly into: string;
}

export interface Saying {
  /** Whether nothing is said where nothing was said before. @default false */
  readonly onlyInPlace?: boolean;
}

/**
 * What is true about the repository, asked for anew each time. An answer is never a guess: where the repository cannot be
 * seen, is moved, or does not answer in whole, all throw.
 *
 * @throws Refused where somebody has to do something, Error where it may be better later
 */
export interface Repository {
  /** @returns undefined where there is none of that name */
  branch(name: string): Promise<Branch | undefined>;
  branches(): Promise<Branch[]>;
  /** When a commit was made, as whoever made it says. @returns undefined where there is none of that id */
  committedAt(commit: string): Promise<Date | undefined>;
  pullRequestsFrom(branch: string): Promise<PullRequest[]>;
  pullRequests(): Promise<PullRequest[]>;
  /**
   * Makes a text the project's one comment on previews that a pull request has, in place of what it said before. Nothing
   * happens where it says so already, or where there is no such pull request.
   *
   * @param text Markdown
   */
  say(number: number, text: string, options?: Saying): Promise<void>;
}

export interface RepositoryProps {
  readonly project: string;
  readonly provider: "github-token" | "connection" | "codecommit";
  /** Of GitHub `owner/name`. */
  readonly repository: string;
  /** As `https://api.github.com`. */
  readonly githubApi: string;
}

export interface RepositoryClients {
  readonly codecommit: Pick<CodeCommitClient, "send">;
  readonly fetch: Fetch;
}

/**
 * @param token of GitHub; CodeCommit needs none
 * @throws Refused where GitHub is asked and there is none
 */
export function createRepository(
  { project, provider, repository, githubApi }: RepositoryProps,
  clients: RepositoryClients,
  token: string | undefined,
): Repository {
  if (provider === "codecommit") return new CodeCommitRepository(clients.codecommit, repository, project);
  if (!token)
    throw new Refused(
      `Previews of ${repository} need a GitHub token, and there is none. Store one: npm run connect`,
    );
  const github = new GitHubApi({ fetcher: clients.fetch, api: githubApi, repository, token });
  return new GitHubRepository(github, project);
}
