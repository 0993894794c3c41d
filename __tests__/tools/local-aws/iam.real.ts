import { CloudWatchClient, DeleteAlarmsCommand, DescribeAlarmsCommand } from "@aws-sdk/client-cloudwatch";
import { CloudWatchLogsClient, CreateLogGroupCommand } from "@aws-sdk/client-cloudwatch-logs";
import { DescribeVpcsCommand, EC2Client } from "@aws-sdk/client-ec2";
import { ECSClient, RegisterTaskDefinitionCommand } from "@aws-sdk/client-ecs";
import { GetFunctionCommand, LambdaClient } from "@aws-sdk/client-lambda";
import {
  CreateBucketCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutBucketEncryptionCommand,
  PutBucketPolicyCommand,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import {
  CreateSecretCommand,
  GetSecretValueCommand,
  SecretsManagerClient,
} from "@aws-sdk/client-secrets-manager";
import {
  AssumeRoleCommand,
  type AssumeRoleCommandInput,
  GetCallerIdentityCommand,
  STSClient,
} from "@aws-sdk/client-sts";
import { type LocalAws, startLocalAws } from "../../../tools/local-aws";
import { serviceKey } from "../../../tools/local-aws/iam/service-key";
import { motoServer } from "../../support/moto";
import { authorization, BUILD, OTHER } from "./upstream";

jest.setTimeout(60_000);

const ADMIN = "OrganizationAccountAccessRole";
const REGION = "eu-west-1";
const PROD = `arn:aws:iam::${OTHER}:role`;

let aws: LocalAws;
let own: Credentials;
let prod: Credentials;
const log: string[] = [];

interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

type Statement = Readonly<Record<string, unknown>>;

const document = (...Statement: readonly Statement[]) => JSON.stringify({ Version: "2012-10-17", Statement });
const allow = (
  Action: string | string[],
  Resource: string | string[] = "*",
  more: Statement = {},
): Statement => ({
  Effect: "Allow",
  Action,
  Resource,
  ...more,
});
const trust = (Principal: Statement, more: Statement = {}): Statement => ({
  Effect: "Allow",
  Action: "sts:AssumeRole",
  Principal,
  ...more,
});
const root = (account: string) => ({ AWS: `arn:aws:iam::${account}:root` });

const config = (credentials: Credentials) => ({
  endpoint: aws.endpoint,
  region: REGION,
  credentials,
  maxAttempts: 1,
  forcePathStyle: true,
});

/** A query of IAM, for which no client is at hand. */
async function iam(
  credentials: Credentials,
  Action: string,
  fields: Record<string, string>,
): Promise<string> {
  const response = await fetch(aws.endpoint, {
    method: "POST",
    headers: { authorization: authorization("iam", credentials.accessKeyId) },
    body: new URLSearchParams({ Action, Version: "2010-05-08", ...fields }),
  });
  const text = await response.text();
  if (response.ok) return text;
  throw new Error(/<Message>([^<]*)</.exec(text)?.[1] ?? text);
}

async function role(
  by: Credentials,
  RoleName: string,
  who: Statement,
  statements: readonly Statement[],
  more: Record<string, string> = {},
): Promise<void> {
  await iam(by, "CreateRole", { RoleName, AssumeRolePolicyDocument: document(who), ...more });
  await grant(by, RoleName, ...statements);
}

async function grant(by: Credentials, RoleName: string, ...statements: readonly Statement[]): Promise<void> {
  if (!statements.length) return;
  await iam(by, "PutRolePolicy", { RoleName, PolicyName: "grants", PolicyDocument: document(...statements) });
}

async function assume(
  by: Credentials,
  arn: string,
  more: Partial<AssumeRoleCommandInput> = {},
): Promise<Credentials> {
  const command = new AssumeRoleCommand({ RoleArn: arn, RoleSessionName: "test", ...more });
  const { Credentials: given } = await new STSClient(config(by)).send(command);
  return {
    accessKeyId: given!.AccessKeyId!,
    secretAccessKey: given!.SecretAccessKey!,
    sessionToken: given!.SessionToken,
  };
}

/** Error of a request that must fail, and what it says. */
async function refusal(request: Promise<unknown>): Promise<string> {
  const error = await request.then(
    () => new Error("nothing was refused"),
    (refused: Error) => refused,
  );
  return `${error.name}: ${error.message}`;
}

beforeAll(async () => {
  aws = await startLocalAws({
    account: BUILD,
    motoServer: await motoServer(),
    enforceIam: true,
    log: (line) => log.push(line),
  });
  own = { accessKeyId: "local", secretAccessKey: "local" };
  prod = await assume(own, `${PROD}/${ADMIN}`);
});
afterAll(() => aws.stop());

test("the user's own credentials, and the administrator of a member account, may do everything", async () => {
  await new S3Client(config(own)).send(new CreateBucketCommand({ Bucket: "build-own" }));
  await new S3Client(config(prod)).send(new CreateBucketCommand({ Bucket: "prod-own" }));
  const { Arn } = await new STSClient(config(prod)).send(new GetCallerIdentityCommand({}));
  expect(Arn).toBe(`arn:aws:sts::${OTHER}:assumed-role/${ADMIN}/test`);
});

test("a role can do what it is granted, and no more, from the moment that it is", async () => {
  const bucket = "arn:aws:s3:::reader-bucket";
  await new S3Client(config(own)).send(new CreateBucketCommand({ Bucket: "reader-bucket" }));
  await role(own, "reader", trust(root(BUILD)), [allow("s3:PutObject", `${bucket}/in/*`)]);
  const s3 = new S3Client(config(await assume(own, `arn:aws:iam::${BUILD}:role/reader`)));
  const object = { Bucket: "reader-bucket", Key: "in/a b.txt" };
  await s3.send(new PutObjectCommand({ ...object, Body: "hello" }));
  const who = `AccessDenied: User: arn:aws:sts::${BUILD}:assumed-role/reader/test is not authorized to perform`;
  expect(await refusal(s3.send(new GetObjectCommand(object)))).toBe(
    `${who}: s3:GetObject on resource: ${bucket}/in/a b.txt because no identity-based policy allows the s3:GetObject action`,
  );
  expect(await refusal(s3.send(new PutObjectCommand({ ...object, Key: "out", Body: "x" })))).toContain(
    "s3:PutObject",
  );
  expect(await refusal(s3.send(new ListObjectsV2Command({ Bucket: "reader-bucket" })))).toContain(
    `s3:ListBucket on resource: ${bucket} because`,
  );
  const Delete = { Objects: [{ Key: "in/1" }, { Key: "in/&2" }] };
  const remove = new DeleteObjectsCommand({ Bucket: "reader-bucket", Delete });
  expect(await refusal(s3.send(remove))).toContain(`s3:DeleteObject on resource: ${bucket}/in/1`);

  await grant(
    own,
    "reader",
    allow("s3:GetObject", `${bucket}/*`),
    allow("s3:DeleteObject", `${bucket}/in/1`),
  );
  expect(await (await s3.send(new GetObjectCommand(object))).Body?.transformToString()).toBe("hello");
  expect(await refusal(s3.send(remove))).toContain(`s3:DeleteObject on resource: ${bucket}/in/&2`);
  // The key is told by the path, whatever it looks like.
  expect(await refusal(s3.send(new PutObjectCommand({ ...object, Body: "x" })))).toContain("s3:PutObject");

  await new S3Client(config(own)).send(
    new PutBucketPolicyCommand({
      Bucket: "reader-bucket",
      Policy: document({
        Effect: "Deny",
        Principal: "*",
        Action: "s3:*",
        Resource: [bucket, `${bucket}/*`],
        Condition: { ArnLike: { "aws:PrincipalArn": "arn:aws:iam::*:role/reader" } },
      }),
    }),
  );
  expect(await refusal(s3.send(new GetObjectCommand(object)))).toContain(
    "with an explicit deny in a resource-based policy",
  );
  await iam(own, "DeleteRolePolicy", { RoleName: "reader", PolicyName: "grants" });
  await new S3Client(config(own)).send(new GetObjectCommand(object));
});

describe("taking on a role", () => {
  beforeAll(async () => {
    await role(
      prod,
      "deploy",
      trust(root(BUILD), {
        Condition: { ArnLike: { "aws:PrincipalArn": `arn:aws:iam::${BUILD}:role/pipeline-*` } },
      }),
      [allow("ec2:DescribeVpcs")],
    );
    await role(own, "pipeline-a", trust(root(BUILD)), [allow("sts:AssumeRole", `${PROD}/deploy`)]);
    await role(own, "pipeline-b", trust(root(BUILD)), []);
    await role(own, "else", trust(root(BUILD)), [allow("sts:AssumeRole")]);
  });
  const ofBuild = (name: string) => assume(own, `arn:aws:iam::${BUILD}:role/${name}`);

  test("works across accounts where both let it, and gives that account's rights", async () => {
    const deploy = await assume(await ofBuild("pipeline-a"), `${PROD}/deploy`);
    await new EC2Client(config(deploy)).send(new DescribeVpcsCommand({}));
    const names = (credentials: Credentials) =>
      new STSClient(config(credentials)).send(new GetCallerIdentityCommand({}));
    expect((await names(deploy)).Arn).toBe(`arn:aws:sts::${OTHER}:assumed-role/deploy/test`);
  });

  test.each([
    ["the caller's own policies do not allow it", "pipeline-b", `${PROD}/deploy`],
    ["the trust does not let the caller in", "else", `${PROD}/deploy`],
    ["there is no such role", "else", `${PROD}/none`],
  ])("is refused where %s", async (_, caller, arn) => {
    expect(await refusal(ofBuild(caller).then((by) => assume(by, arn)))).toBe(
      `AccessDenied: User: arn:aws:sts::${BUILD}:assumed-role/${caller}/test is not authorized to perform: sts:AssumeRole on resource: ${arn}`,
    );
  });

  test("is refused to the user himself where the trust does not let him in", async () => {
    expect(await refusal(assume(own, `${PROD}/deploy`))).toContain(`User: arn:aws:iam::${BUILD}:root is not`);
    expect(await refusal(assume(own, `arn:aws:iam::${BUILD}:role/${ADMIN}`))).toContain("is not authorized");
  });

  test("wants the external id that the trust asks for", async () => {
    await role(
      prod,
      "guest",
      trust(root(BUILD), { Condition: { StringEquals: { "sts:ExternalId": "7" } } }),
      [],
    );
    expect(await refusal(assume(own, `${PROD}/guest`))).toContain("sts:AssumeRole");
    await assume(own, `${PROD}/guest`, { ExternalId: "7" });
  });

  test("is a service's only where the trust names it, for its own account", async () => {
    const Condition = { StringEquals: { "aws:SourceAccount": BUILD } };
    await role(own, "build", trust({ Service: "codebuild.amazonaws.com" }, { Condition }), []);
    const as = (service: string, account: string) =>
      assume(
        {
          accessKeyId: serviceKey(service, `arn:aws:codebuild:${REGION}:${account}:project/hello`),
          secretAccessKey: "local",
        },
        `arn:aws:iam::${BUILD}:role/build`,
      );
    await as("codebuild.amazonaws.com", BUILD);
    expect(await refusal(as("codebuild.amazonaws.com", OTHER))).toContain(
      "User: codebuild.amazonaws.com is not",
    );
    expect(await refusal(as("lambda.amazonaws.com", BUILD))).toContain("User: lambda.amazonaws.com is not");
    expect(await refusal(assume(own, `arn:aws:iam::${BUILD}:role/build`))).toContain("is not authorized");
  });

  test("gives no more than the session's policy lets through", async () => {
    const Policy = document(allow("ec2:DescribeSubnets"));
    const deploy = await assume(await ofBuild("pipeline-a"), `${PROD}/deploy`, { Policy });
    expect(await refusal(new EC2Client(config(deploy)).send(new DescribeVpcsCommand({})))).toMatch(
      /^UnauthorizedOperation: .*because no session policy allows the ec2:DescribeVpcs action$/,
    );
  });
});

test("a boundary limits what a role was granted, and a role can be made only with it", async () => {
  const boundary = `arn:aws:iam::${OTHER}:policy/cap`;
  await iam(prod, "CreatePolicy", { PolicyName: "cap", PolicyDocument: document(allow("logs:*")) });
  const more = { PermissionsBoundary: boundary };
  await role(prod, "capped", trust(root(BUILD)), [allow(["logs:CreateLogGroup", "ec2:DescribeVpcs"])], more);
  const capped = await assume(own, `${PROD}/capped`);
  await new CloudWatchLogsClient(config(capped)).send(new CreateLogGroupCommand({ logGroupName: "/hello" }));
  expect(await refusal(new EC2Client(config(capped)).send(new DescribeVpcsCommand({})))).toContain(
    "because no permissions boundary allows the ec2:DescribeVpcs action",
  );

  const Condition = { StringEquals: { "iam:PermissionsBoundary": boundary } };
  await role(prod, "maker", trust(root(BUILD)), [
    allow(["iam:CreateRole", "iam:PutRolePolicy"], `${PROD}/hello-*`, { Condition }),
  ]);
  const maker = await assume(own, `${PROD}/maker`);
  const granting = [allow("s3:*")];
  await role(maker, "hello-task", trust({ Service: "ecs-tasks.amazonaws.com" }), granting, more);
  const without = role(maker, "hello-other", trust({ Service: "ecs-tasks.amazonaws.com" }), []);
  expect(await refusal(without)).toContain(`iam:CreateRole on resource: ${PROD}/hello-other`);
  await role(prod, "hello-free", trust(root(OTHER)), []);
  expect(await refusal(grant(maker, "hello-free", ...granting))).toContain("iam:PutRolePolicy");
});

test("a role can be handed to a service only by who may pass it there", async () => {
  await role(prod, "releaser", trust(root(BUILD)), [
    allow("ecs:RegisterTaskDefinition"),
    allow("iam:PassRole", `${PROD}/web-*`, {
      Condition: { StringEquals: { "iam:PassedToService": "ecs-tasks.amazonaws.com" } },
    }),
  ]);
  const ecs = new ECSClient(config(await assume(own, `${PROD}/releaser`)));
  const register = (taskRoleArn: string) =>
    ecs.send(
      new RegisterTaskDefinitionCommand({
        family: "web",
        taskRoleArn,
        containerDefinitions: [{ name: "web", image: "node:22", memory: 128 }],
      }),
    );
  await register(`${PROD}/web-task`);
  expect(await refusal(register(`${PROD}/${ADMIN}`))).toBe(
    `AccessDeniedException: User: arn:aws:sts::${OTHER}:assumed-role/releaser/test is not authorized to perform: iam:PassRole on resource: ${PROD}/${ADMIN} because no identity-based policy allows the iam:PassRole action`,
  );
});

test("who reads what a key encrypts needs the key, too: by its policy, and by his own", async () => {
  const s3 = new S3Client(config(prod));
  const kms = async (target: string, input: object) => {
    const response = await fetch(aws.endpoint, {
      method: "POST",
      headers: {
        authorization: authorization("kms", prod.accessKeyId),
        "content-type": "application/x-amz-json-1.1",
        "x-amz-target": `TrentService.${target}`,
      },
      body: JSON.stringify(input),
    });
    expect(response.status).toBe(200);
    return (await response.json().catch(() => ({}))) as { KeyMetadata: { Arn: string } };
  };
  const handOn = { Sid: "account", Effect: "Allow", Principal: root(OTHER), Action: "kms:*", Resource: "*" };
  const { KeyMetadata } = await kms("CreateKey", { Policy: document(handOn) });
  await s3.send(new CreateBucketCommand({ Bucket: "secret-bucket" }));
  await s3.send(
    new PutBucketEncryptionCommand({
      Bucket: "secret-bucket",
      ServerSideEncryptionConfiguration: {
        Rules: [
          {
            BucketKeyEnabled: true,
            ApplyServerSideEncryptionByDefault: { SSEAlgorithm: "aws:kms", KMSMasterKeyID: KeyMetadata.Arn },
          },
        ],
      },
    }),
  );
  await role(prod, "store", trust(root(BUILD)), [allow("s3:*")]);
  const store = new S3Client(config(await assume(own, `${PROD}/store`)));
  const object = { Bucket: "secret-bucket", Key: "a" };
  const put = () => store.send(new PutObjectCommand({ ...object, Body: "x" }));
  expect(await refusal(put())).toContain(`kms:GenerateDataKey on resource: ${KeyMetadata.Arn}`);
  const Condition = {
    StringEquals: {
      "kms:ViaService": `s3.${REGION}.amazonaws.com`,
      "kms:EncryptionContext:aws:s3:arn": "arn:aws:s3:::secret-bucket",
    },
  };
  await grant(prod, "store", allow("s3:*"), allow("kms:GenerateDataKey", KeyMetadata.Arn, { Condition }));
  await put();
  expect(await refusal(store.send(new GetObjectCommand(object)))).toContain("kms:Decrypt");
  await kms("PutKeyPolicy", {
    KeyId: KeyMetadata.Arn,
    PolicyName: "default",
    Policy: document({ ...handOn, Action: ["kms:Describe*", "kms:PutKeyPolicy"] }),
  });
  expect(await refusal(put())).toContain(
    "because no resource-based policy allows the kms:GenerateDataKey action",
  );

  // From another account, the bucket has to let in, and the key.
  await role(own, "artifacts", trust(root(BUILD)), [allow(["s3:GetObject", "kms:Decrypt"])]);
  const artifacts = new S3Client(config(await assume(own, `arn:aws:iam::${BUILD}:role/artifacts`)));
  const get = () => artifacts.send(new GetObjectCommand(object));
  expect(await refusal(get())).toContain("because no resource-based policy allows the s3:GetObject action");
  const Policy = document({
    ...allow("s3:GetObject", "arn:aws:s3:::secret-bucket/*"),
    Principal: root(BUILD),
  });
  await s3.send(new PutBucketPolicyCommand({ Bucket: "secret-bucket", Policy }));
  expect(await refusal(get())).toContain("because no resource-based policy allows the kms:Decrypt action");
  await kms("PutKeyPolicy", {
    KeyId: KeyMetadata.Arn,
    PolicyName: "default",
    Policy: document(handOn, { ...handOn, Sid: "build", Principal: root(BUILD), Action: "kms:Decrypt" }),
  });
  expect(await (await get()).Body?.transformToString()).toBe("x");
});

test("refusals are told in each protocol, and what is named by its tags or a made-up end is found", async () => {
  await new SecretsManagerClient(config(prod)).send(
    new CreateSecretCommand({
      Name: "hello/token",
      SecretString: "s",
      Tags: [{ Key: "stage", Value: "prod" }],
    }),
  );
  const Condition = { StringEquals: { "aws:ResourceTag/stage": "prod" } };
  const secret = `arn:aws:secretsmanager:${REGION}:${OTHER}:secret:hello/token-??????`;
  await role(prod, "watcher", trust(root(BUILD)), [
    allow("cloudwatch:DescribeAlarms"),
    allow("secretsmanager:GetSecretValue", secret, { Condition }),
  ]);
  const watcher = await assume(own, `${PROD}/watcher`);
  const watch = new CloudWatchClient(config(watcher));
  await watch.send(new DescribeAlarmsCommand({}));
  expect(await refusal(watch.send(new DeleteAlarmsCommand({ AlarmNames: ["hello"] })))).toMatch(
    new RegExp(
      `AccessDenied\\w*: .*cloudwatch:DeleteAlarms on resource: arn:aws:cloudwatch:${REGION}:${OTHER}:alarm:hello because`,
    ),
  );
  const fn = new LambdaClient(config(watcher)).send(
    new GetFunctionCommand({ FunctionName: "hello", Qualifier: "live" }),
  );
  expect(await refusal(fn)).toMatch(
    /^AccessDeniedException: .*lambda:GetFunction on resource: \S+:function:hello:live /,
  );
  const secrets = new SecretsManagerClient(config(watcher));
  const found = await secrets.send(new GetSecretValueCommand({ SecretId: "hello/token" }));
  expect(found.SecretString).toBe("s");
});

test("a request without credentials is refused, and an operation that is not known is asked for everything", async () => {
  expect((await fetch(`${aws.endpoint}/build-own?list-type=2`)).status).toBe(403);
  await role(own, "flyer", trust(root(BUILD)), [allow("kms:*", "arn:aws:kms:*:*:key/*")]);
  const flyer = await assume(own, `arn:aws:iam::${BUILD}:role/flyer`);
  const response = await fetch(aws.endpoint, {
    method: "POST",
    headers: {
      authorization: authorization("kms", flyer.accessKeyId),
      "content-type": "application/x-amz-json-1.1",
      "x-amz-target": "TrentService.Fly",
    },
    body: "{}",
  });
  const { message } = (await response.json()) as { message: string };
  expect([response.status, message]).toEqual([403, expect.stringContaining("kms:Fly on resource: *")]);
  expect(log.filter((line) => line.includes("kms:Fly"))).toHaveLength(1);
});

test("looking at rights takes no longer than the request itself", async () => {
  await role(own, "quick", trust(root(BUILD)), [allow("s3:*")]);
  const quick = await assume(own, `arn:aws:iam::${BUILD}:role/quick`);
  const ask = async (key: string) => {
    const headers = { authorization: authorization("s3", key) };
    const started = performance.now();
    await (await fetch(`${aws.endpoint}/build-own?location`, { headers })).text();
    return performance.now() - started;
  };
  const times: Record<"free" | "checked", number[]> = { free: [], checked: [] };
  // In turn: what else the machine does is the same for both.
  for (let count = 0; count < 60; count++) {
    times.free.push(await ask("local"));
    times.checked.push(await ask(quick.accessKeyId));
  }
  const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length / 2]!;
  expect(median(times.checked) / median(times.free)).toBeLessThan(2);
});
