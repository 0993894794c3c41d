import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { releaseRoleArn } from "../../shared/names";
import { ADDRESSES_FILE, PREVIEW_ADDRESSES } from "../../shared/previews";
import { RELEASE_ASKS } from "../../shared/releases";
import { broughtBack } from "../../shared/run-report";
import { runCommand, UserError } from "../project";
import { releaseClients } from "../release/clients";
import type { Context } from "../release/context";
import { ReleasableFunction } from "../release/function";
import { readBundle, readCommit, readImages, readReleases } from "../release/inputs";
import { ReleaseRecord } from "../release/record";
import { bringBack, checkStands, release } from "../release/release";
import { ReleasableService } from "../release/service";
import { accessStackOf } from "../role";
import { howToDeploy, readEnvironment, readOutputs } from "./environment";

/**
 * `npm run release -- ENVIRONMENT [FOLDER]`: releases the images that IMAGES names, and the functions as they are
 * synthesized, by CodeDeploy; leaves in the folder what it did, of a preview where it is reached, and on the versions the
 * commit that COMMIT names.
 * `npm run release -- ENVIRONMENT --back FOLDER`: brings back what was before that.
 * `npm run release -- ENVIRONMENT --stands FOLDER`: fails where what was before that runs again.
 */
runCommand(async () => {
  const { name, folder, mode } = argumentsOf(process.argv.slice(2));
  const isNew = mode === "release";
  const { settings, environment, folder: stack } = await readEnvironment(name);
  const outputs = await readOutputs(name, stack);
  const { cluster, services, functions } = readReleases(environment, outputs);
  const earlier = isNew ? undefined : ReleaseRecord.read(folder, name);
  // All that a release is made of is there before anything changes; the way back needs none of it.
  const images = isNew ? readImages(settings, Object.keys(services), process.env, environment) : {};
  const bundles = Object.values(functions).map(({ function: one }) =>
    isNew ? readBundle(stack, one) : new Uint8Array(),
  );
  const context: Context = {
    environment: name,
    access: accessStackOf(environment),
    howToDeploy: howToDeploy(environment),
    region: environment.region,
    commit: isNew ? readCommit(process.env) : undefined,
    role: releaseRoleArn(settings, environment),
    clients: await releaseClients(settings, environment),
    tell: (line) => console.log(line),
    every: 1000 * Number(process.env[RELEASE_ASKS.variable] ?? RELEASE_ASKS.every),
    interrupted: interruption(),
  };
  const subjects = [
    ...Object.entries(services).map(
      ([service, group]) => new ReleasableService(service, group, cluster, images[service] ?? "", context),
    ),
    ...Object.entries(functions).map(
      ([one, group], index) => new ReleasableFunction(one, group, bundles[index]!, context),
    ),
  ];
  if (earlier && mode === "stands") await checkStands(subjects, earlier, context);
  else if (earlier) {
    await bringBack(subjects, earlier, context);
    console.log(broughtBack(name));
  } else {
    const record = ReleaseRecord.begin(folder, name);
    await release(subjects, record, context).catch((error) => {
      // A build that fails passes no folder on: its log is all that is left of it.
      console.log(
        `What this release leaves is in ${folder}/releases.json. To bring it back from elsewhere, save the next line as FOLDER/releases.json: npm run release -- ${name} --back FOLDER\n${record.line}`,
      );
      throw error;
    });
    if (environment.preview) leaveAddresses(folder, outputs);
    console.log(`${name} is released.`);
  }
  return 0;
});

/** For a shell, so that the pipeline's action tells of them. */
function leaveAddresses(folder: string, outputs: Readonly<Record<string, unknown>>): void {
  const addresses = Object.entries(outputs)
    .filter(([output]) => /^(service|function)_.+_url$/.test(output))
    .map(([, value]) => String(value))
    // One word each, and none that ends the shell's.
    .filter((value) => /^https?:\/\/[^\s']+$/.test(value));
  writeFileSync(join(folder, ADDRESSES_FILE), `export ${PREVIEW_ADDRESSES}='${addresses.join(" ")}'\n`);
}

/** @throws UserError where they are not what the command takes */
function argumentsOf(args: string[]): { name: string; folder: string; mode: "release" | "back" | "stands" } {
  try {
    const { values, positionals } = parseArgs({
      args,
      options: { back: { type: "string" }, stands: { type: "string" } },
      allowPositionals: true,
    });
    const [name, folder = "release", ...others] = positionals;
    const { back, stands } = values;
    const earlier = back ?? stands;
    const isOne = earlier === undefined || (positionals.length === 1 && !(back && stands));
    if (name && !others.length && isOne) {
      const mode = back !== undefined ? "back" : stands !== undefined ? "stands" : "release";
      return { name, folder: resolve(earlier ?? folder), mode };
    }
  } catch {
    // Told below, as all that is wrong with them.
  }
  throw new UserError(
    "Name an environment, and a folder for what was done: npm run release -- dev release. The way back: npm run release -- dev --back release. Whether it stands: npm run release -- dev --stands release",
  );
}

/** Aborted when the command is told to end, as CodeBuild does when somebody stops a build. */
function interruption(): AbortSignal {
  const controller = new AbortController();
  // npm passes on what the terminal sent already: it may come twice.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => controller.abort());
  return controller.signal;
}
