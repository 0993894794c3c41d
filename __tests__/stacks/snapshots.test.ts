import { exampleSettings } from "../support/settings";
import { normalize, synthesize } from "../support/synth";
import type { SynthesizedStack } from "../support/synthesized";

let stacks: Record<string, SynthesizedStack>;
beforeAll(async () => {
  stacks = synthesize(await exampleSettings());
});

test("the example settings make these stacks", () => {
  expect(Object.keys(stacks).sort()).toEqual([
    "access-dev",
    "access-prod",
    "bootstrap",
    "delivery",
    "dev",
    "pipeline-main",
    "pipeline-preview-main_dev",
    "prod",
  ]);
});

test.each([
  "access-dev",
  "access-prod",
  "bootstrap",
  "delivery",
  "dev",
  "pipeline-main",
  "pipeline-preview-main_dev",
  "prod",
])("%s is what it was", (name) => {
  expect(normalize(stacks[name]!)).toMatchSnapshot();
});
