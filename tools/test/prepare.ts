import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { runCommand } from "../project";
import { motoServer, PROVIDER_VERSION, terraform, terraformEnvironment } from "../toolchain";

/**
 * Brings what the tests run and the machine lacks: tests that run side by side would each fetch it, to the same place.
 */
runCommand(async () => {
  const [{ path }] = await Promise.all([terraform(), motoServer()]);
  const env = await terraformEnvironment();
  // A mirror is only read.
  if (!env.TF_PLUGIN_CACHE_DIR) return 0;
  const folder = mkdtempSync(join(tmpdir(), "slipway-tools-"));
  try {
    const aws = { source: "hashicorp/aws", version: PROVIDER_VERSION };
    const configuration = { terraform: { required_providers: { aws } } };
    writeFileSync(join(folder, "main.tf.json"), JSON.stringify(configuration));
    await execa(path, ["init", "-input=false", "-no-color"], { cwd: folder, env });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return 0;
});
