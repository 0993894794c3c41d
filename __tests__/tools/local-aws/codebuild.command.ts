import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { codebuild } from "../../../tools/local-aws/services/codebuild";
import { Builds } from "../../../tools/local-aws/services/codebuild-builds";
import type { Project } from "../../../tools/local-aws/services/codebuild-project";
import { EmulatedTime } from "../../../tools/local-aws/time";
import { Bed, BUILD } from "./upstream";

let bed: Bed;
beforeEach(async () => {
  bed = await new Bed().start();
});
afterEach(() => bed.stop());

const call = (operation: string, input: unknown) => bed.call(`CodeBuild_20161006.${operation}`, input);
const arn = (resource: string) => `arn:aws:codebuild:eu-west-1:${BUILD}:${resource}`;
const github = { type: "GITHUB", location: "https://github.com/acme/hello.git" };
const project = {
  name: "build",
  serviceRole: `arn:aws:iam::${BUILD}:role/build`,
  source: github,
  artifacts: { type: "NO_ARTIFACTS" },
  environment: { type: "LINUX_CONTAINER", image: "standard:7.0", computeType: "BUILD_GENERAL1_SMALL" },
};
const create = (changes: object = {}) => call("CreateProject", { ...project, ...changes });
const projectNow = async () =>
  ((await call("BatchGetProjects", { names: ["build"] })).content.projects as Record<string, unknown>[])[0]!;
const ids = ["more", "other"];

describe("a project's sources", () => {
  const connection = { type: "CODECONNECTIONS", resource: "arn:connection" };
  const given = {
    source: { ...github, auth: connection },
    sourceVersion: "main",
    secondarySources: ids.map((sourceIdentifier) => ({ ...github, sourceIdentifier })),
    secondarySourceVersions: [{ sourceIdentifier: "more", sourceVersion: "v1" }],
    logsConfig: { cloudWatchLogs: { status: "ENABLED", groupName: "g" }, s3Logs: { status: "DISABLED" } },
  };

  test("are kept with their access, versions and logs, and survive an update of something else", async () => {
    await create(given);
    await call("UpdateProject", { name: "build", description: "new" });
    expect(await projectNow()).toMatchObject({ ...given, description: "new" });
    await call("UpdateProject", { name: "build", secondarySources: [], secondarySourceVersions: [] });
    expect(await projectNow()).toMatchObject({ secondarySources: [], source: { auth: connection } });
  });

  test.each<[string, object]>([
    [
      "access by a connection that is not named",
      { source: { ...github, auth: { type: "CODECONNECTIONS" } } },
    ],
    ["access by a secret that is not named", { source: { ...github, auth: { type: "SECRETS_MANAGER" } } }],
    ["an unknown kind of access", { source: { ...github, auth: { type: "MAGIC" } } }],
    ["no identifier", { secondarySources: [github] }],
    [
      "an identifier twice",
      { secondarySources: [1, 2].map(() => ({ ...github, sourceIdentifier: "same" })) },
    ],
    ["no location", { secondarySources: [{ type: "S3", sourceIdentifier: "more" }] }],
    [
      "a kind that cannot be a second one",
      { secondarySources: [{ type: "NO_SOURCE", sourceIdentifier: "a" }] },
    ],
    [
      "a version of nothing",
      { secondarySourceVersions: [{ sourceIdentifier: "none", sourceVersion: "v1" }] },
    ],
    ["a second artifact without identifier", { secondaryArtifacts: [{ type: "S3", location: "b" }] }],
    ["unencrypted nothing", { artifacts: { type: "NO_ARTIFACTS", encryptionDisabled: true } }],
  ])("are refused: %s", async (_, changes) => {
    expect((await create(changes)).content.__type).toBe("InvalidInputException");
  });
});

