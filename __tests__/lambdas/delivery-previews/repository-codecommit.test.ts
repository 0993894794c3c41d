import { createRepository } from "../../../lambdas/delivery-previews/repository";

const MARKER = "<!-- slipway:preview hello -->";
const SHA = "c0ffee".padEnd(40, "0");

type Input = Record<string, string | undefined>;
type Operation = (input: Input) => object;

/** A CodeCommit that answers by operation. */
class FakeCodeCommit {
  readonly asked: [operation: string, input: Input][] = [];
  constructor(private readonly operations: Record<string, Operation>) {}

  readonly repository = () => {
    const send = async ({
      constructor: { name },
      input,
    }: {
      constructor: { name: string };
      input: Input;
    }) => {
      const operation = name.replace(/Command$/, "");
      this.asked.push([operation, input]);
      const run = this.operations[operation];
      if (!run) throw new Error(`${operation} was not to be asked`);
      return run(input);
    };
    return createRepository(
      { project: "hello", provider: "codecommit", repository: "hello", githubApi: "" },
      { codecommit: { send } as never, fetch: () => Promise.reject(new Error("CodeCommit is asked")) },
      undefined,
    );
  };

  writes = () => this.asked.filter(([operation]) => /^(Post|Update)/.test(operation));
}

const refused = (name: string) => () => {
  throw Object.assign(new Error(name), { name });
};
const pull = (id: string, from: string, more: object = {}) => ({
  pullRequest: {
    pullRequestId: id,
    pullRequestStatus: "OPEN",
    pullRequestTargets: [
      {
        repositoryName: "hello",
        sourceReference: `refs/heads/${from}`,
        destinationReference: "refs/heads/main",
        sourceCommit: SHA,
        destinationCommit: "0".repeat(40),
      },
    ],
    ...more,
  },
});

test("a branch is told with its commit", async () => {
  const aws = new FakeCodeCommit({
    GetBranch: ({ branchName }) => ({ branch: { branchName, commitId: SHA } }),
  });
  expect(await aws.repository().branch("feature/login")).toEqual({ name: "feature/login", commit: SHA });
  expect(aws.asked).toEqual([["GetBranch", { repositoryName: "hello", branchName: "feature/login" }]]);
});

test.each([
  "BranchDoesNotExistException",
  "InvalidBranchNameException",
])("a branch is not there where CodeCommit says %s", async (name) => {
  expect(await new FakeCodeCommit({ GetBranch: refused(name) }).repository().branch("gone")).toBeUndefined();
});

test("a branch is not taken for gone where the repository is not there, or CodeCommit does not tell", async () => {
  const missing = new FakeCodeCommit({ GetBranch: refused("RepositoryDoesNotExistException") });
  await expect(missing.repository().branch("main")).rejects.toMatchObject({
    name: "Refused",
    message: expect.stringContaining("no CodeCommit repository hello"),
  });
  const slow = new FakeCodeCommit({ GetBranch: refused("ThrottlingException") });
  await expect(slow.repository().branch("main")).rejects.toMatchObject({ name: "ThrottlingException" });
});

test("all branches are told, page by page, without those that go meanwhile", async () => {
  const aws = new FakeCodeCommit({
    ListBranches: ({ nextToken }) =>
      nextToken ? { branches: ["c"] } : { branches: ["a", "gone"], nextToken: "more" },
    GetBranch: ({ branchName }) =>
      branchName === "gone"
        ? refused("BranchDoesNotExistException")()
        : { branch: { branchName, commitId: SHA } },
  });
  expect(await aws.repository().branches()).toEqual([
    { name: "a", commit: SHA },
    { name: "c", commit: SHA },
  ]);
});

