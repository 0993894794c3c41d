import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { projectRoot } from "../project";
import { platformName } from "./terraform";

/** The version that the provider's package is made for. */
export const PROVIDER_VERSION = "5.100.0";

const HOST = "registry.terraform.io";
/** How deep below the file system's root a mirror is looked for. */
const DEPTH = 3;
/** Folders in which no mirror is, and some of which have no end. */
const SKIPPED = new Set(["/proc", "/sys", "/dev", "/run", "/home", "/root", "/tmp", "/var", "/boot"]);

/**
 * The folder of an unpacked mirror that holds the AWS provider for this machine, so that nothing has to be
 * downloaded: what SLIPWAY_PROVIDER_MIRROR names, else where Terraform looks by itself, else one of the machine's.
 *
 * @returns undefined where there is none: then Terraform asks its registry
 */
export function providerMirror(): string | undefined {
  const named = process.env.SLIPWAY_PROVIDER_MIRROR;
  if (named) return holdsProvider(named) ? named : undefined;
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

function holdsProvider(folder: string): boolean {
  return existsSync(join(folder, HOST, "hashicorp/aws", PROVIDER_VERSION, String(platformName())));
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
