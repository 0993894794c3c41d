import {
  type ActionState,
  CodePipelineClient,
  CreatePipelineCommand,
  DeletePipelineCommand,
  DisableStageTransitionCommand,
  EnableStageTransitionCommand,
  GetPipelineExecutionCommand,
  GetPipelineStateCommand,
  ListActionExecutionsCommand,
  ListPipelineExecutionsCommand,
  OverrideStageConditionCommand,
  type PipelineDeclaration,
  PutApprovalResultCommand,
  RetryStageExecutionCommand,
  RollbackStageCommand,
  StartPipelineExecutionCommand,
  StopPipelineExecutionCommand,
  UpdatePipelineCommand,
} from "@aws-sdk/client-codepipeline";
import { untilFound } from "./until";
import { Bed, BUILD } from "./upstream";

let bed: Bed;
let client: CodePipelineClient;
let isHandedIn: boolean;
let looks: number;
beforeEach(async () => {
  bed = await new Bed().start();
  isHandedIn = true;
  looks = 0;
  bed.upstream = (incoming, response, body) => {
    if (body.includes("Action=AssumeRole")) {
      response.end(
        `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIAPIPELINE</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken></Credentials><AssumedRoleUser><Arn>arn:aws:sts::${BUILD}:assumed-role/pipeline/x</Arn></AssumedRoleUser></AssumeRoleResult></AssumeRoleResponse>`,
      );
    } else if (incoming.method === "HEAD") {
      looks++;
      response.statusCode = isHandedIn ? 200 : 404;
      response.setHeader("x-amz-meta-commit", "c0ffee").setHeader("x-amz-meta-message", "Try%20it");
      response.end();
    } else response.end("<CopyObjectResult><ETag>x</ETag></CopyObjectResult>");
  };
  const credentials = { accessKeyId: "test", secretAccessKey: "test" };
  client = new CodePipelineClient({
    endpoint: bed.endpoint,
    region: "eu-west-1",
    credentials,
    maxAttempts: 1,
  });
});
afterEach(async () => {
  client.destroy();
  await bed.stop();
});

const type = (category: "Source" | "Approval", provider: string, owner: "AWS" | "ThirdParty" = "AWS") => ({
  category,
  owner,
  provider,
  version: "1",
});
const pipeline = (changes: Partial<PipelineDeclaration> = {}): PipelineDeclaration => ({
  name: "main",
  roleArn: `arn:aws:iam::${BUILD}:role/pipeline`,
  pipelineType: "V2",
  executionMode: "SUPERSEDED",
  artifactStore: { type: "S3", location: "artifacts" },
  variables: [{ name: "WHY", defaultValue: "none" }],
  stages: [
    {
      name: "Source",
      actions: [
        {
          name: "Fetch",
          namespace: "Source",
          actionTypeId: type("Source", "GitHub", "ThirdParty"),
          configuration: { Owner: "acme", Repo: "app", Branch: "main", OAuthToken: "made-up" },
          outputArtifacts: [{ name: "Code" }],
        },
      ],
    },
    {
      name: "Ask",
      beforeEntry: {
        conditions: [
          {
            result: "SKIP",
            rules: [
              {
                name: "only-if",
                ruleTypeId: { category: "Rule", owner: "AWS", provider: "VariableCheck", version: "1" },
                configuration: { Variable: "#{variables.WHY}", Value: "boring", Operator: "NE" },
              },
            ],
          },
        ],
      },
      actions: [
        {
          name: "decide",
          actionTypeId: type("Approval", "Manual"),
          configuration: { CustomData: "#{Source.CommitId}, #{variables.WHY}" },
        },
      ],
    },
  ],
  ...changes,
});

/** Creates the pipeline without a source, so that nothing runs yet. */
async function create(changes: Partial<PipelineDeclaration> = {}): Promise<void> {
  isHandedIn = false;
  looks = 0;
  await client.send(new CreatePipelineCommand({ pipeline: pipeline(changes) }));
  await until(async () => looks > 0);
  isHandedIn = true;
}

