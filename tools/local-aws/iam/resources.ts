import type { Fields } from "../aws-request";
import type { At, Directory } from "./directory";
import { list, text } from "./input";

/** Where a request asks, and what there is. */
export interface Place extends At {
  readonly directory: Directory;
}

/**
 * The ARNs that an operation's input names, as the Service Authorization Reference tells them; "*" where AWS has no
 * resource for it, and undefined where the operation is not known here.
 */
type Find = (
  operation: string,
  input: Fields,
  place: Place,
) => readonly string[] | undefined | Promise<readonly string[] | undefined>;

const ALL = ["*"];

/** The first of these fields that the input has. */
const first = (input: Fields, ...names: readonly string[]) =>
  names.map((name) => text(input, name)).find((value) => value !== "");

const texts = (input: Fields, ...names: readonly string[]) =>
  names.flatMap((name) => list<unknown>(input[name])).filter((value) => typeof value === "string");

const maker =
  (service: string) =>
  ({ account, region }: At, rest: string) =>
    rest.startsWith("arn:") ? rest : `arn:aws:${service}:${region}:${account}:${rest}`;

const ecsArn = maker("ecs");
const ecs: Find = (operation, input, place) => {
  const tagged = first(input, "resourceArn");
  if (tagged) return [tagged];
  const cluster = (first(input, "cluster", "clusterName") ?? "default").split("/").at(-1)!;
  const service = (name: string) =>
    name.startsWith("arn:") ? name : ecsArn(place, `service/${cluster}/${name}`);
  const one = first(input, "service", "serviceName");
  const tasks = texts(input, "tasks").concat(texts(input, "task"));
  switch (operation) {
    case "CreateService":
    case "UpdateService":
    case "DeleteService":
    case "CreateTaskSet":
    case "UpdateServicePrimaryTaskSet":
      return [service(one ?? "")];
    case "DescribeServices":
      return texts(input, "services").map(service);
    case "DeleteTaskSet":
    case "UpdateTaskSet": {
      const id = text(input, "taskSet").split("/").at(-1);
      return [ecsArn(place, `task-set/${cluster}/${one?.split("/").at(-1)}/${id}`)];
    }
    case "DescribeTaskSets": {
      const ids = texts(input, "taskSets").map((id) => id.split("/").at(-1));
      const of = (id = "*") => ecsArn(place, `task-set/${cluster}/${one?.split("/").at(-1)}/${id}`);
      return ids.length ? ids.map(of) : [of()];
    }
    case "CreateCluster":
    case "DeleteCluster":
    case "UpdateCluster":
    case "UpdateClusterSettings":
    case "PutClusterCapacityProviders":
      return [ecsArn(place, `cluster/${cluster}`)];
    case "DescribeClusters": {
      const named = texts(input, "clusters");
      return (named.length ? named : ["default"]).map((name) =>
        name.startsWith("arn:") ? name : ecsArn(place, `cluster/${name}`),
      );
    }
    case "RegisterTaskDefinition":
      return [ecsArn(place, `task-definition/${text(input, "family")}:*`)];
    case "RunTask":
      return [definitionArn(place, text(input, "taskDefinition"))];
    case "DescribeTasks":
      return tasks.map((id) => ecsArn(place, id.startsWith("arn:") ? id : `task/${cluster}/${id}`));
    case "StopTask":
      return [ecsArn(place, `task/${cluster}/${text(input, "task").split("/").at(-1)}`)];
    case "DeregisterTaskDefinition":
    case "DescribeTaskDefinition":
    case "ListTaskDefinitions":
    case "ListTaskDefinitionFamilies":
    case "ListClusters":
    case "ListServices":
    case "ListTasks":
      return ALL;
  }
  return undefined;
};

function definitionArn(place: At, named: string): string {
  if (named.startsWith("arn:")) return named;
  return ecsArn(place, `task-definition/${named.includes(":") ? named : `${named}:*`}`);
}

const ecrArn = maker("ecr");
const ecr: Find = (operation, input, place) => {
  if (operation === "GetAuthorizationToken") return ALL;
  const tagged = first(input, "resourceArn");
  if (tagged) return [tagged];
  const at = { ...place, account: first(input, "registryId") ?? place.account };
  const names = texts(input, "repositoryNames");
  const one = first(input, "repositoryName");
  if (one) return [ecrArn(at, `repository/${one}`)];
  if (operation === "DescribeRepositories")
    return (names.length ? names : ["*"]).map((name) => ecrArn(at, `repository/${name}`));
  return undefined;
};

