import { readFileSync } from "node:fs";
import { join } from "node:path";
import { readPlan } from "../../tools/review/plan";
import { render } from "../../tools/review/render";
import { review } from "../../tools/review/review";
import { examplesIn, readExample, textOf } from "./examples";

// dev.json and prod.json are plans that Terraform made of a change to this project against Local AWS, with some of
// dev changed by hand; of their resources most that stay are left out.

test("the README shows what a review is like", () => {
  const plans = ["dev", "prod"].map((name) =>
    readPlan(name, readFileSync(join(__dirname, `${name}.json`), "utf8")),
  );
  const { text } = render(review(plans), { format: "text", limit: 0, whole: "" });
  // Up to where the folded rest begins.
  const telling = text.slice(0, text.indexOf("\ndev:")).trimEnd();
  expect(textOf("README.md")).toContain(`\`\`\`text\n${telling}\n\`\`\``);
});

test("the README's previews and trial are settings that are accepted", async () => {
  const example = examplesIn(textOf("README.md")).find((one) => /^previews\s*=/m.test(one));
  const { previews, pipelines } = await readExample(example!);
  expect(previews.map(({ pattern, ttlHours }) => [pattern, ttlHours])).toEqual([
    ["feature/*", 72],
    ["pull_requests", 24],
  ]);
  expect(pipelines.main!.trial).toEqual({ environment: "dev", regions: ["eu-west-1", "us-east-1"] });
});