const start = async (input: object = {}) =>
  (await client.send(new StartPipelineExecutionCommand({ name: "main", ...input }))).pipelineExecutionId ??
  "";
const stateNow = () => client.send(new GetPipelineStateCommand({ name: "main" }));
const read = async (pipelineExecutionId: string) =>
  (await client.send(new GetPipelineExecutionCommand({ pipelineName: "main", pipelineExecutionId })))
    .pipelineExecution!;

const until = <T>(look: () => Promise<T | undefined | false>) =>
  untilFound(look, { tries: 400, milliseconds: 10 });

/** The approval's action, once it waits. */
const waiting = () =>
  until<ActionState>(async () => {
    const { stageStates = [] } = await stateNow();
    const action = stageStates[1]?.actionStates?.[0];
    return action?.latestExecution?.token ? action : undefined;
  });
const decide = (token: string | undefined, status: "Approved" | "Rejected", summary = "why not") =>
  client.send(
    new PutApprovalResultCommand({
      pipelineName: "main",
      stageName: "Ask",
      actionName: "decide",
      token,
      result: { status, summary },
    }),
  );
const ended = (id: string) =>
  until(async () => {
    const execution = await read(id);
    return !["InProgress", "Stopping"].includes(execution.status ?? "") && execution;
  });

test("an execution is started, asks, and succeeds; all of it can be read", async () => {
  await create();
  const id = await start({ variables: [{ name: "WHY", value: "to see" }] });
  const asked = await waiting();
  expect(asked).toMatchObject({
    actionName: "decide",
    latestExecution: { status: "InProgress", lastStatusChange: expect.any(Date) },
  });
  const state = await stateNow();
  expect(state).toMatchObject({
    pipelineName: "main",
    pipelineVersion: 1,
    created: expect.any(Date),
    stageStates: [
      {
        stageName: "Source",
        inboundTransitionState: { enabled: true },
        latestExecution: { pipelineExecutionId: id, status: "Succeeded", type: "STANDARD" },
        actionStates: [
          {
            actionName: "Fetch",
            currentRevision: { revisionId: "c0ffee" },
            revisionUrl: "https://github.com/acme/app/commit/c0ffee",
            latestExecution: { status: "Succeeded", summary: "Try it" },
          },
        ],
      },
      {
        stageName: "Ask",
        latestExecution: { pipelineExecutionId: id, status: "InProgress" },
        beforeEntryConditionState: {
          latestExecution: { status: "Succeeded" },
          conditionStates: [
            { ruleStates: [{ ruleName: "only-if", latestExecution: { status: "Succeeded" } }] },
          ],
        },
      },
    ],
  });
  const { approvedAt } = await decide(asked.latestExecution?.token, "Approved");
  expect(approvedAt).toBeInstanceOf(Date);
  expect(await ended(id)).toMatchObject({
    pipelineName: "main",
    pipelineVersion: 1,
    pipelineExecutionId: id,
    status: "Succeeded",
    variables: [{ name: "WHY", resolvedValue: "to see" }],
    artifactRevisions: [
      {
        name: "Code",
        revisionId: "c0ffee",
        revisionSummary: "Try it",
        revisionUrl: "https://github.com/acme/app/commit/c0ffee",
        created: expect.any(Date),
      },
    ],
    trigger: { triggerType: "StartPipelineExecution", triggerDetail: `arn:aws:iam::${BUILD}:root` },
    executionMode: "SUPERSEDED",
    executionType: "STANDARD",
  });

  const { actionExecutionDetails } = await client.send(
    new ListActionExecutionsCommand({ pipelineName: "main", filter: { pipelineExecutionId: id } }),
  );
  const configuration = { Owner: "acme", Repo: "app", Branch: "main", OAuthToken: "****" };
  expect(actionExecutionDetails).toMatchObject([
    {
      actionName: "decide",
      status: "Succeeded",
      updatedBy: `arn:aws:iam::${BUILD}:root`,
      input: {
        configuration: { CustomData: "#{Source.CommitId}, #{variables.WHY}" },
        resolvedConfiguration: { CustomData: "c0ffee, to see" },
      },
      output: { executionResult: { externalExecutionSummary: "why not" } },
    },
    {
      pipelineExecutionId: id,
      actionExecutionId: expect.any(String),
      pipelineVersion: 1,
      stageName: "Source",
      actionName: "Fetch",
      startTime: expect.any(Date),
      lastUpdateTime: expect.any(Date),
      status: "Succeeded",
      input: {
        actionTypeId: { provider: "GitHub" },
        configuration,
        resolvedConfiguration: configuration,
        region: "eu-west-1",
        namespace: "Source",
      },
      output: {
        outputArtifacts: [
          {
            name: "Code",
            s3location: { bucket: "artifacts", key: expect.stringMatching(/^main\/Code\/\w{7}$/) },
          },
        ],
        outputVariables: { CommitId: "c0ffee", CommitMessage: "Try it", BranchName: "main" },
        executionResult: { externalExecutionId: "c0ffee" },
      },
    },
  ]);
});

