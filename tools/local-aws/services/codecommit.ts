import { randomUUID } from "node:crypto";
import { z } from "zod";
import { AwsError, type Scope } from "../aws-request";
import type { Occurrence, Publisher } from "../events/event";
import { type Change, type Comment, type PullRequest, Repository } from "../github/repository";
import { name, operationsOf, type Service, Store } from "./service";

const PAGE = 100;
/** The longest comment that CodeCommit takes, in characters. */
const LONGEST_COMMENT = 10_240;

const input = {
  repository: z.looseObject({ repositoryName: name, nextToken: z.string().optional() }),
  branch: z.looseObject({ repositoryName: name, branchName: name }),
  commit: z.looseObject({ repositoryName: name, commitId: name }),
  pulls: z.looseObject({
    repositoryName: name,
    pullRequestStatus: z.enum(["OPEN", "CLOSED"]).optional(),
    nextToken: z.string().optional(),
  }),
  pull: z.looseObject({ pullRequestId: z.string().regex(/^\d+$/), nextToken: z.string().optional() }),
  post: z.looseObject({
    pullRequestId: z.string().regex(/^\d+$/),
    repositoryName: name,
    beforeCommitId: name,
    afterCommitId: name,
    content: name,
  }),
  comment: z.looseObject({ commentId: name, content: name }),
};

export interface CodeCommit extends Service {
  /**
   * Changes a repository, which is there from its first branch on, and publishes what CodeCommit tells of it.
   *
   * @throws Impossible
   */
  change(scope: Scope, repository: string, make: (repository: Repository) => Change[]): readonly Change[];
}

/** As the names of ids in CodeCommit's errors. */
const capital = (path: string) => path.charAt(0).toUpperCase() + path.slice(1);

/**
 * CodeCommit, as far as branches, pull requests and their comments go. The repositories themselves are moto's. Whoever
 * asks is one and the same.
 */
