import { join } from "node:path";
import { CloudwatchMetricAlarm } from "@cdktf/provider-aws/lib/cloudwatch-metric-alarm";
import { LambdaAlias } from "@cdktf/provider-aws/lib/lambda-alias";
import type { LambdaFunction } from "@cdktf/provider-aws/lib/lambda-function";
import { LambdaFunctionUrl } from "@cdktf/provider-aws/lib/lambda-function-url";
import { Construct } from "constructs";
import type { FunctionRelease, FunctionSettings } from "../settings";
import { LIVE_ALIAS } from "../shared/names";
import type { FunctionRelease as ReleaseFacts } from "../shared/releases";
import { releaseByCodeDeploy } from "./code-deploy";
import type { Chart, Line } from "./dashboard";
import { createFunction } from "./function";
import { createHttpApi } from "./http-api";
import type { IKey } from "./key";
import { LogGroup } from "./logs";
import { physicalName } from "./naming";
import { ReleaseCheck } from "./release-check";

/** CodeDeploy's predefined configurations for Lambda. */
const DEPLOYMENT_CONFIGS: Record<FunctionRelease, string> = {
  "all-at-once": "CodeDeployDefault.LambdaAllAtOnce",
  "canary-10-percent-5-minutes": "CodeDeployDefault.LambdaCanary10Percent5Minutes",
  "canary-10-percent-10-minutes": "CodeDeployDefault.LambdaCanary10Percent10Minutes",
  "canary-10-percent-15-minutes": "CodeDeployDefault.LambdaCanary10Percent15Minutes",
  "canary-10-percent-30-minutes": "CodeDeployDefault.LambdaCanary10Percent30Minutes",
  "linear-10-percent-every-1-minute": "CodeDeployDefault.LambdaLinear10PercentEvery1Minute",
  "linear-10-percent-every-2-minutes": "CodeDeployDefault.LambdaLinear10PercentEvery2Minutes",
  "linear-10-percent-every-3-minutes": "CodeDeployDefault.LambdaLinear10PercentEvery3Minutes",
  "linear-10-percent-every-10-minutes": "CodeDeployDefault.LambdaLinear10PercentEvery10Minutes",
};

export interface SafeFunctionProps {
  readonly project: string;
  /** Begins the name of all that the function holds. */
  readonly prefix: string;
  readonly name: string;
  readonly function: FunctionSettings;
  readonly release: FunctionRelease;
  /** Folder with `<name>.zip`. */
  readonly bundles: string;
  readonly account: string;
  readonly region: string;
  readonly key: IKey;
  readonly logRetentionDays: number;
  readonly boundary: string;
  readonly alarmTopicArn: string;
}

/**
 * A function whose callers reach a published version through the alias `live`. Its shape is Terraform's; its code and the
 * version that the alias names are the releases', which CodeDeploy moves traffic for.
 */
export class SafeFunction extends Construct {
  readonly name: string;
  /** Where it is reached. @default - nowhere: only by its alias */
  readonly url?: string;
  /** What a release of it needs to know. */
  readonly release: ReleaseFacts;
  /** Its row of the dashboard. */
  readonly charts: readonly Chart[];
  private readonly props: SafeFunctionProps;

  constructor(scope: Construct, id: string, props: SafeFunctionProps) {
    super(scope, id);
    this.props = props;
    this.name = physicalName("function", props.prefix, props.name);
    const { memory, timeoutSeconds, reservedConcurrency, variables } = props.function;

    const { fn } = createFunction(this, {
      name: this.name,
      description: `${props.name} of ${props.prefix}`,
      roleDescription: `What the function ${props.name} may do`,
      archive: join(props.bundles, `${props.name}.zip`),
      memory,
      timeoutSeconds,
      reservedConcurrency,
      variables: { PROJECT: props.project, ...variables },
      // The alias needs one to begin with.
      publish: true,
      released: true,
      key: props.key,
      logRetentionDays: props.logRetentionDays,
      boundary: props.boundary,
    });
    const live = new LambdaAlias(this, "live", {
      name: LIVE_ALIAS,
      description: "What callers use",
      functionName: fn.functionName,
      functionVersion: fn.version,
      // Releases move it, in steps.
      lifecycle: { ignoreChanges: ["function_version", "routing_config"] },
    });
    this.url = this.putInFront(fn, live);
    this.release = this.releaseInSteps(fn, this.alarm());
    this.charts = this.draw();
  }

  private draw(): Chart[] {
    const { name } = this.props;
    const line = (metric: string, stat?: string): Line => ({
      metric: ["AWS/Lambda", metric, "FunctionName", this.name],
      stat,
    });
    const versions = `{AWS/Lambda,FunctionName,Resource,ExecutedVersion} MetricName="Invocations" FunctionName="${this.name}"`;
    return [
      {
        title: `${name}: calls and errors`,
        stat: "Sum",
        lines: [line("Invocations"), line("Errors"), line("Throttles")],
      },
      { title: `${name}: duration, ms`, stat: "p99", lines: [line("Duration"), line("Duration", "p50")] },
      {
        // A release is seen here: one version's calls fall as the other's rise.
        title: `${name}: calls of each version`,
        stat: "Sum",
        lines: [{ expression: `SEARCH('${versions}', 'Sum', 60)` }],
      },
      { title: `${name}: at a time`, stat: "Maximum", lines: [line("ConcurrentExecutions")] },
    ];
  }

