import { CloudWatchClient, DescribeAlarmsCommand, ListDashboardsCommand } from "@aws-sdk/client-cloudwatch";
import { CloudWatchLogsClient, DescribeLogGroupsCommand } from "@aws-sdk/client-cloudwatch-logs";
import { CodeBuildClient, ListProjectsCommand } from "@aws-sdk/client-codebuild";
import { CodeDeployClient, ListApplicationsCommand } from "@aws-sdk/client-codedeploy";
import { CodePipelineClient, ListPipelinesCommand } from "@aws-sdk/client-codepipeline";
import {
  DescribeSecurityGroupsCommand,
  DescribeSubnetsCommand,
  DescribeVpcsCommand,
  EC2Client,
} from "@aws-sdk/client-ec2";
import { DescribeRepositoriesCommand, ECRClient, ListImagesCommand } from "@aws-sdk/client-ecr";
import {
  DescribeClustersCommand,
  ECSClient,
  ListClustersCommand,
  ListTasksCommand,
} from "@aws-sdk/client-ecs";
import {
  DescribeLoadBalancersCommand,
  DescribeTargetGroupsCommand,
  ElasticLoadBalancingV2Client,
} from "@aws-sdk/client-elastic-load-balancing-v2";
import { KMSClient, ListAliasesCommand } from "@aws-sdk/client-kms";
import { LambdaClient, ListFunctionsCommand } from "@aws-sdk/client-lambda";
import { ListBucketsCommand, ListObjectsV2Command, S3Client } from "@aws-sdk/client-s3";
import { ListTopicsCommand, SNSClient } from "@aws-sdk/client-sns";
import { ListQueuesCommand, SQSClient } from "@aws-sdk/client-sqs";
import type { Roles } from "./roles";

export interface InventoryProps {
  /** Of Local AWS. */
  readonly endpoint: string;
  readonly region: string;
  readonly account: string;
  readonly roles: Roles;
  /** Buckets of the account whose objects are told as well: all below the prefix. */
  readonly objects?: Readonly<Record<string, string>>;
}

/** Of those that are deleted, ECS tells for a while. */
async function activeClusters(ecs: ECSClient): Promise<string[]> {
  const { clusterArns: clusters = [] } = await ecs.send(new ListClustersCommand({}));
  if (!clusters.length) return [];
  const { clusters: found = [] } = await ecs.send(new DescribeClustersCommand({ clusters }));
  return found.flatMap(({ clusterArn, status }) => (clusterArn && status === "ACTIVE" ? [clusterArn] : []));
}