describe("webhooks", () => {
  const event = (pattern: string) => ({ type: "EVENT", pattern });
  const filterGroups = [
    [event("PULL_REQUEST_CREATED, PULL_REQUEST_UPDATED"), { type: "BASE_REF", pattern: "^refs/heads/main$" }],
  ];
  const hook = (changes: object = {}) =>
    call("CreateWebhook", { projectName: "build", filterGroups, ...changes });
  const webhookNow = async () => (await projectNow()).webhook as Record<string, unknown> | undefined;

  test("are a part of their project until they, or it, are deleted", async () => {
    await create();
    await hook();
    await call("UpdateProject", { name: "build", description: "new" });
    expect(await webhookNow()).toMatchObject({
      filterGroups: [
        [
          { ...filterGroups[0]![0], excludeMatchedPattern: false },
          { ...filterGroups[0]![1], excludeMatchedPattern: false },
        ],
      ],
      url: expect.stringMatching(/^https:\/\/api\.github\.com\/repos\/acme\/hello\/hooks\/\d+$/),
      payloadUrl: expect.stringMatching(/^https:\/\/codebuild\.eu-west-1\./),
      lastModifiedSecret: expect.any(Number),
      pullRequestBuildPolicy: {
        requiresCommentApproval: "ALL_PULL_REQUESTS",
        approverRoles: ["GITHUB_WRITE", "GITHUB_MAINTAIN", "GITHUB_ADMIN"],
      },
    });
    expect((await call("DeleteWebhook", { projectName: "build" })).status).toBe(200);
    expect(await webhookNow()).toBeUndefined();
    expect((await call("DeleteWebhook", { projectName: "build" })).content.__type).toBe(
      "ResourceNotFoundException",
    );
    await hook();
    await call("DeleteProject", { name: "build" });
    await create();
    expect(await webhookNow()).toBeUndefined();
  });

  test("an update replaces one kind of filter by the other, and leaves the rest", async () => {
    await create();
    await hook({ buildType: "BUILD" });
    const { url } = (await webhookNow())!;
    await call("UpdateWebhook", { projectName: "build", branchFilter: "^main$" });
    expect(await webhookNow()).toMatchObject({ branchFilter: "^main$", buildType: "BUILD", url });
    expect(await webhookNow()).not.toHaveProperty("filterGroups");
    const pullRequestBuildPolicy = { requiresCommentApproval: "DISABLED" };
    await call("UpdateWebhook", { projectName: "build", filterGroups, pullRequestBuildPolicy });
    expect(await webhookNow()).toMatchObject({ pullRequestBuildPolicy });
    expect(await webhookNow()).not.toHaveProperty("branchFilter");
  });

  test("a secret shows once, where somebody has to make the webhook by hand", async () => {
    const source = { type: "GITHUB_ENTERPRISE", location: "https://git.example.com/acme/hello.git" };
    await create({ source });
    expect((await hook()).content.webhook).toMatchObject({ secret: expect.stringMatching(/.{20,}/) });
    expect(await webhookNow()).not.toHaveProperty("secret");
    expect(await webhookNow()).not.toHaveProperty("url");
    const rotate = { projectName: "build", rotateSecret: true };
    expect((await call("UpdateWebhook", rotate)).content.webhook).toHaveProperty("secret");
    expect((await call("UpdateWebhook", { projectName: "build" })).content.webhook).not.toHaveProperty(
      "secret",
    );
  });

  test("global ones keep their scope", async () => {
    await create();
    const scopeConfiguration = { name: "acme", scope: "GITHUB_ORGANIZATION" };
    await hook({ scopeConfiguration, manualCreation: true });
    expect(await webhookNow()).toMatchObject({ scopeConfiguration, manualCreation: true });
  });

  test("need their project, and are one", async () => {
    expect((await hook()).content.__type).toBe("ResourceNotFoundException");
    await create();
    await hook();
    expect((await hook()).content.__type).toBe("ResourceAlreadyExistsException");
  });

  test.each<[string, object, object]>([
    ["a source that sends nothing", { filterGroups: [] }, { source: { type: "S3", location: "b/k.zip" } }],
    ["a group without event", { filterGroups: [[{ type: "HEAD_REF", pattern: "main" }]] }, {}],
    ["an unknown event", { filterGroups: [[event("PUSH,PULL")]] }, {}],
    [
      "an event that the source has not",
      { filterGroups: [[event("RELEASED")]] },
      { source: { type: "BITBUCKET", location: "https://bitbucket.org/a/b" } },
    ],
    ["an unknown filter", { filterGroups: [[event("PUSH"), { type: "MOON", pattern: "x" }]] }, {}],
    ["a broken pattern", { filterGroups: [[event("PUSH"), { type: "HEAD_REF", pattern: "(" }]] }, {}],
    ["a broken branch filter", { filterGroups: undefined, branchFilter: "[" }, {}],
    [
      "an unknown role",
      { pullRequestBuildPolicy: { requiresCommentApproval: "DISABLED", approverRoles: ["ME"] } },
      {},
    ],
  ])("are refused: %s", async (_, changes, projectChanges) => {
    await create(projectChanges);
    expect((await hook(changes)).content.__type).toBe("InvalidInputException");
  });

  test("flags at the start of a pattern are fine", async () => {
    await create();
    const filters = [event("PUSH"), { type: "COMMIT_MESSAGE", pattern: "(?i)release" }];
    expect((await hook({ filterGroups: [filters] })).status).toBe(200);
  });
});

