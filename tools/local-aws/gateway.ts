import { once } from "node:events";
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { pipeline } from "node:stream/promises";
import { Alarms } from "./alarms";
import {
  AwsError,
  type AwsRequest,
  answerError,
  answerJson,
  operationOf,
  type RequestHead,
  readHead,
  readJson,
} from "./aws-request";
import { UnpackedArtifacts } from "./builds/unpacked";
import { containers, describeTask } from "./containers";
import { PrivateNetwork } from "./containers/network";
import { Services } from "./containers/services";
import { firstTaskSets } from "./deployments/first-task-set";
import { alarmChanges } from "./events/alarm-changes";
import { EventBus } from "./events/bus";
import type { Publisher } from "./events/event";
import { eventBridge } from "./events/eventbridge";
import { mail } from "./events/mail";
import { taskEvent } from "./events/tasks";
import { type FaultSettings, Faults } from "./faults";
import { Functions } from "./functions/functions";
import { Enforcement } from "./iam/enforcement";
import { readServiceKey } from "./iam/service-key";
import { ImageStore } from "./images/store";
import { loadBalancers } from "./load-balancers";
import { LoadBalancers } from "./load-balancers/load-balancers";
import { Reuse, type ReuseSettings } from "./pipelines/reuse";
import { posts } from "./posts";
import { createQuirks, type Quirk } from "./quirks";
import { autoscalingTags } from "./services/autoscaling-tags";
import { codebuild } from "./services/codebuild";
import { type CodeCommit, codecommit } from "./services/codecommit";
import { codeconnections } from "./services/codeconnections";
import { codedeploy } from "./services/codedeploy";
import { codepipeline } from "./services/codepipeline";
import { eventSourceMappings } from "./services/event-source-mappings";
import { fifoQueues } from "./services/fifo-queues";
import { httpApis } from "./services/http-api";
import { lambda } from "./services/lambda";
import type { Service } from "./services/service";
import { EmulatedTime } from "./time";

/** Builds may be silent for minutes between two calls. */
const KEEP_ALIVE_MILLISECONDS = 10 * 60_000;
/** How often moto is asked at most where it stumbles over itself. */
const TRIES = 3;

export interface GatewayProps {
  /** Whose the credentials are that no AssumeRole of this gateway gave out. */
  readonly account: string;
  /** Port of moto on 127.0.0.1. */
  readonly motoPort: number;
  /** Gets a line for each request that Local AWS could not do. @default - nobody */
  readonly log?: (line: string) => void;
  /** How long a minute of deployments, alarms, schedules and queues takes. @default 60,000 */
  readonly minuteMilliseconds?: number;
  /** What goes wrong on purpose. @default - nothing */
  readonly faults?: FaultSettings;
  /** Whether what the policies of a role do not allow is refused. @default false */
  readonly enforceIam?: boolean;
  /** What builds of pipelines need not run again. @default - all run */
  readonly reuse?: ReuseSettings;
}

/**
 * The one endpoint of Local AWS: answers what moto lacks, and hands the rest on to it, each request under the
 * account that its credentials belong to.
 */
export class Gateway {
  private readonly server: Server;
  private readonly services: ReadonlyMap<string, Service>;
  private readonly quirks: readonly Quirk[];
  private readonly alarms: Alarms;
  private readonly faults: Faults;
  private readonly enforcement?: Enforcement;
  /** What builds have pushed. */
  readonly images = new ImageStore();
  private readonly artifacts = new UnpackedArtifacts();
  /** Accounts of the roles whose credentials AssumeRole gave out, by access key. */
  private readonly assumed = new Map<string, string>();

