import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { runCommand, UserError } from "../../project";
import { ask } from "../functions/client";
import { buildImage } from "./build";
import { ImageFolder, type Manifest, manifestOf } from "./image-folder";
import { Layers } from "./layers";

// The `docker` of builds in Local AWS. It is started with the folder of all images, a folder of the build's own, and
// then what docker would get.

const ECR = /^((\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?)\/([a-z0-9._/-]+):([\w.-]+)$/;
const SIMULATED =
  "Local AWS simulates docker: an image is a folder here, and its commands run on this machine without a container.";

runCommand(async () => {
  const [images = "", scratch = "", ...args] = process.argv.slice(2);
  mkdirSync(scratch, { recursive: true });
  const [first, second] = args;
  if (first === "version") return say("local-aws");
  if (first === "buildx" && second === "version") return say("local-aws: it stands in for buildx");
  if (first === "login") return login(args.slice(1), scratch);
  if (first === "buildx" && second === "build") return build(args.slice(2), images, scratch);
  if (first === "build") return build(args.slice(1), images, scratch);
  throw new UserError(
    `Local AWS does not know "docker ${args.join(" ")}". It knows docker version, login, build, buildx version and buildx build.`,
  );
});

function say(text: string): number {
  console.log(text);
  return 0;
}

/** Reads a command's options. */
function read<T extends NonNullable<Parameters<typeof parseArgs>[0]>["options"]>(
  command: string,
  args: readonly string[],
  options: T & {},
) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    throw new UserError(`docker ${command}: ${(error as Error).message} (Local AWS knows no more of them.)`);
  }
}

/** Registries that somebody is logged in to, by a file each. */
function loginFile(scratch: string, registry: string): string {
  return join(process.env.DOCKER_CONFIG || scratch, `local-aws-login-${encodeURIComponent(registry)}`);
}

function login(args: readonly string[], scratch: string): number {
  const { values, positionals } = read("login", args, {
    username: { type: "string", short: "u" },
    "password-stdin": { type: "boolean" },
  });
  const [registry] = positionals;
  if (!registry || !values.username || !values["password-stdin"])
    throw new UserError(
      "docker login: Local AWS takes docker login --username AWS --password-stdin REGISTRY, and the password from the standard input.",
    );
  if (!readFileSync(0, "utf8").trim()) throw new UserError("docker login: the password is empty.");
  writeFileSync(loginFile(scratch, registry), "");
  return say("Login Succeeded");
}

