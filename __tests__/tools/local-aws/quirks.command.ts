import { createQuirks } from "../../../tools/local-aws/quirks";
import { authorization, Bed } from "./upstream";

let bed: Bed;
/** Bodies that moto got. */
let asked: string[];
beforeEach(async () => {
  bed = await new Bed().start();
  asked = [];
  motoAnswers("");
});
afterEach(() => bed.stop());

function motoAnswers(answer: string): void {
  bed.upstream = (_, response, body) => {
    asked.push(body.toString());
    response.end(answer);
  };
}
const textOf = async (path: string) => (await bed.s3(path)).text();

test("each quirk says why it is there", () => {
  for (const { reason } of createQuirks()) expect(reason).toMatch(/^moto .{20,}/);
});

test("a bucket's policy comes back as given; moto gets what it allows, without conditions", async () => {
  const allow = { Effect: "Allow", Action: "s3:PutObject", Resource: "*" };
  const policy = JSON.stringify({
    Statement: [
      { ...allow, Condition: { StringEquals: { "aws:SourceAccount": "111111111111" } } },
      { ...allow, Effect: "Deny", Condition: { Bool: { "aws:SecureTransport": "false" } } },
    ],
  });
  await bed.s3("/bucket?policy", "PUT", policy);
  expect(JSON.parse(asked[0]!)).toEqual({ Statement: [allow] });
  expect(await textOf("/bucket?policy")).toBe(policy);
  await bed.s3("/bucket?policy", "DELETE");
  expect(await textOf("/bucket?policy")).toBe("");
});

test("notifications to EventBridge come back until they are switched off", async () => {
  const whole = (inner: string) => `<NotificationConfiguration>${inner}</NotificationConfiguration>`;
  await bed.s3("/bucket?notification", "PUT", whole("<EventBridgeConfiguration/>"));
  expect(await textOf("/bucket?notification")).toContain("<EventBridgeConfiguration>");
  await bed.s3("/bucket?notification", "PUT", whole(""));
  expect(await textOf("/bucket?notification")).toBe("");
});

test("suspended versioning is told to the client, and not to moto", async () => {
  const suspended = "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>";
  await bed.s3("/bucket?versioning", "PUT", suspended);
  expect([asked, await textOf("/bucket?versioning")]).toEqual([[], suspended]);
  await bed.s3("/bucket?versioning", "PUT", suspended.replace("Suspended", "Enabled"));
  expect(await textOf("/bucket?versioning")).toBe("");
});

test("functions give back their key, dead letters and log settings", async () => {
  motoAnswers(JSON.stringify({ FunctionName: "hello" }));
  const headers = { authorization: authorization("lambda") };
  const address = `${bed.endpoint}/2015-03-31/functions`;
  const given = { FunctionName: "hello", KMSKeyArn: "key", DeadLetterConfig: { TargetArn: "queue" } };
  await fetch(address, { method: "POST", body: JSON.stringify(given), headers });
  expect(await (await fetch(`${address}/hello`, { headers })).json()).toEqual(given);
});

test("services give back what moto forgets of them", async () => {
  const serviceArn = "arn:aws:ecs:eu-west-1:111111111111:service/c/s";
  const ecs = "AmazonEC2ContainerServiceV20141113";
  motoAnswers(JSON.stringify({ service: { serviceArn } }));
  await bed.call(`${ecs}.CreateService`, { serviceName: "s", healthCheckGracePeriodSeconds: 30 });
  motoAnswers(JSON.stringify({ services: [{ serviceArn }] }));
  expect((await bed.call(`${ecs}.DescribeServices`, {})).content.services).toEqual([
    { serviceArn, healthCheckGracePeriodSeconds: 30, availabilityZoneRebalancing: "DISABLED" },
  ]);
});

test("a queue keeps its policy when something else of it changes", async () => {
  motoAnswers("{}");
  const QueueUrl = "http://127.0.0.1/111111111111/dead";
  const set = (Attributes: object) => bed.call("AmazonSQS.SetQueueAttributes", { QueueUrl, Attributes });
  await set({ Policy: "{}" });
  await set({ MessageRetentionPeriod: "60" });
  expect(JSON.parse(asked[1]!)).toEqual({
    QueueUrl,
    Attributes: { MessageRetentionPeriod: "60", Policy: "{}" },
  });
});

test("a queue's dead letters are told as they were given, without spaces", async () => {
  const RedrivePolicy = '{"deadLetterTargetArn": "arn:dead", "maxReceiveCount": 2}';
  motoAnswers(JSON.stringify({ Attributes: { RedrivePolicy, VisibilityTimeout: "30" } }));
  const { content } = await bed.call("AmazonSQS.GetQueueAttributes", { AttributeNames: ["All"] });
  expect(content.Attributes).toEqual({
    RedrivePolicy: '{"deadLetterTargetArn":"arn:dead","maxReceiveCount":2}',
    VisibilityTimeout: "30",
  });
});

test("rules that name another group give back their description", async () => {
  motoAnswers("<Response><item><securityGroupRuleId>sgr-1</securityGroupRuleId></item></Response>");
  await bed.form("ec2", {
    Action: "AuthorizeSecurityGroupIngress",
    "IpPermissions.1.Groups.1.Description": "From <here>",
  });
  const answer = await bed.form("ec2", { Action: "DescribeSecurityGroupRules" });
  expect(await answer.text()).toContain("<description>From &lt;here&gt;</description>");
});
