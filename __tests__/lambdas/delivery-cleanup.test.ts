import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import {
  CodePipelineClient,
  type PipelineExecutionSummary,
  PipelineNotFoundException,
} from "@aws-sdk/client-codepipeline";
import { ECRClient, type ImageFailure } from "@aws-sdk/client-ecr";
import { ClusterNotFoundException, ECSClient, type Failure, type Service } from "@aws-sdk/client-ecs";
import { S3Client } from "@aws-sdk/client-s3";
import { STSClient } from "@aws-sdk/client-sts";
import type { Context } from "aws-lambda";
import { handler } from "../../lambdas/delivery-cleanup";
import { cleanUp, type Task } from "../../lambdas/delivery-cleanup/cleanup";

const NOW = new Date("2026-11-21T06:00:00Z");
const HOUR = 60 * 60 * 1000;
const hoursAgo = (hours: number) => new Date(NOW.getTime() - hours * HOUR);
const daysAgo = (days: number) => hoursAgo(24 * days);

const BUCKET = "hello-artifacts-111111111111-eu-west-1";
const REGISTRY = "111111111111.dkr.ecr.eu-west-1.amazonaws.com";
const planRole = (environment: string) => `arn:aws:iam::222222222222:role/hello-${environment}-plan`;
const environment = (name: string) => ({
  region: "eu-west-1",
  cluster: `hello-${name}`,
  planRole: planRole(name),
});

const TASK: Task = {
  pipelines: ["hello-main"],
  artifactBucket: BUCKET,
  repositories: { web: "hello/web" },
  environments: [environment("dev"), environment("prod")],
  keepHours: 24,
  keepImages: 1,
  keepDays: 30,
};

interface FakeAction {
  readonly name: string;
  readonly inputs?: readonly string[];
  readonly outputs?: readonly string[];
  readonly bucket?: string;
}
interface FakeExecution {
  readonly id: string;
  readonly status: PipelineExecutionSummary["status"] | "Paused";
  readonly changed: Date;
  readonly commit?: string;
  readonly actions?: readonly FakeAction[];
}
interface FakeVersion {
  readonly Key: string;
  readonly VersionId: string;
  readonly deleted?: boolean;
}
interface FakeImage {
  readonly digest: string;
  readonly tags?: readonly string[];
  readonly pushed: Date;
}
interface FakeCluster {
  readonly services: Readonly<Record<string, Service>>;
  /** @default - what is not there is MISSING */
  readonly failures?: readonly Failure[];
}
/** What a fake is asked, as loosely as the fake needs it. */
type Input = Readonly<Record<string, never>>;

const error = (name: string, message: string) => Object.assign(new Error(message), { name });

/** As much of AWS as the clean-up meets, with pages of two. */
class FakeAws {
  pipelines: Record<string, FakeExecution[]> = { "hello-main": [] };
  versions: FakeVersion[] = [];
  images: Record<string, FakeImage[]> = { "hello/web": [] };
  /** By plan role. */
  clusters: Record<string, FakeCluster> = {};
  taskDefinitions: Record<string, string> = {};
  imageFailures: ImageFailure[] = [];
  /** Throws what AWS would. */
  refuse: (operation: string, input: Readonly<Record<string, unknown>>) => void = () => {};
  readonly asked: string[] = [];
  pageSize = 2;

  readonly clients = {
    codepipeline: this.asClient(new CodePipelineClient({ region: "eu-west-1" })),
    s3: this.asClient(new S3Client({ region: "eu-west-1" })),
    ecr: this.asClient(new ECRClient({ region: "eu-west-1" })),
    sts: this.asClient(new STSClient({ region: "eu-west-1" })),
    ecs: (region: string, { accessKeyId }: { accessKeyId: string }) =>
      this.asClient(new ECSClient({ region }), accessKeyId),
  };

