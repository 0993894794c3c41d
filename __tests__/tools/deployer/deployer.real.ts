import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GetObjectCommand, ListObjectsV2Command, S3Client } from "@aws-sdk/client-s3";
import { AppliedStacks } from "../../../tools/deployer/applied";
import { Deployer, type DeployerProps } from "../../../tools/deployer/deployer";
import { readStacks, select } from "../../../tools/deployer/stacks";
import { type LocalAws, startLocalAws } from "../../../tools/local-aws";
import { terraform } from "../../../tools/toolchain";
import { LocalClients, region } from "../../support/local-aws";
import { motoServer } from "../../support/moto";
import { provideFor, terraformIn } from "../../support/terraform";

jest.setTimeout(3 * 60_000);

const ACCOUNT = "111111111111";
const BUCKET = `hello-state-${ACCOUNT}-${region}`;

let aws: LocalAws;
let clients: LocalClients;
let scratch: string;
let starts: string;
beforeAll(async () => {
  aws = await startLocalAws({ account: ACCOUNT, motoServer: await motoServer() });
  clients = new LocalClients(aws.endpoint);
  await clients.createBucket(BUCKET);
  scratch = mkdtempSync(join(tmpdir(), "slipway-real-deployer-"));
  starts = join(scratch, "starts");
  // Terraform, and a note of each start of it that works on a stack; with a provider that runs for the stack, if one does.
  // By another name: its folder comes first in PATH.
  const program = join(scratch, "noting-terraform");
  writeFileSync(
    program,
    `#!/bin/sh
stack=$(basename "$PWD")
[ "$1" = version ] || echo "$1 $stack" >> '${starts}'
if [ -e '${scratch}'/provider-of-"$stack" ]; then . '${scratch}'/provider-of-"$stack"; fi
exec '${(await terraform()).path}' "$@"
`,
  );
  chmodSync(program, 0o755);
  Object.assign(process.env, {
    TERRAFORM_BINARY_NAME: program,
    AWS_ENDPOINT_URL: aws.endpoint,
    AWS_ACCESS_KEY_ID: "local",
    AWS_SECRET_ACCESS_KEY: "local",
  });
  synthesize();
});
afterAll(async () => {
  clients?.destroy();
  await aws?.stop();
  rmSync(scratch, { recursive: true, force: true });
});

/** A parameter each; `above` reads that of `base` as it is made, and so cannot be made before it. */
function synthesize(): void {
  const STACKS = {
    above: {
      dependencies: ["base"],
      data: { aws_ssm_parameter: { read: { name: "/base" } } },
      // biome-ignore lint/suspicious/noTemplateCurlyInString: Terraform's
      value: "over ${data.aws_ssm_parameter.read.version}",
    },
    base: { dependencies: [], data: undefined, value: "first" },
    beside: { dependencies: [], data: undefined, value: "by itself" },
  };
  const stacks = Object.entries(STACKS).map(([name, { dependencies, data, value }]) => {
    const workingDirectory = `stacks/${name}`;
    mkdirSync(join(scratch, "cdktf.out", workingDirectory), { recursive: true });
    const backend = {
      bucket: BUCKET,
      key: `${name}.tfstate`,
      region,
      use_lockfile: true,
      use_path_style: true,
    };
    const configuration = {
      terraform: {
        required_providers: { aws: { source: "hashicorp/aws", version: "5.100.0" } },
        backend: { s3: backend },
      },
      provider: { aws: { region } },
      data,
      resource: { aws_ssm_parameter: { own: { name: `/${name}`, type: "String", value } } },
    };
    writeFileSync(join(scratch, "cdktf.out", workingDirectory, "cdk.tf.json"), JSON.stringify(configuration));
    return [name, { name, workingDirectory, dependencies }];
  });
  writeFileSync(
    join(scratch, "cdktf.out/manifest.json"),
    JSON.stringify({ stacks: Object.fromEntries(stacks) }),
  );
}

const folderOf = (stack: string) => join(scratch, "cdktf.out/stacks", stack);

/** Has each stack use a provider of its own, which runs on, instead of starting it anew. */
async function provide(): Promise<void> {
  for (const stack of ["above", "base", "beside"]) {
    const variables = Object.entries(await provideFor(folderOf(stack), aws.endpoint));
    const lines = variables.map(([name, value]) => `export ${name}='${value}'\n`);
    writeFileSync(join(scratch, `provider-of-${stack}`), lines.join(""));
  }
}

