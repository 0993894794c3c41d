import { Apigatewayv2Api } from "@cdktf/provider-aws/lib/apigatewayv2-api";
import { Apigatewayv2Integration } from "@cdktf/provider-aws/lib/apigatewayv2-integration";
import { Apigatewayv2Route } from "@cdktf/provider-aws/lib/apigatewayv2-route";
import { Apigatewayv2Stage } from "@cdktf/provider-aws/lib/apigatewayv2-stage";
import { LambdaPermission } from "@cdktf/provider-aws/lib/lambda-permission";
import type { Construct } from "constructs";
import type { LogGroup } from "./logs";

export interface HttpApiProps {
  readonly name: string;
  readonly description: string;
  /** The function, or its alias, that answers. */
  readonly answeredBy: {
    readonly functionName: string;
    readonly qualifier?: string;
    readonly invokeArn: string;
  };
  /** All that it answers, as `POST /path`. @default "$default": whatever is asked */
  readonly route?: string;
  /** Who may ask: whom IAM allows, or everybody. */
  readonly authorization: "AWS_IAM" | "NONE";
  /** Requests a second, and at once. */
  readonly limits: { readonly rate: number; readonly burst: number };
  /** Where it logs, and what of a request. @default - it keeps no log */
  readonly log?: { readonly group: LogGroup; readonly format: object };
}

/**
 * An HTTP API in front of a function. Made right in the scope of the construct that it belongs to.
 *
 * @returns its address, without a slash at its end
 */
export function createHttpApi(scope: Construct, props: HttpApiProps): string {
  const { name, description, answeredBy, authorization, limits, log, route: routeKey = "$default" } = props;
  const { functionName, qualifier, invokeArn } = answeredBy;
  const api = new Apigatewayv2Api(scope, "api", { name, description, protocolType: "HTTP" });
  const integration = new Apigatewayv2Integration(scope, "api-integration", {
    apiId: api.id,
    integrationType: "AWS_PROXY",
    integrationUri: invokeArn,
    payloadFormatVersion: "2.0",
  });
  const route = new Apigatewayv2Route(scope, "api-route", {
    apiId: api.id,
    routeKey,
    target: `integrations/${integration.id}`,
    authorizationType: authorization,
  });
  const permission = new LambdaPermission(scope, "api-permission", {
    functionName,
    qualifier,
    action: "lambda:InvokeFunction",
    principal: "apigateway.amazonaws.com",
    sourceArn: `${api.executionArn}/*`,
  });
  new Apigatewayv2Stage(scope, "api-stage", {
    apiId: api.id,
    name: "$default",
    autoDeploy: true,
    ...(log && { accessLogSettings: { destinationArn: log.group.arn, format: JSON.stringify(log.format) } }),
    defaultRouteSettings: { throttlingRateLimit: limits.rate, throttlingBurstLimit: limits.burst },
    dependsOn: [route, permission],
  });
  return api.apiEndpoint;
}
