import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { terraform, terraformEnvironment } from "../../tools/toolchain";
import {
  installedPrograms,
  mirroredPrograms,
  type SharedProviders,
  startProviders,
} from "../../tools/validate/providers";

/** Variables of Terraform and of its provider, with the credentials of Local AWS's build account. */
const environment = async (endpoint: string) => ({
  ...(await terraformEnvironment()),
  AWS_ENDPOINT_URL: endpoint,
  AWS_ACCESS_KEY_ID: "local",
  AWS_SECRET_ACCESS_KEY: "local",
});

/** Terraform in a folder, asking Local AWS. */
export async function terraformIn(
  folder: string,
  endpoint: string,
  more: Readonly<Record<string, string>> = {},
) {
  const { path } = await terraform();
  const env = { ...(await environment(endpoint)), ...more };
  return (...args: string[]) => execa(path, [...args, "-no-color"], { cwd: folder, env });
}

/** What a file of tests has started, and the folders of what that needs. */
const started: { readonly providers: SharedProviders; readonly scratch: string }[] = [];
afterAll(async () => {
  for (const { providers, scratch } of started) {
    await providers.stop();
    rmSync(scratch, { recursive: true });
  }
});

/**
 * Starts a provider for all of Terraform's commands in a folder: else each starts one, or several, which is half of what it
 * takes. For one command after the other, and a configuration with one provider block: what that says counts for whoever
 * uses the provider.
 *
 * @returns variables for Terraform
 */
export async function provideFor(folder: string, endpoint: string) {
  let programs = mirroredPrograms();
  if (!programs.size) {
    const plain = await terraformIn(folder, endpoint);
    await plain("init", "-input=false");
    programs = installedPrograms(folder);
  }
  const scratch = mkdtempSync(join(tmpdir(), "slipway-providers-"));
  const env = Object.entries(await environment(endpoint)).map(
    ([name, value]) => `export ${name}='${value}'\n`,
  );
  const equipped = [...programs].map(([address, program], index) => {
    const script = join(scratch, String(index));
    writeFileSync(script, `#!/bin/sh\n${env.join("")}cd '${folder}' && exec '${program}'\n`, { mode: 0o755 });
    return [address, script] as const;
  });
  const providers = await startProviders(new Map(equipped), scratch);
  started.push({ providers, scratch });
  return providers.environment;
}

/** Terraform as {@link terraformIn} gives it, initialized, and with one provider for all its commands. */
export async function initializedTerraformIn(folder: string, endpoint: string) {
  const run = await terraformIn(folder, endpoint, await provideFor(folder, endpoint));
  await run("init", "-input=false");
  return run;
}

/** How a plan begins: what its marks mean. */
const LEGEND = /^\S+ (create|destroy|update in-place|read|destroy and then create.*|create replacement.*)$/;

/**
 * What an apply says that it changes, as its plan marks it: a line a resource, block or attribute. Where that is what it was
 * to change and nothing else, a plan before it was empty.
 */
export function changesIn({ stdout }: { readonly stdout: string }): string[] {
  const lines = stdout.split("\n").map((line) => line.trim().replace(/ {2,}/g, " "));
  const marked = lines.filter((line) => /^([~+-]|[-+]\/[-+]) /.test(line) && !LEGEND.test(line));
  return marked.map((line) => line.replace(/ \{$/, ""));
}