  /** An execution that ended, with a plan of an environment that is stored with two versions. */
  addExecution(id: string, status: FakeExecution["status"], changed: Date, commit?: string): void {
    const key = `hello-main/Plan_prod/${id}`;
    this.pipelines["hello-main"]!.push({
      id,
      status,
      changed,
      commit,
      actions: [
        { name: "install", outputs: [`hello-main/Install/${id}`] },
        { name: "plan-prod", inputs: [`hello-main/Build/${id}`], outputs: [key] },
      ],
    });
    this.store(`hello-main/Install/${id}`, `hello-main/Build/${id}`, key, key);
  }

  store(...keys: string[]): void {
    for (const Key of keys) this.versions.push({ Key, VersionId: `v${this.versions.length}` });
  }

  /** A service of an environment, whose tasks are made of an image. */
  run(name: string, image: string, place: "service" | "deployment" | "taskSet" = "service"): void {
    const taskDefinition = `arn:aws:ecs:eu-west-1:222222222222:task-definition/hello-${name}-web:7`;
    this.taskDefinitions[taskDefinition] = image;
    const web = {
      service: { taskDefinition },
      deployment: { deployments: [{ taskDefinition }] },
      taskSet: { taskSets: [{}, { taskDefinition }] },
    }[place];
    this.clusters[planRole(name)] = { services: { web } };
  }

  get keys(): string[] {
    return [...new Set(this.versions.map(({ Key }) => Key))];
  }

  get digests(): string[] {
    return this.images["hello/web"]!.map(({ digest }) => digest);
  }

  private asClient<C extends { send: unknown }>(client: C, as = ""): C {
    return Object.assign(client, {
      send: async ({ constructor: { name }, input }: { constructor: { name: string }; input: Input }) => {
        const operation = name.replace(/Command$/, "");
        this.asked.push(operation);
        this.refuse(operation, { ...input, as });
        return this.answer(operation, input, as);
      },
    });
  }

  private answer(operation: string, input: Input, as: string): unknown {
    switch (operation) {
      case "ListPipelineExecutions":
        return this.listExecutions(input);
      case "ListActionExecutions":
        return this.listActions(input);
      case "ListObjectVersions":
        return this.listVersions(input);
      case "DeleteObjects":
        return this.deleteVersions(input);
      case "DescribeImages":
        return this.describeImages(input);
      case "BatchDeleteImage":
        return this.deleteImages(input);
      case "AssumeRole":
        return { Credentials: { AccessKeyId: input.RoleArn, SecretAccessKey: "s", SessionToken: "t" } };
      case "DescribeServices":
        return this.describeServices(input, as);
      case "DescribeTaskDefinition":
        return {
          taskDefinition: { containerDefinitions: [{ image: this.taskDefinitions[input.taskDefinition!] }] },
        };
      default:
        throw new Error(`The fake does not know ${operation}`);
    }
  }

  private page<T>(items: readonly T[], token: string | undefined) {
    const from = Number(token ?? 0);
    const next = from + this.pageSize;
    return { items: items.slice(from, next), next: next < items.length ? String(next) : undefined };
  }

  private listExecutions({ pipelineName, nextToken }: Input) {
    const executions = this.pipelines[pipelineName!];
    if (!executions) throw new PipelineNotFoundException({ message: "No such pipeline", $metadata: {} });
    const newestFirst = executions.toSorted((a, b) => b.changed.getTime() - a.changed.getTime());
    const { items, next } = this.page(newestFirst, nextToken);
    return {
      nextToken: next,
      pipelineExecutionSummaries: items.map(({ id, status, changed, commit }) => ({
        pipelineExecutionId: id,
        status,
        lastUpdateTime: changed,
        sourceRevisions: commit ? [{ actionName: "Source", revisionId: commit }] : [],
      })),
    };
  }

  private listActions({ pipelineName, filter, nextToken }: Input) {
    const { pipelineExecutionId } = filter as unknown as { pipelineExecutionId: string };
    const { actions = [] } = this.pipelines[pipelineName!]!.find(({ id }) => id === pipelineExecutionId)!;
    const { items, next } = this.page(actions, nextToken);
    return {
      nextToken: next,
      actionExecutionDetails: items.map(({ name, inputs = [], outputs = [], bucket = BUCKET }) => {
        const located = (keys: readonly string[]) => keys.map((key) => ({ s3location: { bucket, key } }));
        return {
          actionName: name,
          input: { inputArtifacts: located(inputs) },
          output: { outputArtifacts: located(outputs) },
        };
      }),
    };
  }