const logsArn = maker("logs");
const logs: Find = (operation, input, place) => {
  const tagged = first(input, "resourceArn");
  if (tagged && !/ResourcePolic/.test(operation)) return [tagged];
  const identified = first(input, "logGroupIdentifier")?.split(":log-group:").at(-1)?.replace(/:\*$/, "");
  const group = first(input, "logGroupName") ?? identified;
  if (operation === "DescribeLogGroups") return [logsArn(place, "log-group::log-stream:")];
  if (operation === "DescribeResourcePolicies" || operation.endsWith("ResourcePolicy"))
    return [logsArn(place, "*")];
  if (/^(Create|Delete|Get|List|Update)LogDeliver/.test(operation)) return ALL;
  if (group === undefined) return undefined;
  // What the reference calls a log group, requests name with an empty stream.
  return [logsArn(place, `log-group:${group}:log-stream:${text(input, "logStreamName")}`)];
};

const buildArn = maker("codebuild");
const codebuild: Find = (operation, input, place) => {
  const tagged = first(input, "resourceArn");
  if (tagged) return [tagged];
  const project = (name: string) =>
    name.startsWith("arn:")
      ? name.replace(/:build\/([^:]+):.*/, ":project/$1")
      : buildArn(place, `project/${name}`);
  const ofBuild = (id: string) => project(id.startsWith("arn:") ? id : id.split(":")[0]!);
  if (/^(BatchGet|BatchDelete)Builds$/.test(operation)) return texts(input, "ids").map(ofBuild);
  if (/^(Stop|Retry)Build$/.test(operation)) return [ofBuild(text(input, "id"))];
  if (operation === "BatchGetProjects") return texts(input, "names").map(project);
  if (operation === "BatchGetReportGroups") return texts(input, "reportGroupArns");
  if (operation === "CreateReportGroup") return [buildArn(place, `report-group/${text(input, "name")}`)];
  // A report's rights are those of its group.
  const group = (arn: string) => arn.replace(/:report\/([^:]+):.*/, ":report-group/$1");
  if (operation === "BatchGetReports") return texts(input, "reportArns").map(group);
  if (/^(DeleteReport|DescribeTestCases|DescribeCodeCoverages|ListReportsForReportGroup)$/.test(operation)) {
    const arn = first(input, "reportGroupArn", "reportArn", "arn");
    return arn ? [group(arn)] : undefined;
  }
  if (/Report/.test(operation) && !/^List/.test(operation)) {
    const arn = first(input, "arn", "reportGroupArn", "reportArn");
    return arn ? [arn] : undefined;
  }
  if (
    /^List(Projects|Builds|ReportGroups|Reports|SourceCredentials|CuratedEnvironmentImages)$/.test(operation)
  )
    return ALL;
  if (/^(Import|Delete)SourceCredentials$/.test(operation)) return ALL;
  const name = first(input, "projectName", "name", "projectArn");
  return name ? [project(name)] : undefined;
};

const pipelineArn = maker("codepipeline");
const codepipeline: Find = (operation, input, place) => {
  const tagged = first(input, "resourceArn");
  if (tagged) return [tagged];
  if (operation === "ListPipelines") return [pipelineArn(place, "*")];
  const name = text(input.pipeline, "name") || first(input, "pipelineName", "name");
  if (!name) return undefined;
  const stage = first(input, "stageName");
  const parts = [
    name,
    stage,
    stage && operation === "PutApprovalResult" ? text(input, "actionName") : undefined,
  ];
  return [pipelineArn(place, parts.filter(Boolean).join("/"))];
};

/** A pull request has a number alone: whose it is only CodeCommit knows. */
const codecommit: Find = (_, input, { account, region }) => {
  const name = first(input, "repositoryName");
  return name ? [`arn:aws:codecommit:${region}:${account}:${name}`] : undefined;
};

const deployArn = maker("codedeploy");
const codedeploy: Find = async (operation, input, place) => {
  const tagged = first(input, "ResourceArn");
  if (tagged) return [tagged];
  const application = first(input, "applicationName");
  const group = first(input, "deploymentGroupName", "currentDeploymentGroupName");
  const groups = (names: readonly string[]) =>
    names.map((name) => deployArn(place, `deploymentgroup:${application}/${name}`));
  switch (operation) {
    case "BatchGetDeploymentTargets":
    case "ContinueDeployment":
    case "GetDeploymentTarget":
    case "ListApplications":
    case "ListDeploymentConfigs":
    case "ListDeploymentTargets":
    case "PutLifecycleEventHookExecutionStatus":
    case "StopDeployment":
      return ALL;
    case "GetDeployment":
    case "BatchGetDeployments": {
      const ids = [
        ...texts(input, "deploymentIds"),
        ...(first(input, "deploymentId") ?? "").split(" "),
      ].filter(Boolean);
      const of = await Promise.all(ids.map((id) => place.directory.deploymentGroup(id, place)));
      return of.map((found) => deployArn(place, `deploymentgroup:${found ?? "*"}`));
    }
    case "ListDeployments":
      return application && group ? groups([group]) : [deployArn(place, "deploymentgroup:*")];
    case "GetDeploymentConfig":
    case "CreateDeploymentConfig":
    case "DeleteDeploymentConfig":
      return [deployArn(place, `deploymentconfig:${text(input, "deploymentConfigName")}`)];
    case "BatchGetDeploymentGroups":
      return groups(texts(input, "deploymentGroupNames"));
    case "BatchGetApplications":
      return texts(input, "applicationNames").map((name) => deployArn(place, `application:${name}`));
  }
  if (application && group) return groups([group]);
  return application ? [deployArn(place, `application:${application}`)] : undefined;
};

