import { readOptions } from "../../../tools/deployer/options";

const NONE = {
  plan: false,
  destroy: false,
  autoApprove: false,
  skipUnchanged: false,
  synthesized: false,
  atOnce: undefined,
};

test("reads names, patterns and switches, in any order", () => {
  expect(readOptions(["dev"])).toEqual({ ...NONE, patterns: ["dev"] });
  expect(
    readOptions([
      "--auto-approve",
      "access-*",
      "--at-once",
      "12",
      "dev",
      "--skip-unchanged",
      "--synthesized",
    ]),
  ).toEqual({
    ...NONE,
    patterns: ["access-*", "dev"],
    autoApprove: true,
    skipUnchanged: true,
    synthesized: true,
    atOnce: 12,
  });
  expect(readOptions(["--destroy", "--plan", "*"])).toEqual({
    ...NONE,
    patterns: ["*"],
    destroy: true,
    plan: true,
  });
});

test.each<[string[], string]>([
  [[], "No stack is named"],
  [["--plan"], "No stack is named"],
  [["*", "--plan", "--auto-approve"], "--plan and --auto-approve were both given"],
  [["*", "--plan", "--skip-unchanged"], "--plan and --skip-unchanged were both given"],
  [["*", "--destroy", "--skip-unchanged"], "--destroy and --skip-unchanged were both given"],
  [["*", "--at-once", "0"], '--at-once "0" is no number from 1 to 99'],
  [["*", "--at-once", "100"], '--at-once "100" is no number'],
  [["*", "--at-once", "1e1"], '--at-once "1e1" is no number'],
  [["*", "--at-once="], '--at-once "" is no number'],
  [["*", "--at-once"], "--at-once"],
  [["*", "--force"], "--force"],
  [["*", "--plan=no"], "--plan"],
])("refuses %j, and says how it is used", (args, message) => {
  expect(() => readOptions(args)).toThrow(expect.objectContaining({ name: "UserError" }));
  expect(() => readOptions(args)).toThrow(message);
  expect(() => readOptions(args)).toThrow("npm run deploy -- STACK...");
});
