import type { PlannedEnvironment } from "../../../tools/review/environments";
import { ReviewComment } from "../../../tools/review/github";
import {
  FAIL_ON,
  type PullRequestReviewProps,
  reviewedRepository,
  reviewPullRequest,
} from "../../../tools/review/pull-request";
import type { Risk } from "../../../tools/review/review";
import { exampleSettings } from "../../support/settings";
import { FakeGitHub, NUMBER, REPOSITORY, withoutWaits } from "./fake-github";
import { change, planText } from "./support";

const COMMIT = "c".repeat(40);
let github: FakeGitHub;
let api: string;
beforeEach(async () => {
  github = new FakeGitHub(COMMIT);
  api = await github.start();
  withoutWaits();
});
afterEach(() => {
  github.stop();
  jest.restoreAllMocks();
});

const create = planText([change("aws_thing", null, { a: 1 })]);
const destroy = planText([change("aws_thing", { a: 1 }, null)]);

const reviewed = (
  planned: readonly PlannedEnvironment[] | (() => Promise<never>),
  props: Partial<PullRequestReviewProps> = {},
) =>
  reviewPullRequest({
    comment: new ReviewComment({ token: `ghp_${"a".repeat(36)}`, project: "hello", api }),
    pullRequest: { repository: REPOSITORY, number: NUMBER, commit: COMMIT },
    failOn: new Set<Risk>(FAIL_ON),
    plan: typeof planned === "function" ? planned : async () => planned,
    ...props,
  });
const states = () => github.statuses.map(({ state, description }) => `${state}: ${description}`);

test("tells that it plans, then posts one comment for all environments and the verdict as status", async () => {
  const { text, failed } = await reviewed(
    [
      { name: "dev", plan: create },
      { name: "prod", plan: destroy },
    ],
    { log: "https://eu-west-1.console.aws.amazon.com/codebuild/x" },
  );
  expect(failed).toBe(false);
  expect(states()).toEqual([
    "pending: Every environment is being planned",
    "success: 1 to add, 0 to change, 1 to destroy. Risks: delete.",
  ]);
  expect(github.comments).toHaveLength(1);
  const [{ body } = { body: "" }] = github.comments;
  expect(body).toContain(`Plans of ${COMMIT}`);
  expect(body).toContain("[the build's log](https://eu-west-1.console.aws.amazon.com/codebuild/x)");
  expect(body).toContain("> - `dev`: 1 to add, 0 to change, 0 to destroy.");
  expect(body).toContain("> - `prod`: 0 to add, 0 to change, 1 to destroy. Risks: delete.");
  expect(text).toContain("prod: delete aws_thing.it");
});

test("fails the status on a risk that was named", async () => {
  const { failed } = await reviewed([{ name: "dev", plan: destroy }], { failOn: new Set<Risk>(["delete"]) });
  expect(failed).toBe(true);
  expect(states().at(-1)).toBe("failure: 0 to add, 0 to change, 1 to destroy. Risks: delete.");
});

test("posts a plan that failed with Terraform's words, beside those that did not", async () => {
  const failure = "Error: Invalid count argument\n\n  on cdk.tf.json line 3";
  const { failed } = await reviewed([
    { name: "dev", plan: create },
    { name: "prod", failure },
  ]);
  expect(failed).toBe(true);
  expect(states().at(-1)).toMatch(/^error: 1 plan failed; 1 to add/);
  expect(github.comments[0]?.body).toContain("Invalid count argument");
  expect(github.comments[0]?.body).toContain("`prod`: the plan failed");
});

test("never takes a plan that it does not understand for one without changes", async () => {
  const { failed } = await reviewed([{ name: "dev", plan: create.slice(0, -5) }]);
  expect(failed).toBe(true);
  expect(states().at(-1)).toMatch(/^error: 1 plan failed/);
  expect(github.comments[0]?.body).toContain("The plan is not reviewed");
});

test("leaves no commit waiting where it breaks down", async () => {
  await expect(reviewed(async () => Promise.reject(new Error("disk full")))).rejects.toThrow("disk full");
  expect(states().at(-1)).toBe("error: The review has failed: see its log");
  expect(github.comments).toEqual([]);
});

test("sets the status although the comment is refused, and the comment although the status is", async () => {
  github.before = (request) =>
    /^POST .*comments/.test(request) ? [403, { message: "Resource not accessible" }] : undefined;
  await expect(reviewed([{ name: "dev", plan: create }])).rejects.toThrow(/issues: write/);
  expect(states().at(-1)).toMatch(/^success/);

  github.restart(COMMIT);
  let statuses = 0;
  github.before = (request) =>
    request.includes("/statuses/") && statuses++ > 0 ? [403, { message: "no" }] : undefined;
  await expect(reviewed([{ name: "dev", plan: create }])).rejects.toThrow(/statuses: write/);
  expect(github.comments).toHaveLength(1);
});

test("fits a comment whatever the plan, and says where the rest is", async () => {
  const many = (count: number, after: object | null) =>
    planText(
      Array.from({ length: count }, (_, index) =>
        change("aws_thing", after ? null : { a: 1 }, after && { text: `${"x".repeat(300)}${index}` }, {
          name: `it_${index}_${"long".repeat(20)}`,
        }),
      ),
    );
  await reviewed([{ name: "dev", plan: many(400, {}) }], { log: "https://log.example/1" });
  expect(github.comments[0]?.body.length).toBeLessThanOrEqual(65_536);
  expect(github.comments[0]?.body).toMatch(/Left out to stay within .*\[the build's log\]/);

  await reviewed([{ name: "dev", plan: many(1500, null) }], { log: "https://log.example/1" });
  expect(github.comments[0]?.body.length).toBeLessThanOrEqual(65_536);
  expect(github.comments[0]?.body).toContain("0 to add, 0 to change, 1500 to destroy. Risks: delete.");
  expect(github.comments[0]?.body).toContain("more than a comment can name");
});

test("reviews repositories on GitHub, and says what to do with others", async () => {
  const settings = await exampleSettings();
  const of = (source: Parameters<typeof reviewedRepository>[0]["source"]) =>
    reviewedRepository({ ...settings, source });
  expect(of({ provider: "connection", repository: "acme/hello", host: "GitHub" })).toBe("acme/hello");
  expect(reviewedRepository(settings)).toBe("acme/hello");
  expect(() => of({ provider: "connection", repository: "a/b", host: "GitLab" })).toThrow(
    /on GitLab.*npm run review/,
  );
  expect(() => of({ provider: "codecommit", repository: "hello" })).toThrow(/on CodeCommit/);
});
