import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  CloudWatchLogsClient,
  CreateLogGroupCommand,
  FilterLogEventsCommand,
} from "@aws-sdk/client-cloudwatch-logs";
import {
  CreateSubnetCommand,
  CreateVpcCommand,
  DescribeNetworkInterfacesCommand,
  EC2Client,
} from "@aws-sdk/client-ec2";
import {
  CreateClusterCommand,
  CreateServiceCommand,
  CreateTaskSetCommand,
  DeleteServiceCommand,
  DeleteTaskSetCommand,
  DescribeServicesCommand,
  DescribeTasksCommand,
  ECSClient,
  ListTasksCommand,
  RegisterTaskDefinitionCommand,
  UpdateServiceCommand,
  UpdateServicePrimaryTaskSetCommand,
} from "@aws-sdk/client-ecs";
import {
  type Action,
  CreateListenerCommand,
  CreateLoadBalancerCommand,
  CreateRuleCommand,
  CreateTargetGroupCommand,
  DeleteLoadBalancerCommand,
  DescribeLoadBalancersCommand,
  DescribeTargetHealthCommand,
  ElasticLoadBalancingV2Client,
  ModifyRuleCommand,
} from "@aws-sdk/client-elastic-load-balancing-v2";
import { CreateFunctionCommand, InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { zipSync } from "fflate";
import { type LocalAws, startLocalAws } from "../../../tools/local-aws";
import { ask } from "../../../tools/local-aws/functions/client";
import { LocalClients, region, spawnLocalAws } from "../../support/local-aws";
import { motoServer } from "../../support/moto";
import { ROOT } from "../../support/settings";
import { changesIn, initializedTerraformIn } from "../../support/terraform";
import { lives } from "./functions-bed";

jest.setTimeout(3 * 60_000);

const ACCOUNT = "111111111111";
const cluster = "shop";
const log: string[] = [];

function clientsOf(endpoint: string) {
  const all = new LocalClients(endpoint);
  return {
    all,
    elb: all.of(ElasticLoadBalancingV2Client),
    ecs: all.of(ECSClient),
    ec2: all.of(EC2Client),
    logs: all.of(CloudWatchLogsClient),
  };
}
type Clients = ReturnType<typeof clientsOf>;

let aws: LocalAws;
let clients: Clients;
let vpc: string;
let subnets: string[];
let balancer: string;
let url: string;
beforeAll(async () => {
  aws = await startLocalAws({
    account: ACCOUNT,
    motoServer: await motoServer(),
    log: (line) => log.push(line),
  });
  clients = clientsOf(aws.endpoint);
  ({ vpc, subnets } = await createNetwork(clients));
  const { LoadBalancers } = await clients.elb.send(
    new CreateLoadBalancerCommand({ Name: "shop", Subnets: subnets }),
  );
  balancer = LoadBalancers?.[0]?.LoadBalancerArn ?? "";
  url = `http://${LoadBalancers?.[0]?.DNSName}`;
  await clients.ecs.send(new CreateClusterCommand({ clusterName: cluster }));
  await clients.logs.send(new CreateLogGroupCommand({ logGroupName: "/shop" }));
});
afterAll(async () => {
  clients.all.destroy();
  await aws.stop();
});

async function createNetwork({ ec2 }: Clients) {
  const { Vpc } = await ec2.send(new CreateVpcCommand({ CidrBlock: "10.0.0.0/16" }));
  const ids: string[] = [];
  for (const [index, zone] of ["a", "b"].entries()) {
    const { Subnet } = await ec2.send(
      new CreateSubnetCommand({
        VpcId: Vpc?.VpcId,
        CidrBlock: `10.0.${index}.0/24`,
        AvailabilityZone: `${region}${zone}`,
      }),
    );
    ids.push(Subnet?.SubnetId ?? "");
  }
  return { vpc: Vpc?.VpcId ?? "", subnets: ids };
}

/** Waits for an answer of this text. */
async function answers(address: string, expected: string): Promise<void> {
  for (let tries = 0; ; tries++) {
    const text = await fetch(address).then(
      (response) => response.text(),
      (error: Error) => error.message,
    );
    if (text === expected) return;
    if (tries === 200) throw new Error(`${address} answers ${text}, and not ${expected}: ${log.join("\n")}`);
    await pause();
  }
}

const pause = (milliseconds = 100) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function eventually(condition: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await condition()); tries++) {
    if (tries === 200) throw new Error(`it never came: ${log.join("\n")}`);
    await pause();
  }
}

