import { Engine } from "../../../tools/local-aws/pipelines/engine";
import {
  ActionFailure,
  type ActionJob,
  type ActionResult,
  type Execution,
} from "../../../tools/local-aws/pipelines/execution";
import { declaration, type Pipeline } from "../../../tools/local-aws/services/pipeline-structure";

/** An action that runs: the test says how it ends. */
interface Running {
  readonly job: ActionJob;
  readonly signal: AbortSignal;
  succeed(result?: ActionResult): Promise<void>;
  fail(message?: string): Promise<void>;
}

let running: Map<string, Running>;
let timers: { due: number; run: () => void }[];
let time: number;
let engine: Engine;
beforeEach(() => {
  running = new Map();
  timers = [];
  time = 1000;
});
afterEach(() => engine.end());

const settle = () => new Promise(setImmediate);

const clock = {
  now: () => ++time,
  after(milliseconds: number, run: () => void) {
    const timer = { due: milliseconds, run };
    timers.push(timer);
    return () => {
      timers = timers.filter((one) => one !== timer);
    };
  },
};

const perform = (job: ActionJob, signal: AbortSignal) =>
  new Promise<ActionResult>((done, fail) => {
    const { name } = job.action;
    const ends = (end: () => void) => {
      running.delete(name);
      end();
      return settle() as Promise<void>;
    };
    signal.addEventListener("abort", () => fail(new Error("ended")));
    running.set(name, {
      job,
      signal,
      succeed: (result = {}) => ends(() => done(result)),
      fail: (message = "broken") => ends(() => fail(new ActionFailure("JobFailed", message))),
    });
  });

const ROLE = "arn:aws:iam::111111111111:role/pipeline";
const type = (category: string, provider: string) => ({ category, owner: "AWS", provider, version: "1" });
const source = {
  name: "Source",
  actions: [
    {
      name: "Fetch",
      actionTypeId: type("Source", "CodeCommit"),
      namespace: "Source",
      outputArtifacts: [{ name: "Code" }],
    },
  ],
};
const build = (name: string, changes: object = {}) => ({
  name,
  actionTypeId: type("Build", "CodeBuild"),
  inputArtifacts: [{ name: "Code" }],
  configuration: { ProjectName: name },
  ...changes,
});
const ask = (name: string, configuration?: object) => ({
  name,
  actionTypeId: type("Approval", "Manual"),
  configuration,
});
const stage = (name: string, ...actions: object[]) => ({ name, actions });

function pipeline(stages: object[], changes: object = {}): Pipeline {
  return declaration.parse({
    name: "a-pipeline-with-a-long-name",
    roleArn: ROLE,
    pipelineType: "V2",
    executionMode: "SUPERSEDED",
    artifactStore: { type: "S3", location: "artifacts" },
    stages: [source, ...stages],
    ...changes,
  });
}

function open(stages: object[], changes: object = {}): Engine {
  engine = new Engine(pipeline(stages, changes), { region: "eu-west-1", perform, clock });
  return engine;
}

async function begin(input: object = {}): Promise<Execution> {
  const execution = engine.begin({ trigger: { triggerType: "StartPipelineExecution" }, ...input });
  await settle();
  return execution;
}

/** Begins one, and sees it through the source. */
async function beginFetched(variables: Record<string, string> = {}, id = "c0ffee"): Promise<Execution> {
  const execution = await begin();
  await running.get("Fetch")?.succeed({ variables, revision: { id, created: 1 } });
  return execution;
}

const at = () => [...running.keys()];
const stageOf = (execution: Execution, name: string) => execution.stages.get(name)?.status;
const tokenOf = (name: string) => engine.executions.at(-1)!.actions.find((run) => run.action.name === name)!;
const decide = async (name: string, status: "Approved" | "Rejected", summary = "") => {
  engine.decide("Ask", name, tokenOf(name).token ?? "", { status, summary, by: "arn:me" });
  await settle();
};

