import { CloudwatchDashboard } from "@cdktf/provider-aws/lib/cloudwatch-dashboard";
import { EcsCluster } from "@cdktf/provider-aws/lib/ecs-cluster";
import type { Construct } from "constructs";
import { environmentPrefix, policyArn, roleArn } from "../modules/arns";
import { environmentDashboard } from "../modules/dashboard";
import { Domain } from "../modules/domain";
import { FargateService } from "../modules/fargate-service";
import { Firewall } from "../modules/firewall";
import { Key } from "../modules/key";
import { LoadBalancer } from "../modules/load-balancer";
import { LogGroup } from "../modules/logs";
import { Network } from "../modules/network";
import { SafeFunction } from "../modules/safe-function";
import { type Deployment, SlipwayStack } from "../modules/slipway-stack";
import { Topic } from "../modules/topic";
import type { EnvironmentSettings } from "../settings";
import { accessNames } from "../shared/names";

/** One environment: its network, services, functions and what watches them. One stack, and so one plan. */
export class EnvironmentStack extends SlipwayStack {
  constructor(scope: Construct, deployment: Deployment, environment: EnvironmentSettings) {
    const { settings } = deployment;
    const { project } = settings;
    const { name, account, region, logRetentionDays } = environment;
    const access = accessNames(project, name);
    super(scope, name, deployment, {
      account,
      region,
      as: { role: roleArn(account, access.deployRole) },
      tags: { "slipway:environment": name },
    });
    const prefix = environmentPrefix(project, name);
    const boundary = policyArn(account, access.boundary);

    const key = new Key(this, "key", {
      alias: `alias/${prefix}`,
      description: `Logs, queues and settings of ${prefix}`,
      account,
      region,
    })
      .allowLogs()
      .allowService("cloudwatch.amazonaws.com");
    const common = { prefix, account, region, key, logRetentionDays, boundary };

    const alarms = new Topic(this, "alarms", {
      name: `${prefix}-alarms`,
      key,
      account,
      emails: settings.notifications.emails,
      publishers: ["cloudwatch.amazonaws.com"],
    });

    const services = Object.entries(environment.services);
    if (services.length) {
      const network = new Network(this, "network", {
        ...common,
        cidr: environment.cidr,
        nat: environment.nat,
      });
      const loadBalancer = new LoadBalancer(this, "load-balancer", {
        ...common,
        network,
        domain: environment.domain && new Domain(this, "domain", environment.domain),
        deletionProtection: environment.deletionProtection && !deployment.disposable,
        forceDestroy: true,
      });
      if (environment.firewall) new Firewall(this, "firewall", { ...common, balancerArn: loadBalancer.arn });
      if (!environment.domain)
        this.output(
          "warning_http",
          `Services of ${name} are reached by HTTP, in clear text: set environments.${name}.domain`,
          "What is not safe here",
        );
      const cluster = this.cluster(prefix, key, logRetentionDays);
      for (const [index, [serviceName, service]] of services.entries()) {
        const { url } = new FargateService(this, `service-${serviceName}`, {
          ...common,
          project,
          name: serviceName,
          service,
          release: environment.serviceRelease,
          priority: index + 1,
          buildAccount: settings.account,
          buildRegion: settings.region,
          network,
          loadBalancer,
          clusterName: prefix,
          clusterArn: cluster.arn,
          alarmTopicArn: alarms.arn,
        });
        this.output(`service_${serviceName}_url`, url, `Address of the service ${serviceName}`);
      }
    }

    for (const [functionName, fn] of Object.entries(environment.functions)) {
      const { name: deployedName, url } = new SafeFunction(this, `function-${functionName}`, {
        ...common,
        project,
        name: functionName,
        function: fn,
        bundles: deployment.functionBundles,
        alarmTopicArn: alarms.arn,
      });
      this.output(
        `function_${functionName}_url`,
        url,
        `Address of the function ${functionName}; asks for IAM`,
      );
      this.output(
        `function_${functionName}_name`,
        deployedName,
        `Name of the function ${functionName} in Lambda; callers use its alias live`,
      );
    }

    new CloudwatchDashboard(this, "dashboard", {
      dashboardName: prefix,
      dashboardBody: environmentDashboard({
        prefix,
        region,
        services: Object.keys(environment.services),
        functions: Object.keys(environment.functions),
      }),
    });
  }

  private cluster(name: string, key: Key, retentionDays: number): EcsCluster {
    // Container Insights writes here; made before the service makes it, unencrypted and without an end.
    const insights = new LogGroup(this, "insights", {
      name: `/aws/ecs/containerinsights/${name}/performance`,
      key,
      retentionDays,
    });
    return new EcsCluster(this, "cluster", {
      name,
      setting: [{ name: "containerInsights", value: "enabled" }],
      dependsOn: [insights.group],
    });
  }
}