test("a refusal fails the execution, and what failed can be tried again", async () => {
  await create();
  const id = await start();
  const { latestExecution } = await waiting();
  await decide(latestExecution?.token, "Rejected", "not today");
  expect(await ended(id)).toMatchObject({ status: "Failed" });
  expect((await stateNow()).stageStates?.[1]).toMatchObject({
    latestExecution: { status: "Failed" },
    actionStates: [{ latestExecution: { status: "Failed", summary: "not today" } }],
  });
  await expect(decide(latestExecution?.token, "Approved")).rejects.toMatchObject({
    name: "ApprovalAlreadyCompletedException",
  });
  await client.send(
    new RetryStageExecutionCommand({
      pipelineName: "main",
      stageName: "Ask",
      pipelineExecutionId: id,
      retryMode: "FAILED_ACTIONS",
    }),
  );
  await decide((await waiting()).latestExecution?.token, "Approved");
  expect(await ended(id)).toMatchObject({ status: "Succeeded" });
  expect((await stateNow()).stageStates?.[1]?.retryStageMetadata).toEqual({
    autoStageRetryAttempt: 0,
    manualStageRetryAttempt: 1,
    latestRetryTrigger: "ManualStageRetry",
  });
  const latest = { pipelineExecutionId: id, startTimeRange: "Latest" as const };
  const { actionExecutionDetails } = await client.send(
    new ListActionExecutionsCommand({ pipelineName: "main", filter: { latestInPipelineExecution: latest } }),
  );
  expect(actionExecutionDetails?.map(({ actionName }) => actionName)).toEqual(["decide"]);
});

