import { createHash } from "node:crypto";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { zipSync } from "fflate";
import { providerMirror } from "../../tools/toolchain/mirror";
import { motoServer } from "../../tools/toolchain/moto";
import { fits, TERRAFORM_VERSION, terraform } from "../../tools/toolchain/terraform";

const PATH = process.env.PATH;
let project: string;
let bin: string;

/** A project and a PATH of its own: nothing of this machine's is found. */
beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), "slipway-project-"));
  bin = join(project, "bin");
  mkdirSync(bin);
  writeFileSync(join(project, "package.json"), '{"name": "slipway"}');
  jest.spyOn(process, "cwd").mockReturnValue(project);
  process.env.PATH = bin;
});
afterEach(() => {
  jest.restoreAllMocks();
  process.env.PATH = PATH;
  delete process.env.TERRAFORM_BINARY_NAME;
  delete process.env.SLIPWAY_PROVIDER_MIRROR;
});

function program(name: string, script: string) {
  writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(bin, name), 0o755);
}

test.each([
  ["1.11.0", true],
  ["1.11.4", true],
  ["1.12.1", true],
  ["1.10.9", false],
  ["0.15.0", false],
  ["2.0.0", false],
])("Terraform %s fits: %p", (version, expected) => {
  expect(fits(version)).toBe(expected);
});

describe("Terraform", () => {
  let server: Server;
  let releases: string;
  let files: Record<string, Uint8Array | string>;
  const folder = `/terraform/${TERRAFORM_VERSION}/terraform_${TERRAFORM_VERSION}`;
  const platform = `${process.platform}_${process.arch === "arm64" ? "arm64" : "amd64"}`;
  const archive = zipSync({
    terraform: new TextEncoder().encode("#!/bin/sh\necho fetched\n"),
    "LICENSE.txt": new Uint8Array(1),
  });

  beforeEach(async () => {
    const sum = createHash("sha256").update(archive).digest("hex");
    files = {
      [`${folder}_SHA256SUMS`]: `${sum}  terraform_${TERRAFORM_VERSION}_${platform}.zip\n`,
      [`${folder}_${platform}.zip`]: archive,
    };
    server = createServer((request, response) => {
      const content = files[request.url ?? ""];
      if (content === undefined) response.writeHead(404).end();
      else response.end(content);
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    releases = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  const PATH_OF_FETCHED = () => join(project, `.slipway/tools/terraform-${TERRAFORM_VERSION}/terraform`);

  test("is taken from PATH where it fits", async () => {
    program("terraform", `echo '{"terraform_version": "1.12.2"}'`);
    expect(await terraform(releases)).toEqual({ path: "terraform", version: "1.12.2" });
  });

  test("is fetched where the one on PATH is too old, and kept", async () => {
    program("terraform", `echo '{"terraform_version": "1.5.7"}'`);
    expect(await terraform(releases)).toEqual({ path: PATH_OF_FETCHED(), version: TERRAFORM_VERSION });
    expect(readFileSync(PATH_OF_FETCHED(), "utf8")).toContain("fetched");
    files = {};
    expect(await terraform(releases)).toEqual({ path: PATH_OF_FETCHED(), version: TERRAFORM_VERSION });
  });

  test("fails when what was fetched is not what its checksum says, and keeps nothing", async () => {
    files[`${folder}_${platform}.zip`] = archive.slice(0, -5);
    await expect(terraform(releases)).rejects.toThrow(/not what its checksum says/);
    expect(() => readFileSync(PATH_OF_FETCHED())).toThrow();
  });

  test("fails with what to do by hand when the release is not there, or nothing is", async () => {
    files = {};
    await expect(terraform(releases)).rejects.toThrow(/answers 404.*by hand/s);
    await expect(terraform("http://127.0.0.1:1")).rejects.toThrow(/cannot be reached.*by hand/s);
  });

  test("fails when the one that was named does not fit", async () => {
    process.env.TERRAFORM_BINARY_NAME = "tofu";
    await expect(terraform(releases)).rejects.toThrow(/TERRAFORM_BINARY_NAME=tofu: it does not run/);
    program("tofu", `echo '{"terraform_version": "1.8.0"}'`);
    await expect(terraform(releases)).rejects.toThrow(/its version 1\.8\.0 does not fit/);
    program("tofu", `echo '{"terraform_version": "1.11.1"}'`);
    expect(await terraform(releases)).toEqual({ path: "tofu", version: "1.11.1" });
  });
});

describe("the emulator", () => {
  test("is taken from PATH", async () => {
    program("moto_server", "exit 0");
    expect(await motoServer()).toBe("moto_server");
  });

  test("fails when there is no Python, and says how to get it", async () => {
    await expect(motoServer()).rejects.toThrow(
      /Python 3\.9 or newer.*none on PATH.*apt-get install python3/s,
    );
  });

  test("fails when Python is too old, and says which it found", async () => {
    program("python3", "echo 3.7");
    await expect(motoServer()).rejects.toThrow(/python3 is 3\.7/);
  });

  test("fails with pip's words, and leaves nothing behind, when it cannot be installed", async () => {
    program("python3", 'case "$1" in -c) echo 3.11;; *) echo "no network here" >&2; exit 1;; esac');
    await expect(motoServer()).rejects.toThrow(/could not be installed:\s+no network here/);
  });
});

test("a mirror of providers is used only where it holds the AWS provider's version", () => {
  const mirror = join(project, "mirror");
  process.env.SLIPWAY_PROVIDER_MIRROR = mirror;
  expect(providerMirror()).toBeUndefined();
  mkdirSync(join(mirror, "registry.terraform.io/hashicorp/aws/5.100.0"), { recursive: true });
  expect(providerMirror()).toBe(mirror);
});
