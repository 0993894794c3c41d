import { secretsIn } from "../../tools/scan/secrets";
import { synthesizeFile } from "../support/synthesized";

test("fails when a secret stands in what Terraform gets", async () => {
  const stacks = Object.entries(await synthesizeFile());
  expect(stacks.flatMap(([name, stack]) => secretsIn(name, JSON.stringify(stack)))).toEqual([]);
});
