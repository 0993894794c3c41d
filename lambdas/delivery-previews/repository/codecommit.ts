import {
  type CodeCommitClient,
  type Comment,
  GetBranchCommand,
  GetCommentsForPullRequestCommand,
  GetCommitCommand,
  GetPullRequestCommand,
  ListBranchesCommand,
  ListPullRequestsCommand,
  PostCommentForPullRequestCommand,
  type PullRequestTarget,
  UpdateCommentCommand,
} from "@aws-sdk/client-codecommit";
import { Refused } from "../../../shared/ask";
import { inParallel } from "../../../shared/parallel";
import { isBranchName } from "./branch-name";
import { isMarked, marked, saysTheSame } from "./comments";
import type { Branch, PullRequest, Repository, Saying } from "./index";

/** CodeCommit answers many questions at once with "slow down". */
const AT_ONCE = 4;

export class CodeCommitRepository implements Repository {
  constructor(
    private readonly client: Pick<CodeCommitClient, "send">,
    private readonly name: string,
    private readonly project: string,
  ) {}

  async branch(name: string): Promise<Branch | undefined> {
    if (!isBranchName(name)) return undefined;
    const answer = await this.unless(/^(BranchDoesNotExist|InvalidBranchName)Exception$/, () =>
      this.client.send(new GetBranchCommand({ repositoryName: this.name, branchName: name })),
    );
    const commit = answer?.branch?.commitId;
    return commit ? { name, commit } : undefined;
  }

  async branches(): Promise<Branch[]> {
    const names = await pages(async (nextToken) => {
      const command = new ListBranchesCommand({ repositoryName: this.name, nextToken });
      const { branches, nextToken: next } = await this.ask(() => this.client.send(command));
      return { items: branches, next };
    });
    const found = await inParallel(names, AT_ONCE, (name) => this.branch(name));
    return found.filter((branch) => branch !== undefined);
  }

  async committedAt(commitId: string): Promise<Date | undefined> {
    const answer = await this.unless(/^(CommitIdDoesNotExist|InvalidCommitId)Exception$/, () =>
      this.client.send(new GetCommitCommand({ repositoryName: this.name, commitId })),
    );
    // As Git writes it: "1735689600 +0100".
    const seconds = /^\d+/.exec(answer?.commit?.committer?.date ?? "")?.[0];
    return seconds === undefined ? undefined : new Date(Number(seconds) * 1000);
  }

  async pullRequestsFrom(branch: string): Promise<PullRequest[]> {
    return (await this.pullRequests()).filter((pull) => pull.branch === branch);
  }

  async pullRequests(): Promise<PullRequest[]> {
    const ids = await pages(async (nextToken) => {
      const command = new ListPullRequestsCommand({
        repositoryName: this.name,
        pullRequestStatus: "OPEN",
        nextToken,
      });
      const { pullRequestIds, nextToken: next } = await this.ask(() => this.client.send(command));
      return { items: pullRequestIds, next };
    });
    const found = await inParallel(ids, AT_ONCE, (id) => this.find(id));
    return found.flatMap((pull) => {
      if (pull?.status !== "OPEN") return [];
      const { sourceReference = "", destinationReference = "" } = pull.target;
      return [
        { number: pull.number, branch: branchOf(sourceReference), into: branchOf(destinationReference) },
      ];
    });
  }

  async say(number: number, text: string, { onlyInPlace = false }: Saying = {}): Promise<void> {
    const content = marked(this.project, text);
    const pull = await this.find(String(number));
    if (!pull) return;
    let stands = false;
    for (const { commentId, content: said = "" } of await this.commentsOn(number)) {
      if (saysTheSame(said, content)) stands = true;
      // Anybody can write our marker; CodeCommit knows who wrote it.
      else if (
        await this.unless(/^CommentNotCreatedByCallerException$|^CommentDeletedException$/, () =>
          this.client.send(new UpdateCommentCommand({ commentId, content })),
        )
      )
        stands = true;
    }
    if (stands || onlyInPlace) return;
    await this.ask(() =>
      this.client.send(
        new PostCommentForPullRequestCommand({
          pullRequestId: String(number),
          repositoryName: this.name,
          beforeCommitId: pull.target.destinationCommit,
          afterCommitId: pull.target.sourceCommit,
          content,
        }),
      ),
    );
  }

  /** Those with our marker, whoever wrote them. */
  private async commentsOn(number: number): Promise<Comment[]> {
    const all = await pages(async (nextToken) => {
      const command = new GetCommentsForPullRequestCommand({ pullRequestId: String(number), nextToken });
      const answer = await this.ask(() => this.client.send(command));
      const items = answer.commentsForPullRequestData?.flatMap(({ comments = [] }) => comments);
      return { items, next: answer.nextToken };
    });
    return all.filter(({ deleted, content = "" }) => !deleted && isMarked(this.project, content));
  }

  /** A pull request of this repository; undefined where it is none. */
  private async find(
    id: string,
  ): Promise<{ number: number; status?: string; target: PullRequestTarget } | undefined> {
    const answer = await this.unless(/^(PullRequestDoesNotExist|InvalidPullRequestId)Exception$/, () =>
      this.client.send(new GetPullRequestCommand({ pullRequestId: id })),
    );
    const target = answer?.pullRequest?.pullRequestTargets?.find(
      ({ repositoryName }) => repositoryName === this.name,
    );
    return target && { number: Number(id), status: answer?.pullRequest?.pullRequestStatus, target };
  }

  /** @returns undefined where CodeCommit answers with an error of such a name */
  private unless<T>(missing: RegExp, send: () => Promise<T>): Promise<T | undefined> {
    return this.ask(() =>
      send().catch((error: Error) => {
        if (!missing.test(error.name)) throw error;
        return undefined;
      }),
    );
  }

  private async ask<T>(send: () => Promise<T>): Promise<T> {
    try {
      return await send();
    } catch (error) {
      if ((error as Error).name === "RepositoryDoesNotExistException")
        throw new Refused(
          `There is no CodeCommit repository ${this.name} in this account and region. Check its name in terraform.tfvars`,
        );
      throw error;
    }
  }
}

/** As `refs/heads/main`. */
const branchOf = (reference: string) => reference.replace(/^refs\/heads\//, "");

async function pages<T>(
  ask: (token: string | undefined) => Promise<{ readonly items?: readonly T[]; readonly next?: string }>,
): Promise<T[]> {
  const all: T[] = [];
  let token: string | undefined;
  do {
    const { items = [], next } = await ask(token);
    all.push(...items);
    token = next;
  } while (token);
  return all;
}
