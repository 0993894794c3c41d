import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Settings } from "../../../settings";
import { readBundle, readCommit, readImages, readReleases } from "../../../tools/release/inputs";
import { ReleaseRecord } from "../../../tools/release/record";
import { exampleSettings } from "../../support/settings";
import { COMMIT, HELLO, IMAGE, WEB } from "./support";

const RELEASES = { cluster: "hello-dev", services: { web: WEB }, functions: { hello: HELLO } };
const DEV = { name: "dev" };

describe("the stack's output", () => {
  test("is read as it was deployed", () => {
    expect(readReleases(DEV, { releases: JSON.stringify(RELEASES) })).toEqual(RELEASES);
  });

  test("that is not there fails, and says what to deploy", () => {
    expect(() => readReleases(DEV, { service_web_url: "http://a" })).toThrow(
      /dev has put out nothing to release by \(the output "releases"\).*npx cdktf deploy dev/,
    );
  });

  test.each([
    ["no JSON", "{"],
    ["another version's", JSON.stringify({ ...RELEASES, services: { web: { ...WEB, port: "8080" } } })],
    [
      "without the service's own container",
      JSON.stringify({ ...RELEASES, services: { web: { ...WEB, container: "another" } } }),
    ],
  ])("that is %s fails, and says what to deploy", (_, releases) => {
    expect(() => readReleases(DEV, { releases })).toThrow(
      /not as this version of the project reads it.*npx cdktf deploy dev/,
    );
  });

  test.each([
    ["not there", {}],
    ["another version's", { releases: "{" }],
  ])("of a preview that is %s fails, and says to push, because nobody deploys one by hand", (_, outputs) => {
    const preview = { name: "pv-dev-login-3f9a2c", preview: { of: "dev", slug: "login-3f9a2c" } };
    expect(() => readReleases(preview, outputs)).toThrow(
      /^(?!.*cdktf).*pv-dev-login-3f9a2c.* Its pipeline deploys it: push again\.$/,
    );
  });
});