export function codecommit(events: Publisher): CodeCommit {
  const repositories = new Store<Repository>();
  let number = 0;
  const define = operationsOf((path, missing) =>
    missing ? `${capital(path)}RequiredException` : `Invalid${capital(path)}Exception`,
  );
  const create = (repositoryName: string) =>
    new Repository(repositoryName, randomUUID(), { next: () => ++number, likeGitHub: false });
  const find = (scope: Scope, repositoryName: string) => {
    const found = repositories.in(scope).get(repositoryName);
    if (found) return found;
    throw new AwsError("RepositoryDoesNotExistException", `${repositoryName} does not exist`);
  };
  const findPull = (scope: Scope, id: string) => {
    for (const repository of repositories.in(scope).values()) {
      const pull = repository.pulls.get(Number(id));
      if (pull) return { repository, pull };
    }
    throw new AwsError("PullRequestDoesNotExistException", `The pull request ${id} does not exist`);
  };
  const checkContent = (content: string) => {
    if (content.length > LONGEST_COMMENT)
      throw new AwsError(
        "CommentContentSizeLimitExceededException",
        `The comment is longer than ${LONGEST_COMMENT} characters`,
      );
  };

  return {
    api: "CodeCommit_20150413",
    restIsMoto: true,
    learn(operation, given, _, scope) {
      const { repositoryName = "" } = given as { readonly repositoryName?: string };
      if (operation === "CreateRepository")
        repositories.in(scope).set(repositoryName, create(repositoryName));
      if (operation === "DeleteRepository") repositories.in(scope).delete(repositoryName);
    },
    operations: {
      GetBranch: define(input.branch, ({ repositoryName, branchName }, scope) => {
        const commitId = find(scope, repositoryName).branches.get(branchName);
        if (commitId) return { branch: { branchName, commitId } };
        throw new AwsError("BranchDoesNotExistException", `Branch ${branchName} does not exist`);
      }),
      GetCommit: define(input.commit, ({ repositoryName, commitId }, scope) => {
        const commit = find(scope, repositoryName).commits.get(commitId);
        if (!commit) throw new AwsError("CommitIdDoesNotExistException", `Commit ${commitId} does not exist`);
        const { author, date, message } = commit;
        const by = { name: author, date: `${Math.floor(seconds(date))} +0000` };
        return { commit: { commitId, message, author: by, committer: by } };
      }),
      ListBranches: define(input.repository, ({ repositoryName, nextToken }, scope) => {
        const { items, next } = page([...find(scope, repositoryName).branches.keys()].toSorted(), nextToken);
        return { branches: items, nextToken: next };
      }),
      ListPullRequests: define(input.pulls, ({ repositoryName, pullRequestStatus, nextToken }, scope) => {
        const ids = [...find(scope, repositoryName).pulls.values()]
          .filter(({ state }) => !pullRequestStatus || state === pullRequestStatus.toLowerCase())
          .map((pull) => String(pull.number))
          .toReversed();
        const { items, next } = page(ids, nextToken);
        return { pullRequestIds: items, nextToken: next };
      }),
      GetPullRequest: define(input.pull, ({ pullRequestId }, scope) => {
        const { repository, pull } = findPull(scope, pullRequestId);
        return { pullRequest: pullShape(scope, repository.name, pull) };
      }),
      GetCommentsForPullRequest: define(input.pull, ({ pullRequestId, nextToken }, scope) => {
        const { repository, pull } = findPull(scope, pullRequestId);
        const { items, next } = page(pull.comments, nextToken);
        const place = {
          pullRequestId,
          repositoryName: repository.name,
          beforeCommitId: pull.base,
          afterCommitId: pull.head,
        };
        const commentsForPullRequestData = items.map((one) => ({ ...place, comments: [commentShape(one)] }));
        return { commentsForPullRequestData, nextToken: next };
      }),
      PostCommentForPullRequest: define(input.post, (given, scope) => {
        const { pullRequestId, repositoryName, beforeCommitId, afterCommitId, content } = given;
        const { repository, pull } = findPull(scope, pullRequestId);
        if (repository !== find(scope, repositoryName))
          throw new AwsError(
            "RepositoryNotAssociatedWithPullRequestException",
            `The pull request ${pullRequestId} is not one of ${repositoryName}`,
          );
        checkContent(content);
        const comment = repository.comment(pull.number, callerArn(scope), content);
        return {
          pullRequestId,
          repositoryName,
          beforeCommitId,
          afterCommitId,
          comment: commentShape(comment),
        };
      }),
      UpdateComment: define(input.comment, ({ commentId, content }, scope) => {
        const comment = [...repositories.in(scope).values()]
          .flatMap(({ pulls }) => [...pulls.values()].flatMap(({ comments }) => comments))
          .find(({ id }) => String(id) === commentId);
        if (!comment)
          throw new AwsError("CommentDoesNotExistException", `The comment ${commentId} does not exist`);
        if (comment.author !== callerArn(scope))
          throw new AwsError("CommentNotCreatedByCallerException", "Somebody else wrote the comment");
        checkContent(content);
        Object.assign(comment, { body: content, updated: new Date() });
        return { comment: commentShape(comment) };
      }),
    },
    change(scope, repositoryName, make) {
      const repository = repositories.in(scope).get(repositoryName) ?? create(repositoryName);
      const changes = make(repository);
      repositories.in(scope).set(repositoryName, repository);
      for (const change of changes)
        for (const occurrence of occurrencesOf(scope, repository, change)) events.publish(scope, occurrence);
      return changes;
    },
  };
}

function page<T>(all: readonly T[], token: string | undefined) {
  const start = Number(token ?? 0);
  if (!Number.isSafeInteger(start) || start < 0)
    throw new AwsError("InvalidContinuationTokenException", "The continuation token is not valid");
  const end = start + PAGE;
  return { items: all.slice(start, end), next: end < all.length ? String(end) : undefined };
}

