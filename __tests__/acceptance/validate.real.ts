import { execFileSync } from "node:child_process";
import { ROOT } from "../support/settings";

jest.setTimeout(5 * 60_000);

test("Terraform and the AWS provider find every stack valid", () => {
  const output = execFileSync(process.execPath, ["tools/run.mjs", "tools/validate/index.ts"], {
    cwd: ROOT,
    encoding: "utf8",
  });
  expect(output.trim().split("\n").sort()).toEqual(
    [
      "access-dev",
      "access-prod",
      "bootstrap",
      "delivery",
      "dev",
      "pipeline-main",
      "pipeline-preview-main_dev",
      "prod",
    ].map((name) => `${name}: valid`),
  );
});
