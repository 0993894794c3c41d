import type { AwsRequest } from "../../../tools/local-aws/aws-request";
import { decodeCbor } from "../../../tools/local-aws/cbor";
import type { Directory } from "../../../tools/local-aws/iam/directory";
import { demandsOf } from "../../../tools/local-aws/iam/requests";

const OWN = "111111111111";
const AT = `eu-west-1:${OWN}`;
const KEY = `arn:aws:kms:${AT}:key/1`;
const WEB = `arn:aws:iam::${OWN}:role/web-task`;

/** What an account has, as requests name it. */
const directory = {
  role: async () => ({ arn: `arn:aws:iam::${OWN}:role/path/web`, boundaryArn: "arn:cap" }),
  keyArn: async (id: string) => (id.startsWith("arn:") ? id : KEY),
  bucketEncryption: async (bucket: string) =>
    bucket === "secret" ? { key: KEY, byBucket: true } : undefined,
  secret: async () => ({ arn: `arn:aws:secretsmanager:${AT}:secret:token-abcdef`, key: KEY }),
  taskRoles: async () => [WEB],
  deploymentGroup: async () => "app/web",
  mappedFunction: async () => `arn:aws:lambda:${AT}:function:web`,
} as unknown as Directory;

interface Given {
  readonly service?: string;
  readonly target?: string;
  readonly method?: string;
  readonly path?: string;
  readonly form?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

function request({
  service = "",
  target = ".",
  method,
  path = "/",
  form,
  body,
  headers = {},
}: Given): AwsRequest {
  const [api = "", operation = ""] = target.split(".");
  const text = form
    ? new URLSearchParams(form).toString()
    : typeof body === "string"
      ? body
      : JSON.stringify(body);
  const content = Buffer.isBuffer(body) ? body : Buffer.from(text ?? "");
  return {
    method: method ?? (content.length ? "POST" : "GET"),
    url: new URL(path, "http://local-aws"),
    headers,
    service,
    region: "eu-west-1",
    accessKey: "ASIA",
    api,
    operation,
    form: form !== undefined,
    scope: { account: OWN, region: "eu-west-1" },
    body: content,
  };
}

async function demands(given: Given) {
  const place = { account: OWN, region: "eu-west-1", directory };
  const { all, unknown } = await demandsOf(request(given), place);
  return [...all.map(({ action, resource }) => `${action} ${resource}`), ...(unknown ? ["unknown"] : [])];
}

const s3 = (method: string, path: string, more: Given = {}): Given => ({
  service: "s3",
  method,
  path,
  ...more,
});
const fn = (method: string, path: string, body?: unknown): Given => ({
  service: "lambda",
  method,
  path,
  body,
});
const json = (target: string, body: unknown): Given => ({ target, body });
const ECS = "AmazonEC2ContainerServiceV20141113";

test.each<[given: Given, expected: string[]]>([
  [s3("GET", "/"), ["s3:ListAllMyBuckets *"]],
  [s3("GET", "/b?list-type=2&prefix=a"), ["s3:ListBucket arn:aws:s3:::b"]],
  [s3("GET", "/b/"), ["s3:ListBucket arn:aws:s3:::b"]],
  [s3("HEAD", "/b"), ["s3:ListBucket arn:aws:s3:::b"]],
  [s3("PUT", "/b?policy"), ["s3:PutBucketPolicy arn:aws:s3:::b"]],
  [s3("DELETE", "/b?policy"), ["s3:DeleteBucketPolicy arn:aws:s3:::b"]],
  [s3("GET", "/b?policyStatus"), ["s3:GetBucketPolicyStatus arn:aws:s3:::b"]],
  [s3("PUT", "/b?location"), ["s3:PUT /b *", "unknown"]],
  [s3("GET", "/b/a%20b/c+d"), ["s3:GetObject arn:aws:s3:::b/a b/c+d"]],
  [s3("GET", "/b/a?versionId=1"), ["s3:GetObjectVersion arn:aws:s3:::b/a"]],
  [s3("DELETE", "/b/a?versionId=1"), ["s3:DeleteObjectVersion arn:aws:s3:::b/a"]],
  [s3("DELETE", "/b/a?uploadId=1"), ["s3:AbortMultipartUpload arn:aws:s3:::b/a"]],
  [s3("PUT", "/b/a?tagging"), ["s3:PutObjectTagging arn:aws:s3:::b/a"]],
  [
    s3("PUT", "/b/a", { headers: { "if-match": '"etag"' } }),
    ["s3:PutObject arn:aws:s3:::b/a", "s3:GetObject arn:aws:s3:::b/a"],
  ],
  [s3("PUT", "/b/a", { headers: { "if-none-match": "*" } }), ["s3:PutObject arn:aws:s3:::b/a"]],
  [s3("PUT", "/b/a?retention"), ["s3:PUT /b/a *", "unknown"]],
  [s3("GET", "/secret/a"), ["s3:GetObject arn:aws:s3:::secret/a", `kms:Decrypt ${KEY}`]],
  [s3("PUT", "/secret/a"), ["s3:PutObject arn:aws:s3:::secret/a", `kms:GenerateDataKey ${KEY}`]],
  [
    s3("POST", "/secret/a?uploads"),
    ["s3:PutObject arn:aws:s3:::secret/a", `kms:GenerateDataKey ${KEY}`, `kms:Decrypt ${KEY}`],
  ],
  [
    s3("PUT", "/b/a", { headers: { "x-amz-copy-source": "/secret/x%20y?versionId=2" } }),
    ["s3:PutObject arn:aws:s3:::b/a", "s3:GetObjectVersion arn:aws:s3:::secret/x y", `kms:Decrypt ${KEY}`],
  ],
  [
    s3("POST", "/b?delete", {
      body: "<Delete><Object><Key>a&amp;b</Key></Object><Object><Key>&#99;</Key><VersionId>1</VersionId></Object></Delete>",
    }),
    ["s3:DeleteObject arn:aws:s3:::b/a&b", "s3:DeleteObjectVersion arn:aws:s3:::b/c"],
  ],
  [s3("POST", "/b?delete", { body: "<Delete/>" }), ["s3:POST /b *"]],
  [fn("GET", "/2015-03-31/functions/web"), [`lambda:GetFunction arn:aws:lambda:${AT}:function:web`]],
  [
    fn("POST", "/2015-03-31/functions/web/invocations?Qualifier=live"),
    [`lambda:InvokeFunction arn:aws:lambda:${AT}:function:web:live`],
  ],
  [
    fn(
      "PUT",
      `/2015-03-31/functions/${encodeURIComponent(`arn:aws:lambda:${AT}:function:web`)}/aliases/live`,
    ),
    [`lambda:UpdateAlias arn:aws:lambda:${AT}:function:web`],
  ],
  [
    fn("POST", "/2015-03-31/functions", { FunctionName: "web", Role: WEB, Tags: { a: "b" } }),
    [
      `lambda:CreateFunction arn:aws:lambda:${AT}:function:web`,
      `iam:PassRole ${WEB}`,
      `lambda:TagResource arn:aws:lambda:${AT}:function:web`,
    ],
  ],
  [
    fn("POST", "/2015-03-31/event-source-mappings/", { FunctionName: "web", Tags: { a: "b" } }),
    ["lambda:CreateEventSourceMapping *", `lambda:TagResource arn:aws:lambda:${AT}:event-source-mapping:*`],
  ],
  [fn("GET", "/2015-03-31/event-source-mappings"), ["lambda:ListEventSourceMappings *"]],
  [
    fn("PUT", "/2015-03-31/event-source-mappings/1-2"),
    [`lambda:UpdateEventSourceMapping arn:aws:lambda:${AT}:event-source-mapping:1-2`],
  ],
  [
    json("AmazonSQS.DeleteMessageBatch", { QueueUrl: `http://sqs/${OWN}/jobs` }),
    [`sqs:DeleteMessage arn:aws:sqs:${AT}:jobs`],
  ],
  [
    json("AmazonSQS.ChangeMessageVisibility", { QueueUrl: `http://sqs/${OWN}/jobs` }),
    [`sqs:ChangeMessageVisibility arn:aws:sqs:${AT}:jobs`],
  ],
  [
    { service: "sns", form: { Action: "PublishBatch", TopicArn: `arn:aws:sns:${AT}:it` } },
    [`sns:Publish arn:aws:sns:${AT}:it`],
  ],
  [fn("PATCH", "/2015-03-31/functions/web"), ["lambda:PATCH /2015-03-31/functions/web *", "unknown"]],
  [
    { service: "apigateway", method: "PATCH", path: "/v2/apis/1/routes/2" },
    ["apigateway:PATCH arn:aws:apigateway:eu-west-1::/apis/1/routes/2"],
  ],
  [
    { service: "route53", method: "GET", path: "/2013-04-01/hostedzone/Z1" },
    ["route53:GetHostedZone arn:aws:route53:::hostedzone/Z1"],
  ],
  [
    json(`${ECS}.UpdateService`, { cluster: "c", service: "s" }),
    [`ecs:UpdateService arn:aws:ecs:${AT}:service/c/s`],
  ],
  [
    json(`${ECS}.DescribeServices`, { services: ["a", `arn:aws:ecs:${AT}:service/c/b`] }),
    [
      `ecs:DescribeServices arn:aws:ecs:${AT}:service/default/a`,
      `ecs:DescribeServices arn:aws:ecs:${AT}:service/c/b`,
    ],
  ],
  [
    json(`${ECS}.RegisterTaskDefinition`, {
      family: "f",
      executionRoleArn: WEB,
      tags: [{ key: "a", value: "b" }],
    }),
    [
      `ecs:RegisterTaskDefinition arn:aws:ecs:${AT}:task-definition/f:*`,
      `iam:PassRole ${WEB}`,
      `ecs:TagResource arn:aws:ecs:${AT}:task-definition/f:*`,
    ],
  ],
  [
    json(`${ECS}.CreateTaskSet`, { cluster: "c", service: "s", taskDefinition: "f:1" }),
    [`ecs:CreateTaskSet arn:aws:ecs:${AT}:service/c/s`, `iam:PassRole ${WEB}`],
  ],
  [json(`${ECS}.ExecuteCommand`, { cluster: "c" }), ["ecs:ExecuteCommand *", "unknown"]],
  [
    json("Logs_20140328.PutLogEvents", { logGroupName: "g", logStreamName: "s" }),
    [`logs:PutLogEvents arn:aws:logs:${AT}:log-group:g:log-stream:s`],
  ],
  [
    json("CodeBuild_20161006.StopBuild", { id: "web:1-2" }),
    [`codebuild:StopBuild arn:aws:codebuild:${AT}:project/web`],
  ],
  [
    json("CodeBuild_20161006.BatchGetBuilds", { ids: [`arn:aws:codebuild:${AT}:build/web:1-2`] }),
    [`codebuild:BatchGetBuilds arn:aws:codebuild:${AT}:project/web`],
  ],
  [
    json("CodePipeline_20150709.PutApprovalResult", { pipelineName: "p", stageName: "s", actionName: "a" }),
    [`codepipeline:PutApprovalResult arn:aws:codepipeline:${AT}:p/s/a`],
  ],
  [
    json("CodePipeline_20150709.OverrideStageCondition", { pipelineName: "p", stageName: "s" }),
    [`codepipeline:OverrideStageCondition arn:aws:codepipeline:${AT}:p/s`],
  ],
  [
    json("CodePipeline_20150709.UpdatePipeline", {
      pipeline: {
        name: "p",
        roleArn: WEB,
        stages: [{ actions: [{ configuration: { ConnectionArn: "arn:aws:codestar-connections:x" } }] }],
      },
    }),
    [
      `codepipeline:UpdatePipeline arn:aws:codepipeline:${AT}:p`,
      `iam:PassRole ${WEB}`,
      "codestar-connections:PassConnection arn:aws:codestar-connections:x",
    ],
  ],
  [
    json("CodeDeploy_20141006.GetDeployment", { deploymentId: "d-1" }),
    [`codedeploy:GetDeployment arn:aws:codedeploy:${AT}:deploymentgroup:app/web`],
  ],
  [
    json("CodeDeploy_20141006.CreateDeployment", {
      applicationName: "app",
      deploymentGroupName: "web",
      revision: {},
      overrideAlarmConfiguration: {},
    }),
    [
      `codedeploy:CreateDeployment arn:aws:codedeploy:${AT}:deploymentgroup:app/web`,
      `codedeploy:RegisterApplicationRevision arn:aws:codedeploy:${AT}:application:app`,
      `codedeploy:GetApplicationRevision arn:aws:codedeploy:${AT}:application:app`,
      `codedeploy:UpdateDeploymentGroup arn:aws:codedeploy:${AT}:deploymentgroup:app/web`,
    ],
  ],
  [json("CodeDeploy_20141006.StopDeployment", { deploymentId: "d-1" }), ["codedeploy:StopDeployment *"]],
  [
    json("secretsmanager.GetSecretValue", { SecretId: "token" }),
    [`secretsmanager:GetSecretValue arn:aws:secretsmanager:${AT}:secret:token-abcdef`, `kms:Decrypt ${KEY}`],
  ],
  [
    json("TrentService.CreateAlias", { AliasName: "alias/a", TargetKeyId: "1" }),
    [`kms:CreateAlias arn:aws:kms:${AT}:alias/a`, `kms:CreateAlias ${KEY}`],
  ],
  [
    json("AmazonSSM.GetParameters", { Names: ["/a/b", "c"] }),
    [`ssm:GetParameters arn:aws:ssm:${AT}:parameter/a/b`, `ssm:GetParameters arn:aws:ssm:${AT}:parameter/c`],
  ],
  [
    json("AmazonSQS.SendMessage", { QueueUrl: "http://127.0.0.1:1/222222222222/q" }),
    ["sqs:SendMessage arn:aws:sqs:eu-west-1:222222222222:q"],
  ],
  [
    json("AWSEvents.PutTargets", { Rule: "r", Targets: [{ RoleArn: WEB }] }),
    [`events:PutTargets arn:aws:events:${AT}:rule/r`, `iam:PassRole ${WEB}`],
  ],
  [
    { service: "iam", form: { Action: "PutRolePolicy", RoleName: "web" } },
    [`iam:PutRolePolicy arn:aws:iam::${OWN}:role/path/web`],
  ],
  [
    {
      service: "elasticloadbalancing",
      form: { Action: "AddTags", "ResourceArns.member.1": "arn:1", "ResourceArns.member.2": "arn:2" },
    },
    ["elasticloadbalancing:AddTags arn:1", "elasticloadbalancing:AddTags arn:2"],
  ],
  [
    {
      service: "elasticloadbalancing",
      form: {
        Action: "CreateLoadBalancer",
        Name: "web",
        "Tags.member.1.Key": "a",
        "Tags.member.1.Value": "b",
      },
    },
    [
      `elasticloadbalancing:CreateLoadBalancer arn:aws:elasticloadbalancing:${AT}:loadbalancer/app/web/*`,
      `elasticloadbalancing:AddTags arn:aws:elasticloadbalancing:${AT}:loadbalancer/app/web/*`,
    ],
  ],
  [
    {
      service: "ec2",
      form: { Action: "CreateFlowLogs", DeliverLogsPermissionArn: WEB, "TagSpecification.1.Tag.1.Key": "a" },
    },
    ["ec2:CreateFlowLogs *", `iam:PassRole ${WEB}`, "ec2:CreateTags *"],
  ],
  [
    { service: "monitoring", form: { Action: "PutMetricAlarm", AlarmName: "a" } },
    [`cloudwatch:PutMetricAlarm arn:aws:cloudwatch:${AT}:alarm:a`],
  ],
  [
    {
      service: "monitoring",
      path: "/service/GraniteServiceVersion20100801/operation/DeleteAlarms",
      headers: { "content-type": "application/cbor" },
      // {"AlarmNames": ["a"]}, its list without a length.
      body: Buffer.from("a16a416c61726d4e616d65739f6161ff", "hex"),
    },
    [`cloudwatch:DeleteAlarms arn:aws:cloudwatch:${AT}:alarm:a`],
  ],
  [{ service: "glacier", method: "GET", path: "/-/vaults" }, ["glacier:GET /-/vaults *", "unknown"]],
  [{ service: "constructor", body: {} }, ["constructor:POST / *", "unknown"]],
  [json("TrentService.constructor", {}), ["kms:constructor *", "unknown"]],
])("%j asks for %j", async (given, expected) => {
  expect(await demands(given)).toEqual(expected);
});

test("names of records are told as Route 53 writes them", async () => {
  const change = (name: string) =>
    `<Change><Action>UPSERT</Action><ResourceRecordSet><Name>${name}</Name><Type>A</Type></ResourceRecordSet></Change>`;
  const body = `<x>${change("Hello.Example.com.")}${change("*.example.com")}${change("\\052.a.com")}</x>`;
  const place = { account: OWN, region: "eu-west-1", directory };
  const given = { service: "route53", method: "POST", path: "/2013-04-01/hostedzone/Z1/rrset", body };
  const { all } = await demandsOf(request(given), place);
  expect(all[0]?.values?.["route53:changeresourcerecordsetsnormalizedrecordnames"]).toEqual([
    "hello.example.com",
    "\\052.example.com",
    "\\052.a.com",
  ]);
});

test("a role's boundary is the one that a request gives it, or else the one that it has", async () => {
  const place = { account: OWN, region: "eu-west-1", directory };
  const boundary = async (form: Record<string, string>) => {
    const { all } = await demandsOf(request({ service: "iam", form }), place);
    return all[0]?.values?.["iam:PermissionsBoundary"];
  };
  expect(await boundary({ Action: "PutRolePolicy", RoleName: "web" })).toBe("arn:cap");
  const given = { Action: "PutRolePermissionsBoundary", RoleName: "web", PermissionsBoundary: "arn:other" };
  expect(await boundary(given)).toBe("arn:other");
});

test.each([
  ["", "5b"],
  ["a text that is longer than all", "7bffffffffffffffff"],
  ["half a list", "9f61"],
])("CBOR that cannot be read is nothing: %s", (_, hex) => {
  expect(decodeCbor(Buffer.from(hex, "hex"))).toBeUndefined();
});

test.each<[Given]>([
  [fn("POST", "/2015-03-31/event-source-mappings", { FunctionName: "web" })],
  [fn("DELETE", "/2015-03-31/event-source-mappings/1-2")],
])("of a mapping, the function that it is for is told", async (given) => {
  const { all } = await demandsOf(request(given), { account: OWN, region: "eu-west-1", directory });
  expect(all[0]?.values).toEqual({ "lambda:FunctionArn": `arn:aws:lambda:${AT}:function:web` });
});

test("of a signature, what it is made by is told", async () => {
  const given = json("TrentService.GenerateMac", {
    KeyId: KEY,
    MacAlgorithm: "HMAC_SHA_256",
    Message: "aGk=",
  });
  const { all } = await demandsOf(request(given), { account: OWN, region: "eu-west-1", directory });
  expect(all).toEqual([
    { action: "kms:GenerateMac", resource: KEY, values: { "kms:MacAlgorithm": "HMAC_SHA_256" } },
  ]);
});
