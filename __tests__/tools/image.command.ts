import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import minimatch from "minimatch";
import { FakeDocker } from "../support/fake-docker";
import { FakeServer } from "../support/fake-server";
import { temporaryProject } from "../support/project";
import { exampleText, ROOT } from "../support/settings";
import { runTool, startTool } from "../support/tools";

const REGISTRY = "111111111111.dkr.ecr.eu-west-1.amazonaws.com";
const REPOSITORY = `${REGISTRY}/hello/web`;
const PASSWORD = "a-password-for-twelve-hours";
const COMMIT = "c0ffee".padEnd(40, "0");
const digestOf = (digit: string) => `sha256:${digit.repeat(64)}`;
const BUILT = digestOf("b");

interface StoredImage {
  readonly tag: string;
  readonly digest: string;
  /** Seconds since 1970. */
  readonly pushedAt: number;
}

/** ECR and STS, as far as an image talks to them. */
class FakeAws extends FakeServer {
  account = "111111111111";
  images: StoredImage[] = [];
  /** The one that there is. */
  repository = "hello/web";
  /** What every operation of ECR is answered with, if not what it asks for. */
  error?: string;
  /** Happens after it was asked for the password. */
  onLogin: () => unknown = () => {};
  protected override answer(request: IncomingMessage, body: string, response: ServerResponse): void {
    const operation = String(request.headers["x-amz-target"]).split(".")[1];
    if (request.url === "/push") {
      this.images.push({ ...JSON.parse(body), pushedAt: 9e8 });
      response.end();
    } else if (!operation) {
      const result = `<Account>${this.account}</Account><Arn>arn:aws:iam::${this.account}:user/me</Arn>`;
      response.end(
        `<GetCallerIdentityResponse><GetCallerIdentityResult>${result}</GetCallerIdentityResult></GetCallerIdentityResponse>`,
      );
    } else {
      const answer = this.ecr(operation, JSON.parse(body));
      response.writeHead("__type" in answer ? 400 : 200, { "content-type": "application/x-amz-json-1.1" });
      response.end(JSON.stringify(answer));
    }
  }

  private ecr(operation: string, input: Record<string, unknown>): object {
    if (this.error) return { __type: this.error, message: "no" };
    if (operation === "GetAuthorizationToken") {
      this.onLogin();
      return {
        authorizationData: [{ authorizationToken: Buffer.from(`AWS:${PASSWORD}`).toString("base64") }],
      };
    }
    if (input.repositoryName !== this.repository || input.registryId !== "111111111111")
      return { __type: "RepositoryNotFoundException", message: "no such repository" };
    const [asked] = (input.imageIds ?? []) as { imageTag: string }[];
    if (asked) {
      const found = this.images.find(({ tag }) => tag === asked.imageTag);
      if (!found) return { __type: "ImageNotFoundException", message: "no such image" };
      return { imageDetails: [detailsOf(found)] };
    }
    // A page each.
    const page = Number(input.nextToken ?? 0);
    return {
      imageDetails: this.images.slice(page, page + 1).map(detailsOf),
      ...(page + 1 < this.images.length && { nextToken: String(page + 1) }),
    };
  }
}

const detailsOf = ({ tag, digest, pushedAt }: StoredImage) => ({
  imageTags: [tag],
  imageDigest: digest,
  imagePushedAt: pushedAt,
  imageSizeInBytes: 52_300_000,
});

let aws: FakeAws;
let endpoint: string;
let docker: FakeDocker;
/** The project's folder, in which the command runs; also the user's home. */
let cwd: string;

beforeEach(async () => {
  aws = new FakeAws();
  endpoint = await aws.start();
  cwd = temporaryProject();
  docker = new FakeDocker(join(mkdtempSync(join(tmpdir(), "slipway-docker-")), "docker"));
  docker.builds({ says: BUILT });
  mkdirSync(join(cwd, "app"));
  writeFileSync(join(cwd, "app/Dockerfile"), "FROM scratch\n");
  mkdirSync(join(cwd, "tmp"));
});
afterEach(() => aws.stop());

