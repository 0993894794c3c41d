import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as codebuildSdk from "@aws-sdk/client-codebuild";
import { autoscalingTags } from "../../tools/local-aws/services/autoscaling-tags";
import { codeconnections } from "../../tools/local-aws/services/codeconnections";
import { AwsCli } from "../support/aws-cli";
import { region } from "../support/local-aws";
import { problemsOfSample } from "../support/sdk-models";
import { appSpec, BUILD, CAPITAL_TAG, ContractWorld, GREETING, pipeline, ROLE, until } from "./world";

jest.setTimeout(90_000);

const isCliThere = AwsCli.isThere();
const describeCli = isCliThere ? describe : describe.skip;
const leftOut = isCliThere ? "" : " (left out: there is no aws on PATH)";

let world: ContractWorld;
let awsCli: AwsCli;
const cli = (...args: string[]) => awsCli.run(...args);
if (isCliThere) {
  beforeAll(async () => {
    world = await ContractWorld.start();
    await world.fill();
    awsCli = await AwsCli.start(cliEnvironment());
  });
  afterAll(async () => {
    await awsCli.stop();
    await world.stop();
  });
}

/** None of the machine's settings and profiles counts. */
function cliEnvironment() {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("AWS_"));
  return {
    ...Object.fromEntries(inherited),
    AWS_ENDPOINT_URL: world.endpoint,
    AWS_ACCESS_KEY_ID: "local",
    AWS_SECRET_ACCESS_KEY: "local",
    AWS_REGION: region,
    AWS_DEFAULT_REGION: region,
    AWS_CONFIG_FILE: join(world.folder, "no-config"),
    AWS_SHARED_CREDENTIALS_FILE: join(world.folder, "no-credentials"),
    AWS_PAGER: "",
  };
}

describeCli(`answers that the AWS CLI has a sample of are like it${leftOut}`, () => {
  /** Calls an operation, and compares its answer with the CLI's sample of it. */
  async function check(api: string, service: string, command: string, operation: string, input: object) {
    const { status, body } = await world.callJson(api, service, operation, input);
    const content = body ? (JSON.parse(body) as Record<string, unknown>) : {};
    expect([operation, status, content]).toEqual([operation, 200, expect.anything()]);
    const name = operation.replace(/(?<=.)[A-Z]/g, "-$&").toLowerCase();
    const given = ["--cli-input-json", JSON.stringify(input)];
    const sample = await cli(command, name, ...given, "--generate-cli-skeleton", "output");
    expect(problemsOfSample(sample, content, operation)).toEqual([]);
    return content;
  }

  test.each([
    ["codeconnections", "CodeConnections_20231201"],
    ["codestar-connections", "CodeStar_connections_20191201"],
  ] as const)("those of %s, of all operations that Local AWS has", async (name, api) => {
    const called: string[] = [];
    const call = (operation: string, input: object) => {
      called.push(operation);
      return check(api, name, name, operation, input);
    };
    const host = {
      Name: "git",
      ProviderType: "GitLabSelfManaged",
      ProviderEndpoint: "https://git.example.com",
    };
    const { HostArn } = await call("CreateHost", { ...host, Tags: [CAPITAL_TAG] });
    const { ConnectionArn } = await call("CreateConnection", { ConnectionName: "git", HostArn });
    const vpc = { VpcId: "vpc-0123abcd", SubnetIds: ["subnet-0123abcd"], SecurityGroupIds: ["sg-0123abcd"] };
    const tagged = { ResourceArn: ConnectionArn };
    await Promise.all([
      call("UpdateHost", { HostArn, VpcConfiguration: vpc }),
      call("GetConnection", { ConnectionArn }),
      call("ListConnections", {}),
      call("TagResource", { ...tagged, Tags: [CAPITAL_TAG] }),
      call("ListTagsForResource", tagged),
      call("UntagResource", { ...tagged, TagKeys: [CAPITAL_TAG.Key] }),
    ]);
    // The CLI's own check refuses its sample of a host. But it leaves out what it does not know.
    const read = async (operation: string, input: object) => {
      called.push(operation);
      return JSON.parse((await world.callJson(api, name, operation, input)).body) as unknown;
    };
    const [hostShown, hosts] = await Promise.all([
      cli(name, "get-host", "--host-arn", HostArn as string),
      cli(name, "list-hosts"),
    ]);
    const shown = { ...host, VpcConfiguration: vpc, Status: "PENDING" };
    expect(hostShown).toEqual(shown);
    expect(await read("GetHost", { HostArn })).toEqual(shown);
    expect(hosts).toEqual({ Hosts: [{ ...shown, HostArn }] });
    expect(await read("ListHosts", {})).toEqual(hosts);
    expect(await cli(name, "list-connections")).toEqual({
      Connections: [
        {
          ConnectionName: "git",
          ConnectionArn,
          ProviderType: "GitLabSelfManaged",
          OwnerAccountId: BUILD,
          ConnectionStatus: "PENDING",
          HostArn,
        },
      ],
    });
    await Promise.all([call("DeleteConnection", { ConnectionArn }), call("DeleteHost", { HostArn })]);
    expect(called.sort()).toEqual(Object.keys(codeconnections(name, api).operations).sort());
  });

  test("those of Application Auto Scaling's tags", async () => {
    const target = {
      ServiceNamespace: "lambda",
      ResourceId: "function:hello:live",
      ScalableDimension: "lambda:function:ProvisionedConcurrency",
    };
    const service = "application-autoscaling";
    const api = "AnyScaleFrontendService";
    const called: string[] = [];
    const call = (operation: string, input: object) => {
      called.push(operation);
      return check(api, service, service, operation, input);
    };
    const registered = await world.callJson(api, service, "RegisterScalableTarget", {
      ...target,
      MinCapacity: 1,
      MaxCapacity: 2,
    });
    const { ScalableTargetARN: ResourceARN } = JSON.parse(registered.body) as { ScalableTargetARN: string };
    await call("TagResource", { ResourceARN, Tags: { team: "web" } });
    expect(await call("ListTagsForResource", { ResourceARN })).toEqual({ Tags: { team: "web" } });
    await call("UntagResource", { ResourceARN, TagKeys: ["team"] });
    expect(called.sort()).toEqual(Object.keys(autoscalingTags().operations).sort());
  });
});