  private listVersions({ Bucket, Prefix, KeyMarker }: Input) {
    const found = Bucket === BUCKET ? this.versions.filter(({ Key }) => Key.startsWith(Prefix!)) : [];
    const { items, next } = this.page(found, KeyMarker);
    return {
      Versions: items.filter(({ deleted }) => !deleted),
      DeleteMarkers: items.filter(({ deleted }) => deleted),
      IsTruncated: next !== undefined,
      NextKeyMarker: next,
    };
  }

  private deleteVersions({ Bucket, Delete }: Input) {
    const { Objects } = Delete as unknown as { Objects: { Key: string; VersionId?: string }[] };
    if (Bucket !== BUCKET || Objects.length > 1000) throw error("MalformedXML", "Too much");
    this.versions = this.versions.filter(
      (one) => !Objects.some(({ Key, VersionId }) => Key === one.Key && VersionId === one.VersionId),
    );
    return {};
  }

  private describeImages({ repositoryName, nextToken }: Input) {
    const images = this.images[repositoryName!];
    if (!images) throw error("RepositoryNotFoundException", `No repository ${repositoryName}`);
    const { items, next } = this.page(images, nextToken);
    return {
      nextToken: next,
      imageDetails: items.map(({ digest, tags, pushed }) => ({
        imageDigest: digest,
        imageTags: tags,
        imagePushedAt: pushed,
      })),
    };
  }

  private deleteImages({ repositoryName, imageIds }: Input) {
    const digests = (imageIds as unknown as { imageDigest: string }[]).map(({ imageDigest }) => imageDigest);
    if (digests.length > 100) throw error("InvalidParameterException", "At most 100");
    const failed = this.imageFailures.map(({ imageId }) => imageId!.imageDigest!);
    const goes = ({ digest }: FakeImage) => digests.includes(digest) && !failed.includes(digest);
    const gone = this.images[repositoryName!]!.filter(goes);
    this.images[repositoryName!] = this.images[repositoryName!]!.filter((one) => !goes(one));
    return {
      imageIds: gone.flatMap(({ digest, tags = [""] }) => tags.map(() => ({ imageDigest: digest }))),
      failures: this.imageFailures,
    };
  }

  private describeServices({ cluster, services }: Input, as: string) {
    const found = this.clusters[as];
    if (!found) throw new ClusterNotFoundException({ message: `No ${cluster}`, $metadata: {} });
    const names = services as unknown as string[];
    if (names.length > 10) throw error("InvalidParameterException", "At most 10");
    const missing = names.filter((name) => !found.services[name]);
    return {
      services: names.flatMap((name) => found.services[name] ?? []),
      failures: found.failures ?? missing.map((arn) => ({ arn, reason: "MISSING" })),
    };
  }
}

let aws: FakeAws;
beforeEach(() => {
  aws = new FakeAws();
});

const run = (task: Partial<Task> = {}) => cleanUp(aws.clients, { ...TASK, ...task }, NOW);

const denied = () => error("AccessDeniedException", "Not yours");

