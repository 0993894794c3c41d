import fc from "fast-check";
import { strToU8, zipSync } from "fflate";
import type { PlannedEnvironment } from "../../../tools/review/environments";
import { readPlans, writePlans } from "../../../tools/review/handover";
import { tries } from "../../support/effort";
import { anyText } from "../../support/text";

const archiveOf = (files: Record<string, string>) =>
  zipSync(Object.fromEntries(Object.entries(files).map(([name, text]) => [name, strToU8(text)])));

test("plans and failures come out as they went in", () => {
  const name = fc.stringMatching(/^[a-z][a-z0-9]{0,15}$/);
  const environment = fc.record(
    { name, plan: anyText(), failure: fc.string() },
    { requiredKeys: ["name", "plan"] },
  );
  fc.assert(
    fc.property(fc.uniqueArray(environment, { selector: ({ name }) => name, minLength: 1 }), (planned) => {
      const read = readPlans(archiveOf(Object.fromEntries(writePlans(planned))), []);
      const byName = (all: readonly PlannedEnvironment[]) => new Map(all.map((one) => [one.name, one]));
      expect(byName(read)).toEqual(byName(planned));
    }),
    { numRuns: tries(100) },
  );
});

test("tells an environment without a plan, instead of leaving it out", () => {
  expect(readPlans(archiveOf({ "dev.json": "{}" }), ["dev", "prod"])).toEqual([
    { name: "dev", plan: "{}" },
    { name: "prod", failure: "No plan was made: the pull request's settings do not have it." },
  ]);
  const synth = { name: "synth", failure: "no" };
  expect(readPlans(archiveOf({ "synth.txt": "no" }), ["dev", "prod"])).toEqual([synth]);
});

test.each([
  ["no archive", new Uint8Array([1, 2, 3])],
  ["a file of another name", archiveOf({ "dev.json": "{}", "dev.exe": "" })],
  ["a path out of the archive", archiveOf({ "../dev.json": "{}" })],
  ["a name of Object's", archiveOf({ __proto__x: "", "constructor.json/x": "{}" })],
  [
    "too many files",
    archiveOf(Object.fromEntries(Array.from({ length: 201 }, (_, index) => [`e${index}.json`, "{}"]))),
  ],
])("fails when it is handed %s", (_, archive) => {
  expect(() => readPlans(archive, [])).toThrow();
});

test("fails when the archive says that it grows beyond what plans ever have", () => {
  const archive = archiveOf({ "dev.json": "{}" });
  // The uncompressed size in the central directory (PKZIP's APPNOTE, 4.3.12).
  const directory = archive.findIndex(
    (byte, at) => byte === 0x50 && archive[at + 1] === 0x4b && archive[at + 2] === 1 && archive[at + 3] === 2,
  );
  new DataView(archive.buffer).setUint32(directory + 24, 0x7fffffff, true);
  expect(() => readPlans(archive, [])).toThrow(/more than plans/);
});
