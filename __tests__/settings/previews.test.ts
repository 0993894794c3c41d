import {
  environmentNamed,
  imageRepositoryName,
  previewEnvironment,
  previewedEnvironments,
  previewOfProcess,
  previewTemplates,
  type Settings,
} from "../../settings";
import { accessNames, accessOwner, deployRoleArn } from "../../shared/names";
import { exampleSettings } from "../support/settings";

const SLUG = "login-3f9a2c";
const NAME = `pv-dev-${SLUG}`;
const TRIAL = "t0123456789";

let settings: Settings;
beforeAll(async () => {
  settings = await exampleSettings();
});

describe("a preview's environment", () => {
  test("is as small as it may be, releases at once, and nothing stops its end", () => {
    const { prod } = settings.environments;
    expect(prod).toMatchObject({ nat: "per-zone", deletionProtection: true, firewall: true });
    const preview = previewEnvironment(settings, "prod", SLUG);
    expect(preview).toMatchObject({
      name: `pv-prod-${SLUG}`,
      account: prod!.account,
      region: prod!.region,
      approval: "always",
      serviceRelease: "all-at-once",
      functionRelease: "all-at-once",
      bakeMinutes: 0,
      nat: "single",
      logRetentionDays: 7,
      deletionProtection: false,
      firewall: false,
      preview: { of: "prod", slug: SLUG },
    });
    expect(preview.services.web).toMatchObject({ minCount: 1, maxCount: 1, port: prod!.services.web!.port });
    expect(preview.functions).toEqual(prod!.functions);
  });

  test("keeps its way out closed where the other's is", () => {
    const { dev } = settings.environments;
    const closed = { ...settings, environments: { dev: { ...dev!, nat: "none" as const } } };
    expect(previewEnvironment(closed, "dev", SLUG).nat).toBe("none");
  });

  test("has a name of its own below the other's domain, and its services' hosts below that", () => {
    const { dev } = settings.environments;
    const { web } = dev!.services;
    const domain = { name: "dev.example.com", zone: "example.com" };
    const named = {
      ...settings,
      environments: {
        dev: { ...dev!, domain, services: { web: { ...web!, hosts: ["api.dev.example.com"] } } },
      },
    };
    const preview = previewEnvironment(named, "dev", SLUG);
    expect(preview.domain).toEqual({ name: `pv-${SLUG}.dev.example.com`, zone: "example.com" });
    expect(preview.services.web!.hosts).toEqual([`api.pv-${SLUG}.dev.example.com`]);
  });

  test("may be in another region, as a trial is", () => {
    expect(previewEnvironment(settings, "dev", TRIAL, "us-east-1").region).toBe("us-east-1");
  });

  test("is worked on with the roles of all previews of that environment, and none of its own", () => {
    const preview = previewEnvironment(settings, "dev", SLUG);
    expect(deployRoleArn(settings, preview)).toBe("arn:aws:iam::222222222222:role/hello-pv-dev-deploy");
    expect(accessNames("hello", accessOwner(preview)).boundary).toBe("hello-pv-dev-boundary");
  });

  test("runs images of its own repository; a trial those of its pipeline", () => {
    const of = (slug?: string) =>
      imageRepositoryName(settings, "web", { preview: slug === undefined ? undefined : { of: "dev", slug } });
    expect([of(), of(SLUG), of(TRIAL)]).toEqual(["hello/web", "hello/preview/web", "hello/web"]);
  });
});

describe("the environment of a name", () => {
  test("is one of the file, or a preview of one", () => {
    expect(environmentNamed(settings, "dev")).toBe(settings.environments.dev);
    expect(environmentNamed(settings, NAME)).toEqual(previewEnvironment(settings, "dev", SLUG));
    expect(environmentNamed(settings, NAME, "us-east-1")!.region).toBe("us-east-1");
  });

  test("is the file's own region where it is no preview's", () => {
    expect(environmentNamed(settings, "dev", "us-east-1")!.region).toBe("eu-west-1");
  });

  test.each(["test", "none", `pv-test-${SLUG}`, "__proto__", "constructor"])("is none: %s", (name) => {
    expect(environmentNamed(settings, name)).toBeUndefined();
  });
});

describe("the preview of a process", () => {
  test("is the one that SLIPWAY_PREVIEW names, in the region that SLIPWAY_REGION names", () => {
    expect(previewOfProcess(settings, { SLIPWAY_PREVIEW: NAME })).toMatchObject({
      name: NAME,
      region: "eu-west-1",
    });
    const trial = { SLIPWAY_PREVIEW: `pv-dev-${TRIAL}`, SLIPWAY_REGION: "us-east-1" };
    expect(previewOfProcess(settings, trial)).toMatchObject({ name: `pv-dev-${TRIAL}`, region: "us-east-1" });
  });

  test.each([{}, { SLIPWAY_PREVIEW: "" }, { SLIPWAY_PREVIEW: "none" }])("is none: %j", (variables) => {
    expect(previewOfProcess(settings, variables)).toBeUndefined();
  });

  test.each(["dev", "pv-test-login-3f9a2c", "pv-dev-login", "x\u001b[31m"])("is refused: %j", (name) => {
    expect(() => previewOfProcess(settings, { SLIPWAY_PREVIEW: name })).toThrow(
      [
        "SLIPWAY_PREVIEW has a problem:",
        "",
        `  ${JSON.stringify(name)} names no preview.`,
        "    Allowed: pv-dev-<slug>, pv-prod-<slug>, with a slug as login-3f9a2c.",
        "    Mend: Name one that there is, or unset the variable: then everything but previews is meant.",
      ].join("\n"),
    );
  });
});

test("templates are what rules name, each once", () => {
  expect(settings.previews.map(({ pattern }) => pattern)).toEqual(["feature/*", "pull_requests"]);
  const { main } = settings.pipelines;
  expect(previewTemplates(settings)).toEqual([
    { name: "main_dev", pipeline: main, environment: settings.environments.dev },
  ]);
  const prod = { ...settings.previews[0]!, environment: "prod" };
  const both = { ...settings, previews: [...settings.previews, prod] };
  expect(previewTemplates(both).map(({ name }) => name)).toEqual(["main_dev", "main_prod"]);
});

test("previewed is what rules and trials name", () => {
  const { main } = settings.pipelines;
  const trial = { environment: "prod", regions: ["us-east-1"] };
  expect([...previewedEnvironments(settings)]).toEqual(["dev"]);
  expect([
    ...previewedEnvironments({ ...settings, previews: [], pipelines: { main: { ...main!, trial } } }),
  ]).toEqual(["prod"]);
});
