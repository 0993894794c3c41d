import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { execa } from "execa";
import { UserError } from "../project";

/** @throws UserError where there is no Docker that can build */
export async function checkDocker(): Promise<void> {
  const daemon = await execa("docker", ["version", "--format", "{{.Server.Version}}"], { reject: false });
  if (daemon.code === "ENOENT")
    throw new UserError(
      "The image is built by Docker, and there is no docker on the PATH. Install it: https://docs.docker.com/get-docker",
    );
  if (daemon.failed)
    throw new UserError(
      `The image is built by Docker, whose daemon does not answer: ${daemon.stderr.trim()}
Start it, or name another by DOCKER_HOST. A CodeBuild project has one where it is made with "containers".`,
    );
  const buildx = await execa("docker", ["buildx", "version"], { reject: false });
  if (buildx.failed)
    throw new UserError(
      "The image is built by Docker's plugin buildx, which is not there. Install it: https://docs.docker.com/go/buildx",
    );
}

/**
 * Logs in to a registry for as long as something works there. The password goes in by stdin, is kept in a folder
 * of its own, and is gone at the end, also of an interrupted run.
 *
 * @param work gets the folder, for DOCKER_CONFIG
 * @throws UserError where the registry refuses the login
 */
export async function withLogin<T>(
  { registry, password }: { readonly registry: string; readonly password: string },
  work: (folder: string) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "slipway-docker-"));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  const end = () => process.exit(1);
  process.once("exit", remove).once("SIGINT", end).once("SIGTERM", end);
  try {
    configure(folder, registry);
    const login = await execa("docker", ["login", "--username", "AWS", "--password-stdin", registry], {
      env: { DOCKER_CONFIG: folder },
      input: password,
      reject: false,
      all: true,
    });
    if (login.failed)
      throw new UserError(
        `Docker could not log in to ${registry}: ${login.all.replaceAll(password, "(the password)").trim()}`,
      );
    return await work(folder);
  } finally {
    process.off("exit", remove).off("SIGINT", end).off("SIGTERM", end);
    remove();
  }
}

/** Docker as the user has it: daemon, plugins, other logins. Only this registry's password stays in the folder. */
function configure(folder: string, registry: string): void {
  const theirs = process.env.DOCKER_CONFIG || join(homedir(), ".docker");
  for (const name of ["buildx", "cli-plugins", "contexts"])
    if (existsSync(join(theirs, name))) symlinkSync(resolve(theirs, name), join(folder, name));
  const config = readConfig(join(theirs, "config.json"));
  // Without a helper named, Docker would put the password into the machine's keychain, where there is one.
  const credHelpers = { ...config.credHelpers, [registry]: "" };
  writeFileSync(join(folder, "config.json"), JSON.stringify({ ...config, credHelpers }), { mode: 0o600 });
}

function readConfig(file: string): { readonly credHelpers?: Record<string, string> } {
  if (!existsSync(file)) return {};
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    // What the parser says of it would show what it holds.
    throw new UserError(`Docker's configuration is no JSON: ${file}. Mend it, or take it away.`);
  }
}

export interface ImageBuild {
  /** The folder of the build's context. */
  readonly context: string;
  /** Relative to the context. */
  readonly dockerfile: string;
  /** The repository, as Docker names it. */
  readonly repository: string;
  readonly commit: string;
  /** What the image is pushed as. */
  readonly tag: string;
  /** A tag of the repository whose layers are used again where they fit. @default - none */
  readonly layersOf?: string;
}

/**
 * The architecture of the tasks (modules/fargate-service.ts), and of the machines that CodeBuild builds on. Where
 * Docker runs on another, it emulates what a Dockerfile runs, but for stages `--platform=$BUILDPLATFORM`: slower,
 * or, where it has no emulator, an "exec format error"; never an image that the tasks could not start.
 */
const PLATFORM = "linux/amd64";

/**
 * Builds an image of a commit and pushes it. What Docker says is printed.
 *
 * @param folder of {@link withLogin}
 * @returns digest of what was pushed
 * @throws UserError where it is not built, or not pushed
 */
export async function buildAndPush(build: ImageBuild, folder: string): Promise<string> {
  const { context, dockerfile, repository, commit, tag, layersOf } = build;
  const metadata = join(folder, "metadata.json");
  const { exitCode = 1 } = await execa(
    "docker",
    [
      "buildx",
      "build",
      `--platform=${PLATFORM}`,
      `--file=${dockerfile}`,
      `--tag=${repository}:${tag}`,
      `--label=org.opencontainers.image.revision=${commit}`,
      // One image is one manifest: its digest is what the tag names, and what the tasks run.
      "--provenance=false",
      // Docker's own driver can keep no other cache. It holds the layers of the image itself: a stage before them
      // runs anew once anything that it copies has changed.
      "--cache-to=type=inline",
      ...(layersOf ? [`--cache-from=type=registry,ref=${repository}:${layersOf}`] : []),
      `--metadata-file=${metadata}`,
      "--push",
      ".",
    ],
    {
      cwd: context,
      env: { DOCKER_CONFIG: folder },
      stdio: ["ignore", "inherit", "inherit"],
      reject: false,
    },
  );
  if (exitCode !== 0)
    throw new UserError(
      `The image of ${dockerfile} was not built, or not pushed: docker ended with exit code ${exitCode}, and says why above.`,
    );
  return JSON.parse(readFileSync(metadata, "utf8"))["containerimage.digest"];
}