describe("an execution", () => {
  test("goes through its stages, one after the other", async () => {
    open([stage("Build", build("one")), stage("Deploy", build("two"))]);
    const execution = await begin();
    expect(at()).toEqual(["Fetch"]);
    await running.get("Fetch")?.succeed();
    expect([at(), stageOf(execution, "Source"), stageOf(execution, "Build")]).toEqual([
      ["one"],
      "Succeeded",
      "InProgress",
    ]);
    await running.get("one")?.succeed();
    await running.get("two")?.succeed();
    expect([execution.status, execution.actions.map(({ status }) => status)]).toEqual([
      "Succeeded",
      ["Succeeded", "Succeeded", "Succeeded"],
    ]);
  });

  test("runs a stage's actions in the order of their numbers, those of one number side by side", async () => {
    open([
      stage(
        "Build",
        build("last", { runOrder: 7 }),
        build("left", { runOrder: 2 }),
        build("right", { runOrder: 2 }),
      ),
    ]);
    await beginFetched();
    expect(at()).toEqual(["left", "right"]);
    await running.get("right")?.succeed();
    expect(at()).toEqual(["left"]);
    await running.get("left")?.succeed();
    expect(at()).toEqual(["last"]);
  });

  test("fails when an action fails, after those beside it have come to their end", async () => {
    open([stage("Build", build("bad"), build("slow")), stage("Deploy", build("never"))]);
    const execution = await beginFetched();
    await running.get("bad")?.fail("Build terminated with state: FAILED");
    expect([execution.status, at()]).toEqual(["InProgress", ["slow"]]);
    await running.get("slow")?.succeed();
    expect([execution.status, execution.statusSummary, at()]).toEqual([
      "Failed",
      "bad: Build terminated with state: FAILED",
      [],
    ]);
    expect(execution.actions.map(({ action, status, error }) => [action.name, status, error?.code])).toEqual([
      ["Fetch", "Succeeded", undefined],
      ["bad", "Failed", "JobFailed"],
      ["slow", "Succeeded", undefined],
    ]);
  });

  test("hands artifacts on, each at a place of its own, with the commit that they were made of", async () => {
    open([
      stage("Build", build("make", { outputArtifacts: [{ name: "A_long_artifact" }] })),
      stage("Deploy", build("use", { inputArtifacts: [{ name: "Code" }, { name: "A_long_artifact" }] })),
    ]);
    await beginFetched();
    const [made] = running.get("make")!.job.outputs;
    expect(made).toEqual({
      name: "A_long_artifact",
      bucket: "artifacts",
      key: expect.stringMatching(/^a-pipeline-with-a-lo\/A_long_art\/[A-Za-z0-9]{7}$/),
      commit: "c0ffee",
    });
    await running.get("make")?.succeed();
    const [code, used] = running.get("use")!.job.inputs;
    expect([code, used]).toEqual([expect.objectContaining({ name: "Code", commit: "c0ffee" }), made]);
  });

  test("fails where the artifact of a stage that was skipped is asked for", async () => {
    const check = {
      name: "check",
      ruleTypeId: { category: "Rule", owner: "AWS", provider: "VariableCheck", version: "1" },
      configuration: { Variable: "#{codepipeline.PipelineExecutionId}", Value: "no", Operator: "EQ" },
    };
    open([
      {
        ...stage("Build", build("make", { outputArtifacts: [{ name: "Made" }] })),
        beforeEntry: { conditions: [{ result: "SKIP", rules: [check] }] },
      },
      stage("Deploy", build("use", { inputArtifacts: [{ name: "Made" }] })),
    ]);
    const execution = await beginFetched();
    expect([execution.status, execution.actions.at(-1)?.error?.message]).toEqual([
      "Failed",
      "The input artifact Made is not there: the action that gives it did not run",
    ]);
  });

  test("is one where a token is given twice", async () => {
    open([stage("Build", build("one"))]);
    const first = await begin({ token: "same" });
    expect(await begin({ token: "same" })).toBe(first);
    expect(await begin({ token: "other" })).not.toBe(first);
  });

  test("has a source fetch the commit that is asked for", async () => {
    open([stage("Build", build("one"))]);
    await begin({ commits: { Fetch: "abc" } });
    expect(running.get("Fetch")?.job.commit).toBe("abc");
    expect(() => engine.begin({ trigger: { triggerType: "x" }, commits: { one: "abc" } })).toThrow(
      "The pipeline a-pipeline-with-a-long-name has no source action 'one'",
    );
  });
});

describe("variables", () => {
  const using = (configuration: object) => [
    stage("Build", build("make", { namespace: "made" })),
    stage("Deploy", build("use", { configuration: { ProjectName: "use", ...configuration } })),
  ];
  const configuration = () => running.get("use")?.job.configuration;

  test("of actions, of the pipeline and of CodePipeline have their values", async () => {
    const variables = [{ name: "WHY", defaultValue: "none" }, { name: "WHO" }];
    open(
      using({ Text: "#{made.TAG} of #{Source.CommitId}, #{variables.WHY}, #{variables.WHO}, #{unfinished" }),
      { variables },
    );
    const execution = await begin({ variables: { WHO: "me" } });
    await running.get("Fetch")?.succeed({ variables: { CommitId: "c0ffee" } });
    await running.get("make")?.succeed({ variables: { TAG: "v1" } });
    expect(configuration()).toEqual({
      ProjectName: "use",
      Text: "v1 of c0ffee, none, me, #{unfinished",
    });
    expect(execution.props.variables).toEqual({ WHY: "none", WHO: "me" });
  });

  test("with quotes end no string of the environment's", async () => {
    const environment = [{ name: "MESSAGE", value: "#{made.MESSAGE}", type: "PLAINTEXT" }];
    open(using({ EnvironmentVariables: JSON.stringify(environment) }));
    await beginFetched();
    const MESSAGE = `a "quoted", "type": "SECRETS_MANAGER" \\ message\n`;
    await running.get("make")?.succeed({ variables: { MESSAGE } });
    expect(JSON.parse(configuration()?.EnvironmentVariables ?? "")).toEqual([
      { name: "MESSAGE", value: MESSAGE, type: "PLAINTEXT" },
    ]);
  });

  test.each<[string, string, Record<string, string>]>([
    ["missing", "#{made.NONE}", { TAG: "v1" }],
    ["empty", "#{made.TAG}", { TAG: "" }],
    ["of an unknown namespace", "#{nobody.TAG}", { TAG: "v1" }],
    ["named as every object's own", "#{made.constructor}", {}],
  ])("fail the action that uses them when they are %s", async (_, Text, values) => {
    open(using({ Text }));
    const execution = await beginFetched();
    await running.get("make")?.succeed({ variables: values });
    expect([execution.status, execution.actions.at(-1)?.error]).toEqual([
      "Failed",
      {
        code: "ConfigurationError",
        message: expect.stringMatching(
          /^An action in this pipeline failed because one or more variables could not be resolved: Action name=use\./,
        ),
      },
    ]);
  });

  test.each<[string, object, string]>([
    ["is not declared", { OTHER: "x" }, "The pipeline a-pipeline-with-a-long-name has no variable 'OTHER'"],
    ["has no value", {}, "The variable 'WHO' of a-pipeline-with-a-long-name has no default value: give one"],
  ])("nothing starts with one that %s", (_, variables, message) => {
    open(using({}), { variables: [{ name: "WHO" }] });
    expect(() =>
      engine.begin({ trigger: { triggerType: "x" }, variables: variables as Record<string, string> }),
    ).toThrow(message);
    expect(engine.executions).toEqual([]);
  });
});