const IMAGE_TOOL = "tools/pipeline/image.ts";
const within = (env: Record<string, string> = {}) => ({
  cwd,
  env: {
    // Nothing else, so that no Docker of the machine's is found.
    PATH: docker.bin,
    HOME: cwd,
    TMPDIR: join(cwd, "tmp"),
    AWS_ENDPOINT_URL: endpoint,
    AWS_ACCESS_KEY_ID: "local",
    AWS_SECRET_ACCESS_KEY: "local",
    COMMIT,
    ...env,
  },
});
const image = (args: string[] = ["web"], env: Record<string, string> = {}) =>
  runTool(IMAGE_TOOL, args, within(env));

/** What a build's shell finds in a variable, once it has read those that an image leaves. */
const exported = (name: string) =>
  execFileSync("/bin/sh", ["-c", `. image/variables.sh; printf %s "$${name}"`], { cwd, encoding: "utf8" });

const described = (file: string) => JSON.parse(readFileSync(join(cwd, "image", file), "utf8"));
const configOfBuild = () => JSON.parse(docker.ran("buildx", "build")[0]!.config);

/** All that is left of a run, but the files that the test put there. */
const leftOver = () =>
  readdirSync(cwd, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => readFileSync(join(parentPath, name), "utf8"))
    .join("\n");

test("builds the commit, pushes it by its name, and leaves the digest that runs", async () => {
  const { exitCode, stdout } = await startTool(IMAGE_TOOL, ["web"], within()).ended;
  expect({ exitCode, stdout }).toEqual({
    exitCode: 0,
    stdout: expect.stringMatching(new RegExp(`^Builds app/Dockerfile of ${COMMIT}, with no layers`)),
  });
  expect(stdout).toContain("#1 DONE 0.0s");
  expect(stdout).toMatch(new RegExp(`web: ${REPOSITORY}@${BUILT} \\(52\\.3 MB\\)$`));
  const [build, ...more] = docker.ran("buildx", "build");
  expect(more).toEqual([]);
  expect(build).toMatchObject({
    cwd,
    args: [
      "buildx",
      "build",
      "--platform=linux/amd64",
      "--file=app/Dockerfile",
      `--tag=${REPOSITORY}:${COMMIT}`,
      `--label=org.opencontainers.image.revision=${COMMIT}`,
      "--provenance=false",
      "--cache-to=type=inline",
      expect.stringMatching(/^--metadata-file=/),
      "--push",
      ".",
    ],
  });
  expect(described("web.json")).toEqual({
    service: "web",
    repository: REPOSITORY,
    tag: COMMIT,
    digest: BUILT,
    uri: `${REPOSITORY}@${BUILT}`,
  });
  expect(exported("IMAGE_URI")).toBe(`${REPOSITORY}@${BUILT}`);
});

test("builds on the layers of the image that was pushed last", async () => {
  aws.images = [
    { tag: "first", digest: digestOf("1"), pushedAt: 100 },
    { tag: "newest", digest: digestOf("3"), pushedAt: 300 },
    { tag: "second", digest: digestOf("2"), pushedAt: 200 },
  ];
  const { stdout } = await image();
  expect(stdout).toContain("with the layers of newest.");
  expect(docker.ran("buildx", "build")[0]!.args).toContain(
    `--cache-from=type=registry,ref=${REPOSITORY}:newest`,
  );
});

test("builds the Dockerfile that the settings name", async () => {
  writeFileSync(
    join(cwd, "terraform.tfvars"),
    exampleText().replace("port        = 8080", 'port = 8080\n    dockerfile = "web/Dockerfile.prod"'),
  );
  mkdirSync(join(cwd, "web"));
  writeFileSync(join(cwd, "web/Dockerfile.prod"), "FROM scratch\n");
  await image();
  expect(docker.ran("buildx", "build")[0]!.args).toContain("--file=web/Dockerfile.prod");
});

