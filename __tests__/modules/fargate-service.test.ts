import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FargateService } from "../../modules/fargate-service";
import type { LoadBalancer } from "../../modules/load-balancer";
import { LogGroup } from "../../modules/logs";
import type { Network } from "../../modules/network";
import { SERVICE_RELEASES, type ServiceRelease, type ServiceSettings } from "../../settings";
import { only, synthesizeConstruct } from "../support/construct";
import { all, type SynthesizedStack, statements } from "../support/synthesized";

const bundles = mkdtempSync(join(tmpdir(), "slipway-bundles-"));
writeFileSync(join(bundles, "release-check.zip"), "zip");
afterAll(() => rmSync(bundles, { recursive: true }));

const SERVICE: ServiceSettings = {
  port: 8080,
  cpu: 256,
  memory: 512,
  healthPath: "/well",
  paths: ["/*"],
  hosts: [],
  minCount: 1,
  maxCount: 4,
  variables: { LEVEL: "info" },
  secrets: {},
  exec: false,
  slowMilliseconds: 1500,
  requestsPerTask: 900,
  checks: [{ path: "/well", method: "GET", status: 200, withinMilliseconds: 5000 }],
};

function service(
  changes: Partial<ServiceSettings> = {},
  { release = "all-at-once" as ServiceRelease, bakeMinutes = 5 } = {},
) {
  let made!: FargateService;
  const stack = synthesizeConstruct((scope) => {
    made = new FargateService(scope, "service-web", {
      prefix: "hello-dev",
      name: "web",
      repository: "hello/web",
      service: { ...SERVICE, ...changes },
      release,
      bakeMinutes,
      priority: 1,
      account: "222222222222",
      region: "eu-west-1",
      buildAccount: "111111111111",
      buildRegion: "eu-west-1",
      network: {
        vpcId: "vpc-1",
        privateSubnetIds: ["subnet-1", "subnet-2"],
        wayOut: [],
      } as unknown as Network,
      loadBalancer: {
        arnSuffix: "app/hello-dev/50dc",
        productionListenerArn: "arn:production",
        testListenerArn: "arn:test",
        productionPort: 443,
        securityGroupId: "sg-balancer",
        urlOf: (host = "dev.example.com") => `https://${host}`,
        connectTo() {},
      } as unknown as LoadBalancer,
      clusterName: "hello-dev",
      clusterArn: "arn:aws:ecs:eu-west-1:222222222222:cluster/hello-dev",
      key: { arn: "arn:key", grantUse() {} },
      logRetentionDays: 30,
      boundary: "arn:aws:iam::222222222222:policy/hello-dev-boundary",
      alarmTopicArn: "arn:topic",
      bundles,
      shellLogs: new LogGroup(scope, "shells", {
        name: "/slipway/hello-dev/shells",
        key: { arn: "arn:key", grantUse() {} },
        retentionDays: 30,
      }),
    });
  });
  return { stack, made };
}

const plain = service();

const policyOf = (stack: SynthesizedStack, role: string) =>
  statements(
    Object.entries(stack.resource.aws_iam_role_policy!).find(([id]) => id.includes(role))![1] as never,
  );
const container = (stack: SynthesizedStack) =>
  JSON.parse(only(stack, "aws_ecs_task_definition").container_definitions as string)[0];
const group = (stack: SynthesizedStack) => only(stack, "aws_codedeploy_deployment_group");

describe("what releases own", () => {
  test("of a service Terraform leaves alone what ECS lets only releases change", () => {
    expect(only(plain.stack, "aws_ecs_service")).toMatchObject({
      deployment_controller: { type: "CODE_DEPLOY" },
      force_delete: true,
      lifecycle: {
        ignore_changes: [
          "task_definition",
          "load_balancer",
          "network_configuration",
          "platform_version",
          "desired_count",
        ],
      },
    });
    for (const rule of all(plain.stack, "aws_lb_listener_rule"))
      expect(rule.lifecycle).toEqual({ ignore_changes: ["action"] });
  });

  test("another port replaces no target group, and the old version's tasks stay reachable", () => {
    const other = service({ port: 9999 });
    expect(all(other.stack, "aws_lb_target_group")).toEqual(all(plain.stack, "aws_lb_target_group"));
    expect(all(other.stack, "aws_vpc_security_group_ingress_rule")).toEqual(
      all(plain.stack, "aws_vpc_security_group_ingress_rule"),
    );
    expect(other.made.release.port).toBe(9999);
  });

  test("a rule goes before the target group that a release may have left in it", () => {
    const [green] = Object.keys(plain.stack.resource.aws_lb_target_group!).filter((id) => /green/.test(id));
    for (const rule of all(plain.stack, "aws_lb_listener_rule"))
      expect(rule.depends_on).toEqual([`aws_lb_target_group.${green}`]);
  });

  test("until the first release the load balancer finds it well, and users get no answer that looks right", () => {
    const { command } = container(plain.stack);
    expect(command[2]).toContain('q.url==="/well"?200:503');
    expect(container(plain.stack).user).toBe("node");
  });

  test("a release gets the task as it was planned, without the placeholder's image, command and user", () => {
    const { taskDefinition, ...release } = plain.made.release;
    const [released] = taskDefinition.containerDefinitions;
    const { image, command, user: _, ...planned } = container(plain.stack);
    expect(image).toBe("public.ecr.aws/docker/library/node:22-alpine");
    expect(command[0]).toBe("node");
    expect(Object.keys(released!)).toEqual(Object.keys(planned));
    expect(taskDefinition).toMatchObject({ family: "hello-dev-web", cpu: "256", networkMode: "awsvpc" });
    expect(release).toMatchObject({
      application: "hello-dev-web",
      group: "web",
      service: "web",
      container: "web",
      port: 8080,
      subnets: ["subnet-1", "subnet-2"],
    });
  });
});