describe("a stage's conditions", () => {
  const rule = (configuration: object, provider = "VariableCheck") => ({
    name: "only-if",
    ruleTypeId: { category: "Rule", owner: "AWS", provider, version: "1" },
    configuration,
  });
  const only = (configuration: object, result = "SKIP", provider?: string) => [
    {
      ...stage("Ask", ask("risky")),
      beforeEntry: { conditions: [{ result, rules: [rule(configuration, provider)] }] },
    },
    stage("Deploy", build("deploy")),
  ];
  const check = (Operator: string, Value: string) => ({ Variable: "#{Source.RISKY}", Value, Operator });

  test.each([
    ["EQ", "yes", true],
    ["EQ", "no", false],
    ["NE", "no", true],
    ["NE", "yes", false],
    ["CONTAINS", "es", true],
    ["CONTAINS", "no", false],
    ["MATCHES", "y.*", true],
    ["MATCHES", "e", false],
  ])("%s %s of 'yes' enters: %s", async (operator, value, enters) => {
    open(only(check(operator, value)));
    const execution = await beginFetched({ RISKY: "yes" });
    expect([stageOf(execution, "Ask"), at()]).toEqual(enters ? ["InProgress", []] : ["Skipped", ["deploy"]]);
  });

  test("fail a stage that is not to be skipped", async () => {
    open(only(check("EQ", "no"), "FAIL"));
    const execution = await beginFetched({ RISKY: "yes" });
    expect([execution.status, execution.statusSummary, stageOf(execution, "Ask")]).toEqual([
      "Failed",
      "The entry conditions of stage Ask do not hold",
      "Failed",
    ]);
  });

  test.each<[string, object, string | undefined]>([
    ["its variable is missing", check("EQ", "yes"), undefined],
    ["its operator is unknown", { ...check("GT", "yes"), Variable: "x" }, undefined],
    ["its pattern is none", { ...check("MATCHES", "("), Variable: "x" }, undefined],
    ["Local AWS does not know the rule", check("EQ", "yes"), "CloudWatchAlarm"],
  ])("skip nothing when %s: the stage fails", async (_, configuration, provider) => {
    open(only(configuration, "SKIP", provider));
    const execution = await beginFetched();
    expect([execution.status, stageOf(execution, "Ask")]).toEqual(["Failed", "Failed"]);
    expect(execution.stages.get("Ask")?.beforeEntry?.status).toBe("Errored");
  });

  test("of success fail a stage whose actions succeeded", async () => {
    const onSuccess = { conditions: [{ result: "FAIL", rules: [rule(check("EQ", "no"))] }] };
    open([{ ...stage("Build", build("one")), onSuccess }]);
    const execution = await beginFetched({ RISKY: "yes" });
    await running.get("one")?.succeed();
    expect([execution.status, stageOf(execution, "Build")]).toEqual(["Failed", "Failed"]);
  });
});

