import { Testing } from "cdktf";
import type { EnvironmentSettings, Settings } from "../../settings";
import { AccessStack } from "../../stacks/access";
import { EnvironmentStack } from "../../stacks/environment";
import { exampleSettings } from "../support/settings";
import { functionBundles } from "../support/synth";
import { resourcesOf, type SynthesizedStack } from "../support/synthesized";

let settings: Settings;
let functions: string;
beforeAll(async () => {
  settings = await exampleSettings();
  functions = functionBundles(settings);
});

/** A stack of the environment `dev` of the example settings, which is made to differ. */
function synthesize(
  Stack: typeof EnvironmentStack | typeof AccessStack,
  changes: Partial<EnvironmentSettings>,
): SynthesizedStack {
  const deployment = { settings, functionBundles: functions, local: false };
  const stack = new Stack(Testing.app(), deployment, { ...settings.environments.dev!, ...changes });
  return JSON.parse(Testing.synth(stack));
}
const environment = (changes: Partial<EnvironmentSettings>) => synthesize(EnvironmentStack, changes);

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
    expect(JSON.stringify(synthesize(AccessStack, { domain }))).toContain("_*.dev.example.com");
    expect(JSON.stringify(synthesize(AccessStack, {}))).not.toContain("route53");
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
