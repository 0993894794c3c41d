import { execFileSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exampleText } from "../../support/settings";
import { runTool, startTool, type ToolRun } from "../../support/tools";
import { FakeGitHub } from "./fake-github";

const TOKEN = `ghp_${"a".repeat(36)}`;
let github: FakeGitHub;
let api: string;
beforeAll(async () => {
  github = new FakeGitHub("f".repeat(40));
  api = await github.start();
});
beforeEach(() => {
  github.restart("f".repeat(40));
  github.pull = {};
});
afterAll(() => github.stop());

/** A project with a commit, as `npm run review:pr` is run in it. */
function project(settings = exampleText()) {
  const cwd = mkdtempSync(join(tmpdir(), "slipway-review-"));
  writeFileSync(join(cwd, "terraform.tfvars"), settings);
  writeFileSync(join(cwd, "package.json"), '{"name": "slipway"}');
  const who = ["-c", "user.name=me", "-c", "user.email=me@example.com"];
  const git = (...args: string[]) => execFileSync("git", [...who, ...args], { cwd, encoding: "utf8" }).trim();
  git("init", "--quiet");
  git("add", "--all");
  git("commit", "--quiet", "--message", "Start");
  return { cwd, commit: git("rev-parse", "HEAD") };
}

const REVIEW_PR = "tools/review/pr.ts";
const within = (cwd: string, env: Record<string, string> = { GITHUB_TOKEN: TOKEN }) => ({
  cwd,
  env: { PATH: process.env.PATH, HOME: cwd, GITHUB_API_URL: api, ...env },
});
const reviewPr = (cwd: string, args: string[], env?: Record<string, string>) =>
  runTool(REVIEW_PR, args, within(cwd, env));

/** That it ended as a mistake, said this, and left no trace. */
async function expectMistake(run: Promise<ToolRun>, message: RegExp) {
  const { exitCode, stdout, stderr } = await run;
  expect({ exitCode, stdout, stderr }).toEqual({
    exitCode: 2,
    stdout: "",
    stderr: expect.stringMatching(message),
  });
  expect(stderr).not.toMatch(/\n\s+at /);
  expect(stderr).not.toContain(TOKEN);
  expect(github.comments).toEqual([]);
  expect(github.statuses).toEqual([]);
}

test("says what it does not understand", async () => {
  const { cwd } = project();
  await expectMistake(reviewPr(cwd, ["--bogus"]), /Unknown option '--bogus'[\s\S]*Usage: npm run review:pr/);
  await expectMistake(reviewPr(cwd, ["--fail-on", "fear"]), /"fear"; risks are delete, /);
  await expectMistake(reviewPr(cwd, ["--commit", "main"]), /not a commit's full SHA: "main"/);
  await expectMistake(
    reviewPr(cwd, ["--pull-request", "seven", "--commit", "f".repeat(40)]),
    /not a pull request's number/,
  );
});

test("reviews nothing but what the commit holds", async () => {
  const { cwd } = project();
  writeFileSync(join(cwd, "terraform.tfvars"), `${exampleText()}\n# edited\n`);
  const { ended } = startTool(REVIEW_PR, [], within(cwd));
  await expectMistake(ended, /commit or stash these changes first.\n M terraform\.tfvars/);
});

test("finds the pull request of what is checked out, and says where there is none", async () => {
  const { cwd, commit } = project();
  github.head = commit;
  github.pull = { state: "closed" };
  await expectMistake(reviewPr(cwd, []), new RegExp(`No open pull request of acme/hello has ${commit}`));
});

test("says where there is no token, and where GitHub does not take it", async () => {
  const { cwd } = project();
  await expectMistake(
    reviewPr(cwd, [], { AWS_ENDPOINT_URL: "http://127.0.0.1:1", AWS_REGION: "eu-west-1" }),
    /no GitHub token to post the review with.*hello\/github-token cannot be read/,
  );
  github.before = () => [401, { message: "Bad credentials" }];
  await expectMistake(reviewPr(cwd, []), /does not know this token/);
  github.before = () => undefined;
});

test("says that reviews are posted on GitHub alone", async () => {
  const settings = exampleText()
    .replace('provider   = "github-token"', 'provider   = "codecommit"')
    .replace('repository = "acme/hello"', 'repository = "hello"');
  const { cwd } = project(settings);
  await expectMistake(reviewPr(cwd, []), /names a repository on CodeCommit/);
});