describe("an override of a stage's conditions", () => {
  const conditions = (result: string) => ({
    conditions: [
      {
        result,
        rules: [
          {
            name: "only-if",
            ruleTypeId: { category: "Rule", owner: "AWS", provider: "VariableCheck", version: "1" },
            configuration: { Variable: "#{Source.RISKY}", Value: "no", Operator: "EQ" },
          },
        ],
      },
    ],
  });
  const guarded = (changes: object) => [
    { ...stage("Build", build("one")), ...changes },
    stage("Deploy", build("deploy")),
  ];
  const override = async ({ id }: Execution, which: "beforeEntry" | "onSuccess") => {
    engine.override("Build", id, which);
    await settle();
  };

  test("of entry lets the execution into the stage, and on to those after it", async () => {
    open(guarded({ beforeEntry: conditions("FAIL") }));
    const execution = await beginFetched({ RISKY: "yes" });
    await override(execution, "beforeEntry");
    const { beforeEntry } = execution.stages.get("Build")!;
    expect([execution.status, at(), beforeEntry?.status]).toEqual(["InProgress", ["one"], "Overridden"]);
    await running.get("one")?.succeed();
    await running.get("deploy")?.succeed();
    expect([execution.status, execution.statusSummary]).toEqual(["Succeeded", undefined]);
  });

  test("of entry holds when the stage is tried again", async () => {
    open(guarded({ beforeEntry: conditions("FAIL") }));
    const execution = await beginFetched({ RISKY: "yes" });
    await override(execution, "beforeEntry");
    await running.get("one")?.fail();
    engine.retry("Build", execution.id, "FAILED_ACTIONS");
    await settle();
    expect(at()).toEqual(["one"]);
  });

  test("of success lets the execution on to the next stage, without a second run of this one", async () => {
    open(guarded({ onSuccess: conditions("FAIL") }));
    const execution = await beginFetched({ RISKY: "yes" });
    await running.get("one")?.succeed();
    await override(execution, "onSuccess");
    expect([stageOf(execution, "Build"), at()]).toEqual(["Succeeded", ["deploy"]]);
    await running.get("deploy")?.succeed();
    expect(execution.status).toBe("Succeeded");
  });

  test("of success does not cross a closed transition", async () => {
    open(guarded({ onSuccess: conditions("FAIL") }));
    engine.changeTransition("Deploy", "Inbound", "arn:me", "Not now");
    const execution = await beginFetched({ RISKY: "yes" });
    await running.get("one")?.succeed();
    await override(execution, "onSuccess");
    expect([at(), engine.inbound("Deploy")]).toEqual([[], [execution]]);
  });

  test("of success ends an execution whose last stage it is", async () => {
    open([{ ...stage("Build", build("one")), onSuccess: conditions("FAIL") }]);
    const execution = await beginFetched({ RISKY: "yes" });
    await running.get("one")?.succeed();
    await override(execution, "onSuccess");
    expect(execution.status).toBe("Succeeded");
  });

  test.each<[string, object, "beforeEntry" | "onSuccess", string]>([
    ["skipped the stage", { beforeEntry: conditions("SKIP") }, "beforeEntry", "yes"],
    ["held", { beforeEntry: conditions("FAIL") }, "beforeEntry", "no"],
    ["are of the other kind", { beforeEntry: conditions("FAIL") }, "onSuccess", "yes"],
    ["are none", {}, "beforeEntry", "yes"],
  ])("is refused where the conditions %s", async (_, changes, which, RISKY) => {
    open(guarded(changes));
    const { id } = await beginFetched({ RISKY });
    await running.get("one")?.fail();
    await running.get("deploy")?.fail();
    expect(() => engine.override("Build", id, which)).toThrow(
      expect.objectContaining({ code: "ConditionNotOverridableException" }),
    );
  });

  test("is refused for an execution that is not the stage's last one", async () => {
    open(guarded({ beforeEntry: conditions("FAIL") }));
    const { id } = await beginFetched({ RISKY: "yes" });
    await beginFetched({ RISKY: "yes" });
    expect(() => engine.override("Build", id, "beforeEntry")).toThrow(
      expect.objectContaining({ code: "NotLatestPipelineExecutionException" }),
    );
  });

  test("is refused when the pipeline has changed since", async () => {
    open(guarded({ beforeEntry: conditions("FAIL") }));
    const { id } = await beginFetched({ RISKY: "yes" });
    engine.update(pipeline(guarded({})));
    expect(() => engine.override("Build", id, "beforeEntry")).toThrow(
      expect.objectContaining({ code: "ConditionNotOverridableException" }),
    );
  });
});

describe("an approval", () => {
  const stages = [
    stage("Ask", ask("yes-or-no", { CustomData: "Deploys #{Source.CommitId}" })),
    stage("Deploy", build("deploy")),
  ];

  test("waits, shows its message, and lets the execution on when it is given", async () => {
    open(stages);
    const execution = await beginFetched({ CommitId: "c0ffee" });
    const run = tokenOf("yes-or-no");
    expect([at(), run.status, run.configuration]).toEqual([
      [],
      "InProgress",
      { CustomData: "Deploys c0ffee" },
    ]);
    await decide("yes-or-no", "Approved", "fine");
    expect([at(), run.status, run.summary, run.updatedBy]).toEqual([
      ["deploy"],
      "Succeeded",
      "fine",
      "arn:me",
    ]);
    expect([execution.status, timers]).toEqual(["InProgress", []]);
  });

  test("fails the execution when it is refused", async () => {
    open(stages);
    const execution = await beginFetched({ CommitId: "c0ffee" });
    await decide("yes-or-no", "Rejected", "not today");
    expect([execution.status, stageOf(execution, "Ask"), at()]).toEqual(["Failed", "Failed", []]);
    expect(tokenOf("yes-or-no")).toMatchObject({
      summary: "not today",
      error: { code: "JobFailed", message: "Rejected by arn:me: not today" },
    });
  });

  test("fails after seven days", async () => {
    open(stages);
    const execution = await beginFetched({ CommitId: "c0ffee" });
    expect(timers.map(({ due }) => due)).toEqual([7 * 24 * 3_600_000]);
    timers[0]?.run();
    await settle();
    expect([execution.status, timers]).toEqual(["Failed", []]);
  });

  test("is given once, with its token", async () => {
    open(stages);
    await beginFetched({ CommitId: "c0ffee" });
    const answer = (stageName: string, action: string, token: string) => () =>
      engine.decide(stageName, action, token, { status: "Approved", summary: "", by: "me" });
    const { token = "" } = tokenOf("yes-or-no");
    expect(answer("Nowhere", "yes-or-no", token)).toThrow("has no stage 'Nowhere'");
    expect(answer("Ask", "other", token)).toThrow("Stage 'Ask' has no action 'other'");
    expect(answer("Ask", "yes-or-no", "made-up")).toThrow("already received a response or has expired");
    answer("Ask", "yes-or-no", token)();
    await settle();
    expect(answer("Ask", "yes-or-no", token)).toThrow("has already been approved or rejected");
  });
});