describe("plans", () => {
  test.each([
    "Failed",
    "Succeeded",
    "Stopped",
    "Superseded",
    "Cancelled",
  ] as const)("deletes the plans of an execution that ended a day ago, with all their versions: %s", async (status) => {
    aws.addExecution("old", status, hoursAgo(25));
    aws.versions.push({ Key: "hello-main/Plan_prod/old", VersionId: "marker", deleted: true });
    expect(await run()).toMatchObject({ plansDeleted: 1, problems: [] });
    expect(aws.keys).toEqual(["hello-main/Install/old", "hello-main/Build/old"]);
  });

  test("keeps those of an execution that ended less than a day ago: its stage may be retried", async () => {
    aws.addExecution("new", "Failed", hoursAgo(23));
    expect(await run()).toMatchObject({ plansDeleted: 0 });
    expect(aws.keys).toContain("hello-main/Plan_prod/new");
    expect(await run({ keepHours: 22 })).toMatchObject({ plansDeleted: 1 });
  });

  test.each([
    "InProgress",
    "Stopping",
    "Paused",
  ] as const)("keeps a plan that a running execution still needs, however old: %s", async (status) => {
    aws.addExecution("waiting", status, daysAgo(6));
    aws.addExecution("old", "Succeeded", daysAgo(7));
    aws.addExecution("other", "Succeeded", daysAgo(7));
    aws.pipelines["hello-main"]!.push({
      id: "again",
      status,
      changed: hoursAgo(1),
      actions: [{ name: "apply-prod", inputs: ["x", "hello-main/Plan_prod/old"] }],
    });
    expect(await run()).toMatchObject({ plansDeleted: 1, problems: [] });
    expect(aws.keys).toEqual(
      expect.arrayContaining(["hello-main/Plan_prod/waiting", "hello-main/Plan_prod/old"]),
    );
    expect(aws.keys).not.toContain("hello-main/Plan_prod/other");
  });

  test("deletes no plan where it cannot be told which are needed, and says so", async () => {
    aws.addExecution("running", "InProgress", hoursAgo(1));
    aws.addExecution("old", "Failed", daysAgo(2));
    aws.refuse = (operation, { filter }) => {
      if (operation === "ListActionExecutions" && JSON.stringify(filter).includes("running")) throw denied();
    };
    expect(await run()).toMatchObject({
      plansDeleted: 0,
      problems: ["The plans are not deleted: AccessDeniedException: Not yours"],
    });
    expect(aws.asked).not.toContain("DeleteObjects");
  });

  test("deletes nothing whose name only begins alike, and nothing in another bucket", async () => {
    aws.addExecution("old", "Failed", daysAgo(2));
    aws.store("hello-main/Plan_prod/older", "elsewhere/plan");
    const actions = [{ name: "plan-prod", outputs: ["elsewhere/plan"], bucket: "another" }];
    aws.pipelines["hello-main"]!.push({ id: "b", status: "Failed", changed: daysAgo(2), actions });
    expect(await run()).toMatchObject({ plansDeleted: 1 });
    expect(aws.keys).toEqual(expect.arrayContaining(["hello-main/Plan_prod/older", "elsewhere/plan"]));
  });

  test("finds all: page by page, in every pipeline, with any number of versions", async () => {
    aws.pageSize = 300;
    for (let i = 0; i < 1001; i++) aws.store("hello-old/Plan_dev/1");
    aws.pipelines["hello-old"] = [
      {
        id: "many",
        status: "Failed",
        changed: daysAgo(3),
        actions: [{ name: "plan-dev", outputs: ["hello-old/Plan_dev/1"] }],
      },
    ];
    expect(await run({ pipelines: ["hello-main", "hello-old"] })).toMatchObject({ plansDeleted: 1 });
    expect(aws.keys).toEqual([]);

    aws.pageSize = 2;
    for (let i = 0; i < 5; i++) aws.addExecution(`e${i}`, "Succeeded", daysAgo(2 + i));
    expect(await run()).toMatchObject({ plansDeleted: 5, problems: [] });
    expect(aws.keys.filter((key) => key.includes("Plan"))).toEqual([]);
  });

  test("does not read on where the bucket itself has deleted all", async () => {
    for (let i = 0; i < 10; i++) aws.addExecution(`e${i}`, "Succeeded", daysAgo(92 + 2 * i));
    expect(await run()).toMatchObject({ plansDeleted: 2 });
    // 92 and 94 days; 96 and 98: older ones are not asked for.
    expect(aws.asked.filter((operation) => operation === "ListPipelineExecutions")).toHaveLength(2);
  });

  test("does nothing twice", async () => {
    aws.addExecution("old", "Failed", daysAgo(2));
    await run();
    const left = aws.keys;
    aws.asked.length = 0;
    expect(await run()).toMatchObject({ plansDeleted: 0, problems: [] });
    expect(aws.asked).not.toContain("DeleteObjects");
    expect(aws.keys).toEqual(left);
  });

  test("one that cannot be deleted is told, and keeps no other from going", async () => {
    aws.addExecution("bad", "Failed", daysAgo(2));
    aws.addExecution("good", "Failed", daysAgo(3));
    aws.refuse = (operation, { Prefix }) => {
      if (operation === "ListObjectVersions" && String(Prefix).endsWith("bad")) throw denied();
    };
    expect(await run()).toMatchObject({
      plansDeleted: 1,
      problems: ["The plans of hello-main's execution bad are not deleted: AccessDeniedException: Not yours"],
    });
  });

  test("a version that S3 keeps is told", async () => {
    aws.addExecution("old", "Failed", daysAgo(2));
    const { s3 } = aws.clients;
    const send = s3.send.bind(s3) as (command: object) => Promise<unknown>;
    Object.assign(s3, {
      send: async (command: object) =>
        command.constructor.name === "DeleteObjectsCommand"
          ? { Errors: [{ Key: "hello-main/Plan_prod/old", Code: "InternalError", Message: "Later" }] }
          : send(command),
    });
    const { plansDeleted, problems } = await run();
    expect([plansDeleted, ...problems]).toEqual([
      0,
      expect.stringContaining("1 of the versions of hello-main/Plan_prod/old stay: InternalError: Later"),
    ]);
  });

  test("a pipeline that is not deployed yet has none", async () => {
    aws.addExecution("old", "Failed", daysAgo(2));
    expect(await run({ pipelines: ["hello-new", "hello-main"] })).toMatchObject({
      plansDeleted: 1,
      problems: [],
    });
  });
});