describeCli(`the AWS CLI${leftOut}`, () => {
  const text = expect.any(String);

  test("shows, starts, approves, stops and retries what a pipeline does", async () => {
    const name = "by-cli";
    const pipelineName = ["--pipeline-name", name];
    const definition = join(world.folder, "pipeline.json");
    writeFileSync(definition, JSON.stringify(pipeline(name)));
    await cli("codepipeline", "create-pipeline", "--pipeline", `file://${definition}`);
    const decide = async (status: string) => {
      const place = [...pipelineName, "--stage-name", "Build", "--action-name", "Approve"];
      const result = [
        "--result",
        `summary=Seen,status=${status}`,
        "--token",
        await world.approvalToken(name),
      ];
      return cli("codepipeline", "put-approval-result", ...place, ...result);
    };
    const [listed, shown, state] = await Promise.all([
      cli("codepipeline", "list-pipelines"),
      cli("codepipeline", "get-pipeline", "--name", name),
      world.approvalToken(name).then(() => cli("codepipeline", "get-pipeline-state", "--name", name)),
    ]);
    const summary = { name, version: 1, pipelineType: "V2", executionMode: "QUEUED" };
    expect(listed).toEqual({
      pipelines: expect.arrayContaining([
        expect.objectContaining({ ...summary, created: expect.anything() }),
      ]),
    });
    expect(shown).toEqual({
      pipeline: { ...pipeline(name), version: 1 },
      metadata: {
        pipelineArn: `arn:aws:codepipeline:${region}:${BUILD}:${name}`,
        created: expect.anything(),
        updated: expect.anything(),
      },
    });
    expect(state).toMatchObject({
      pipelineName: name,
      stageStates: [
        { stageName: "Source", latestExecution: { status: "Succeeded" } },
        {
          stageName: "Build",
          beforeEntryConditionState: { latestExecution: { status: "Succeeded" } },
          actionStates: [
            { actionName: "Make", latestExecution: { status: "Succeeded", externalExecutionId: text } },
            { actionName: "Approve", latestExecution: { status: "InProgress", token: text } },
          ],
        },
      ],
    });
    expect(await decide("Rejected")).toEqual({ approvedAt: expect.anything() });
    const id = ["--pipeline-execution-id", await world.execution(name, "Failed")];
    const again = [...pipelineName, ...id, "--stage-name", "Build", "--retry-mode", "FAILED_ACTIONS"];
    expect(await cli("codepipeline", "retry-stage-execution", ...again)).toEqual({
      pipelineExecutionId: id[1],
    });
    await decide("Approved");
    await world.execution(name, "Succeeded");
    expect(await cli("codepipeline", "list-action-executions", ...pipelineName)).toEqual({
      actionExecutionDetails: expect.arrayContaining([
        expect.objectContaining({
          pipelineExecutionId: id[1],
          actionName: "Make",
          status: "Succeeded",
          output: expect.objectContaining({ outputVariables: expect.objectContaining({ TAG: "v1" }) }),
        }),
      ]),
    });
    const started = await cli("codepipeline", "start-pipeline-execution", "--name", name);
    const { pipelineExecutionId = "" } = started as { pipelineExecutionId?: string };
    const stop = [...pipelineName, "--pipeline-execution-id", pipelineExecutionId, "--abandon"];
    expect(await cli("codepipeline", "stop-pipeline-execution", ...stop)).toEqual({ pipelineExecutionId });
  });

  test("starts a build, and shows how it went", async () => {
    const started = await cli("codebuild", "start-build", "--project-name", "alone");
    const { id = "" } = (started as { build: codebuildSdk.Build }).build;
    expect(id).toMatch(/^alone:/);
    await until(async () => {
      const { builds: [build] = [] } = await world.codebuild.send(
        new codebuildSdk.BatchGetBuildsCommand({ ids: [id] }),
      );
      return build?.buildComplete;
    });
    expect(await cli("codebuild", "batch-get-builds", "--ids", id)).toMatchObject({
      builds: [
        {
          id,
          buildStatus: "SUCCEEDED",
          logs: { groupName: "/aws/codebuild/alone", streamName: text },
          phases: expect.arrayContaining([
            expect.objectContaining({ phaseType: "BUILD", phaseStatus: "SUCCEEDED" }),
          ]),
        },
      ],
      buildsNotFound: [],
    });
  });

  test("deploys a function, waits for it, and invokes it by its alias", async () => {
    await world.createFunction("by-cli", GREETING);
    await world.publish("by-cli", GREETING);
    const application = ["--application-name", "by-cli"];
    const group = [...application, "--deployment-group-name", "live"];
    await cli("deploy", "create-application", ...application, "--compute-platform", "Lambda");
    const style = "deploymentType=BLUE_GREEN,deploymentOption=WITH_TRAFFIC_CONTROL";
    const made = [...group, "--service-role-arn", ROLE, "--deployment-style", style];
    expect(await cli("deploy", "create-deployment-group", ...made)).toEqual({ deploymentGroupId: text });
    const revision = { revisionType: "AppSpecContent", appSpecContent: { content: appSpec("by-cli") } };
    const created = await cli(
      "deploy",
      "create-deployment",
      ...group,
      "--revision",
      JSON.stringify(revision),
    );
    const { deploymentId = "" } = created as { deploymentId?: string };
    const id = ["--deployment-id", deploymentId];
    expect(await cli("deploy", "wait", "deployment-successful", ...id)).toEqual({});
    expect(await cli("deploy", "get-deployment", ...id)).toMatchObject({
      deploymentInfo: {
        applicationName: "by-cli",
        deploymentGroupName: "live",
        deploymentConfigName: "CodeDeployDefault.LambdaAllAtOnce",
        deploymentId,
        status: "Succeeded",
        computePlatform: "Lambda",
      },
    });
    const answer = join(world.folder, "answer.json");
    const event = join(world.folder, "event.json");
    writeFileSync(event, '{"who":"cli"}');
    const payload = ["--payload", `fileb://${event}`];
    const invoke = ["lambda", "invoke", "--function-name", "by-cli:live", ...payload, answer];
    expect(await cli(...invoke)).toEqual({ StatusCode: 200, ExecutedVersion: "2" });
    expect(JSON.parse(readFileSync(answer, "utf8"))).toEqual({ hello: "cli" });
  });

  test("makes an HTTP API, and gets the address where it answers", async () => {
    const api = (await cli("apigatewayv2", "create-api", "--name", "by-cli", "--protocol-type", "HTTP")) as {
      ApiId: string;
      ApiEndpoint: string;
    };
    const id = ["--api-id", api.ApiId];
    const uri = `arn:aws:lambda:${region}:${BUILD}:function:hello:live`;
    const proxy = [
      "--integration-type",
      "AWS_PROXY",
      "--payload-format-version",
      "2.0",
      "--integration-uri",
      uri,
    ];
    const integration = await cli("apigatewayv2", "create-integration", ...id, ...proxy);
    const { IntegrationId = "" } = integration as { IntegrationId?: string };
    const route = ["--route-key", "$default", "--target", `integrations/${IntegrationId}`];
    await Promise.all([
      cli("apigatewayv2", "create-route", ...id, ...route),
      cli("apigatewayv2", "create-stage", ...id, "--stage-name", "$default", "--auto-deploy"),
    ]);
    expect(await cli("apigatewayv2", "get-api", ...id)).toMatchObject({
      ApiId: api.ApiId,
      Name: "by-cli",
      ProtocolType: "HTTP",
      ApiEndpoint: api.ApiEndpoint,
    });
    expect(await (await fetch(`${api.ApiEndpoint}/hello`)).json()).toEqual({ hello: "world" });
  });

  test("ends with the error's name where something is not there", async () => {
    await expect(cli("codepipeline", "get-pipeline", "--name", "none")).rejects.toThrow(
      "An error occurred (PipelineNotFoundException) when calling the GetPipeline operation",
    );
  });
});
