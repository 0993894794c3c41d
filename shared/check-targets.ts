import { randomUUID } from "node:crypto";
import { request as httpRequest, type IncomingMessage, type RequestOptions } from "node:http";
import { request as httpsRequest } from "node:https";
import { InvokeCommand, type LambdaClient } from "@aws-sdk/client-lambda";
import type { Answer, RequestCheck, Target } from "./checks";

/** Bytes of a body that are read; what a check looks for stands in them. */
const MOST_OF_A_BODY = 1024 * 1024;

const USER_AGENT = "slipway-check";

export interface HttpTargetProps {
  /** Where its users reach it; the checks have the path. */
  readonly url: string;
  /** Where it is reached instead, under the same name; one address after the other. @default - where the URL leads */
  readonly connect?: { readonly addresses: readonly string[]; readonly port: number };
}

/** What answers by HTTP or HTTPS. A redirect is an answer like any other. */
export function httpTarget({ url: base, connect }: HttpTargetProps): Target {
  const { origin } = new URL(base);
  let asked = 0;
  return {
    name: connect ? `${origin} on port ${connect.port}` : origin,
    async answer(check, signal) {
      if ("event" in check) throw new Error("it takes requests, and no events");
      const url = urlOf(origin, check);
      return send(url, check, {
        ...(connect && {
          hostname: connect.addresses[asked++ % connect.addresses.length],
          port: connect.port,
        }),
        signal,
      });
    },
  };
}

/** A function, asked as its address would ask it (payload format 2.0), or given an event as it is. */
export function functionTarget(client: LambdaClient, name: string, qualifier: string): Target {
  return {
    name: `${name}:${qualifier}`,
    async answer(check, signal) {
      const payload = "event" in check ? check.event : JSON.stringify(requestEvent(check));
      const { FunctionError: failed, Payload } = await client.send(
        new InvokeCommand({ FunctionName: name, Qualifier: qualifier, Payload: Buffer.from(payload) }),
        { abortSignal: signal },
      );
      const text = new TextDecoder().decode(Payload);
      if (failed) throw new Error(`the function failed: ${text}`);
      return "event" in check ? { body: text } : answerOf(text);
    },
  };
}

/** Joined as text: `//host/path` beside a base would name another host. */
const urlOf = (origin: string, { path }: RequestCheck) => new URL(`${origin}${path}`);

function send(url: URL, { method, body }: RequestCheck, options: RequestOptions): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = (url.protocol === "https:" ? httpsRequest : httpRequest)(
      url,
      {
        ...options,
        method,
        headers: {
          ...headersOf(url, body),
          ...(body !== undefined && { "content-length": Buffer.byteLength(body) }),
        },
        // A connection of an earlier try could lead to what was there before.
        agent: false,
      },
      (response) => read(response).then(resolve, reject),
    );
    request.once("error", reject);
    // Without another word, where what came is no HTTP that was asked for.
    request.once("close", () => reject(new Error("the connection was closed")));
    request.end(body);
  });
}

async function read(response: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    size += chunk.length;
    // Leaving the loop closes the connection.
    if (size > MOST_OF_A_BODY) break;
  }
  const body = Buffer.concat(chunks).subarray(0, MOST_OF_A_BODY).toString();
  return { status: response.statusCode!, body, isCut: size > MOST_OF_A_BODY };
}

function headersOf(url: URL, body: string | undefined): Record<string, string> {
  return {
    // By which Node also asks for the certificate, wherever it connects to.
    host: url.host,
    accept: "*/*",
    "user-agent": USER_AGENT,
    ...(body !== undefined && {
      "content-type": isJson(body) ? "application/json" : "text/plain; charset=utf-8",
    }),
  };
}

/** What a function's address gives the function. */
function requestEvent(check: RequestCheck) {
  const { method, body } = check;
  const domainPrefix = "check";
  const domainName = `${domainPrefix}.invalid`;
  const url = urlOf(`https://${domainName}`, check);
  const query: Record<string, string> = {};
  for (const [name, value] of url.searchParams)
    query[name] = Object.hasOwn(query, name) ? `${query[name]},${value}` : value;
  const now = new Date();
  return {
    version: "2.0",
    routeKey: "$default",
    rawPath: url.pathname,
    rawQueryString: url.search.slice(1),
    headers: { ...headersOf(url, body), "x-forwarded-proto": "https", "x-forwarded-port": "443" },
    queryStringParameters: url.searchParams.size ? query : undefined,
    requestContext: {
      accountId: "anonymous",
      apiId: domainPrefix,
      domainName,
      domainPrefix,
      http: {
        method,
        path: url.pathname,
        protocol: "HTTP/1.1",
        sourceIp: "127.0.0.1",
        userAgent: USER_AGENT,
      },
      requestId: randomUUID(),
      routeKey: "$default",
      stage: "$default",
      time: timeText(now),
      timeEpoch: now.getTime(),
    },
    body,
    isBase64Encoded: false,
  };
}

/** As `12/Mar/2020:19:03:58 +0000`. */
function timeText(time: Date): string {
  const [, day, month, year, clock] = time.toUTCString().split(" ");
  return `${day}/${month}/${year}:${clock} +0000`;
}

/** What a function's address makes of the function's result; of one that is no answer, all is the body. */
function answerOf(text: string): Answer {
  const result: unknown = isJson(text) ? JSON.parse(text) : text;
  if (typeof result !== "object" || result === null || !("statusCode" in result))
    return { status: 200, body: text };
  const { statusCode, body = "", isBase64Encoded } = result as Readonly<Record<string, unknown>>;
  // As the address does.
  if (!/^[1-5]\d\d$/.test(String(statusCode))) return { status: 502, body: text };
  const given = typeof body === "string" ? body : JSON.stringify(body);
  return {
    status: Number(statusCode),
    body: isBase64Encoded === true ? Buffer.from(given, "base64").toString() : given,
  };
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