async function targetGroup(Name: string): Promise<string> {
  const { TargetGroups } = await clients.elb.send(
    new CreateTargetGroupCommand({
      Name,
      Protocol: "HTTP",
      Port: 8080,
      VpcId: vpc,
      TargetType: "ip",
      HealthCheckPath: "/health",
      HealthyThresholdCount: 2,
      UnhealthyThresholdCount: 2,
    }),
  );
  return TargetGroups?.[0]?.TargetGroupArn ?? "";
}

const forward = (TargetGroupArn: string): Action => ({ Type: "forward", TargetGroupArn });
const nobody: Action = {
  Type: "fixed-response",
  FixedResponseConfig: { StatusCode: "404", ContentType: "text/plain", MessageBody: "nobody" },
};

async function listener(Port: number, ...DefaultActions: Action[]): Promise<string> {
  const { Listeners } = await clients.elb.send(
    new CreateListenerCommand({ LoadBalancerArn: balancer, Port, Protocol: "HTTP", DefaultActions }),
  );
  return Listeners?.[0]?.ListenerArn ?? "";
}

async function rule(ListenerArn: string, Priority: number, path: string, group: string): Promise<string> {
  const { Rules } = await clients.elb.send(
    new CreateRuleCommand({
      ListenerArn,
      Priority,
      Conditions: [{ Field: "path-pattern", PathPatternConfig: { Values: [path] } }],
      Actions: [forward(group)],
    }),
  );
  return Rules?.[0]?.RuleArn ?? "";
}

const server = (word: string) =>
  `console.log("up");require("http").createServer((q,r)=>q.url==="/die"?process.exit(3):r.end(q.url==="/pid"?String(process.pid):"${word}")).listen(8080)`;

async function define(family: string, word: string, image = "public.ecr.aws/docker/library/node:22-alpine") {
  const { taskDefinition } = await clients.ecs.send(
    new RegisterTaskDefinitionCommand({
      family,
      networkMode: "awsvpc",
      requiresCompatibilities: ["FARGATE"],
      cpu: "256",
      memory: "512",
      containerDefinitions: [
        {
          name: "web",
          image,
          essential: true,
          command: ["node", "-e", server(word)],
          portMappings: [{ containerPort: 8080, protocol: "tcp" }],
          environment: [{ name: "PORT", value: "8080" }],
          logConfiguration: {
            logDriver: "awslogs",
            options: {
              "awslogs-group": "/shop",
              "awslogs-region": region,
              "awslogs-stream-prefix": family,
            },
          },
        },
      ],
    }),
  );
  return taskDefinition?.taskDefinitionArn ?? "";
}

const network = () => ({ awsvpcConfiguration: { subnets, securityGroups: [] } });
const balanced = (targetGroupArn: string) => [{ targetGroupArn, containerName: "web", containerPort: 8080 }];

async function service(serviceName: string, taskDefinition: string, group?: string, controller = "ECS") {
  await clients.ecs.send(
    new CreateServiceCommand({
      cluster,
      serviceName,
      taskDefinition: controller === "EXTERNAL" ? undefined : taskDefinition,
      desiredCount: 1,
      launchType: "FARGATE",
      deploymentController: { type: controller as "ECS" },
      networkConfiguration: network(),
      loadBalancers: group ? balanced(group) : undefined,
    }),
  );
}

async function runningOf(serviceName: string): Promise<number | undefined> {
  const { services } = await clients.ecs.send(
    new DescribeServicesCommand({ cluster, services: [serviceName] }),
  );
  return services?.[0]?.runningCount;
}