describe("a release", () => {
  test.each(
    SERVICE_RELEASES,
  )("moves traffic as %s says, by a configuration that CodeDeploy has", (release) => {
    const { deployment_config_name } = group(service({}, { release }).stack);
    const words = String(deployment_config_name)
      .replace("CodeDeployDefault.ECS", "")
      .replace(/([A-Z]|\d+)/g, " $1")
      .toLowerCase()
      .replace(/\bminutes?\b/, "")
      .match(/[a-z]+|\d+/g);
    expect(words).toEqual(
      release
        .replace(/-minutes?$/, "")
        .split("-")
        .filter((word) => word !== ""),
    );
  });

  test("keeps the old tasks for the minutes that are set, and is brought back by failure, alarm and stop", () => {
    expect(group(service({}, { bakeMinutes: 30 }).stack)).toMatchObject({
      blue_green_deployment_config: {
        terminate_blue_instances_on_deployment_success: {
          action: "TERMINATE",
          termination_wait_time_in_minutes: 30,
        },
      },
      auto_rollback_configuration: {
        enabled: true,
        events: ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST"],
      },
    });
  });

  test("is watched by alarms that there are, and no more than CodeDeploy takes", () => {
    const { alarms } = group(plain.stack).alarm_configuration as { alarms: string[] };
    const made = all(plain.stack, "aws_cloudwatch_metric_alarm").map(({ alarm_name }) => alarm_name);
    expect(alarms.sort()).toEqual(made.sort());
    expect(alarms.length).toBeLessThanOrEqual(10);
    expect([...plain.made.release.alarms].sort()).toEqual(alarms);
  });

  test("is watched for errors, latency and health in both target groups, and for tasks that do not stay up", () => {
    const alarms = all(plain.stack, "aws_cloudwatch_metric_alarm");
    for (const colour of ["blue", "green"]) {
      const named = (what: string) =>
        alarms.find(({ alarm_name }) => alarm_name === `hello-dev-web-${colour}-${what}`);
      const { metric_query } = named("errors") as { metric_query: { expression?: string }[] };
      expect(metric_query.flatMap(({ expression }) => expression ?? [])).toEqual([
        "requests - FILL(answered2, 0) - FILL(answered3, 0) - FILL(answered4, 0)",
        "IF(failed > 1, 100 * failed / requests, 0)",
      ]);
      expect(named("unhealthy")).toMatchObject({ metric_name: "UnHealthyHostCount" });
      expect(named("slow")).toMatchObject({ extended_statistic: "p99", threshold: 1.5 });
    }
    expect(alarms.find(({ alarm_name }) => alarm_name === "hello-dev-web-missing")).toMatchObject({
      metric_query: [
        { id: "desired" },
        { id: "running" },
        { id: "versions" },
        // With two versions there are twice as many to run.
        { expression: "desired * FILL(versions, 1) - running" },
      ],
    });
    for (const alarm of alarms) expect(alarm).toMatchObject({ alarm_actions: ["arn:topic"] });
  });

  test("asks a function in the VPC, which gets the checks and may reach the load balancer and AWS alone", () => {
    const fn = only(plain.stack, "aws_lambda_function") as {
      function_name: string;
      environment: { variables: Record<string, string> };
      timeout: number;
    };
    expect(fn).toMatchObject({
      function_name: "hello-dev-web-svc-check",
      vpc_config: { subnet_ids: ["subnet-1", "subnet-2"] },
    });
    expect(JSON.parse(fn.environment.variables.CHECKS!)).toEqual(SERVICE.checks);
    expect(JSON.parse(fn.environment.variables.TARGET!)).toEqual({
      kind: "service",
      url: "https://dev.example.com/",
      loadBalancer: "app/hello-dev/50dc",
      testPort: 9000,
    });
    const ways = Object.entries(plain.stack.resource.aws_vpc_security_group_egress_rule!)
      .filter(([id]) => id.includes("check"))
      .map(([, rule]) => [rule.from_port, rule.referenced_security_group_id ?? rule.cidr_ipv4]);
    expect(ways.sort()).toEqual([
      [443, "0.0.0.0/0"],
      [443, "sg-balancer"],
      [9000, "sg-balancer"],
    ]);
    expect(fn.timeout).toBeLessThan(3600);
  });

  test("CodeDeploy may ask that function and no other, and pass on the service's two roles", () => {
    const release = policyOf(plain.stack, "release-role");
    const of = (action: string) =>
      release.find(({ Action }) => [Action].flat().includes(action)) as Record<string, unknown>;
    expect([of("lambda:InvokeFunction").Resource].flat()).toHaveLength(2);
    expect(of("iam:PassRole").Resource).toEqual([
      "arn:aws:iam::222222222222:role/hello-dev-web-execution",
      "arn:aws:iam::222222222222:role/hello-dev-web-task",
    ]);
    expect(of("elasticloadbalancing:ModifyListener").Resource).toContain("arn:production");
  });
});

