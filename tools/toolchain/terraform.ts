import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { unzipSync } from "fflate";
import { projectRoot, UserError } from "../project";

/** The release that is fetched where none is there. */
export const TERRAFORM_VERSION = "1.11.4";
/** Write-only arguments and S3's own lock files came with it. */
const LEAST = [1, 11] as const;
/** Thirty megabytes come within it also over a slow line. */
const FETCH_MILLISECONDS = 10 * 60_000;

/**
 * SHA-256 of that release's archives, so that nobody who takes over the place they come from can put another
 * there. For platforms that are not listed, the list of checksums beside the archives has to do.
 */
const CHECKSUMS: Readonly<Record<string, string>> = {
  linux_amd64: "1ce994251c00281d6845f0f268637ba50c0005657eb3cf096b92f753b42ef4dc",
  linux_arm64: "a43d1d0da9b9bab214a8305a39db0e40869572594ccf50c416a7756499143633",
  darwin_amd64: "a56d5002b9f7647291faccc3dd1a70350e60fb61e4c45037629508b8fdc2575b",
  darwin_arm64: "867e0808fa971217043e25b7a792b10720c79b1546f8a68479b74f138be73e18",
};

export interface Terraform {
  /** Command or path. */
  readonly path: string;
  readonly version: string;
  readonly product: "Terraform" | "OpenTofu";
  readonly from: "PATH" | "cache" | "download";
}

export interface TerraformOptions {
  /** Where releases are fetched from. @default "https://releases.hashicorp.com" */
  readonly releases?: string;
  /** SHA-256 of the release's archive, by platform. @default - those that are known */
  readonly checksums?: Readonly<Record<string, string>>;
}

/** What Terraform says, without the frame that it draws around errors. */
export const withoutFrame = (words: string) => words.replace(/^[╷│╵] ?/gm, "").trim();

/** Whether a version has what the stacks use. */
export function fits(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major === LEAST[0] && minor >= LEAST[1];
}

/** This machine as providers and releases name it, such as `linux_amd64`; undefined where there is none for it. */
export function platformName(
  system: string = process.platform,
  processor: string = process.arch,
): string | undefined {
  const os = new Map([
    ["linux", "linux"],
    ["darwin", "darwin"],
    ["win32", "windows"],
  ]).get(system);
  const cpu = new Map([
    ["x64", "amd64"],
    ["arm64", "arm64"],
  ]).get(processor);
  return os && cpu && `${os}_${cpu}`;
}

/** What was found, by what it was looked for with: to ask a Terraform for its version is to start it. */
const found = new Map<string, Promise<Terraform>>();

/**
 * Terraform from PATH, or what TERRAFORM_BINARY_NAME names (OpenTofu is `tofu`), where its version fits; else
 * the pinned release from the project's own cache, fetched first if need be. It is looked for once.
 *
 * @throws UserError where what was named does not fit, or the release cannot be fetched
 */
export function terraform(options: TerraformOptions = {}): Promise<Terraform> {
  const { TERRAFORM_BINARY_NAME, PATH } = process.env;
  const key = JSON.stringify([TERRAFORM_BINARY_NAME, PATH, options]);
  const known = found.get(key);
  if (known) return known;
  const looking = find(options);
  found.set(key, looking);
  // Somebody may install it meanwhile.
  looking.catch(() => found.delete(key));
  return looking;
}

