import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { Initialization } from "../../../tools/deployer/initialization";

const PROVIDER = ".terraform/providers/registry.terraform.io/hashicorp/aws/5.100.0/linux_amd64";
const BACKEND = ".terraform/terraform.tfstate";

const S3 = { bucket: "state", region: "eu-west-1", use_lockfile: true };
const AWS = { required_providers: { aws: { source: "aws", version: "5.100.0" } } };
const settings = (key: string, more: object = {}) => ({ ...AWS, backend: { s3: { ...S3, key } }, ...more });

let root: string;
/** Folders in which Terraform was run. */
let inits: string[];
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "slipway-initialization-"));
  inits = [];
});
afterEach(() => {
  for (const name of ["TF_DATA_DIR", "TF_CLI_ARGS", "TF_CLI_ARGS_init"]) delete process.env[name];
  rmSync(root, { recursive: true, force: true });
});

const write = (file: string, content: string) => {
  mkdirSync(join(root, file, ".."), { recursive: true });
  writeFileSync(join(root, file), content);
};

/** A synthesized stack. @returns its folder */
function stack(name: string, terraform: object = settings(`${name}.tfstate`), more: object = {}): string {
  write(`${name}/cdk.tf.json`, JSON.stringify({ terraform, ...more }));
  return join(root, name);
}

const result = (exitCode: number) => ({ exitCode, output: "", stdout: "", stderr: "" });

/** What `terraform init` leaves. */
function terraformInit(folder: string): void {
  const name = folder.slice(root.length + 1);
  const { terraform } = JSON.parse(readFileSync(join(folder, "cdk.tf.json"), "utf8"));
  if (terraform.required_providers) {
    write(`${name}/${PROVIDER}/terraform-provider-aws`, "a program");
    write(`${name}/.terraform.lock.hcl`, "the provider's sums");
  }
  if (terraform.backend?.s3) {
    const config = { ...terraform.backend.s3, profile: null };
    write(
      `${name}/${BACKEND}`,
      JSON.stringify({ version: 3, backend: { type: "s3", config, hash: 1234567890 } }),
    );
  }
}

const initialize = (initialization: Initialization, folder: string, { fails = false } = {}) =>
  initialization.of(folder, async () => {
    inits.push(folder.slice(root.length + 1));
    if (!fails) terraformInit(folder);
    return result(fails ? 1 : 0);
  });

async function initializeAll(...folders: string[]): Promise<void> {
  const initialization = new Initialization();
  for (const folder of folders) expect((await initialize(initialization, folder)).exitCode).toBe(0);
}

const backendOf = (folder: string) => JSON.parse(readFileSync(join(folder, BACKEND), "utf8")).backend;

test("runs Terraform once, and leaves each other stack its own state of the same bucket", async () => {
  const [first, second] = [stack("first"), stack("second")];
  await initializeAll(first, second);
  expect(inits).toEqual(["first"]);
  expect(backendOf(first).config.key).toBe("first.tfstate");
  expect(backendOf(second)).toMatchObject({
    type: "s3",
    config: { ...S3, key: "second.tfstate", profile: null },
  });
  expect(readFileSync(join(second, PROVIDER, "terraform-provider-aws"), "utf8")).toBe("a program");
  expect(readFileSync(join(second, ".terraform.lock.hcl"), "utf8")).toBe("the provider's sums");
});

test("leaves Terraform no sum of the first one's settings by which it would take the copy for its own unread", async () => {
  const [first, second] = [stack("first"), stack("second")];
  await initializeAll(first, second);
  expect(backendOf(second).hash).toBe(0);
});

test("takes what is initialized as it is, also for those that are not yet", async () => {
  await initializeAll(stack("first"));
  await initializeAll(stack("first"), stack("second"));
  await initializeAll(stack("first"), stack("second"));
  expect(inits).toEqual(["first"]);
});

test.each([
  [
    "another bucket",
    settings("second.tfstate", { backend: { s3: { ...S3, bucket: "other", key: "second.tfstate" } } }),
  ],
  [
    "another region",
    settings("second.tfstate", { backend: { s3: { ...S3, region: "us-east-1", key: "second.tfstate" } } }),
  ],
  [
    "a role of its own",
    settings("second.tfstate", { backend: { s3: { ...S3, role_arn: "arn", key: "second.tfstate" } } }),
  ],
  [
    "another provider",
    settings("second.tfstate", { required_providers: { aws: { source: "aws", version: "5.99.0" } } }),
  ],
  ["another version of Terraform", settings("second.tfstate", { required_version: ">= 1.12" })],
  ["its state in a file", { ...AWS, backend: { local: { path: "second.tfstate" } } }],
  ["no backend", AWS],
])("leaves a stack to Terraform that has %s", async (_, terraform) => {
  await initializeAll(stack("first"), stack("second", terraform));
  expect(inits).toEqual(["first", "second"]);
});

