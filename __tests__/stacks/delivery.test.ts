import type { Settings } from "../../settings";
import { exampleSettings } from "../support/settings";
import { synthesize } from "../support/synth";
import { all } from "../support/synthesized";

const delivery = async (changes: Partial<Settings> = {}) =>
  synthesize({ ...(await exampleSettings()), ...changes }).delivery!;

interface Project {
  readonly name: string;
  readonly count?: string;
  readonly source: { readonly type: string; readonly auth?: object };
  readonly secondary_sources?: readonly object[];
}
const projects = (stack: Awaited<ReturnType<typeof delivery>>) =>
  Object.fromEntries(
    (all(stack, "aws_codebuild_project") as unknown as Project[]).map((one) => [one.name, one]),
  );

describe("the review of pull requests", () => {
  test("is started for those into the branches that are deployed, and whatever changes their plans", async () => {
    const { main: pipeline } = (await exampleSettings()).pipelines;
    const stack = await delivery({
      pipelines: { main: pipeline!, old: { ...pipeline!, name: "old", branch: "release/1.0" } },
    });
    const [webhook] = all(stack, "aws_codebuild_webhook") as { filter_group: { filter: object[] }[] }[];
    expect(webhook!.filter_group).toEqual([
      {
        filter: [
          {
            type: "EVENT",
            pattern: "PULL_REQUEST_CREATED, PULL_REQUEST_UPDATED, PULL_REQUEST_REOPENED",
          },
          { type: "BASE_REF", pattern: "^refs/heads/(main|release/1\\.0)$" },
        ],
      },
    ]);
  });

  test("is there as soon as the token is stored, and the first deploy works without it", async () => {
    const stack = await delivery();
    const { "hello-delivery-review": review } = projects(stack);
    const [webhook] = all(stack, "aws_codebuild_webhook");
    expect(review!.count).toMatch(/^\$\{try\(length\(data\..*\[0\]\.versions\), 0\) > 0 \? 1 : 0\}$/);
    expect(webhook!.count).toBe(review!.count);
    expect(JSON.stringify(stack.data)).toContain(`contains(data.aws_secretsmanager_secrets.`);
  });

  test("keeps the token from the build that runs the pull request's code", async () => {
    const { "hello-delivery-plan": plan, "hello-delivery-review": review } = projects(await delivery());
    expect(plan!.source).toMatchObject({ type: "S3" });
    expect(JSON.stringify(plan)).not.toMatch(/auth|token|SECRETS_MANAGER/i);
    expect(review!.source.auth).toMatchObject({ type: "SECRETS_MANAGER" });
    expect(review!.secondary_sources).toMatchObject([{ source_identifier: "trusted" }]);
  });

  test.each<Settings["source"]>([
    { provider: "codecommit", repository: "hello" },
    { provider: "connection", repository: "acme/hello", host: "GitHub" },
  ])("is not there where there is no token: $provider", async (source) => {
    const stack = await delivery({ source });
    expect(all(stack, "aws_codebuild_project")).toEqual([]);
    expect(all(stack, "aws_secretsmanager_secret")).toEqual([]);
  });
});
