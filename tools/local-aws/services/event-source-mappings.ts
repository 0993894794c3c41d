import { randomUUID } from "node:crypto";
import { z } from "zod";
import { AwsError, type AwsRequest, type RequestHead, readJson } from "../aws-request";
import { readPattern } from "../events/pattern";
import { ask, type Caller } from "../functions/client";
import { type FunctionName, type Functions, functionArn, readFunctionName } from "../functions/functions";
import { QueuePoller, queueUrl } from "../functions/queue-poller";
import type { Quirk, QuirkAnswer } from "../quirks";
import type { EmulatedTime } from "../time";
import { type Operation, operationsOf, Store, Tags } from "./service";

export interface EventSourcesProps {
  readonly functions: Functions;
  /** Address of Local AWS itself. */
  readonly endpoint: () => string;
  /** An access key that belongs to an account. */
  readonly keyOf: (account: string) => string;
  readonly time: EmulatedTime;
  /** Whether each batch is delivered twice, as may happen on AWS. @default false */
  readonly twice?: boolean;
  /** Gets a line for messages that could not be delivered. @default - nobody */
  readonly log?: (line: string) => void;
}

const MAPPINGS = /^\/2015-03-31\/event-source-mappings(?:\/([\w-]+))?\/?$/;
const TAGS = /^\/2017-03-31\/tags\/([^/]+)\/?$/;
/** How many batches run at once where the mapping does not say: what AWS begins with. */
const MOST_AT_ONCE = 5;

const parameters = z.looseObject({
  Enabled: z.boolean().optional(),
  BatchSize: z.int().min(1).max(10_000).optional(),
  MaximumBatchingWindowInSeconds: z.int().min(0).max(300).optional(),
  FunctionResponseTypes: z.array(z.literal("ReportBatchItemFailures")).max(1).optional(),
  ScalingConfig: z.looseObject({ MaximumConcurrency: z.int().min(2).max(1000).optional() }).optional(),
  FilterCriteria: z
    .looseObject({ Filters: z.array(z.looseObject({ Pattern: z.string() })).optional() })
    .optional(),
});
const changes = parameters.extend({ FunctionName: z.string().min(1).optional() });
const creation = parameters.extend({
  FunctionName: z.string().min(1),
  EventSourceArn: z.string().min(1),
  Tags: z.record(z.string(), z.string()).optional(),
});

type Parameters = z.output<typeof parameters>;

interface Mapping {
  readonly id: string;
  readonly fn: FunctionName;
  readonly queue: string;
  readonly given: Parameters;
  /** In seconds since 1970. */
  readonly modified: number;
  /** @default - it is disabled */
  readonly poller?: QueuePoller;
}

const define = operationsOf(() => "InvalidParameterValueException");

/**
 * Gives the messages of queues to functions. The mappings are kept here: those that moto keeps run functions by Docker,
 * and take the messages from the queue before.
 */
export function eventSourceMappings(props: EventSourcesProps): Quirk {
  const mappings = new Mappings(props);
  return {
    reason: "moto gives the messages of queues to functions by Docker alone",
    concerns: (head) => isMapping(head) || (mappings.some && maySend(head)),
    answer(request) {
      if (!isMapping(request)) return undefined;
      const [, arn] = TAGS.exec(request.url.pathname) ?? [];
      if (arn) return mappings.tag(request, decodeURIComponent(arn));
      return mappings.answer(request, MAPPINGS.exec(request.url.pathname)?.[1]);
    },
    amend(request, answer) {
      if (!isMapping(request)) mappings.wake(request);
      return answer;
    },
    stop: () => mappings.stop(),
  };
}

function isMapping({ service, url: { pathname } }: RequestHead): boolean {
  if (service !== "lambda") return false;
  return MAPPINGS.test(pathname) || (TAGS.test(pathname) && pathname.includes("event-source-mapping"));
}

/** Whether a request may bring a queue messages, also by a topic. */
function maySend({ api, operation, service, form }: RequestHead): boolean {
  if (form) return service === "sqs" || service === "sns";
  return api === "AmazonSQS" && /^(SendMessage|ChangeMessageVisibility)(Batch)?$/.test(operation);
}

class Mappings {
  private readonly all = new Store<Mapping>();
  private readonly tags = new Tags();
  private readonly pollers = new Map<QueuePoller, string>();

  constructor(private readonly props: EventSourcesProps) {}

  /** Whether some queue is looked at. */
  get some(): boolean {
    return this.pollers.size > 0;
  }