describe("two executions", () => {
  const stages = [stage("Build", build("one")), stage("Deploy", build("two"))];

  test("are in two stages at a time, never in one", async () => {
    open(stages);
    const first = await beginFetched();
    const second = await beginFetched();
    expect([first, second].map((execution) => stageOf(execution, "Build"))).toEqual([
      "InProgress",
      undefined,
    ]);
    expect(engine.inbound("Build")).toEqual([second]);
    await running.get("one")?.succeed();
    expect([at().sort(), stageOf(first, "Deploy"), stageOf(second, "Build")]).toEqual([
      ["one", "two"],
      "InProgress",
      "InProgress",
    ]);
    expect(engine.latest("Build")?.execution).toBe(second);
  });

  test("of those that wait only the newest stays", async () => {
    open(stages);
    await beginFetched();
    const second = await beginFetched();
    const third = await beginFetched();
    expect([second.status, engine.inbound("Build")]).toEqual(["Superseded", [third]]);
  });

  test("wait in their order where they queue", async () => {
    open(stages, { executionMode: "QUEUED" });
    await beginFetched();
    const second = await beginFetched();
    const third = await beginFetched();
    expect([second.status, engine.inbound("Build")]).toEqual(["InProgress", [second, third]]);
    await running.get("one")?.succeed();
    expect([engine.latest("Build")?.execution, engine.inbound("Build")]).toEqual([second, [third]]);
  });

  test("do not wait where they are parallel", async () => {
    open(stages, { executionMode: "PARALLEL" });
    await beginFetched();
    const second = await beginFetched();
    expect(stageOf(second, "Build")).toBe("InProgress");
  });

  test("the next enters a stage that failed", async () => {
    open(stages);
    await beginFetched();
    const second = await beginFetched();
    await running.get("one")?.fail();
    expect(stageOf(second, "Build")).toBe("InProgress");
  });
});

describe("a pipeline that is updated", () => {
  test("ends what runs as cancelled, after the action that runs", async () => {
    open([stage("Build", build("one"), build("later", { runOrder: 2 })), stage("Deploy", build("two"))]);
    const execution = await beginFetched();
    engine.update(pipeline([stage("Build", build("other"))]));
    await settle();
    expect([execution.status, running.get("one")?.signal.aborted]).toEqual(["InProgress", false]);
    await running.get("one")?.succeed();
    expect([execution.status, stageOf(execution, "Build"), at()]).toEqual(["Cancelled", "Cancelled", []]);
    await beginFetched();
    expect(at()).toEqual(["other"]);
  });

  test("cancels what waits at once", async () => {
    open([stage("Build", build("one"))]);
    await beginFetched();
    const second = await beginFetched();
    engine.update(pipeline([stage("Build", build("one"))]));
    await settle();
    expect([second.status, engine.inbound("Build")]).toEqual(["Cancelled", []]);
  });

  test("leaves an execution that has nothing left to do its success", async () => {
    open([stage("Build", build("one"))]);
    const execution = await beginFetched();
    engine.update(pipeline([stage("Build", build("one"))]));
    await running.get("one")?.succeed();
    expect(execution.status).toBe("Succeeded");
  });
});

describe("an execution that is stopped", () => {
  const stages = [stage("Build", build("one"), build("later", { runOrder: 2 }))];

  test("lets its action come to its end, and begins none after it", async () => {
    open(stages);
    const execution = await beginFetched();
    engine.stop(execution.id, false, "wrong commit");
    expect([execution.status, stageOf(execution, "Build"), execution.stopReason]).toEqual([
      "Stopping",
      "Stopping",
      "wrong commit",
    ]);
    expect(() => engine.stop(execution.id, false)).toThrow("already being stopped");
    await running.get("one")?.succeed();
    expect([execution.status, stageOf(execution, "Build"), at()]).toEqual(["Stopped", "Stopped", []]);
    expect(() => engine.stop(execution.id, false)).toThrow("is not in progress");
  });

  test("and abandoned, ends its actions at once", async () => {
    open(stages);
    const execution = await beginFetched();
    const { signal } = running.get("one")!;
    engine.stop(execution.id, false);
    engine.stop(execution.id, true);
    expect([execution.status, execution.actions.at(-1)?.status, signal.aborted]).toEqual([
      "Stopped",
      "Abandoned",
      true,
    ]);
    await settle();
    expect([execution.status, stageOf(execution, "Build")]).toEqual(["Stopped", "Stopped"]);
    const next = await beginFetched();
    expect(stageOf(next, "Build")).toBe("InProgress");
  });

  test("leaves the queue", async () => {
    open(stages);
    await beginFetched();
    const second = await beginFetched();
    engine.stop(second.id, false);
    await settle();
    expect([second.status, engine.inbound("Build")]).toEqual(["Stopped", []]);
  });

  test("abandons an approval", async () => {
    open([stage("Ask", ask("yes-or-no"))]);
    const execution = await beginFetched();
    engine.stop(execution.id, true);
    await settle();
    expect([execution.status, timers]).toEqual(["Stopped", []]);
  });
});

