import { AwsError, OWN_AGENT, type RequestHead } from "../../../tools/local-aws/aws-request";
import { Faults, readFaults } from "../../../tools/local-aws/faults";
import { Actions } from "../../../tools/local-aws/pipelines/actions";
import type { ActionJob } from "../../../tools/local-aws/pipelines/execution";
import type { Build, Handover } from "../../../tools/local-aws/services/codebuild-builds";
import { declaration } from "../../../tools/local-aws/services/pipeline-structure";
import { UserError } from "../../../tools/project";
import { FakeRole } from "./fake-role";
import { Bed } from "./upstream";

describe("faults as a user writes them", () => {
  test("are read together", () => {
    expect(readFaults(["throttle=0.1", "duplicate-events", "kill=Unit tests", "seed=7"])).toEqual({
      throttle: 0.1,
      duplicateEvents: true,
      kill: "Unit tests",
      seed: 7,
    });
    expect(readFaults([])).toEqual({});
  });

  test.each([
    "throttle",
    "throttle=",
    "throttle=1",
    "throttle=-1",
    "throttle=10%",
    "duplicate-events=yes",
  ])("%s is refused, with what is allowed", (fault) => {
    expect(() => readFaults([fault])).toThrow(UserError);
    expect(() => readFaults([fault])).toThrow(/^--fault .*Allowed are throttle=SHARE/s);
  });

  test.each([
    "kill",
    "kill=",
    "seed=x",
    "seed=1.5",
    "latency=3",
    "constructor=1",
    "",
  ])("%s is refused", (fault) => {
    expect(() => readFaults([fault])).toThrow(UserError);
  });
});

describe("throttling", () => {
  const head = (more: Partial<RequestHead> = {}): RequestHead => ({
    method: "POST",
    url: new URL("http://local-aws/"),
    headers: {},
    service: "logs",
    region: "eu-west-1",
    accessKey: "ASIAROLE",
    api: "Logs_20140328",
    operation: "PutLogEvents",
    form: false,
    ...more,
  });
  const refused = (faults: Faults, more: Partial<RequestHead> = {}) => {
    try {
      faults.throttle(head(more));
      return undefined;
    } catch (error) {
      return error as AwsError;
    }
  };
  const run = (faults: Faults, count = 2000) => Array.from({ length: count }, () => Boolean(refused(faults)));

  test("refuses its share of what roles ask", () => {
    const share = run(new Faults({ throttle: 0.1 })).filter(Boolean).length / 2000;
    expect(share).toBeGreaterThan(0.07);
    expect(share).toBeLessThan(0.13);
  });

  test("refuses the same again with the same seed, and others with another", () => {
    const one = run(new Faults({ throttle: 0.5, seed: 7 }), 100);
    expect(run(new Faults({ throttle: 0.5, seed: 7 }), 100)).toEqual(one);
    expect(run(new Faults({ throttle: 0.5, seed: 8 }), 100)).not.toEqual(one);
  });

  test("refuses neither the user, nor what Local AWS asks itself, nor anything without the fault", () => {
    const faults = new Faults({ throttle: 0.9 });
    for (const more of [
      { accessKey: "local" },
      { accessKey: "" },
      { headers: { "user-agent": `x ${OWN_AGENT}` } },
    ])
      for (let count = 0; count < 50; count++) expect(refused(faults, more)).toBeUndefined();
    expect(run(new Faults()).some(Boolean)).toBe(false);
  });

  test.each<[string, Partial<RequestHead>, string, number]>([
    ["JSON", {}, "ThrottlingException", 400],
    ["query", { api: "", service: "iam", form: true }, "Throttling", 400],
    ["EC2", { api: "", service: "ec2", form: true }, "RequestLimitExceeded", 503],
    ["S3", { api: "", service: "s3" }, "SlowDown", 503],
    ["paths", { api: "", service: "lambda" }, "TooManyRequestsException", 429],
  ])("answers by the protocol of %s", (_, more, code, status) => {
    const faults = new Faults({ throttle: 0.9 });
    const error = Array.from({ length: 50 }, () => refused(faults, more)).find(Boolean);
    expect(error).toBeInstanceOf(AwsError);
    expect([error?.code, error?.status]).toEqual([code, status]);
  });
});

describe("the fault kill", () => {
  const pipeline = declaration.parse({
    name: "main",
    roleArn: "arn:aws:iam::111111111111:role/pipeline",
    artifactStore: { type: "S3", location: "artifacts" },
    stages: [],
  });
  const job = (name: string) =>
    ({
      pipeline,
      action: {
        name,
        actionTypeId: { category: "Build", owner: "AWS", provider: "CodeBuild", version: "1" },
      },
      configuration: { ProjectName: "it" },
      inputs: [{ name: "Code", bucket: "artifacts", key: "x" }],
      outputs: [],
      tell() {},
    }) as unknown as ActionJob;

  test("kills the first build of its action while it works, and no other", async () => {
    const stopped: string[] = [];
    let builds = 0;
    const startFor = (_scope: unknown, _input: unknown, { entered }: Handover) => {
      const id = `build-${++builds}`;
      const run = { status: "SUCCEEDED", phases: [], exported: [], stop: () => stopped.push(id) };
      const done = Promise.resolve().then(() => {
        for (const phase of ["INSTALL", "BUILD", "POST_BUILD"]) entered?.(phase);
      });
      return { id, arn: id, url: "", run: { ...run, done } } as unknown as Build;
    };
    const actions = new Actions({
      scope: { account: "111111111111", region: "eu-west-1" },
      endpoint: () => "",
      builds: { startFor },
      faults: new Faults({ kill: "Test" }),
      connect: async () => new FakeRole(),
    });
    for (const name of ["Lint", "Test", "Test"])
      await actions.perform(job(name), new AbortController().signal);
    expect(stopped).toEqual(["build-2"]);
  });
});

test("without faults, a role's requests go through the endpoint as ever", async () => {
  const bed = await new Bed().start();
  const key = await bed.assumeRole();
  for (let count = 0; count < 20; count++)
    expect((await bed.call("CodePipeline_20150709.ListPipelines", {}, { key })).status).toBe(200);
  await bed.stop();
});
