import { randomUUID } from "node:crypto";
import { type AwsRequest, readJson, type Scope } from "../aws-request";
import { answerOf, eventOf } from "../functions/address";
import { ask } from "../functions/client";
import type { FunctionsProps } from "../functions/functions";
import type { Quirk, QuirkAnswer } from "../quirks";

const APIS = /^\/v2\/apis(\/[^/]+)?\/?$/;
/** Where HTTP APIs have their addresses. */
const ADDRESS = /^\/http-api\/(\d{12})\/([\w-]+)\/([a-z0-9]+)(\/.*)?$/;
/** The function in an integration's URI, which may be its ARN alone. */
const FUNCTION = /arn:[\w-]+:lambda:[\w-]+:\d{12}:function:[\w-]+(?::(?:\$LATEST|[\w-]+))?/;

/** The longest event, in bytes. */
const LONGEST_EVENT = 6_291_456;

interface Api {
  readonly apiId?: string;
  readonly apiEndpoint?: string;
  readonly protocolType?: string;
}

interface Route {
  readonly routeKey: string;
  readonly authorizationType?: string;
  /** `integrations/<id>` */
  readonly target?: string;
}

interface Integration {
  readonly integrationType: string;
  readonly integrationUri: string;
  readonly payloadFormatVersion?: string;
}

/**
 * Gives HTTP APIs of API Gateway addresses of Local AWS, and answers there by the function that a route leads to: the one
 * of just that method and path, or `$default`. All else of them is moto's, which is asked each time, so that there is one truth.
 */
export function httpApis(props: Pick<FunctionsProps, "endpoint" | "keyOf">): Quirk {
  return {
    reason: "moto keeps HTTP APIs, and nobody answers at their addresses",
    concerns: ({ service, url: { pathname } }) =>
      (service === "apigateway" && APIS.test(pathname)) || (service !== "s3" && ADDRESS.test(pathname)),
    answer(request) {
      const [, account, region = "", id = "", path = "/"] = ADDRESS.exec(request.url.pathname) ?? [];
      return account ? serve(props, request, { account, region }, id, path) : undefined;
    },
    amend(request, answer) {
      if (!answer.length) return answer;
      const content = readJson(answer) as Api & { readonly items?: readonly Api[] };
      const address = (api: Api) => withAddress(api, props.endpoint(), request.scope);
      const items = content.items?.map(address);
      return Buffer.from(JSON.stringify(items ? { ...content, items } : address(content)));
    },
  };
}

function withAddress(api: Api, endpoint: string, { account, region }: Scope): Api {
  if (!api.apiId || api.protocolType !== "HTTP") return api;
  return { ...api, apiEndpoint: `${endpoint}/http-api/${account}/${region}/${api.apiId}` };
}

async function serve(
  props: Pick<FunctionsProps, "endpoint" | "keyOf">,
  request: AwsRequest,
  scope: Scope,
  id: string,
  path: string,
): Promise<QuirkAnswer> {
  const { account, region } = scope;
  const caller = { endpoint: props.endpoint(), region, accessKey: props.keyOf(account) };
  const find = async <T>(what: string): Promise<T | undefined> => {
    const response = await ask(caller, "apigateway", `/v2/apis/${id}/${what}`);
    const content = await response.text();
    return response.ok ? (JSON.parse(content) as T) : undefined;
  };
  const [stage, routes] = await Promise.all([
    find("stages/$default"),
    find<{ readonly items: readonly Route[] }>("routes"),
  ]);
  const route = [`${request.method} ${path}`, "$default"]
    .map((key) => routes?.items.find(({ routeKey }) => routeKey === key))
    .find((found) => found);
  if (!stage || !route) return answer(404, "Not Found");

  const { authorizationType = "NONE" } = route;
  const iam = authorizationType === "AWS_IAM";
  if (!iam && authorizationType !== "NONE") return unknown(`authorization by ${authorizationType}`);
  if (iam && !(request.service === "execute-api" && request.accessKey)) return answer(403, "Forbidden");
  if (request.body.length > LONGEST_EVENT) return answer(413, "Request Entity Too Large");

  const integration = await find<Integration>(route.target ?? "");
  const [fn] = FUNCTION.exec(integration?.integrationUri ?? "") ?? [];
  if (!integration || !fn || integration.integrationType !== "AWS_PROXY")
    return unknown("an integration that is no function's");
  if (integration.payloadFormatVersion !== "2.0")
    return unknown(`payload format ${integration.payloadFormatVersion}`);

  const event = eventOf(request, path, randomUUID(), { id, region, iam });
  const domainName = `${id}.execute-api.${region}.amazonaws.com`;
  const { routeKey } = route;
  const requestContext = { ...event.requestContext, accountId: account, domainName, routeKey };
  const response = await ask(
    caller,
    "lambda",
    `/2015-03-31/functions/${encodeURIComponent(fn)}/invocations`,
    { method: "POST", body: JSON.stringify({ ...event, routeKey, requestContext }) },
  );
  const payload = await response.text();
  if (response.status === 429) return answer(503, "Service Unavailable");
  const failed = !response.ok || response.headers.has("x-amz-function-error");
  return failed ? answer(500, "Internal Server Error") : answerOf(payload);
}

function unknown(what: string): QuirkAnswer {
  return answer(500, `Local AWS does not know ${what} of an HTTP API`);
}

function answer(status: number, message: string): QuirkAnswer {
  return {
    status,
    headers: { "content-type": "application/json", "apigw-requestid": randomUUID() },
    body: Buffer.from(JSON.stringify({ message })),
  };
}