async function healthOf(TargetGroupArn: string): Promise<(string | undefined)[]> {
  const input = new DescribeTargetHealthCommand({ TargetGroupArn });
  const { TargetHealthDescriptions = [] } = await clients.elb.send(input);
  return TargetHealthDescriptions.map(({ TargetHealth }) => TargetHealth?.State);
}

test("a load balancer keeps its address, with a listener or without one", async () => {
  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  expect((await fetch(url)).status).toBe(503);
  const main = await listener(80, nobody);
  expect(await (await fetch(url)).text()).toBe("nobody");
  const { LoadBalancers } = await clients.elb.send(new DescribeLoadBalancersCommand({ Names: ["shop"] }));
  expect(`http://${LoadBalancers?.[0]?.DNSName}`).toBe(url);

  const [one, two] = [await targetGroup("one"), await targetGroup("two")];
  const first = await rule(main, 10, "/*", one);
  await rule(main, 5, "/two/*", two);
  await service("one", await define("one", "one"), one);
  await service("two", await define("two", "two"), two);
  await answers(url, "one");
  await answers(`${url}/two/x?y=z`, "two");
  await eventually(async () => (await healthOf(one)).join() === "healthy");

  // Twice as many, and one that dies comes again.
  await clients.ecs.send(new UpdateServiceCommand({ cluster, service: "one", desiredCount: 2 }));
  await eventually(async () => (await healthOf(one)).join() === "healthy,healthy");
  const pids = new Set<string>();
  for (let tries = 0; tries < 4; tries++) pids.add(await (await fetch(`${url}/pid`)).text());
  expect([pids.size, await runningOf("one")]).toEqual([2, 2]);
  expect((await fetch(`${url}/die`)).status).toBe(502);
  await eventually(async () => log.some((line) => /one has ended: Essential container .* code 3/.test(line)));
  await eventually(async () => (await healthOf(one)).join() === "healthy,healthy");
  const again = new Set<string>();
  for (let tries = 0; tries < 4; tries++) again.add(await (await fetch(`${url}/pid`)).text());
  expect([...again].filter((pid) => pids.has(pid))).toHaveLength(1);

  // Weights are kept.
  const weights = (a: number, b: number): Action => ({
    Type: "forward",
    ForwardConfig: {
      TargetGroups: [
        { TargetGroupArn: one, Weight: a },
        { TargetGroupArn: two, Weight: b },
      ],
    },
  });
  await clients.elb.send(new ModifyRuleCommand({ RuleArn: first, Actions: [weights(90, 10)] }));
  const counts: Record<string, number> = {};
  for (let tries = 0; tries < 50; tries++) {
    const word = await (await fetch(url)).text();
    counts[word] = (counts[word] ?? 0) + 1;
  }
  expect(counts).toEqual({ one: 45, two: 5 });

  const { taskArns } = await clients.ecs.send(new ListTasksCommand({ cluster, serviceName: "two" }));
  const { tasks } = await clients.ecs.send(new DescribeTasksCommand({ cluster, tasks: taskArns }));
  expect(tasks).toMatchObject([{ lastStatus: "RUNNING", group: "service:two" }]);
  await eventually(async () => {
    const { events = [] } = await clients.logs.send(
      new FilterLogEventsCommand({ logGroupName: "/shop", logStreamNamePrefix: "two/web/" }),
    );
    return events.some(({ message }) => message === "up");
  });

  const [pid] = again;
  for (const name of ["one", "two"])
    await clients.ecs.send(new DeleteServiceCommand({ cluster, service: name, force: true }));
  await eventually(async () => !lives(Number(pid)) && !(await healthOf(one)).length);
  expect((await fetch(url)).status).toBe(503);
});

