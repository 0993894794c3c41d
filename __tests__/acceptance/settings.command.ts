import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exampleText, ROOT } from "../support/settings";

jest.setTimeout(60_000);

/** Runs the app as cdktf runs it, in a folder with these settings. */
function synth(settings?: string) {
  const folder = mkdtempSync(join(tmpdir(), "slipway-app-"));
  if (settings !== undefined) writeFileSync(join(folder, "terraform.tfvars"), settings);
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(ROOT, "tools/run.mjs"), "main.ts"], {
    cwd: folder,
    encoding: "utf8",
    env: { PATH: process.env.PATH, CDKTF_OUTDIR: join(folder, "cdktf.out") },
  });
  return { status, stdout, stderr, files: readdirSync(folder).filter((name) => name !== "terraform.tfvars") };
}

test("the example settings are synthesized, quietly", () => {
  expect(synth(exampleText())).toEqual({ status: 0, stdout: "", stderr: "", files: ["cdktf.out"] });
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
])("fails with a message, without a trace, and writes nothing when %s", (_, settings, message) => {
  const { status, stdout, stderr, files } = synth(settings);
  expect(status).toBe(1);
  expect(stderr).toMatch(message);
  expect(stderr).not.toMatch(/^\s+at /m);
  expect(stdout).toBe("");
  expect(files).toEqual([]);
});

test("all problems are told at once", () => {
  const { stderr } = synth(
    exampleText()
      .replace(/= "always"/, '= "sometimes"')
      .replace('["dev"], ["prod"]]', '["dev"], ["prd"]]'),
  );
  expect(stderr).toMatch(/sometimes[\s\S]*prd|prd[\s\S]*sometimes/);
});
