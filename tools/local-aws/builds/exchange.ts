import { createHash } from "node:crypto";
import { chmodSync, createReadStream, mkdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { dirname, join, resolve, sep } from "node:path";
import { PhaseFailure } from "./buildspec";
import type { ServiceRole } from "./role";
import type { UnpackedArtifacts } from "./unpacked";
import { unpackZip, writeZip, type ZipEntry } from "./zip";

// Where a build's source comes from and its artifacts go. Somebody else, such as a pipeline, may bring and take
// them in another way.

export interface BuildSource {
  /** @default - the primary source */
  readonly identifier?: string;
  /** Value of CODEBUILD_SOURCE_REPO_URL. */
  readonly url: string;
  /** Value of CODEBUILD_SOURCE_VERSION. */
  readonly version: string;
  /**
   * Brings the source into an empty folder.
   *
   * @returns value of CODEBUILD_RESOLVED_SOURCE_VERSION, where there is one
   */
  bring(folder: string, role: ServiceRole, signal: AbortSignal): Promise<string | undefined>;
  /**
   * Takes of the folder what is of use for the next build. Nothing runs there any more, and the rest goes.
   *
   * @default - nothing is
   */
  leave?(folder: string): void;
}

export interface BuildOutput {
  readonly files: readonly ZipEntry[];
  /** As the buildspec names it. */
  readonly name?: string;
  /** A folder for what has to be kept meanwhile. It is gone with the build. */
  readonly scratch: string;
}

export interface BuildTarget {
  /** Of a secondary artifact. @default - the primary one */
  readonly identifier?: string;
  /** Takes what was built. The files are gone when the build has ended. */
  take(output: BuildOutput, role: ServiceRole, signal: AbortSignal): Promise<void>;
}

/**
 * A source in S3: `bucket/key.zip`, or `bucket/folder/`.
 *
 * @param artifacts those that lie unpacked already. @default - none do
 */
export function s3Source(
  location: string,
  version = "",
  identifier?: string,
  artifacts?: UnpackedArtifacts,
): BuildSource {
  const [bucket = "", ...path] = location.replace(/^arn:[\w-]+:s3:::/, "").split("/");
  const key = path.join("/");
  return {
    identifier,
    url: `s3://${bucket}/${key}`,
    version,
    async bring(folder, role, signal) {
      const download = (one: string, file: string, of?: string) =>
        role.download(bucket, one, file, of, signal).catch((error: Error) => {
          throw downloadFailure(one, error);
        });
      if (!key.endsWith("/")) {
        const isHere = await artifacts?.bring({ bucket, key }, folder, role, signal).catch((error: Error) => {
          throw error instanceof PhaseFailure ? error : downloadFailure(key, error);
        });
        if (isHere) return undefined;
        const zip = `${folder}.zip`;
        await download(key, zip, version);
        await unpackZip(zip, folder);
        rmSync(zip);
        return undefined;
      }
      const keys = await role.listObjects(bucket, key, signal).catch((error: Error) => {
        throw downloadFailure(key, error);
      });
      const files = keys.filter((one) => !one.endsWith("/"));
      if (!files.length) throw new PhaseFailure("CLIENT_ERROR", `no files are below s3://${bucket}/${key}`);
      for (const one of files) {
        const file = resolve(folder, one.slice(key.length));
        if (!file.startsWith(`${folder}${sep}`))
          throw new PhaseFailure("CLIENT_ERROR", `the source has a key that leaves its folder: ${one}`);
        mkdirSync(dirname(file), { recursive: true });
        await download(one, file);
        // S3 knows no permissions; scripts have to run all the same.
        if (readFileSync(file).subarray(0, 2).toString() === "#!") chmodSync(file, 0o755);
      }
      return undefined;
    },
    leave: (folder) => artifacts?.takeBack(folder),
  };
}

/** In CodeBuild's words. */
export const downloadFailure = (key: string, error: Error) =>
  new PhaseFailure(
    "CLIENT_ERROR",
    `error while downloading key ${key}, error: ${error.name}: ${error.message}`,
  );

/** A source that cannot be had here. */
export function noSource(why: string, identifier?: string): BuildSource {
  return {
    identifier,
    url: "",
    version: "",
    bring() {
      throw new PhaseFailure("CLIENT_ERROR", why);
    },
  };
}

/** Where in S3 an artifact goes. */
export interface ArtifactPlace {
  readonly bucket: string;
  readonly path?: string;
  /** Id of the build, where it is a part of the path. @default - it is none */
  readonly buildId?: string;
  /** Of the object, or of the folder; `/` for none. */
  readonly name: string;
}

export interface S3TargetProps extends ArtifactPlace {
  /** @default - the primary artifact */
  readonly identifier?: string;
  /** Whether the buildspec's name counts more. */
  readonly overrideName: boolean;
  readonly packaging: "NONE" | "ZIP";
  readonly buildArn: string;
  /** Gets where the artifact lies. @default - nobody does */
  readonly onStored?: (stored: StoredArtifact) => void;
  /** Keeps a ZIP unpacked for those who ask for it next. @default - nobody does */
  readonly artifacts?: UnpackedArtifacts;
}

export interface StoredArtifact {
  readonly location: string;
  /** Of a ZIP, as the other sum is. */
  readonly md5sum?: string;
  readonly sha256sum?: string;
}

function artifactKey({ path = "", buildId = "", name }: ArtifactPlace): string {
  return [path, buildId, name]
    .map((part) => part.replace(/^\/+|\/+$/g, ""))
    .filter(Boolean)
    .join("/");
}

/** ARN of an artifact's object, or of its folder. */
export function artifactLocation(place: ArtifactPlace): string {
  return `arn:aws:s3:::${[place.bucket, artifactKey(place)].filter(Boolean).join("/")}`;
}

/** Artifacts in S3: one ZIP, or a folder of files. */
export function s3Target(props: S3TargetProps): BuildTarget {
  const { bucket, overrideName, packaging, buildArn, identifier, onStored, artifacts } = props;
  return {
    identifier,
    async take({ files, name, scratch }, role, signal) {
      const place = { ...props, name: (overrideName && name) || props.name };
      const key = artifactKey(place);
      const location = artifactLocation(place);
      const metadata = { "codebuild-buildarn": buildArn };
      const store = (at: string, file: string) =>
        role.upload(bucket, at, file, metadata, signal).catch((error: Error) => {
          throw new PhaseFailure(
            "CLIENT_ERROR",
            `error while uploading key ${at}, error: ${error.name}: ${error.message}`,
          );
        });
      if (packaging === "NONE") {
        for (const { path, file } of files) {
          // S3 keeps no links: what they lead to counts, where that is a file.
          if (statSync(file, { throwIfNoEntry: false })?.isFile())
            await store(key ? `${key}/${path}` : path, file);
        }
        onStored?.({ location });
        return;
      }
      if (!key) throw new PhaseFailure("CLIENT_ERROR", "a ZIP needs a name other than /");
      const zip = join(scratch, `artifact${identifier ? `-${identifier}` : ""}.zip`);
      await (artifacts ? artifacts.pack(zip, files) : writeZip(zip, files));
      const etag = await store(key, zip);
      if (onStored) onStored({ location, ...(await sumsOf(zip)) });
      await artifacts?.adopt({ bucket, key }, etag, zip, files);
      rmSync(zip, { force: true });
    },
  };
}

async function sumsOf(file: string): Promise<Pick<StoredArtifact, "md5sum" | "sha256sum">> {
  const [md5, sha256] = [createHash("md5"), createHash("sha256")];
  for await (const chunk of createReadStream(file)) for (const hash of [md5, sha256]) hash.update(chunk);
  return { md5sum: md5.digest("hex"), sha256sum: sha256.digest("hex") };
}
