import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { execa } from "execa";
import { type BuildRequest, type BuiltImage, buildImage } from "../../../tools/local-aws/images/build";
import { ImageFolder, manifestOf } from "../../../tools/local-aws/images/image-folder";
import { ImageStore } from "../../../tools/local-aws/images/store";

const NODE = "public.ecr.aws/docker/library/node:22-alpine";
const URI = "111111111111.dkr.ecr.eu-west-1.amazonaws.com/web";

let folder: string;
let context: string;
let printed: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "slipway-images-"));
  context = join(folder, "context");
  mkdirSync(context);
  mkdirSync(join(folder, "scratch"));
  printed = [];
});
afterEach(() => rmSync(folder, { recursive: true }));

function write(files: Readonly<Record<string, string>>): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(context, path)), { recursive: true });
    writeFileSync(join(context, path), content);
  }
}

function build(dockerfile: string | readonly string[], changes: Partial<BuildRequest> = {}): BuiltImage {
  write({ Dockerfile: [dockerfile].flat().join("\n") });
  return buildImage({
    context,
    dockerfile: join(context, "Dockerfile"),
    platform: "linux/amd64",
    buildArguments: new Map(),
    labels: new Map(),
    scratch: join(folder, "scratch"),
    environment: process.env,
    print: (line) => printed.push(line),
    ...changes,
  });
}

const from = (...lines: readonly string[]) => build([`FROM ${NODE}`, ...lines]);
const read = ({ root }: BuiltImage, path: string) => readFileSync(join(root, path), "utf8");
/** Paths of an image's files. */
function filesOf({ root }: BuiltImage): string[] {
  const entries = readdirSync(root, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length))
    .sort();
}

test("builds stages that take from each other, and leaves out those that nobody needs", () => {
  write({ "src/index.js": "console.log(1)", "src/lib/a.js": "a" });
  const image = build([
    "ARG VERSION=22",
    `FROM --platform=$BUILDPLATFORM node:\${VERSION}-alpine AS build`,
    "WORKDIR /build",
    "# a comment",
    "COPY src src",
    "RUN cat src/index.js \\",
    "# inside of an instruction",
    "",
    "  src/lib/a.js > out.js && pwd > where",
    "FROM build AS unused",
    "RUN exit 1",
    `FROM ${NODE}`,
    "WORKDIR /app",
    "COPY --from=build --chown=node:node /build/out.js /build/where ./",
    'CMD ["node", "out.js"]',
  ]);
  expect(filesOf(image)).toEqual(["/app/out.js", "/app/where"]);
  expect(read(image, "app/out.js")).toBe("console.log(1)a");
  expect(read(image, "app/where").trim()).toMatch(/^\/.*\/build$/);
  expect(image.config).toMatchObject({ WorkingDir: "/app", Cmd: ["node", "out.js"] });
  expect(printed.join("\n")).not.toContain("exit 1");
});

test("puts in variables as Docker does: arguments, defaults, quotes, and none between single quotes", () => {
  const image = build(
    [
      "ARG GLOBAL=far",
      `FROM ${NODE}`,
      "ARG GLOBAL NEAR=near",
      "ARG UNSET",
      `ENV A=$GLOBAL-\${NEAR} B="two words" C='$NEAR' D=\\$NEAR E=\${UNSET:-\${NEAR}s} F=\${NEAR:+there}`,
      "ENV OLD the rest of it",
      "ENV PATH=/app/bin:$PATH",
      "WORKDIR /app",
      "WORKDIR $NEAR",
      "LABEL version=$A",
      "USER node",
      "EXPOSE 8080 53/udp",
      'RUN echo "$A/$GLOBAL/$B" > said',
    ],
    { buildArguments: new Map([["NEAR", "given"]]) },
  );
  const { Env, ...config } = image.config;
  expect(Env.slice(1)).toEqual([
    "A=far-given",
    "B=two words",
    "C=$NEAR",
    "D=$NEAR",
    "E=givens",
    "F=there",
    "OLD=the rest of it",
  ]);
  expect(Env[0]).toMatch(/^PATH=\/app\/bin:\/usr\/local/);
  expect(config).toMatchObject({
    WorkingDir: "/app/given",
    Labels: { version: "far-given" },
    User: "node",
    ExposedPorts: { "8080/tcp": {}, "53/udp": {} },
  });
  expect(read(image, "app/given/said")).toBe("far-given/far/two words\n");
});

