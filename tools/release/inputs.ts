import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { EnvironmentSettings, Settings } from "../../settings";
import { IMAGES_VARIABLE, type Releases } from "../../shared/releases";
import { Repository } from "../images/repository";
import { howToDeploy } from "../pipeline/environment";
import { UserError } from "../project";

const group = {
  application: z.string(),
  group: z.string(),
  check: z.string(),
  alarms: z.array(z.string()),
};
const releasesSchema = z.object({
  cluster: z.string(),
  services: z.record(
    z.string(),
    z
      .object({
        ...group,
        service: z.string(),
        taskDefinition: z.looseObject({
          family: z.string(),
          containerDefinitions: z.array(z.looseObject({ name: z.string() })),
        }),
        container: z.string(),
        port: z.number(),
        subnets: z.array(z.string()),
        securityGroups: z.array(z.string()),
      })
      .refine(({ container, taskDefinition }) =>
        taskDefinition.containerDefinitions.some(({ name }) => name === container),
      ),
  ),
  functions: z.record(z.string(), z.object({ ...group, function: z.string(), alias: z.string() })),
});

/**
 * What an environment's stack put out for its releases.
 *
 * @param outputs of the stack, by name
 * @throws UserError where it put out none, or one that this version of the project does not know
 */
export function readReleases(
  environment: Pick<EnvironmentSettings, "name" | "preview">,
  outputs: Readonly<Record<string, unknown>>,
): Releases {
  const { name } = environment;
  const { releases } = outputs;
  if (releases === undefined)
    throw new UserError(
      `${name} has put out nothing to release by (the output "releases"): it is not deployed, or was before it could be released. ${howToDeploy(environment)}`,
    );
  try {
    return releasesSchema.parse(JSON.parse(String(releases)));
  } catch {
    throw new UserError(
      `The output "releases" of ${name} is not as this version of the project reads it: another one deployed it. ${howToDeploy(environment)}`,
    );
  }
}

/**
 * The commit that is released, as COMMIT names it; none where that is not set.
 *
 * @throws UserError where it is no commit
 */
export function readCommit({ COMMIT: commit }: NodeJS.ProcessEnv): string | undefined {
  if (!commit) return undefined;
  if (!/^[0-9a-f]{40}$/.test(commit))
    throw new UserError(
      `COMMIT is ${JSON.stringify(commit)}: it names what is released, by 40 hexadecimal digits, as git rev-parse HEAD prints them. By hand it need not be set. Nothing was released.`,
    );
  return commit;
}

/**
 * The images that services are released with, by the services' names.
 *
 * @param variables where IMAGES names them
 * @param environment that they are released in: those of previews are in repositories of their own
 * @throws UserError that tells all that are missing, or are of none of the services' own repositories by their digests
 */
export function readImages(
  settings: Settings,
  services: readonly string[],
  { [IMAGES_VARIABLE]: given = "" }: NodeJS.ProcessEnv,
  environment: Pick<EnvironmentSettings, "preview"> = {},
): Readonly<Record<string, string>> {
  const problems: string[] = [];
  const images = new Map<string, string>();
  const repositories = new Map(
    services.map((service) => [new Repository(settings, service, environment).uri, service]),
  );
  for (const image of given.split(/\s+/).filter(Boolean)) {
    const [, uri = "", digest] = /^([^@]+)@(sha256:[0-9a-f]{64})$/.exec(image) ?? [];
    const service = repositories.get(uri);
    if (!service || !digest)
      problems.push(`${JSON.stringify(image)} names no image of these services by its digest`);
    else if (images.has(service)) problems.push(`${service} has two images: one can be released`);
    else images.set(service, image);
  }
  for (const [uri, service] of repositories)
    if (!images.has(service)) problems.push(`the image of ${service} is missing: ${uri}@sha256:…`);
  if (problems.length)
    throw new UserError(
      `${IMAGES_VARIABLE} is ${given ? "not what is to be released" : "not set"}: it names the image of each service, with spaces between.\n${problems.map((problem) => `  ${problem}\n`).join("")}Nothing was released. npm run image -- SERVICE builds an image and leaves that name in the folder image.`,
    );
  return Object.fromEntries(images);
}

const stackSchema = z.object({
  resource: z.object({
    aws_lambda_function: z.record(
      z.string(),
      z.looseObject({ function_name: z.string(), filename: z.string() }),
    ),
  }),
});

/**
 * The archive of a function as it was synthesized.
 *
 * @param folder of the synthesized stack
 * @param name of the function in Lambda
 * @throws UserError where the stack has no such function
 */
export function readBundle(folder: string, name: string): Uint8Array {
  const stack = stackSchema.safeParse(JSON.parse(readFileSync(join(folder, "cdk.tf.json"), "utf8")));
  const functions = Object.values(stack.data?.resource.aws_lambda_function ?? {});
  const file = functions.find(({ function_name }) => function_name === name)?.filename;
  if (!file || !existsSync(join(folder, file)))
    throw new UserError(
      `The synthesized stack has no code of the function ${name}, which is deployed. Synthesize what was deployed: npm run synth. Nothing was released.`,
    );
  return readFileSync(join(folder, file));
}
