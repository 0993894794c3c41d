import { existsSync, mkdirSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { FakeTerraform } from "../../support/fake-terraform";
import { temporaryProject } from "../../support/project";
import { runTool, startTool } from "../../support/tools";

const DRIFT = "tools/drift/index.ts";

/** A project in which dev and prod are synthesized, and the Terraform that plans them. */
function project() {
  const folder = temporaryProject();
  for (const stack of ["dev", "prod"])
    mkdirSync(join(folder, "cdktf.out/stacks", stack), { recursive: true });
  const terraform = new FakeTerraform(mkdtempSync(join(tmpdir(), "slipway-terraform-")));
  const within = { cwd: folder, env: { PATH: `${terraform.bin}${delimiter}${process.env.PATH}` } };
  const drift = (...args: string[]) => runTool(DRIFT, args, within);
  const report = () => JSON.parse(readFileSync(join(folder, "report/drift.json"), "utf8"));
  return { folder, terraform, drift, within, report };
}

test("says that nothing differs, and ends with 0", async () => {
  const { drift, terraform, folder } = project();
  const { exitCode, stdout, stderr } = await drift("dev", "prod");
  expect({ exitCode, stdout, stderr }).toEqual({
    exitCode: 0,
    stdout: "dev is as it was released.\nprod is as it was released.",
    stderr: "",
  });
  // Both are planned at once.
  const asked = ["dev", "prod"].map((stack) => terraform.asked.filter((line) => line.startsWith(stack)));
  expect(asked).toEqual([
    ["dev: init", "dev: plan"],
    ["prod: init", "prod: plan"],
  ]);
  expect(existsSync(join(folder, "report"))).toBe(false);
});

test("tells what differs, ends with 2, and leaves a report", async () => {
  const { within, terraform, report } = project();
  terraform.plans("prod", [{ address: "aws_eip.web", actions: ["update"] }]);
  const args = ["dev", "prod", "--report", "report"];
  const { exitCode, stdout } = await startTool(DRIFT, args, within).ended;
  expect(exitCode).toBe(2);
  expect(stdout).toMatch(/^dev is as it was released\.\nprod is not as it was released: .*1 to change/);
  expect(stdout).toContain("~ aws_eip.web");
  expect(report()).toMatchObject({
    project: "hello",
    environments: [
      { environment: "prod", review: expect.arrayContaining([expect.stringContaining("aws_eip.web")]) },
    ],
    failures: [],
  });
});

test("ends with 1 where an environment cannot be planned, and says why in the report, too", async () => {
  const { drift, terraform, report } = project();
  terraform.fails("plan", "Error: the role cannot be taken on");
  const { exitCode, stdout, stderr } = await drift("dev", "--report", "report");
  expect([exitCode, stderr]).toEqual([1, ""]);
  expect(stdout).toBe("dev cannot be planned.\nError: the role cannot be taken on");
  expect(report().failures).toEqual([{ environment: "dev", reason: "Error: the role cannot be taken on" }]);
});

test.each<[string[], RegExp]>([
  [[], /^No environment is named\.\nUsage: npm run drift/],
  [["dev", "--format", "json"], /Unknown option '--format'[\s\S]*Usage: npm run drift/],
  [["dev", "--report="], /^--report is empty/],
  [
    ["dev", "--report", "terraform.tfvars/report"],
    /^--report terraform.tfvars\/report cannot be made: ENOTDIR/,
  ],
  [["dev", "elsewhere"], /no environment "elsewhere" in terraform\.tfvars: it has dev, prod\./],
])("fails with words for people, before anything is planned, when it is given %j", async (args, message) => {
  const { drift, terraform } = project();
  const { exitCode, stdout, stderr } = await drift(...args);
  expect({ exitCode, stdout, stderr }).toEqual({
    exitCode: 1,
    stdout: "",
    stderr: expect.stringMatching(message),
  });
  expect(stderr).not.toMatch(/\n\s+at /);
  expect(terraform.asked).toEqual([]);
});