const kmsArn = maker("kms");
const kms: Find = async (operation, input, place) => {
  if (/^(List(Aliases|Keys)|CreateKey|GenerateRandom)$/.test(operation)) return ALL;
  const key = async (id: string) =>
    (await place.directory.keyArn(id, place)) ?? kmsArn(place, id.startsWith("alias/") ? id : `key/${id}`);
  const alias = first(input, "AliasName");
  if (alias) {
    const target = first(input, "TargetKeyId");
    const before = operation === "CreateAlias" ? undefined : await place.directory.keyArn(alias, place);
    return [kmsArn(place, alias), ...(target ? [await key(target)] : []), ...(before ? [before] : [])];
  }
  const id = first(input, "KeyId");
  if (id) return [await key(id)];
  // The ciphertext tells the key, to AWS alone.
  return operation === "Decrypt" ? [kmsArn(place, "key/*")] : undefined;
};

const secretArn = maker("secretsmanager");
const secretsmanager: Find = async (operation, input, place) => {
  if (/^(ListSecrets|GetRandomPassword|BatchGetSecretValue)$/.test(operation)) return ALL;
  if (operation === "CreateSecret") return [secretArn(place, `secret:${text(input, "Name")}`)];
  const id = first(input, "SecretId");
  if (!id) return undefined;
  return [
    (await place.directory.secret(id, place))?.arn ??
      secretArn(place, id.startsWith("arn:") ? id : `secret:${id}`),
  ];
};

const ssmArn = maker("ssm");
const ssm: Find = (operation, input, place) => {
  if (operation === "DescribeParameters") return ALL;
  const named = [
    ...texts(input, "Names"),
    ...["Name", "Path", "ResourceId"].map((name) => text(input, name)),
  ];
  const names = named
    .filter(Boolean)
    .map((name) => ssmArn(place, name.startsWith("arn:") ? name : `parameter/${name.replace(/^\//, "")}`));
  return /Parameter|Tags/.test(operation) && names.length ? names : undefined;
};

const eventsArn = maker("events");
const events: Find = (operation, input, place) => {
  const tagged = first(input, "ResourceARN");
  if (tagged) return [tagged];
  const bus = first(input, "EventBusName");
  if (operation === "PutEvents") {
    const buses = list(input.Entries).map((entry) => text(entry, "EventBusName") || "default");
    return [...new Set(buses)].map((name) => eventsArn(place, `event-bus/${name}`));
  }
  if (/^List(Rules|EventBuses|RuleNamesByTarget)$/.test(operation)) return ALL;
  const rule = first(input, "Name", "Rule");
  if (!rule || !/Rule|Targets/.test(operation)) return undefined;
  return [eventsArn(place, `rule/${bus && bus !== "default" ? `${bus}/` : ""}${rule}`)];
};

const snsArn = maker("sns");
const sns: Find = (operation, input, place) => {
  if (/^List(Topics|Subscriptions)$/.test(operation)) return ALL;
  if (operation === "CreateTopic") return [snsArn(place, text(input, "Name"))];
  // A subscription is allowed by the topic that it is of.
  const subscription = first(input, "SubscriptionArn")?.split(":").slice(0, 6).join(":");
  const arn = first(input, "TopicArn", "TargetArn", "ResourceArn") ?? subscription;
  return arn ? [arn] : undefined;
};

const sqsArn = maker("sqs");
const sqs: Find = (operation, input, place) => {
  if (operation === "ListQueues") return ALL;
  const [account, name] = text(input, "QueueUrl").split("/").slice(-2);
  if (name) return [sqsArn({ ...place, account: account! }, name)];
  const queue = first(input, "QueueName");
  return queue ? [sqsArn(place, queue)] : undefined;
};

const acm: Find = (operation, input) => {
  if (
    /^(RequestCertificate|ListCertificates|ImportCertificate)$/.test(operation) &&
    !text(input, "CertificateArn")
  )
    return ALL;
  const arn = first(input, "CertificateArn");
  return arn ? [arn] : undefined;
};