test("executions that wait are shown, superseded, stopped and listed, the newest first", async () => {
  await create();
  const first = await start();
  await waiting();
  const second = await start();
  await until(async () => (await stateNow()).stageStates?.[1]?.inboundExecution);
  const third = await start();
  expect(await ended(second)).toMatchObject({ status: "Superseded" });
  expect((await stateNow()).stageStates?.[1]).toMatchObject({
    inboundExecution: { pipelineExecutionId: third, status: "InProgress", type: "STANDARD" },
    inboundExecutions: [{ pipelineExecutionId: third }],
    latestExecution: { pipelineExecutionId: first },
  });
  const stop = (pipelineExecutionId: string, input: object = {}) =>
    client.send(new StopPipelineExecutionCommand({ pipelineName: "main", pipelineExecutionId, ...input }));
  await stop(third, { reason: "wrong" });
  await stop(first);
  expect(await read(first)).toMatchObject({ status: "Stopping" });
  await expect(stop(first)).rejects.toMatchObject({ name: "DuplicatedStopRequestException" });
  await stop(first, { abandon: true });
  expect(await read(first)).toMatchObject({ status: "Stopped" });
  await expect(stop(first)).rejects.toMatchObject({ name: "PipelineExecutionNotStoppableException" });
  const page = await client.send(new ListPipelineExecutionsCommand({ pipelineName: "main", maxResults: 2 }));
  const { nextToken } = page;
  const rest = await client.send(new ListPipelineExecutionsCommand({ pipelineName: "main", nextToken }));
  const all = [page, rest].flatMap(({ pipelineExecutionSummaries = [] }) => pipelineExecutionSummaries);
  expect(all.map((one) => [one.pipelineExecutionId, one.status, one.stopTrigger?.reason])).toEqual([
    [third, "Stopped", "wrong"],
    [second, "Superseded", undefined],
    [first, "Stopped", undefined],
  ]);
  expect(all[0]).toMatchObject({
    startTime: expect.any(Date),
    lastUpdateTime: expect.any(Date),
    sourceRevisions: [{ actionName: "Fetch", revisionId: "c0ffee", revisionSummary: "Try it" }],
    executionMode: "SUPERSEDED",
  });
});

test("a stage whose condition does not hold is shown as skipped", async () => {
  await create();
  const id = await start({ variables: [{ name: "WHY", value: "boring" }] });
  expect(await ended(id)).toMatchObject({ status: "Succeeded" });
  expect((await stateNow()).stageStates?.[1]).toMatchObject({
    latestExecution: { pipelineExecutionId: id, status: "Skipped" },
    beforeEntryConditionState: { latestExecution: { status: "Failed" } },
  });
  const succeeded = async (stageName: string) =>
    (
      await client.send(
        new ListPipelineExecutionsCommand({
          pipelineName: "main",
          filter: { succeededInStage: { stageName } },
        }),
      )
    ).pipelineExecutionSummaries;
  expect([(await succeeded("Source"))?.length, (await succeeded("Ask"))?.length]).toEqual([1, 0]);
});

test("conditions that fail a stage are overridden, once, and shown as overridden", async () => {
  const { stages } = pipeline();
  const [source, ask] = stages!;
  const [condition] = ask!.beforeEntry!.conditions!;
  const beforeEntry = { conditions: [{ ...condition!, result: "FAIL" as const }] };
  await create({ stages: [source!, { ...ask!, beforeEntry }] });
  const id = await start({ variables: [{ name: "WHY", value: "boring" }] });
  expect(await ended(id)).toMatchObject({ status: "Failed" });
  const override = () =>
    client.send(
      new OverrideStageConditionCommand({
        pipelineName: "main",
        stageName: "Ask",
        pipelineExecutionId: id,
        conditionType: "BEFORE_ENTRY",
      }),
    );
  await override();
  await decide((await waiting()).latestExecution?.token, "Approved");
  expect(await ended(id)).toMatchObject({ status: "Succeeded" });
  expect((await stateNow()).stageStates?.[1]).toMatchObject({
    latestExecution: { pipelineExecutionId: id, status: "Succeeded" },
    beforeEntryConditionState: { latestExecution: { status: "Overridden" } },
  });
  await expect(override()).rejects.toMatchObject({ name: "ConditionNotOverridableException" });
});

test("an update cancels what runs, which keeps the version that it was started on", async () => {
  await create();
  const id = await start();
  const { latestExecution } = await waiting();
  const { stages, ...rest } = pipeline();
  const more = { name: "More", actions: [{ name: "again", actionTypeId: type("Approval", "Manual") }] };
  await client.send(new UpdatePipelineCommand({ pipeline: { ...rest, stages: [...stages!, more] } }));
  await decide(latestExecution?.token, "Rejected");
  expect(await ended(id)).toMatchObject({ status: "Cancelled", pipelineVersion: 1 });
  const retry = new RetryStageExecutionCommand({
    pipelineName: "main",
    stageName: "Ask",
    pipelineExecutionId: id,
    retryMode: "FAILED_ACTIONS",
  });
  await expect(client.send(retry)).rejects.toMatchObject({ name: "StageNotRetryableException" });
});

