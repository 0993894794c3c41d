import { randomUUID } from "node:crypto";
import type { Scope } from "../aws-request";
import { assumeServiceRole } from "../builds/role";
import { ask, type Caller } from "../functions/client";
import { serviceKey } from "../iam/service-key";
import type { InputSettings } from "./input";

/** A rule's target as moto keeps it. */
export interface Target extends InputSettings {
  readonly Id: string;
  readonly Arn: string;
  readonly RoleArn?: string;
  readonly DeadLetterConfig?: { readonly Arn?: string };
  readonly RetryPolicy?: { readonly MaximumRetryAttempts?: number };
  readonly SqsParameters?: { readonly MessageGroupId?: string };
}

/** Why a target did not take an event. */
export class DeliveryFailure extends Error {
  constructor(
    readonly code: string,
    message: string,
    /** Whether another try may end otherwise. */
    readonly retryable = false,
  ) {
    super(message);
  }
}

export interface Delivery {
  /** ARN. */
  readonly rule: string;
  readonly target: Target;
  /** What the target gets. */
  readonly input: string;
  /** The account of the rule, in a target's region. */
  readonly callerIn: (region: string) => Caller;
}

const KINDS = "functions, topics, queues, pipelines, builds, log groups and event buses";

/**
 * Gives a target what it is to get.
 *
 * @throws DeliveryFailure
 */
