import { cdktf } from "../cdktf";
import { runCommand, UserError } from "../project";

/** `npm run deploy -- STACK ...`: what a pipeline's deploy action runs; brings Terraform along. */
runCommand(async () => {
  const stacks = process.argv.slice(2).filter((stack) => stack !== "");
  if (!stacks.length) throw new UserError("Name the stacks to deploy: npm run deploy -- dev");
  await cdktf(["deploy", ...stacks]);
  return 0;
});
