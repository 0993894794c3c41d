import { Testing } from "cdktf";
import { NAME_LIMITS } from "../../modules/naming";
import { type EnvironmentSettings, previewEnvironment, type Settings } from "../../settings";
import { AccessStack } from "../../stacks/access";
import { EnvironmentStack } from "../../stacks/environment";
import { exampleSettings } from "../support/settings";
import { functionBundles, remembered } from "../support/synth";
import { all, resourcesOf, type SynthesizedStack } from "../support/synthesized";

let settings: Settings;
let functions: string;
beforeAll(async () => {
  settings = await exampleSettings();
  functions = functionBundles(settings);
});

/** A stack of the environment `dev` of the example settings, which is made to differ. */
const stackOf = (Stack: typeof EnvironmentStack | typeof AccessStack) =>
  remembered((changes: Partial<EnvironmentSettings>): SynthesizedStack => {
    const deployment = { settings, functionBundles: functions, local: false };
    const stack = new Stack(Testing.app(), deployment, { ...settings.environments.dev!, ...changes });
    return JSON.parse(Testing.synth(stack));
  });
const environment = stackOf(EnvironmentStack);
const access = stackOf(AccessStack);

const outputs = (stack: SynthesizedStack) => stack.output as Record<string, { value: string }>;
const types = (stack: SynthesizedStack) => new Set(resourcesOf(stack).map(({ type }) => type));

describe("without a domain", () => {
  test("an output says that services are reached in clear text, and what to set", () => {
    const dev = environment({});
    expect(outputs(dev).warning_http!.value).toBe(
      "Services of dev are reached by HTTP, in clear text: set environments.dev.domain",
    );
    expect(outputs(dev).service_web_url!.value).toMatch(/^http:/);
  });

  test("an environment without services warns of nothing", () => {
    const dev = environment({ services: {}, firewall: true });
    expect(Object.keys(outputs(dev)).filter((name) => name.startsWith("warning"))).toEqual([]);
    expect(types(dev)).not.toContain("aws_wafv2_web_acl");
  });
});

describe("with a domain", () => {
  const domain = { name: "dev.example.com", zone: "example.com" };

  test("services are reached there by HTTPS, and nothing warns", () => {
    const dev = environment({ domain });
    expect(outputs(dev).service_web_url!.value).toBe("https://dev.example.com/");
    expect(Object.keys(outputs(dev)).filter((name) => name.startsWith("warning"))).toEqual([]);
  });

  test("nothing that was there before gets another id or is gone", () => {
    const ids = (stack: SynthesizedStack) => resourcesOf(stack).map(({ type, id }) => `${type}.${id}`);
    const [before, after] = [ids(environment({})), ids(environment({ domain }))];
    expect(before.filter((id) => !after.includes(id))).toEqual([]);
  });

  test("the deploy role may change the domain's records, and without one none", () => {
    expect(JSON.stringify(access({ domain }))).toContain("_*.dev.example.com");
    expect(JSON.stringify(access({}))).not.toContain("route53");
  });
});

test("a firewall stands in front of the services where the settings say so", () => {
  expect(types(environment({ firewall: false }))).not.toContain("aws_wafv2_web_acl");
  expect(types(environment({ firewall: true }))).toContain("aws_wafv2_web_acl");
});

describe("a shell in a service's tasks", () => {
  const withExec = (exec: boolean) => {
    const { web } = settings.environments.dev!.services;
    return environment({ services: { web: { ...web!, exec } } });
  };
  const cluster = (stack: SynthesizedStack) => Object.values(stack.resource.aws_ecs_cluster!)[0]!;

  test("leaves all that was done in it in an encrypted log", () => {
    expect(cluster(withExec(true)).configuration).toMatchObject({
      execute_command_configuration: {
        logging: "OVERRIDE",
        log_configuration: { cloud_watch_encryption_enabled: true },
      },
    });
  });

  test("is not there, nor its log, where no service is to have one", () => {
    expect(cluster(withExec(false)).configuration).toBeUndefined();
    expect(JSON.stringify(withExec(false))).not.toContain("/slipway/hello-dev/shells");
  });
});

test("what releases need to know is put out, and no secret is in it", () => {
  const { web } = settings.environments.dev!.services;
  const dev = environment({
    services: { web: { ...web!, secrets: { KEY: { kind: "ssm", name: "/shop/key" } } } },
  });
  const releases = JSON.parse(outputs(dev).releases!.value);
  expect(releases).toMatchObject({
    cluster: "hello-dev",
    services: { web: { application: "hello-dev-web", check: expect.any(String), port: 8080 } },
    functions: { hello: { function: "hello-dev-hello", alias: "live" } },
  });
  const [container] = releases.services.web.taskDefinition.containerDefinitions;
  expect(container.secrets).toEqual([
    { name: "KEY", valueFrom: "arn:aws:ssm:eu-west-1:222222222222:parameter/shop/key" },
  ]);
});