test("commands see the image's variables and the machine's settings, and nothing of AWS", () => {
  const environment = {
    PATH: `/x/node_modules/.bin:${process.env.PATH}`,
    AWS_ACCESS_KEY_ID: "key",
    TOKEN: "t",
  };
  const image = build([`FROM ${NODE}`, "ENV NODE_ENV=production", "WORKDIR /app", "RUN env > seen"], {
    environment,
  });
  const seen = read(image, "app/seen");
  expect(seen).toContain("NODE_ENV=production\n");
  expect(seen).not.toMatch(/ACCESS_KEY|TOKEN|node_modules\/\.bin/);
});

test("copies as .dockerignore lets it, folders by what is in them, and patterns", () => {
  write({
    ".dockerignore": "# all but\n**\n!app\n!package*.json\n**/*.test.js\n",
    "app/index.js": "1",
    "app/index.test.js": "2",
    "app/deep/more.js": "3",
    "package.json": "{}",
    "package-lock.json": "{}",
    "secret.txt": "s",
  });
  const image = from(
    "WORKDIR /srv",
    "COPY . all",
    "COPY app here/",
    "COPY package*.json ./",
    "COPY app/*.js one/",
  );
  expect(filesOf(image)).toEqual([
    "/srv/all/app/deep/more.js",
    "/srv/all/app/index.js",
    "/srv/all/package-lock.json",
    "/srv/all/package.json",
    "/srv/here/deep/more.js",
    "/srv/here/index.js",
    "/srv/one/index.js",
    "/srv/package-lock.json",
    "/srv/package.json",
  ]);
  expect(() => from("COPY secret.txt /")).toThrow(
    "Dockerfile, line 2: COPY names secret.txt, which is not in the build's context, because .dockerignore leaves it out.",
  );
});

test("copies a file as another, into a folder that is there, and with permissions", () => {
  write({ "run.sh": "#!/bin/sh", data: "d" });
  chmodSync(join(context, "run.sh"), 0o755);
  const image = from(
    "COPY data /a/b",
    "COPY data /a",
    "COPY --chmod=600 data /c/",
    'COPY ["run.sh", "/run.sh"]',
  );
  expect(filesOf(image)).toEqual(["/a/b", "/a/data", "/c/data", "/run.sh"]);
  expect(statSync(join(image.root, "c/data")).mode & 0o777).toBe(0o600);
  expect(statSync(join(image.root, "run.sh")).mode & 0o111).toBe(0o111);
});

