import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { zipSync } from "fflate";
import { AwsError } from "../../../tools/local-aws/aws-request";
import { Actions, type ActionsProps } from "../../../tools/local-aws/pipelines/actions";
import type { ActionJob } from "../../../tools/local-aws/pipelines/execution";
import type { Handover, StartBuildInput } from "../../../tools/local-aws/services/codebuild-builds";
import { declaration } from "../../../tools/local-aws/services/pipeline-structure";
import { FakeRole } from "./fake-role";

const scope = { account: "111111111111", region: "eu-west-1" };
const pipeline = declaration.parse({
  name: "main",
  roleArn: "arn:aws:iam::111111111111:role/pipeline",
  artifactStore: { type: "S3", location: "artifacts" },
  stages: [],
});
const artifact = (name: string, commit?: string) => ({
  name,
  bucket: "artifacts",
  key: `main/${name}/x`,
  commit,
});

let role: FakeRole;
let roles: string[];
beforeEach(() => {
  role = new FakeRole();
  roles = [];
});

const actionsWith = (startFor: ActionsProps["builds"]["startFor"] = jest.fn()) =>
  new Actions({
    scope,
    endpoint: () => "http://127.0.0.1:1",
    builds: { startFor },
    connect: async (roleArn) => {
      roles.push(roleArn);
      return role;
    },
  });

function job(
  category: string,
  provider: string,
  configuration: Record<string, string>,
  changes: object = {},
) {
  const action = {
    name: "it",
    actionTypeId: { category, owner: "AWS", provider, version: "1" },
    configuration,
  } as ActionJob["action"];
  return { pipeline, action, configuration, inputs: [], outputs: [], tell: jest.fn(), ...changes };
}

const signal = new AbortController().signal;

describe("a source", () => {
  const github = { Owner: "acme", Repo: "app", Branch: "feature/x", OAuthToken: "made-up" };
  const connection = {
    ConnectionArn: "arn:connection",
    FullRepositoryId: "acme/app",
    BranchName: "feature/x",
  };
  const codecommit = { RepositoryName: "acme/app", BranchName: "feature/x" };
  const fetch = (provider: string, configuration: Record<string, string>, changes: object = {}) =>
    actionsWith().perform(
      job("Source", provider, configuration, { outputs: [artifact("Source")], ...changes }),
      signal,
    );
  beforeEach(() => {
    role.objects.set("local-aws-sources/acme/app/feature/x.zip", Buffer.from("zip"));
    role.metadata = { commit: "c0ffee", message: "Gr%C3%BC%C3%9Fe%20%E2%98%82%0Aand%20more", author: "ada" };
  });
  const message = "Grüße ☂\nand more";
  const date = new Date(1_700_000_000_000).toISOString();

  test.each<[string, Record<string, string>, object, object]>([
    [
      "GitHub",
      github,
      {
        RepositoryName: "app",
        CommitUrl: "https://github.com/acme/app/commit/c0ffee",
        CommitterDate: date,
      },
      { summary: message, url: "https://github.com/acme/app/commit/c0ffee" },
    ],
    [
      "CodeStarSourceConnection",
      connection,
      {
        FullRepositoryName: "acme/app",
        ConnectionArn: "arn:connection",
        AuthorId: "ada",
        AuthorDisplayName: "ada",
        ProviderType: "GitHub",
      },
      { summary: JSON.stringify({ ProviderType: "GitHub", CommitMessage: message }) },
    ],
    ["CodeCommit", codecommit, { RepositoryName: "acme/app", CommitterDate: date }, { summary: message }],
  ])("of %s is what was handed in for its branch, with the variables of its kind", async (...given) => {
    const [provider, configuration, variables, revision] = given;
    expect(await fetch(provider, configuration)).toEqual({
      variables: {
        AuthorDate: date,
        BranchName: "feature/x",
        CommitId: "c0ffee",
        CommitMessage: message,
        ...variables,
      },
      revision: { id: "c0ffee", created: 1_700_000_000, ...revision },
    });
    expect(role.objects.get("artifacts/main/Source/x")?.toString()).toBe("zip");
    expect(roles).toEqual(["arn:aws:iam::111111111111:role/pipeline"]);
  });

  test("that was put by hand goes by its sum, and its message is as it was put", async () => {
    role.metadata = { message: "50% done" };
    const { revision, variables } = await fetch("CodeCommit", codecommit);
    expect([revision?.id, variables?.CommitMessage]).toEqual(["e7a9", "50% done"]);
  });

  test("that nobody has handed in fails, and says where it goes", async () => {
    await expect(fetch("CodeCommit", { ...codecommit, BranchName: "main" })).rejects.toThrow(
      "Local AWS has no source for the branch main of acme/app: put it, as a ZIP, at s3://local-aws-sources/acme/app/main.zip",
    );
  });

  test("fails when it is another commit than was asked for", async () => {
    await fetch("CodeCommit", codecommit, { commit: "c0ffee" });
    await expect(fetch("CodeCommit", codecommit, { commit: "bad" })).rejects.toThrow(
      "The commit bad is not there: the source at s3://local-aws-sources/acme/app/feature/x.zip is commit c0ffee",
    );
  });

  test.each<[string, Record<string, string>, string]>([
    ["S3", {}, "Local AWS does not fetch sources of S3"],
    [
      "CodeCommit",
      { ...codecommit, OutputArtifactFormat: "CODEBUILD_CLONE_REF" },
      "no repository that a build could clone",
    ],
  ])("of %s that cannot be had fails", async (provider, configuration, expected) => {
    await expect(fetch(provider, configuration)).rejects.toThrow(expected);
  });

  test("of GitHub fails with the token that AWS shows in place of one", async () => {
    await expect(fetch("GitHub", { ...github, OAuthToken: "****" })).rejects.toThrow(
      'Could not access the GitHub repository: "acme/app". The access token might be invalid',
    );
  });

  test("is there when all of a pipeline's have been handed in", async () => {
    const source = (configuration: object) => ({
      name: JSON.stringify(configuration).length.toString(),
      actionTypeId: { category: "Source", owner: "AWS", provider: "CodeCommit", version: "1" },
      configuration,
    });
    const has = (...configurations: object[]) =>
      actionsWith().hasSources(
        declaration.parse({ ...pipeline, stages: [{ name: "Source", actions: configurations.map(source) }] }),
        signal,
      );
    expect(await has(codecommit)).toBe(true);
    expect(await has(codecommit, { ...codecommit, BranchName: "main" })).toBe(false);
  });
});