const wafArn = maker("wafv2");
const wafv2: Find = (operation, input, place) => {
  if (
    /^List(WebACLs|AvailableManagedRuleGroups)$/.test(operation) ||
    operation === "DescribeManagedRuleGroup"
  )
    return ALL;
  const arns = [
    ...["ResourceArn", "ResourceARN", "WebACLArn", "WebACLArn"].map((name) => text(input, name)),
    text(input.LoggingConfiguration, "ResourceArn"),
  ].filter(Boolean);
  if (arns.length) return [...new Set(arns)];
  const name = first(input, "Name");
  if (!name || !/WebACL/.test(operation)) return undefined;
  const scope = text(input, "Scope") === "CLOUDFRONT" ? "global" : "regional";
  return [wafArn(place, `${scope}/webacl/${name}/${text(input, "Id") || "*"}`)];
};

const elbArn = maker("elasticloadbalancing");
const elasticloadbalancing: Find = (operation, input, place) => {
  if (operation.startsWith("Describe")) return ALL;
  const name = text(input, "Name");
  if (operation === "CreateLoadBalancer") {
    const kind = { network: "net", gateway: "gwy" }[text(input, "Type")] ?? "app";
    return [elbArn(place, `loadbalancer/${kind}/${name}/*`)];
  }
  if (operation === "CreateTargetGroup") return [elbArn(place, `targetgroup/${name}/*`)];
  const ordered = list(input.RulePriorities).map((one) => text(one, "RuleArn"));
  const named = first(input, "RuleArn", "ListenerArn", "LoadBalancerArn", "TargetGroupArn", "ResourceArn");
  const arns = [...texts(input, "ResourceArns"), ...ordered, ...(named ? [named] : [])];
  return arns.length ? arns : undefined;
};

const watchArn = maker("cloudwatch");
const cloudwatch: Find = (operation, input, place) => {
  const tagged = first(input, "ResourceARN");
  if (tagged) return [tagged];
  const alarms = texts(input, "AlarmNames");
  const alarm = first(input, "AlarmName");
  if (alarm) return [watchArn(place, `alarm:${alarm}`)];
  if (operation === "DescribeAlarms")
    return (alarms.length ? alarms : ["*"]).map((name) => watchArn(place, `alarm:${name}`));
  if (alarms.length) return alarms.map((name) => watchArn(place, `alarm:${name}`));
  const boards = [...texts(input, "DashboardNames"), text(input, "DashboardName")].filter(Boolean);
  if (boards.length) return boards.map((name) => `arn:aws:cloudwatch::${place.account}:dashboard/${name}`);
  return /^(GetMetric|ListMetrics|PutMetricData|ListDashboards|DescribeAlarmsForMetric)/.test(operation)
    ? ALL
    : undefined;
};

const iam: Find = async (operation, input, { account, directory }) => {
  const arn = (rest: string) => `arn:aws:iam::${account}:${rest}`;
  const path = text(input, "Path") || "/";
  if (operation === "CreateServiceLinkedRole")
    return [arn(`role/aws-service-role/${text(input, "AWSServiceName")}/*`)];
  const role = first(input, "RoleName");
  if (role) return [(await directory.role(account, role))?.arn ?? arn(`role${path}${role}`)];
  const policy = first(input, "PolicyArn");
  if (policy) return [policy];
  if (operation === "CreatePolicy") return [arn(`policy${path}${text(input, "PolicyName")}`)];
  const user = first(input, "UserName");
  if (user) return [arn(`user${path}${user}`)];
  const profile = first(input, "InstanceProfileName");
  if (profile) return [arn(`instance-profile${path}${profile}`)];
  return /^(List(Roles|Policies|Users)|GetAccount)/.test(operation) ? ALL : undefined;
};

const connectionArn = maker("codestar-connections");
const connections: Find = (operation, input, place) => {
  if (/^(CreateConnection|ListConnections|CreateHost|ListHosts)$/.test(operation)) return ALL;
  const arn = first(input, "ConnectionArn", "ResourceArn", "HostArn");
  return arn ? [connectionArn(place, arn)] : undefined;
};

const scaling: Find = (_, input) => {
  const arn = first(input, "ResourceARN");
  // A target's ARN ends in an id that no request names: only who may do it to all may do it.
  return arn ? [arn] : ALL;
};

/** AWS has resources for much of EC2. Here only who may do something to all may do it. */
const ec2: Find = () => ALL;

/** By the name that actions begin with. */
export const RESOURCES: Readonly<Record<string, Find>> = {
  acm,
  "application-autoscaling": scaling,
  cloudwatch,
  codebuild,
  codecommit,
  codeconnections: connections,
  codedeploy,
  codepipeline,
  "codestar-connections": connections,
  ec2,
  ecr,
  ecs,
  elasticloadbalancing,
  events,
  iam,
  kms,
  logs,
  secretsmanager,
  sns,
  sqs,
  ssm,
  tag: () => ALL,
  wafv2,
};