/** What there is in an account, by its names: what costs, and what stays behind when something was forgotten. */
export async function inventory({
  endpoint,
  region,
  account,
  roles,
  objects = {},
}: InventoryProps): Promise<string[]> {
  const credentials = { accessKeyId: await roles.key(account), secretAccessKey: "local" };
  const config = { endpoint, region, credentials };
  const ec2 = new EC2Client(config);
  const ecs = new ECSClient(config);
  const ecr = new ECRClient(config);
  const s3 = new S3Client({ ...config, forcePathStyle: true });
  const cloudwatch = new CloudWatchClient(config);
  const balancing = new ElasticLoadBalancingV2Client(config);
  const told = async (kind: string, names: Promise<readonly (string | undefined)[] | undefined>) =>
    ((await names) ?? []).map((name) => `${kind} ${name}`);
  const imagesOf = async () => {
    const { repositories = [] } = await ecr.send(new DescribeRepositoriesCommand({}));
    const all = await Promise.all(
      repositories.map(async ({ repositoryName }) => {
        const { imageIds = [] } = await ecr.send(new ListImagesCommand({ repositoryName }));
        return imageIds.map(({ imageTag }) => `${repositoryName}:${imageTag}`);
      }),
    );
    return all.flat();
  };
  const tasksOf = async (clusters: readonly string[]) => {
    const all = await Promise.all(clusters.map((cluster) => ecs.send(new ListTasksCommand({ cluster }))));
    return all.flatMap(({ taskArns = [] }) => taskArns);
  };
  const clusters = await activeClusters(ecs);
  const found = await Promise.all([
    told(
      "pipeline",
      new CodePipelineClient(config)
        .send(new ListPipelinesCommand({}))
        .then(({ pipelines }) => pipelines?.map(({ name }) => name)),
    ),
    told(
      "build project",
      new CodeBuildClient(config).send(new ListProjectsCommand({})).then(({ projects }) => projects),
    ),
    told(
      "application",
      new CodeDeployClient(config)
        .send(new ListApplicationsCommand({}))
        .then(({ applications }) => applications),
    ),
    told(
      "function",
      new LambdaClient(config)
        .send(new ListFunctionsCommand({}))
        .then(({ Functions }) => Functions?.map(({ FunctionName }) => FunctionName)),
    ),
    told("cluster", Promise.resolve(clusters)),
    told("task", tasksOf(clusters)),
    told("image", imagesOf()),
    told(
      "load balancer",
      balancing
        .send(new DescribeLoadBalancersCommand({}))
        .then(({ LoadBalancers }) => LoadBalancers?.map(({ LoadBalancerName }) => LoadBalancerName)),
    ),
    told(
      "target group",
      balancing
        .send(new DescribeTargetGroupsCommand({}))
        .then(({ TargetGroups }) => TargetGroups?.map(({ TargetGroupName }) => TargetGroupName)),
    ),
    told(
      "VPC",
      ec2.send(new DescribeVpcsCommand({})).then(({ Vpcs }) => Vpcs?.map(({ VpcId }) => VpcId)),
    ),
    told(
      "subnet",
      ec2
        .send(new DescribeSubnetsCommand({}))
        .then(({ Subnets }) => Subnets?.map(({ SubnetId }) => SubnetId)),
    ),
    told(
      "security group",
      ec2
        .send(new DescribeSecurityGroupsCommand({}))
        .then(({ SecurityGroups }) => SecurityGroups?.map(({ GroupId }) => GroupId)),
    ),
    told(
      "key alias",
      new KMSClient(config)
        .send(new ListAliasesCommand({}))
        .then(({ Aliases }) => Aliases?.map(({ AliasName }) => AliasName)),
    ),
    told(
      "log group",
      new CloudWatchLogsClient(config)
        .send(new DescribeLogGroupsCommand({}))
        .then(({ logGroups }) => logGroups?.map(({ logGroupName }) => logGroupName)),
    ),
    told(
      "alarm",
      cloudwatch
        .send(new DescribeAlarmsCommand({}))
        .then(({ MetricAlarms }) => MetricAlarms?.map(({ AlarmName }) => AlarmName)),
    ),
    told(
      "dashboard",
      cloudwatch
        .send(new ListDashboardsCommand({}))
        .then(({ DashboardEntries }) => DashboardEntries?.map(({ DashboardName }) => DashboardName)),
    ),
    told(
      "queue",
      new SQSClient(config).send(new ListQueuesCommand({})).then(({ QueueUrls }) => QueueUrls),
    ),
    told(
      "topic",
      new SNSClient(config)
        .send(new ListTopicsCommand({}))
        .then(({ Topics }) => Topics?.map(({ TopicArn }) => TopicArn)),
    ),
    told(
      "bucket",
      s3.send(new ListBucketsCommand({})).then(({ Buckets }) => Buckets?.map(({ Name }) => Name)),
    ),
    ...Object.entries(objects).map(([Bucket, Prefix]) =>
      told(
        `object of ${Bucket}`,
        s3
          .send(new ListObjectsV2Command({ Bucket, Prefix }))
          .then(({ Contents }) => Contents?.map(({ Key }) => Key)),
      ),
    ),
    told(
      "role",
      roles.list(account).then((all) => all.map(({ name }) => name)),
    ),
  ]);
  return found.flat().toSorted();
}
