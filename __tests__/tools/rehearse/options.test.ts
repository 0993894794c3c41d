import { readOptions } from "../../../tools/rehearse/options";

test("nothing said is a whole rehearsal of the working tree, a second for a minute", () => {
  expect(readOptions([])).toEqual({
    faults: {},
    keep: false,
    watch: false,
    mails: false,
    minuteMilliseconds: 1000,
  });
});

test("all that can be said is understood", () => {
  const said =
    "--pipeline web --settings a.tfvars --from-commit v1 --until Build --reject --json - --fault kill=lint --fault duplicate-events --minute 0.5 --keep --mails";
  expect(readOptions(said.split(" "))).toEqual({
    pipeline: "web",
    settings: "a.tfvars",
    fromCommit: "v1",
    until: "Build",
    decision: "Rejected",
    json: "-",
    faults: { kill: "lint", duplicateEvents: true },
    keep: true,
    watch: false,
    mails: true,
    minuteMilliseconds: 500,
  });
});

test("a record goes to a file, be it there or not", () => {
  for (const json of ["package.json", "new.json"]) expect(readOptions(["--json", json]).json).toBe(json);
});

test("a watch follows the working tree", () => {
  expect(readOptions(["--watch"])).toMatchObject({ watch: true, fromCommit: undefined });
});

test.each([
  ["a watch of a commit", ["--watch", "--from-commit", "v1"], /--watch and --from-commit/],
  ["both answers", ["--approve", "--reject"], /--approve and --reject were both given/],
  ["a fault that it does not know", ["--fault", "fire"], /--fault fire.*kill=ACTION/],
  ["a fault without an action", ["--fault", "kill="], /--fault kill=/],
  ["an option that it does not know", ["--fast"], /--fast[\s\S]*Usage: npm run rehearse/],
  ["an option without its value", ["--until"], /--until[\s\S]*Usage: npm run rehearse/],
  [
    "a record in no folder",
    ["--json", "nowhere/at/all.json"],
    /--json nowhere\/at\/all.json: there is no folder/,
  ],
  ["a record that is a folder", ["--json", "tools"], /--json tools: .*is a folder/],
  ["a record without a name", ["--json="], /--json is empty/],
  ["a minute that is none", ["--minute", "soon"], /--minute soon/],
])("%s: refused, with what is allowed", (_, args, message) => {
  expect(() => readOptions(args)).toThrow(expect.objectContaining({ name: "UserError" }));
  expect(() => readOptions(args)).toThrow(message);
});