describe("images", () => {
  const put = (...images: FakeImage[]) => aws.images["hello/web"]!.push(...images);
  const OLD = { digest: "sha256:old", tags: ["c0ffee"], pushed: daysAgo(400) };
  beforeEach(() => {
    put({ digest: "sha256:new", tags: ["newest"], pushed: daysAgo(31) });
  });

  test("deletes what nothing needs, with all its tags, and tells why the others stay", async () => {
    aws.run("prod", `${REGISTRY}/hello/web:c0ffee`);
    aws.pipelines["hello-main"]!.push({
      id: "1",
      status: "InProgress",
      changed: hoursAgo(1),
      commit: "bead",
    });
    put(
      OLD,
      { digest: "sha256:deployed", tags: ["bead"], pushed: daysAgo(300) },
      { digest: "sha256:1", tags: ["1", "one"], pushed: daysAgo(32) },
      { digest: "sha256:2", pushed: daysAgo(33) },
      { digest: "sha256:young", tags: ["young"], pushed: daysAgo(29) },
      { digest: "sha256:younger", tags: ["younger"], pushed: daysAgo(28) },
    );
    expect(await run()).toMatchObject({
      imagesDeleted: 3,
      imagesKept: { inUse: 1, beingDeployed: 1, newest: 1, young: 1, partOfOthers: 0 },
      problems: [],
    });
    expect(aws.digests).toEqual(["sha256:old", "sha256:deployed", "sha256:young", "sha256:younger"]);
  });

  test.each([
    ["its tag", `${REGISTRY}/hello/web:c0ffee`],
    ["its digest", `${REGISTRY}/hello/web@sha256:old`],
    ["its digest beside a tag", `${REGISTRY}/hello/web:another@sha256:old`],
    ["its tag beside a digest", `${REGISTRY}/hello/web:c0ffee@sha256:another`],
  ])("keeps the image that production runs, however old, told by %s", async (_, image) => {
    put(OLD);
    aws.run("prod", image);
    await run();
    expect(aws.digests).toContain("sha256:old");
  });

  test.each(["deployment", "taskSet"] as const)("keeps the image of a %s", async (place) => {
    put(OLD);
    aws.run("dev", `${REGISTRY}/hello/web@sha256:old`, place);
    await run();
    expect(aws.digests).toContain("sha256:old");
  });

  test.each([
    "InProgress",
    "Stopping",
  ] as const)("keeps the image of the commit that is being deployed: %s", async (status) => {
    put(OLD);
    aws.addExecution("running", status, daysAgo(5), "c0ffee");
    await run();
    expect(aws.digests).toContain("sha256:old");
  });

  test("an image that ran, or a tag in another repository, keeps none", async () => {
    put(OLD);
    aws.addExecution("over", "Succeeded", daysAgo(5), "c0ffee");
    aws.run("dev", `${REGISTRY}/hello/other:c0ffee`);
    aws.run("prod", "public.ecr.aws/docker/library/node:22-alpine");
    expect(await run()).toMatchObject({ imagesDeleted: 1 });
    expect(aws.digests).toEqual(["sha256:new"]);
  });

  test("looks at each environment with its own role", async () => {
    const roles: unknown[] = [];
    aws.refuse = (operation, { as, cluster }) => {
      if (operation === "DescribeServices") roles.push([cluster, as]);
    };
    await run();
    expect(roles).toEqual([
      ["hello-dev", planRole("dev")],
      ["hello-prod", planRole("prod")],
    ]);
  });

  test.each([
    "AssumeRole",
    "DescribeServices",
    "DescribeTaskDefinition",
  ])("deletes no image when an environment cannot be read, and the plans all the same: %s", async (failing) => {
    put(OLD);
    aws.addExecution("old", "Failed", daysAgo(2));
    aws.run("dev", `${REGISTRY}/hello/web:other`);
    aws.refuse = (operation) => {
      if (operation === failing) throw denied();
    };
    expect(await run({ environments: [environment("dev")] })).toMatchObject({
      plansDeleted: 1,
      imagesDeleted: 0,
      problems: [
        "No image is deleted, because it cannot be told what hello-dev runs: AccessDeniedException: Not yours",
      ],
    });
    expect(aws.digests).toContain("sha256:old");
  });

  test("deletes no image when ECS does not say what a service runs", async () => {
    put(OLD);
    aws.clusters[planRole("prod")] = { services: {}, failures: [{ arn: "web", reason: "ACCESS" }] };
    const { imagesDeleted, problems } = await run();
    expect([imagesDeleted, ...problems]).toEqual([
      0,
      expect.stringContaining("ECS does not describe web: ACCESS"),
    ]);
  });

  test("neither images nor plans go where a pipeline's executions cannot be read", async () => {
    put(OLD);
    aws.addExecution("old", "Failed", daysAgo(2), "c0ffee");
    aws.refuse = (operation) => {
      if (operation === "ListPipelineExecutions") throw denied();
    };
    expect(await run()).toMatchObject({
      plansDeleted: 0,
      imagesDeleted: 0,
      problems: [expect.stringContaining("No plan and no image is deleted")],
    });
    expect(aws.digests).toContain("sha256:old");
  });

  test("a service that is not there runs nothing, and any number of services is asked for", async () => {
    put(OLD);
    aws.clusters[planRole("prod")] = { services: {} };
    const names = Array.from({ length: 11 }, (_, index) => `s${index}`);
    for (const name of names) aws.images[`hello/${name}`] = [];
    const repositories = Object.fromEntries([...names, "web"].map((name) => [name, `hello/${name}`]));
    expect(await run({ repositories })).toMatchObject({ imagesDeleted: 1, problems: [] });
  });

  test("deletes any number", async () => {
    for (let i = 0; i < 250; i++) put({ digest: `sha256:${i}`, tags: [`t${i}`], pushed: daysAgo(40) });
    expect(await run()).toMatchObject({ imagesDeleted: 250, problems: [] });
    expect(await run()).toMatchObject({ imagesDeleted: 0, imagesKept: { newest: 1 } });
  });

  test("one that others consist of stays, and what failed is told", async () => {
    const old = ["part", "gone", "broken"].map((name) => ({
      digest: `sha256:${name}`,
      pushed: daysAgo(40),
    }));
    put(...old, OLD);
    const failure = (name: string, failureCode: ImageFailure["failureCode"]) => ({
      imageId: { imageDigest: `sha256:${name}` },
      failureCode,
      failureReason: "So it is",
    });
    aws.imageFailures = [
      failure("part", "ImageReferencedByManifestList"),
      failure("gone", "ImageNotFound"),
      failure("broken", "KmsError"),
    ];
    expect(await run()).toMatchObject({
      imagesDeleted: 1,
      imagesKept: { partOfOthers: 1 },
      problems: ["An image of hello/web is not deleted: sha256:broken: KmsError: So it is"],
    });
  });

  test("a repository that cannot be read keeps no other from being tidied", async () => {
    put(OLD);
    expect(await run({ repositories: { api: "hello/api", web: "hello/web" } })).toMatchObject({
      imagesDeleted: 1,
      problems: [
        "The images of hello/api are not deleted: RepositoryNotFoundException: No repository hello/api",
      ],
    });
  });

  test("no environment is asked where there is no service", async () => {
    expect(await run({ repositories: {} })).toMatchObject({ imagesDeleted: 0, problems: [] });
    expect(aws.asked).not.toContain("AssumeRole");
  });
});