const callerArn = ({ account }: Scope) => `arn:aws:iam::${account}:user/local-aws`;
const seconds = (date: Date) => date.getTime() / 1000;

const pullShape = ({ account }: Scope, repositoryName: string, pull: PullRequest) => ({
  pullRequestId: String(pull.number),
  title: pull.title,
  lastActivityDate: seconds(pull.updated),
  creationDate: seconds(pull.created),
  pullRequestStatus: pull.state.toUpperCase(),
  authorArn: `arn:aws:iam::${account}:user/somebody`,
  pullRequestTargets: [
    {
      repositoryName,
      sourceReference: `refs/heads/${pull.branch}`,
      destinationReference: `refs/heads/${pull.into}`,
      sourceCommit: pull.head,
      destinationCommit: pull.base,
      mergeMetadata: pull.merged
        ? { isMerged: true, mergeCommitId: pull.merged.commit, mergeOption: "THREE_WAY_MERGE" }
        : { isMerged: false },
    },
  ],
  approvalRules: [],
});

const commentShape = ({ id, author, body, created, updated }: Comment) => ({
  commentId: String(id),
  content: body,
  creationDate: seconds(created),
  lastModifiedDate: seconds(updated),
  authorArn: author,
  deleted: false,
});

/** As CodeCommit's user guide tells of its events ("Monitoring CodeCommit events in Amazon EventBridge"). */
function occurrencesOf(scope: Scope, { name: repository, id }: Repository, change: Change): Occurrence[] {
  const common = {
    source: "aws.codecommit",
    resources: [`arn:aws:codecommit:${scope.region}:${scope.account}:${repository}`],
  };
  if (change.kind === "branch") {
    const { branch, before, after } = change;
    const event = !before ? "referenceCreated" : after ? "referenceUpdated" : "referenceDeleted";
    const detail = {
      event,
      repositoryName: repository,
      repositoryId: String(id),
      referenceType: "branch",
      referenceName: branch,
      referenceFullName: `refs/heads/${branch}`,
      ...(after && { commitId: after }),
      ...(before && { oldCommitId: before }),
    };
    return [{ ...common, detailType: "CodeCommit Repository State Change", detail }];
  }
  const { pull, action } = change;
  const event = {
    opened: "pullRequestCreated",
    synchronize: "pullRequestSourceBranchUpdated",
    closed: pull.merged ? "pullRequestMergeStatusUpdated" : "pullRequestStatusChanged",
    reopened: "pullRequestStatusChanged",
  }[action];
  const user = `arn:aws:iam::${scope.account}:user/somebody`;
  const detail = {
    author: user,
    callerUserArn: user,
    creationDate: dateOf(pull.created),
    destinationCommit: pull.base,
    destinationReference: `refs/heads/${pull.into}`,
    event,
    isMerged: pull.merged ? "True" : "False",
    lastModifiedDate: dateOf(pull.updated),
    ...(pull.merged && { mergeOption: "THREE_WAY_MERGE" }),
    notificationBody: `A pull request event occurred in the following AWS CodeCommit repository: ${repository}. Event: ${event}. Pull request: ${pull.number}.`,
    pullRequestId: String(pull.number),
    pullRequestStatus: pull.state === "open" ? "Open" : "Closed",
    repositoryNames: [repository],
    sourceCommit: pull.head,
    sourceReference: `refs/heads/${pull.branch}`,
    title: pull.title,
  };
  return [{ ...common, detailType: "CodeCommit Pull Request State Change", detail }];
}

/** As `Sat Jan 24 22:03:07 UTC 2026`. */
function dateOf(date: Date): string {
  const [, weekday, day, month, year, time] = /^(\w+), (\d+) (\w+) (\d+) (\S+)/.exec(date.toUTCString())!;
  return `${weekday} ${month} ${day} ${time} UTC ${year}`;
}