test("leaves stacks with modules to Terraform, that keeps those in the folder too", async () => {
  const module = { vpc: { source: "./vpc" } };
  await initializeAll(stack("first", settings("a"), { module }), stack("second", settings("b"), { module }));
  await initializeAll(join(root, "first"));
  expect(inits).toEqual(["first", "second", "first"]);
});

test.each([
  ["another key", () => stack("second", settings("moved.tfstate"))],
  [
    "another bucket",
    () =>
      stack("second", settings("x", { backend: { s3: { ...S3, bucket: "other", key: "second.tfstate" } } })),
  ],
])("leaves a stack to Terraform that was initialized with %s: its state lies there", async (_, change) => {
  await initializeAll(stack("first"), stack("second"));
  change();
  await initializeAll(stack("first"), join(root, "second"));
  expect(inits).toEqual(["first", "second"]);
});

test("leaves to Terraform what a plain Terraform has initialized", async () => {
  const [first, second] = [stack("first"), stack("second")];
  terraformInit(second);
  await initializeAll(first, second);
  expect(inits).toEqual(["first", "second"]);
});

test.each([
  "TF_DATA_DIR",
  "TF_CLI_ARGS",
  "TF_CLI_ARGS_init",
])("leaves all to Terraform where %s has a say in it", async (name) => {
  await initializeAll(stack("first"), stack("second"));
  process.env[name] = "something";
  await initializeAll(stack("first"), stack("second"));
  expect(inits).toEqual(["first", "first", "second"]);
});

test("gives the failure of the one whose init failed, and lets the next run its own", async () => {
  const initialization = new Initialization();
  const [first, second, third] = [stack("first"), stack("second"), stack("third")];
  expect((await initialize(initialization, first, { fails: true })).exitCode).toBe(1);
  expect((await initialize(initialization, second)).exitCode).toBe(0);
  expect((await initialize(initialization, third)).exitCode).toBe(0);
  expect(inits).toEqual(["first", "second"]);
  expect(existsSync(join(first, ".terraform"))).toBe(false);
});

test("goes on with the next where one cannot even be begun", async () => {
  const initialization = new Initialization();
  const broken = initialization.of(stack("first"), () => Promise.reject(new Error("no Terraform")));
  const next = initialize(initialization, stack("second"));
  await expect(broken).rejects.toThrow("no Terraform");
  expect((await next).exitCode).toBe(0);
});

test("copies nothing of a stack that Terraform left without providers", async () => {
  const backend = (key: string) => ({ backend: { s3: { ...S3, key } } });
  await initializeAll(stack("first", backend("first")), stack("second", backend("second")));
  expect(inits).toEqual(["first", "second"]);
});

test.each([PROVIDER, ".terraform.lock.hcl", BACKEND])("initializes again where %s has gone", async (file) => {
  const first = stack("first");
  await initializeAll(first);
  rmSync(join(first, file), { recursive: true });
  await initializeAll(first);
  expect(inits).toEqual(["first", "first"]);
});

test("does not take a folder for initialized that was copied from another's: the note of its settings differs", async () => {
  await initializeAll(stack("first"));
  cpSync(join(root, "first"), join(root, "second"), { recursive: true });
  await initializeAll(stack("second"));
  expect(inits).toEqual(["first", "second"]);
});

test("initializes one after the other: where Terraform unpacks a provider, it locks nothing", async () => {
  const initialization = new Initialization();
  let running = 0;
  const other = (name: string) => settings(name, { backend: { s3: { ...S3, bucket: name, key: "x" } } });
  const all = ["first", "second", "third"].map((name) =>
    initialization.of(stack(name, other(name)), async () => {
      expect(++running).toBe(1);
      await setImmediate();
      running--;
      inits.push(name);
      return result(0);
    }),
  );
  await Promise.all(all);
  expect(inits).toEqual(["first", "second", "third"]);
});
