import { createHash, randomUUID } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { AwsError, type Scope } from "../aws-request";
import { assumeServiceRole } from "../builds/role";
import type { PrivateNetwork } from "../containers/network";
import type { Meter } from "../meter";
import { ask, type Caller, call } from "./client";
import { type Configuration, Environment, type Invocation, type Outcome } from "./environment";
import { logStream } from "./log";

export interface FunctionsProps {
  /** Address of Local AWS itself. */
  readonly endpoint: () => string;
  /** An access key that belongs to an account. */
  readonly keyOf: (account: string) => string;
  /** What functions of a VPC reach. @default - no more than others */
  readonly network?: PrivateNetwork;
  /** Gets what calls are measured by. @default - nobody */
  readonly meter?: Meter;
  /** Whether asynchronous invocations happen twice, as may be on AWS. @default false */
  readonly twice?: boolean;
  /** How long an environment without work is kept. @default 5 minutes */
  readonly idleMilliseconds?: number;
  /** What passes before an event is given to a function again that failed. @default a minute, then two */
  readonly retryMilliseconds?: readonly number[];
}

/** A function as a caller names it. */
export interface FunctionName {
  readonly scope: Scope;
  readonly name: string;
  /** A version or an alias. @default $LATEST */
  readonly qualifier?: string;
}

export interface Invoked extends Outcome {
  readonly requestId: string;
  readonly version: string;
}

/** What a caller sends. */
export type Sent = Pick<Invocation, "event" | "clientContext">;

const IDLE_MILLISECONDS = 5 * 60_000;
const RETRY_MILLISECONDS = [60_000, 120_000];
/** What passes before an event is given again to a function that had no room for it, and for how long at most. */
const THROTTLED_MILLISECONDS = 1000;
const LONGEST_WAIT_MILLISECONDS = 6 * 3600_000;
const QUALIFIER = /^(\$LATEST|[\w-]+)$/;
const NAME =
  /^(?:arn:[\w-]+:lambda:)?(?:([a-z]{2}(?:-[a-z]+)+-\d):)?(?:(\d{12}):)?(?:function:)?([\w-]+)(?::(\$LATEST|[\w-]+))?$/;

/**
 * Reads a name, an ARN or a part of one.
 *
 * @param scope the caller's, for what the name does not say
 * @throws AwsError where it is none
 */
export function readFunctionName(text: string, scope: Scope, qualifier?: string): FunctionName {
  const [, region = scope.region, account = scope.account, name, own] = NAME.exec(text) ?? [];
  if (!name)
    throw new AwsError("ValidationException", `Value '${text}' at 'functionName' is no function's name`);
  if (qualifier && !QUALIFIER.test(qualifier)) {
    throw new AwsError(
      "ValidationException",
      `Value '${qualifier}' at 'qualifier' is no version and no alias`,
    );
  }
  if (own && qualifier && own !== qualifier) {
    const message = "The derived qualifier from the function name does not match the specified qualifier.";
    throw new AwsError("InvalidParameterValueException", message);
  }
  return { scope: { account, region }, name, qualifier: own ?? qualifier };
}

export function functionArn({ scope, name, qualifier }: FunctionName): string {
  const arn = `arn:aws:lambda:${scope.region}:${scope.account}:function:${name}`;
  return qualifier ? `${arn}:${qualifier}` : arn;
}

/** All environments of one function, whatever their version. */
class Pool {
  /** Archives of all its versions, by their sum. */
  readonly archives = new Map<string, Uint8Array>();
  readonly idle = new Map<Environment, { readonly key: string; readonly timer: NodeJS.Timeout }>();
  readonly all = new Set<Environment>();
  /** How many invocations run. */
  active = 0;
  /** Counts the changes: an environment of before one is not used after it. */
  changes = 0;
}

/**
 * Runs functions from the code that they were given. moto keeps all else of them, and is asked for it each time, so
 * that there is one truth.
 */
export class Functions {
  private readonly pools = new Map<string, Pool>();
  private readonly stopping = new AbortController();

  constructor(private readonly props: FunctionsProps) {}