describe("secrets", () => {
  const { stack } = service({
    secrets: {
      DB_PASSWORD: { kind: "secretsmanager", name: "shop/db", field: "password" },
      API_KEY: { kind: "ssm", name: "/shop/api-key" },
    },
  });

  test("come by reference, so that no value is in a plan or a state", () => {
    expect(container(stack).secrets).toEqual([
      { name: "API_KEY", valueFrom: "arn:aws:ssm:eu-west-1:222222222222:parameter/shop/api-key" },
      { name: "DB_PASSWORD", valueFrom: expect.stringMatching(/aws_secretsmanager_secret.*:password::$/) },
    ]);
    expect(Object.keys((stack as unknown as { data: object }).data)).toEqual(["aws_secretsmanager_secret"]);
  });

  test("may be read by what starts the tasks, each by itself, and not by the tasks", () => {
    const execution = policyOf(stack, "execution-role");
    expect(execution).toContainEqual({
      Effect: "Allow",
      Action: "ssm:GetParameters",
      Resource: "arn:aws:ssm:eu-west-1:222222222222:parameter/shop/api-key",
    });
    expect(execution.filter(({ Action }) => Action === "kms:Decrypt")).toContainEqual(
      expect.objectContaining({
        Condition: {
          StringEquals: {
            "kms:ViaService": "ssm.eu-west-1.amazonaws.com",
            "kms:EncryptionContext:PARAMETER_ARN":
              "arn:aws:ssm:eu-west-1:222222222222:parameter/shop/api-key",
          },
        },
      }),
    );
    expect(Object.keys(stack.resource.aws_iam_role_policy!).filter((id) => id.includes("task-role"))).toEqual(
      [],
    );
  });
});

test("nobody has a shell in a task, and its file system is read-only, unless exec is set", () => {
  expect(only(plain.stack, "aws_ecs_service").enable_execute_command).toBe(false);
  expect(container(plain.stack).readonlyRootFilesystem).toBe(true);
  const { stack } = service({ exec: true });
  expect(only(stack, "aws_ecs_service").enable_execute_command).toBe(true);
  expect(container(stack).readonlyRootFilesystem).toBe(false);
  expect(policyOf(stack, "task-role")[0]!.Action).toContain("ssmmessages:OpenDataChannel");
  expect(policyOf(stack, "task-role").flatMap(({ Action }) => Action)).toContain("logs:PutLogEvents");
});

test("a host of its own is a condition beside the paths, and where it is reached", () => {
  const { stack, made } = service({ hosts: ["api.dev.example.com"], paths: ["/v1/*"] });
  for (const rule of all(stack, "aws_lb_listener_rule"))
    expect(rule.condition).toEqual([
      { host_header: { values: ["api.dev.example.com"] } },
      { path_pattern: { values: ["/v1/*"] } },
    ]);
  expect(made.url).toBe("https://api.dev.example.com/v1/");
});

test("tasks are as many as CPU, memory and requests in either target group ask for", () => {
  const policies = all(plain.stack, "aws_appautoscaling_policy").map(
    ({ target_tracking_scaling_policy_configuration: it }) => it as Record<string, never>,
  );
  expect(policies.map(({ target_value }) => target_value)).toEqual([60, 75, 900]);
  expect(policies[2]!.customized_metric_specification).toMatchObject({
    metrics: [
      { id: "blue", return_data: false },
      { id: "green", return_data: false },
      { expression: "FILL(blue, 0) + FILL(green, 0)", return_data: true },
    ],
  });
});
