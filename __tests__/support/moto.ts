import { getEnvironmentData, setEnvironmentData } from "node:worker_threads";
import { motoServer as findMotoServer } from "../../tools/toolchain";

/** Outlives the file of tests: it is Node's own, where each file has a realm for itself. */
const KEY = "slipway.moto_server";

/** `moto_server`, looked for once by each of jest's processes, since that is to start a Python that loads moto. */
export async function motoServer(): Promise<string> {
  const known = getEnvironmentData(KEY);
  if (typeof known === "string") return known;
  const found = await findMotoServer();
  setEnvironmentData(KEY, found);
  return found;
}