  async answer(request: AwsRequest, id: string | undefined): Promise<QuirkAnswer> {
    const { method, scope } = request;
    if (!id) {
      if (method === "POST") return answer(202, await this.create(readJson(request.body), scope));
      return answer(200, { EventSourceMappings: this.list(request).map((one) => describe(one)) });
    }
    const found = this.all.in(scope).get(id);
    if (!found) throw notFound();
    if (method === "PUT") {
      const change = define(changes, (input) => this.update(found, input));
      return answer(202, await change(readJson(request.body), scope));
    }
    if (method === "DELETE") {
      this.all.in(scope).delete(id);
      this.tags.forget(arnOf(found));
      this.end(found);
      return answer(202, describe(found, "Deleting"));
    }
    return answer(200, describe(found));
  }

  tag({ method, url, body, scope }: AwsRequest, arn: string): QuirkAnswer {
    if (![...this.all.in(scope).values()].some((one) => arnOf(one) === arn)) throw notFound();
    if (method === "GET") return answer(200, { Tags: Object.fromEntries(this.tags.of(arn)) });
    if (method === "DELETE") this.tags.remove(arn, url.searchParams.getAll("tagKeys"));
    else this.tags.put(arn, Object.entries((readJson(body) as { Tags?: Record<string, string> }).Tags ?? {}));
    return { status: 204 };
  }

  /** A request was answered that may have brought messages. */
  wake({ operation, body, form, scope }: AwsRequest): void {
    if (form && !/(^|&)Action=(Publish|SendMessage|ChangeMessageVisibility)/.test(body.toString())) return;
    // Of a topic's queues, and of what the older protocol names otherwise, any may be meant.
    const input = form ? {} : (readJson(body) as Sending);
    const [account, name] = String(input.QueueUrl).split("/").slice(-2);
    const queue = `arn:aws:sqs:${scope.region}:${account}:${name}`;
    const seconds = operation.startsWith("Change")
      ? Math.min(
          ...[input, ...(input.Entries ?? [])].map(
            (one) => one.VisibilityTimeout ?? Number.POSITIVE_INFINITY,
          ),
        )
      : 0;
    for (const [poller, own] of this.pollers) {
      if (!form && own !== queue) continue;
      if (!seconds) poller.wake();
      // Longer than any timeout may be: none was given.
      else if (Number.isFinite(seconds)) poller.wakeIn(seconds * 1000 + 50);
    }
  }

  async stop(): Promise<void> {
    await Promise.all([...this.pollers.keys()].map((poller) => poller.stop()));
  }

  private readonly create: Operation = define(creation, async (input, scope) => {
    const { FunctionName, EventSourceArn: queue, Tags: tags = {}, ...given } = input;
    const fn = readFunctionName(FunctionName, scope);
    if (!/^arn:[\w-]+:sqs:/.test(queue))
      throw invalid(`Local AWS knows queues alone as event sources, and not ${queue}`);
    const same = [...this.all.in(scope).values()].find(
      (one) => one.queue === queue && functionArn(one.fn) === functionArn(fn),
    );
    if (same) {
      const message = `The event source arn (" ${queue} ") and function (" ${fn.name} ") provided mapping already exists. Please update or delete the existing mapping with UUID ${same.id}`;
      throw new AwsError("ResourceConflictException", message, 409);
    }
    const created = await this.begin({ id: randomUUID(), fn, queue, given });
    this.tags.put(arnOf(created), Object.entries(tags));
    return describe(created, "Creating");
  });

  private async update(found: Mapping, { FunctionName, ...given }: z.output<typeof changes>) {
    const { id, queue } = found;
    const fn = FunctionName ? readFunctionName(FunctionName, found.fn.scope) : found.fn;
    const changed = await this.begin({ id, queue, fn, given: { ...found.given, ...given } });
    this.end(found);
    return describe(changed, "Updating");
  }

  /** Keeps a mapping, and takes its messages from now on. */
  private async begin(settings: Omit<Mapping, "modified" | "poller">): Promise<Mapping> {
    const { id, fn, queue, given } = settings;
    const filters = (given.FilterCriteria?.Filters ?? []).map(({ Pattern }) => readPattern(Pattern));
    await this.check(settings);
    const { functions, time, twice, log } = this.props;
    const mapping = {
      fn,
      queue,
      filters,
      batchSize: given.BatchSize ?? 10,
      windowSeconds: given.MaximumBatchingWindowInSeconds ?? 0,
      reportsFailures: Boolean(given.FunctionResponseTypes?.length),
      mostAtOnce: given.ScalingConfig?.MaximumConcurrency ?? MOST_AT_ONCE,
    };
    const owner = this.ownerOf(queue);
    const poller =
      given.Enabled === false ? undefined : new QueuePoller({ mapping, functions, owner, time, twice, log });
    if (poller) this.pollers.set(poller, queue);
    const begun = { ...settings, modified: Math.floor(Date.now() / 1000), poller };
    this.all.in(fn.scope).set(id, begun);
    return begun;
  }