  /** Keeps an archive, which is a version's if moto names its sum. */
  keep(fn: FunctionName, archive: Uint8Array): void {
    this.poolOf(fn).archives.set(createHash("sha256").update(archive).digest("base64"), archive);
  }

  /** Ends the environments of a function that has changed: those that are busy when they no longer are. */
  async retire(fn: FunctionName): Promise<void> {
    const pool = this.poolOf(fn);
    pool.changes++;
    await Promise.all([...pool.idle.keys()].map((environment) => this.end(pool, environment)));
  }

  /** Retires a function that is gone. */
  async forget(fn: FunctionName): Promise<void> {
    await this.retire(fn);
    this.poolOf(fn).archives.clear();
  }

  /**
   * Runs a function once.
   *
   * @throws AwsError where it is not there, or as many of it run as may
   */
  async invoke(fn: FunctionName, sent: Sent, requestId: string = randomUUID()): Promise<Invoked> {
    const configuration = await this.configurationOf(fn);
    const limit = await this.reservedConcurrency(fn);
    const pool = this.poolOf(fn);
    if (limit !== undefined && pool.active >= limit) {
      this.measure(fn, { Throttles: 1 });
      throw new AwsError("TooManyRequestsException", "Rate Exceeded.", 429);
    }
    pool.active++;
    const key = `${pool.changes}/${JSON.stringify(configuration)}`;
    let environment: Environment | undefined;
    try {
      environment = this.take(pool, key) ?? this.open(fn.scope, pool, configuration);
      const outcome = await environment.invoke({ id: requestId, arn: functionArn(fn), ...sent });
      const { failed, milliseconds: Duration } = outcome;
      this.measure(fn, { Invocations: 1, Errors: failed ? 1 : 0, Duration }, configuration.version);
      return { ...outcome, requestId, version: configuration.version };
    } finally {
      pool.active--;
      if (environment) this.giveBack(pool, environment, key);
    }
  }

  /**
   * Checks that a function could be run, and runs it later: again where it fails. What failed for good goes to its
   * queue or topic for dead letters.
   *
   * @returns the id that all its runs have
   * @throws AwsError where it is not there
   */
  async invokeLater(fn: FunctionName, sent: Sent): Promise<string> {
    const { deadLetterArn } = await this.configurationOf(fn);
    const requestId = randomUUID();
    for (let time = 0; time < (this.props.twice ? 2 : 1); time++) {
      void this.deliver(fn, sent, requestId)
        .then(async (failure) => {
          if (failure && deadLetterArn) await this.bury(deadLetterArn, fn, sent, requestId, failure);
        })
        // Nobody is there to hear of it, as on AWS.
        .catch(() => {});
    }
    return requestId;
  }

  /**
   * Who asks in a function's place, with the rights of its role.
   *
   * @throws AwsError where the function is not there, or its role cannot be taken on
   */
  async callerOf(fn: FunctionName): Promise<Caller> {
    const { name, role } = await this.configurationOf(fn);
    const { AWS_ACCESS_KEY_ID: accessKey = "" } = await this.connect(fn.scope, name, role);
    return { ...this.callerIn(fn.scope), accessKey };
  }

  /** Ends all that runs. Fulfilled when nothing of it is left. */
  async stop(): Promise<void> {
    this.stopping.abort();
    const all = [...this.pools.values()].flatMap((pool) => [...pool.all].map((one) => this.end(pool, one)));
    await Promise.all(all);
  }

  /** Records as Lambda does: for the function, and for the version or the alias that it was called by. */
  private measure(
    { scope, name, qualifier }: FunctionName,
    values: Record<string, number>,
    version?: string,
  ) {
    const resource = { FunctionName: name, Resource: `${name}:${qualifier}` };
    const isAlias = qualifier && !/^(\$LATEST|\d+)$/.test(qualifier);
    const all: Record<string, string>[] = [{ FunctionName: name }];
    if (qualifier) all.push(resource);
    if (isAlias && version) all.push({ ...resource, ExecutedVersion: version });
    for (const dimensions of all)
      for (const [metric, value] of Object.entries(values))
        this.props.meter?.record(scope, { namespace: "AWS/Lambda", name: metric, dimensions, value });
  }

