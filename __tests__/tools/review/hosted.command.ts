import { mkdtempSync, writeFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FakeServer } from "../../support/fake-server";
import { exampleText } from "../../support/settings";
import { startTool } from "../../support/tools";
import { FakeGitHub, NUMBER } from "./fake-github";

const COMMIT = "c".repeat(40);

/** Secrets Manager, with a token in each secret. */
class FakeSecrets extends FakeServer {
  protected override answer(_request: IncomingMessage, _body: string, response: ServerResponse): void {
    const answer = JSON.stringify({ SecretString: `ghp_${"a".repeat(36)}` });
    response.setHeader("content-type", "application/x-amz-json-1.1").end(answer);
  }
}

const github = new FakeGitHub(COMMIT);
const secrets = new FakeSecrets();
let api: string;
let endpoint: string;
beforeAll(async () => {
  api = await github.start();
  endpoint = await secrets.start();
});
afterAll(() => {
  github.stop();
  secrets.stop();
});

function reviewHosted(env: Record<string, string>) {
  const cwd = mkdtempSync(join(tmpdir(), "slipway-hosted-"));
  writeFileSync(join(cwd, "terraform.tfvars"), exampleText());
  writeFileSync(join(cwd, "package.json"), '{"name": "slipway"}');
  const within = { cwd, env: { PATH: process.env.PATH, HOME: cwd, ...env } };
  return startTool("tools/review/hosted.ts", [], within).ended;
}

test("says how it is started where it was not started so", async () => {
  const { exitCode, stdout, stderr } = await reviewHosted({
    CODEBUILD_SRC_DIR: "/tmp",
    PULL_REQUEST: "pr/7",
  });
  expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: "" });
  expect(stderr).toMatch(
    /would set PULL_REQUEST, CODEBUILD_BUILD_ID, .*source version pr\/<number> .*PULL_REQUEST=<number>.*npm run review:pr/,
  );
});

test("looks at the pull request that it was started for, before anything of it is handed on", async () => {
  github.pull = { state: "closed" };
  const { exitCode, stdout } = await reviewHosted({
    AWS_ENDPOINT_URL: endpoint,
    AWS_ACCESS_KEY_ID: "local",
    AWS_SECRET_ACCESS_KEY: "local",
    GITHUB_API_URL: api,
    CODEBUILD_BUILD_ID: "hello-delivery-review:0a1b2c3d",
    CODEBUILD_SRC_DIR: "/nowhere",
    CODEBUILD_RESOLVED_SOURCE_VERSION: COMMIT,
    PULL_REQUEST: String(NUMBER),
  });
  expect({ exitCode, stdout }).toEqual({
    exitCode: 0,
    stdout: `Pull request ${NUMBER} is closed: nothing is planned.`,
  });
});
