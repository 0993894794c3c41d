import type { Settings } from "../../settings";
import { exampleSettings } from "../support/settings";
import { synthesizeDelivery } from "../support/synth";
import { all, type SynthesizedStack, statements } from "../support/synthesized";

const ARTIFACTS = "arn:aws:s3:::hello-artifacts-111111111111-eu-west-1";

const delivery = async (changes: Partial<Settings> = {}) =>
  synthesizeDelivery({ ...(await exampleSettings()), ...changes });

function rights(stack: SynthesizedStack) {
  const [policy] = Object.entries(stack.resource.aws_iam_role_policy!).filter(([id]) =>
    id.startsWith("cleanup_"),
  );
  return statements(policy![1]).flatMap(({ Action, Resource }) =>
    [Action].flat().map((action) => [action as string, [Resource].flat()] as const),
  );
}

/** Beside those that every function has. */
const own = (stack: SynthesizedStack) =>
  Object.fromEntries(rights(stack).filter(([action]) => !/^(logs|kms|sqs|xray):/.test(action)));

const variables = (stack: SynthesizedStack) => {
  const fn = all(stack, "aws_lambda_function").find(
    ({ function_name: name }) => name === "hello-delivery-cleanup",
  );
  return (fn as { environment: { variables: Record<string, string> } }).environment.variables;
};

test("may list the pipelines' executions, delete artifacts and images, look into environments, and no more", async () => {
  expect(own(await delivery())).toEqual({
    "codepipeline:ListActionExecutions": ["arn:aws:codepipeline:eu-west-1:111111111111:hello-main"],
    "codepipeline:ListPipelineExecutions": ["arn:aws:codepipeline:eu-west-1:111111111111:hello-main"],
    "s3:ListBucketVersions": [ARTIFACTS],
    "s3:DeleteObject": [`${ARTIFACTS}/*`],
    "s3:DeleteObjectVersion": [`${ARTIFACTS}/*`],
    "ecr:BatchDeleteImage": ["arn:aws:ecr:eu-west-1:111111111111:repository/hello/web"],
    "ecr:DescribeImages": ["arn:aws:ecr:eu-west-1:111111111111:repository/hello/web"],
    "sts:AssumeRole": [
      "arn:aws:iam::222222222222:role/hello-dev-plan",
      "arn:aws:iam::333333333333:role/hello-prod-plan",
    ],
  });
});

test("is told where all of that is, and what stays", async () => {
  const { PIPELINES, REPOSITORIES, ENVIRONMENTS, ...rest } = variables(await delivery());
  expect([PIPELINES, REPOSITORIES, ENVIRONMENTS].map((text) => JSON.parse(text!))).toEqual([
    ["hello-main"],
    { web: "hello/web" },
    [
      {
        region: "eu-west-1",
        cluster: "hello-dev",
        planRole: "arn:aws:iam::222222222222:role/hello-dev-plan",
      },
      {
        region: "eu-west-1",
        cluster: "hello-prod",
        planRole: "arn:aws:iam::333333333333:role/hello-prod-plan",
      },
    ],
  ]);
  expect(rest).toEqual({
    ARTIFACT_BUCKET: "hello-artifacts-111111111111-eu-west-1",
    KEEP_HOURS: "24",
    KEEP_IMAGES: "30",
    NODE_OPTIONS: "--enable-source-maps",
    KEEP_DAYS: "30",
  });
});

test("has no statement without a resource where there are no services, pipelines or environments", async () => {
  const stack = await delivery({ services: {}, pipelines: {}, environments: {}, previews: [] });
  expect(Object.keys(own(stack))).toEqual([
    "s3:ListBucketVersions",
    "s3:DeleteObject",
    "s3:DeleteObjectVersion",
  ]);
});

test("its alarm reaches the topic: CloudWatch may publish there", async () => {
  const stack = await delivery();
  const [topic] = all(stack, "aws_sns_topic_policy");
  expect(statements(topic!).map(({ Principal }) => Principal)).toContainEqual({
    Service: "cloudwatch.amazonaws.com",
  });
  const [name] = Object.keys(stack.resource.aws_sns_topic!);
  const alarms = all(stack, "aws_cloudwatch_metric_alarm");
  expect(alarms.find(({ alarm_name }) => alarm_name === "hello-delivery-cleanup-errors")).toMatchObject({
    alarm_actions: [`\${aws_sns_topic.${name}.arn}`],
  });
});