describe("a stage that failed", () => {
  const stages = [
    stage("Build", build("good"), build("bad"), build("later", { runOrder: 2 })),
    stage("Deploy", build("deploy")),
  ];
  const failed = async () => {
    const execution = await beginFetched();
    await running.get("good")?.succeed();
    await running.get("bad")?.fail();
    return execution;
  };

  test("tries again what failed, and goes on from there", async () => {
    open(stages);
    const execution = await failed();
    engine.retry("Build", execution.id, "FAILED_ACTIONS");
    await settle();
    expect([execution.status, execution.statusSummary, at()]).toEqual(["InProgress", undefined, ["bad"]]);
    await running.get("bad")?.succeed();
    await running.get("later")?.succeed();
    await running.get("deploy")?.succeed();
    expect([execution.status, execution.stages.get("Build")]).toEqual([
      "Succeeded",
      expect.objectContaining({ status: "Succeeded", manualRetries: 1, lastRetry: "ManualStageRetry" }),
    ]);
  });

  test("tries all of its actions again", async () => {
    open(stages);
    const execution = await failed();
    engine.retry("Build", execution.id, "ALL_ACTIONS");
    await settle();
    expect(at()).toEqual(["good", "bad"]);
  });

  test("tries again what was abandoned, once that has ended", async () => {
    open(stages);
    const execution = await beginFetched();
    engine.stop(execution.id, true);
    expect(() => engine.retry("Build", execution.id, "FAILED_ACTIONS")).toThrow("cannot be retried");
    await settle();
    engine.retry("Build", execution.id, "FAILED_ACTIONS");
    await settle();
    expect([execution.status, at()]).toEqual(["InProgress", ["good", "bad"]]);
  });

  test("is not tried again when it did not fail, the pipeline has changed, or a later execution was there", async () => {
    open(stages);
    const first = await failed();
    const retry =
      (id: string, name = "Build") =>
      () =>
        engine.retry(name, id, "FAILED_ACTIONS");
    expect(retry(first.id, "Nowhere")).toThrow("has no stage 'Nowhere'");
    expect(retry(first.id, "Source")).toThrow("cannot be retried");
    const second = await failed();
    expect(retry(first.id)).toThrow("has failed in a later run");
    engine.update(pipeline(stages));
    expect(retry(second.id)).toThrow("The pipeline structure or stage state might have changed");
  });

  test.each([
    ["FAILED_ACTIONS", ["bad"]],
    ["ALL_ACTIONS", ["good", "bad"]],
  ])("is tried again by itself, once: %s", async (retryMode, expected) => {
    const onFailure = { result: "RETRY", retryConfiguration: { retryMode } };
    open([{ ...stages[0], onFailure }]);
    const execution = await failed();
    expect([execution.status, at()]).toEqual(["InProgress", expected]);
    await running.get("good")?.succeed();
    await running.get("bad")?.fail();
    expect([execution.status, at(), execution.stages.get("Build")]).toEqual([
      "Failed",
      [],
      expect.objectContaining({ automaticRetries: 1, lastRetry: "AutomatedStageRetry" }),
    ]);
  });
});

const check = (Value: string) => ({
  name: "check",
  ruleTypeId: { category: "Rule", owner: "AWS", provider: "VariableCheck", version: "1" },
  configuration: { Variable: "#{Source.Branch}", Value, Operator: "EQ" },
});

