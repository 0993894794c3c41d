import { randomUUID } from "node:crypto";
import { AwsError, type AwsRequest, readJson } from "../aws-request";
import type { Quirk, QuirkAnswer } from "../quirks";
import { DEFAULT_BUS, type EventBus } from "./bus";
import { type AwsEvent, eventOf } from "./event";
import { readPattern } from "./pattern";
import { readSchedule } from "./schedule";

const CHANGES = /^(PutRule|DeleteRule|EnableRule|DisableRule|PutTargets|RemoveTargets|DeleteEventBus)$/;
const ANSWERED = /^(PutEvents|TestEventPattern)$/;
/** How many events PutEvents takes at once. */
const MOST_ENTRIES = 10;

type Entry = Readonly<Record<string, unknown>>;

/** Takes the events that callers put, and learns when rules change. */
export function eventBridge(bus: EventBus): Quirk {
  return {
    reason: "moto gives events to few targets, and knows few operators of patterns",
    concerns: ({ api, operation }) =>
      api === "AWSEvents" && (CHANGES.test(operation) || ANSWERED.test(operation)),
    answer(request) {
      const input = readJson(request.body) as Record<string, unknown>;
      switch (request.operation) {
        case "PutEvents":
          return answerJson(putEvents(bus, request, input));
        case "TestEventPattern": {
          const event = readJson(Buffer.from(String(input.Event)));
          return answerJson({ Result: readPattern(String(input.EventPattern))(event) });
        }
        case "PutRule":
          // Refused now, not when an event comes.
          if (input.EventPattern) readPattern(String(input.EventPattern));
          if (input.ScheduleExpression) readSchedule(String(input.ScheduleExpression));
      }
      return undefined;
    },
    amend(request, answer) {
      if (CHANGES.test(request.operation)) {
        bus.learn(request.scope);
        schedule(bus, request);
      }
      return answer;
    },
    stop: () => bus.stop(),
  };
}

/** A rule is called by its schedule from its making to its end; one that is disabled then, not at all. */
function schedule(bus: EventBus, { scope, operation, body }: AwsRequest): void {
  const input = readJson(body) as Entry;
  // Rules of other buses have none.
  if (busOf(input) !== DEFAULT_BUS) return;
  const { Name, ScheduleExpression } = input;
  if (operation === "PutRule") bus.schedule(scope, String(Name), ScheduleExpression as string | undefined);
  if (operation === "DeleteRule") bus.schedule(scope, String(Name));
}

/** The bus that a request or an entry names, by name or ARN. */
const busOf = ({ EventBusName }: Entry) =>
  String(EventBusName ?? DEFAULT_BUS).replace(/^arn:.*:event-bus\//, "");

function putEvents(bus: EventBus, { scope }: AwsRequest, input: Entry) {
  const entries = Array.isArray(input.Entries) ? (input.Entries as Entry[]) : [];
  if (!entries.length || entries.length > MOST_ENTRIES) {
    throw new AwsError(
      "ValidationException",
      `1 validation error detected: Value '[PutEventsRequestEntry]' at 'entries' failed to satisfy constraint: Member must have length between 1 and ${MOST_ENTRIES}`,
    );
  }
  const results = entries.map((entry) => {
    const event = readEntry(entry, scope);
    if ("ErrorCode" in event) return event;
    bus.take(scope, busOf(entry), event);
    return { EventId: event.id };
  });
  return { FailedEntryCount: results.filter((one) => "ErrorCode" in one).length, Entries: results };
}

function readEntry(entry: Entry, scope: AwsRequest["scope"]): AwsEvent | Refused {
  const { Source, DetailType, Detail, Resources, Time } = entry;
  const missing = Object.entries({ Source, DetailType, Detail }).find(([, value]) => !value)?.[0];
  if (missing) {
    const reason = `Parameter ${missing} is not valid. Reason: ${missing} is a required argument.`;
    return { ErrorCode: "InvalidArgument", ErrorMessage: reason };
  }
  if (/^aws\./.test(String(Source)))
    return { ErrorCode: "NotAuthorizedForSource", ErrorMessage: `Not authorized for the source: ${Source}` };
  const detail = fieldsOf(String(Detail));
  if (!detail) return { ErrorCode: "MalformedDetail", ErrorMessage: "Detail is malformed." };
  return eventOf(scope, {
    source: String(Source),
    detailType: String(DetailType),
    resources: Array.isArray(Resources) ? Resources.map(String) : [],
    detail,
    time: typeof Time === "number" ? new Date(Time * 1000) : undefined,
  });
}

interface Refused {
  readonly ErrorCode: string;
  readonly ErrorMessage: string;
}

function fieldsOf(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const content: unknown = JSON.parse(text);
    const isObject = typeof content === "object" && content !== null && !Array.isArray(content);
    return isObject ? (content as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function answerJson(content: unknown): QuirkAnswer {
  const headers = { "content-type": "application/x-amz-json-1.1", "x-amzn-requestid": randomUUID() };
  return { status: 200, headers, body: Buffer.from(JSON.stringify(content)) };
}
