import { refusalOf } from "../../../tools/review/admission";
import { ReviewComment } from "../../../tools/review/github";
import { FakeGitHub, NUMBER, REPOSITORY, SOMEBODY, withoutWaits } from "./fake-github";

const COMMIT = "c".repeat(40);
const FORK = { head: { sha: COMMIT, repo: { full_name: "mallory/hello" } } };
let github: FakeGitHub;
let comment: ReviewComment;
beforeEach(async () => {
  github = new FakeGitHub(COMMIT);
  comment = new ReviewComment({
    token: `ghp_${"a".repeat(36)}`,
    project: "hello",
    api: await github.start(),
  });
  withoutWaits();
});
afterEach(() => {
  github.stop();
  jest.restoreAllMocks();
});

const refusal = (into = ["main"]) =>
  refusalOf(comment, { repository: REPOSITORY, number: NUMBER, commit: COMMIT }, into);

test("runs the code of a pull request from the repository itself", async () => {
  expect(await refusal()).toBeUndefined();
  expect(github.statuses).toEqual([]);
});

test("runs none of a fork before somebody has said so, and tells on the commit what to do", async () => {
  github.pull = FORK;
  expect(await refusal()).toMatch(
    new RegExp(`comes from mallory/hello.*may write to acme/hello[^]*/codebuild_run\\(${COMMIT}\\)$`),
  );
  expect(github.statuses).toMatchObject([{ state: "pending", sha: COMMIT }]);
  expect(String(github.statuses[0]!.description)).toMatch(/fork.*\/codebuild_run\(<commit>\)/);
  expect(String(github.statuses[0]!.description).length).toBeLessThanOrEqual(140);
});

test("runs none of a fork whose repository is gone", async () => {
  github.pull = { head: { sha: COMMIT, repo: null } };
  expect(await refusal()).toMatch(/a fork that is gone/);
});

test("runs a fork's commit on the word of somebody who may write, and on nobody else's", async () => {
  github.pull = FORK;
  github.add(`/codebuild_run(${COMMIT})`, SOMEBODY);
  expect(await refusal()).toMatch(/comes from mallory/);
  github.permissions = { [SOMEBODY]: "write" };
  expect(await refusal()).toBeUndefined();
});

test("runs nothing of a pull request that is closed, or at another commit by now", async () => {
  github.pull = { state: "closed" };
  expect(await refusal()).toMatch(/closed/);
  github.pull = {};
  github.head = "d".repeat(40);
  expect(await refusal()).toMatch(/at d{40} by now/);
  expect(github.statuses).toEqual([]);
});

test("runs nothing of a pull request into a branch that is not deployed, whoever has said so", async () => {
  github.pull = FORK;
  github.permissions = { [SOMEBODY]: "write" };
  github.add(`/codebuild_run(${COMMIT})`, SOMEBODY);
  expect(await refusal(["release/*", "production"])).toMatch(/no pipeline deploys/);
  expect(github.statuses).toEqual([]);
  expect(await refusal(["release/*", "main"])).toBeUndefined();
});