describe("a rollback", () => {
  const deploy = build("deploy", { configuration: { ProjectName: "deploy", Tag: "#{Made.Tag}" } });
  const make = build("make", { namespace: "Made", outputArtifacts: [{ name: "Made" }] });
  const use = { ...deploy, inputArtifacts: [{ name: "Made" }] };
  const openWith = (onFailure?: object, changes: object = {}) =>
    open(
      [stage("Build", make), { ...stage("Deploy", use), onFailure }, stage("After", build("after"))],
      changes,
    );
  /** One that comes to its deployment. */
  async function deploying(Tag: string): Promise<Execution> {
    const execution = await beginFetched({ Branch: "main" }, Tag);
    await running.get("make")?.succeed({ variables: { Tag } });
    return execution;
  }
  async function deployed(Tag: string): Promise<Execution> {
    const execution = await deploying(Tag);
    await running.get("deploy")?.succeed();
    await running.get("after")?.succeed();
    return execution;
  }
  const roll = async (target: Execution) => {
    const rollback = engine.rollBackTo("Deploy", target.id, "arn:me");
    await settle();
    return rollback;
  };

  test("runs one stage with the artifacts and the variables of the execution that it goes back to", async () => {
    openWith();
    const first = await deployed("v1");
    const { outputs } = first.actions.find(({ action }) => action.name === "make")!;
    await deployed("v2");
    const rollback = await roll(first);
    expect([at(), running.get("deploy")?.job]).toEqual([
      ["deploy"],
      expect.objectContaining({ inputs: outputs, configuration: { ProjectName: "deploy", Tag: "v1" } }),
    ]);
    await running.get("deploy")?.succeed();
    expect([rollback.status, [...rollback.stages.keys()], at()]).toEqual(["Succeeded", ["Deploy"], []]);
    expect(rollback.props.trigger).toEqual({ triggerType: "ManualRollback", triggerDetail: "arn:me" });
    expect(engine.latest("Deploy")?.execution).toBe(rollback);
  });

  test("begins by itself where a stage fails that asks for it, before any other execution gets in", async () => {
    openWith({ result: "ROLLBACK" });
    const first = await deployed("v1");
    await deployed("v2");
    const failed = await deploying("v3");
    const waiting = await deploying("v4");
    await running.get("deploy")?.fail();
    const rollback = engine.executions.at(-1)!;
    expect([failed.status, waiting.status, rollback.props.trigger]).toEqual([
      "Failed",
      "InProgress",
      {
        triggerType: "AutomatedRollback",
        triggerDetail: JSON.stringify({ FailedPipelineExecutionId: failed.id }),
      },
    ]);
    expect(rollback.props.rollback?.target).not.toBe(first);
    expect(running.get("deploy")?.job.configuration.Tag).toBe("v2");
    await running.get("deploy")?.succeed();
    expect([rollback.status, running.get("deploy")?.job.configuration.Tag]).toEqual(["Succeeded", "v4"]);
  });

  test("is not rolled back itself, but can be tried again", async () => {
    openWith({ result: "ROLLBACK" });
    await deployed("v1");
    await deploying("v2");
    await running.get("deploy")?.fail();
    await running.get("deploy")?.fail();
    const rollback = engine.executions.at(-1)!;
    expect([engine.executions.length, rollback.status, at()]).toEqual([3, "Failed", []]);
    engine.retry("Deploy", rollback.id, "ALL_ACTIONS");
    await settle();
    await running.get("deploy")?.succeed();
    expect([rollback.status, at()]).toEqual(["Succeeded", []]);
  });

  test("does not begin where no execution has succeeded in the stage", async () => {
    openWith({ result: "ROLLBACK" });
    const failed = await deploying("v1");
    await running.get("deploy")?.fail();
    expect([failed.status, engine.executions]).toEqual(["Failed", [failed]]);
  });

  test("does not begin where the last success was of another version of the pipeline", async () => {
    openWith({ result: "ROLLBACK" });
    await deployed("v1");
    engine.update(
      pipeline([stage("Build", make), { ...stage("Deploy", use), onFailure: { result: "ROLLBACK" } }]),
    );
    const failed = await deploying("v2");
    await running.get("deploy")?.fail();
    expect([failed.status, engine.executions.at(-1)]).toEqual(["Failed", failed]);
  });

  test.each([
    ["hold", "main", 2],
    ["do not hold", "release", 3],
  ])("by conditions of a failure that %s", async (_, branch, executions) => {
    openWith({ conditions: [{ result: "ROLLBACK", rules: [check(branch)] }] });
    await deployed("v1");
    const failed = await deploying("v2");
    await running.get("deploy")?.fail();
    expect([failed.status, engine.executions.length]).toEqual(["Failed", executions]);
  });

  test.each<[string, string, number]>([
    ["ROLLBACK", "Failed", 3],
    ["FAIL", "Failed", 2],
  ])("by a condition of success with the result %s", async (result, status, executions) => {
    const onSuccess = { conditions: [{ result, rules: [{ ...check("v1"), configuration: ofTag }] }] };
    open([stage("Build", make), { ...stage("Deploy", use), onSuccess }]);
    await deployed("v1");
    const second = await deploying("v2");
    await running.get("deploy")?.succeed();
    expect([second.status, engine.executions.length]).toEqual([status, executions]);
  });
  const ofTag = { Variable: "#{Made.Tag}", Value: "v1", Operator: "EQ" };

  const notPossible = (code: string, message: RegExp) =>
    expect.objectContaining({ code, message: expect.stringMatching(message) });

  test("needs an execution of this version that has succeeded in the stage, and is none itself", async () => {
    openWith();
    const first = await deployed("v1");
    const failed = await deploying("v2");
    const back = (target: string, name = "Deploy") => engine.rollBackTo(name, target, "arn:me");
    const unable = "UnableToRollbackStageException";
    expect(() => back(first.id)).toThrow(notPossible(unable, /is running in the stage/));
    await running.get("deploy")?.fail();
    expect(() => back(failed.id)).toThrow(notPossible(unable, /did not succeed in the stage/));
    expect(() => back(first.id, "Source")).toThrow(notPossible(unable, /source stage/));
    expect(() => back(first.id, "None")).toThrow(notPossible("StageNotFoundException", /None/));
    expect(() => back("none")).toThrow(notPossible("PipelineExecutionNotFoundException", /none/));
    const rollback = await roll(first);
    await running.get("deploy")?.succeed();
    expect(() => back(rollback.id)).toThrow(notPossible(unable, /is a rollback itself/));
    engine.update(pipeline([stage("Build", make), stage("Deploy", use)]));
    expect(() => back(first.id)).toThrow(notPossible("PipelineExecutionOutdatedException", /has changed/));
  });

  test("is none of a pipeline whose executions run side by side", async () => {
    openWith(undefined, { executionMode: "PARALLEL" });
    const first = await deployed("v1");
    expect(() => engine.rollBackTo("Deploy", first.id, "arn:me")).toThrow(
      notPossible("UnableToRollbackStageException", /PARALLEL/),
    );
  });
});

