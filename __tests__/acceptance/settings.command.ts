import { mkdtempSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exampleText } from "../support/settings";
import { runTool, startTool, type ToolOptions, type ToolRun } from "../support/tools";

jest.setTimeout(60_000);

type Run = (file: string, args: readonly string[], options: ToolOptions) => Promise<ToolRun>;

/** Runs the app in a folder with these settings. */
async function synth(settings?: string, run: Run = runTool) {
  const folder = mkdtempSync(join(tmpdir(), "slipway-app-"));
  if (settings !== undefined) writeFileSync(join(folder, "terraform.tfvars"), settings);
  const env = { PATH: process.env.PATH, CDKTF_OUTDIR: join(folder, "cdktf.out") };
  const { exitCode, stdout, stderr } = await run("main.ts", [], { cwd: folder, env, isExact: true });
  const files = readdirSync(folder).filter((name) => name !== "terraform.tfvars");
  return { status: exitCode, stdout, stderr, files };
}

test("the example settings are synthesized, quietly, as cdktf runs the app", async () => {
  const made = await synth(exampleText(), (...command) => startTool(...command).ended);
  expect(made).toEqual({ status: 0, stdout: "", stderr: "", files: ["cdktf.out"] });
});

test.each([
  ["there are no settings", undefined, /cp terraform.tfvars.example terraform.tfvars/],
  ["the settings are not HCL", 'project = "hello', /line|Mend/],
  ["an approval does not exist", exampleText().replace(/= "always"/, '= "sometimes"'), /"sometimes"/],
  [
    "a pipeline deploys what is not there",
    exampleText().replace('["dev"], ["prod"]]', '["dev"], ["prd"]]'),
    /prd/,
  ],
  ["two networks overlap", exampleText().replace("10.20.0.0/16", "10.10.0.0/16"), /10\.10\.0\.0\/16/],
])("fails with a message, without a trace, and writes nothing when %s", async (_, settings, message) => {
  const { status, stdout, stderr, files } = await synth(settings);
  expect(status).toBe(1);
  expect(stderr).toMatch(message);
  expect(stderr).not.toMatch(/^\s+at /m);
  expect(stdout).toBe("");
  expect(files).toEqual([]);
});

test("all problems are told at once", async () => {
  const { stderr } = await synth(
    exampleText()
      .replace(/= "always"/, '= "sometimes"')
      .replace('["dev"], ["prod"]]', '["dev"], ["prd"]]'),
  );
  expect(stderr).toMatch(/sometimes[\s\S]*prd|prd[\s\S]*sometimes/);
});