  /** Takes no more messages; batches that run come to their end. */
  private end({ poller }: Mapping): void {
    if (!poller) return;
    void poller.stop().finally(() => this.pollers.delete(poller));
  }

  /**
   * What Lambda looks at before it takes a mapping.
   *
   * @throws AwsError in its words
   */
  private async check({ fn, queue, given }: Pick<Mapping, "fn" | "queue" | "given">): Promise<void> {
    const { BatchSize = 10, MaximumBatchingWindowInSeconds: window = 0 } = given;
    if (BatchSize > 10 && !window)
      throw invalid(
        "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10",
      );
    const { timeoutSeconds } = await this.props.functions.configurationOf(fn);
    const owner = this.ownerOf(queue);
    const attributes = await askQueue(owner, queue, "GetQueueAttributes", {
      AttributeNames: ["VisibilityTimeout"],
    });
    const found = (await attributes.json()) as { Attributes?: { VisibilityTimeout?: string } };
    if (!attributes.ok) {
      throw invalid(
        "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue does not exist.",
      );
    }
    const visibility = Number(found.Attributes?.VisibilityTimeout);
    if (visibility < timeoutSeconds) {
      throw invalid(
        `Queue visibility timeout: ${visibility} seconds is less than Function timeout: ${timeoutSeconds} seconds`,
      );
    }
    // No number of messages is none: who may receive is told so, and nothing is received.
    const role = await this.props.functions.callerOf(fn);
    const received = await askQueue(role, queue, "ReceiveMessage", { MaxNumberOfMessages: 0 });
    if (received.status === 403)
      throw invalid("The provided execution role does not have permissions to call ReceiveMessage on SQS");
  }

  private ownerOf(queue: string): Caller {
    const [, , , region = "", account = ""] = queue.split(":");
    return { endpoint: this.props.endpoint(), region, accessKey: this.props.keyOf(account) };
  }

  private list({ url, scope }: AwsRequest): Mapping[] {
    const [source, named] = ["EventSourceArn", "FunctionName"].map((name) => url.searchParams.get(name));
    const arn = named && functionArn(readFunctionName(named, scope));
    return [...this.all.in(scope).values()].filter(
      ({ queue, fn }) => (!source || queue === source) && (!arn || functionArn(fn) === arn),
    );
  }
}

/** What SendMessage and ChangeMessageVisibility are given, or each of their batches. */
interface Sending {
  readonly QueueUrl?: string;
  readonly VisibilityTimeout?: number;
  readonly Entries?: readonly Sending[];
}

const askQueue = (caller: Caller, queue: string, operation: string, input: object) =>
  ask(caller, "sqs", "/", {
    method: "POST",
    headers: { "content-type": "application/x-amz-json-1.0", "x-amz-target": `AmazonSQS.${operation}` },
    body: JSON.stringify({ QueueUrl: queueUrl(caller.endpoint, queue), ...input }),
  });

const arnOf = ({ id, fn: { scope } }: Pick<Mapping, "id" | "fn">) =>
  `arn:aws:lambda:${scope.region}:${scope.account}:event-source-mapping:${id}`;

function describe(mapping: Mapping, changing?: "Creating" | "Updating" | "Deleting") {
  const { id, fn, queue, given, modified } = mapping;
  const { ScalingConfig: scaling, FilterCriteria: filters } = given;
  return {
    UUID: id,
    EventSourceMappingArn: arnOf(mapping),
    EventSourceArn: queue,
    FunctionArn: functionArn(fn),
    BatchSize: given.BatchSize ?? 10,
    MaximumBatchingWindowInSeconds: given.MaximumBatchingWindowInSeconds ?? 0,
    FunctionResponseTypes: given.FunctionResponseTypes,
    ScalingConfig: scaling?.MaximumConcurrency ? scaling : undefined,
    FilterCriteria: filters?.Filters?.length ? filters : undefined,
    LastModified: modified,
    State: changing ?? (given.Enabled === false ? "Disabled" : "Enabled"),
    StateTransitionReason: "USER_INITIATED",
  };
}

const invalid = (message: string) => new AwsError("InvalidParameterValueException", message);
const notFound = () =>
  new AwsError("ResourceNotFoundException", "The resource you requested does not exist.", 404);

function answer(status: number, content: unknown): QuirkAnswer {
  const headers = { "content-type": "application/json", "x-amzn-requestid": randomUUID() };
  return { status, headers, body: Buffer.from(JSON.stringify(content)) };
}
