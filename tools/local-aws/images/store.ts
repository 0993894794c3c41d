import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { projectRoot } from "../../project";
import { BuildProcesses } from "../builds/processes";
import type { LocalImage, LocalImages } from "./image";
import { ImageFolder } from "./image-folder";

/** Keeps the images of Local AWS, and gives builds the `docker` that makes them. All is gone when it is stopped. */
export class ImageStore implements LocalImages {
  /** Its folder is gone also when we are killed. */
  private place?: BuildProcesses;
  private program?: Promise<string>;

  find(uri: string): LocalImage | undefined {
    return this.place && new ImageFolder(this.place.folder).find(uri);
  }

  /**
   * Puts a `docker` that stands in for the real one into a build's folder.
   *
   * @returns the folder that it is in, for PATH
   */
  async standIn(folder: string): Promise<string> {
    this.place ??= new BuildProcesses();
    const images = this.place.folder;
    this.program ??= bundle(join(images, "docker.cjs"));
    const bin = join(folder, "bin");
    mkdirSync(bin, { recursive: true });
    const words = [process.execPath, await this.program, images, join(folder, "docker")].map(quote);
    writeFileSync(join(bin, "docker"), `#!/bin/sh\nexec ${words.join(" ")} "$@"\n`, { mode: 0o755 });
    return bin;
  }

  async stop(): Promise<void> {
    await this.place?.end();
    this.place = undefined;
    this.program = undefined;
  }
}

/** Makes one file of the program: builds have no packages of ours. */
async function bundle(outfile: string): Promise<string> {
  const { build } = await import("esbuild");
  await build({
    entryPoints: [join(projectRoot(), "tools/local-aws/images/docker.ts")],
    outfile,
    bundle: true,
    platform: "node",
    target: "node20",
    format: "cjs",
    logLevel: "silent",
  });
  return outfile;
}

const quote = (text: string) => `'${text.replace(/'/g, "'\\''")}'`;
