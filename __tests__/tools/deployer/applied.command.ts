import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AppliedStacks } from "../../../tools/deployer/applied";
import { FakeS3 } from "../../support/fake-s3";

let s3: FakeS3;
let endpoint: string;
let root: string;
const environment = { ...process.env };
beforeEach(async () => {
  s3 = new FakeS3();
  endpoint = await s3.start();
  root = mkdtempSync(join(tmpdir(), "slipway-applied-"));
  Object.assign(process.env, {
    AWS_ENDPOINT_URL: endpoint,
    AWS_ACCESS_KEY_ID: "local",
    AWS_SECRET_ACCESS_KEY: "local",
  });
});
afterEach(() => {
  s3.stop();
  process.env = { ...environment };
  rmSync(root, { recursive: true, force: true });
});

const write = (file: string, content: string) => {
  mkdirSync(join(root, file, ".."), { recursive: true });
  writeFileSync(join(root, file), content);
};

const S3 = { bucket: "state", region: "eu-west-1" };

/** A stack of which there is a state. */
function stack(
  name: string,
  foundations: readonly string[] = [],
  backend: object = { s3: { ...S3, key: name } },
) {
  write(`${name}/cdk.tf.json`, JSON.stringify({ terraform: { backend }, resource: { aws_sqs_queue: {} } }));
  write(`${name}/.terraform.lock.hcl`, "aws 5.100.0");
  s3.putState(name, 7);
  return { folder: join(root, name), foundations: foundations.map((other) => join(root, other)) };
}
type Stack = ReturnType<typeof stack>;

const remembered = (terraform = "1.11.4") => new AppliedStacks(join(root, "applied"), terraform);

/** As a deploy does it. */
async function apply(one: Stack, { meanwhile = () => {} } = {}): Promise<void> {
  const basis = await remembered().basis(one);
  remembered().forget(one.folder);
  meanwhile();
  if (basis) await remembered().remember(one, basis);
}

const set = (name: string, value: string) => () => {
  process.env[name] = value;
};

test("knows since when a stack is applied as it is now, in another process as well", async () => {
  const base = stack("base");
  const before = Date.now();
  await apply(base);
  const since = await remembered().when(base);
  expect(since!.getTime()).toBeGreaterThanOrEqual(before);
  expect(since!.getTime()).toBeLessThanOrEqual(Date.now());
});

test("knows nothing of a stack that was never applied from here, and asks nobody about it", async () => {
  expect(await remembered().when(stack("base"))).toBeUndefined();
  expect(s3.questions).toBe(0);
});

test.each<[string, () => void]>([
  [
    "its configuration",
    () =>
      write("base/cdk.tf.json", JSON.stringify({ terraform: { backend: { s3: { ...S3, key: "base" } } } })),
  ],
  ["a file of an asset", () => write("base/assets/function/1/index.js", "changed")],
  ["the name of a file", () => write("base/more.auto.tfvars", "")],
  ["the provider", () => write("base/.terraform.lock.hcl", "aws 5.101.0")],
  ["a variable", set("TF_VAR_image", "web:2")],
  ["switches", set("TF_CLI_ARGS_apply", "-refresh=false")],
  ["the workspace", set("TF_WORKSPACE", "other")],
  ["the workspace that is selected", () => write("base/.terraform/environment", "other")],
  ["the state, by an apply from elsewhere", () => s3.putState("base", 8)],
  ["the state, for another", () => s3.putState("base", 7, "another")],
  ["the state, which has gone", () => void s3.objects.clear()],
  ["the state, which nobody can read", () => void s3.objects.set("state/base", "encrypted")],
  ["the endpoint", set("AWS_ENDPOINT_URL", "http://127.0.0.1:9")],
])("does not take a stack for unchanged where there is a change of %s", async (_, change) => {
  const base = stack("base");
  write("base/assets/function/1/index.js", "as it was");
  await apply(base);
  change();
  expect(await remembered().when(base)).toBeUndefined();
});

test("does not take a stack for unchanged with another Terraform", async () => {
  const base = stack("base");
  await apply(base);
  expect(await remembered("1.12.0").when(base)).toBeUndefined();
});

test("does not take a stack for unchanged whose foundation was changed: what it reads of that is in no file", async () => {
  const base = stack("base");
  const above = stack("above", ["base"]);
  await apply(base);
  await apply(above);
  expect(await remembered().when(above)).toBeDefined();
  s3.putState("base", 8);
  expect(await remembered().when(above)).toBeUndefined();
});

test("remembers nothing of a stack whose foundation cannot be read", async () => {
  const above = stack("above", ["base"]);
  write(
    "base/cdk.tf.json",
    JSON.stringify({ terraform: { backend: { s3: { ...S3, key: "never deployed" } } } }),
  );
  await apply(above);
  expect(await remembered().when(above)).toBeUndefined();
});

test("does not count what Terraform itself keeps in the folder, nor a saved plan", async () => {
  const base = stack("base");
  await apply(base);
  for (const file of [".terraform/terraform.tfstate", "slipway.tfplan", ".terraform.tfstate.lock.info"])
    write(`base/${file}`, "new");
  expect(await remembered().when(base)).toBeDefined();
});

test.each<[string, () => void]>([
  [
    "another synth",
    () =>
      write("base/cdk.tf.json", JSON.stringify({ terraform: { backend: { s3: { ...S3, key: "base" } } } })),
  ],
  ["an apply of its foundation", () => s3.putState("ground", 8)],
])("remembers nothing where %s came between plan and end: that was not applied", async (_, meanwhile) => {
  stack("ground");
  const base = stack("base", ["ground"]);
  await apply(base, { meanwhile });
  expect(await remembered().when(base)).toBeUndefined();
});

test("forgets a stack that is being changed: whether it is as it was is not known any more", async () => {
  const base = stack("base");
  await apply(base);
  remembered().forget(base.folder);
  remembered().forget(base.folder);
  expect(await remembered().when(base)).toBeUndefined();
});

test.each([
  "",
  "{",
  "{}",
  '{"given":"x","lineage":"x","serial":7,"at":"2026-01-01T00:00:00Z"}',
])("takes a record that it cannot read for none: %j", async (content) => {
  const base = stack("base");
  await apply(base);
  for (const file of readdirSync(join(root, "applied"))) write(`applied/${file}`, content);
  expect(await remembered().when(base)).toBeUndefined();
});

test("remembers stacks of one name apart whose states lie in different buckets, as those of two accounts", async () => {
  const other = stack("base", [], { s3: { ...S3, bucket: "other", key: "base" } });
  s3.objects.set("other/base", s3.objects.get("state/base")!);
  await apply(other);
  const base = stack("base");
  expect(await remembered().when(base)).toBeUndefined();
  await apply(base);
  expect(await remembered().when(base)).toBeDefined();
  expect(readdirSync(join(root, "applied"))).toHaveLength(2);
});

test("remembers nothing of a stack whose state lies in no bucket", async () => {
  const local = stack("base", [], { local: { path: "terraform.tfstate" } });
  await apply(local);
  expect(await remembered().when(local)).toBeUndefined();
});
