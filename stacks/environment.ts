import { CloudwatchDashboard } from "@cdktf/provider-aws/lib/cloudwatch-dashboard";
import { EcsCluster } from "@cdktf/provider-aws/lib/ecs-cluster";
import type { Construct } from "constructs";
import { environmentPrefix, policyArn, roleArn } from "../modules/arns";
import { type Chart, dashboardBody } from "../modules/dashboard";
import { Domain } from "../modules/domain";
import { FargateService } from "../modules/fargate-service";
import { Firewall } from "../modules/firewall";
import { Key } from "../modules/key";
import { LoadBalancer } from "../modules/load-balancer";
import { LogGroup } from "../modules/logs";
import { Network } from "../modules/network";
import { alarmedOf } from "../modules/notifications";
import { rulePriorities } from "../modules/rule-priorities";
import { SafeFunction } from "../modules/safe-function";
import { type Deployment, SlipwayStack } from "../modules/slipway-stack";
import { Topic } from "../modules/topic";
import {
  type DomainSettings,
  type EnvironmentSettings,
  imageRepositoryName,
  type ServiceSettings,
} from "../settings";
import { accessNames, accessOwner } from "../shared/names";
import {
  type FunctionRelease,
  RELEASES_OUTPUT,
  type Releases,
  type ServiceRelease,
} from "../shared/releases";

/**
 * One environment: its network, services, functions and what watches them. One stack, and so one plan. A preview is one
 * as well, whose end takes nothing but its state.
 */
export class EnvironmentStack extends SlipwayStack {
  constructor(scope: Construct, deployment: Deployment, environment: EnvironmentSettings) {
    const { settings } = deployment;
    const { project } = settings;
    const { name, account, region, logRetentionDays, preview } = environment;
    const access = accessNames(project, accessOwner(environment));
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
      // A preview's are for those who look at it.
      emails: preview ? [] : alarmedOf(settings, name),
      publishers: ["cloudwatch.amazonaws.com"],
    });

    const charts: (readonly Chart[])[] = [];
    const servicesReleased: Record<string, ServiceRelease> = {};
    const services = Object.entries(environment.services);
    if (services.length) {
      const shells = services.some(([, { exec }]) => exec);
      const network = new Network(this, "network", {
        ...common,
        cidr: environment.cidr,
        nat: environment.nat,
        shells,
      });
      const loadBalancer = new LoadBalancer(this, "load-balancer", {
        ...common,
        network,
        domain: environment.domain && this.domain(environment.domain, services),
        deletionProtection: environment.deletionProtection && !deployment.disposable,
        forceDestroy: true,
      });
      if (environment.firewall) new Firewall(this, "firewall", { ...common, balancerArn: loadBalancer.arn });
      if (!environment.domain)
        this.output(
          "warning_http",
          `Services of ${name} are reached by HTTP, in clear text: set environments.${preview?.of ?? name}.domain`,
          "What is not safe here",
        );
      const shellLogs = shells
        ? new LogGroup(this, "shell-logs", {
            name: `/slipway/${prefix}/shells`,
            key,
            retentionDays: logRetentionDays,
          })
        : undefined;
      const priorities = rulePriorities(environment.services);
      const insights = preview ? undefined : this.insights(prefix, key, logRetentionDays);
      const cluster = this.cluster(prefix, key, insights, shellLogs);
      for (const [serviceName, service] of services) {
        const {
          url,
          release,
          charts: row,
        } = new FargateService(this, `service-${serviceName}`, {
          ...common,
          name: serviceName,
          repository: imageRepositoryName(settings, serviceName, environment),
          service,
          release: environment.serviceRelease,
          bakeMinutes: environment.bakeMinutes,
          priority: priorities[serviceName]!,
          buildAccount: settings.account,
          buildRegion: settings.region,
          network,
          loadBalancer,
          clusterName: prefix,
          clusterArn: cluster.arn,
          shellLogs,
          alarmTopicArn: alarms.arn,
          bundles: deployment.functionBundles,
        });
        servicesReleased[serviceName] = release;
        charts.push(row);
        this.output(`service_${serviceName}_url`, url, `Address of the service ${serviceName}`);
      }
    }

    const functionsReleased: Record<string, FunctionRelease> = {};
    for (const [functionName, fn] of Object.entries(environment.functions)) {
      const {
        name: deployedName,
        url,
        release,
        charts: row,
      } = new SafeFunction(this, `function-${functionName}`, {
        ...common,
        project,
        name: functionName,
        function: fn,
        release: environment.functionRelease,
        bundles: deployment.functionBundles,
        alarmTopicArn: alarms.arn,
      });
      functionsReleased[functionName] = release;
      charts.push(row);
      if (url)
        this.output(
          `function_${functionName}_url`,
          url,
          `Address of the function ${functionName}; ${fn.access === "public" ? "open to everybody" : "asks for IAM"}`,
        );
      this.output(
        `function_${functionName}_name`,
        deployedName,
        `Name of the function ${functionName} in Lambda; callers use its alias live`,
      );
    }

    const releases: Releases = {
      cluster: prefix,
      services: servicesReleased,
      functions: functionsReleased,
    };
    this.output(RELEASES_OUTPUT, JSON.stringify(releases), "What releases need to know, as JSON");

    new CloudwatchDashboard(this, "dashboard", {
      dashboardName: prefix,
      dashboardBody: dashboardBody(region, charts),
    });
  }

  private domain(domain: DomainSettings, services: readonly (readonly [string, ServiceSettings])[]): Domain {
    return new Domain(this, "domain", {
      ...domain,
      withNamesBelow: services.some(([, { hosts }]) => hosts.length > 0),
    });
  }

  /**
   * Where Container Insights writes; made before the service makes it, unencrypted and without an end. A preview has none: the
   * service would make it once more at its end, and then it would stand in the way of a preview of the same branch.
   */
  private insights(cluster: string, key: Key, retentionDays: number): LogGroup {
    return new LogGroup(this, "insights", {
      name: `/aws/ecs/containerinsights/${cluster}/performance`,
      key,
      retentionDays,
    });
  }

  private cluster(name: string, key: Key, insights?: LogGroup, shellLogs?: LogGroup): EcsCluster {
    return new EcsCluster(this, "cluster", {
      name,
      setting: [{ name: "containerInsights", value: insights ? "enabled" : "disabled" }],
      ...(shellLogs && {
        configuration: {
          executeCommandConfiguration: {
            kmsKeyId: key.arn,
            logging: "OVERRIDE",
            logConfiguration: {
              cloudWatchEncryptionEnabled: true,
              cloudWatchLogGroupName: shellLogs.name,
            },
          },
        },
      }),
      dependsOn: insights && [insights.group],
    });
  }
}
