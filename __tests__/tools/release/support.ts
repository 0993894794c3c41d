import { CloudWatchClient } from "@aws-sdk/client-cloudwatch";
import { CloudWatchLogsClient } from "@aws-sdk/client-cloudwatch-logs";
import { CodeDeployClient } from "@aws-sdk/client-codedeploy";
import { ECSClient } from "@aws-sdk/client-ecs";
import { LambdaClient } from "@aws-sdk/client-lambda";
import { type HttpRequest, HttpResponse } from "@smithy/core/protocols";
import type { FunctionRelease, ServiceRelease } from "../../../shared/releases";
import type { Context } from "../../../tools/release/context";
import type { FakeAws } from "./fake-aws";

export const IMAGE = `111111111111.dkr.ecr.eu-west-1.amazonaws.com/hello/web@sha256:${"a".repeat(64)}`;
export const NEW_CODE = Buffer.from("new code");
export const COMMIT = "c".repeat(40);

export const WEB: ServiceRelease = {
  application: "hello-dev-web",
  group: "web",
  check: "hello-dev-web-check",
  alarms: ["web-errors", "web-slow"],
  service: "web",
  taskDefinition: {
    family: "hello-dev-web",
    cpu: "256",
    containerDefinitions: [
      { name: "web", image: "public.ecr.aws/docker/library/node:22-alpine", essential: true },
      { name: "beside", image: "public.ecr.aws/beside:1" },
    ],
    tags: [{ key: "project", value: "hello" }],
  },
  container: "web",
  port: 8080,
  subnets: ["subnet-1", "subnet-2"],
  securityGroups: ["sg-1"],
};
export const HELLO: FunctionRelease = {
  application: "hello-dev-hello",
  group: "hello",
  check: "hello-dev-hello-check",
  alarms: ["hello-errors"],
  function: "hello-dev-hello",
  alias: "live",
};

/** A context whose clients ask a fake, without a connection, and that keeps what is told. */
export function contextOf(aws: FakeAws, interrupted = new AbortController()) {
  const configuration = {
    region: "eu-west-1",
    credentials: { accessKeyId: "local", secretAccessKey: "local" },
    // Nobody looks at a signature, which is a tenth of what a call takes.
    signer: async () => ({ sign: async (request: HttpRequest) => request }),
    requestHandler: {
      async handle({ method, path, query = {}, headers, body = "" }: HttpRequest) {
        const url = `${path}?${new URLSearchParams(query as Record<string, string>)}`;
        const answer = aws.respond({ method, url, headers, body: Buffer.from(body).toString() });
        return {
          response: new HttpResponse({
            statusCode: answer.status,
            headers: answer.headers,
            body: Buffer.from(answer.body),
          }),
        };
      },
    },
  };
  const told: string[] = [];
  const context: Context = {
    environment: "dev",
    access: "access-dev",
    howToDeploy: "Deploy it as it is synthesized now: npx cdktf deploy dev",
    commit: COMMIT,
    region: "eu-west-1",
    role: "arn:aws:iam::222222222222:role/hello-dev-release",
    clients: {
      codedeploy: new CodeDeployClient(configuration),
      ecs: new ECSClient(configuration),
      lambda: new LambdaClient(configuration),
      cloudwatch: new CloudWatchClient(configuration),
      logs: new CloudWatchLogsClient(configuration),
    },
    tell: (line) => told.push(line),
    every: 1,
    interrupted: interrupted.signal,
  };
  return { context, told, interrupt: () => interrupted.abort() };
}
