import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { execa } from "execa";
import { projectRoot, UserError } from "../project";
import { platformName, terraform, withoutFrame } from "./terraform";

/** The version that the provider's package is made for. */
export const PROVIDER_VERSION = "5.100.0";

const HOST = "registry.terraform.io";
/** As Terraform writes it in full. */
export const PROVIDER = `${HOST}/hashicorp/aws`;
/** How deep below the file system's root a mirror is looked for. */
const DEPTH = 3;
/** Folders in which no mirror is, and some of which have no end. */
const SKIPPED = new Set(["/proc", "/sys", "/dev", "/run", "/home", "/root", "/tmp", "/var", "/boot"]);

/**
 * The folder of a mirror that holds the AWS provider for this machine, so that nothing has to be downloaded: what
 * SLIPWAY_PROVIDER_MIRROR names, else the project's own, else where Terraform looks by itself, else one of the
 * machine's.
 *
 * @returns undefined where there is none: then Terraform asks its registry
 */
export function providerMirror(): string | undefined {
  const named = process.env.SLIPWAY_PROVIDER_MIRROR;
  if (named) return holdsProvider(named) ? named : undefined;
  const own = ownMirror();
  if (holdsProvider(own)) return own;
  const note = join(projectRoot(), ".slipway/provider-mirror");
  const remembered = existsSync(note) && readFileSync(note, "utf8");
  if (remembered && holdsProvider(remembered)) return remembered;

  // Only what is found is noted: looking takes some ten milliseconds, and a mirror may come later.
  const found =
    usualFolders().find(holdsProvider) ?? (process.platform === "win32" ? undefined : search("/", DEPTH));
  if (found) {
    mkdirSync(dirname(note), { recursive: true });
    writeFileSync(note, found);
  }
  return found;
}

/**
 * Whether a mirror holds the AWS provider as an archive alone: Terraform unpacks that for each stack, where it could
 * link to a folder.
 */
export const isPacked = (mirror: string) => !existsSync(unpacked(mirror));

/**
 * Fetches the AWS provider into the project's own mirror, from which it goes on to wherever the project's folder goes.
 *
 * @returns the mirror's folder
 * @throws UserError where it cannot be fetched
 */
export async function fetchProvider(): Promise<string> {
  const { path } = await terraform();
  const mirror = ownMirror();
  // Beside it, so that a mirror is either whole or not there; what an interrupted run left goes first.
  const scratch = `${mirror}.part`;
  rmSync(scratch, { recursive: true, force: true });
  mkdirSync(scratch, { recursive: true });
  try {
    const required = { aws: { source: PROVIDER, version: PROVIDER_VERSION } };
    writeFileSync(
      join(scratch, "main.tf.json"),
      JSON.stringify({ terraform: { required_providers: required } }),
    );
    const part = join(scratch, "mirror");
    const { failed, all } = await execa(
      path,
      ["providers", "mirror", `-platform=${platformName()}`, "-no-color", part],
      // It asks the registry whatever the configuration says, and warns of one that is not there.
      {
        cwd: scratch,
        reject: false,
        all: true,
        env: { CHECKPOINT_DISABLE: "1", TF_CLI_CONFIG_FILE: undefined },
      },
    );
    if (failed || !holdsProvider(part)) {
      const words = withoutFrame(String(all ?? ""));
      throw new UserError(
        `The AWS provider ${PROVIDER_VERSION} could not be fetched from ${HOST}:
${words || "Terraform said nothing."}
Without a network, name the folder of a mirror that holds it (https://developer.hashicorp.com/terraform/cli/commands/providers/mirror): SLIPWAY_PROVIDER_MIRROR=/path/to/mirror`,
      );
    }
    rmSync(mirror, { recursive: true, force: true });
    renameSync(part, mirror);
    return mirror;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Names of the providers in a mirror, as Terraform's configuration takes them. */
export function providersIn(mirror: string): string[] {
  const folder = join(mirror, HOST, "hashicorp");
  return readdirSync(folder).map((name) => `${HOST}/hashicorp/${name}`);
}

/** Where Terraform looks for mirrors by itself. */
function usualFolders(): string[] {
  const own = join(homedir(), ".terraform.d/plugins");
  if (process.platform === "win32") {
    return [join(process.env.APPDATA ?? homedir(), "terraform.d/plugins"), own];
  }
  if (process.platform === "darwin") {
    const support = "Library/Application Support/io.terraform/plugins";
    return [own, join(homedir(), support), join("/", support)];
  }
  return [
    own,
    join(homedir(), ".local/share/terraform/plugins"),
    "/usr/local/share/terraform/plugins",
    "/usr/share/terraform/plugins",
  ];
}

const ownMirror = () => join(projectRoot(), ".slipway/mirror");

// Terraform knows two layouts of a mirror: the provider's folder, or the archive that its registry hands out.
const unpacked = (mirror: string) => join(mirror, PROVIDER, PROVIDER_VERSION, String(platformName()));
const packed = (mirror: string) =>
  join(mirror, PROVIDER, `terraform-provider-aws_${PROVIDER_VERSION}_${platformName()}.zip`);

function holdsProvider(mirror: string): boolean {
  return existsSync(unpacked(mirror)) || existsSync(packed(mirror));
}

function search(folder: string, depth: number): string | undefined {
  if (holdsProvider(folder)) return folder;
  if (depth === 0) return undefined;
  let names: string[];
  try {
    const { dev } = statSync("/");
    if (statSync(folder).dev !== dev) return undefined;
    names = readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
  } catch {
    // Not ours to read.
    return undefined;
  }
  for (const name of names) {
    const inner = join(folder, name);
    const found = SKIPPED.has(inner) || name === "node_modules" ? undefined : search(inner, depth - 1);
    if (found) return found;
  }
  return undefined;
}
