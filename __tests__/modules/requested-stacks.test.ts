import { deployPatterns } from "../../shared/requested-stacks";

test.each([
  ["node /p/node_modules/.bin/cdktf deploy dev", ["dev"]],
  [
    "/usr/bin/node ../../node_modules/.bin/cdktf deploy pipeline-* dev --auto-approve --parallelism 2",
    ["pipeline-*", "dev"],
  ],
  ["node cdktf deploy --var-file other.tfvars dev", ["dev"]],
  ["node /p/cdktf-cli/bundle/bin/cdktf.js deploy *", ["*"]],
])("reads the stacks of %s", (command, patterns) => {
  expect(deployPatterns(command)).toEqual(patterns);
});

test.each([
  "node cdktf destroy *",
  "node cdktf synth",
  "npm test",
  "sh -c node tools/run.mjs main.ts",
  "",
])("keeps the whole order for %p", (command) => {
  expect(deployPatterns(command)).toBeUndefined();
});
