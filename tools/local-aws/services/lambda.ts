import { randomUUID } from "node:crypto";
import { AwsError, type AwsRequest, readJson } from "../aws-request";
import { answerOf, eventOf } from "../functions/address";
import { readCode } from "../functions/client";
import {
  type FunctionName,
  type Functions,
  type FunctionsProps,
  functionArn,
  readFunctionName,
  type Sent,
} from "../functions/functions";
import type { Quirk, QuirkAnswer } from "../quirks";
import { Store } from "./service";

const INVOKE = /^\/2015-03-31\/functions\/([^/]+)\/invocations\/?$/;
const CODE = /^\/2015-03-31\/functions(?:\/[^/]+\/code)?\/?$/;
const FUNCTION = /^\/2015-03-31\/functions\/([^/]+)(\/code|\/configuration)?\/?$/;
const URL_CONFIG = /^\/2021-10-31\/functions\/([^/]+)\/(urls?)\/?$/;
/** Where functions have their addresses. */
const ADDRESS = /^\/lambda-url\/(\d{12})\/([\w-]+)\/([0-9a-f]{32})(\/.*)?$/;

/** The longest event, in bytes. */
const LONGEST_EVENT = 6_291_456;

/** How a function is called by its address. */
interface UrlConfig {
  readonly id: string;
  readonly fn: FunctionName;
  readonly AuthType: "AWS_IAM" | "NONE";
  readonly Cors?: unknown;
  readonly InvokeMode: string;
  readonly CreationTime: string;
  readonly LastModifiedTime: string;
}

interface LambdaProps extends Pick<FunctionsProps, "endpoint" | "keyOf"> {
  readonly functions: Functions;
}

/** Runs Lambda's functions, and gives them addresses. All else of them is moto's. */
export function lambda(props: LambdaProps): Quirk {
  const { functions } = props;
  const urls = new Urls(functions, props.endpoint);
  return {
    reason: "moto runs functions by Docker alone, and gives no version or alias an address",
    concerns: ({ service, url: { pathname } }) =>
      service === "lambda"
        ? [INVOKE, CODE, FUNCTION, URL_CONFIG, ADDRESS].some((path) => path.test(pathname))
        : service !== "s3" && ADDRESS.test(pathname),
    answer(request) {
      const { pathname } = request.url;
      const [, invoked] = INVOKE.exec(pathname) ?? [];
      if (invoked && request.method === "POST") return invoke(functions, request, nameIn(request, invoked));
      const [, configured, list] = URL_CONFIG.exec(pathname) ?? [];
      if (configured) return urls.configure(request, nameIn(request, configured), list === "urls");
      const [, account, region = "", id = "", path = "/"] = ADDRESS.exec(pathname) ?? [];
      return account ? urls.serve(request, { account, region }, id, path) : undefined;
    },
    ask(request) {
      const given = CODE.test(request.url.pathname) && ["POST", "PUT"].includes(request.method);
      return given ? learnCode(props, request) : request.body;
    },
    amend(request, answer) {
      const [, given] = FUNCTION.exec(request.url.pathname) ?? [];
      if (!given || request.method === "GET") return answer;
      const fn = nameIn(request, given);
      // A version or an alias that is gone takes nothing else along.
      const gone = request.method === "DELETE" && !fn.qualifier;
      if (gone) urls.forget(fn);
      void (gone ? functions.forget(fn) : functions.retire(fn));
      return answer;
    },
    stop: () => functions.stop(),
  };
}

function nameIn({ url, scope }: AwsRequest, name: string): FunctionName {
  return readFunctionName(decodeURIComponent(name), scope, url.searchParams.get("Qualifier") ?? undefined);
}

/** Keeps the code that a function gets. moto gets it itself, also where it lies in S3: it knows no versions there. */
async function learnCode(props: LambdaProps, request: AwsRequest): Promise<Buffer> {
  const { functions } = props;
  const input = readJson(request.body) as Record<string, unknown>;
  const creates = request.method === "POST";
  const code = (creates ? input.Code : input) as Record<string, string | undefined> | undefined;
  const [, named] = FUNCTION.exec(request.url.pathname) ?? [];
  const fn = named ? nameIn(request, named) : readFunctionName(String(input.FunctionName), request.scope);
  if (code?.ZipFile) {
    functions.keep(fn, Buffer.from(code.ZipFile, "base64"));
    return request.body;
  }
  if (!code?.S3Bucket || !code.S3Key) return request.body;
  const { S3Bucket, S3Key, S3ObjectVersion, ...rest } = code;
  const caller = {
    endpoint: props.endpoint(),
    region: fn.scope.region,
    accessKey: props.keyOf(request.scope.account),
  };
  const archive = await readCode(caller, S3Bucket, S3Key, S3ObjectVersion);
  functions.keep(fn, archive);
  const own = { ...rest, ZipFile: archive.toString("base64") };
  return Buffer.from(JSON.stringify(creates ? { ...input, Code: own } : own));
}