test("builds nothing where the commit's image is there, and needs no Docker for it", async () => {
  docker.uninstall();
  aws.images = [{ tag: COMMIT, digest: digestOf("7"), pushedAt: 100 }];
  const { exitCode, stdout } = await image();
  expect({ exitCode, stdout }).toEqual({
    exitCode: 0,
    stdout: `web: the image of ${COMMIT} is there already; nothing is built.\nweb: ${REPOSITORY}@${digestOf("7")} (52.3 MB)`,
  });
  expect(described("web.json")).toMatchObject({ digest: digestOf("7") });
});

test("takes the image that another build of the commit pushed meanwhile", async () => {
  // The second push is refused because the first was before it.
  docker.fails("buildx build", "tag invalid: the tag is immutable");
  aws.onLogin = () => aws.images.push({ tag: COMMIT, digest: digestOf("8"), pushedAt: 100 });
  const { exitCode, stdout } = await image();
  expect({ exitCode, stdout }).toEqual({
    exitCode: 0,
    stdout: expect.stringContaining(`Somebody else pushed the image of ${COMMIT} meanwhile`),
  });
  expect(described("web.json")).toMatchObject({ digest: digestOf("8") });
});

describe("for a preview", () => {
  const ENVIRONMENT = "pv-dev-login-3f9a2c";
  const PREVIEW = `${REGISTRY}/hello/preview/web`;
  const ofPreview = { SLIPWAY_PREVIEW: ENVIRONMENT };
  beforeEach(() => {
    aws.repository = "hello/preview/web";
  });

  test("is pushed to the repository of previews, with the environment before the commit", async () => {
    const { exitCode } = await image(["web"], ofPreview);
    expect(exitCode).toBe(0);
    const [{ args } = { args: [] }] = docker.ran("buildx", "build");
    expect(args).toEqual(
      expect.arrayContaining([
        `--tag=${PREVIEW}:${ENVIRONMENT}-${COMMIT}`,
        `--label=org.opencontainers.image.revision=${COMMIT}`,
      ]),
    );
    expect(described("web.json")).toMatchObject({ repository: PREVIEW, tag: `${ENVIRONMENT}-${COMMIT}` });
    expect(exported("IMAGE_URI")).toBe(`${PREVIEW}@${BUILT}`);
  });

  test("is not built again where that preview has it, and is where another has", async () => {
    aws.images = [{ tag: `cart-3f9a2c-${COMMIT}`, digest: digestOf("7"), pushedAt: 100 }];
    await image(["web"], ofPreview);
    expect(docker.ran("buildx", "build")).toHaveLength(1);
    await image(["web"], ofPreview);
    expect(docker.ran("buildx", "build")).toHaveLength(1);
  });

  test.each([
    ["none", /^SLIPWAY_PREVIEW is "none": .*not run itself/],
    ["dev", /"dev" names no preview/],
    ["pv-dev-login", /"pv-dev-login" names no preview/],
  ])("fails when SLIPWAY_PREVIEW is %j, and pushes nothing", async (name, message) => {
    const { exitCode, stderr } = await image(["web"], { SLIPWAY_PREVIEW: name });
    expect({ exitCode, stderr }).toEqual({ exitCode: 1, stderr: expect.stringMatching(message) });
    expect(docker.runs).toEqual([]);
  });
});