/** What Terraform was started for since this was asked last. */
function taken(): string[] {
  const lines = readFileSync(starts, { encoding: "utf8", flag: "a+" }).split("\n").filter(Boolean);
  writeFileSync(starts, "");
  return lines;
}

async function deploy(more: Partial<DeployerProps> = {}, ...patterns: string[]): Promise<string[]> {
  const deployer = new Deployer({
    stacks: select(readStacks(join(scratch, "cdktf.out")), patterns.length ? patterns : ["*"]),
    applied: new AppliedStacks(join(scratch, "applied"), "1.11.4"),
    onNews: () => {},
    ...more,
  });
  const results = await deployer.apply();
  return results.map(({ name, outcome, failure }) => `${name}: ${failure ?? outcome}`).sort();
}

const states = async (): Promise<Record<string, string[]>> => {
  const s3 = clients.of(S3Client);
  const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: BUCKET }));
  const found = Contents.map(async ({ Key }) => {
    const { Body } = await s3.send(new GetObjectCommand({ Bucket: BUCKET, Key }));
    const { resources } = JSON.parse(await Body!.transformToString());
    const managed = resources.filter(({ mode }: { mode: string }) => mode === "managed");
    return [
      Key,
      managed.map(
        ({ instances }: never) => (instances as [{ attributes: { name: string } }])[0].attributes.name,
      ),
    ];
  });
  return Object.fromEntries(await Promise.all(found));
};

test("applies all of them with one init, each into a state of its own, and after what it stands on", async () => {
  expect(await deploy()).toEqual(["above: applied", "base: applied", "beside: applied"]);
  const started = taken();
  expect(started.filter((line) => line.startsWith("init"))).toHaveLength(1);
  expect(started.indexOf("apply above")).toBeGreaterThan(started.indexOf("apply base"));
  // Nor is a lock left.
  expect(await states()).toEqual({
    "above.tfstate": ["/above"],
    "base.tfstate": ["/base"],
    "beside.tfstate": ["/beside"],
  });
});

test("leaves the folders that it copied to such that a plain Terraform finds the stack's own state, and nothing to do", async () => {
  for (const stack of ["above", "beside"]) {
    const plain = await terraformIn(folderOf(stack), aws.endpoint);
    const { exitCode } = await plain("plan", "-detailed-exitcode", "-lock=false");
    expect({ stack, exitCode }).toEqual({ stack, exitCode: 0 });
  }
});

test("skips what is unchanged without starting Terraform, and nothing whose state, or what it stands on, was changed from elsewhere", async () => {
  await provide();
  taken();
  expect(await deploy({ skipUnchanged: true })).toEqual([
    "above: skipped",
    "base: skipped",
    "beside: skipped",
  ]);
  expect(taken()).toEqual([]);
  const elsewhere = join(scratch, "elsewhere");
  cpSync(folderOf("base"), elsewhere, { recursive: true, verbatimSymlinks: true });
  const file = join(elsewhere, "cdk.tf.json");
  writeFileSync(file, readFileSync(file, "utf8").replace("first", "second"));
  const provided = await provideFor(elsewhere, aws.endpoint);
  await (await terraformIn(elsewhere, aws.endpoint, provided))("apply", "-auto-approve");
  expect(await deploy({ skipUnchanged: true })).toEqual([
    "above: applied",
    "base: applied",
    "beside: skipped",
  ]);
});

test("plans against a changed bucket never in silence: Terraform asks what shall become of the state", async () => {
  const file = join(folderOf("beside"), "cdk.tf.json");
  const before = readFileSync(file, "utf8");
  writeFileSync(file, before.replace(BUCKET, "another-bucket"));
  try {
    expect(await deploy({}, "beside")).toEqual([
      expect.stringMatching(/^beside: Error: Backend configuration changed/),
    ]);
  } finally {
    writeFileSync(file, before);
  }
});

test("takes all of it away in the other order", async () => {
  taken();
  expect(await deploy({ destroy: true })).toEqual(["above: applied", "base: applied", "beside: applied"]);
  const started = taken();
  expect(started.indexOf("destroy base")).toBeGreaterThan(started.indexOf("destroy above"));
  expect(await states()).toEqual({ "above.tfstate": [], "base.tfstate": [], "beside.tfstate": [] });
});
