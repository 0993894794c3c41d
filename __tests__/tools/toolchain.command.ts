import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { zipSync } from "fflate";
import { cdktfSwitches, onlyAwsConfiguration, terraformEnvironment } from "../../tools/toolchain";
import { fetchProvider, PROVIDER_VERSION, providerMirror } from "../../tools/toolchain/mirror";
import { motoServer } from "../../tools/toolchain/moto";
import { fits, platformName, TERRAFORM_VERSION, terraform } from "../../tools/toolchain/terraform";
import { ROOT } from "../support/settings";
import { runTool, startTool } from "../support/tools";

const ENVIRONMENT = { ...process.env };
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
  for (const name of ["TERRAFORM_BINARY_NAME", "TF_CLI_CONFIG_FILE", "TF_PLUGIN_CACHE_DIR"])
    delete process.env[name];
  // One that is not there: the machine's own would be found otherwise.
  process.env.SLIPWAY_PROVIDER_MIRROR = join(project, "mirror");
});
afterEach(() => {
  jest.restoreAllMocks();
  process.env = { ...ENVIRONMENT };
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

test.each([
  ["linux", "x64", "linux_amd64"],
  ["darwin", "arm64", "darwin_arm64"],
  ["win32", "x64", "windows_amd64"],
  ["freebsd", "x64", undefined],
  ["linux", "s390x", undefined],
])("%s on %s is %p", (system, processor, expected) => {
  expect(platformName(system, processor)).toBe(expected);
});

describe("Terraform", () => {
  let server: Server;
  let releases: string;
  let files: Record<string, Uint8Array | string>;
  let cutAfter: number | undefined;
  const folder = `/terraform/${TERRAFORM_VERSION}/terraform_${TERRAFORM_VERSION}`;
  const platform = String(platformName());
  const archive = zipSync({
    terraform: new TextEncoder().encode("#!/bin/sh\necho fetched\n"),
    "LICENSE.txt": new Uint8Array(1),
  });
  const sum = createHash("sha256").update(archive).digest("hex");
  const pinned = { [platform]: sum };

  beforeEach(async () => {
    files = {
      [`${folder}_SHA256SUMS`]: `${sum}  terraform_${TERRAFORM_VERSION}_${platform}.zip\n`,
      [`${folder}_${platform}.zip`]: archive,
    };
    cutAfter = undefined;
    server = createServer((request, response) => {
      const content = files[request.url ?? ""];
      if (content === undefined) response.writeHead(404).end();
      else if (cutAfter === undefined) response.end(content);
      else {
        response.writeHead(200, { "content-length": content.length });
        response.write(content.slice(0, cutAfter), () => response.destroy());
      }
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    releases = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  const home = () => join(project, `.slipway/tools/terraform-${TERRAFORM_VERSION}`);
  const own = () => ({
    path: join(home(), "terraform"),
    version: TERRAFORM_VERSION,
    product: "Terraform",
  });

  test("is taken from PATH where it fits", async () => {
    program("terraform", `echo '{"terraform_version": "1.12.2"}'`);
    expect(await terraform({ releases })).toEqual({
      path: "terraform",
      version: "1.12.2",
      product: "Terraform",
      from: "PATH",
    });
  });

  test("is fetched where the one on PATH is too old, and kept", async () => {
    program("terraform", `echo '{"terraform_version": "1.5.7"}'`);
    expect(await terraform({ releases, checksums: pinned })).toEqual({ ...own(), from: "download" });
    expect(readFileSync(own().path, "utf8")).toContain("fetched");
    expect(readdirSync(home())).toEqual(["terraform"]);
    files = {};
    expect(await terraform({ releases })).toEqual({ ...own(), from: "cache" });
  });

  test("is held against the list of checksums where none is known", async () => {
    expect((await terraform({ releases, checksums: {} })).from).toBe("download");
  });

  test("fails when a list says that another archive is right than is known", async () => {
    files[`${folder}_${platform}.zip`] = zipSync({ terraform: new TextEncoder().encode("another") });
    await expect(terraform({ releases, checksums: pinned })).rejects.toThrow(/not what its checksum says/);
    // Nor are those of the real release.
    await expect(terraform({ releases })).rejects.toThrow(/not what its checksum says/);
    expect(existsSync(home())).toBe(false);
  });

  test.each([
    { known: true },
    { known: false },
  ])("fails when the archive is cut short, and keeps nothing: %p", async ({ known }) => {
    files[`${folder}_${platform}.zip`] = archive.slice(0, -5);
    const checksums = known ? pinned : {};
    await expect(terraform({ releases, checksums })).rejects.toThrow(/not what its checksum says/);
    expect(existsSync(home())).toBe(false);
  });

  test("fails when the connection breaks off, and keeps nothing", async () => {
    cutAfter = 20;
    const error: Error = await terraform({ releases, checksums: pinned }).then(
      () => new Error("fetched"),
      (reason) => reason,
    );
    expect(error.name).toBe("UserError");
    expect(error.message).toMatch(/could not be fetched.*by hand/s);
    expect(existsSync(home())).toBe(false);
  });

  test("fails when the list of checksums has none for this machine", async () => {
    files[`${folder}_SHA256SUMS`] = `${sum}  terraform_${TERRAFORM_VERSION}_plan9_mips.zip\n`;
    await expect(terraform({ releases, checksums: {} })).rejects.toThrow(/There is no Terraform .* by hand/s);
  });

  test("fails with what to do by hand when the release is not there, or nothing is", async () => {
    files = {};
    await expect(terraform({ releases })).rejects.toThrow(/not on PATH.*answers 404.*by hand/s);
    await expect(terraform({ releases: "http://127.0.0.1:1" })).rejects.toThrow(
      /could not be fetched.*by hand/s,
    );
    program("terraform", `echo '{"terraform_version": "1.5.7"}'`);
    await expect(terraform({ releases })).rejects.toThrow(/1\.5\.7 on PATH does not fit.*answers 404/s);
  });

  test("may be OpenTofu, where it is named; one that does not fit fails", async () => {
    process.env.TERRAFORM_BINARY_NAME = "tofu";
    await expect(terraform({ releases })).rejects.toThrow(/TERRAFORM_BINARY_NAME=tofu: it does not run/);
    program("tofu", `echo '{"terraform_version": "1.8.0"}'`);
    await expect(terraform({ releases })).rejects.toThrow(/its version 1\.8\.0 does not fit/);
    program("tofu", `[ -n "$2" ] && echo '{"terraform_version": "1.11.1"}' || echo OpenTofu v1.11.1`);
    expect(await terraform({ releases })).toEqual({
      path: "tofu",
      version: "1.11.1",
      product: "OpenTofu",
      from: "PATH",
    });
  });
});

describe("the emulator", () => {
  /** A Python that runs no script, but what `sitecustomize` would print. */
  const moto = (version: string) => program("moto_server", `[ -n "$PYTHONPATH" ] && echo "moto ${version}"`);

  test("is taken from PATH where its release fits", async () => {
    moto("5.2.1");
    expect(await motoServer()).toBe("moto_server");
  });

  test.each(["4.2.14", "5.1.0", "6.0.0"])("is not taken from PATH where it is %s", async (version) => {
    moto(version);
    await expect(motoServer()).rejects.toThrow(/Python 3\.9 or newer/);
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
    // A Python that makes the environment's folder with a Python that cannot install.
    const broken = `printf '#!/bin/sh\\necho "no network here" >&2\\nexit 1\\n'`;
    process.env.PATH = `${bin}:/usr/bin:/bin`;
    program(
      "python3",
      `case "$1" in -c) echo 3.11;; *) mkdir -p "$3/bin"; ${broken} > "$3/bin/python"; chmod +x "$3/bin/python";; esac`,
    );
    program("moto_server", "exit 1");
    await expect(motoServer()).rejects.toThrow(/could not be installed:\s+no network here/);
    expect(readdirSync(join(project, ".slipway/tools"))).toEqual([]);
  });
});

describe("the provider", () => {
  test("is the only one that may be fetched for a state that is not trusted", () => {
    delete process.env.SLIPWAY_PROVIDER_MIRROR;
    const own = ['"registry.terraform.io/hashicorp/aws"', '"registry.opentofu.org/hashicorp/aws"'];
    const text = onlyAwsConfiguration();
    expect(text).toMatch(/^provider_installation \{/);
    // Each way of fetching is limited.
    const ways = text.match(/(direct|filesystem_mirror) \{[^}]*\}/g) ?? [];
    expect(ways).toHaveLength(1);
    for (const way of ways) {
      const included = /include = \[(.*)\]/.exec(way)?.[1]?.split(", ") ?? [];
      expect(included.length).toBeGreaterThan(0);
      expect(included.filter((one) => !own.includes(one))).toEqual([]);
    }
  });

  const PROVIDER = `registry.terraform.io/hashicorp/aws/${PROVIDER_VERSION}`;
  const mirror = () => join(project, "mirror");
  const fill = (platform = platformName()) =>
    mkdirSync(join(mirror(), PROVIDER, String(platform)), { recursive: true });
  const archiveFor = (platform = platformName()) =>
    join(dirname(PROVIDER), `terraform-provider-aws_${PROVIDER_VERSION}_${platform}.zip`);
  /** A Terraform that does this when it is asked for more than its version, and notes what it was asked for. */
  const asked = (script: string) =>
    program(
      "terraform",
      `[ "$1" = version ] && echo '{"terraform_version": "1.11.4"}' && exit
echo "$@" >> '${project}/requests'
${script}`,
    );
  /** One that mirrors as its documentation says. */
  const mirrors = (platform = platformName()) =>
    asked(`for target; do :; done
cp main.tf.json '${project}/asked.json'
mkdir -p "$target/${dirname(PROVIDER)}"
echo archive > "$target/${archiveFor(platform)}"`);
  const requests = () => readFileSync(join(project, "requests"), "utf8").trimEnd().split("\n");
  beforeEach(() => asked("exit 1"));

  test("is of the version that its package is made for", () => {
    const file = join(ROOT, "node_modules/@cdktf/provider-aws/package.json");
    expect(JSON.parse(readFileSync(file, "utf8")).cdktf.provider.version).toBe(PROVIDER_VERSION);
  });

  test("comes from a mirror only where it holds that version for this machine", () => {
    expect(providerMirror()).toBeUndefined();
    fill("plan9_mips");
    expect(providerMirror()).toBeUndefined();
    fill();
    expect(providerMirror()).toBe(mirror());
  });

  test("comes from the mirror, other providers from the registry, and nothing is kept in the home folder", async () => {
    fill();
    process.env.TF_CLI_CONFIG_FILE = join(project, "not-there");
    const environment = await terraformEnvironment();
    const file = join(project, ".slipway/terraform.rc");
    expect(environment).toEqual({
      CHECKPOINT_DISABLE: "1",
      GOGC: "400",
      TERRAFORM_BINARY_NAME: "terraform",
      TF_CLI_CONFIG_FILE: file,
      CDKTF_DISABLE_PLUGIN_CACHE_ENV: "true",
    });
    const content = readFileSync(file, "utf8");
    expect(content).toContain(
      `path    = "${mirror()}"\n    include = ["registry.terraform.io/hashicorp/aws"]`,
    );
    expect(content).toContain('exclude = ["registry.terraform.io/hashicorp/aws"]');
    expect(cdktfSwitches()).toEqual(["--skip-provider-lock"]);
  });

  test("comes from a mirror of archives, and is unpacked once for all stacks", async () => {
    mkdirSync(join(mirror(), dirname(PROVIDER)), { recursive: true });
    writeFileSync(join(mirror(), archiveFor("plan9_mips")), "");
    expect(providerMirror()).toBeUndefined();
    writeFileSync(join(mirror(), archiveFor()), "");
    expect(providerMirror()).toBe(mirror());
    expect(await terraformEnvironment()).toEqual({
      CHECKPOINT_DISABLE: "1",
      GOGC: "400",
      TERRAFORM_BINARY_NAME: "terraform",
      TF_CLI_CONFIG_FILE: join(project, ".slipway/terraform.rc"),
      TF_PLUGIN_CACHE_DIR: join(project, ".slipway/plugins"),
      TF_PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE: "true",
    });
  });

  test("comes from the registry, once for all stacks, where there is no mirror", async () => {
    const cache = join(project, ".slipway/plugins");
    expect(await terraformEnvironment()).toEqual({
      CHECKPOINT_DISABLE: "1",
      GOGC: "400",
      TERRAFORM_BINARY_NAME: "terraform",
      TF_PLUGIN_CACHE_DIR: cache,
      TF_PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE: "true",
    });
    expect(existsSync(cache)).toBe(true);
    expect(cdktfSwitches()).toEqual([]);
  });

  test("comes from where the user's own configuration says", async () => {
    fill();
    process.env.TF_CLI_CONFIG_FILE = join(project, "mine.rc");
    writeFileSync(process.env.TF_CLI_CONFIG_FILE, "");
    process.env.TF_PLUGIN_CACHE_DIR = join(project, "my-plugins");
    expect(await terraformEnvironment()).toEqual({
      CHECKPOINT_DISABLE: "1",
      GOGC: "400",
      TERRAFORM_BINARY_NAME: "terraform",
    });
    // Terraform fails where it is not there.
    expect(existsSync(join(project, "my-plugins"))).toBe(true);
  });

  test("is not looked for in a configuration that is not there", async () => {
    process.env.TF_CLI_CONFIG_FILE = join(project, "not-there");
    const { TF_CLI_CONFIG_FILE = "" } = await terraformEnvironment();
    expect(readFileSync(TF_CLI_CONFIG_FILE, "utf8")).toMatch(/^# No mirror/);
  });

  describe("fetched", () => {
    const own = () => join(project, ".slipway/mirror");
    beforeEach(() => {
      process.env.PATH = `${bin}:/usr/bin:/bin`;
      delete process.env.SLIPWAY_PROVIDER_MIRROR;
    });

    test("is found before any other, and is of the pinned version for this machine", async () => {
      mirrors();
      expect(await fetchProvider()).toBe(own());
      expect(providerMirror()).toBe(own());
      expect(JSON.parse(readFileSync(join(project, "asked.json"), "utf8"))).toEqual({
        terraform: {
          required_providers: {
            aws: { source: "registry.terraform.io/hashicorp/aws", version: PROVIDER_VERSION },
          },
        },
      });
      expect(requests()).toEqual([expect.stringContaining(`providers mirror -platform=${platformName()} `)]);
      expect(readdirSync(join(project, ".slipway"))).toEqual(["mirror"]);
    });

    test("takes the place of what an interrupted run, or another version, left", async () => {
      mirrors();
      mkdirSync(`${own()}.part/mirror/half`, { recursive: true });
      mkdirSync(join(own(), "old"), { recursive: true });
      await fetchProvider();
      expect(readdirSync(own())).toEqual(["registry.terraform.io"]);
      expect(readdirSync(join(project, ".slipway"))).toEqual(["mirror"]);
    });

    test.each([
      [
        "Terraform fails",
        () => asked(`echo "╷\n│ no such host\n╵" >&2; exit 1`),
        /registry\.terraform\.io:\nno such host\n/,
      ],
      ["it is of another machine", () => mirrors("plan9_mips"), /Terraform said nothing/],
    ])("fails with what to do, and keeps what was there, when %s", async (_, prepare, message) => {
      prepare();
      mkdirSync(join(own(), "old"), { recursive: true });
      const error: Error = await fetchProvider().then(
        () => new Error("fetched"),
        (reason) => reason,
      );
      expect(error.name).toBe("UserError");
      expect(error.message).toMatch(message);
      expect(error.message).toMatch(/could not be fetched.*SLIPWAY_PROVIDER_MIRROR=/s);
      expect(readdirSync(own())).toEqual(["old"]);
      expect(readdirSync(join(project, ".slipway"))).toEqual(["mirror"]);
    });
  });

  describe("npm run toolchain", () => {
    const TOOL = "tools/pipeline/toolchain.ts";
    const within = (env: Record<string, string> = {}) => ({
      cwd: project,
      env: { PATH: `${bin}:/usr/bin:/bin`, HOME: project, ...env },
    });
    const toolchain = (env: Record<string, string>) => runTool(TOOL, [], within(env));
    const provider = (where: string) => ({
      exitCode: 0,
      stdout: `Terraform 1.11.4: on PATH\nAWS provider ${PROVIDER_VERSION}: ${where}`,
      stderr: "",
    });

    test("fetches nothing where a mirror is there, and says where", async () => {
      fill();
      const { ended } = startTool(TOOL, [], within({ SLIPWAY_PROVIDER_MIRROR: mirror() }));
      expect(await ended).toEqual(provider(`in ${mirror()}`));
      expect(existsSync(join(project, ".slipway"))).toBe(false);
    });

    test("fetches nothing where the user's own configuration says where from", async () => {
      const file = join(project, "mine.rc");
      writeFileSync(file, "");
      expect(await toolchain({ TF_CLI_CONFIG_FILE: file })).toEqual(provider(`from where ${file} says`));
    });

    test("fails when the mirror that is named does not hold it", async () => {
      expect(await toolchain({ SLIPWAY_PROVIDER_MIRROR: mirror() })).toMatchObject({
        exitCode: 1,
        stderr: expect.stringMatching(/^SLIPWAY_PROVIDER_MIRROR=\S+ does not hold the AWS provider .*Name/),
      });
    });

    test("fetches it where nothing holds it, and only once", async () => {
      // Bundles the command, which no other machine's program could do here.
      await startTool(TOOL, [], within({ SLIPWAY_PROVIDER_MIRROR: mirror() })).ended;
      // A machine for which no mirror is here.
      const other = join(project, "other.cjs");
      writeFileSync(other, 'Object.defineProperty(process, "platform", { value: "darwin" });');
      mirrors(platformName("darwin"));
      const there = () => startTool(TOOL, [], within({ NODE_OPTIONS: `--require ${other}` })).ended;
      expect(await there()).toEqual(provider("fetched into .slipway/mirror"));
      expect(await there()).toEqual(provider(`in ${join(project, ".slipway/mirror")}`));
      expect(requests()).toHaveLength(1);
    });
  });
});
