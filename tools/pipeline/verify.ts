import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { EnvironmentSettings, Settings } from "../../settings";
import { verifyRoleArn } from "../../shared/names";
import { run } from "../cdktf";
import { projectRoot, runCommand, UserError } from "../project";
import { takeOnRole } from "../role";
import { howToDeploy, readEnvironment, readOutputs } from "./environment";

/**
 * `npm run verify -- ENVIRONMENT`: runs the acceptance tests (`__tests__/acceptance/environment/*.check.ts`) against
 * what is deployed, with a role that may call the environment's functions and nothing else.
 */
runCommand(async () => {
  const [name, ...others] = process.argv.slice(2);
  if (!name || others.length) throw new UserError("Name an environment: npm run verify -- dev");
  const { settings, environment, folder } = await readEnvironment(name);
  const outputs = await readOutputs(name, folder);
  if (!Object.keys(outputs).length)
    throw new UserError(`${name} has put out nothing. ${howToDeploy(environment)}`);
  const file = resolve(".slipway/outputs", `${name}.json`);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify({ settings: environment, outputs }, undefined, 2)}\n`);
  const { exitCode } = await run(
    "jest",
    ["--selectProjects=acceptance", "--ci", "--reporters=default", "--reporters=jest-junit"],
    {
      cwd: projectRoot(),
      env: {
        ...(await asVerifier(settings, environment)),
        SLIPWAY_ENVIRONMENT: name,
        SLIPWAY_OUTPUTS: file,
        JEST_JUNIT_OUTPUT_DIR: resolve(".slipway/reports"),
        JEST_JUNIT_OUTPUT_NAME: "acceptance.xml",
      },
    },
  );
  return exitCode;
});

/** The environment's role for its tests, as AWS clients take it. @throws UserError where it cannot be taken on */
async function asVerifier(
  settings: Settings,
  environment: EnvironmentSettings,
): Promise<Record<string, string | undefined>> {
  const { accessKeyId, secretAccessKey, sessionToken } = await takeOnRole({
    settings,
    environment,
    role: verifyRoleArn(settings, environment),
    session: "slipway-verify",
  });
  return {
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_SESSION_TOKEN: sessionToken,
    AWS_REGION: environment.region,
    // It would come first.
    AWS_PROFILE: undefined,
  };
}
