import { Bed, BUILD, OTHER } from "./upstream";

let bed: Bed;
beforeEach(async () => {
  bed = await new Bed().start();
});
afterEach(() => bed.stop());

const call = (operation: string, input: unknown, who?: { key?: string; region?: string }) =>
  bed.call(`CodePipeline_20150709.${operation}`, input, who);

const type = (category: string, provider: string) => ({ category, owner: "AWS", provider, version: "1" });
const source = {
  name: "Source",
  actions: [
    {
      name: "Source",
      actionTypeId: { ...type("Source", "GitHub"), owner: "ThirdParty" },
      configuration: { OAuthToken: "made-up", Repo: "hello" },
      outputArtifacts: [{ name: "source" }],
    },
  ],
};
const buildAction = {
  name: "Build",
  actionTypeId: type("Build", "CodeBuild"),
  inputArtifacts: [{ name: "source" }],
  configuration: { ProjectName: "build" },
};
const build = { name: "Build", onFailure: { result: "ROLLBACK" }, actions: [buildAction] };
const pipeline = (changes: object = {}) => ({
  name: "main",
  roleArn: `arn:aws:iam::${BUILD}:role/pipeline`,
  pipelineType: "V2",
  executionMode: "QUEUED",
  artifactStore: { type: "S3", location: "artifacts" },
  variables: [{ name: "REASON", defaultValue: "none" }],
  stages: [source, build],
  ...changes,
});
const arn = `arn:aws:codepipeline:eu-west-1:${BUILD}:main`;

test("a pipeline is kept with all its fields, its token hidden, its versions counted", async () => {
  const created = await call("CreatePipeline", { pipeline: pipeline(), tags: [{ key: "a", value: "b" }] });
  expect([created.status, created.headers.has("x-amzn-requestid")]).toEqual([200, true]);
  expect((await call("GetPipeline", { name: "main" })).content).toMatchObject({
    pipeline: {
      version: 1,
      executionMode: "QUEUED",
      variables: [{ name: "REASON", defaultValue: "none" }],
      stages: [
        { actions: [{ configuration: { OAuthToken: "****", Repo: "hello" } }] },
        { onFailure: { result: "ROLLBACK" } },
      ],
    },
    metadata: { pipelineArn: arn, created: expect.any(Number), updated: expect.any(Number) },
  });
  await call("UpdatePipeline", { pipeline: pipeline({ executionMode: "SUPERSEDED" }) });
  expect((await call("ListPipelines", {})).content.pipelines).toMatchObject([
    { name: "main", version: 2, executionMode: "SUPERSEDED" },
  ]);
  expect((await call("GetPipeline", { name: "main", version: 1 })).content.pipeline).toMatchObject({
    executionMode: "QUEUED",
  });
});

test("tags are put, listed and taken off; a pipeline that is deleted takes them along", async () => {
  await call("CreatePipeline", { pipeline: pipeline(), tags: [{ key: "a", value: "1" }] });
  await call("TagResource", { resourceArn: arn, tags: [{ key: "b", value: "2" }] });
  await call("UntagResource", { resourceArn: arn, tagKeys: ["a"] });
  expect((await call("ListTagsForResource", { resourceArn: arn })).content).toEqual({
    tags: [{ key: "b", value: "2" }],
  });
  await call("DeletePipeline", { name: "main" });
  const { content } = await call("ListTagsForResource", { resourceArn: arn });
  expect(content.__type).toBe("ResourceNotFoundException");
});

test("accounts and regions are apart", async () => {
  const key = await bed.assumeRole();
  await call("CreatePipeline", { pipeline: pipeline() }, { key });
  expect((await call("GetPipeline", { name: "main" })).content.__type).toBe("PipelineNotFoundException");
  expect((await call("GetPipeline", { name: "main" }, { key, region: "us-east-1" })).status).toBe(400);
  expect((await call("GetPipeline", { name: "main" }, { key })).content.metadata).toMatchObject({
    pipelineArn: `arn:aws:codepipeline:eu-west-1:${OTHER}:main`,
  });
});

const withBuild = (changes: object) => ({
  stages: [source, { ...build, actions: [{ ...buildAction, ...changes }] }],
});
test.each<[string, string, object]>([
  ["one stage", "InvalidStructureException", { stages: [source] }],
  ["no source first", "InvalidStructureException", { stages: [build, source] }],
  ["a source later on", "InvalidStructureException", withBuild({ actionTypeId: type("Source", "S3") })],
  ["two stages of one name", "InvalidStructureException", { stages: [source, build, build] }],
  [
    "two actions of one name",
    "InvalidStructureException",
    { stages: [source, { ...build, actions: [buildAction, buildAction] }] },
  ],
  [
    "an input that nothing gives",
    "InvalidStructureException",
    withBuild({ inputArtifacts: [{ name: "no" }] }),
  ],
  ["no artifact store", "InvalidStructureException", { artifactStore: undefined }],
  ["variables in V1", "ValidationException", { pipelineType: "V1" }],
  ["a rollback side by side", "ValidationException", { executionMode: "PARALLEL" }],
  [
    "a rollback on success side by side",
    "ValidationException",
    {
      executionMode: "PARALLEL",
      stages: [
        source,
        { name: "Build", onSuccess: { conditions: [{ result: "ROLLBACK" }] }, actions: [buildAction] },
      ],
    },
  ],
  ["no role", "ValidationException", { roleArn: undefined }],
  [
    "a configuration value too long",
    "ValidationException",
    withBuild({ configuration: { V: "x".repeat(1001) } }),
  ],
])("%s is refused", async (_, code, changes) => {
  const { status, headers, content } = await call("CreatePipeline", { pipeline: pipeline(changes) });
  expect([status, content.__type, headers.get("x-amzn-errortype")]).toEqual([400, code, code]);
});

test("what is missing is told in AWS's words", async () => {
  expect((await call("GetPipeline", {})).content.message).toBe(
    "1 validation error detected: Value null at 'name' failed to satisfy constraint: Member must not be null",
  );
});

test("a name is used once", async () => {
  await call("CreatePipeline", { pipeline: pipeline() });
  const { content } = await call("CreatePipeline", { pipeline: pipeline() });
  expect(content.__type).toBe("PipelineNameInUseException");
});

test("a webhook needs its pipeline, and keeps its address", async () => {
  const webhook = {
    name: "hook",
    targetPipeline: "main",
    targetAction: "Source",
    filters: [{ jsonPath: "$.ref", matchEquals: "refs/heads/{Branch}" }],
    authentication: "GITHUB_HMAC",
    authenticationConfiguration: { SecretToken: "made-up" },
  };
  expect((await call("PutWebhook", { webhook })).content.__type).toBe("PipelineNotFoundException");
  await call("CreatePipeline", { pipeline: pipeline() });
  const first = (await call("PutWebhook", { webhook })).content.webhook;
  const second = (await call("PutWebhook", { webhook })).content.webhook;
  expect(second).toEqual(first);
  expect((await call("RegisterWebhookWithThirdParty", { webhookName: "hook" })).status).toBe(200);
  await call("DeleteWebhook", { name: "hook" });
  expect((await call("ListWebhooks", {})).content).toEqual({ webhooks: [] });
  const { content } = await call("DeregisterWebhookWithThirdParty", { webhookName: "hook" });
  expect(content.__type).toBe("WebhookNotFoundException");
});
