import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { FakeServer } from "../../support/fake-server";

/** What GetDeployment and its targets tell, one frame after the other. */
export interface Frame {
  readonly status: string;
  /** Lifecycle events and their statuses. */
  readonly events?: Readonly<Record<string, string>>;
  /** Percents that the new version gets. */
  readonly weight?: number;
  readonly error?: { readonly code: string; readonly message: string };
  /** Whether the old tasks are kept, after all traffic has moved. */
  readonly keepsOld?: boolean;
}

interface Deployment {
  readonly id: string;
  readonly group: string;
  readonly frames: Frame[];
  /** What happens when it succeeds. */
  readonly effect: () => void;
  status: string;
  rollback?: string;
}

interface Version {
  readonly sha256: string;
  readonly memory: number;
  readonly description?: string;
}

export interface Call {
  readonly operation: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test reads of it what it expects there.
  readonly input: any;
  /** Access key of the caller. */
  readonly key?: string;
}

export interface Asked {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

export interface Answered {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: string;
}

export const GOOD: readonly Frame[] = [
  { status: "Created" },
  { status: "InProgress", events: { Install: "InProgress", AllowTraffic: "Pending" } },
  { status: "InProgress", events: { Install: "Succeeded", AllowTraffic: "InProgress" }, weight: 10 },
  { status: "InProgress", events: { Install: "Succeeded", AllowTraffic: "InProgress" }, weight: 10 },
  { status: "Succeeded", events: { Install: "Succeeded", AllowTraffic: "Succeeded" }, weight: 100 },
];

/** A deployment that fails. */
export const bad = (code: string, message: string, events: Frame["events"] = {}): Frame[] => [
  { status: "InProgress" },
  { status: "Failed", events, error: { code, message } },
];

export const ROLE_KEY = "ROLEKEYOFTHERELEASE";
export const OLD_TASK = "arn:aws:ecs:eu-west-1:222222222222:task-definition/hello-dev-web:1";
const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes).digest("base64");
export const OLD_CODE = Buffer.from("old code");

/** ECS, Lambda, CodeDeploy, CloudWatch and STS, as far as a release talks to them. */
export class FakeAws extends FakeServer {
  readonly calls: Call[] = [];
  /** What an operation fails with, so many times. */
  readonly errors = new Map<string, { readonly name: string; readonly message?: string; times: number }>();
  /** Happens when an operation is asked for. */
  on: (operation: string) => void = () => {};
  /** Statuses of alarms. */
  alarms: Record<string, string> = {};
  /** Lines of log groups. */
  logs: Record<string, string[]> = {};
  /** How the next deployments of a group go; the last one stays. Good ones, where nothing is said. */
  readonly goes: Record<string, (readonly Frame[])[]> = {};
  /** Whether CodeDeploy brings the old version back by a deployment of its own. */
  rollsBack = true;
  readonly deployments = new Map<string, Deployment>();
  /** What the service runs; "" where there is none. */
  service = OLD_TASK;
  readonly taskDefinitions = new Map<string, { tags: { key: string; value: string }[] }>([
    [OLD_TASK, { tags: [] }],
  ]);
  /** Of the function; the first is $LATEST. */
  versions: [Version, ...Version[]] = [
    { sha256: sha256(OLD_CODE), memory: 128 },
    { sha256: sha256(OLD_CODE), memory: 128 },
  ];
  alias = "1";
  /** What Lambda says of a change, one answer after the other; then Successful. */
  updates: string[] = [];
  hidesVariables = false;
  /** What Lambda says of the check functions, one answer after the other; then Active. */
  checkStates: string[] = [];

  /** The input of each call of an operation. */
  asked(operation: string): Call["input"][] {
    return this.calls.filter((call) => call.operation === operation).map(({ input }) => input);
  }

  /** The AppSpec of each deployment. */
  get appSpecs(): Call["input"][] {
    return this.asked("CreateDeployment").map(({ revision }) => JSON.parse(revision.appSpecContent.content));
  }

  /** Begins a deployment that this command did not make. */
  begin(group: string, frames: readonly Frame[], effect = () => {}): string {
    const id = `d-${this.deployments.size + 1}`;
    this.deployments.set(id, { id, group, frames: [...frames], effect, status: "Created" });
    return id;
  }