  constructor(private readonly props: GatewayProps) {
    const endpoint = () => this.endpoint;
    const time = new EmulatedTime(props.minuteMilliseconds);
    const faults = new Faults(props.faults);
    this.faults = faults;
    const own = { endpoint, keyOf: (account: string) => this.keyOf(account), network: new PrivateNetwork() };
    if (props.enforceIam)
      this.enforcement = new Enforcement({ ...own, account: props.account, log: props.log });
    const events = new EventBus({ ...own, time, log: props.log, twice: faults.duplicates });
    const { images, artifacts } = this;
    const repositories = codecommit(events);
    this.services = createServices({
      ...own,
      time,
      images,
      artifacts,
      events,
      faults,
      repositories,
      reuse: props.reuse,
    });
    this.alarms = new Alarms({ ...own, time, log: props.log });
    const balancers = new LoadBalancers({ ...own, log: props.log, meter: this.alarms });
    const tasks = new Services({
      ...own,
      log: props.log,
      images: this.images,
      changed: ({ scope, service }, task) => events.publish(scope, taskEvent(describeTask(task, service))),
      inFlight: (group, id, port) => balancers.target(group, id, port)?.inFlight ?? 0,
      isHealthy: (group, id, port) => balancers.target(group, id, port)?.health.state === "healthy",
    });
    const functions = new Functions({ ...own, meter: this.alarms, twice: faults.duplicates });
    this.quirks = [
      ...createQuirks(),
      // Before what looks for the tasks that a service wants.
      firstTaskSets(`http://127.0.0.1:${props.motoPort}`),
      lambda({ ...own, functions }),
      eventSourceMappings({ ...own, functions, time, log: props.log, twice: faults.duplicates }),
      eventBridge(events),
      fifoQueues(time),
      alarmChanges({ ...own, moto: `http://127.0.0.1:${props.motoPort}`, events, log: props.log }),
      mail({ ...own, log: props.log }),
      posts({ endpoint, codecommit: repositories, account: props.account }),
      httpApis(own),
      loadBalancers(balancers),
      containers(tasks),
    ];
    this.server = createServer((incoming, response) => void this.handle(incoming, response));
    // A big upload may take its time; nobody attacks this server.
    this.server.requestTimeout = 0;
    // A client that was busy for a while would send its next request into a connection that we close.
    this.server.keepAliveTimeout = KEEP_ALIVE_MILLISECONDS;
  }

