import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as codebuildSdk from "@aws-sdk/client-codebuild";
import { CodeDeployClient } from "@aws-sdk/client-codedeploy";
import * as codepipelineSdk from "@aws-sdk/client-codepipeline";
import * as lambdaSdk from "@aws-sdk/client-lambda";
import { S3Client } from "@aws-sdk/client-s3";
import { zipSync } from "fflate";
import { handInSource, type LocalAws, startLocalAws } from "../../tools/local-aws";
import { ask } from "../../tools/local-aws/functions/client";
import { LocalClients, region } from "../support/local-aws";
import { motoServer } from "../support/moto";
import { untilFound } from "../tools/local-aws/until";

export const BUILD = "111111111111";
export const ROLE = `arn:aws:iam::${BUILD}:role/contract`;
export const TAG = { key: "team", value: "web" };
export const CAPITAL_TAG = { Key: "team", Value: "web" };
const BUCKET = "contract-artifacts";

/** An answer as it came over the wire. */
export interface Answer {
  readonly operation: string;
  readonly status: number;
  readonly body: string;
}

/** As long as a test may take. */
export const until = <T>(look: () => Promise<T | undefined | false>) =>
  untilFound(look, { tries: Number.POSITIVE_INFINITY, milliseconds: 20 });

const spec = (...commands: string[]) =>
  JSON.stringify({
    version: "0.2",
    env: { "exported-variables": ["TAG"] },
    phases: { build: { commands: ["TAG=v1", ...commands] } },
  });

/** Sources, a build and an approval. */
export const pipeline = (name: string): codepipelineSdk.PipelineDeclaration => {
  const type = (category: codepipelineSdk.ActionCategory, provider: string) => ({
    category,
    owner: "AWS" as const,
    provider,
    version: "1",
  });
  return {
    name,
    roleArn: ROLE,
    pipelineType: "V2",
    executionMode: "QUEUED",
    artifactStore: { type: "S3", location: BUCKET },
    variables: [{ name: "WHO", defaultValue: "me" }],
    stages: [
      {
        name: "Source",
        actions: [
          {
            name: "Fetch",
            actionTypeId: type("Source", "CodeStarSourceConnection"),
            configuration: { ConnectionArn: "arn:c", FullRepositoryId: "acme/app", BranchName: "main" },
            outputArtifacts: [{ name: "Code" }],
          },
        ],
      },
      {
        name: "Build",
        beforeEntry: {
          conditions: [
            {
              result: "FAIL",
              rules: [
                {
                  name: "Anyone",
                  ruleTypeId: { category: "Rule", owner: "AWS", provider: "VariableCheck", version: "1" },
                  configuration: { Variable: "#{variables.WHO}", Value: "me", Operator: "EQ" },
                },
              ],
            },
          ],
        },
        actions: [
          {
            name: "Make",
            namespace: "Made",
            actionTypeId: type("Build", "CodeBuild"),
            inputArtifacts: [{ name: "Code" }],
            configuration: { ProjectName: "make" },
          },
          {
            name: "Approve",
            runOrder: 2,
            actionTypeId: type("Approval", "Manual"),
            configuration: { CustomData: "#{Made.TAG}" },
          },
        ],
      },
    ],
  };
};

export const GREETING = 'exports.handler = async (event) => ({ hello: event.who ?? "world" });';

/** Leads a function's alias from its first version to its second. */
export const appSpec = (Name: string, hook?: string) =>
  JSON.stringify({
    version: 0.0,
    Resources: [
      {
        fn: {
          Type: "AWS::Lambda::Function",
          Properties: { Name, Alias: "live", CurrentVersion: "1", TargetVersion: "2" },
        },
      },
    ],
    Hooks: hook ? [{ BeforeAllowTraffic: hook }] : [],
  });

/** A Local AWS with something of each kind in it, for those who ask what it answers. */
export class ContractWorld {
  readonly folder = mkdtempSync(join(tmpdir(), "slipway-contract-"));
  readonly codepipeline: codepipelineSdk.CodePipelineClient;
  readonly codebuild: codebuildSdk.CodeBuildClient;
  readonly codedeploy: CodeDeployClient;
  readonly lambda: lambdaSdk.LambdaClient;
  private readonly clients: LocalClients;

  private constructor(private readonly aws: LocalAws) {
    this.clients = new LocalClients(aws.endpoint);
    this.codepipeline = this.clients.of(codepipelineSdk.CodePipelineClient);
    this.codebuild = this.clients.of(codebuildSdk.CodeBuildClient);
    this.codedeploy = this.clients.of(CodeDeployClient);
    this.lambda = this.clients.of(lambdaSdk.LambdaClient);
  }

