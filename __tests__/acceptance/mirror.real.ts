import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { zipSync } from "fflate";
import { run } from "../../tools/cdktf";
import { PROVIDER_VERSION } from "../../tools/toolchain";
import { platformName } from "../../tools/toolchain/terraform";

test("Terraform takes the provider from a mirror of archives, and unpacks it once for all stacks", async () => {
  const project = realpathSync(mkdtempSync(join(tmpdir(), "slipway-mirror-")));
  jest.spyOn(process, "cwd").mockReturnValue(project);
  writeFileSync(join(project, "package.json"), '{"name": "slipway"}');
  const address = "registry.terraform.io/hashicorp/aws";
  const archive = `terraform-provider-aws_${PROVIDER_VERSION}_${platformName()}.zip`;
  const program = `terraform-provider-aws_v${PROVIDER_VERSION}_x5`;
  mkdirSync(join(project, ".slipway/mirror", address), { recursive: true });
  writeFileSync(
    join(project, ".slipway/mirror", address, archive),
    zipSync({ [program]: new TextEncoder().encode("a provider") }),
  );

  const init = async (stack: string) => {
    const cwd = join(project, stack);
    mkdirSync(cwd);
    const required = { aws: { source: "aws", version: PROVIDER_VERSION } };
    writeFileSync(join(cwd, "cdk.tf.json"), JSON.stringify({ terraform: { required_providers: required } }));
    const { output } = await run("terraform", ["init", "-input=false", "-no-color"], {
      cwd,
      onLine: () => {},
    });
    const folder = join(cwd, ".terraform/providers", address, PROVIDER_VERSION, String(platformName()));
    expect(readFileSync(join(folder, program), "utf8")).toBe("a provider");
    return output;
  };
  expect(await init("first")).toMatch(/Installed hashicorp\/aws/);
  expect(await init("second")).toMatch(/Using hashicorp\/aws \S+ from the shared cache directory/);
  expect(readdirSync(join(project, ".slipway")).sort()).toEqual(["mirror", "plugins", "terraform.rc"]);
});