async function build(args: readonly string[], images: string, scratch: string): Promise<number> {
  const { values, positionals } = read("build", args, {
    "build-arg": { type: "string", multiple: true },
    // What was done before is known here without them.
    "cache-from": { type: "string", multiple: true },
    "cache-to": { type: "string", multiple: true },
    file: { type: "string", short: "f" },
    label: { type: "string", multiple: true },
    "metadata-file": { type: "string" },
    "no-cache": { type: "boolean" },
    platform: { type: "string" },
    progress: { type: "string" },
    provenance: { type: "string" },
    pull: { type: "boolean" },
    push: { type: "boolean" },
    sbom: { type: "string" },
    tag: { type: "string", short: "t", multiple: true },
    target: { type: "string" },
  });
  const [context, ...others] = positionals;
  if (!context || others.length || !statSync(context, { throwIfNoEntry: false })?.isDirectory())
    throw new UserError(
      `docker build: name one folder as the context, not ${positionals.join(" ") || "none"}.`,
    );
  const { tag: tags = [], platform = "linux/amd64" } = values;
  if (!/^[a-z0-9]+\/[a-z0-9]+(\/\w+)?$/.test(platform))
    throw new UserError(`docker build: --platform names one platform, as linux/amd64, and not ${platform}.`);
  const places = values.push ? tags.map((tag) => placeOf(tag, scratch)) : [];
  if (values.push && !places.length) throw new UserError("docker build: --push needs a --tag to push.");

  console.log(SIMULATED);
  const work = mkdtempSync(join(scratch, "image-"));
  try {
    const image = buildImage({
      context: resolve(context),
      dockerfile: resolve(values.file ?? join(context, "Dockerfile")),
      platform,
      buildArguments: pairsOf(values["build-arg"], process.env),
      labels: pairsOf(values.label),
      target: values.target,
      scratch: work,
      layers: new Layers(join(images, "layers")),
      environment: process.env,
      print: (line) => console.log(line),
    });
    const manifest = manifestOf(image, platform);
    const folder = new ImageFolder(images);
    if (places.length) folder.keep(image, manifest);
    else console.log("The image is not kept: there is no --push.");
    for (const place of places) await push(place, manifest, folder);
    const metadata = { "containerimage.digest": manifest.digest, "image.name": tags.join(",") };
    if (values["metadata-file"]) writeFileSync(values["metadata-file"], `${JSON.stringify(metadata)}\n`);
    return say(`The image is ${manifest.digest}`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** `NAME=value`; a NAME alone is one of the environment. */
function pairsOf(
  given: readonly string[] = [],
  environment: Readonly<Record<string, string | undefined>> = {},
): ReadonlyMap<string, string> {
  return new Map(
    given.flatMap((pair): [string, string][] => {
      const at = pair.indexOf("=");
      if (at >= 0) return [[pair.slice(0, at), pair.slice(at + 1)]];
      const value = environment[pair];
      return value === undefined ? [] : [[pair, value]];
    }),
  );
}

interface Place {
  readonly account: string;
  readonly region: string;
  readonly repository: string;
  /** As Docker names it, without a tag. */
  readonly uri: string;
  readonly tag: string;
}

function placeOf(tag: string, scratch: string): Place {
  const [, registry = "", account = "", region = "", repository = "", name = ""] = ECR.exec(tag) ?? [];
  if (!registry)
    throw new UserError(
      `docker build: Local AWS pushes to ECR alone, as 111111111111.dkr.ecr.eu-west-1.amazonaws.com/web:1, and not to ${tag}.`,
    );
  if (!statSync(loginFile(scratch, registry), { throwIfNoEntry: false }))
    throw new UserError(
      `docker build: no basic auth credentials for ${registry}. Log in first: docker login`,
    );
  return { account, region, repository, uri: `${registry}/${repository}`, tag: name };
}

/** Tells ECR of an image, as the build's role, and makes it known to tasks. */
async function push(place: Place, manifest: Manifest, folder: ImageFolder): Promise<void> {
  const { uri, tag, account, repository } = place;
  const named = `${uri}:${tag}`;
  const image = {
    registryId: account,
    repositoryName: repository,
    imageManifest: manifest.text,
    imageManifestMediaType: manifest.type,
    imageTag: tag,
    imageDigest: manifest.digest,
  };
  // Asked first, as pushes do, and because moto breaks where there is no repository to put an image into.
  const before = { registryId: account, repositoryName: repository, imageIds: [{ imageTag: tag }] };
  const refusal = (await ecr(place, "BatchGetImage", before)) ?? (await ecr(place, "PutImage", image));
  // A registry takes the same image again, also where tags never change.
  if (refusal && folder.digestOf(named) !== manifest.digest)
    throw new UserError(`The image was not pushed to ${named}. ECR says ${refusal}`);
  folder.name(named, manifest);
  folder.name(`${uri}@${manifest.digest}`, manifest);
  console.log(`Pushed ${named}`);
}

/** @returns what ECR says where it does not do it */
async function ecr({ region }: Place, operation: string, input: unknown): Promise<string | undefined> {
  const { AWS_ENDPOINT_URL: endpoint = "", AWS_ACCESS_KEY_ID: accessKey = "" } = process.env;
  const response = await ask({ endpoint, region, accessKey }, "ecr", "/", {
    method: "POST",
    headers: {
      "content-type": "application/x-amz-json-1.1",
      "x-amz-target": `AmazonEC2ContainerRegistry_V20150921.${operation}`,
    },
    body: JSON.stringify(input),
  });
  if (response.ok) return undefined;
  const { __type = "", message = "" } = (await response.json()) as { __type?: string; message?: string };
  return `${__type.replace(/^.*#/, "")}: ${message}`;
}