  /** What it answers to a request, be it of a connection or not. */
  respond(request: Asked): Answered {
    const { operation, input } = operationOf(request);
    const key = /Credential=([^/]+)/.exec(String(request.headers.authorization))?.[1];
    this.calls.push({ operation, input, key });
    this.on(operation);
    const error = this.errors.get(operation);
    if (error && error.times-- > 0) {
      const { name, message = "no" } = error;
      const body =
        operation === "AssumeRole"
          ? `<ErrorResponse><Error><Code>${name}</Code><Message>${message}</Message></Error></ErrorResponse>`
          : JSON.stringify({ __type: name, message });
      return { status: 400, headers: { "x-amzn-errortype": name }, body };
    }
    const body = operation === "AssumeRole" ? ASSUMED : JSON.stringify(this.does(operation, input));
    return { status: 200, headers: {}, body };
  }

  protected override answer(
    { method = "", url = "", headers }: IncomingMessage,
    asked: string,
    response: ServerResponse,
  ): void {
    const { status, headers: more, body } = this.respond({ method, url, headers, body: asked });
    response.writeHead(status, more).end(body);
  }

  private does(operation: string, input: Call["input"]): unknown {
    switch (operation) {
      case "DescribeServices":
        return {
          services: this.service && [
            {
              status: "ACTIVE",
              taskDefinition: "the one it was made with",
              taskSets: [
                { status: "ACTIVE", taskDefinition: "another" },
                { status: "PRIMARY", taskDefinition: this.service },
              ],
            },
          ],
        };
      case "DescribeTaskDefinition":
        return { taskDefinition: {}, tags: this.taskDefinitions.get(input.taskDefinition)?.tags };
      case "RegisterTaskDefinition": {
        const arn = OLD_TASK.replace(/1$/, String(this.taskDefinitions.size + 1));
        this.taskDefinitions.set(arn, { tags: input.tags });
        return { taskDefinition: { taskDefinitionArn: arn } };
      }
      case "GetAlias":
        return { FunctionVersion: this.alias };
      case "GetFunctionConfiguration":
        return input.FunctionName.endsWith("-check")
          ? { FunctionName: input.FunctionName, State: this.checkStates.shift() ?? "Active" }
          : this.configuration(input.Qualifier ?? "$LATEST");
      case "UpdateFunctionCode":
        this.versions[0] = { ...this.versions[0], sha256: sha256(Buffer.from(input.ZipFile, "base64")) };
        return this.configuration("$LATEST");
      case "PublishVersion": {
        const [latest] = this.versions;
        const { description, ...published } = this.versions.at(-1)!;
        if (JSON.stringify(latest) !== JSON.stringify(published))
          this.versions.push({ ...latest, description: input.Description });
        return { Version: String(this.versions.length - 1) };
      }
      case "Invoke":
      case "ContinueDeployment":
        return {};
      case "DescribeAlarms":
        return {
          MetricAlarms: input.AlarmNames.map((name: string) => ({
            AlarmName: name,
            StateValue: this.alarms[name] ?? "OK",
            StateReason: "6 errors\nin a minute",
          })),
        };
      case "FilterLogEvents":
        return {
          events: (this.logs[input.logGroupName] ?? []).map((message) => ({ message, timestamp: 1 })),
        };
      case "ListDeployments":
        return {
          deployments: [...this.deployments.values()]
            .filter(({ group, id }) => group === input.deploymentGroupName && isRunning(this.step(id).status))
            .map(({ id }) => id),
        };
      case "CreateDeployment":
        return { deploymentId: this.create(input) };
      case "GetDeployment": {
        const { status, error, keepsOld } = this.step(input.deploymentId);
        const { rollback } = this.deployments.get(input.deploymentId)!;
        return {
          deploymentInfo: {
            deploymentId: input.deploymentId,
            status,
            createTime: 1000,
            instanceTerminationWaitTimeStarted: keepsOld ?? false,
            ...(error && { errorInformation: error }),
            ...(rollback && { rollbackInfo: { rollbackDeploymentId: rollback } }),
          },
        };
      }
      case "StopDeployment": {
        const { frames } = this.deployments.get(input.deploymentId)!;
        frames.splice(0, frames.length, {
          status: "Stopped",
          error: { code: "MANUAL_STOP", message: "stopped by the user" },
        });
        return { status: "Succeeded" };
      }
      case "ListDeploymentTargets":
        return { targetIds: ["target"] };
      case "BatchGetDeploymentTargets":
        return { deploymentTargets: [this.target(input.deploymentId)] };
    }
    throw new Error(`Nobody expected ${operation}`);
  }

