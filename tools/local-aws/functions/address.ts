import type { AwsRequest } from "../aws-request";
import type { QuirkAnswer } from "../quirks";

// A function's address: how a request becomes an event, and the function's result an answer (payload format 2.0).

export interface Address {
  readonly id: string;
  readonly region: string;
  readonly iam: boolean;
}

/** Bodies that events hold as they are; all others are in base64. */
const TEXT = /^(text\/|application\/(json|xml|javascript|[\w.-]+\+(json|xml))\b)/i;

/**
 * The event of a request.
 *
 * @param path what follows the address, with its slash
 */
export function eventOf(request: AwsRequest, path: string, requestId: string, { id, region, iam }: Address) {
  const { method, url, headers, scope, accessKey, body } = request;
  const { authorization, cookie, ...others } = headers;
  const given = Object.entries(iam ? others : { ...others, authorization }).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, String(value)] as const],
  );
  const query: Record<string, string> = {};
  for (const [name, value] of url.searchParams)
    query[name] = name in query ? `${query[name]},${value}` : value;
  const domainName = `${id}.lambda-url.${region}.on.aws`;
  const isText = TEXT.test(headers["content-type"] ?? "");
  const now = new Date();
  return {
    version: "2.0",
    routeKey: "$default",
    rawPath: path,
    rawQueryString: url.search.slice(1),
    cookies: cookie ? cookie.split(/;\s*/) : undefined,
    headers: { ...Object.fromEntries(given), "x-forwarded-for": "127.0.0.1", "x-forwarded-proto": "http" },
    queryStringParameters: url.searchParams.size ? query : undefined,
    requestContext: {
      accountId: iam ? scope.account : "anonymous",
      apiId: id,
      authorizer: iam ? { iam: { accessKey, accountId: scope.account } } : undefined,
      domainName,
      domainPrefix: id,
      http: {
        method,
        path,
        protocol: "HTTP/1.1",
        sourceIp: "127.0.0.1",
        userAgent: headers["user-agent"] ?? "",
      },
      requestId,
      routeKey: "$default",
      stage: "$default",
      time: timeText(now),
      timeEpoch: now.getTime(),
    },
    body: body.length ? body.toString(isText ? "utf8" : "base64") : undefined,
    isBase64Encoded: body.length > 0 && !isText,
  };
}

/** As `12/Mar/2020:19:03:58 +0000`. */
function timeText(time: Date): string {
  const [, day, month, year, clock] = time.toUTCString().split(" ");
  return `${day}/${month}/${year}:${clock} +0000`;
}

/** What a function's result is to the one who asked. */
export function answerOf(payload: string): QuirkAnswer {
  const result: unknown = JSON.parse(payload);
  if (!isAnswer(result)) return { status: 200, headers: JSON_HEADERS, body: Buffer.from(payload) };
  const { statusCode, headers, cookies, body, isBase64Encoded } = result;
  const given = Object.entries(headers ?? {})
    .map(([name, value]) => [name.toLowerCase(), String(value)] as const)
    .filter(([name]) => !OURS.has(name));
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return {
    status: Number(statusCode),
    headers: {
      ...JSON_HEADERS,
      ...Object.fromEntries(given),
      ...(cookies?.length && { "set-cookie": cookies.map(String) }),
    },
    body: Buffer.from(text ?? "", isBase64Encoded ? "base64" : "utf8"),
  };
}

/** Headers that say how the answer is sent, which is not the function's to say. */
const OURS = new Set(["connection", "content-length", "keep-alive", "transfer-encoding"]);
const JSON_HEADERS = { "content-type": "application/json" };

interface Answer {
  readonly statusCode: number | string;
  readonly headers?: Readonly<Record<string, unknown>>;
  readonly cookies?: readonly unknown[];
  readonly body?: unknown;
  readonly isBase64Encoded?: boolean;
}

function isAnswer(result: unknown): result is Answer {
  if (typeof result !== "object" || result === null) return false;
  return /^[1-5]\d\d$/.test(String((result as Partial<Answer>).statusCode));
}
