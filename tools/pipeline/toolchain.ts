import { relative } from "node:path";
import { runCommand, UserError } from "../project";
import {
  fetchProvider,
  PROVIDER_VERSION,
  providerMirror,
  type Terraform,
  terraform,
  userConfiguration,
} from "../toolchain";

const FROM: Readonly<Record<Terraform["from"], string>> = {
  PATH: "on PATH",
  cache: "fetched before",
  download: "fetched",
};

/**
 * `npm run toolchain`: brings Terraform and the AWS provider into the project's folder where the machine has none, so
 * that what is given that folder later fetches nothing.
 */
runCommand(async () => {
  const tool = await terraform();
  console.log(`${tool.product} ${tool.version}: ${FROM[tool.from]}`);
  console.log(`AWS provider ${PROVIDER_VERSION}: ${await bringProvider(tool)}`);
  return 0;
});

/** @returns where it comes from */
async function bringProvider({ product }: Terraform): Promise<string> {
  const configuration = userConfiguration();
  if (configuration) return `from where ${configuration} says`;
  const mirror = providerMirror();
  if (mirror) return `in ${mirror}`;
  const named = process.env.SLIPWAY_PROVIDER_MIRROR;
  if (named)
    throw new UserError(
      `SLIPWAY_PROVIDER_MIRROR=${named} does not hold the AWS provider ${PROVIDER_VERSION} for this machine. Name a mirror that does, or none: then it is fetched.`,
    );
  // Its providers have other addresses, so that a mirror of Terraform's is none for it.
  if (product === "OpenTofu") return "from OpenTofu's registry, each time";
  return `fetched into ${relative(process.cwd(), await fetchProvider())}`;
}
