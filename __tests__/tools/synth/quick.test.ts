import { TerraformStack } from "cdktf";
import { quickenSynth } from "../../../tools/synth/quick";

test.each([
  { cdktf: "0.21.1", constructs: "10.4.2" },
  { cdktf: "0.21.0", constructs: "10.5.0" },
])("leaves cdktf as it is where it was not written for it: %p", (installed) => {
  const { dependsOn } = TerraformStack.prototype;
  expect(quickenSynth(installed)).toBe(false);
  expect(TerraformStack.prototype.dependsOn).toBe(dependsOn);
});
