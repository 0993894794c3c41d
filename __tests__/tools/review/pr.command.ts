import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { exampleText, ROOT } from "../../support/settings";
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
async function project(settings = exampleText()) {
  const cwd = mkdtempSync(join(tmpdir(), "slipway-review-"));
  writeFileSync(join(cwd, "terraform.tfvars"), settings);
  writeFileSync(join(cwd, "package.json"), '{"name": "slipway"}');
  const git = (...args: string[]) =>
    execa("git", ["-c", "user.name=me", "-c", "user.email=me@example.com", ...args], { cwd });
  await git("init", "--quiet");
  await git("add", "--all");
  await git("commit", "--quiet", "--message", "Start");
  return { cwd, commit: (await git("rev-parse", "HEAD")).stdout };
}

const reviewPr = (cwd: string, args: string[], env: Record<string, string> = { GITHUB_TOKEN: TOKEN }) =>
  execa(process.execPath, [join(ROOT, "tools/run.mjs"), "tools/review/pr.ts", ...args], {
    cwd,
    reject: false,
    extendEnv: false,
    env: { PATH: process.env.PATH, HOME: cwd, GITHUB_API_URL: api, ...env },
  });

/** That it ended as a mistake, said this, and left no trace. */
async function expectMistake(run: ReturnType<typeof reviewPr>, message: RegExp) {
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
  const { cwd } = await project();
  await expectMistake(reviewPr(cwd, ["--bogus"]), /Unknown option '--bogus'[\s\S]*Usage: npm run review:pr/);
  await expectMistake(reviewPr(cwd, ["--fail-on", "fear"]), /"fear"; risks are delete, /);
  await expectMistake(reviewPr(cwd, ["--commit", "main"]), /not a commit's full SHA: "main"/);
  await expectMistake(
    reviewPr(cwd, ["--pull-request", "seven", "--commit", "f".repeat(40)]),
    /not a pull request's number/,
  );
});

test("reviews nothing but what the commit holds", async () => {
  const { cwd } = await project();
  writeFileSync(join(cwd, "terraform.tfvars"), `${exampleText()}\n# edited\n`);
  await expectMistake(reviewPr(cwd, []), /commit or stash these changes first.\n M terraform\.tfvars/);
});

test("finds the pull request of what is checked out, and says where there is none", async () => {
  const { cwd, commit } = await project();
  github.head = commit;
  github.pull = { state: "closed" };
  await expectMistake(reviewPr(cwd, []), new RegExp(`No open pull request of acme/hello has ${commit}`));
});

test("says where there is no token, and where GitHub does not take it", async () => {
  const { cwd } = await project();
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
  const { cwd } = await project(settings);
  await expectMistake(reviewPr(cwd, []), /names a repository on CodeCommit/);
});
