import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { unzipSync } from "fflate";
import { projectRoot, UserError } from "../project";

/** The release that is fetched where none is there. */
export const TERRAFORM_VERSION = "1.11.4";
/** Write-only arguments and S3's own lock files came with it. */
const LEAST = [1, 11] as const;

export interface Terraform {
  readonly path: string;
  readonly version: string;
}

/** Whether a version has what the stacks use. */
export function fits(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major === LEAST[0] && minor >= LEAST[1];
}

/**
 * Terraform from PATH, or what TERRAFORM_BINARY_NAME names (OpenTofu is `tofu`), where its version fits; else
 * the pinned release from the project's own cache, fetched first if need be.
 */
export async function terraform(releases = "https://releases.hashicorp.com"): Promise<Terraform> {
  const named = process.env.TERRAFORM_BINARY_NAME;
  const found = await versionOf(named ?? "terraform");
  if (found && fits(found)) return { path: named ?? "terraform", version: found };
  if (named) {
    throw new UserError(
      `TERRAFORM_BINARY_NAME=${named}: ${found ? `its version ${found} does not fit` : "it does not run"}. Needed: ${LEAST.join(".")} or newer, before 2.`,
    );
  }
  const folder = join(projectRoot(), ".slipway/tools", `terraform-${TERRAFORM_VERSION}`);
  const path = join(folder, process.platform === "win32" ? "terraform.exe" : "terraform");
  if (!existsSync(path)) await fetchTerraform(releases, folder, path);
  return { path, version: TERRAFORM_VERSION };
}

async function versionOf(command: string): Promise<string | undefined> {
  const { stdout, failed } = await execa(command, ["version", "-json"], {
    reject: false,
    env: { CHECKPOINT_DISABLE: "1", TF_CLI_CONFIG_FILE: undefined },
  });
  if (failed) return undefined;
  // Warnings may stand before the JSON.
  return /"terraform_version":\s*"([\d.]+)/.exec(String(stdout))?.[1];
}

async function fetchTerraform(releases: string, folder: string, path: string): Promise<void> {
  const platform = { linux: "linux", darwin: "darwin", win32: "windows" }[process.platform as string];
  const cpu = { x64: "amd64", arm64: "arm64" }[process.arch as string];
  const base = `${releases}/terraform/${TERRAFORM_VERSION}`;
  const name = `terraform_${TERRAFORM_VERSION}_${platform}_${cpu}.zip`;
  const byHand = `Install Terraform ${LEAST.join(".")} or newer by hand (https://developer.hashicorp.com/terraform/install) and put it on PATH.`;
  const fetchBytes = async (url: string) => {
    const response = await fetch(url).catch((error: Error) => {
      throw new UserError(
        `Terraform is not on PATH, and ${url} cannot be reached (${error.message}). ${byHand}`,
      );
    });
    if (!response.ok)
      throw new UserError(`Terraform is not on PATH, and ${url} answers ${response.status}. ${byHand}`);
    return new Uint8Array(await response.arrayBuffer());
  };

  const sums = Buffer.from(await fetchBytes(`${base}/terraform_${TERRAFORM_VERSION}_SHA256SUMS`)).toString();
  const expected = sums
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .find(([, file]) => file === name)?.[0];
  if (!expected)
    throw new UserError(
      `There is no Terraform ${TERRAFORM_VERSION} for ${process.platform} on ${process.arch}. ${byHand}`,
    );
  const archive = await fetchBytes(`${base}/${name}`);
  const actual = createHash("sha256").update(archive).digest("hex");
  if (actual !== expected) {
    throw new UserError(
      `${base}/${name} is not what its checksum says (${actual}, not ${expected}): nothing was installed. Try again; ${byHand}`,
    );
  }
  const binary = Object.entries(unzipSync(archive)).find(([file]) => /^terraform(\.exe)?$/.test(file))?.[1];
  if (!binary) throw new UserError(`${name} holds no terraform. ${byHand}`);
  mkdirSync(folder, { recursive: true });
  const part = `${path}.${process.pid}`;
  writeFileSync(part, binary);
  chmodSync(part, 0o755);
  renameSync(part, path);
}