  /** For AWS_ENDPOINT_URL. */
  get endpoint(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** @param port 0 for a free one */
  async listen(port: number): Promise<void> {
    await once(this.server.listen(port, "127.0.0.1"), "listening");
  }

  /** Ends what its services run, which may still ask it for something, and then itself. */
  async stop(): Promise<void> {
    try {
      await Promise.all([...this.services.values(), ...this.quirks].map((running) => running.stop?.()));
    } finally {
      // Whatever did not stop, nothing else stays because of it.
      await Promise.all([this.images.stop(), this.artifacts.stop(), this.alarms.stop()]);
      this.server.closeAllConnections();
      this.server.close();
    }
  }

  private async handle(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const head = readHead(incoming);
    try {
      await this.answer(incoming, response, head);
    } catch (error) {
      const known = asAwsError(error);
      if (!(error instanceof AwsError) || error.code === "UnknownOperationException")
        this.props.log?.(known.message);
      // The rest of a body that nobody reads would keep the client from reading the answer.
      incoming.resume();
      if (response.headersSent) response.destroy();
      else answerError(response, head, known);
    }
  }

  private async answer(
    incoming: IncomingMessage,
    response: ServerResponse,
    head: RequestHead,
  ): Promise<void> {
    const account = this.accountOf(head.accessKey);
    const scope = { account, region: head.region };
    this.faults.throttle(head);
    const service = this.services.get(head.api);
    const quirks = this.quirks.filter((quirk) => quirk.concerns(head));
    const reads = service || quirks.length || head.form || head.service === "sts";
    if (!reads && !this.enforcement?.reads(head)) {
      await this.enforcement?.check({ ...head, scope, body: Buffer.alloc(0) });
      return this.passOn(incoming, response, head, account);
    }

    const request: AwsRequest = { ...head, scope, body: await readBody(incoming) };
    await this.enforcement?.check(request);
    if (service) {
      const run = Object.hasOwn(service.operations, head.operation) && service.operations[head.operation];
      if (run) return answerJson(response, await run(readJson(request.body), scope));
      if (!service.restIsMoto) {
        throw new AwsError(
          "UnknownOperationException",
          `Local AWS does not know ${head.api} ${head.operation || "without an operation"}`,
        );
      }
    }
    for (const quirk of quirks) {
      const own = await quirk.answer?.(request);
      if (own) {
        const length = { "content-length": own.body?.length ?? 0 };
        response.writeHead(own.status, { ...own.headers, ...length } as OutgoingHttpHeaders).end(own.body);
        return;
      }
    }
    await this.askMoto(incoming, response, request, quirks, service);
  }

  /** Asks moto for a request that was read, and reads the answer, too. */
  private async askMoto(
    incoming: IncomingMessage,
    response: ServerResponse,
    request: AwsRequest,
    quirks: readonly Quirk[],
    service: Service | undefined,
  ): Promise<void> {
    let asked = request.body;
    for (const quirk of quirks) asked = (await quirk.ask?.({ ...request, body: asked })) ?? asked;
    const ask = async () => {
      const upstream = this.open(incoming, request.scope.account, asked.length);
      upstream.end(asked);
      const message = await answerOf(upstream);
      return { message, answer: await readBody(message) };
    };
    let { message, answer } = await ask();
    for (let tries = 1; tries < TRIES && hasStumbled(message, answer); tries++)
      ({ message, answer } = await ask());
    const status = message.statusCode ?? 500;
    if (failedInside(message, request)) throw explainFailure(request, answer);

    if (request.service === "sts") await this.learnCredentials(request, answer.toString());
    this.enforcement?.changed(request, request.scope.account, status);
    if (status === 200)
      service?.learn?.(request.operation, readJson(request.body), readJson(answer), request.scope);
    let content = answer;
    if (status < 300)
      for (const quirk of quirks) content = (await quirk.amend?.(request, content)) ?? content;
    const headers = withoutHopByHop(message.rawHeaders, ["content-length", "transfer-encoding"]);
    const length = request.method === "HEAD" ? message.headers["content-length"] : String(content.length);
    response.writeHead(status, length === undefined ? headers : [...headers, "Content-Length", length]);
    response.end(content);
  }

  /** Streams a request to moto and its answer back; neither is held in memory. */
  private async passOn(
    incoming: IncomingMessage,
    response: ServerResponse,
    head: RequestHead,
    account: string,
  ): Promise<void> {
    const upstream = this.open(incoming, account);
    const answered = answerOf(upstream);
    // moto may answer and close before it has read all; its answer counts, not the broken pipe.
    const sent = pipeline(incoming, upstream).catch((error: Error) => error);
    const message = await answered;
    if (failedInside(message, head)) {
      throw explainFailure({ ...head, body: Buffer.alloc(0) }, await readBody(message));
    }
    this.enforcement?.changed(head, account, message.statusCode ?? 500);
    response.writeHead(message.statusCode ?? 500, withoutHopByHop(message.rawHeaders));
    await pipeline(message, response);
    await sent;
  }

  /** @param length of the body, where it is another than the request's own */
  private open(incoming: IncomingMessage, account: string, length?: number) {
    const changed = length === undefined ? [] : ["content-length", "transfer-encoding"];
    const headers = withoutHopByHop(incoming.rawHeaders, ["x-moto-account-id", ...changed]);
    headers.push("X-Moto-Account-Id", account);
    if (length !== undefined) headers.push("Content-Length", String(length));
    return httpRequest({
      host: "127.0.0.1",
      port: this.props.motoPort,
      method: incoming.method,
      path: incoming.url,
      headers,
      agent: false,
    });
  }

  /** The account of a role, of what a service of Local AWS asks for, or else the user's own. */
  private accountOf(accessKey: string): string {
    return this.assumed.get(accessKey) ?? readServiceKey(accessKey)?.account ?? this.props.account;
  }

  /** An access key for what Local AWS itself asks in an account. */
  private keyOf(account: string): string {
    const key = `LOCALAWS${account}`;
    this.assumed.set(key, account);
    return key;
  }

  /** Credentials that STS gives out belong to the assumed role's account, or else to the caller's. */
  private async learnCredentials(request: AwsRequest, answer: string): Promise<void> {
    const { scope } = request;
    const [, accessKey] = /<AccessKeyId>([^<]+)</.exec(answer) ?? [];
    const [, account = scope.account] = /<Arn>arn:[\w-]+:sts::(\d{12}):assumed-role\//.exec(answer) ?? [];
    if (!accessKey) return;
    await this.enforcement?.learn(request, accessKey);
    this.assumed.set(accessKey, account);
  }
}

interface ServicesOwn {
  readonly endpoint: () => string;
  readonly time: EmulatedTime;
  readonly images: ImageStore;
  readonly artifacts: UnpackedArtifacts;
  readonly events: Publisher;
  readonly faults: Faults;
  readonly repositories: CodeCommit;
  readonly keyOf: (account: string) => string;
  readonly reuse?: ReuseSettings;
}

function createServices({
  endpoint,
  time,
  images,
  artifacts,
  events,
  faults,
  repositories,
  keyOf,
  reuse: settings,
}: ServicesOwn): ReadonlyMap<string, Service> {
  const builds = codebuild({ endpoint, images, events, time });
  const reuse = settings && new Reuse({ settings, endpoint, keyOf, project: builds.project });
  const all: Service[] = [
    codepipeline({ endpoint, builds, artifacts, events, faults, reuse }),
    builds,
    repositories,
    codedeploy({ endpoint, time, events }),
    codeconnections("codeconnections", "CodeConnections_20231201"),
    codeconnections("codestar-connections", "CodeStar_connections_20191201"),
    autoscalingTags(),
  ];
  return new Map(all.map((service) => [service.api, service]));
}

async function readBody(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function answerOf(upstream: ReturnType<typeof httpRequest>): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    upstream.once("response", resolve);
    // Stays, so that an error after the answer is nobody's crash.
    upstream.on("error", (error: NodeJS.ErrnoException) =>
      reject(
        new AwsError(
          "ServiceUnavailableException",
          `Local AWS: moto does not answer (${error.code ?? error.message})`,
          503,
        ),
      ),
    );
  });
}

