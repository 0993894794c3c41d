import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Stack } from "../../../tools/deployer/stack";
import { FakeS3 } from "../../support/fake-s3";
import { FakeTerraform } from "../../support/fake-terraform";

let s3: FakeS3;
/** Of another account's, at another endpoint. */
let elsewhere: FakeS3;
let folder: string;
let terraform: FakeTerraform;
const environment = { ...process.env };
beforeEach(async () => {
  [s3, elsewhere] = [new FakeS3(), new FakeS3()];
  const endpoint = await s3.start();
  folder = mkdtempSync(join(tmpdir(), "slipway-outputs-"));
  terraform = new FakeTerraform(folder);
  synthesize({ s3: { bucket: "state", region: "eu-west-1", key: "dev" } });
  Object.assign(process.env, {
    AWS_ENDPOINT_URL: endpoint,
    AWS_ACCESS_KEY_ID: "local",
    AWS_SECRET_ACCESS_KEY: "local",
    PATH: `${terraform.bin}:${process.env.PATH}`,
  });
});
afterEach(() => {
  s3.stop();
  elsewhere.stop();
  process.env = { ...environment };
  rmSync(folder, { recursive: true });
});

const synthesize = (backend: object) =>
  writeFileSync(join(folder, "cdk.tf.json"), JSON.stringify({ terraform: { backend } }));

test("are what the state says, without those that are sensitive, and without Terraform", async () => {
  s3.putState("dev", 1, "of dev", {
    address: { value: "https://example.com/", type: "string" },
    groups: { value: [{ name: "web" }], type: ["list", ["object", { name: "string" }]] },
    password: { value: "hunter2", type: "string", sensitive: true },
  });
  expect(await new Stack(folder).outputs()).toEqual({
    values: { address: "https://example.com/", groups: [{ name: "web" }] },
  });
  expect(terraform.asked).toEqual([]);
});

test("are none where the state has none", async () => {
  s3.putState("dev", 1);
  expect(await new Stack(folder).outputs()).toEqual({ values: {} });
});

test.each<[string, () => void]>([
  ["nothing is deployed", () => {}],
  ["the state may not be read, or is of another format", () => s3.objects.set("state/dev", "{}")],
  [
    "it is encrypted by OpenTofu",
    () => s3.objects.set("state/dev", '{"serial": 1, "lineage": "x", "meta": {}, "encrypted_data": "eA=="}'),
  ],
  ["it lies in no bucket", () => synthesize({ local: { path: "terraform.tfstate" } })],
  [
    "it is another workspace's",
    () => {
      s3.putState("dev", 1, "of dev", { address: { value: "elsewhere", type: "string" } });
      process.env.TF_WORKSPACE = "other";
    },
  ],
])("are what Terraform says where %s", async (_, prepare) => {
  prepare();
  terraform.fails("output", "Error: so Terraform says");
  expect(await new Stack(folder).outputs()).toEqual({ failure: "Error: so Terraform says" });
});

test("are asked for where the stack's commands lead, and never of the caller's own AWS", async () => {
  const env = {
    AWS_ENDPOINT_URL: await elsewhere.start(),
    AWS_ACCESS_KEY_ID: "other",
    AWS_SECRET_ACCESS_KEY: "other",
    TF_WORKSPACE: undefined,
  };
  process.env.TF_WORKSPACE = "the caller's";
  elsewhere.putState("dev", 1, "of dev", { address: { value: "there", type: "string" } });
  expect(await new Stack(folder, { env }).outputs()).toEqual({ values: { address: "there" } });
  elsewhere.objects.clear();
  terraform.fails("output", "Error: so Terraform says");
  expect(await new Stack(folder, { env }).outputs()).toEqual({ failure: "Error: so Terraform says" });
  expect([s3.questions, elsewhere.questions]).toEqual([0, 2]);
});

describe("resources", () => {
  test("are those of the state, each instance, without Terraform", async () => {
    const of = (type: string, name: string, more: object = {}) => ({
      mode: "managed",
      type,
      name,
      instances: [{}],
      ...more,
    });
    const resources = [
      of("aws_vpc", "network"),
      of("aws_subnet", "network", { instances: [{ index_key: 0 }, { index_key: 1 }] }),
      of("aws_eip", "nat", { module: 'module.zone["a"]', instances: [{ index_key: "x.y" }] }),
      of("aws_region", "here", { mode: "data" }),
      of("aws_sqs_queue", "gone", { instances: [] }),
    ];
    s3.objects.set("state/dev", JSON.stringify({ version: 4, resources }));
    expect(await new Stack(folder).resources()).toEqual([
      "aws_vpc.network",
      "aws_subnet.network[0]",
      "aws_subnet.network[1]",
      'module.zone["a"].aws_eip.nat["x.y"]',
      "data.aws_region.here",
    ]);
    expect(terraform.asked).toEqual([]);
  });

  test("are those that Terraform lists, or it says why not, where the state is of another format", async () => {
    s3.objects.set("state/dev", '{"version": 5}');
    terraform.fails("state", "Error: so Terraform says");
    await expect(new Stack(folder).resources()).rejects.toThrow("so Terraform says");
    expect(terraform.asked.map((one) => one.split(": ")[1])).toEqual(["init", "state"]);
  });
});