test("a pipeline that is created starts where its source was handed in", async () => {
  await client.send(new CreatePipelineCommand({ pipeline: pipeline() }));
  await waiting();
  const { pipelineExecutionSummaries } = await client.send(
    new ListPipelineExecutionsCommand({ pipelineName: "main" }),
  );
  expect(pipelineExecutionSummaries).toMatchObject([{ trigger: { triggerType: "CreatePipeline" } }]);
});

test("and does not where there is none", async () => {
  await create();
  const { pipelineExecutionSummaries } = await client.send(
    new ListPipelineExecutionsCommand({ pipelineName: "main" }),
  );
  expect(pipelineExecutionSummaries).toEqual([]);
  isHandedIn = false;
  const execution = await ended(await start());
  expect(execution).toMatchObject({
    status: "Failed",
    statusSummary: expect.stringContaining("put it, as a ZIP, at s3://local-aws-sources/acme/app/main.zip"),
  });
});

test("a pipeline that is deleted takes its executions along", async () => {
  await create();
  await start();
  await waiting();
  await client.send(new DeletePipelineCommand({ name: "main" }));
  await expect(stateNow()).rejects.toMatchObject({ name: "PipelineNotFoundException" });
  await create();
  expect((await stateNow()).stageStates?.[1]).not.toHaveProperty("latestExecution");
});

test.each<[string, () => Promise<unknown>, string]>([
  [
    "another token",
    () => decide("11111111-1111-4111-8111-111111111111", "Approved"),
    "InvalidApprovalTokenException",
  ],
  ["no token", () => decide("x", "Approved"), "ValidationException"],
  ["an unknown variable", () => start({ variables: [{ name: "NO", value: "x" }] }), "ValidationException"],
  [
    "a revision of another kind",
    () =>
      start({
        sourceRevisions: [{ actionName: "Fetch", revisionType: "IMAGE_DIGEST", revisionValue: "sha256:x" }],
      }),
    "ValidationException",
  ],
  [
    "an unknown execution",
    () => read("11111111-1111-4111-8111-111111111111"),
    "PipelineExecutionNotFoundException",
  ],
  [
    "an unknown execution's actions",
    () =>
      client.send(
        new ListActionExecutionsCommand({
          pipelineName: "main",
          filter: { pipelineExecutionId: "11111111-1111-4111-8111-111111111111" },
        }),
      ),
    "PipelineExecutionNotFoundException",
  ],
  [
    "an unknown pipeline",
    () => client.send(new StartPipelineExecutionCommand({ name: "other" })),
    "PipelineNotFoundException",
  ],
  [
    "a page that is none",
    () => client.send(new ListPipelineExecutionsCommand({ pipelineName: "main", nextToken: "x" })),
    "InvalidNextTokenException",
  ],
])("refuses %s by AWS's name for it", async (_, call, expected) => {
  await create();
  await expect(call()).rejects.toMatchObject({ name: expected });
});

test("a token gives one execution, and a commit that is not there fails it", async () => {
  await create();
  const sourceRevisions = [{ actionName: "Fetch", revisionType: "COMMIT_ID" as const, revisionValue: "bad" }];
  const first = await start({ clientRequestToken: "same", sourceRevisions });
  expect(await start({ clientRequestToken: "same" })).toBe(first);
  expect(await ended(first)).toMatchObject({
    status: "Failed",
    statusSummary: expect.stringContaining("is commit c0ffee"),
  });
});