test("a commit is as old as its committer says, or is not there", async () => {
  const aws = new FakeCodeCommit({
    GetCommit: ({ commitId }) =>
      commitId === SHA
        ? { commit: { author: { date: "0 +0000" }, committer: { date: "1767261600 +0100" } } }
        : refused("CommitIdDoesNotExistException")(),
  });
  expect(await aws.repository().committedAt(SHA)).toEqual(new Date("2026-01-01T10:00:00Z"));
  expect(await aws.repository().committedAt("0".repeat(40))).toBeUndefined();
});

describe("pull requests", () => {
  const open = () =>
    new FakeCodeCommit({
      ListPullRequests: ({ nextToken, pullRequestStatus }) => {
        expect(pullRequestStatus).toBe("OPEN");
        return nextToken ? { pullRequestIds: ["3", "4"] } : { pullRequestIds: ["1", "2"], nextToken: "more" };
      },
      GetPullRequest: ({ pullRequestId = "" }) =>
        ({
          "1": () => pull("1", "feature/login"),
          "2": () => pull("2", "feature/login", { pullRequestStatus: "CLOSED" }),
          "3": refused("PullRequestDoesNotExistException"),
          "4": () => pull("4", "other"),
        })[pullRequestId]!(),
    });

  test("are those that are open, page by page, and still so when they are looked at", async () => {
    expect(await open().repository().pullRequests()).toEqual([
      { number: 1, branch: "feature/login", into: "main" },
      { number: 4, branch: "other", into: "main" },
    ]);
  });

  test("from a branch are its own", async () => {
    expect(await open().repository().pullRequestsFrom("other")).toEqual([
      { number: 4, branch: "other", into: "main" },
    ]);
  });
});

describe("the comment on previews", () => {
  const withComments = (...all: { commentId: string; content: string; deleted?: boolean; own?: boolean }[]) =>
    new FakeCodeCommit({
      GetPullRequest: () => pull("5", "feature/login"),
      GetCommentsForPullRequest: ({ nextToken }) =>
        nextToken
          ? { commentsForPullRequestData: [{ comments: all }] }
          : { commentsForPullRequestData: [{ comments: [{ content: "LGTM" }] }], nextToken: "more" },
      PostCommentForPullRequest: () => ({ comment: {} }),
      UpdateComment: ({ commentId }) =>
        all.find((one) => one.commentId === commentId)?.own
          ? { comment: {} }
          : refused("CommentNotCreatedByCallerException")(),
    });
  const post = [
    "PostCommentForPullRequest",
    {
      pullRequestId: "5",
      repositoryName: "hello",
      beforeCommitId: "0".repeat(40),
      afterCommitId: SHA,
      content: `${MARKER}\nReady`,
    },
  ];

  test("is made where there is none, or it was deleted", async () => {
    const aws = withComments({ commentId: "a", content: `${MARKER}\nOld`, deleted: true });
    await aws.repository().say(5, "Ready");
    expect(aws.writes()).toEqual([post]);
  });

  test("is changed in place", async () => {
    const aws = withComments({ commentId: "a", content: `${MARKER}\nOn its way`, own: true });
    await aws.repository().say(5, "Ready");
    expect(aws.writes()).toEqual([["UpdateComment", { commentId: "a", content: `${MARKER}\nReady` }]]);
  });

  test("stays as it is where it says so already", async () => {
    const aws = withComments({ commentId: "a", content: `${MARKER}\nReady\n`, own: true });
    await aws.repository().say(5, "Ready");
    expect(aws.writes()).toEqual([]);
  });

  test("is made beside one that somebody else has marked", async () => {
    const aws = withComments({ commentId: "a", content: `${MARKER}\nFree money` });
    await aws.repository().say(5, "Ready");
    expect(aws.writes().at(-1)).toEqual(post);
  });

  test("is not made where it is only to be changed, or there is no such pull request", async () => {
    const aws = withComments();
    await aws.repository().say(5, "Gone", { onlyInPlace: true });
    const none = new FakeCodeCommit({ GetPullRequest: refused("PullRequestDoesNotExistException") });
    await none.repository().say(6, "Gone");
    expect([aws.writes(), none.writes()]).toEqual([[], []]);
  });
});