async function find(options: TerraformOptions): Promise<Terraform> {
  const named = process.env.TERRAFORM_BINARY_NAME;
  const command = named ?? "terraform";
  const there = await versionOf(command);
  if (there && fits(there.version)) return { path: command, ...there, from: "PATH" };
  if (named) {
    throw new UserError(
      `TERRAFORM_BINARY_NAME=${named}: ${there ? `its version ${there.version} does not fit` : "it does not run"}. Needed: ${LEAST.join(".")} or newer, before 2.`,
    );
  }
  const folder = join(projectRoot(), ".slipway/tools", `terraform-${TERRAFORM_VERSION}`);
  const path = join(folder, process.platform === "win32" ? "terraform.exe" : "terraform");
  const own = { path, version: TERRAFORM_VERSION, product: "Terraform" } as const;
  if (existsSync(path)) return { ...own, from: "cache" };
  const why = there
    ? `Terraform ${there.version} on PATH does not fit (needed: ${LEAST.join(".")} or newer, before 2)`
    : "Terraform is not on PATH";
  const binary = await fetchRelease(why, options);
  mkdirSync(folder, { recursive: true });
  const part = `${path}.${process.pid}`;
  try {
    writeFileSync(part, binary);
    chmodSync(part, 0o755);
    renameSync(part, path);
  } finally {
    rmSync(part, { force: true });
  }
  return { ...own, from: "download" };
}

async function versionOf(command: string): Promise<Pick<Terraform, "version" | "product"> | undefined> {
  const run = (...args: string[]) =>
    execa(command, args, {
      reject: false,
      env: { CHECKPOINT_DISABLE: "1", TF_CLI_CONFIG_FILE: undefined },
    });
  const { stdout, failed } = await run("version", "-json");
  // Warnings may stand before the JSON.
  const version = failed ? undefined : /"terraform_version":\s*"([\d.]+)/.exec(String(stdout))?.[1];
  if (!version) return undefined;
  // Both print the same JSON; only the text has the name. What is called terraform need not be asked.
  const isTofu = !/terraform/i.test(command) && /^OpenTofu/m.test(String((await run("version")).stdout));
  return { version, product: isTofu ? "OpenTofu" : "Terraform" };
}

/** The binary of the pinned release, once its archive is what its checksum says. */
async function fetchRelease(why: string, options: TerraformOptions): Promise<Uint8Array> {
  const { releases = "https://releases.hashicorp.com", checksums = CHECKSUMS } = options;
  const byHand = `Install Terraform ${LEAST.join(".")} or newer by hand (https://developer.hashicorp.com/terraform/install) and put it on PATH.`;
  const platform = platformName();
  const base = `${releases}/terraform/${TERRAFORM_VERSION}`;
  const name = `terraform_${TERRAFORM_VERSION}_${platform}.zip`;
  const none = `There is no Terraform ${TERRAFORM_VERSION} for ${process.platform} on ${process.arch}. ${byHand}`;
  if (!platform) throw new UserError(none);

  const fetchBytes = async (url: string) => {
    try {
      const response = await fetch(url, { signal: AbortSignal.timeout(FETCH_MILLISECONDS) });
      if (!response.ok) throw new UserError(`${why}, and ${url} answers ${response.status}. ${byHand}`);
      return new Uint8Array(await response.arrayBuffer());
    } catch (error) {
      if (error instanceof UserError) throw error;
      const { message, cause } = error as Error;
      const reason = cause instanceof Error ? `${message}: ${cause.message}` : message;
      throw new UserError(`${why}, and ${url} could not be fetched (${reason}). ${byHand}`);
    }
  };
  const listed = async () => {
    const sums = Buffer.from(await fetchBytes(`${base}/terraform_${TERRAFORM_VERSION}_SHA256SUMS`));
    const lines = sums.toString().split("\n");
    return lines.map((line) => line.trim().split(/\s+/)).find(([, file]) => file === name)?.[0];
  };

  const expected = checksums[platform] ?? (await listed());
  if (!expected) throw new UserError(none);
  const archive = await fetchBytes(`${base}/${name}`);
  const actual = createHash("sha256").update(archive).digest("hex");
  if (actual !== expected) {
    throw new UserError(
      `${base}/${name} is not what its checksum says (${actual}, not ${expected}): nothing was installed. Try again. ${byHand}`,
    );
  }
  const binary = Object.entries(unzipSync(archive)).find(([file]) => /^terraform(\.exe)?$/.test(file))?.[1];
  if (!binary) throw new UserError(`${name} holds no terraform. ${byHand}`);
  return binary;
}
