import { unzipSync } from "fflate";
import { type BuildJob, BuildRun } from "../../../tools/local-aws/builds/runner";
import { FakeRole } from "./fake-role";

const PLACE = { bucket: "b", key: "cache/p" };
let role: FakeRole;
beforeEach(() => {
  role = new FakeRole();
});

/** A build whose source brings a file, and what it printed. */
async function build(
  commands: readonly string[],
  paths: readonly string[] = ["kept/**/*"],
): Promise<BuildRun> {
  role.events.length = 0;
  const source: BuildJob["sources"][0] = {
    url: "",
    version: "",
    async bring(folder) {
      const { mkdirSync, writeFileSync } = await import("node:fs");
      mkdirSync(`${folder}/kept`, { recursive: true });
      writeFileSync(`${folder}/kept/source.txt`, "of the source");
      return undefined;
    },
  };
  const run = new BuildRun({
    project: "p",
    buildspec: JSON.stringify({ version: 0.2, phases: { build: { commands } }, cache: { paths } }),
    sources: [source],
    targets: [],
    environment: {},
    variables: [],
    timeoutMilliseconds: 60_000,
    logs: { group: "g", stream: "s" },
    cache: PLACE,
    connect: async () => role,
  });
  await run.done;
  return run;
}

test("a build finds what the last one kept, and its source as it is", async () => {
  const first = await build(["ls kept", "echo fetched > kept/it", "echo changed > kept/source.txt"]);
  expect([first.status, role.log]).toEqual(["SUCCEEDED", expect.stringContaining("There is no cache yet")]);
  expect(Object.keys(unzipSync(role.objects.get("b/cache/p")!)).sort()).toEqual([
    "kept/it",
    "kept/source.txt",
  ]);
  const second = await build(["cat kept/it kept/source.txt"]);
  expect([second.status, role.log]).toEqual(["SUCCEEDED", expect.stringMatching(/^fetched\nof the source/m)]);
});

test("a build that fails keeps nothing", async () => {
  expect((await build(["touch kept/it", "false"])).status).toBe("FAILED");
  expect(role.objects.size).toBe(0);
});

test("what lies outside of the source is not kept", async () => {
  const run = await build(["touch ../outside"], ["/root/.npm/**/*", "../outside"]);
  expect([run.status, role.objects.size]).toEqual(["SUCCEEDED", 0]);
  expect(role.log).toContain("No file is there to be kept as cache");
});

test("a cache that cannot be read, and one that cannot be written, fail no build", async () => {
  role.objects.set("b/cache/p", Buffer.from("no ZIP"));
  role.upload = async () => {
    throw Object.assign(new Error("not authorized"), { name: "AccessDenied" });
  };
  expect((await build(["touch kept/it"])).status).toBe("SUCCEEDED");
  expect(role.log).toMatch(/Unable to download cache: .*not a ZIP/);
  expect(role.log).toContain("Unable to upload cache: not authorized");
});