describe("the registry's password", () => {
  const encoded = Buffer.from(`AWS:${PASSWORD}`).toString("base64");

  test("reaches Docker by stdin alone, and is nowhere at the end", async () => {
    const { stdout, stderr } = await image();
    expect(docker.ran("login")).toMatchObject([
      { args: ["login", "--username", "AWS", "--password-stdin", REGISTRY], stdin: PASSWORD },
    ]);
    expect(configOfBuild().auths[REGISTRY]).toEqual({ auth: encoded });
    const seen = [stdout, stderr, JSON.stringify(docker.runs.map(({ args }) => args)), leftOver()].join("\n");
    expect(seen).toContain("Builds app/Dockerfile");
    expect(seen).not.toContain(PASSWORD);
    expect(seen).not.toContain(encoded);
    expect(readdirSync(join(cwd, "tmp"))).toEqual([]);
  });

  test.each(["login", "buildx build"] as const)("is nowhere where docker %s fails", async (failing) => {
    docker.fails(failing, "It did not work: {stdin}");
    const { stdout, stderr } = await image();
    expect(docker.ran("login")[0]!.stdin).toBe(PASSWORD);
    expect(stdout + stderr + leftOver()).not.toContain(PASSWORD);
    expect(readdirSync(join(cwd, "tmp"))).toEqual([]);
  });

  test.each(["SIGTERM", "SIGINT"] as const)("is nowhere after %s", async (signal) => {
    docker.hangs();
    const running = startTool(IMAGE_TOOL, ["web"], within());
    while (docker.ran("buildx", "build").length === 0) await wait(20);
    expect(readdirSync(join(cwd, "tmp"))).toHaveLength(1);
    running.kill(signal);
    const { exitCode } = await running.ended;
    expect(exitCode).toBe(1);
    expect(readdirSync(join(cwd, "tmp"))).toEqual([]);
  });

  test("is in no keychain, and the user's own configuration stays in use", async () => {
    const theirs =
      '{"credsStore": "osxkeychain", "currentContext": "colima", "credHelpers": {"ghcr.io": "x"}}';
    mkdirSync(join(cwd, ".docker/contexts/meta"), { recursive: true });
    writeFileSync(join(cwd, ".docker/config.json"), theirs);
    await image();
    expect(configOfBuild()).toMatchObject({
      credsStore: "osxkeychain",
      currentContext: "colima",
      // None for this registry: the configuration itself.
      credHelpers: { "ghcr.io": "x", [REGISTRY]: "" },
    });
    expect(readFileSync(join(cwd, ".docker/config.json"), "utf8")).toBe(theirs);
    expect(existsSync(join(cwd, ".docker/contexts/meta"))).toBe(true);
  });
});