describe("a transition that is closed", () => {
  const close = (name: string, side: "Inbound" | "Outbound" = "Inbound") =>
    engine.changeTransition(name, side, "arn:me", "Not on Fridays");
  const openAgain = async (name: string) => {
    engine.changeTransition(name, "Inbound", "arn:me");
    await settle();
  };

  test("holds executions before the stage until it is opened", async () => {
    open([stage("Build", build("one")), stage("Deploy", build("two"))]);
    close("Deploy");
    const execution = await beginFetched();
    await running.get("one")?.succeed();
    expect([execution.status, at(), engine.inbound("Deploy")]).toEqual(["InProgress", [], [execution]]);
    expect(engine.transition("Deploy")).toEqual({
      by: "arn:me",
      at: expect.any(Number),
      reason: "Not on Fridays",
    });
    await openAgain("Deploy");
    expect([at(), engine.inbound("Deploy")]).toEqual([["two"], []]);
    expect(engine.transition("Deploy")?.reason).toBeUndefined();
  });

  test("is the same from both sides", async () => {
    open([stage("Build", build("one")), stage("Deploy", build("two"))]);
    close("Build", "Outbound");
    await beginFetched();
    await running.get("one")?.succeed();
    expect(at()).toEqual([]);
    await openAgain("Deploy");
    expect(at()).toEqual(["two"]);
    close("Deploy", "Outbound");
    expect(() => close("None")).toThrow(expect.objectContaining({ code: "StageNotFoundException" }));
  });

  test.each([
    ["SUPERSEDED", "Superseded"],
    ["QUEUED", "InProgress"],
    ["PARALLEL", "InProgress"],
  ])("holds more than one, as mode %s has it", async (executionMode, status) => {
    open([stage("Build", build("one")), stage("Deploy", build("two"))], { executionMode });
    close("Deploy");
    const first = await beginFetched();
    await running.get("one")?.succeed();
    const second = await beginFetched();
    await running.get("one")?.succeed();
    expect([first.status, second.status]).toEqual([status, "InProgress"]);
    await openAgain("Deploy");
    expect(at()).toEqual(["two"]);
    expect(stageOf(second, "Deploy")).toBe(executionMode === "QUEUED" ? undefined : "InProgress");
  });

  test("keeps nobody from being stopped, or from trying again what is in the stage", async () => {
    open([stage("Build", build("one")), stage("Deploy", build("two"))]);
    const failed = await beginFetched();
    await running.get("one")?.succeed();
    await running.get("two")?.fail();
    close("Deploy");
    engine.retry("Deploy", failed.id, "FAILED_ACTIONS");
    await settle();
    expect(at()).toEqual(["two"]);
    await running.get("two")?.succeed();
    const held = await beginFetched();
    await running.get("one")?.succeed();
    engine.stop(held.id, false);
    await settle();
    expect([failed.status, held.status]).toEqual(["Succeeded", "Stopped"]);
  });
});

describe("executions side by side", () => {
  const stages = [stage("Build", build("one")), stage("Deploy", build("two"))];

  test("each fail, are tried again and are stopped by themselves", async () => {
    open(stages, { executionMode: "PARALLEL" });
    const first = await beginFetched();
    const ofFirst = running.get("one")!;
    const second = await beginFetched();
    const ofSecond = running.get("one")!;
    expect(ofSecond).not.toBe(ofFirst);
    await ofFirst.fail();
    expect([first, second].map((one) => [one.status, stageOf(one, "Build")])).toEqual([
      ["Failed", "Failed"],
      ["InProgress", "InProgress"],
    ]);
    engine.retry("Build", first.id, "FAILED_ACTIONS");
    await settle();
    expect(first.status).toBe("InProgress");
    engine.stop(second.id, true);
    await settle();
    expect([second.status, ofSecond.signal.aborted, running.get("one")?.signal.aborted]).toEqual([
      "Stopped",
      true,
      false,
    ]);
    await running.get("one")?.succeed();
    await running.get("two")?.succeed();
    expect(first.status).toBe("Succeeded");
  });

  test("overtake each other", async () => {
    open(stages, { executionMode: "PARALLEL" });
    const first = await beginFetched();
    const ofFirst = running.get("one")!;
    const second = await beginFetched();
    await running.get("one")?.succeed();
    await running.get("two")?.succeed();
    expect([first.status, second.status]).toEqual(["InProgress", "Succeeded"]);
    await ofFirst.succeed();
    await running.get("two")?.succeed();
    expect(first.status).toBe("Succeeded");
  });
});

test("the end ends all that runs, waits for it, and lets nothing begin", async () => {
  open([stage("Build", build("one"))]);
  const first = await beginFetched();
  const second = await beginFetched();
  await engine.end();
  expect([first, second].map(({ status, settled }) => [status, settled])).toEqual([
    ["Stopped", true],
    ["Stopped", true],
  ]);
  expect(() => engine.begin({ trigger: { triggerType: "x" } })).toThrow("has been ended");
  expect(() => engine.retry("Build", first.id, "ALL_ACTIONS")).toThrow("cannot be retried");
});
