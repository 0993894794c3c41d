import { exampleSettings } from "../support/settings";
import { synthesize } from "../support/synth";

const SECRET = [
  /AKIA[0-9A-Z]{16}/,
  /gh[pousr]_[A-Za-z0-9]{20,}/,
  /github_pat_[A-Za-z0-9_]{20,}/,
  /-----BEGIN [A-Z ]*PRIVATE KEY/,
  /xox[abps]-[A-Za-z0-9-]{10,}/,
];

test("fails when a secret stands in what Terraform gets", async () => {
  for (const [name, stack] of Object.entries(synthesize(await exampleSettings()))) {
    const text = JSON.stringify(stack);
    expect([name, SECRET.filter((secret) => secret.test(text))]).toEqual([name, []]);
  }
});
