import { once } from "node:events";
import { linkSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { zipSync } from "fflate";
import { type BuildSource, s3Source } from "../../../tools/local-aws/builds/exchange";
import { Actions, type ActionsProps } from "../../../tools/local-aws/pipelines/actions";
import type { ActionJob, Artifact } from "../../../tools/local-aws/pipelines/execution";
import {
  type Inputs,
  type Instead,
  type Question,
  type Reusable,
  Reuse,
} from "../../../tools/local-aws/pipelines/reuse";
import type { Project } from "../../../tools/local-aws/services/codebuild-project";
import { FakeRole } from "./fake-role";

const scope = { account: "111111111111", region: "eu-west-1" };
const signal = new AbortController().signal;
const BUILDSPEC = JSON.stringify({
  version: 0.2,
  phases: { build: { commands: ["make"] } },
  artifacts: { files: ["**/*"], "enable-symlinks": "yes" },
});

let role: FakeRole;
let server: Server;
let grants: string;
let project: Record<string, unknown>;
let run: number;
let inputs: (question: Question) => Promise<Inputs | undefined>;
let reused: (readonly [string, number])[];
let reuse: Reuse;
beforeEach(async () => {
  role = new FakeRole();
  grants = "s3:GetObject";
  run = 1;
  reused = [];
  inputs = async () => "all";
  project = {
    name: "lint",
    serviceRole: "arn:aws:iam::111111111111:role/lint",
    source: { type: "CODEPIPELINE", buildspec: BUILDSPEC },
    lastModified: 1,
  };
  // S3 and IAM, as far as they are asked.
  server = createServer((request, response) => {
    const url = new URL(request.url!, "http://s3");
    const place = decodeURIComponent(url.pathname.slice(1));
    if (request.method === "DELETE") {
      // Without a version, a bucket that keeps them only hides it.
      if (url.searchParams.get("versionId") === "v1") role.objects.delete(place);
      return response.writeHead(204).end();
    }
    if (request.method === "HEAD") return response.setHeader("x-amz-version-id", "v1").end();
    if (request.method === "GET") {
      const content = role.objects.get(place);
      return response.writeHead(content ? 200 : 404).end(content);
    }
    const policy = { Version: "2012-10-17", Statement: { Effect: "Allow", Action: grants, Resource: "*" } };
    const found = {
      RoleName: "lint",
      Arn: project.serviceRole,
      AssumeRolePolicyDocument: '{"Statement":[]}',
      RolePolicyList: [{ PolicyName: "grants", PolicyDocument: JSON.stringify(policy) }],
    };
    const answer = { GetAccountAuthorizationDetailsResult: { RoleDetailList: [found] } };
    return response.end(JSON.stringify({ GetAccountAuthorizationDetailsResponse: answer }));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  reuse = new Reuse({
    settings: {
      inputs: (question) => inputs(question),
      current: () => run,
      reused: (...told) => void reused.push(told),
    },
    endpoint: () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    keyOf: (account) => `LOCALAWS${account}`,
    project: () => project as unknown as Project,
  });
});
afterEach(() => {
  server.close();
  server.closeAllConnections();
});

let made = 0;
/** An artifact of these files; none where they are still to be made. */
function artifact(files?: Readonly<Record<string, string>>): Artifact {
  const key = `main/Artifact/${made++}`;
  if (files) put(key, files);
  return { name: "Artifact", bucket: "artifacts", key };
}

function put(key: string, files: Readonly<Record<string, string>>): void {
  const contents = Object.entries(files).map(([path, text]) => [path, Buffer.from(text)]);
  role.objects.set(`artifacts/${key}`, Buffer.from(zipSync(Object.fromEntries(contents), { mtime: 1e12 })));
}

const bring = ({ bucket, key }: Artifact): BuildSource => s3Source(`${bucket}/${key}`);

interface Given {
  readonly input?: Artifact;
  readonly output?: Artifact;
  readonly configuration?: Readonly<Record<string, string>>;
}

const look = ({ input = artifact({ a: "1" }), output, configuration = {} }: Given = {}, by = bring) =>
  reuse.of(
    {
      pipeline: { name: "main", roleArn: "arn:aws:iam::111111111111:role/pipeline", stages: [] },
      action: { name: "lint" },
      configuration: { ProjectName: "lint", ...configuration },
      inputs: [input],
      outputs: output ? [output] : [],
    } as unknown as ActionJob,
    scope,
    by,
  );

/** A build that runs, and succeeds. */
async function build(given?: Given, variables: Readonly<Record<string, string>> = {}): Promise<void> {
  const found = await look(given);
  if (!found || found.instead) throw new Error("It was to run.");
  found.succeeded("lint:1", variables);
  run++;
}

test("a build of the same content does not run again, gives what the other one gave, and tells of which run", async () => {
  await build({}, { IMAGE: "web" });
  const found = await look();
  expect(found?.instead?.variables).toEqual({ IMAGE: "web" });
  expect(JSON.parse(found!.instead!.buildspec).phases.build.commands).toEqual([
    "echo 'reused: same inputs as in run 1'",
  ]);
  found!.succeeded("lint:2", {});
  expect(reused).toEqual([["lint:2", 1]]);
  run = 5;
  expect((await look())?.instead?.buildspec).toContain("run 1'");
});

test.each<[string, () => Given | undefined]>([
  ["content", () => ({ input: artifact({ a: "2" }) })],
  ["variable of the action", () => ({ configuration: { EnvironmentVariables: "[]" } })],
  [
    "definition of the project",
    () => {
      project = { ...project, timeoutInMinutes: 5 };
      return {};
    },
  ],
  [
    "right of its role",
    () => {
      grants = "s3:PutObject";
      return {};
    },
  ],
])("another %s runs", async (_, change) => {
  await build();
  const found = await look(change());
  expect(found).toBeDefined();
  expect(found!.instead).toBeUndefined();
});

test("a project that was only touched is the same", async () => {
  await build();
  project = { ...project, lastModified: 2 };
  expect((await look())?.instead).toBeDefined();
});

test("a build that did not succeed is not reused", async () => {
  await look();
  expect((await look())?.instead).toBeUndefined();
});

test.each<[string, Record<string, unknown>, Record<string, string>]>([
  [
    "project's variables",
    { environment: { environmentVariables: [{ name: "TOKEN", value: "/token", type: "PARAMETER_STORE" }] } },
    {},
  ],
  [
    "buildspec",
    {
      source: {
        type: "CODEPIPELINE",
        buildspec: JSON.stringify({ version: 0.2, env: { "secrets-manager": { TOKEN: "token" } } }),
      },
    },
    {},
  ],
  [
    "action's variables",
    {},
    { EnvironmentVariables: JSON.stringify([{ name: "T", value: "t", type: "SECRETS_MANAGER" }]) },
  ],
])("a build whose %s name what is kept elsewhere always runs: it may be another by now", async (_, changes, configuration) => {
  project = { ...project, ...changes };
  expect(await look({ configuration })).toBeUndefined();
});

test("what always runs is not even looked at", async () => {
  inputs = async () => undefined;
  expect(await look()).toBeUndefined();
});

test("its output is taken over as it is, by the build's role", async () => {
  const [first, second] = [artifact({ made: "by run 1" }), artifact()];
  await build({ output: first });
  const { instead } = (await look({ output: second }))!;
  await instead!.targets![0]!.take({ files: [], scratch: "" }, role, signal);
  expect(role.objects.get(`artifacts/${second.key}`)).toEqual(role.objects.get(`artifacts/${first.key}`));
});

test("a role that may read its input no more, be it by the bucket's policy or a key's, fails as it would on AWS", async () => {
  await build();
  const input = artifact({ a: "1" });
  const { instead } = (await look({ input }))!;
  const folder = mkdtempSync(join(tmpdir(), "slipway-reuse-"));
  try {
    role.objects.delete(`artifacts/${input.key}`);
    await expect(instead!.source.bring(folder, role, signal)).rejects.toThrow(
      `error while downloading key ${input.key}, error: NoSuchKey`,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("what is built of an output that was not made again is the same, too", async () => {
  const outputs = [artifact({ made: "at nine" }), artifact({ made: "at ten" })];
  await build({ output: outputs[0] });
  await build({ input: outputs[0] });
  (await look({ output: outputs[1] }))!.succeeded("lint:3", {});
  expect((await look({ input: outputs[1] }))?.instead).toBeDefined();
});

test("outputs of older runs are removed, but what is still used of them", async () => {
  const outputs = Array.from({ length: 6 }, (_, number) => artifact({ made: `${number}` }));
  const isThere = () => outputs.map(({ key }) => role.objects.has(`artifacts/${key}`));
  await build({ output: outputs[0] });
  for (const output of outputs.slice(1)) {
    (await look())!.succeeded("lint:again", {});
    await build({ input: artifact({ a: output.key }), output });
  }
  await look();
  expect(isThere()).toEqual([true, false, false, true, true, true]);
  // Neither is what is not there any more given to anybody.
  expect((await look({ input: artifact({ a: outputs[1]!.key }) }))?.instead).toBeUndefined();
});

describe("of a build that reads some files", () => {
  const before = { "lock.json": "1", "index.ts": "old", "gone.ts": "old" };
  beforeEach(() => {
    inputs = async ({ files }) => Object.keys(await files()).filter((path) => path === "lock.json");
  });

  test("others may change: they come along, with what it added to those before", async () => {
    const left = artifact({ ...before, "node_modules/zod/index.js": "zod" });
    await build({ input: artifact(before), output: left });
    const now = { "lock.json": "1", "index.ts": "new", "added.ts": "new" };
    const { instead } = (await look({ input: artifact(now), output: artifact() }))!;
    const folder = mkdtempSync(join(tmpdir(), "slipway-reuse-"));
    try {
      await instead!.source.bring(folder, role, signal);
      const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((one) =>
        /\./.test(one),
      );
      expect(files.sort()).toEqual(["added.ts", "index.ts", "lock.json", "node_modules/zod/index.js"]);
      expect(readFileSync(join(folder, "index.ts"), "utf8")).toBe("new");
      expect(instead!.targets).toBeUndefined();
      expect(JSON.parse(instead!.buildspec).artifacts).toEqual(JSON.parse(BUILDSPEC).artifacts);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("one of these that changes has it run", async () => {
    await build({ input: artifact(before), output: artifact() });
    const input = artifact({ ...before, "lock.json": "2" });
    expect((await look({ input, output: artifact() }))?.instead).toBeUndefined();
  });

  test("what depends on all of its output runs with each change", async () => {
    const outputs = [artifact(before), artifact(before)];
    await build({ input: artifact(before), output: outputs[0] });
    (await look({ input: artifact({ ...before, "index.ts": "new" }), output: outputs[1] }))!.succeeded(
      "",
      {},
    );
    inputs = async () => "all";
    await build({ input: outputs[0] });
    expect((await look({ input: outputs[1] }))?.instead).toBeUndefined();
  });
});

test("a file that others share is never written over", async () => {
  inputs = async () => ["lock.json"];
  const home = mkdtempSync(join(tmpdir(), "slipway-reuse-"));
  const [shared, folder] = [join(home, "shared"), join(home, "build")];
  writeFileSync(shared, "everybody's");
  mkdirSync(folder);
  try {
    const left = artifact({ "lock.json": "1" });
    await build({ input: artifact({ "lock.json": "1" }), output: left });
    const linking = (one: Artifact): BuildSource =>
      one === left
        ? { url: "", version: "", bring: async (to) => void linkSync(shared, join(to, "made.ts")) }
        : bring(one);
    const input = artifact({ "lock.json": "1", "made.ts": "mine" });
    const { instead } = (await look({ input, output: artifact() }, linking))!;
    await instead!.source.bring(folder, role, signal);
    expect(readFileSync(join(folder, "made.ts"), "utf8")).toBe("mine");
    expect(readFileSync(shared, "utf8")).toBe("everybody's");
  } finally {
    rmSync(home, { recursive: true });
  }
});

describe("a pipeline's action", () => {
  const instead: Instead = {
    buildspec: "version: 0.2",
    source: { url: "", version: "", bring: async () => undefined },
    targets: [],
    variables: { IMAGE: "of run 1" },
  };
  const perform = (status: string, reusable: Reusable | undefined) => {
    const startFor = jest.fn((..._: Parameters<ActionsProps["builds"]["startFor"]>) => ({
      id: "lint:2",
      arn: "",
      url: "",
      run: { status, exported: [{ name: "IMAGE", value: "built" }], phases: [], done: Promise.resolve() },
    }));
    const actions = new Actions({
      scope,
      endpoint: () => "",
      builds: { startFor: startFor as unknown as ActionsProps["builds"]["startFor"] },
      reuse: { of: async () => reusable },
      connect: async () => role,
    });
    const job = {
      pipeline: { name: "main" },
      action: { name: "lint", actionTypeId: { category: "Build", owner: "AWS", provider: "CodeBuild" } },
      configuration: { ProjectName: "lint" },
      inputs: [artifact()],
      outputs: [artifact()],
      tell() {},
    } as unknown as ActionJob;
    return { startFor, result: actions.perform(job, signal) };
  };

  test("does what is given in its build's place, and has the variables of the one before", async () => {
    const succeeded = jest.fn();
    const { startFor, result } = perform("SUCCEEDED", { instead, succeeded });
    expect(await result).toEqual({ variables: { IMAGE: "of run 1" } });
    const [, input, handover] = startFor.mock.calls[0]!;
    expect(input.buildspecOverride).toBe("version: 0.2");
    expect([handover.sources, handover.targets]).toEqual([[instead.source], []]);
    expect(succeeded).toHaveBeenCalledWith("lint:2", { IMAGE: "of run 1" });
  });

  test("builds where nothing is given, and tells what came of it", async () => {
    const succeeded = jest.fn();
    const { startFor, result } = perform("SUCCEEDED", { succeeded });
    expect(await result).toEqual({ variables: { IMAGE: "built" } });
    expect(startFor.mock.calls[0]![1].buildspecOverride).toBeUndefined();
    expect(succeeded).toHaveBeenCalledWith("lint:2", { IMAGE: "built" });
  });

  test("that fails leaves nothing to reuse", async () => {
    const succeeded = jest.fn();
    await expect(perform("FAILED", { succeeded }).result).rejects.toThrow(
      "Build terminated with state: FAILED",
    );
    expect(succeeded).not.toHaveBeenCalled();
  });
});
