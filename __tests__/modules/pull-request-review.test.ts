import { SecretsmanagerSecret } from "@cdktf/provider-aws/lib/secretsmanager-secret";
import { Bucket } from "../../modules/bucket";
import { Key } from "../../modules/key";
import { PullRequestReview } from "../../modules/pull-request-review";
import type { Settings } from "../../settings";
import { synthesizeConstruct } from "../support/construct";
import { exampleSettings } from "../support/settings";
import { all } from "../support/synthesized";

function reviewOf(settings: Settings) {
  let review: PullRequestReview;
  const stack = synthesizeConstruct((scope) => {
    const place = { account: "111111111111", region: "eu-west-1" };
    const key = new Key(scope, "key", { ...place, alias: "alias/hello", description: "A key" });
    const artifacts = new Bucket(scope, "artifacts", { name: "hello-artifacts", key });
    const token = new SecretsmanagerSecret(scope, "token", { name: "hello/github-token" });
    const props = { settings, repository: "acme/hello", token, artifacts, key };
    review = new PullRequestReview(scope, "review", props);
  });
  return { stack, review: review! };
}

test("is a build that the webhook can name before it is there, and none that GitHub starts by itself", async () => {
  const { stack, review } = reviewOf(await exampleSettings());
  expect({ name: review.name, arn: review.arn }).toEqual({
    name: "hello-delivery-review",
    arn: "arn:aws:codebuild:eu-west-1:111111111111:project/hello-delivery-review",
  });
  expect(all(stack, "aws_codebuild_project").map(({ name }) => name)).toContain(review.name);
  expect(all(stack, "aws_codebuild_webhook")).toEqual([]);
});

test("is of pull requests into the branches that are deployed, each once", async () => {
  const settings = await exampleSettings();
  const { main } = settings.pipelines;
  const pipelines = {
    main: main!,
    too: { ...main!, name: "too" },
    old: { ...main!, name: "old", branch: "release/1.0" },
  };
  expect(reviewOf({ ...settings, pipelines }).review.into).toEqual(["main", "release/1.0"]);
});