describe("the commit", () => {
  test.each([
    ["set", { COMMIT }, COMMIT],
    ["not set", {}, undefined],
    ["empty", { COMMIT: "" }, undefined],
  ])("is known where it is %s", (_, variables, commit) => {
    expect(readCommit(variables)).toBe(commit);
  });

  test.each([
    "main",
    COMMIT.slice(1),
    COMMIT.toUpperCase(),
    `${COMMIT}\n`,
  ])("is refused where it is %j", (commit) => {
    expect(() => readCommit({ COMMIT: commit })).toThrow(/^COMMIT is ".*40 hexadecimal digits/);
  });
});

describe("images", () => {
  let settings: Settings;
  beforeAll(async () => {
    settings = await exampleSettings();
  });

  test("are named by a variable, each of its service's repository", () => {
    expect(readImages(settings, ["web"], { IMAGES: IMAGE })).toEqual({ web: IMAGE });
    const api = IMAGE.replace("hello/web", "hello/the-api");
    expect(readImages(settings, ["web", "the-api"], { IMAGES: `${api}  ${IMAGE}\n` })).toEqual({
      web: IMAGE,
      "the-api": api,
    });
    expect(readImages(settings, [], {})).toEqual({});
  });

  test.each([
    ["a tag", IMAGE.replace(/@.*/, ":latest")],
    ["a tag and a digest", IMAGE.replace("@", ":latest@")],
    ["half a digest", IMAGE.slice(0, -1)],
    ["more than a digest", `${IMAGE}0`],
    ["two digests", `${IMAGE}@sha256:${"b".repeat(64)}`],
    ["another's repository", IMAGE.replace("hello/web", "hello/api")],
    ["another account's", IMAGE.replace("111111111111", "999999999999")],
    ["another registry's", IMAGE.replace(/^[^/]+/, "docker.io")],
  ])("are refused where the variable holds %s", (_, image) => {
    for (const given of [image, `${IMAGE} ${image}`])
      expect(() => readImages(settings, ["web"], { IMAGES: given })).toThrow(
        `IMAGES is not what is to be released: it names the image of each service, with spaces between.\n  ${JSON.stringify(image)} names no image of these services by its digest\n`,
      );
  });

  test("are refused where one service has two", () => {
    const other = IMAGE.replace(/a{64}$/, "b".repeat(64));
    expect(() => readImages(settings, ["web"], { IMAGES: `${IMAGE} ${other}` })).toThrow(
      /\n {2}web has two images: one can be released\nNothing was released\./,
    );
  });

  test("of a preview are in the repository of previews, and those of environments are none of its", () => {
    const ofPreviews = IMAGE.replace("hello/web", "hello/preview/web");
    const preview = { of: "dev", slug: "login-3f9a2c" };
    expect(readImages(settings, ["web"], { IMAGES: ofPreviews }, { preview })).toEqual({ web: ofPreviews });
    expect(() => readImages(settings, ["web"], { IMAGES: IMAGE }, { preview })).toThrow(
      /^IMAGES is not what/,
    );
    expect(() => readImages(settings, ["web"], { IMAGES: ofPreviews })).toThrow(/^IMAGES is not what/);
  });

  test("that are missing are all told at once", () => {
    const registry = "111111111111.dkr.ecr.eu-west-1.amazonaws.com";
    expect(() => readImages(settings, ["web", "the-api"], {})).toThrow(
      `IMAGES is not set: it names the image of each service, with spaces between.\n  the image of web is missing: ${registry}/hello/web@sha256:…\n  the image of the-api is missing: ${registry}/hello/the-api@sha256:…\nNothing was released.`,
    );
  });
});

describe("a function's archive", () => {
  const stack = (resource: object) => {
    const folder = mkdtempSync(join(tmpdir(), "slipway-stack-"));
    writeFileSync(join(folder, "cdk.tf.json"), JSON.stringify({ resource }));
    mkdirSync(join(folder, "assets"));
    writeFileSync(join(folder, "assets/hello.zip"), "an archive");
    return folder;
  };
  const fn = { function_name: "hello-dev-hello", filename: "assets/hello.zip" };
  const other = { function_name: "hello-dev-hello-check", filename: "assets/check.zip" };

  test("is what the function of that name was synthesized with", () => {
    const folder = stack({ aws_lambda_function: { check: other, hello: fn } });
    expect(Buffer.from(readBundle(folder, "hello-dev-hello")).toString()).toBe("an archive");
  });

  test.each([
    ["no function", {}],
    ["no such function", { aws_lambda_function: { other } }],
    ["no such file", { aws_lambda_function: { hello: { ...fn, filename: "assets/gone.zip" } } }],
  ])("fails where there is %s", (_, resource) => {
    expect(() => readBundle(stack(resource), "hello-dev-hello")).toThrow(
      /no code of the function hello-dev-hello.*npm run synth\. Nothing was released/,
    );
  });
});

describe("a record", () => {
  const folder = () => mkdtempSync(join(tmpdir(), "slipway-record-"));

  test("is written with each note, and is read as it was left", () => {
    const place = join(folder(), "release");
    const web = { kind: "service", name: "web" } as const;
    ReleaseRecord.begin(place, "dev").note(web, { before: "1", after: "2", done: "released" });
    const read = ReleaseRecord.read(place, "dev");
    expect(read.entry(web)).toEqual({ before: "1", after: "2", done: "released" });
    expect(read.entry({ kind: "function", name: "web" })).toEqual({ done: "waiting" });
    expect(read.entry({ kind: "service", name: "constructor" })).toEqual({ done: "waiting" });
  });

  test("that is not there fails", () => {
    expect(() => ReleaseRecord.read(folder(), "dev")).toThrow(/There is no .*releases\.json/);
  });

  test("of another environment fails", () => {
    const place = folder();
    ReleaseRecord.begin(place, "prod");
    expect(() => ReleaseRecord.read(place, "dev")).toThrow("is of a release of prod, and not of dev");
  });

  test("that somebody broke fails", () => {
    const place = folder();
    writeFileSync(join(place, "releases.json"), '{"environment": "dev"}');
    expect(() => ReleaseRecord.read(place, "dev")).toThrow("is not what npm run release leaves");
  });
});
