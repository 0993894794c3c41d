import { until } from "./until";
import { Bed, BUILD } from "./upstream";

const ARN = `arn:aws:ecs:eu-west-1:${BUILD}:service/shop/web`;
const SET = `arn:aws:ecs:eu-west-1:${BUILD}:task-set/shop/web/ecs-svc/1`;

/** What the stand-in for moto keeps. */
let service: Record<string, unknown>;
let container: Record<string, unknown>;
let bed: Bed;
beforeEach(async () => {
  service = {
    serviceArn: ARN,
    status: "ACTIVE",
    desiredCount: 1,
    taskDefinition: "web:1",
  };
  container = { name: "web", image: "node:22", command: ["node", "-e", "setInterval(() => {}, 1000)"] };
  bed = await new Bed().start();
  bed.upstream = ({ headers }, response) => {
    const operation = String(headers["x-amz-target"]).split(".")[1];
    const taskDefinition = { taskDefinitionArn: service.taskDefinition, containerDefinitions: [container] };
    const kept =
      operation === "DescribeTaskDefinition" ? { taskDefinition } : { services: [service], service };
    response.setHeader("content-type", "application/x-amz-json-1.1").end(JSON.stringify(kept));
  };
});
afterEach(() => bed.stop());

const ecs = async (operation: string, input: object = {}) => {
  const given = { cluster: "shop", ...input };
  return (await bed.call(`AmazonEC2ContainerServiceV20141113.${operation}`, given)).content;
};
/** Has the service looked at again, as after any change. */
const change = (changed: object) => {
  Object.assign(service, changed);
  return ecs("UpdateService", { service: ARN });
};
const tasks = async (desiredStatus = "RUNNING") =>
  (await ecs("ListTasks", { serviceName: "web", desiredStatus })).taskArns as string[];
const describe = async (arns: string[]) =>
  (await ecs("DescribeTasks", { tasks: arns })).tasks as { lastStatus: string; stoppedReason?: string }[];
const running = async () => {
  const { services } = (await ecs("DescribeServices", { services: ["web"] })) as {
    services: { runningCount?: number; pendingCount?: number; taskSets?: object[] }[];
  };
  return services[0];
};

async function eventually(condition: () => Promise<boolean>): Promise<void> {
  let good = false;
  const asked = (async () => {
    while (!good) {
      good = await condition();
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  })();
  await Promise.race([asked, until(() => good)]);
}

test("as many tasks run as are wanted, and the service tells how many", async () => {
  const created = await ecs("CreateService", { serviceName: "web" });
  expect(created.service).toMatchObject({ runningCount: 0, pendingCount: 1 });
  await eventually(async () => (await running())?.runningCount === 1);
  const [first] = await tasks();
  expect(await describe([first!, "0123"])).toMatchObject([{ lastStatus: "RUNNING" }]);
  await change({ desiredCount: 3 });
  await eventually(async () => (await running())?.runningCount === 3);
  await change({ desiredCount: 0 });
  await eventually(async () => (await running())?.runningCount === 0);
  expect(await tasks()).toEqual([]);
  await eventually(async () => (await tasks("STOPPED")).length === 3);
});

test("each task set of a service has its share of tasks, and they end with it", async () => {
  const set = { taskSetArn: SET, status: "PRIMARY", taskDefinition: "web:1" };
  const newer = {
    ...set,
    taskSetArn: `${SET}2`,
    taskDefinition: "web:2",
    scale: { value: 50, unit: "PERCENT" },
  };
  await change({ deploymentController: { type: "EXTERNAL" }, desiredCount: 2, taskSets: [set, newer] });
  await eventually(async () => (await running())?.runningCount === 3);
  expect((await running())?.taskSets).toMatchObject([
    { runningCount: 2, computedDesiredCount: 2, stabilityStatus: "STEADY_STATE" },
    { runningCount: 1, computedDesiredCount: 1, stabilityStatus: "STEADY_STATE" },
  ]);
  await change({ taskSets: [newer] });
  expect((await tasks()).length).toBe(1);
});

test("a task set is not steady while its load balancer has not found its tasks well", async () => {
  const targetGroupArn = `arn:aws:elasticloadbalancing:eu-west-1:${BUILD}:targetgroup/web/1`;
  const set = { taskSetArn: SET, status: "PRIMARY", taskDefinition: "web:1" };
  const balanced = { ...set, loadBalancers: [{ targetGroupArn, containerPort: 8080 }] };
  await change({ deploymentController: { type: "EXTERNAL" }, taskSets: [balanced] });
  await eventually(async () => (await running())?.runningCount === 1);
  expect((await running())?.taskSets).toMatchObject([{ runningCount: 1, stabilityStatus: "STABILIZING" }]);
});

test("another task definition brings other tasks", async () => {
  await ecs("CreateService", { serviceName: "web" });
  await eventually(async () => (await running())?.runningCount === 1);
  const before = await tasks();
  await change({ taskDefinition: "web:2" });
  await eventually(async () => (await running())?.runningCount === 1);
  const after = await tasks();
  expect([after.length, after[0] === before[0]]).toEqual([1, false]);
});

test("a task that ends says why, and another takes its place", async () => {
  container.command = ["node", "-e", "process.exit(7)"];
  await ecs("CreateService", { serviceName: "web" });
  await eventually(async () => (await tasks("STOPPED")).length >= 2);
  const [stopped] = await describe(await tasks("STOPPED"));
  expect(stopped?.stoppedReason).toBe("Essential container in task exited");
  // It is the same each time, and told once.
  const line = "A task of shop/web has ended: Essential container in task exited (web with exit code 7)";
  expect(bed.log).toEqual([line]);
});

test("a task whose secrets nobody may read is not started", async () => {
  container.secrets = [{ name: "TOKEN", valueFrom: "/shop/token" }];
  await ecs("CreateService", { serviceName: "web" });
  await eventually(async () => (await tasks("STOPPED")).length > 0);
  const [stopped] = await describe(await tasks("STOPPED"));
  expect(stopped?.stoppedReason).toBe(
    "ResourceInitializationError: the task could not be started: secret TOKEN needs an execution role",
  );
});

test("a service that is deleted has no tasks, nor has one whose cluster is gone", async () => {
  await ecs("CreateService", { serviceName: "web" });
  await eventually(async () => (await running())?.runningCount === 1);
  service.status = "INACTIVE";
  await ecs("DeleteService", { service: "web", force: true });
  expect(await tasks()).toEqual([]);
});