describe("refuses", () => {
  beforeEach(() => write({ "index.js": "1", "b.js": "2" }));

  test.each<[string, string, string]>([
    ["a source above the context", "COPY ../folder /", "names ../folder, which leaves the build's context"],
    ["a source that only seems to be below", "COPY a/../../x /", "leaves the build's context"],
    ["a destination above the root", "COPY index.js ../../x", "names ../../x, which leaves the image"],
    ["a folder above the root", "WORKDIR /a/../..", "names /a/../.., which leaves the image"],
    ["what is not there", "COPY nothing /", "names nothing, which is not in the build's context."],
    ["several files for one", "COPY index.js b.js /x", "must end with a slash: /x/"],
    [
      "another image to copy from",
      "COPY --from=nginx /etc/x /",
      "takes from nginx, which is no stage before it",
    ],
    ["a flag that it does not know", "COPY --parents a /", "has --parents, which Local AWS does not know"],
    ["a file of the network", "ADD https://example.com/x /", "would fetch or unpack https://example.com/x"],
    ["an archive", "ADD x.tar.gz /", "would fetch or unpack x.tar.gz"],
    ["a heredoc", "RUN cat <<EOF > x\nhello\nEOF", "has a heredoc"],
    ["an instruction that it does not know", "ONBUILD RUN true", "ONBUILD is not known to Local AWS"],
    ["a command that fails", "RUN exit 3", "RUN ended with exit code 3, and says why above: exit 3"],
    ["a command that would change the machine", "RUN true && apt-get install -y x", "calls apt-get"],
    ["a path that would be the machine's", "RUN rm -rf x /var/lib/x", "names /var/lib/x, which would be"],
    ["a secret to mount", "RUN --mount=type=secret,id=x true", "has a --mount of a kind"],
    ["a variable that it cannot read", `ENV A=\${B#c}`, "has a variable that Local AWS cannot read"],
    ["a quote that does not end", 'ENV A="b', "has a quote that does not end"],
  ])("%s, with its line", (_, instruction, message) => {
    const run = () => from("WORKDIR /app", instruction);
    expect(run).toThrow(message);
    expect(run).toThrow(/^Dockerfile, line 3: /);
  });

  test("a base image that is not Node's", () => {
    expect(() => build("FROM nginx:1")).toThrow(
      "Dockerfile, line 1: FROM names nginx:1. Local AWS has no images but Node's own",
    );
    expect(() => build("FROM evil.example/node:22")).toThrow("Local AWS has no images but Node's own");
  });

  test("links that lead out, whether something is read or written through them", () => {
    writeFileSync(join(folder, "outside.txt"), "mine");
    symlinkSync(folder, join(context, "out"));
    expect(() => from("COPY out/outside.txt /")).toThrow(
      "names out/outside.txt, a link that leaves the build's context",
    );
    mkdirSync(join(context, "tree"));
    symlinkSync(folder, join(context, "tree/out"));
    expect(() => from("COPY tree /tree", "COPY index.js /tree/out/new.txt")).toThrow(
      "leaves the image, by a link",
    );
    expect(existsSync(join(folder, "new.txt"))).toBe(false);
    symlinkSync(join(folder, "outside.txt"), join(context, "tree/file"));
    expect(() => from("COPY tree /tree", "COPY index.js /tree/file")).toThrow("leaves the image, by a link");
    write({ "over/file": "new" });
    const image = from("COPY tree /tree", "COPY over /tree");
    expect([read(image, "tree/file"), readFileSync(join(folder, "outside.txt"), "utf8")]).toEqual([
      "new",
      "mine",
    ]);
  });

  test("a stage that is not there", () => {
    expect(() => build(`FROM ${NODE} AS one`, { target: "two" })).toThrow(
      "There is no stage two to build: the Dockerfile has one.",
    );
  });
});

