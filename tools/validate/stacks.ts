import { cpSync, existsSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { execa } from "execa";
import { UserError } from "../project";
import { terraformEnvironment, withoutFrame } from "../toolchain";
import { PROVIDER, PROVIDER_VERSION } from "../toolchain/mirror";
import { type Diagnostic, diagnosticsOfInit, isError, words } from "./diagnostics";
import { installedPrograms, mirroredPrograms, type SharedProviders, startProviders } from "./providers";

/** What Terraform and its providers say of a stack. */
export interface Verdict {
  readonly stack: string;
  readonly isValid: boolean;
  /** Its errors and warnings, in Terraform's words, each with its place. */
  readonly words: readonly string[];
}

/**
 * Has Terraform and its providers look at synthesized stacks, as `terraform init` and `validate` in each would, in a
 * small part of the time: as modules of one configuration, for which the schema of the provider is read once, and by
 * one provider, where Terraform starts one for each stack. Needs no account, and leaves the folders as they are.
 *
 * @param folders of the stacks, each named as its stack, with `cdk.tf.json` and `assets`
 * @param signal ends it early
 * @returns one for each folder, in their order
 * @throws UserError where Terraform cannot be started, or fails at what belongs to no stack, such as fetching a provider
 */
export async function validateStacks(folders: readonly string[], signal?: AbortSignal): Promise<Verdict[]> {
  const env = {
    ...(await terraformEnvironment()),
    // The caller's would be shared by validations that run beside each other.
    TF_DATA_DIR: undefined,
  };
  const root = realpathSync(mkdtempSync(join(tmpdir(), "slipway-validate-")));
  const validation = new Validation(root, env, signal);
  try {
    const stacks = folders.map((folder) => validation.add(folder));
    const verdicts = new Map((await validation.judge(stacks)).map((verdict) => [verdict.stack, verdict]));
    return stacks.map(({ name }) => verdicts.get(name)!);
  } finally {
    await validation.end();
    rmSync(root, { recursive: true, force: true });
  }
}

interface Stack {
  readonly name: string;
  readonly variables: readonly string[];
  /** Whether it has what Terraform looks at, or allows, in a configuration that is no module alone. */
  readonly isRootOnly: boolean;
  /** Whether it asks for no provider but the mirror's. */
  readonly isPinned: boolean;
}

class Validation {
  private providers: SharedProviders | undefined;

  constructor(
    private readonly root: string,
    private readonly env: Readonly<Record<string, string | undefined>>,
    private readonly signal: AbortSignal | undefined,
  ) {}

  /** A copy, beside which Terraform may write. */
  add(folder: string): Stack {
    const name = basename(folder);
    cpSync(folder, this.folderOf(name), { recursive: true });
    // Paths of files start at the root also in modules. Those of assets hold a hash: what has one path is the same.
    const assets = join(folder, "assets");
    if (existsSync(assets)) cpSync(assets, join(this.root, "assets"), { recursive: true });
    const text = readFileSync(join(folder, "cdk.tf.json"), "utf8");
    const { variable = {}, output = {}, import: imports, terraform } = JSON.parse(text) as Configuration;
    const isRootOnly =
      imports !== undefined ||
      Object.values(output).some(({ ephemeral }) => ephemeral) ||
      Object.values(variable).some(({ sensitive }) => sensitive) ||
      text.includes("sensitive(");
    const isPinned = Object.values(terraform?.required_providers ?? {}).every(
      ({ source, version }) => AWS.includes(source) && version === PROVIDER_VERSION,
    );
    return { name, variables: Object.keys(variable), isRootOnly, isPinned };
  }

  async judge(stacks: readonly Stack[]): Promise<Verdict[]> {
    // Nobody asks a provider that runs already for its version.
    if (stacks.every(({ isPinned }) => isPinned)) {
      const programs = mirroredPrograms();
      if (programs.size) this.providers = await startProviders(programs, this.root, this.signal);
    }
    const modules = stacks.filter(({ isRootOnly }) => !isRootOnly);
    return [...(await this.together(modules)), ...(await this.oneByOne(stacks.filter((s) => s.isRootOnly)))];
  }

  async end(): Promise<void> {
    await this.providers?.stop();
  }

  private folderOf = (stack: string) => join(this.root, "stacks", stack);

  private async together(stacks: readonly Stack[]): Promise<Verdict[]> {
    if (stacks.length === 0) return [];
    writeFileSync(join(this.root, "main.tf.json"), JSON.stringify(merged(stacks)));
    const found = (await this.look(this.root)).filter((one) => !isOfMerging(one));
    // Such as a circle of references. Found in a stack alone, it is that stack's.
    if (found.some((one) => isError(one) && ownerOf(one) === undefined)) return this.oneByOne(stacks);
    const verdicts = stacks.map(({ name }) => {
      const own = found.filter((one) => ownerOf(one) === name);
      return verdictOf(
        name,
        own.map((one) => withoutModule(one, name)),
      );
    });
    const invalid = verdicts.filter(({ isValid }) => !isValid);
    if (invalid.length === 0) return verdicts;
    // What Terraform stops at in one stack may keep it from another.
    const others = stacks.filter(({ name }) => !invalid.some(({ stack }) => stack === name));
    return [...invalid, ...(await this.together(others))];
  }

  private async oneByOne(stacks: readonly Stack[]): Promise<Verdict[]> {
    const verdicts: Verdict[] = [];
    for (const { name } of stacks) verdicts.push(verdictOf(name, await this.look(this.folderOf(name))));
    return verdicts;
  }

  private async look(cwd: string): Promise<Diagnostic[]> {
    const init = await this.run(cwd, "init", "-backend=false", "-input=false", "-json");
    if (init.failed) {
      const errors = diagnosticsOfInit(init.stdout).filter(isError);
      // Before what it finds in files, some say that they have found something.
      const inFiles = errors.filter(({ range }) => range);
      if (inFiles.length) return inFiles;
      const told = errors.map(words).join("\n\n") || withoutFrame(init.stderr || init.stdout);
      throw new UserError(`Terraform cannot be initialized:\n${told}`);
    }
    this.providers ??= await startProviders(installedPrograms(cwd), this.root, this.signal);
    const { stdout, stderr } = await this.run(cwd, "validate", "-json");
    if (!this.providers.areRunning()) {
      await this.providers.stop();
      this.providers = NO_PROVIDERS;
      return this.look(cwd);
    }
    try {
      return (JSON.parse(stdout) as { diagnostics: Diagnostic[] }).diagnostics;
    } catch {
      throw new UserError(`Terraform gives no verdict:\n${withoutFrame(stderr || stdout)}`);
    }
  }

  private async run(cwd: string, ...args: string[]) {
    const result = await execa(this.env.TERRAFORM_BINARY_NAME!, args, {
      cwd,
      env: { ...this.env, ...this.providers?.environment },
      stdin: "ignore",
      reject: false,
      cancelSignal: this.signal,
    });
    if (this.signal?.aborted) throw new UserError("Stopped: no verdict.");
    if (result.exitCode === undefined)
      throw new UserError(`terraform ${args[0]} did not come to its end: ${result.shortMessage}`);
    return result;
  }
}

/** Of cdk.tf.json, what matters here. */
interface Configuration {
  readonly variable?: Readonly<Record<string, { readonly sensitive?: boolean }>>;
  readonly output?: Readonly<Record<string, { readonly ephemeral?: boolean }>>;
  readonly import?: unknown;
  readonly terraform?: {
    readonly required_providers?: Readonly<
      Record<string, { readonly source: string; readonly version?: string }>
    >;
  };
}

/** The ways to name the AWS provider. */
const AWS: readonly string[] = ["aws", "hashicorp/aws", PROVIDER];

const NO_PROVIDERS: SharedProviders = { environment: {}, areRunning: () => true, async stop() {} };

/**
 * A configuration whose modules are the stacks. What their variables are is not known in it, as it is not where a stack
 * is validated alone: a module would get the defaults.
 */
const merged = (stacks: readonly Stack[]) => ({
  variable: { unknown: { type: "any" } },
  module: Object.fromEntries(
    stacks.map(({ name, variables }) => [
      name,
      {
        source: `./stacks/${name}`,
        ...Object.fromEntries(variables.map((variable) => [variable, `\${var.unknown}`])),
      },
    ]),
  ),
});

/** The backend of a stack plays no part in a module, and Terraform says so. */
const isOfMerging = ({ severity, summary }: Diagnostic) =>
  severity === "warning" && summary === "Backend configuration ignored";

const ownerOf = ({ range, address }: Diagnostic) =>
  /^stacks[\\/]([^\\/]+)[\\/]/.exec(range?.filename ?? "")?.[1] ??
  /^module\.([^.[]+)/.exec(address ?? "")?.[1];

const withoutModule = (diagnostic: Diagnostic, stack: string): Diagnostic => ({
  ...diagnostic,
  address: diagnostic.address?.replace(`module.${stack}.`, ""),
});

const verdictOf = (stack: string, found: readonly Diagnostic[]): Verdict => ({
  stack,
  isValid: !found.some(isError),
  words: found.map(words),
});