async function invoke(functions: Functions, request: AwsRequest, fn: FunctionName): Promise<QuirkAnswer> {
  const { headers } = request;
  const sent = readEvent(request);
  switch (headers["x-amz-invocation-type"]) {
    case "DryRun":
      await functions.configurationOf(fn);
      return { status: 204 };
    case "Event":
      return { status: 202, headers: { "x-amzn-requestid": await functions.invokeLater(fn, sent) } };
  }
  const { payload, failed, tail, requestId, version } = await functions.invoke(fn, sent);
  return {
    status: 200,
    headers: {
      "content-type": "application/json",
      "x-amzn-requestid": requestId,
      "x-amz-executed-version": version,
      ...(failed && { "x-amz-function-error": "Unhandled" }),
      ...(headers["x-amz-log-type"] === "Tail" && { "x-amz-log-result": tail.toString("base64") }),
    },
    body: Buffer.from(payload),
  };
}

function readEvent({ body, headers }: AwsRequest): Sent {
  if (body.length > LONGEST_EVENT) {
    const message = `Request must be smaller than ${LONGEST_EVENT} bytes for the InvokeFunction operation`;
    throw new AwsError("RequestEntityTooLargeException", message, 413);
  }
  const event = body.toString() || "{}";
  try {
    JSON.parse(event);
  } catch (error) {
    const message = `Could not parse request body into json: ${(error as Error).message}`;
    throw new AwsError("InvalidRequestContentException", message);
  }
  const context = headers["x-amz-client-context"];
  return { event, clientContext: context && readJson(Buffer.from(String(context), "base64")) };
}

/** Addresses of functions, and of their aliases. */
class Urls {
  private readonly byFunction = new Store<UrlConfig>();

  constructor(
    private readonly functions: Functions,
    private readonly endpoint: () => string,
  ) {}

  /** Answers what a client does with the address itself. */
  async configure(request: AwsRequest, fn: FunctionName, list: boolean): Promise<QuirkAnswer> {
    const all = this.byFunction.in(fn.scope);
    const key = functionArn(fn);
    if (list) {
      const own = [...all.values()].filter(({ fn: { name } }) => name === fn.name);
      return answer(200, { FunctionUrlConfigs: own.map((url) => this.describe(url)) });
    }
    const found = all.get(key);
    if (request.method === "POST") {
      await this.functions.configurationOf(fn);
      if (found) {
        const message = `Failed to create function url config for [functionArn = ${key}]. Error message:  FunctionUrlConfig exists for this Lambda function`;
        throw new AwsError("ResourceConflictException", message, 409);
      }
      const id = randomUUID().replaceAll("-", "");
      const created = { id, fn, CreationTime: new Date().toISOString(), InvokeMode: "BUFFERED" };
      const config = this.put(key, { ...created, ...readConfig(request) });
      const { LastModifiedTime: _, ...description } = this.describe(config);
      return answer(201, description);
    }
    if (!found)
      throw new AwsError("ResourceNotFoundException", "The resource you requested does not exist.", 404);
    if (request.method === "DELETE") {
      all.delete(key);
      return { status: 204 };
    }
    const current = request.method === "PUT" ? this.put(key, { ...found, ...readConfig(request) }) : found;
    return answer(200, this.describe(current));
  }

  /** Answers at an address. */
  async serve(
    request: AwsRequest,
    scope: FunctionName["scope"],
    id: string,
    path: string,
  ): Promise<QuirkAnswer> {
    const url = [...this.byFunction.in(scope).values()].find((one) => one.id === id);
    if (!url) return answer(404, { Message: null });
    const iam = url.AuthType === "AWS_IAM";
    if (iam && !(request.service === "lambda" && request.accessKey))
      return answer(403, { Message: "Forbidden" });
    if (request.body.length > LONGEST_EVENT) return answer(413, { Message: "Request Entity Too Large" });
    const requestId = randomUUID();
    const event = JSON.stringify(eventOf(request, path, requestId, { id, region: scope.region, iam }));
    try {
      const { payload, failed } = await this.functions.invoke(url.fn, { event }, requestId);
      return failed ? BAD_GATEWAY : answerOf(payload);
    } catch (error) {
      if (!(error instanceof AwsError)) throw error;
      return answer(error.status === 429 ? 429 : 502, { Message: error.message });
    }
  }

  /** A function that is gone takes its addresses along. */
  forget({ scope, name }: FunctionName): void {
    const all = this.byFunction.in(scope);
    for (const [key, { fn }] of all) if (fn.name === name) all.delete(key);
  }

  private put(key: string, config: Omit<UrlConfig, "LastModifiedTime">): UrlConfig {
    const url = { ...config, LastModifiedTime: new Date().toISOString() };
    this.byFunction.in(config.fn.scope).set(key, url);
    return url;
  }

  private describe({ id, fn, ...rest }: UrlConfig) {
    const { account, region } = fn.scope;
    const FunctionUrl = `${this.endpoint()}/lambda-url/${account}/${region}/${id}/`;
    return { FunctionUrl, FunctionArn: functionArn(fn), ...rest };
  }
}

const BAD_GATEWAY: QuirkAnswer = { status: 502, body: Buffer.from("Internal Server Error") };

function readConfig(request: AwsRequest) {
  return readJson(request.body) as Pick<UrlConfig, "AuthType">;
}

function answer(status: number, content: unknown): QuirkAnswer {
  const headers = { "content-type": "application/json", "x-amzn-requestid": randomUUID() };
  return { status, headers, body: Buffer.from(JSON.stringify(content)) };
}