export async function deliver({ rule, target, input, callerIn }: Delivery): Promise<void> {
  const { Arn: arn } = target;
  const [, , service, region = "", account = "", ...rest] = arn.split(":");
  const caller = callerIn(region);
  const events = asEventBridge(caller, rule);
  const name = rest.join(":");
  switch (service) {
    case "lambda":
      await ok(
        ask(events, "lambda", `/2015-03-31/functions/${encodeURIComponent(arn)}/invocations`, {
          method: "POST",
          headers: { "x-amz-invocation-type": "Event" },
          body: input,
        }),
      );
      return;
    case "sns":
      await form(events, "sns", { Action: "Publish", Version: "2010-03-31", TopicArn: arn, Message: input });
      return;
    case "sqs":
      await json(events, "sqs", "AmazonSQS.SendMessage", {
        QueueUrl: `${caller.endpoint}/${account}/${name}`,
        MessageBody: input,
        MessageGroupId: target.SqsParameters?.MessageGroupId,
      });
      return;
    case "codepipeline": {
      const { sourceRevisions, variables } = isGiven(target) ? fieldsOf(input) : {};
      const start = { name, sourceRevisions, variables };
      await json(
        await withRole(caller, target, rule),
        service,
        "CodePipeline_20150709.StartPipelineExecution",
        start,
      );
      return;
    }
    case "codebuild": {
      const start = { ...(isGiven(target) && fieldsOf(input)), projectName: name.replace(/^project\//, "") };
      await json(await withRole(caller, target, rule), service, "CodeBuild_20161006.StartBuild", start);
      return;
    }
    case "logs": {
      const [, group = ""] = /^log-group:([^:]+)/.exec(name) ?? [];
      const stream = { logGroupName: group, logStreamName: randomUUID() };
      await json(caller, service, "Logs_20140328.CreateLogStream", stream);
      const logEvents = [{ timestamp: Date.now(), message: input }];
      await json(caller, service, "Logs_20140328.PutLogEvents", { ...stream, logEvents });
      return;
    }
    default:
      throw new DeliveryFailure("UNSUPPORTED", `Local AWS gives events to ${KINDS} alone, not to ${arn}`);
  }
}

/** Puts an event that its target did not take into a queue, as EventBridge does. */
export async function bury(
  { rule, target, callerIn }: Delivery,
  event: string,
  { failure, retries }: { readonly failure: DeliveryFailure; readonly retries: number },
): Promise<void> {
  const queue = target.DeadLetterConfig?.Arn ?? "";
  const [, , , region = "", account, name] = queue.split(":");
  const caller = asEventBridge(callerIn(region), rule);
  const text = (StringValue: string) => ({ DataType: "String", StringValue });
  await json(caller, "sqs", "AmazonSQS.SendMessage", {
    QueueUrl: `${caller.endpoint}/${account}/${name}`,
    MessageBody: event,
    MessageAttributes: {
      RULE_ARN: text(rule),
      TARGET_ARN: text(target.Arn),
      ERROR_CODE: text(failure.code),
      ERROR_MESSAGE: text(failure.message.slice(0, 1024)),
      ...(retries && { EXHAUSTED_RETRY_CONDITION: text("MaximumRetryAttempts") }),
      RETRY_ATTEMPTS: { DataType: "Number", StringValue: String(retries) },
    },
  });
}

/** The rules of a bus that are enabled, with their targets. */
export async function readRules(caller: Caller, EventBusName: string): Promise<readonly KeptRule[]> {
  const all: KeptRule[] = [];
  let NextToken: unknown;
  do {
    const page = await json(caller, "events", "AWSEvents.ListRules", { EventBusName, NextToken });
    for (const { Name = "", Arn = "", State, EventPattern } of (page.Rules ?? []) as Record<
      string,
      string
    >[]) {
      if (State === "DISABLED") continue;
      const given = { Rule: Name, EventBusName };
      const { Targets } = await json(caller, "events", "AWSEvents.ListTargetsByRule", given);
      all.push({
        name: Name,
        arn: Arn,
        pattern: EventPattern || undefined,
        targets: (Targets ?? []) as Target[],
      });
    }
    NextToken = page.NextToken;
  } while (NextToken);
  return all;
}

export interface KeptRule {
  readonly name: string;
  readonly arn: string;
  /** Of the events that it waits for. @default - it waits for a time alone */
  readonly pattern?: string;
  readonly targets: readonly Target[];
}

/** Publishes to a topic, with another text for people who get it as mail. */
export async function publishTo(
  caller: Caller,
  topic: string,
  {
    subject,
    json: content,
    text,
  }: { readonly subject: string; readonly json: unknown; readonly text: string },
): Promise<void> {
  await form(caller, "sns", {
    Action: "Publish",
    Version: "2010-03-31",
    TopicArn: topic,
    // SNS takes no longer one.
    Subject: subject.slice(0, 100),
    MessageStructure: "json",
    Message: JSON.stringify({ default: JSON.stringify(content), email: text }),
  });
}

/** EventBridge itself, which functions, topics and queues let in by their own policies. */
const asEventBridge = (caller: Caller, rule: string): Caller => ({
  ...caller,
  accessKey: serviceKey("events.amazonaws.com", rule),
});

/** Whether the rule says what its target gets. The event itself says nothing to a pipeline or a project. */
const isGiven = ({ Input, InputTransformer, InputPath }: Target) =>
  Boolean(Input ?? InputTransformer ?? InputPath);

async function withRole(caller: Caller, { RoleArn, Arn }: Target, rule: string): Promise<Caller> {
  if (!RoleArn) throw new DeliveryFailure("NO_PERMISSIONS", `${Arn} needs a RoleArn to be started by`);
  const { endpoint, region } = caller;
  const { environment } = await assumeServiceRole({
    endpoint,
    region,
    roleArn: RoleArn,
    session: randomUUID(),
    service: "events.amazonaws.com",
    source: rule,
  }).catch((error: Error) => {
    throw new DeliveryFailure("NO_PERMISSIONS", `${RoleArn} cannot be taken on: ${error.message}`);
  });
  return { ...caller, accessKey: environment.AWS_ACCESS_KEY_ID ?? "" };
}

function json(caller: Caller, service: string, target: string, input: unknown) {
  return ok(
    ask(caller, service, "/", {
      method: "POST",
      headers: { "content-type": "application/x-amz-json-1.1", "x-amz-target": target },
      body: JSON.stringify(input),
    }),
  );
}

const form = (caller: Caller, service: string, fields: Record<string, string>) =>
  ok(ask(caller, service, "/", { method: "POST", body: new URLSearchParams(fields) }));

async function ok(asked: Promise<Response>): Promise<Record<string, unknown>> {
  const response = await asked.catch((error: Error) => {
    throw new DeliveryFailure("SDK_CLIENT_ERROR", error.message, true);
  });
  const text = await response.text();
  if (response.ok) return fieldsOf(text);
  const { status } = response;
  const retryable = status >= 500 || status === 429 || /Throttl/.test(text);
  const code = retryable
    ? "THROTTLING"
    : status === 403
      ? "NO_PERMISSIONS"
      : status === 404
        ? "NO_RESOURCE"
        : "SDK_CLIENT_ERROR";
  throw new DeliveryFailure(code, text.slice(0, 1024), retryable);
}

function fieldsOf(text: string): Record<string, unknown> {
  try {
    const content: unknown = JSON.parse(text);
    return typeof content === "object" && content !== null ? (content as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** Where a rule hands its events on to another bus: the bus, and where it is. */
export function busIn(arn: string): { readonly scope: Scope; readonly bus: string } | undefined {
  const [, region = "", account = "", bus = ""] =
    /^arn:[\w-]+:events:([^:]+):(\d{12}):event-bus\/(.+)$/.exec(arn) ?? [];
  return bus ? { scope: { account, region }, bus } : undefined;
}