  /** One that is empty yet. */
  static async start(): Promise<ContractWorld> {
    const server = await motoServer();
    return new ContractWorld(
      await startLocalAws({ account: BUILD, motoServer: server, minuteMilliseconds: 100 }),
    );
  }

  async stop(): Promise<void> {
    this.clients.destroy();
    await this.aws.stop();
    rmSync(this.folder, { recursive: true });
  }

  get endpoint(): string {
    return this.aws.endpoint;
  }

  /** Makes a pipeline, which begins to run, projects of builds, and a function. */
  async fill(): Promise<void> {
    await this.clients.createBucket(BUCKET);
    // moto wants to see the role of a function.
    const body = new URLSearchParams({
      Action: "CreateRole",
      Version: "2010-05-08",
      RoleName: "contract",
      AssumeRolePolicyDocument: '{"Version":"2012-10-17","Statement":[]}',
    });
    expect((await ask(this.caller(), "iam", "/", { method: "POST", body })).ok).toBe(true);
    writeFileSync(join(this.folder, "hello.txt"), "hello");
    await handInSource({
      s3: this.clients.of(S3Client),
      repository: "acme/app",
      branch: "main",
      folder: this.folder,
      commit: "c0ffee",
      message: "Say it",
    });
    await this.createProject("make", { type: "CODEPIPELINE", buildspec: spec("test -e hello.txt") });
    await this.createProject("alone", { type: "NO_SOURCE", buildspec: spec("echo hello") });
    await this.createProject("slow", { type: "NO_SOURCE", buildspec: spec("sleep 60") });
    await this.codepipeline.send(
      new codepipelineSdk.CreatePipelineCommand({ pipeline: pipeline("app"), tags: [TAG] }),
    );
    await this.createFunction("hello", GREETING);
  }

  /** A call of JSON over HTTP. */
  async callJson(
    api: string,
    service: string,
    operation: string,
    input: unknown,
    where = region,
  ): Promise<Answer> {
    const response = await ask(this.caller(where), service, "/", {
      method: "POST",
      headers: { "content-type": "application/x-amz-json-1.1", "x-amz-target": `${api}.${operation}` },
      body: JSON.stringify(input),
    });
    return { operation, status: response.status, body: await response.text() };
  }

  private caller(accessRegion = region) {
    return { endpoint: this.endpoint, region: accessRegion, accessKey: "local" };
  }

  async createProject(name: string, source: codebuildSdk.ProjectSource, more: object = {}): Promise<void> {
    await this.codebuild.send(
      new codebuildSdk.CreateProjectCommand({
        name,
        source,
        artifacts: { type: source.type === "CODEPIPELINE" ? "CODEPIPELINE" : "NO_ARTIFACTS" },
        environment: { type: "LINUX_CONTAINER", image: "standard", computeType: "BUILD_GENERAL1_SMALL" },
        serviceRole: ROLE,
        tags: [TAG],
        ...more,
      }),
    );
  }

  /** With an alias, `live`. */
  async createFunction(
    FunctionName: string,
    code: string,
    Variables?: Record<string, string>,
  ): Promise<void> {
    await this.lambda.send(
      new lambdaSdk.CreateFunctionCommand({
        FunctionName,
        Runtime: "nodejs22.x",
        Handler: "index.handler",
        Role: ROLE,
        Code: { ZipFile: zipSync({ "index.js": Buffer.from(code) }) },
        Timeout: 30,
        Publish: true,
        Environment: { Variables },
      }),
    );
    await this.lambda.send(
      new lambdaSdk.CreateAliasCommand({ FunctionName, Name: "live", FunctionVersion: "1" }),
    );
  }

  /** Another version of a function. */
  async publish(FunctionName: string, code: string): Promise<void> {
    const ZipFile = zipSync({ "index.js": Buffer.from(`${code} // Another`) });
    await this.lambda.send(new lambdaSdk.UpdateFunctionCodeCommand({ FunctionName, ZipFile, Publish: true }));
  }

  /** Token of the approval that waits. */
  approvalToken(name: string): Promise<string> {
    return until(async () => {
      const { stageStates = [] } = await this.codepipeline.send(
        new codepipelineSdk.GetPipelineStateCommand({ name }),
      );
      return stageStates[1]?.actionStates?.find(({ actionName }) => actionName === "Approve")?.latestExecution
        ?.token;
    });
  }

  /** Waits until an execution of a pipeline has come to a status. @returns its id */
  execution(pipelineName: string, wanted: string): Promise<string> {
    return until(async () => {
      const { pipelineExecutionSummaries = [] } = await this.codepipeline.send(
        new codepipelineSdk.ListPipelineExecutionsCommand({ pipelineName }),
      );
      return pipelineExecutionSummaries.find(({ status }) => status === wanted)?.pipelineExecutionId;
    });
  }
}