  /** @returns the last outcome where it is a failure */
  private async deliver(fn: FunctionName, sent: Sent, requestId: string): Promise<Outcome | undefined> {
    const retries = [...(this.props.retryMilliseconds ?? RETRY_MILLISECONDS)];
    const deadline = Date.now() + LONGEST_WAIT_MILLISECONDS;
    for (;;) {
      let outcome: Outcome | undefined;
      try {
        outcome = await this.invoke(fn, sent, requestId);
      } catch (error) {
        if (!(error instanceof AwsError && error.status === 429) || Date.now() > deadline) throw error;
      }
      if (outcome && !outcome.failed) return undefined;
      const pause = outcome ? retries.shift() : THROTTLED_MILLISECONDS;
      if (pause === undefined) return outcome;
      await wait(pause, undefined, { ref: false, signal: this.stopping.signal });
    }
  }

  private async bury(arn: string, fn: FunctionName, sent: Sent, requestId: string, failure: Outcome) {
    const [, , service, region = "", account = "", name] = arn.split(":");
    const caller = { ...this.callerIn(fn.scope), region };
    const ErrorMessage = String(
      (JSON.parse(failure.payload) as { errorMessage?: unknown }).errorMessage ?? "",
    );
    const attribute = (DataType: string, StringValue: string) => ({ DataType, StringValue });
    const attributes = {
      RequestID: attribute("String", requestId),
      ErrorCode: attribute("Number", "200"),
      ErrorMessage: attribute("String", ErrorMessage.slice(0, 1024) || "-"),
    };
    if (service === "sqs") {
      await call(caller, "sqs", "AmazonSQS.SendMessage", {
        QueueUrl: `${caller.endpoint}/${account}/${name}`,
        MessageBody: sent.event,
        MessageAttributes: attributes,
      });
      return;
    }
    const form = new URLSearchParams({
      Action: "Publish",
      Version: "2010-03-31",
      TopicArn: arn,
      Message: sent.event,
    });
    for (const [index, [title, { DataType, StringValue }]] of Object.entries(attributes).entries()) {
      const entry = `MessageAttributes.entry.${index + 1}`;
      form.set(`${entry}.Name`, title);
      form.set(`${entry}.Value.DataType`, DataType);
      form.set(`${entry}.Value.StringValue`, StringValue);
    }
    await ask(caller, "sns", "/", { method: "POST", body: form });
  }

  private poolOf({ scope, name }: FunctionName): Pool {
    const key = `${scope.account}/${scope.region}/${name}`;
    const pool = this.pools.get(key) ?? new Pool();
    this.pools.set(key, pool);
    return pool;
  }

  private take(pool: Pool, key: string): Environment | undefined {
    for (const [environment, kept] of pool.idle) {
      if (kept.key !== key || !environment.usable) continue;
      clearTimeout(kept.timer);
      pool.idle.delete(environment);
      return environment;
    }
    return undefined;
  }

  private giveBack(pool: Pool, environment: Environment, key: string): void {
    const outdated = !key.startsWith(`${pool.changes}/`);
    if (outdated || !environment.usable || this.stopping.signal.aborted) {
      void this.end(pool, environment);
      return;
    }
    const { idleMilliseconds = IDLE_MILLISECONDS } = this.props;
    const timer = setTimeout(() => void this.end(pool, environment), idleMilliseconds).unref();
    pool.idle.set(environment, { key, timer });
  }

  private async end(pool: Pool, environment: Environment): Promise<void> {
    clearTimeout(pool.idle.get(environment)?.timer);
    pool.idle.delete(environment);
    // Of what cannot be removed, nothing but files is left.
    await environment.end().catch(() => {});
    pool.all.delete(environment);
  }

  private open(scope: Scope, pool: Pool, configuration: Configuration): Environment {
    const { name, runtime, role, logGroup, codeSha256 } = configuration;
    if (!/^nodejs/.test(runtime)) {
      throw new AwsError(
        "InvalidRuntimeException",
        `Local AWS runs functions of nodejs alone: ${name} has the runtime ${runtime || "of an image"}`,
      );
    }
    if (this.stopping.signal.aborted) throw new AwsError("ServiceException", "Local AWS ends");
    const archive = pool.archives.get(codeSha256);
    if (!archive) throw new AwsError("InvalidZipFileException", `Local AWS was given no code for ${name}`);
    const environment = new Environment({
      configuration,
      archive,
      network: this.props.network,
      connect: () => this.connect(scope, name, role),
      openLog: ({ AWS_ACCESS_KEY_ID: accessKey = "" }, stream) =>
        logStream({ ...this.callerIn(scope), accessKey }, logGroup, stream),
    });
    pool.all.add(environment);
    return environment;
  }