describe("the function", () => {
  const variables = {
    PIPELINES: "[]",
    ARTIFACT_BUCKET: BUCKET,
    REPOSITORIES: "{}",
    ENVIRONMENTS: "[]",
    KEEP_HOURS: "24",
    KEEP_IMAGES: "30",
    KEEP_DAYS: "30",
  };
  let written: string[];
  let server: Server | undefined;
  const { env } = process;
  beforeEach(() => {
    process.env = { ...env, ...variables, AWS_REGION: "eu-west-1" };
    written = [];
    jest.spyOn(process.stdout, "write").mockImplementation((text) => written.push(String(text)) > 0);
  });
  afterEach(() => {
    jest.restoreAllMocks();
    process.env = env;
    server?.closeAllConnections();
    server?.close();
  });
  const invoke = () => handler({}, { awsRequestId: "2f1f7c1e" } as Context);
  const logged = () => written.filter((line) => line.includes("Cleaned up")).map((line) => JSON.parse(line));

  test("answers, and logs in one line, what it did", async () => {
    expect(await invoke()).toMatchObject({ plansDeleted: 0, imagesDeleted: 0, problems: [] });
    expect(logged()).toEqual([
      expect.objectContaining({
        service: "delivery-cleanup",
        function_request_id: "2f1f7c1e",
        plansDeleted: 0,
        imagesKept: { inUse: 0, beingDeployed: 0, newest: 0, young: 0, partOfOthers: 0 },
        problemCount: 0,
      }),
    ]);
  });

  test("fails at the end where something could not be done, and has told it", async () => {
    server = createServer((request, response) => {
      request.resume();
      response.writeHead(400, { "x-amzn-errortype": "AccessDeniedException" }).end('{"message":"Not yours"}');
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    Object.assign(process.env, {
      PIPELINES: '["hello-main"]',
      AWS_ENDPOINT_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      AWS_ACCESS_KEY_ID: "local",
      AWS_SECRET_ACCESS_KEY: "local",
    });
    await expect(invoke()).rejects.toThrow(
      /^Not everything is cleaned up\.\nNo plan and no image is deleted.*AccessDeniedException: Not yours$/,
    );
    expect(logged()).toMatchObject([{ problemCount: 1, problems: [expect.stringContaining("Not yours")] }]);
  });

  test.each([
    ["KEEP_HOURS", "0"],
    ["KEEP_IMAGES", "many"],
    ["PIPELINES", "hello-main"],
    ["ENVIRONMENTS", '[{"region":"eu-west-1"}]'],
    ["ARTIFACT_BUCKET", ""],
  ])("fails when its variable %s is %j, and names it", async (variable, value) => {
    process.env[variable] = value;
    await expect(invoke()).rejects.toThrow(new RegExp(`environment variables are wrong[^]*${variable}`));
  });
});
