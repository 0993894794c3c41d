import { createHash } from "node:crypto";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { BuiltImage, ImageConfig } from "./build";
import type { LocalImage, LocalImages } from "./image";
import { mapped, searchPath } from "./running";

const MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json";
const CONFIG_TYPE = "application/vnd.oci.image.config.v1+json";
const LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip";

/** An image as a registry knows it. */
export interface Manifest {
  readonly type: string;
  /** JSON. */
  readonly text: string;
  /** `sha256:…`, of the text: the same for the same content. */
  readonly digest: string;
}

/** The folder in which Local AWS keeps what was pushed. Builds write to it, and tasks read from it. */
export class ImageFolder implements LocalImages {
  constructor(private readonly folder: string) {}

  find(uri: string): LocalImage | undefined {
    const digest = this.digestOf(uri);
    if (!digest) return undefined;
    const folder = this.folderOf(digest);
    const root = join(folder, "root");
    const config = JSON.parse(readFileSync(join(folder, "config.json"), "utf8")) as ImageConfig;
    const variables = Object.fromEntries(
      config.Env.map((entry) => [entry.slice(0, entry.indexOf("=")), entry.slice(entry.indexOf("=") + 1)]),
    );
    const { PATH = "", ...others } = variables;
    const ownPath = searchPath(root, PATH, "");
    return {
      root,
      command: [...(config.Entrypoint ?? []), ...(config.Cmd ?? [])].map((word) => mapped(root, word)),
      workingDirectory: config.WorkingDir,
      environment: ownPath ? { ...others, PATH: searchPath(root, PATH, process.env.PATH ?? "") } : others,
    };
  }

  /** Digest of an image that was named before. */
  digestOf(uri: string): string | undefined {
    const file = this.nameFile(uri);
    return existsSync(file) ? readFileSync(file, "utf8") : undefined;
  }

  /** Moves an image here. It has no name yet. */
  keep({ root, config }: BuiltImage, { digest }: Manifest): void {
    const folder = this.folderOf(digest);
    if (existsSync(folder)) return;
    const coming = `${root}.image`;
    mkdirSync(coming);
    renameSync(root, join(coming, "root"));
    writeFileSync(join(coming, "config.json"), JSON.stringify(config));
    mkdirSync(join(this.folder, "content"), { recursive: true });
    try {
      renameSync(coming, folder);
    } catch (error) {
      // Another build has brought the same image meanwhile.
      if (!existsSync(folder)) throw error;
      rmSync(coming, { recursive: true });
    }
  }

  /** Makes an image that is kept known by a name, which may have been another's. */
  name(uri: string, { digest }: Manifest): void {
    mkdirSync(join(this.folder, "names"), { recursive: true });
    writeFileSync(this.nameFile(uri), digest);
  }

  private folderOf(digest: string): string {
    return join(this.folder, "content", digest.replace("sha256:", ""));
  }

  private nameFile(uri: string): string {
    return join(this.folder, "names", createHash("sha256").update(uri).digest("hex"));
  }
}

/** Describes an image whose one layer is its folder. */
export function manifestOf({ root, config }: BuiltImage, platform: string): Manifest {
  const [os, architecture] = platform.split("/");
  const layer = { mediaType: LAYER_TYPE, ...describeFolder(root) };
  const rootfs = { type: "layers", diff_ids: [layer.digest] };
  const content = JSON.stringify({ architecture, os, config, rootfs });
  const text = JSON.stringify({
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    config: { mediaType: CONFIG_TYPE, size: Buffer.byteLength(content), digest: digestOf(content) },
    layers: [layer],
  });
  return { type: MANIFEST_TYPE, text, digest: digestOf(text) };
}

const digestOf = (content: string | Buffer) => `sha256:${createHash("sha256").update(content).digest("hex")}`;

/** Sum and bytes of all that is in a folder. When it was written does not count, nor by whom. */
function describeFolder(root: string): { readonly size: number; readonly digest: string } {
  const sum = createHash("sha256");
  let size = 0;
  const add = (inner: string) => {
    for (const name of readdirSync(join(root, inner)).sort()) {
      const path = inner ? `${inner}/${name}` : name;
      const file = join(root, path);
      const stat = lstatSync(file);
      const entry = [path, stat.isFile() ? stat.mode & 0o111 : 0];
      if (stat.isDirectory()) {
        sum.update(JSON.stringify([...entry, "folder"]));
        add(path);
      } else if (stat.isSymbolicLink()) sum.update(JSON.stringify([...entry, "link", readlinkSync(file)]));
      else {
        const content = readFileSync(file);
        size += content.length;
        sum.update(JSON.stringify([...entry, "file", digestOf(content)]));
      }
    }
  };
  add("");
  return { size, digest: `sha256:${sum.digest("hex")}` };
}