describe("builds", () => {
  type Build = Record<string, unknown> & { id: string; environment: Record<string, unknown> };
  const noSource = {
    type: "NO_SOURCE",
    buildspec: "version: 0.2\nphases: { build: { commands: ['true'] } }",
  };
  const get = async (id: string) =>
    ((await call("BatchGetBuilds", { ids: [id] })).content.builds as Build[])[0]!;
  const ended = async (id: string) => {
    for (;;) {
      const build = await get(id);
      if (build.buildComplete) return build;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  };
  const start = async (changes: object = {}) => {
    const { content } = await call("StartBuild", { projectName: "build", ...changes });
    return content.build as Build;
  };

  beforeEach(() => {
    bed.upstream = ({ headers }, response, body) => {
      if (headers["x-amz-target"] || !body.includes("AssumeRole")) return response.end("{}");
      const given =
        "<AccessKeyId>ASIABUILD</AccessKeyId><SecretAccessKey>x</SecretAccessKey><SessionToken>x</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>";
      const user = `<AssumedRoleUser><AssumedRoleId>A:b</AssumedRoleId><Arn>arn:aws:sts::${BUILD}:assumed-role/build/b</Arn></AssumedRoleUser>`;
      response.setHeader("content-type", "text/xml");
      return response.end(
        `<AssumeRoleResponse><AssumeRoleResult><Credentials>${given}</Credentials>${user}</AssumeRoleResult></AssumeRoleResponse>`,
      );
    };
  });

  test("run, and look as AWS shows them", async () => {
    await create({ source: noSource });
    const { id } = await start({
      environmentVariablesOverride: [{ name: "A", value: "1" }],
      imageOverride: "other:1",
      privilegedModeOverride: true,
      timeoutInMinutesOverride: 7,
    });
    expect(id).toMatch(/^build:[0-9a-f-]{36}$/);
    const [, uuid] = id.split(":");
    expect(await ended(id)).toMatchObject({
      id,
      arn: arn(`build/${id}`),
      buildNumber: 1,
      buildStatus: "SUCCEEDED",
      currentPhase: "COMPLETED",
      projectName: "build",
      startTime: expect.any(Number),
      endTime: expect.any(Number),
      timeoutInMinutes: 7,
      queuedTimeoutInMinutes: 480,
      serviceRole: project.serviceRole,
      initiator: expect.any(String),
      source: noSource,
      artifacts: { location: "" },
      environment: {
        image: "other:1",
        type: "LINUX_CONTAINER",
        privilegedMode: true,
        environmentVariables: [{ name: "A", value: "1", type: "PLAINTEXT" }],
      },
      logs: {
        groupName: "/aws/codebuild/build",
        streamName: uuid,
        cloudWatchLogsArn: `arn:aws:logs:eu-west-1:${BUILD}:log-group:/aws/codebuild/build:log-stream:${uuid}`,
        deepLink: expect.stringContaining(`$252Faws$252Fcodebuild$252Fbuild/log-events/${uuid}`),
      },
    });
    expect((await projectNow()).environment).toMatchObject({ image: "standard:7.0" });
  });

  test("go by id or ARN; those that are not there are told", async () => {
    await create({ source: noSource });
    const { id } = await start();
    const { content } = await call("BatchGetBuilds", { ids: [arn(`build/${id}`), "build:none"] });
    expect(content).toMatchObject({ builds: [{ id }], buildsNotFound: ["build:none"] });
  });

  test("are numbered and listed, the last one first", async () => {
    await create({ source: noSource });
    await create({ source: noSource, name: "another" });
    const first = await start();
    const second = await start();
    const other = await start({ projectName: "another" });
    expect([second.buildNumber, other.buildNumber]).toEqual([2, 1]);
    const own = { projectName: "build" };
    expect((await call("ListBuildsForProject", own)).content).toEqual({ ids: [second.id, first.id] });
    const { content } = await call("ListBuilds", { sortOrder: "ASCENDING" });
    expect(content).toEqual({ ids: [first.id, second.id, other.id] });
    expect((await call("ListBuildsForProject", { projectName: "none" })).content.__type).toBe(
      "ResourceNotFoundException",
    );
  });

  test.each([
    [60_000, ""],
    [12_000, "1"],
    [1000, "0.5"],
  ])("have releases ask as often as minutes of %s ms want it", async (minute, seconds) => {
    const buildspec =
      "version: 0.2\nenv: { exported-variables: [ASKS] }\nphases: { build: { commands: ['export ASKS=$SLIPWAY_RELEASE_SECONDS'] } }";
    await create({ source: { type: "NO_SOURCE", buildspec } });
    const builds = new Builds({ endpoint: () => bed.endpoint, time: new EmulatedTime(minute) });
    const { run } = builds.start(
      { account: BUILD, region: "eu-west-1" },
      (await projectNow()) as unknown as Project,
      { projectName: "build", environmentVariablesOverride: [] },
    );
    await run.done;
    expect(run.exported).toEqual([{ name: "ASKS", value: seconds }]);
  });

  test("one token starts one build", async () => {
    await create({ source: noSource });
    const token = { idempotencyToken: "once" };
    expect((await start(token)).id).toBe((await start(token)).id);
  });

  test("one token is not for two requests", async () => {
    await create({ source: noSource });
    const token = { projectName: "build", idempotencyToken: "once" };
    await start(token);
    const changed = { ...token, environmentVariablesOverride: [{ name: "A", value: "1" }] };
    expect((await call("StartBuild", changed)).content).toMatchObject({
      __type: "InvalidInputException",
      message: expect.stringContaining("parameters do not match"),
    });
  });

  test("a token starts another build when five minutes have passed", async () => {
    let now = 0;
    const time = new EmulatedTime(60_000, { now: () => now, after: () => () => {} });
    const { operations, stop } = codebuild({ endpoint: () => bed.endpoint, time });
    const scope = { account: BUILD, region: "eu-west-1" };
    await operations.CreateProject!({ ...project, source: noSource }, scope);
    const again = async () => {
      const answer = await operations.StartBuild!({ projectName: "build", idempotencyToken: "once" }, scope);
      return (answer as { build: { id: string } }).build.id;
    };
    const first = await again();
    now = 299;
    expect(await again()).toBe(first);
    now = 300;
    expect(await again()).not.toBe(first);
    await stop?.();
  });

  test.each<[string, object, RegExp]>([
    ["a repository", {}, /Local AWS has no such repository: https:\/\/github.com\/acme\/hello.git/],
    [
      "a pipeline's project",
      { source: { type: "CODEPIPELINE" }, artifacts: { type: "CODEPIPELINE" } },
      /started by their pipeline/,
    ],
  ])("start and fail in DOWNLOAD_SOURCE: %s", async (_, changes, message) => {
    await create(changes);
    const { id } = await start();
    const { buildStatus, phases } = await ended(id);
    expect([buildStatus, (phases as { phaseType: string }[]).at(-3)]).toMatchObject([
      "FAILED",
      {
        phaseType: "DOWNLOAD_SOURCE",
        phaseStatus: "FAILED",
        contexts: [{ statusCode: "CLIENT_ERROR", message: expect.stringMatching(message) }],
      },
    ]);
  });

  test("have no status before they have ended, whatever has failed in them", async () => {
    const commands = "build: { commands: ['false'] }, post_build: { commands: [sleep 300] }";
    await create({ source: { type: "NO_SOURCE", buildspec: `version: 0.2\nphases: { ${commands} }` } });
    const { id } = await start();
    while ((await get(id)).currentPhase !== "POST_BUILD")
      await new Promise((resolve) => setTimeout(resolve, 25));
    const { buildStatus, buildComplete, phases } = await get(id);
    expect([buildStatus, buildComplete]).toEqual(["IN_PROGRESS", false]);
    expect(phases).toContainEqual(expect.objectContaining({ phaseType: "BUILD", phaseStatus: "FAILED" }));
    expect((await call("StopBuild", { id })).content.build).toMatchObject({ buildStatus: "FAILED" });
  });

  test("an override replaces the source", async () => {
    await create();
    const override = { sourceTypeOverride: "NO_SOURCE", buildspecOverride: noSource.buildspec };
    expect(await ended((await start(override)).id)).toMatchObject({
      buildStatus: "SUCCEEDED",
      source: { type: "NO_SOURCE" },
    });
  });

  test.each<[string, string, object, string]>([
    ["no project", "StartBuild", { projectName: "none" }, "ResourceNotFoundException"],
    [
      "an override that does not fit",
      "StartBuild",
      { projectName: "build", sourceTypeOverride: "NO_SOURCE", sourceLocationOverride: "x" },
      "InvalidInputException",
    ],
    [
      "too short a time",
      "StartBuild",
      { projectName: "build", timeoutInMinutesOverride: 1 },
      "InvalidInputException",
    ],
    ["no such build", "StopBuild", { id: "build:none" }, "ResourceNotFoundException"],
    ["no ids", "BatchGetBuilds", { ids: [] }, "InvalidInputException"],
  ])("refuses %s", async (_, operation, input, code) => {
    await create();
    expect((await call(operation, input)).content.__type).toBe(code);
  });

  test("stops one that runs, and all when Local AWS stops", async () => {
    const buildspec = "version: 0.2\nphases: { build: { commands: [sleep 300] } }";
    await create({ source: { type: "NO_SOURCE", buildspec } });
    const { id } = await start();
    await start();
    while ((await get(id)).currentPhase !== "BUILD") await new Promise((resolve) => setTimeout(resolve, 25));
    expect((await call("StopBuild", { id })).content.build).toMatchObject({
      buildStatus: "STOPPED",
      buildComplete: true,
      currentPhase: "COMPLETED",
    });
    const before = Date.now();
    await bed.stop();
    expect(Date.now() - before).toBeLessThan(5000);
  });

  test("a pipeline brings the source, and takes the artifact", async () => {
    const buildspec = "version: 0.2\nphases: {}\nartifacts: { files: [given] }";
    await create({ source: { type: "CODEPIPELINE", buildspec }, artifacts: { type: "CODEPIPELINE" } });
    const builds = new Builds({ endpoint: () => bed.endpoint });
    const taken: string[] = [];
    const { run, describe } = builds.start(
      { account: BUILD, region: "eu-west-1" },
      (await projectNow()) as unknown as Project,
      { projectName: "build", environmentVariablesOverride: [] },
      {
        initiator: "codepipeline/main",
        sources: [
          {
            url: "",
            version: "",
            async bring(folder) {
              writeFileSync(join(folder, "given"), "");
              return "commit";
            },
          },
        ],
        targets: [
          {
            async take({ files }) {
              taken.push(...files.map(({ path }) => path));
            },
          },
        ],
      },
    );
    await run.done;
    expect([taken, describe()]).toMatchObject([
      ["given"],
      { buildStatus: "SUCCEEDED", initiator: "codepipeline/main", resolvedSourceVersion: "commit" },
    ]);
  });

  test("fails when nobody gives the role", async () => {
    await create({ source: noSource });
    bed.upstream = (_, response) => response.writeHead(400).end("<ErrorResponse/>");
    const { buildStatus, phases } = await ended((await start()).id);
    expect([buildStatus, phases]).toMatchObject([
      "FAILED",
      expect.arrayContaining([
        expect.objectContaining({
          phaseType: "PROVISIONING",
          contexts: [expect.objectContaining({ message: expect.stringContaining("sts:AssumeRole") })],
        }),
      ]),
    ]);
  });
});