  private putInFront(fn: LambdaFunction, live: LambdaAlias): string | undefined {
    const { front, access } = this.props.function;
    if (front === "none") return undefined;
    if (front === "http-api") return this.answerByHttpApi(fn, live, access === "public" ? "NONE" : "AWS_IAM");
    return new LambdaFunctionUrl(this, "url", {
      functionName: fn.functionName,
      qualifier: live.name,
      authorizationType: "AWS_IAM",
    }).functionUrl;
  }

  private answerByHttpApi(fn: LambdaFunction, live: LambdaAlias, authorization: "AWS_IAM" | "NONE"): string {
    const { name, prefix, key, logRetentionDays } = this.props;
    const address = createHttpApi(this, {
      name: this.name,
      description: `Address of the function ${name} of ${prefix}`,
      answeredBy: { functionName: fn.functionName, qualifier: live.name, invokeArn: live.invokeArn },
      authorization,
      // What the account has for all its APIs is 10,000 a second: one of them alone may not take it.
      limits: { rate: 1000, burst: 500 },
      log: {
        group: new LogGroup(this, "api-logs", {
          name: `/slipway/${prefix}/api/${name}`,
          key,
          retentionDays: logRetentionDays,
        }),
        format: ACCESS_LOG,
      },
    });
    return `${address}/`;
  }

  /** @returns names of the alarms that bring the old version back */
  private alarm(): string[] {
    const { name, alarmTopicArn } = this.props;
    const { slowMilliseconds } = this.props.function;
    const dimensions = { FunctionName: this.name, Resource: `${this.name}:${LIVE_ALIAS}` };
    const told = {
      alarmActions: [alarmTopicArn],
      okActions: [alarmTopicArn],
      comparisonOperator: "GreaterThanThreshold",
      treatMissingData: "notBreaching",
    };
    const sum = (metricName: string) => ({
      namespace: "AWS/Lambda",
      metricName,
      dimensions,
      stat: "Sum",
      period: 60,
    });
    const errors = `${this.name}-errors`;
    new CloudwatchMetricAlarm(this, "errors", {
      ...told,
      alarmName: errors,
      // Of all versions: the new one is not known yet. Of a version that gets a tenth, every fifth call has to fail.
      alarmDescription: `More than 2 % of the calls of ${name} failed, and more than one, in a minute.`,
      metricQuery: [
        { id: "errors", metric: sum("Errors"), returnData: false },
        { id: "calls", metric: sum("Invocations"), returnData: false },
        {
          id: "share",
          expression: "IF(errors > 1, 100 * errors / calls, 0)",
          label: "Failed calls, %",
          returnData: true,
        },
      ],
      evaluationPeriods: 1,
      threshold: 2,
    });
    const slow = `${this.name}-slow`;
    new CloudwatchMetricAlarm(this, "slow", {
      ...told,
      alarmName: slow,
      alarmDescription: `One in a hundred calls of ${name} took longer than ${slowMilliseconds} ms, twice in a row.`,
      namespace: "AWS/Lambda",
      metricName: "Duration",
      dimensions,
      extendedStatistic: "p99",
      period: 60,
      evaluationPeriods: 2,
      threshold: slowMilliseconds,
    });
    return [errors, slow];
  }

  private releaseInSteps(fn: LambdaFunction, alarms: readonly string[]): ReleaseFacts {
    const { props } = this;
    const { account, region, boundary } = props;
    const releases = `${props.prefix}-${props.name}-fn`;
    const application = physicalName("codeDeploy", releases);
    const group = props.name;
    const check = new ReleaseCheck(this, "check", {
      ...props,
      releases,
      account,
      region,
      application,
      group,
      target: { kind: "function", name: this.name, alias: LIVE_ALIAS },
      checks: props.function.checks,
    });
    const deployment = releaseByCodeDeploy(this, {
      releases,
      application,
      group,
      computePlatform: "Lambda",
      config: DEPLOYMENT_CONFIGS[props.release],
      rights: [
        {
          actions: ["lambda:GetAlias", "lambda:GetProvisionedConcurrencyConfig", "lambda:UpdateAlias"],
          resources: [fn.arn, `${fn.arn}:${LIVE_ALIAS}`],
        },
      ],
      check,
      alarms,
      account,
      boundary,
    });
    return { ...deployment, function: this.name, alias: LIVE_ALIAS };
  }
}

/** What is kept of each request: who, what, and how it went; no header but the agent's. */
const ACCESS_LOG = {
  requestId: "$context.requestId",
  ip: "$context.identity.sourceIp",
  time: "$context.requestTime",
  method: "$context.httpMethod",
  path: "$context.path",
  status: "$context.status",
  latency: "$context.responseLatency",
  error: "$context.integrationErrorMessage",
  agent: "$context.identity.userAgent",
};
