import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type CommonServiceSettings, previewOfProcess, type Settings } from "../../settings";
import { IMAGE_ARTIFACT, IMAGE_VARIABLES } from "../../shared/names";
import { PREVIEW, previewImageTag } from "../../shared/previews";
import { checkCaller } from "../caller";
import { buildAndPush, checkDocker, type ImageBuild, withLogin } from "../images/docker";
import { Repository, type StoredImage } from "../images/repository";
import { projectRoot, runCommand, UserError } from "../project";
import { projectSettings } from "../settings";
import { ONLY_A_TEMPLATE } from "./environment";

/**
 * `npm run image -- SERVICE`: builds a service's image of the commit that COMMIT names, pushes it with that as its
 * tag, and leaves its digest in the folder `image`. What is there already is not built again: tags never change.
 * Where SLIPWAY_PREVIEW names a preview, the image is that one's: in a repository of previews, its tag with its name before.
 */
runCommand(async () => {
  const [name, ...others] = process.argv.slice(2);
  if (!name || others.length) throw new UserError("Name a service: npm run image -- web");
  const settings = await projectSettings();
  const { dockerfile } = serviceOf(settings, name);
  const commit = commitOf(process.env);
  if (process.env[PREVIEW.variable] === PREVIEW.unset) throw new UserError(ONLY_A_TEMPLATE);
  const { preview, name: environment = "" } = previewOfProcess(settings, process.env) ?? {};
  const tag = preview ? previewImageTag(environment, commit) : commit;
  const context = projectRoot();
  if (!existsSync(join(context, dockerfile)))
    throw new UserError(
      `There is no ${dockerfile} in ${context}, of which ${name} is to be built. Add it, or name another as services.${name}.dockerfile in terraform.tfvars.`,
    );
  await checkCaller(settings);
  const repository = new Repository(settings, name, { preview });
  const there = await repository.find(tag);
  if (there) console.log(`${name}: the image of ${commit} is there already; nothing is built.`);
  const image = there ?? (await build(repository, { context, dockerfile, commit, tag }));
  const uri = `${repository.uri}@${image.digest}`;
  const { folder, variables } = IMAGE_ARTIFACT;
  mkdirSync(folder, { recursive: true });
  const description = {
    service: name,
    repository: repository.uri,
    tag,
    digest: image.digest,
    uri,
  };
  writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(description, null, 2)}\n`);
  writeFileSync(join(folder, variables), `export ${IMAGE_VARIABLES[0]}='${uri}'\n`);
  console.log(`${name}: ${uri} (${(image.bytes / 1e6).toFixed(1)} MB)`);
  return 0;
});

/** @throws UserError where the settings have no such service */
function serviceOf({ services }: Settings, name: string): CommonServiceSettings {
  const service = Object.hasOwn(services, name) ? services[name] : undefined;
  if (!service)
    throw new UserError(
      `There is no service ${JSON.stringify(name)} in terraform.tfvars: it has ${Object.keys(services).join(", ") || "none"}.`,
    );
  return service;
}

/** @throws UserError where it is not given, or is no commit */
function commitOf({ COMMIT: commit = "" }: NodeJS.ProcessEnv): string {
  if (!/^[0-9a-f]{40}$/.test(commit))
    throw new UserError(
      `COMMIT is ${commit ? JSON.stringify(commit) : "not set"}: it names what is built, by 40 hexadecimal digits, as git rev-parse HEAD prints them.`,
    );
  return commit;
}

async function build(
  repository: Repository,
  source: Omit<ImageBuild, "repository" | "layersOf">,
): Promise<StoredImage> {
  const { commit, dockerfile, tag } = source;
  await checkDocker();
  const layersOf = await repository.newestTag();
  console.log(
    `Builds ${dockerfile} of ${commit}, ${layersOf ? `with the layers of ${layersOf}` : "with no layers of an image before it"}.`,
  );
  const login = { registry: repository.registry, password: await repository.password() };
  let digest: string;
  try {
    digest = await withLogin(login, (folder) =>
      buildAndPush({ ...source, repository: repository.uri, layersOf }, folder),
    );
  } catch (error) {
    // Pipelines of one branch build the same commit: the second push is refused, the first image does for both.
    const other = await repository.find(tag);
    if (!other) throw error;
    console.log(`Somebody else pushed the image of ${commit} meanwhile: that one is used.`);
    return other;
  }
  const pushed = await repository.find(tag);
  if (pushed?.digest !== digest)
    throw new UserError(
      `Docker says that it pushed ${digest}, and ${repository.uri}:${tag} is ${pushed?.digest ?? "not there"}. Neither is used: find out who else pushes there.`,
    );
  return pushed;
}