describe("fails with words for people, and leaves no image, when", () => {
  async function failure(args?: string[], env?: Record<string, string>): Promise<string> {
    const { exitCode, stderr } = await image(args, env);
    expect(exitCode).toBe(1);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(existsSync(join(cwd, "image"))).toBe(false);
    return stderr;
  }

  test.each<[string, string[], RegExp]>([
    ["no service is named", [], /^Name a service: npm run image -- web/],
    ["two are", ["web", "api"], /^Name a service: npm run image -- web/],
    ["it is unknown", ["api"], /no service "api" in terraform\.tfvars: it has web\./],
    ["it is none", ["__proto__"], /no service "__proto__"/],
  ])("%s", async (_, args, message) => {
    expect(await failure(args)).toMatch(message);
  });

  test.each([
    ["", /^COMMIT is not set: it names what is built, by 40 hexadecimal digits/],
    ["main", /^COMMIT is "main":/],
    [COMMIT.slice(1), /^COMMIT is "0ffee/],
    [`${COMMIT}\n--push`, /^COMMIT is "c0ffee0+\\n--push":/],
  ])("COMMIT is %j", async (commit, message) => {
    expect(await failure(undefined, { COMMIT: commit })).toMatch(message);
  });

  test("there is no Dockerfile, before anything is asked of AWS", async () => {
    writeFileSync(
      join(cwd, "terraform.tfvars"),
      exampleText().replace("port        = 8080", 'port = 8080\n    dockerfile = "elsewhere/Dockerfile"'),
    );
    aws.account = "999999999999";
    expect(await failure()).toMatch(/^There is no elsewhere\/Dockerfile in .*services\.web\.dockerfile/);
  });

  test("the credentials are another account's", async () => {
    aws.account = "999999999999";
    expect(await failure()).toMatch(/of account 999999999999.*111111111111 as the build account/);
  });

  test("there is no repository", async () => {
    aws.error = "RepositoryNotFoundException";
    expect(await failure()).toMatch(
      new RegExp(`^There is no repository ${REPOSITORY}\\..*npx cdktf deploy delivery$`),
    );
  });

  test("the repository may not be used", async () => {
    aws.error = "AccessDeniedException";
    expect(await failure()).toMatch(/repository .*hello\/web.*AccessDeniedException/);
  });

  test("there is no Docker", async () => {
    docker.uninstall();
    expect(await failure()).toMatch(/no docker on the PATH. Install it/);
  });

  test("its daemon does not answer", async () => {
    docker.fails("version", "Cannot connect to the Docker daemon at unix:///var/run/docker.sock.");
    expect(await failure()).toMatch(/does not answer: Cannot connect to the Docker daemon[\s\S]*Start it/);
    expect(docker.ran("login")).toEqual([]);
  });

  test("it has no buildx", async () => {
    docker.fails("buildx version", "docker: unknown command: docker buildx");
    expect(await failure()).toMatch(/plugin buildx, which is not there. Install it/);
  });

  test("the user's configuration of it is broken, without showing what it holds", async () => {
    mkdirSync(join(cwd, ".docker"));
    writeFileSync(join(cwd, ".docker/config.json"), '{"auths": {"ghcr.io": {"auth": "c2VjcmV0"}}');
    const words = await failure();
    expect(words).toMatch(/configuration is no JSON: .*\.docker\/config\.json/);
    expect(words).not.toContain("c2VjcmV0");
  });

  test("the registry refuses the login", async () => {
    docker.fails("login", "Error response from daemon: 403 Forbidden");
    expect(await failure()).toMatch(new RegExp(`could not log in to ${REGISTRY}: .*403 Forbidden`));
    expect(docker.ran("buildx", "build")).toEqual([]);
  });

  test("Docker does not build it", async () => {
    docker.fails("buildx build", "ERROR: npm ci did not complete successfully");
    expect(await failure()).toMatch(
      /npm ci did not complete[\s\S]*The image of app\/Dockerfile was not built, or not pushed: .*exit code 1/,
    );
  });

  test.each([
    ["another", { says: BUILT, pushes: digestOf("e") }, `${COMMIT} is ${digestOf("e")}`],
    ["no", { says: "", pushes: digestOf("e") }, `${COMMIT} is ${digestOf("e")}`],
  ])("the repository has another image than Docker says it pushed: %s digest", async (_, digests, says) => {
    docker.builds(digests);
    expect(await failure()).toContain(says);
  });
});

describe("the sample's build", () => {
  const lines = (file: string) =>
    readFileSync(join(ROOT, file), "utf8")
      .split("\n")
      .filter((line) => line && !line.startsWith("#"));

  /** Whether .dockerignore lets a file into a build: the last pattern that fits it, or a folder of it, decides. */
  function reaches(path: string): boolean {
    const parts = path.split("/");
    const itselfAndFolders = parts.map((_, index) => parts.slice(0, index + 1).join("/"));
    return lines(".dockerignore").reduce((reached, line) => {
      const pattern = line.replace(/^!/, "");
      const fits = itselfAndFolders.some((one) => minimatch(one, pattern, { dot: true }));
      return fits ? line.startsWith("!") : reached;
    }, true);
  }

  test("gets all that its Dockerfile copies", () => {
    const copied = lines("app/Dockerfile")
      .filter((line) => /^COPY (?!--from)/.test(line))
      .flatMap((line) => line.split(/\s+/).slice(1, -1));
    expect(copied).toEqual(["app/package.json", "app/package-lock.json", "app"]);
    for (const path of ["app/package.json", "app/package-lock.json", "app/index.ts", "app/server.ts"])
      expect({ path, reaches: reaches(path) }).toEqual({ path, reaches: true });
  });

  test.each([
    ".git/config",
    ".slipway/cache/settings.json",
    "app/.env",
    "app/node_modules/esbuild/package.json",
    "app/server.test.ts",
    "app/terraform.tfstate.backup",
    "app/terraform.tfvars",
    "cdktf.out/stacks/prod/cdk.tf.json",
    "image/web.json",
    "node_modules/esbuild/package.json",
    "plan/plan.tfplan",
    "stacks/pipeline.ts",
    "terraform.dev.tfstate",
    "terraform.tfvars",
  ])("does not get %s", (path) => {
    expect(reaches(path)).toBe(false);
  });
});
