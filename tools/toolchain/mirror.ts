import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { projectRoot } from "../project";

/** The version that the provider's package is made for. */
export const PROVIDER_VERSION = "5.100.0";

const HOST = "registry.terraform.io";
/** How deep below the file system's root a mirror is looked for. */
const DEPTH = 3;
/** Folders in which no mirror is, and some of which have no end. */
const SKIPPED = new Set(["/proc", "/sys", "/dev", "/run", "/home", "/root", "/tmp", "/var", "/boot"]);

/**
 * The folder of an unpacked mirror that holds the AWS provider, so that nothing has to be downloaded.
 *
 * @returns undefined where there is none: then Terraform asks its registry
 */
export function providerMirror(): string | undefined {
  const named = process.env.SLIPWAY_PROVIDER_MIRROR;
  if (named) return holdsProvider(named) ? named : undefined;
  const note = join(projectRoot(), ".slipway/provider-mirror");
  const remembered = existsSync(note) && readFileSync(note, "utf8");
  if (remembered && holdsProvider(remembered)) return remembered;

  const usual = [
    join(homedir(), ".terraform.d/plugins"),
    join(homedir(), ".local/share/terraform/plugins"),
    "/usr/local/share/terraform/plugins",
    "/usr/share/terraform/plugins",
  ];
  const found = usual.find(holdsProvider) ?? (process.platform === "win32" ? undefined : search("/", DEPTH));
  if (found) {
    mkdirSync(dirname(note), { recursive: true });
    writeFileSync(note, found);
  }
  return found;
}

function holdsProvider(folder: string): boolean {
  return existsSync(join(folder, HOST, "hashicorp/aws", PROVIDER_VERSION));
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
