import { parseArgs } from "node:util";
import { Interruption, lookAround } from "../demo/terminal";
import { runCommand, UserError } from "../project";
import { motoServer } from "../toolchain";
import { minuteMilliseconds, readFaults, startLocalAws } from "./index";

/** `npm run local-aws -- [--port N] [--account N] [--minute SECONDS] [--fault FAULT] [--enforce-iam]`: Local AWS by itself, until Ctrl-C. */
runCommand(async () => {
  const { values } = parseArgs({
    options: {
      port: { type: "string", default: "0" },
      account: { type: "string", default: "111111111111" },
      minute: { type: "string", default: "60" },
      "enforce-iam": { type: "boolean", default: false },
      fault: { type: "string", multiple: true, default: [] },
    },
  });
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65535)
    throw new UserError(`--port ${values.port} is not a port.`);
  if (!/^\d{12}$/.test(values.account)) throw new UserError(`--account ${values.account} is not 12 digits.`);
  const local = await startLocalAws({
    account: values.account,
    motoServer: await motoServer(),
    port,
    minuteMilliseconds: minuteMilliseconds(values.minute),
    faults: readFaults(values.fault),
    enforceIam: values["enforce-iam"],
    log: console.error,
  });
  console.log(`Local AWS runs, as account ${values.account}. Ctrl-C ends it. To use it elsewhere:

${lookAround(local.endpoint, "eu-west-1")}`);
  await new Interruption().done;
  await local.stop();
  return 0;
});