describe("a build", () => {
  let started: { input: StartBuildInput; handover: Handover; scope: object } | undefined;
  const run = {
    status: "SUCCEEDED",
    exported: [{ name: "TAG", value: "v1" }],
    phases: [] as object[],
    done: Promise.resolve(),
    stop: jest.fn(),
  };
  const startFor = ((given: object, input: StartBuildInput, handover: Handover) => {
    started = { scope: given, input, handover };
    return { id: "p:1", arn: "arn:build", url: "https://console/p:1", run };
  }) as unknown as ActionsProps["builds"]["startFor"];
  const start = (configuration: Record<string, string>, changes: object = {}, by = startFor) =>
    actionsWith(by).perform(
      job("Build", "CodeBuild", { ProjectName: "p", ...configuration }, changes),
      signal,
    );
  beforeEach(() => {
    started = undefined;
    run.stop.mockClear();
    Object.assign(run, { status: "SUCCEEDED", phases: [] });
  });

  test("gets its inputs, the primary one first, its variables and its outputs", async () => {
    const tell = jest.fn();
    const environment = [{ name: "HASH", value: "abc", type: "PLAINTEXT" }];
    const result = await start(
      { PrimarySource: "Code", EnvironmentVariables: JSON.stringify(environment) },
      { inputs: [artifact("Plan", "c0ffee"), artifact("Code", "c0ffee")], outputs: [artifact("Out")], tell },
    );
    expect(started).toMatchObject({
      scope,
      input: {
        projectName: "p",
        sourceVersion: "arn:aws:s3:::artifacts/main/Code/x",
        environmentVariablesOverride: environment,
      },
      handover: {
        initiator: "codepipeline/main",
        sources: [
          { identifier: undefined, version: "arn:aws:s3:::artifacts/main/Code/x" },
          { identifier: "Plan", version: "arn:aws:s3:::artifacts/main/Plan/x" },
        ],
        targets: [{ identifier: undefined }],
      },
    });
    expect(tell).toHaveBeenCalledWith({ id: "p:1", url: "https://console/p:1" });
    expect(result).toEqual({ variables: { TAG: "v1" } });
  });

  test("has its artifacts brought from S3, and what it makes put there, as a ZIP", async () => {
    const folder = mkdtempSync(join(tmpdir(), "slipway-test-"));
    try {
      role.objects.set("artifacts/main/Code/x", Buffer.from(zipSync({ a: Buffer.from("given") })));
      await start({}, { inputs: [artifact("Code", "c0ffee")], outputs: [artifact("One"), artifact("Two")] });
      const { sources, targets } = started!.handover;
      expect(await sources[0].bring(folder, role, signal)).toBe("c0ffee");
      expect(readFileSync(join(folder, "a"), "utf8")).toBe("given");
      expect(targets.map(({ identifier }) => identifier)).toEqual(["One", "Two"]);
      writeFileSync(join(folder, "b"), "made");
      const files = [{ path: "b", file: join(folder, "b") }];
      await targets[1]!.take({ files, scratch: folder }, role, signal);
      expect(role.objects.get("artifacts/main/Two/x")?.subarray(0, 2).toString()).toBe("PK");
    } finally {
      rmSync(folder, { recursive: true });
      rmSync(`${folder}.zip`, { force: true });
    }
  });

  test("of a role in another account runs there", async () => {
    const configuration = { ProjectName: "p" };
    const { action } = job("Build", "CodeBuild", configuration);
    const elsewhere = { ...action, roleArn: "arn:aws:iam::222222222222:role/x", region: "us-east-1" };
    await start({}, { inputs: [artifact("Code")], action: elsewhere });
    expect(started?.scope).toEqual({ account: "222222222222", region: "us-east-1" });
  });

  test("that fails tells its first failed phase", async () => {
    const contexts = [
      { statusCode: "COMMAND_EXECUTION_ERROR", message: "Error while executing command: false" },
    ];
    Object.assign(run, {
      status: "FAILED",
      phases: [
        { phaseType: "QUEUED", phaseStatus: "SUCCEEDED" },
        { phaseType: "BUILD", phaseStatus: "FAILED", contexts },
      ],
    });
    await expect(start({}, { inputs: [artifact("Code")] })).rejects.toMatchObject({
      code: "JobFailed",
      message:
        "Build terminated with state: FAILED. Phase: BUILD, Code: COMMAND_EXECUTION_ERROR, Message: Error while executing command: false",
    });
  });

  test("of a project that is not there fails in AWS's words", async () => {
    const missing = () => {
      throw new AwsError("ResourceNotFoundException", "Project cannot be found: arn:p");
    };
    await expect(start({}, { inputs: [artifact("Code")] }, missing)).rejects.toMatchObject({
      code: "ConfigurationError",
      message: expect.stringMatching(
        /^Error calling startBuild: Project cannot be found: arn:p \(Service: AWSCodeBuild; Status Code: 400; Error Code: ResourceNotFoundException; /,
      ),
    });
  });

  test("is not started where the pipeline's role may not, and comes to nothing where it may not look at it", async () => {
    role.denied.add("CodeBuild_20161006.BatchGetBuilds");
    await expect(start({}, { inputs: [artifact("Code")] })).rejects.toMatchObject({
      code: "ConfigurationError",
      message: expect.stringMatching(/^Error calling batchGetBuilds: no right to .*AccessDeniedException/),
    });
    expect([started !== undefined, run.stop.mock.calls.length]).toEqual([true, 1]);
    started = undefined;
    role.denied.add("CodeBuild_20161006.StartBuild");
    await expect(start({}, { inputs: [artifact("Code")] })).rejects.toMatchObject({
      code: "ConfigurationError",
      message: expect.stringMatching(/^Error calling startBuild: no right to .*AccessDeniedException/),
    });
    expect(started).toBeUndefined();
  });

  test("is stopped when nobody waits for it any more", async () => {
    const abort = new AbortController();
    let end = () => {};
    Object.assign(run, { done: new Promise<void>((done) => (end = done)) });
    const building = actionsWith(startFor).perform(
      job("Build", "CodeBuild", { ProjectName: "p" }, { inputs: [artifact("Code")] }),
      abort.signal,
    );
    await new Promise(setImmediate);
    expect(run.stop).not.toHaveBeenCalled();
    abort.abort();
    expect(run.stop).toHaveBeenCalledTimes(1);
    end();
    await building;
  });

  test.each<[string, Record<string, string>, string]>([
    [
      "two inputs, and none said to be the primary one",
      {},
      "PrimarySource of the action it must name one of",
    ],
    ["a primary one that is none of them", { PrimarySource: "C" }, "(A, B), not C"],
    ["variables that are no JSON", { PrimarySource: "A", EnvironmentVariables: "{" }, "must be a JSON array"],
    ["a batch", { PrimarySource: "A", BatchEnabled: "true" }, "Local AWS runs no batches"],
  ])("is not started with %s", async (_, configuration, message) => {
    await expect(start(configuration, { inputs: [artifact("A"), artifact("B")] })).rejects.toThrow(message);
    expect(started).toBeUndefined();
  });
});

test("an action that Local AWS does not know fails, and says so", async () => {
  await expect(actionsWith().perform(job("Deploy", "S3", {}), signal)).rejects.toThrow(
    "Local AWS does not run actions of AWS S3 (Deploy)",
  );
});
