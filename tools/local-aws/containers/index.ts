import { type AwsRequest, readJson } from "../aws-request";
import type { Quirk } from "../quirks";
import type { ServiceName, Services } from "./services";
import type { Task } from "./task";

/** Operations after which a service may want other tasks. */
const CHANGES = /^((Create|Update|Delete)(Service|TaskSet)|UpdateServicePrimaryTaskSet)$/;
const SHOWN = /^(CreateService|UpdateService|DescribeServices|DescribeTaskSets|CreateTaskSet)$/;
const ASKED = /^(ListTasks|DescribeTasks)$/;

type Fields = Record<string, unknown>;

/** Runs the tasks of ECS's services, and shows what runs. */
export function containers(services: Services): Quirk {
  return {
    reason: "moto's services have no tasks",
    concerns: ({ api, operation }) =>
      /^AmazonEC2ContainerService/.test(api) &&
      (CHANGES.test(operation) || SHOWN.test(operation) || ASKED.test(operation)),
    answer(request) {
      const own = ASKED.test(request.operation) && answerTasks(services, request);
      if (!own) return undefined;
      const headers = { "content-type": "application/x-amz-json-1.1" };
      return { status: 200, headers, body: Buffer.from(JSON.stringify(own)) };
    },
    ask(request) {
      if (request.operation !== "CreateTaskSet") return request.body;
      // moto would make tasks of its own, with network interfaces that nobody removes. All of it is what it takes anyway.
      const { scale, ...rest } = readJson(request.body) as Fields;
      return Buffer.from(JSON.stringify((scale as Fields)?.value === 100 ? rest : { scale, ...rest }));
    },
    async amend(request, answer) {
      const name = CHANGES.test(request.operation) && nameIn(request);
      // Its tasks start later; that they are wanted, whoever asked may see at once.
      if (name) await services.refresh(name);
      return SHOWN.test(request.operation) ? withCounts(services, answer) : answer;
    },
    stop: () => services.stop(),
  };
}

const last = (arn: unknown) =>
  String(arn ?? "default")
    .split("/")
    .at(-1) ?? "";

/** The service that a request is about. */
function nameIn({ body, scope }: AwsRequest): ServiceName | undefined {
  const { cluster, service, serviceName } = readJson(body) as Fields;
  const given = service ?? serviceName;
  return given ? { scope, cluster: last(cluster), service: last(given) } : undefined;
}

/** Answers who asks for tasks of ours. */
function answerTasks(services: Services, request: AwsRequest): Fields | undefined {
  const input = readJson(request.body) as Fields;
  if (request.operation === "ListTasks") {
    const name = nameIn(request);
    if (!name) return undefined;
    const { desiredStatus = "RUNNING" } = input;
    const all = services.tasksOf(name).filter((task) => wantedStatus(task) === desiredStatus);
    return { taskArns: all.map(({ arn }) => arn) };
  }
  const asked = (input.tasks as string[] | undefined) ?? [];
  const found = asked.map((id) => services.task(request.scope, id));
  if (!found.some(Boolean)) return undefined;
  return {
    tasks: found.flatMap((one) => (one ? [describeTask(one.task, one.service)] : [])),
    failures: asked.filter((_, index) => !found[index]).map((arn) => ({ arn, reason: "MISSING" })),
  };
}

const wantedStatus = ({ status }: Task) => (status === "STOPPED" ? "STOPPED" : "RUNNING");

/** A task as ECS tells of it. */
export function describeTask(task: Task, service: string): Fields {
  const { arn, props, status, startedAt, stoppedAt, stoppedReason, address, exitCodes } = task;
  const { scope, cluster, definition } = props;
  const taskId = last(arn);
  return {
    taskArn: arn,
    clusterArn: `arn:aws:ecs:${scope.region}:${scope.account}:cluster/${cluster}`,
    taskDefinitionArn: definition.taskDefinitionArn,
    group: `service:${service}`,
    launchType: "FARGATE",
    lastStatus: status,
    desiredStatus: wantedStatus(task),
    createdAt: startedAt / 1000,
    startedAt: startedAt / 1000,
    ...(stoppedAt && { stoppedAt: stoppedAt / 1000, stoppedReason }),
    containers: (definition.containerDefinitions ?? []).map(({ name = "", image }) => ({
      containerArn: `${arn}/${name}`,
      taskArn: arn,
      name,
      image,
      lastStatus: status,
      runtimeId: `${taskId}-${name}`,
      exitCode: exitCodes.get(name),
      networkInterfaces: [{ privateIpv4Address: address }],
    })),
  };
}

/** Puts what runs into the services and task sets of an answer. */
function withCounts(services: Services, answer: Buffer): Buffer {
  const content = readJson(answer) as Fields;
  const count = (described: Fields, arn: unknown) => {
    const counts = services.countsOf(String(arn));
    if (!counts) return undefined;
    const { wanted, running, isSteady } = counts;
    const numbers = { runningCount: running, pendingCount: Math.max(wanted - running, 0) };
    Object.assign(described, numbers);
    return { ...numbers, wanted, isSteady };
  };
  const setsOf = (described: Fields) =>
    [described.taskSets, described.taskSet].flat().filter(Boolean) as Fields[];
  const all = [content.services, content.service].flat().filter(Boolean) as Fields[];
  for (const set of [...setsOf(content), ...all.flatMap(setsOf)]) {
    const counts = count(set, set.taskSetArn);
    if (!counts) continue;
    set.computedDesiredCount = counts.wanted;
    set.stabilityStatus = counts.isSteady ? "STEADY_STATE" : "STABILIZING";
  }
  for (const service of all) {
    const own = count(service, service.serviceArn);
    for (const deployment of (service.deployments as Fields[] | undefined) ?? []) {
      if (own && deployment.status === "PRIMARY") {
        deployment.runningCount = own.runningCount;
        deployment.pendingCount = own.pendingCount;
      }
    }
    const sets = setsOf(service);
    if (!sets.length) continue;
    const sum = (field: string) => sets.reduce((total, set) => total + Number(set[field] ?? 0), 0);
    service.runningCount = sum("runningCount") + (own?.runningCount ?? 0);
    service.pendingCount = sum("pendingCount") + (own?.pendingCount ?? 0);
  }
  return Buffer.from(JSON.stringify(content));
}
