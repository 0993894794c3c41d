import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { AssumeRoleCommand, STSClient } from "@aws-sdk/client-sts";
import type { EnvironmentSettings, Settings } from "../../settings";
import { verifyRoleArn } from "../../shared/names";
import { run } from "../cdktf";
import { projectRoot, runCommand, UserError } from "../project";
import { Stack } from "../stack";
import { readEnvironment } from "./environment";

/**
 * `npm run verify -- ENVIRONMENT`: runs the acceptance tests (`__tests__/acceptance/environment/*.check.ts`) against
 * what is deployed, with a role that may call the environment's functions and nothing else.
 */
runCommand(async () => {
  const [name, ...others] = process.argv.slice(2);
  if (!name || others.length) throw new UserError("Name an environment: npm run verify -- dev");
  const { settings, environment, folder } = await readEnvironment(name);
  const { values: outputs, failure } = await new Stack(folder).outputs();
  if (!outputs) throw new UserError(`What ${name} put out cannot be read.\n${failure}`);
  if (!Object.keys(outputs).length)
    throw new UserError(`${name} has put out nothing: deploy it first, with npx cdktf deploy ${name}`);
  const file = resolve(".slipway/outputs", `${name}.json`);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify({ settings: environment, outputs }, undefined, 2)}\n`);
  const { exitCode } = await run(
    "jest",
    ["--selectProjects=acceptance", "--ci", "--reporters=default", "--reporters=jest-junit"],
    {
      cwd: projectRoot(),
      env: {
        ...(await takeOn(settings, environment)),
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
async function takeOn(
  settings: Settings,
  environment: EnvironmentSettings,
): Promise<Record<string, string | undefined>> {
  const { name, region } = environment;
  const role = verifyRoleArn(settings, environment);
  const { Credentials: credentials } = await new STSClient({ region })
    .send(new AssumeRoleCommand({ RoleArn: role, RoleSessionName: "slipway-verify" }))
    .catch((error: Error) => {
      throw new UserError(
        `The role ${role} cannot be taken on (${error.name}: ${error.message}). It takes credentials of the build account ${settings.account}, and is made by access-${name}: npx cdktf deploy access-${name}`,
      );
    });
  return {
    AWS_ACCESS_KEY_ID: credentials?.AccessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials?.SecretAccessKey,
    AWS_SESSION_TOKEN: credentials?.SessionToken,
    AWS_REGION: region,
    // It would come first.
    AWS_PROFILE: undefined,
  };
}