describe("of a preview", () => {
  const NAME = "pv-dev-login-3f9a2c";
  /** With all that an environment may have. */
  const preview = (of: Settings = settings) => {
    const { dev } = of.environments;
    const domain = { name: "dev.example.com", zone: "example.com" };
    const shells = Object.entries(dev!.services).map(([name, service]) => [name, { ...service, exec: true }]);
    const environments = { dev: { ...dev!, domain, services: Object.fromEntries(shells) } };
    return environment(previewEnvironment({ ...of, environments }, "dev", "login-3f9a2c"));
  };

  test("is made by the role of that environment's previews, within their boundary, tagged and kept as its own", () => {
    const stack = preview();
    const roles = "arn:aws:iam::222222222222:role/hello-pv-dev";
    expect((stack.variable as { provider_role_arn: object }).provider_role_arn).toMatchObject({
      default: `${roles}-deploy`,
    });
    for (const role of all(stack, "aws_iam_role"))
      expect(role.permissions_boundary).toBe("arn:aws:iam::222222222222:policy/hello-pv-dev-boundary");
    expect((stack.provider as { aws: object[] }).aws).toMatchObject([
      { default_tags: [{ tags: { "slipway:environment": NAME } }] },
    ]);
    expect(stack.terraform).toMatchObject({ backend: { s3: { key: `${NAME}.tfstate` } } });
  });

  test("names nothing as the environment that it is like, and reaches nothing of it", () => {
    const text = JSON.stringify(resourcesOf(preview()));
    expect(text).toContain(`hello-${NAME}`);
    expect(text).not.toMatch(/hello-dev\b/);
    expect(text).not.toMatch(/"dev\.example\.com"/);
  });

  test("pulls the images of previews, and no others", () => {
    const repositories = JSON.stringify(preview()).match(/:repository\/[^"\\]*/g);
    expect(new Set(repositories)).toEqual(new Set([":repository/hello/preview/web"]));
  });

  test("mails nobody, also where an environment's alarms would", () => {
    expect(settings.notifications.emails).not.toEqual([]);
    expect(all(environment({}), "aws_sns_topic_subscription")).not.toEqual([]);
    expect(all(preview(), "aws_sns_topic_subscription")).toEqual([]);
  });

  test("goes by what its state alone says: no bucket, service or balancer stays", () => {
    const stack = preview();
    for (const bucket of all(stack, "aws_s3_bucket")) expect(bucket.force_destroy).toBe(true);
    for (const service of all(stack, "aws_ecs_service")) expect(service.force_delete).toBe(true);
    expect(all(stack, "aws_lb")).toMatchObject([{ enable_deletion_protection: false }]);
    for (const type of ["aws_s3_bucket", "aws_ecs_service"]) expect(all(stack, type)).not.toEqual([]);
    expect(JSON.stringify(stack.resource)).not.toMatch(/prevent_destroy|skip_destroy|"provisioner"/);
  });

  test("leaves Container Insights no log to make anew after its end", () => {
    expect(all(preview(), "aws_ecs_cluster")).toMatchObject([
      { setting: [{ name: "containerInsights", value: "disabled" }] },
    ]);
    expect(JSON.stringify(all(preview(), "aws_cloudwatch_log_group"))).not.toContain("containerinsights");
    expect(all(environment({}), "aws_ecs_cluster")).toMatchObject([
      { setting: [{ name: "containerInsights", value: "enabled" }] },
    ]);
  });

  test("says what to set in the environment that it is like, where it answers in clear text", () => {
    const plain = environment(previewEnvironment(settings, "dev", "login-3f9a2c"));
    expect(outputs(plain).warning_http!.value).toContain("set environments.dev.domain");
  });

  test("has names that AWS takes, also where all that they are made of is as long as it may be", () => {
    const [project, long] = ["p".repeat(20), "e".repeat(16)];
    const { dev } = settings.environments;
    const { web } = dev!.services;
    const { hello } = dev!.functions;
    const of = { ...dev!, name: long, services: { ["s".repeat(16)]: web! }, functions: { hello: hello! } };
    const longest = { ...settings, project, environments: { [long]: of } };
    const stack = JSON.parse(
      Testing.synth(
        new EnvironmentStack(
          Testing.app(),
          { settings: longest, functionBundles: functions, local: false },
          previewEnvironment(longest, long, "abcdefghij-3f9a2c"),
        ),
      ),
    ) as SynthesizedStack;
    const most: Record<string, readonly [property: string, most: number]> = {
      aws_alb: ["name", NAME_LIMITS.loadBalancer],
      aws_lb: ["name", NAME_LIMITS.loadBalancer],
      aws_lb_target_group: ["name", NAME_LIMITS.targetGroup],
      aws_iam_role: ["name", NAME_LIMITS.iamRole],
      aws_lambda_function: ["function_name", NAME_LIMITS.function],
      aws_s3_bucket: ["bucket", NAME_LIMITS.bucket],
      aws_sqs_queue: ["name", NAME_LIMITS.queue],
      aws_codedeploy_app: ["name", NAME_LIMITS.codeDeploy],
      aws_ecs_cluster: ["name", 255],
      aws_sns_topic: ["name", 256],
      aws_kms_alias: ["name", 256],
      aws_cloudwatch_dashboard: ["dashboard_name", 255],
      aws_cloudwatch_metric_alarm: ["alarm_name", 255],
      aws_cloudwatch_log_group: ["name", 512],
      aws_security_group: ["name", 255],
    };
    for (const [type, [property, length]] of Object.entries(most))
      for (const one of all(stack, type))
        expect([type, String(one[property]).length <= length && one[property]]).toEqual([
          type,
          one[property],
        ]);
    expect(all(stack, "aws_lb_target_group")).toHaveLength(2);
  });
});