/** Headers that are between two neighbours only. `expect` was answered here. */
const HOP_BY_HOP = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "upgrade",
  "expect",
]);

/** Raw headers, without those that are not to be handed on. Chunks stay chunks. */
function withoutHopByHop(raw: readonly string[], others: readonly string[] = []): string[] {
  const kept: string[] = [];
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const header = raw[index] ?? "";
    if (HOP_BY_HOP.has(header.toLowerCase()) || others.includes(header.toLowerCase())) continue;
    kept.push(header, raw[index + 1] ?? "");
  }
  return kept;
}

/** Whether moto failed, or has no such operation: what it answers then is a web page, and no answer of AWS's. */
function failedInside({ statusCode = 500, headers }: IncomingMessage, { service }: RequestHead): boolean {
  if (statusCode >= 500) return true;
  const page = /^text\/html/.test(headers["content-type"] ?? "");
  return page && service !== "s3" && (statusCode === 404 || statusCode === 405);
}

/**
 * Whether moto has raised what it did not expect. Now and then it looks through what another of its threads adds to, and
 * Python does not allow that ("dictionary changed size during iteration"): nothing was done yet, and asked again it answers.
 */
const hasStumbled = ({ statusCode }: IncomingMessage, answer: Buffer) =>
  statusCode === 500 && answer.includes("<title>500 Internal Server Error</title>");

/** A failure inside moto must not look like one of AWS's: the provider would try again for minutes. */
function explainFailure(request: Omit<AwsRequest, "scope">, answer: Buffer): AwsError {
  const reason = answer
    .toString()
    .replace(/<[^>]*>/g, " ")
    .replace(/\s+/g, " ")
    .trim()
    .slice(0, 200);
  return new AwsError(
    "UnknownOperationException",
    `Local AWS cannot do ${request.service} ${operationOf(request)}: moto answers ${reason || "nothing"}`,
  );
}

function asAwsError(error: unknown): AwsError {
  if (error instanceof AwsError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new AwsError("LocalAwsFailure", `Local AWS failed: ${reason}`);
}
