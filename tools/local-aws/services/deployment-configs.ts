/** How a deployment proceeds, as CodeDeploy describes it. */
export interface DeploymentConfig {
  readonly deploymentConfigId: string;
  readonly deploymentConfigName: string;
  readonly computePlatform: "Server" | "Lambda" | "ECS";
  readonly createTime: number;
  readonly [detail: string]: unknown;
}

/** A predefined configuration has been there since CodeDeploy has, so its time is an early one. */
const LONG_AGO = 1_444_944_000;

function predefined(
  name: string,
  computePlatform: DeploymentConfig["computePlatform"],
  detail: object,
): [string, DeploymentConfig] {
  const deploymentConfigName = `CodeDeployDefault.${name}`;
  return [
    deploymentConfigName,
    {
      deploymentConfigId: deploymentConfigName,
      deploymentConfigName,
      computePlatform,
      createTime: LONG_AGO,
      ...detail,
    },
  ];
}

const server = (name: string, type: "HOST_COUNT" | "FLEET_PERCENT", value: number) =>
  predefined(name, "Server", { minimumHealthyHosts: { type, value } });

const canary = (platform: "Lambda" | "ECS", canaryPercentage: number, canaryInterval: number) =>
  predefined(`${platform}Canary${canaryPercentage}Percent${canaryInterval}Minutes`, platform, {
    trafficRoutingConfig: { type: "TimeBasedCanary", timeBasedCanary: { canaryPercentage, canaryInterval } },
  });

const linear = (platform: "Lambda" | "ECS", interval: number) =>
  predefined(
    platform === "ECS"
      ? `ECSLinear10PercentEvery${interval}Minutes`
      : `LambdaLinear10PercentEvery${interval}Minute${interval > 1 ? "s" : ""}`,
    platform,
    {
      trafficRoutingConfig: {
        type: "TimeBasedLinear",
        timeBasedLinear: { linearPercentage: 10, linearInterval: interval },
      },
    },
  );

const allAtOnce = (platform: "Lambda" | "ECS") =>
  predefined(`${platform}AllAtOnce`, platform, { trafficRoutingConfig: { type: "AllAtOnce" } });

/** The configurations that CodeDeploy brings along, by name. */
export const PREDEFINED: ReadonlyMap<string, DeploymentConfig> = new Map([
  server("OneAtATime", "HOST_COUNT", 1),
  server("HalfAtATime", "FLEET_PERCENT", 50),
  server("AllAtOnce", "HOST_COUNT", 0),
  allAtOnce("Lambda"),
  ...[5, 10, 15, 30].map((minutes) => canary("Lambda", 10, minutes)),
  ...[1, 2, 3, 10].map((minutes) => linear("Lambda", minutes)),
  allAtOnce("ECS"),
  ...[5, 15].map((minutes) => canary("ECS", 10, minutes)),
  ...[1, 3].map((minutes) => linear("ECS", minutes)),
]);