describe("an image that was pushed", () => {
  let images: ImageFolder;
  beforeEach(() => {
    images = new ImageFolder(join(folder, "images"));
    write({ "index.js": "1" });
  });
  const program = [
    "WORKDIR /app",
    "COPY index.js bin/run ./",
    'ENTRYPOINT ["/app/run", "--x"]',
    'CMD ["/app/index.js", "/etc"]',
  ];
  const push = (image: BuiltImage, tag: string) => {
    const manifest = manifestOf(image, "linux/amd64");
    images.keep(image, manifest);
    images.name(`${URI}:${tag}`, manifest);
    images.name(`${URI}@${manifest.digest}`, manifest);
    return manifest.digest;
  };

  test("is found by tag and by digest, with its paths as this machine's", () => {
    write({ "bin/run": "#!/bin/sh" });
    const digest = push(from(...program, "ENV PORT=8080"), "v1");
    const image = images.find(`${URI}@${digest}`);
    expect(image).toEqual(images.find(`${URI}:v1`));
    const root = image?.root ?? "";
    expect(image).toMatchObject({
      command: [join(root, "app/run"), "--x", join(root, "app/index.js"), "/etc"],
      workingDirectory: "/app",
      environment: { PORT: "8080" },
    });
    expect(image?.environment).not.toHaveProperty("PATH");
    expect(readFileSync(join(root, "app/index.js"), "utf8")).toBe("1");
    expect([images.find(`${URI}:v2`), images.find(`other/web@${digest}`)]).toEqual([undefined, undefined]);
  });

  test("has the image's own folders before this machine's in its PATH", () => {
    write({ "bin/run": "x" });
    push(from("COPY bin /app/bin", "ENV PATH=/app/bin:$PATH"), "v1");
    const image = images.find(`${URI}:v1`);
    const [first, ...others] = image?.environment.PATH?.split(":") ?? [];
    expect(first).toBe(join(image?.root ?? "", "app/bin"));
    expect(others).toContain(dirname(process.execPath));
  });

  test("has the same digest for the same content, and another one for another", () => {
    const one = () => from("COPY index.js /");
    expect(push(one(), "v1")).toBe(push(one(), "v2"));
    const labelled = build([`FROM ${NODE}`, "COPY index.js /"], { labels: new Map([["revision", "1"]]) });
    write({ "index.js": "2" });
    expect(new Set([push(one(), "v3"), push(labelled, "v4"), images.digestOf(`${URI}:v1`)]).size).toBe(3);
  });

  test("loses a tag that is pushed again, and keeps its digest", () => {
    const first = push(from("COPY index.js /"), "v1");
    const second = push(from("COPY index.js /other.js"), "v1");
    expect(images.digestOf(`${URI}:v1`)).toBe(second);
    expect(images.find(`${URI}@${first}`)).toBeDefined();
  });
});

test("an entry point takes the place of the base image's command", () => {
  const base = [`FROM ${NODE} AS base`, 'CMD ["node", "base.js"]', "FROM base"];
  expect(build(base).config.Cmd).toEqual(["node", "base.js"]);
  const image = build([...base, "ENTRYPOINT node own.js"]);
  expect([image.config.Entrypoint, image.config.Cmd]).toEqual([["/bin/sh", "-c", "node own.js"], undefined]);
});

test("a build's docker is one of Local AWS, which says what it does not know, and is gone with it", async () => {
  const store = new ImageStore();
  try {
    expect(store.find(`${URI}:v1`)).toBeUndefined();
    const docker = join(await store.standIn(join(folder, "it's a build")), "docker");
    expect((await execa(docker, ["buildx", "version"])).stdout).toContain("local-aws");
    const { exitCode, stderr } = await execa(docker, ["compose", "up"], { reject: false });
    expect([exitCode, stderr]).toEqual([
      1,
      expect.stringContaining('Local AWS does not know "docker compose up"'),
    ]);
    const [, program = ""] = /'([^']+docker\.cjs)'/.exec(readFileSync(docker, "utf8")) ?? [];
    expect(existsSync(program)).toBe(true);
    await store.stop();
    expect(existsSync(program)).toBe(false);
  } finally {
    await store.stop();
  }
});

test.each<[string, string[], string]>([
  ["a registry that is not ECR", ["--push", "--tag=docker.io/x:1", "."], "pushes to ECR alone"],
  ["a push without a name", ["--push", "."], "--push needs a --tag"],
  ["an option that it does not know", ["--squash", "."], "Unknown option '--squash'"],
  ["a context that is no folder", ["https://example.com/x.git"], "name one folder as the context"],
  ["many platforms", ["--platform=linux/amd64,linux/arm64", "."], "names one platform"],
])("docker build refuses %s", async (_, args, message) => {
  const store = new ImageStore();
  try {
    const docker = join(await store.standIn(join(folder, "build")), "docker");
    const { exitCode, stderr } = await execa(docker, ["buildx", "build", ...args], {
      reject: false,
      cwd: context,
    });
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining(message)]);
  } finally {
    await store.stop();
  }
});
