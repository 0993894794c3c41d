import * as sdk from "@aws-sdk/client-codecommit";
import { createRepository, type Repository } from "../../../lambdas/delivery-previews/repository";
import type { Occurrence } from "../../../tools/local-aws/events/event";
import { codecommit } from "../../../tools/local-aws/services/codecommit";
import { modelledErrors, operationModel, problemsOf } from "../../support/sdk-models";
import { Bed } from "./upstream";

const COMMIT = "c0ffee".padEnd(40, "0");
const MARKER = "<!-- slipway:preview hello -->";

describe("through the gateway", () => {
  let bed: Bed;
  beforeEach(async () => {
    bed = await new Bed().start();
  });
  afterEach(() => bed.stop());

  const act = async (what: object) => {
    const response = await fetch(`${bed.endpoint}/local-aws/repository`, {
      method: "POST",
      body: JSON.stringify({ provider: "codecommit", region: "eu-west-1", repository: "hello", ...what }),
    });
    return { status: response.status, ...(await response.json()) };
  };
  /** What the functions see of it. */
  const seen = (region = "eu-west-1"): Repository => {
    const credentials = { accessKeyId: "test", secretAccessKey: "test" };
    const client = new sdk.CodeCommitClient({ endpoint: bed.endpoint, region, credentials, maxAttempts: 1 });
    return createRepository(
      { project: "hello", provider: "codecommit", repository: "hello", githubApi: "" },
      { codecommit: client, fetch },
      undefined,
    );
  };

  test("the functions find branches, more than a page", async () => {
    for (let number = 0; number < 101; number++) await act({ do: "push", branch: `b${number}` });
    await act({ do: "push", branch: "feature/login", commit: COMMIT });
    expect(await seen().branch("feature/login")).toEqual({ name: "feature/login", commit: COMMIT });
    expect(await seen().branches()).toHaveLength(102);
    await act({ do: "delete", branch: "feature/login" });
    expect(await seen().branch("feature/login")).toBeUndefined();
  });

  test("the functions find since when a commit is there", async () => {
    await act({ do: "push", branch: "main", commit: COMMIT });
    expect(Math.abs(Date.now() - Number(await seen().committedAt(COMMIT)))).toBeLessThan(60_000);
    expect(await seen().committedAt("0".repeat(40))).toBeUndefined();
  });

  test("a repository is there from its first branch on, in its own region", async () => {
    await expect(seen().branch("main")).rejects.toThrow("no CodeCommit repository hello");
    await act({ do: "delete", branch: "main" });
    await expect(seen().branch("main")).rejects.toThrow("no CodeCommit repository hello");
    await act({ do: "push", branch: "main" });
    expect(await seen().branch("main")).toBeDefined();
    await expect(seen("us-east-1").branch("main")).rejects.toThrow("no CodeCommit repository hello");
  });

  test("one that moto has made is empty, and gone where moto has taken it away", async () => {
    bed.upstream = (_, response) => response.end("{}");
    await bed.call("CodeCommit_20150413.CreateRepository", { repositoryName: "hello" });
    expect(await seen().branches()).toEqual([]);
    await bed.call("CodeCommit_20150413.DeleteRepository", { repositoryName: "hello" });
    await expect(seen().branches()).rejects.toThrow("no CodeCommit repository hello");
  });

  test("the functions find pull requests while they are open, and comment on them in place", async () => {
    await act({ do: "push", branch: "main" });
    await act({ do: "push", branch: "feature" });
    const { number } = (await act({ do: "open", branch: "feature", into: "main" })).changes[0];
    expect(await seen().pullRequests()).toEqual([{ number, branch: "feature", into: "main" }]);
    await act({ do: "comment", number, body: `${MARKER}\nFree money` });
    await seen().say(number, "On its way");
    await seen().say(number, "Ready");
    const { content } = await bed.call("CodeCommit_20150413.GetCommentsForPullRequest", {
      pullRequestId: String(number),
    });
    expect(content.commentsForPullRequestData).toMatchObject([
      { comments: [{ content: `${MARKER}\nFree money` }] },
      { comments: [{ content: `${MARKER}\nReady` }] },
    ]);
    await act({ do: "merge", number });
    expect(await seen().pullRequests()).toEqual([]);
  });

  test("a repository without a region is refused", async () => {
    expect(await act({ do: "push", branch: "main", region: undefined })).toMatchObject({
      status: 409,
      message: expect.stringContaining("region"),
    });
  });

  test.each<[string, object, string]>([
    ["GetBranch", { repositoryName: "hello", branchName: "gone" }, "BranchDoesNotExistException"],
    ["GetBranch", { repositoryName: "hello" }, "BranchNameRequiredException"],
    ["ListBranches", { repositoryName: "hello", nextToken: "x" }, "InvalidContinuationTokenException"],
    ["GetPullRequest", { pullRequestId: "7" }, "PullRequestDoesNotExistException"],
    ["GetPullRequest", { pullRequestId: "x" }, "InvalidPullRequestIdException"],
    ["UpdateComment", { commentId: "7", content: "x" }, "CommentDoesNotExistException"],
  ])("%s of %j is refused as CodeCommit does", async (operation, input, code) => {
    await act({ do: "push", branch: "main" });
    const { status, content } = await bed.call(`CodeCommit_20150413.${operation}`, input);
    expect([status, content.__type]).toEqual([400, code]);
    expect(modelledErrors("@aws-sdk/client-codecommit", operation)).toContain(code);
  });

  test("all answers have the form of the SDK's model", async () => {
    await act({ do: "push", branch: "main", commit: COMMIT });
    await act({ do: "push", branch: "feature" });
    const { number } = (await act({ do: "open", branch: "feature", into: "main" })).changes[0];
    const [repositoryName, pullRequestId] = ["hello", String(number)];
    const asked: string[] = [];
    const ask = async (operation: string, input: object) => {
      asked.push(operation);
      const { status, content } = await bed.call(`CodeCommit_20150413.${operation}`, input);
      expect([status, problemsOf(operationModel(sdk, operation).output, content)]).toEqual([200, []]);
      return content as { comment?: { commentId: string } };
    };
    await ask("GetBranch", { repositoryName, branchName: "main" });
    await ask("GetCommit", { repositoryName, commitId: COMMIT });
    await ask("ListBranches", { repositoryName });
    await ask("ListPullRequests", { repositoryName, pullRequestStatus: "OPEN" });
    await ask("GetPullRequest", { pullRequestId });
    const { comment } = await ask("PostCommentForPullRequest", {
      repositoryName,
      pullRequestId,
      beforeCommitId: COMMIT,
      afterCommitId: COMMIT,
      content: "Ready",
    });
    await ask("UpdateComment", { commentId: comment?.commentId, content: "Gone" });
    await ask("GetCommentsForPullRequest", { pullRequestId });
    await act({ do: "merge", number });
    await ask("GetPullRequest", { pullRequestId });
    const all = Object.keys(codecommit({ publish: () => {} }).operations);
    expect([...new Set(asked)].toSorted()).toEqual(all.toSorted());
  });
});

