/** What an image of Local AWS is: a folder, and how its program is started. */
export interface LocalImage {
  /** The folder that stands for `/` of the image. */
  readonly root: string;
  /** Entry point and command together, with those paths of the image that are there as paths of this machine. */
  readonly command: readonly string[];
  /** Absolute, inside the image. */
  readonly workingDirectory: string;
  /** As the Dockerfile sets it. `PATH` is there only where it does, with this machine's behind the image's own. */
  readonly environment: Readonly<Record<string, string>>;
}

/** The images that builds of Local AWS have pushed. */
export interface LocalImages {
  /** @param uri as a task definition names it, with a digest or a tag */
  find(uri: string): LocalImage | undefined;
}