test("a rollback tells what it goes back to, and shows as one", async () => {
  await create();
  const target = await start({ variables: [{ name: "WHY", value: "the good one" }] });
  await decide((await waiting()).latestExecution?.token, "Approved");
  await ended(target);
  const failed = await start();
  await decide((await waiting()).latestExecution?.token, "Rejected");
  await ended(failed);
  const stage = { pipelineName: "main", stageName: "Ask" };
  const { pipelineExecutionId: id = "" } = await client.send(
    new RollbackStageCommand({ ...stage, targetPipelineExecutionId: target }),
  );
  const { latestExecution } = await waiting();
  const { stageStates } = await stateNow();
  expect(stageStates?.[1]).toMatchObject({
    latestExecution: { pipelineExecutionId: id, status: "InProgress", type: "ROLLBACK" },
  });
  await decide(latestExecution?.token, "Approved");
  const rollback = {
    executionType: "ROLLBACK",
    rollbackMetadata: { rollbackTargetPipelineExecutionId: target },
    trigger: { triggerType: "ManualRollback", triggerDetail: `arn:aws:iam::${BUILD}:root` },
  };
  expect(await ended(id)).toMatchObject({
    status: "Succeeded",
    variables: [{ name: "WHY", resolvedValue: "the good one" }],
    artifactRevisions: [{ name: "Code", revisionId: "c0ffee" }],
    ...rollback,
  });
  const { pipelineExecutionSummaries } = await client.send(
    new ListPipelineExecutionsCommand({ pipelineName: "main" }),
  );
  expect(pipelineExecutionSummaries).toMatchObject([
    {
      pipelineExecutionId: id,
      status: "Succeeded",
      sourceRevisions: [{ revisionId: "c0ffee" }],
      ...rollback,
    },
    { pipelineExecutionId: failed, status: "Failed", executionType: "STANDARD" },
    { pipelineExecutionId: target, status: "Succeeded" },
  ]);
  await expect(
    client.send(new RollbackStageCommand({ ...stage, targetPipelineExecutionId: failed })),
  ).rejects.toMatchObject({ name: "UnableToRollbackStageException" });
});

test("a transition that is closed says who closed it, when and why, and what waits before it", async () => {
  await create();
  const into = { pipelineName: "main", stageName: "Ask", transitionType: "Inbound" as const };
  await client.send(new DisableStageTransitionCommand({ ...into, reason: "Not on Fridays" }));
  const id = await start();
  const held = await until(async () => {
    const { stageStates } = await stateNow();
    return stageStates?.[1]?.inboundExecution && stageStates[1];
  });
  expect(held).toMatchObject({
    inboundTransitionState: {
      enabled: false,
      lastChangedBy: `arn:aws:iam::${BUILD}:root`,
      lastChangedAt: expect.any(Date),
      disabledReason: "Not on Fridays",
    },
    inboundExecutions: [{ pipelineExecutionId: id, status: "InProgress", type: "STANDARD" }],
  });
  await client.send(new EnableStageTransitionCommand(into));
  await waiting();
  const { stageStates } = await stateNow();
  expect(stageStates?.[1]?.inboundTransitionState).toEqual({
    enabled: true,
    lastChangedBy: `arn:aws:iam::${BUILD}:root`,
    lastChangedAt: expect.any(Date),
  });
});

test("executions that succeeded in a stage are those of the pipeline's current version", async () => {
  await create();
  const id = await start();
  await decide((await waiting()).latestExecution?.token, "Approved");
  await ended(id);
  const succeeded = async () => {
    const filter = { succeededInStage: { stageName: "Ask" } };
    const { pipelineExecutionSummaries = [] } = await client.send(
      new ListPipelineExecutionsCommand({ pipelineName: "main", filter }),
    );
    return pipelineExecutionSummaries.map(({ pipelineExecutionId }) => pipelineExecutionId);
  };
  expect(await succeeded()).toEqual([id]);
  await client.send(new UpdatePipelineCommand({ pipeline: pipeline() }));
  expect(await succeeded()).toEqual([]);
});