test("a task set answers where the test listener leads to it, and takes over", async () => {
  const [blue, green] = [await targetGroup("blue"), await targetGroup("green")];
  await listener(9000, nobody);
  const test = await listener(9001, forward(green));
  expect(test).toContain("listener/app/shop/");
  await service("web", "", undefined, "EXTERNAL");
  const create = async (taskDefinition: string, group: string) => {
    const { taskSet } = await clients.ecs.send(
      new CreateTaskSetCommand({
        cluster,
        service: "web",
        taskDefinition,
        launchType: "FARGATE",
        networkConfiguration: network(),
        loadBalancers: balanced(group),
        scale: { unit: "PERCENT", value: 100 },
      }),
    );
    return taskSet?.taskSetArn ?? "";
  };
  const old = await create(await define("web", "old"), blue);
  await clients.ecs.send(
    new UpdateServicePrimaryTaskSetCommand({ cluster, service: "web", primaryTaskSet: old }),
  );
  await eventually(async () => (await healthOf(blue)).join() === "healthy");
  const fresh = await create(await define("web", "new"), green);
  await eventually(async () => (await healthOf(green)).join() === "healthy");
  const { services } = await clients.ecs.send(new DescribeServicesCommand({ cluster, services: ["web"] }));
  expect(services?.[0]).toMatchObject({
    runningCount: 2,
    taskSets: [
      { runningCount: 1, stabilityStatus: "STEADY_STATE" },
      { runningCount: 1, stabilityStatus: "STEADY_STATE" },
    ],
  });

  // A function of the VPC finds the test listener by the load balancer's private address.
  const { NetworkInterfaces } = await clients.ec2.send(
    new DescribeNetworkInterfacesCommand({
      Filters: [{ Name: "description", Values: [`ELB ${balancer.replace(/^.*:loadbalancer\//, "")}`] }],
    }),
  );
  const addresses = NetworkInterfaces?.map(({ PrivateIpAddress }) => PrivateIpAddress) ?? [];
  expect(addresses).toEqual(["10.0.0.254", "10.0.1.254"]);
  const asks = (body: string) => inVpc(`exports.handler = async () => ${body};`);
  expect(await asks(`(await fetch("http://${addresses[1]}:9001/")).text()`)).toBe("new");
  expect(await asks(`(await fetch("${url}")).status`)).toBe(503);

  await clients.ecs.send(
    new UpdateServicePrimaryTaskSetCommand({ cluster, service: "web", primaryTaskSet: fresh }),
  );
  await clients.ecs.send(new DeleteTaskSetCommand({ cluster, service: "web", taskSet: old, force: true }));
  await eventually(async () => !(await healthOf(blue)).length && (await runningOf("web")) === 1);
  await clients.ecs.send(new DeleteServiceCommand({ cluster, service: "web", force: true }));
  await eventually(async () => !(await healthOf(green)).length);
});

/** What a function in the VPC answers. */
async function inVpc(code: string): Promise<unknown> {
  const lambda = clients.all.of(LambdaClient);
  const caller = { endpoint: aws.endpoint, region, accessKey: "local" };
  const body = new URLSearchParams({
    Action: "CreateRole",
    Version: "2010-05-08",
    RoleName: "check",
    AssumeRolePolicyDocument: '{"Version":"2012-10-17","Statement":[]}',
  });
  await ask(caller, "iam", "/", { method: "POST", body });
  const FunctionName = `check-${Date.now()}`;
  await lambda.send(
    new CreateFunctionCommand({
      FunctionName,
      Runtime: "nodejs22.x",
      Handler: "index.handler",
      Role: `arn:aws:iam::${ACCOUNT}:role/check`,
      Timeout: 20,
      Code: { ZipFile: zipSync({ "index.js": Buffer.from(code) }) },
      VpcConfig: { SubnetIds: subnets, SecurityGroupIds: [] },
    }),
  );
  const { Payload } = await lambda.send(new InvokeCommand({ FunctionName }));
  return JSON.parse(Payload?.transformToString() ?? "null");
}

