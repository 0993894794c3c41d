import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ECSClient, ListTaskDefinitionsCommand, RegisterTaskDefinitionCommand } from "@aws-sdk/client-ecs";
import { CreateAliasCommand, CreateKeyCommand, KMSClient } from "@aws-sdk/client-kms";
import { ListBucketsCommand, ListObjectsV2Command, S3Client } from "@aws-sdk/client-s3";
import { ListTopicsCommand, SNSClient } from "@aws-sdk/client-sns";
import { execa } from "execa";
import { type LocalAws, startLocalAws } from "../../../tools/local-aws";
import { LocalClients } from "../../support/local-aws";
import { motoServer } from "../../support/moto";
import { temporaryProject } from "../../support/project";
import { ROOT } from "../../support/settings";
import { initializedTerraformIn } from "../../support/terraform";

jest.setTimeout(3 * 60_000);

const BUILD = "111111111111";
const DEV = "222222222222";
const PREVIEW = "pv-dev-login-3f9a2c";
/** Another than the state's: a trial may be anywhere. */
const REGION = "us-east-1";
const STATE = `hello-state-${BUILD}-eu-west-1`;
const FAMILY = `hello-${PREVIEW}-web`;

let aws: LocalAws;
let clients: LocalClients;
let scratch: string;
beforeAll(async () => {
  aws = await startLocalAws({ account: BUILD, motoServer: await motoServer() });
  clients = new LocalClients(aws.endpoint);
  scratch = mkdtempSync(join(tmpdir(), "slipway-real-teardown-"));
  await clients.createBucket(STATE);
  const kms = clients.of(KMSClient);
  const { KeyMetadata } = await kms.send(new CreateKeyCommand({}));
  await kms.send(new CreateAliasCommand({ AliasName: "alias/hello-state", TargetKeyId: KeyMetadata!.KeyId }));
});
afterAll(async () => {
  clients?.destroy();
  await aws?.stop();
  rmSync(scratch, { recursive: true, force: true });
});

const container = (image: string) => ({ name: "web", image, memory: 128 });

/** What a branch's pipeline has deployed, by a configuration that is not there any more. */
async function deploy(): Promise<void> {
  const folder = join(scratch, "deployed");
  mkdirSync(folder);
  writeFileSync(
    join(folder, "main.tf.json"),
    JSON.stringify({
      terraform: {
        required_providers: { aws: { source: "hashicorp/aws", version: "5.100.0" } },
        backend: {
          s3: {
            bucket: STATE,
            key: `${PREVIEW}.tfstate`,
            region: "eu-west-1",
            use_lockfile: true,
            use_path_style: true,
          },
        },
      },
      provider: {
        aws: {
          region: REGION,
          assume_role: { role_arn: `arn:aws:iam::${DEV}:role/hello-pv-dev-deploy`, session_name: "slipway" },
          s3_use_path_style: true,
        },
      },
      resource: {
        aws_sns_topic: { alarms: { name: `hello-${PREVIEW}-alarms` } },
        aws_s3_bucket: { logs: { bucket: `hello-${PREVIEW}-logs`, force_destroy: true } },
        aws_s3_object: {
          log: {
            bucket: `hello-${PREVIEW}-logs`,
            key: "log",
            content: "a line",
            depends_on: ["aws_s3_bucket.logs"],
          },
        },
        aws_ecs_task_definition: {
          web: { family: FAMILY, container_definitions: JSON.stringify([container("first")]) },
        },
      },
    }),
  );
  const terraform = await initializedTerraformIn(folder, aws.endpoint);
  await terraform("apply", "-auto-approve");
}

const teardown = () =>
  execa(process.execPath, [join(ROOT, "tools/run.mjs"), "tools/previews/teardown.ts", PREVIEW], {
    cwd: temporaryProject(),
    reject: false,
    env: { AWS_ENDPOINT_URL: aws.endpoint, AWS_ACCESS_KEY_ID: "local", AWS_SECRET_ACCESS_KEY: "local" },
  });

test("leaves nothing of what was deployed and released, wherever it is, without the code that it was deployed by", async () => {
  await deploy();
  const dev = await clients.as(DEV, "hello-pv-dev-deploy");
  const there = { region: REGION };
  const ecs = dev.of(ECSClient, there);
  await ecs.send(
    new RegisterTaskDefinitionCommand({ family: FAMILY, containerDefinitions: [container("second")] }),
  );
  const left = async () => ({
    topics: (await dev.of(SNSClient, there).send(new ListTopicsCommand({}))).Topics?.length,
    buckets: (await dev.of(S3Client, there).send(new ListBucketsCommand({}))).Buckets?.length ?? 0,
    taskDefinitions: (await ecs.send(new ListTaskDefinitionsCommand({}))).taskDefinitionArns?.length,
    state: (await clients.of(S3Client).send(new ListObjectsV2Command({ Bucket: STATE }))).KeyCount,
  });
  expect(await left()).toEqual({ topics: 1, buckets: 1, taskDefinitions: 2, state: 1 });

  const { exitCode, stdout, stderr } = await teardown();
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  expect(stdout).toMatch(new RegExp(`^Destroys 4 resources of ${PREVIEW} in ${REGION}\\.`));
  expect(await left()).toEqual({ topics: 0, buckets: 0, taskDefinitions: 0, state: 0 });

  // What is torn down twice, as each event may come twice, is well.
  expect(await teardown()).toMatchObject({ exitCode: 0, stdout: `There is nothing of ${PREVIEW}.` });
});
