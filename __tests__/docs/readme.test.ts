import { readFileSync } from "node:fs";
import { join } from "node:path";
import { readPlan } from "../../tools/review/plan";
import { render } from "../../tools/review/render";
import { review } from "../../tools/review/review";
import { ROOT } from "../support/settings";

// dev.json and prod.json are plans that Terraform made of a change to this project against Local AWS, with some of
// dev changed by hand; of their resources most that stay are left out.

test("the README shows what a review is like", () => {
  const plans = ["dev", "prod"].map((name) =>
    readPlan(name, readFileSync(join(__dirname, `${name}.json`), "utf8")),
  );
  const { text } = render(review(plans), { format: "text", limit: 0, whole: "" });
  // Up to where the folded rest begins.
  const telling = text.slice(0, text.indexOf("\ndev:")).trimEnd();
  expect(readFileSync(join(ROOT, "README.md"), "utf8")).toContain(`\`\`\`text\n${telling}\n\`\`\``);
});