test("a task whose image is not there tells so, and its service goes on trying", async () => {
  const image = `${ACCOUNT}.dkr.ecr.${region}.amazonaws.com/shop@sha256:${"0".repeat(64)}`;
  await service("missing", await define("missing", "", image));
  const said = () => log.some((line) => line.includes("CannotPullContainerError") && line.includes(image));
  await eventually(async () => said());
  const asked = { cluster, serviceName: "missing", desiredStatus: "STOPPED" } as const;
  const { taskArns } = await clients.ecs.send(new ListTasksCommand(asked));
  const { tasks } = await clients.ecs.send(new DescribeTasksCommand({ cluster, tasks: taskArns }));
  expect(tasks?.[0]?.stoppedReason).toMatch(/^CannotPullContainerError: /);
  await clients.ecs.send(new DeleteServiceCommand({ cluster, service: "missing", force: true }));
});

test("a load balancer that is gone listens no more, and has no network interfaces", async () => {
  await clients.elb.send(new DeleteLoadBalancerCommand({ LoadBalancerArn: balancer }));
  await expect(fetch(url)).rejects.toThrow();
  const { NetworkInterfaces } = await clients.ec2.send(
    new DescribeNetworkInterfacesCommand({
      Filters: [{ Name: "description", Values: [`ELB ${balancer.replace(/^.*:loadbalancer\//, "")}`] }],
    }),
  );
  expect(NetworkInterfaces).toEqual([]);
});

test("a service by Terraform answers, and a plan right after an apply is empty", async () => {
  const folder = mkdtempSync(join(tmpdir(), "slipway-balancer-"));
  cpSync(join(ROOT, "__tests__/tools/local-aws/terraform/load-balancer"), folder, { recursive: true });
  const run = await initializedTerraformIn(folder, aws.endpoint);
  await run("apply", "-auto-approve", "-input=false", "-var=tasks=1");
  const more = await run("apply", "-auto-approve", "-input=false", "-var=tasks=2");
  expect(changesIn(more)).toEqual(['~ resource "aws_ecs_service" "this"', "~ desired_count = 1 -> 2"]);
  expect((await run("plan", "-detailed-exitcode", "-input=false", "-var=tasks=2")).exitCode).toBe(0);
  const address = (await run("output", "-raw", "url")).stdout;
  await answers(`${address}/web`, "hello 80");
  await answers(`${address}/`, "nobody");
  await run("destroy", "-auto-approve", "-input=false", "-var=tasks=2");
  await expect(fetch(address)).rejects.toThrow();
  rmSync(folder, { recursive: true });
});

test("no task outlives a Local AWS that was killed", async () => {
  const { cli, endpoint } = await spawnLocalAws();
  const before = { clients, subnets };
  clients = clientsOf(endpoint);
  try {
    ({ subnets } = await createNetwork(clients));
    await clients.ecs.send(new CreateClusterCommand({ clusterName: cluster }));
    await clients.logs.send(new CreateLogGroupCommand({ logGroupName: "/shop" }));
    const stays = await define("stays", "");
    await clients.ecs.send(
      new RegisterTaskDefinitionCommand({
        family: "stays",
        containerDefinitions: [
          {
            name: "web",
            image: "node:22",
            memory: 128,
            command: ["node", "-e", "console.log(process.pid); setInterval(() => {}, 1000)"],
            logConfiguration: {
              logDriver: "awslogs",
              options: { "awslogs-group": "/shop", "awslogs-stream-prefix": "stays" },
            },
          },
        ],
      }),
    );
    await service("stays", stays.replace(/:\d+$/, ":2"));
    let pid: number | undefined;
    await eventually(async () => {
      const { events = [] } = await clients.logs.send(new FilterLogEventsCommand({ logGroupName: "/shop" }));
      pid = Number(events[0]?.message) || undefined;
      return pid !== undefined;
    });
    expect(lives(pid!)).toBe(true);
    cli.kill("SIGKILL");
    await eventually(async () => !lives(pid!));
  } finally {
    clients.all.destroy();
    ({ clients, subnets } = before);
    cli.kill("SIGKILL");
  }
});
