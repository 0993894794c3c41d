import { secretsIn } from "../../tools/scan/secrets";
import { exampleSettings } from "../support/settings";
import { synthesize } from "../support/synth";

test("fails when a secret stands in what Terraform gets", async () => {
  const stacks = Object.entries(synthesize(await exampleSettings()));
  expect(stacks.flatMap(([name, stack]) => secretsIn(name, JSON.stringify(stack)))).toEqual([]);
});