  private configuration(qualifier: string) {
    const version = this.versions[qualifier === "$LATEST" ? 0 : Number(qualifier)]!;
    const settled = qualifier === "$LATEST" ? (this.updates.shift() ?? "Successful") : "Successful";
    return {
      FunctionName: "hello-dev-hello",
      Version: qualifier,
      Description: version.description ?? "hello of hello-dev",
      CodeSha256: version.sha256,
      MemorySize: version.memory,
      RevisionId: `revision of ${qualifier}`,
      LastModified: `of ${qualifier}`,
      State: "Active",
      LastUpdateStatus: settled,
      LastUpdateStatusReason: settled === "Failed" ? "the key is disabled" : undefined,
      Environment: this.hidesVariables
        ? { Error: { ErrorCode: "AccessDeniedException" } }
        : { Variables: { PROJECT: "hello" } },
    };
  }

  private create(input: Call["input"]): string {
    const { Resources: resources } = JSON.parse(input.revision.appSpecContent.content);
    const { Properties: properties } = Object.values(resources[0])[0] as Call["input"];
    const ways = this.goes[input.deploymentGroupName] ?? [GOOD];
    const way = ways.length > 1 ? ways.shift()! : ways[0]!;
    return this.begin(input.deploymentGroupName, way, () => {
      if (properties.TaskDefinition) this.service = properties.TaskDefinition;
      else this.alias = properties.TargetVersion;
    });
  }

  /** A deployment's frame, and, but for its last one, the next one when it is asked again. */
  private step(id: string): Frame {
    const deployment = this.deployments.get(id)!;
    const { frames } = deployment;
    const frame = frames.length > 1 ? frames.shift()! : frames[0]!;
    if (frame.status !== deployment.status) {
      deployment.status = frame.status;
      if (frame.status === "Succeeded" || frame.keepsOld) deployment.effect();
      if (["Failed", "Stopped"].includes(frame.status) && this.rollsBack)
        deployment.rollback = this.begin("rollbacks", [{ status: "InProgress" }, { status: "Succeeded" }]);
    }
    this.shown.set(id, frame);
    return frame;
  }
  private readonly shown = new Map<string, Frame>();

  private target(id: string) {
    const { events = {}, weight } = this.shown.get(id)!;
    const lifecycleEvents = Object.entries(events).map(([lifecycleEventName, status]) => ({
      lifecycleEventName,
      status,
      diagnostics: { message: status === "Failed" ? "a reason\u001b[31m" : "" },
    }));
    return this.deployments.get(id)!.group === "hello"
      ? { lambdaTarget: { lifecycleEvents, lambdaFunctionInfo: { targetVersionWeight: weight } } }
      : {
          ecsTarget: {
            lifecycleEvents,
            taskSetsInfo: [
              { taskSetLabel: "Blue", trafficWeight: weight === undefined ? undefined : 100 - weight },
              { taskSetLabel: "Green", trafficWeight: weight },
            ],
          },
        };
  }
}

const isRunning = (status: string) => !["Succeeded", "Failed", "Stopped"].includes(status);

function operationOf({ method, url, headers, body }: Asked): Call {
  const target = headers["x-amz-target"];
  if (target) return { operation: String(target).split(".")[1]!, input: JSON.parse(body) };
  const { pathname, searchParams } = new URL(url, "http://localhost");
  if (!pathname.startsWith("/2015-03-31/"))
    return { operation: "AssumeRole", input: Object.fromEntries(new URLSearchParams(body)) };
  const [, name, part] = /functions\/([^/]+)\/(\w+)/.exec(pathname)!;
  const operations: Record<string, string> = {
    "GET aliases": "GetAlias",
    "GET configuration": "GetFunctionConfiguration",
    "PUT code": "UpdateFunctionCode",
    "POST versions": "PublishVersion",
    "POST invocations": "Invoke",
  };
  const qualifier = searchParams.get("Qualifier");
  const type = headers["x-amz-invocation-type"];
  return {
    operation: operations[`${method} ${part}`]!,
    input: {
      FunctionName: name,
      ...(qualifier && { Qualifier: qualifier }),
      ...(type && { InvocationType: type }),
      ...(body && JSON.parse(body)),
    },
  };
}

const ASSUMED = `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>${ROLE_KEY}</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken>
<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`;