  /** Takes on the role of a function. */
  private async connect(scope: Scope, name: string, roleArn: string) {
    const source = functionArn({ scope, name });
    const caller = this.callerIn(scope);
    const props = { ...caller, roleArn, session: name, service: "lambda.amazonaws.com", source };
    const assumed = await assumeServiceRole(props).catch((error: Error) => {
      const message = `The role defined for the function cannot be assumed by Lambda: ${error.message}`;
      throw new AwsError("AccessDeniedException", message, 403);
    });
    return assumed.environment;
  }

  /** @throws AwsError where a function, or its version or alias, is not there */
  async configurationOf(fn: FunctionName): Promise<Configuration> {
    const version = await this.versionOf(fn);
    const query = version === "$LATEST" ? "" : `?Qualifier=${version}`;
    const kept = await this.askMoto(fn, `2015-03-31/functions/${fn.name}/configuration${query}`);
    const {
      Environment: environment,
      LoggingConfig: logging,
      DeadLetterConfig: deadLetters,
      VpcConfig: vpc,
    } = kept;
    return {
      name: fn.name,
      version,
      handler: String(kept.Handler),
      runtime: String(kept.Runtime ?? ""),
      role: String(kept.Role),
      timeoutSeconds: Number(kept.Timeout),
      memory: Number(kept.MemorySize),
      variables: fields(fields(environment).Variables) as Record<string, string>,
      logFormat: fields(logging).LogFormat === "JSON" ? "JSON" : "Text",
      logLevel: String(fields(logging).ApplicationLogLevel ?? "INFO"),
      logGroup: String(fields(logging).LogGroup ?? `/aws/lambda/${fn.name}`),
      deadLetterArn: fields(deadLetters).TargetArn as string | undefined,
      inVpc: [fields(vpc).SubnetIds].flat().some(Boolean),
      codeSha256: String(kept.CodeSha256),
    };
  }

  /** The version that a call goes to; an alias may give each call to another. */
  private async versionOf(fn: FunctionName): Promise<string> {
    const { name, qualifier = "$LATEST" } = fn;
    if (/^(\$LATEST|\d+)$/.test(qualifier)) return qualifier;
    const alias = await this.askMoto(fn, `2015-03-31/functions/${name}/aliases/${qualifier}`);
    let at = Math.random();
    for (const [version, weight] of Object.entries(
      fields(fields(alias.RoutingConfig).AdditionalVersionWeights),
    )) {
      at -= Number(weight);
      if (at < 0) return version;
    }
    return String(alias.FunctionVersion);
  }

  private async reservedConcurrency(fn: FunctionName): Promise<number | undefined> {
    const kept = await this.askMoto(fn, `2019-09-30/functions/${fn.name}/concurrency`);
    const limit = kept.ReservedConcurrentExecutions;
    return limit === null || limit === undefined ? undefined : Number(limit);
  }

  private async askMoto(fn: FunctionName, path: string): Promise<Fields> {
    const response = await ask(this.callerIn(fn.scope), "lambda", `/${path}`);
    const answer = fields(JSON.parse((await response.text()) || "{}"));
    if (response.ok) return answer;
    if (response.status === 404) {
      throw new AwsError("ResourceNotFoundException", `Function not found: ${functionArn(fn)}`, 404);
    }
    const code = response.headers.get("x-amzn-errortype") ?? "ServiceException";
    throw new AwsError(code, String(answer.message ?? answer.Message ?? ""), response.status);
  }

  private callerIn({ account, region }: Scope): Caller {
    return { endpoint: this.props.endpoint(), region, accessKey: this.props.keyOf(account) };
  }
}

type Fields = Readonly<Record<string, unknown>>;

function fields(value: unknown): Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}