describe("tells EventBridge", () => {
  const scope = { account: "111111111111", region: "eu-west-1" };
  const started = () => {
    const heard: Occurrence[] = [];
    const service = codecommit({ publish: (_, occurrence) => heard.push(occurrence) });
    return { heard, service };
  };

  test("of a branch's life", () => {
    const { heard, service } = started();
    service.change(scope, "hello", (one) => one.push({ branch: "feature/login", commit: COMMIT }));
    service.change(scope, "hello", (one) => one.push({ branch: "feature/login", commit: "1".repeat(40) }));
    service.change(scope, "hello", (one) => one.delete("feature/login"));
    const branch = {
      referenceType: "branch",
      referenceName: "feature/login",
      referenceFullName: "refs/heads/feature/login",
      repositoryName: "hello",
      repositoryId: expect.any(String),
    };
    expect(heard.map(({ detail }) => detail)).toEqual([
      { ...branch, event: "referenceCreated", commitId: COMMIT },
      { ...branch, event: "referenceUpdated", commitId: "1".repeat(40), oldCommitId: COMMIT },
      { ...branch, event: "referenceDeleted", oldCommitId: "1".repeat(40) },
    ]);
    expect(heard[0]).toMatchObject({
      source: "aws.codecommit",
      detailType: "CodeCommit Repository State Change",
      resources: ["arn:aws:codecommit:eu-west-1:111111111111:hello"],
    });
  });

  test("of a pull request's life, which goes on when its branch is gone", () => {
    const { heard, service } = started();
    service.change(scope, "hello", (one) => one.push({ branch: "main" }));
    service.change(scope, "hello", (one) => one.push({ branch: "feature" }));
    service.change(scope, "hello", (one) => one.open({ branch: "feature", into: "main" }));
    service.change(scope, "hello", (one) => one.open({ branch: "main", into: "feature" }));
    service.change(scope, "hello", (one) => one.push({ branch: "feature", commit: COMMIT }));
    service.change(scope, "hello", (one) => one.delete("feature"));
    service.change(scope, "hello", (one) => one.close(1));
    service.change(scope, "hello", (one) => one.push({ branch: "feature" }));
    service.change(scope, "hello", (one) => one.merge(2));
    const pulls = heard.filter(({ detailType }) => detailType === "CodeCommit Pull Request State Change");
    expect(
      pulls.map(({ detail }) => [
        detail.event,
        detail.pullRequestId,
        detail.pullRequestStatus,
        detail.isMerged,
        detail.sourceReference,
      ]),
    ).toEqual([
      ["pullRequestCreated", "1", "Open", "False", "refs/heads/feature"],
      ["pullRequestCreated", "2", "Open", "False", "refs/heads/main"],
      ["pullRequestSourceBranchUpdated", "1", "Open", "False", "refs/heads/feature"],
      ["pullRequestStatusChanged", "1", "Closed", "False", "refs/heads/feature"],
      ["pullRequestMergeStatusUpdated", "2", "Closed", "True", "refs/heads/main"],
    ]);
    expect(pulls[0]?.detail).toMatchObject({
      repositoryNames: ["hello"],
      destinationReference: "refs/heads/main",
      creationDate: expect.stringMatching(/^\w{3} \w{3} \d\d \d\d:\d\d:\d\d UTC \d{4}$/),
    });
  });

  test("that what is closed is not opened again", () => {
    const { service } = started();
    service.change(scope, "hello", (one) => one.push({ branch: "main" }));
    service.change(scope, "hello", (one) => one.push({ branch: "feature" }));
    service.change(scope, "hello", (one) => one.open({ branch: "feature", into: "main" }));
    service.change(scope, "hello", (one) => one.close(1));
    expect(() => service.change(scope, "hello", (one) => one.reopen(1))).toThrow("cannot be opened again");
  });
});
