import { previewSlug } from "../../../shared/previews";
import {
  awsError,
  buildEvent,
  cloneName,
  environmentOf,
  FakeWorld,
  pipelineEvent,
  TASK,
  TEMPLATE,
  TOKEN,
  template,
} from "./fake-world";

const LOGIN = "feature/login";

/** A world in which a branch has a preview that is ready. */
async function previewed(branch = LOGIN, commit = "a1"): Promise<FakeWorld> {
  const world = new FakeWorld();
  world.branches.set(branch, commit);
  await world.hearOf(branch);
  await world.settle();
  return world;
}

const statuses = (world: FakeWorld, branch = LOGIN) =>
  world.runsOf(branch).map(({ status, commit }) => `${status} ${commit}`);

const has = (world: FakeWorld, text: string) => world.log.some((line) => line.includes(text));

/** Nothing of any preview. */
function expectNothingLeft(world: FakeWorld): void {
  expect(world.clones()).toEqual([]);
  expect([...world.states.keys()]).toEqual([]);
  expect([...world.objects.keys()]).toEqual([]);
}

describe("a branch that is to have a preview", () => {
  test("gets a pipeline that has all that the template has, beside its name, branch, environment and token", async () => {
    const world = await previewed();
    const { definition, tags } = world.pipelines.get(cloneName(LOGIN))!;
    const expected = template();
    expected.name = "hello-preview-main_dev_login-df7c7a";
    expected.stages![0]!.actions![0]!.configuration!.Branch = LOGIN;
    expected.variables![1]!.defaultValue = "pv-dev-login-df7c7a";
    expect(definition).toEqual({ ...expected, version: 1 });
    expect(tags).toEqual([
      { key: "slipway:preview", value: "pv-dev-login-df7c7a" },
      { key: "slipway:branch", value: Buffer.from(LOGIN).toString("base64") },
    ]);
  });

  test("is run once, by CodePipeline itself, however often it is told of", async () => {
    const world = new FakeWorld();
    world.branches.set(LOGIN, "a1");
    await Promise.all([world.hearOf(LOGIN), world.hearOf(LOGIN)]);
    await world.hearOf(LOGIN);
    await world.settle();
    await world.sweep();
    expect(world.clones()).toHaveLength(1);
    expect(statuses(world)).toEqual(["Succeeded a1"]);
    expect(world.asked).not.toContain("StartPipelineExecution");
  });

  test("is run for each push, once", async () => {
    const world = await previewed();
    world.branches.set(LOGIN, "a2");
    await world.hearOf(LOGIN);
    await world.hearOf(LOGIN);
    await world.settle();
    await world.sweep();
    expect(statuses(world)).toEqual(["Succeeded a1", "Succeeded a2"]);
  });

  test("is run once for a commit, also where the invocation dies as soon as it has started it", async () => {
    const world = await previewed();
    world.branches.set(LOGIN, "a2");
    world.fault = (operation) => (operation === "StartPipelineExecution" ? "death after" : undefined);
    expect(await world.hearOf(LOGIN)).toBe(false);
    world.fault = () => undefined;
    await world.hearOf(LOGIN);
    await world.settle();
    await world.sweep();
    expect(statuses(world)).toEqual(["Succeeded a1", "Succeeded a2"]);
  });

  test("is not run again where its run failed, and is with the next push", async () => {
    const world = new FakeWorld();
    world.branches.set(LOGIN, "a1");
    world.runsFail = () => true;
    await world.hearOf(LOGIN);
    await world.settle();
    await world.sweep();
    await world.sweep();
    expect(statuses(world)).toEqual(["Failed a1"]);
    world.branches.set(LOGIN, "a2");
    await world.hearOf(LOGIN);
    await world.settle();
    expect(statuses(world)).toEqual(["Failed a1", "Failed a2"]);
  });

  test.each(["main", "docs", "feature/secret-plans"])("has none if it is %s", async (branch) => {
    const world = await previewed(branch);
    await world.sweep();
    expectNothingLeft(world);
  });

  test("gets its pipeline by the sweep where nothing told of it", async () => {
    const world = new FakeWorld();
    world.branches.set(LOGIN, "a1");
    await world.sweep();
    expect(world.clones()).toEqual([cloneName(LOGIN)]);
  });

  test("gets a pipeline again where somebody has deleted it", async () => {
    const world = await previewed();
    world.pipelines.delete(cloneName(LOGIN));
    await world.sweep();
    await world.settle();
    expect(statuses(world)).toEqual(["Succeeded a1"]);
  });

  test("waits for its template, and says so", async () => {
    const world = new FakeWorld();
    world.pipelines.delete(TEMPLATE);
    world.branches.set(LOGIN, "a1");
    await world.hearOf(LOGIN);
    expectNothingLeft(world);
    expect(has(world, "the next run of hello-main does that")).toBe(true);
    world.deploy(template());
    await world.sweep();
    expect(world.clones()).toHaveLength(1);
  });

  test("hides the token where CodePipeline quotes what it does not take", async () => {
    const world = new FakeWorld();
    world.branches.set(LOGIN, "a1");
    const error = awsError("InvalidStructureException");
    error.message = `Value '{OAuthToken=${TOKEN}}' failed to satisfy constraint`;
    world.fault = (operation) => (operation === "CreatePipeline" ? error : undefined);
    await world.hearOf(LOGIN);
    expect(has(world, "(hidden)")).toBe(true);
    expect(has(world, TOKEN)).toBe(false);
  });

  test("goes back to the queue where AWS says slow down", async () => {
    const world = new FakeWorld();
    world.branches.set(LOGIN, "a1");
    world.fault = (operation) =>
      operation === "CreatePipeline" ? awsError("ThrottlingException") : undefined;
    expect(await world.hearOf(LOGIN)).toBe(false);
    world.fault = () => undefined;
    expect(await world.hearOf(LOGIN)).toBe(true);
    expect(world.clones()).toHaveLength(1);
  });

  test.each([
    "feature/$(touch x)",
    "feature/../../etc",
    "feature/ünï😀<img>",
    `feature/${"long".repeat(60)}`,
  ])("is nowhere but in the source, the tag and the record: %s", async (branch) => {
    const world = await previewed(branch);
    const { definition, tags } = world.pipelines.get(cloneName(branch))!;
    expect(definition.name).toMatch(/^hello-preview-main_dev_[a-z0-9-]{8,17}$/);
    expect(JSON.stringify(definition).split(JSON.stringify(branch))).toHaveLength(2);
    for (const { value = "" } of tags) {
      expect(value).toMatch(/^[\w+=:/.-]+$/);
      expect(value.length).toBeLessThanOrEqual(256);
    }
    expect([...world.objects.keys()]).toEqual([`records/main_dev_${previewSlug(branch)}.json`]);
    // Without its record it is known by its tag.
    world.objects.clear();
    await world.hear(pipelineEvent(cloneName(branch)));
    expect(world.record(branch).branch).toBe(branch);
    world.branches.delete(branch);
    await world.hearOf(branch);
    await world.settle();
    expectNothingLeft(world);
  });
});

describe("a preview's pipeline", () => {
  test("is changed with its template, and with the token, and else never", async () => {
    const world = await previewed();
    await world.sweep();
    expect(world.asked).not.toContain("UpdatePipeline");

    const changed = template();
    changed.stages![1]!.actions![0]!.configuration!.ProjectName = "hello-other";
    world.deploy(changed);
    await world.sweep();
    const now = () => world.pipelines.get(cloneName(LOGIN))!.definition;
    expect(now().stages![1]).toEqual(changed.stages![1]);
    expect(now().stages![0]!.actions![0]!.configuration).toMatchObject({ Branch: LOGIN, OAuthToken: TOKEN });

    world.token = "another";
    await world.sweep();
    expect(now().stages![0]!.actions![0]!.configuration!.OAuthToken).toBe("another");
    await world.sweep();
    expect(world.asked.filter((operation) => operation === "UpdatePipeline")).toHaveLength(2);
    expect(JSON.stringify([...world.objects.values(), world.log])).not.toContain(TOKEN);
  });

  test("is not changed again and again where CodePipeline shows it in a form of its own", async () => {
    const world = await previewed();
    const read = world.onGetPipeline.bind(world);
    world.onGetPipeline = (input) => {
      const answer = read(input);
      if (input.name === cloneName(LOGIN)) answer.pipeline.stages!.at(-1)!.blockers = [];
      return answer;
    };
    for (let round = 0; round < 5; round++) await world.sweep();
    expect(world.asked.filter((operation) => operation === "UpdatePipeline")).toHaveLength(1);
    expect(statuses(world)).toEqual(["Succeeded a1"]);
  });

  test("is run again where a change of it has ended its run", async () => {
    const world = await previewed();
    world.branches.set(LOGIN, "a2");
    await world.hearOf(LOGIN);
    world.tick();
    world.deploy({ ...template(), executionMode: "QUEUED" });
    await world.sweep();
    await world.settle();
    expect(statuses(world)).toEqual(["Succeeded a1", "Cancelled a2", "Succeeded a2"]);
  });
});

describe("the limit of a rule", () => {
  test("refuses the next one, tells its pull request why, and lets it in when there is room", async () => {
    const world = await previewed("feature/a");
    for (const branch of ["feature/b", "feature/c"]) world.branches.set(branch, "a1");
    world.pulls.set(3, { branch: "feature/c", into: "main", isOpen: true });
    await world.hearOf("feature/b");
    await world.hearOf("feature/c");
    expect(world.clones()).toEqual([cloneName("feature/a"), cloneName("feature/b")].sort());
    expect(world.comments.get(3)).toContain("there are 2 previews of feature/* already");
    expect(world.record("feature/c")).toBeUndefined();

    world.branches.delete("feature/a");
    await world.hearOf("feature/a");
    await world.settle();
    await world.sweep();
    expect(world.clones()).toEqual([cloneName("feature/b"), cloneName("feature/c")].sort());
    expect(world.comments.get(3)).toContain("being deployed");
  });

  test("holds for those that come at the same moment", async () => {
    const world = await previewed("feature/a");
    for (const branch of ["feature/b", "feature/c"]) world.branches.set(branch, "a1");
    await Promise.all([world.hearOf("feature/b"), world.hearOf("feature/c")]);
    expect(world.clones().length).toBeLessThanOrEqual(2);
    await world.sweep();
    expect(world.clones()).toHaveLength(2);
  });

  test("of pipelines in AWS is told of, too", async () => {
    const world = new FakeWorld();
    world.branches.set(LOGIN, "a1");
    world.fault = (operation) =>
      operation === "CreatePipeline" ? awsError("LimitExceededException") : undefined;
    expect(await world.hearOf(LOGIN)).toBe(true);
    expectNothingLeft(world);
    expect(has(world, "AWS allows the account no more pipelines")).toBe(true);
  });
});

describe("two branches with the same short name", () => {
  const other = (world: FakeWorld, branch: string) =>
    world.pipelines.get(cloneName(LOGIN))!.tags.splice(1, 1, {
      key: "slipway:branch",
      value: Buffer.from(branch).toString("base64"),
    });

  test("the one that came second is refused, and touches nothing of the other", async () => {
    const world = await previewed();
    world.branches.set("feature/other", "b1");
    world.objects.clear();
    other(world, "feature/other");
    await world.hearOf(LOGIN);
    expect(has(world, "the preview of another branch goes by the same short name")).toBe(true);
    world.branches.delete(LOGIN);
    await world.hearOf(LOGIN);
    expect(world.builds).toEqual([]);
    const { stages } = world.pipelines.get(cloneName(LOGIN))!.definition;
    expect(stages![0]!.actions![0]!.configuration!.Branch).toBe("feature/other");
  });

  test("the one that came second follows when the other's is gone", async () => {
    const world = await previewed();
    world.objects.clear();
    other(world, "feature/other");
    await world.hearOf(LOGIN);
    await world.settle();
    await world.sweep();
    await world.settle();
    expect(world.record(LOGIN).branch).toBe(LOGIN);
    expect(statuses(world)).toEqual(["Succeeded a1"]);
  });
});

describe("a branch that is gone", () => {
  test("is torn down when its runs have stopped, and then nothing is left", async () => {
    const world = await previewed();
    world.branches.set(LOGIN, "a2");
    await world.hearOf(LOGIN);
    world.branches.delete(LOGIN);
    await world.hearOf(LOGIN);
    expect(world.runsOf(LOGIN).at(-1)?.status).toBe("Stopping");
    expect(world.builds).toEqual([]);

    world.tick();
    await world.hearEvents();
    expect(world.builds.map(({ environment }) => environment.environmentVariables)).toMatchObject([
      [
        { name: "SLIPWAY_PREVIEW", value: environmentOf(LOGIN) },
        { name: "PIPELINE", value: "hello-main" },
      ],
    ]);
    expect(world.clones()).toHaveLength(1);

    world.tick();
    await world.hearEvents();
    expectNothingLeft(world);
    expect(world.builds).toHaveLength(1);
  });

  test("is not torn down beside a run, until it has not stopped for an hour and a half", async () => {
    const world = await previewed();
    world.branches.set(LOGIN, "a2");
    await world.hearOf(LOGIN);
    world.branches.delete(LOGIN);
    await world.hearOf(LOGIN);
    world.minutes(60);
    await world.sweep();
    expect(world.runsOf(LOGIN).at(-1)?.status).toBe("Stopping");
    expect(world.builds).toEqual([]);
    world.minutes(60);
    await world.sweep();
    expect(world.runsOf(LOGIN).at(-1)?.status).toBe("Stopped");
    await world.sweep();
    await world.settle();
    expectNothingLeft(world);
  });

  test("keeps its pipeline where the teardown has not destroyed all", async () => {
    const world = await previewed();
    world.branches.delete(LOGIN);
    await world.hearOf(LOGIN);
    world.tick();
    world.states.set(environmentOf(LOGIN), world.now);
    await world.hearEvents();
    expect(world.clones()).toHaveLength(1);
    await world.settle();
    expectNothingLeft(world);
  });

  test("that comes back while it is torn down keeps its pipeline, which is run anew after that", async () => {
    const world = await previewed();
    world.branches.delete(LOGIN);
    await world.hearOf(LOGIN);
    world.branches.set(LOGIN, "a1");
    await world.hearOf(LOGIN);
    expect(statuses(world)).toEqual(["Succeeded a1"]);
    await world.settle();
    expect(statuses(world)).toEqual(["Succeeded a1", "Succeeded a1"]);
    expect([...world.states.keys()]).toEqual([environmentOf(LOGIN)]);
    expect([...world.objects.keys()]).toEqual([`records/main_dev_${previewSlug(LOGIN)}.json`]);
  });

  test("that comes back in the moment before its teardown starts waits for that, but not for ever", async () => {
    const world = await previewed();
    world.branches.delete(LOGIN);
    world.fault = (operation) => (operation === "StartBuild" ? "death before" : undefined);
    await world.hearOf(LOGIN);
    world.branches.set(LOGIN, "a1");
    world.fault = () => undefined;
    await world.hearOf(LOGIN);
    expect(world.runsOf(LOGIN)).toHaveLength(1);
    world.minutes(6);
    await world.hearOf(LOGIN);
    expect(world.runsOf(LOGIN)).toHaveLength(2);
  });
});

describe("a teardown that fails", () => {
  test("is tried again by sweeps alone, three times; then people are told, and it is tried once a day", async () => {
    const world = await previewed();
    world.pulls.set(1, { branch: LOGIN, into: "main", isOpen: true });
    await world.hearOf(LOGIN);
    world.teardownsFail = () => true;
    world.branches.delete(LOGIN);
    world.pulls.get(1)!.isOpen = false;
    await world.hearOf(LOGIN);
    await world.settle();
    expect(world.attempts()).toEqual(["FAILED"]);
    for (let round = 0; round < 8; round++) {
      await world.sweep();
      await world.settle();
      world.minutes(15);
    }
    expect(world.attempts()).toHaveLength(4);
    expect(world.mails).toHaveLength(1);
    expect(world.mails[0]).toMatchObject({
      Subject: "hello: pv-dev-login-df7c7a cannot be removed",
      Message: expect.stringContaining("its teardown has failed 4 times"),
    });
    expect(world.comments.get(1)).toContain("could not be removed");

    world.minutes(24 * 60);
    await world.sweep();
    await world.settle();
    await world.sweep();
    expect(world.attempts()).toHaveLength(5);
    expect(world.mails).toHaveLength(2);

    world.teardownsFail = () => false;
    world.minutes(24 * 60);
    await world.sweep();
    await world.settle();
    expectNothingLeft(world);
    expect(world.comments.get(1)).toContain("gone");
  });
});

describe("a preview that nobody pushes to", () => {
  test("goes after its time, and comes back with the next push and no sooner", async () => {
    const world = await previewed();
    world.pulls.set(1, { branch: LOGIN, into: "main", isOpen: true });
    await world.hearOf(LOGIN);
    world.minutes(71 * 60);
    await world.sweep();
    expect(world.clones()).toHaveLength(1);
    world.minutes(2 * 60);
    await world.sweep();
    await world.settle();
    expect(world.clones()).toEqual([]);
    expect(world.comments.get(1)).toContain("nobody has pushed for long");
    await world.sweep();
    await world.hearOf(LOGIN);
    expect(world.clones()).toEqual([]);
    expect(world.builds).toHaveLength(1);

    world.branches.set(LOGIN, "a2");
    await world.hearOf(LOGIN);
    await world.settle();
    expect(statuses(world)).toEqual(["Succeeded a2"]);
    expect(world.comments.get(1)).toContain("ready");
  });

  test("gives its place to another, and is forgotten with its branch", async () => {
    const world = await previewed("feature/a");
    world.minutes(73 * 60);
    await world.sweep();
    await world.settle();
    for (const branch of ["feature/b", "feature/c"]) {
      world.branches.set(branch, "b1");
      await world.hearOf(branch);
    }
    expect(world.clones()).toHaveLength(2);
    world.branches.delete("feature/a");
    await world.hearOf("feature/a");
    expect(world.record("feature/a")).toBeUndefined();
  });
});

describe("a pull request", () => {
  const FIX = "fix/cart";

  test("gives its branch a preview, and is told how it fares until it is gone", async () => {
    const world = new FakeWorld();
    world.branches.set(FIX, "a1");
    world.pulls.set(7, { branch: FIX, into: "main", isOpen: true });
    await world.hear({ slipway: "pull-request", number: 7, branch: FIX });
    expect(world.comments.get(7)).toContain("being deployed");
    await world.settle();
    expect(world.comments.get(7)).toContain("ready, here:\n\n- <https://pv.example.com/>");
    const said = world.asked.filter((operation) => operation === "say").length;
    await world.sweep();
    expect(world.asked.filter((operation) => operation === "say")).toHaveLength(said);

    world.pulls.get(7)!.isOpen = false;
    await world.hear({ slipway: "pull-request", number: 7, branch: FIX });
    await world.settle();
    expectNothingLeft(world);
    expect(world.comments.get(7)).toContain("gone");
  });

  test("into another branch gives none", async () => {
    const world = new FakeWorld();
    world.branches.set(FIX, "a1");
    world.pulls.set(7, { branch: FIX, into: "legacy", isOpen: true });
    await world.hearOf(FIX);
    expectNothingLeft(world);
  });

  test("that cannot be told keeps nothing from being done, and is told by a later sweep", async () => {
    const world = new FakeWorld();
    world.branches.set(FIX, "a1");
    world.pulls.set(7, { branch: FIX, into: "main", isOpen: true });
    world.fault = (operation) => (operation === "say" ? new Error("It is locked") : undefined);
    expect(await world.hearOf(FIX)).toBe(true);
    await world.settle();
    expect(statuses(world, FIX)).toEqual(["Succeeded a1"]);
    world.fault = () => undefined;
    await world.sweep();
    expect(world.comments.get(7)).toContain("ready");
  });
});

describe("a sweep", () => {
  test("leaves alone a branch whose time to live has passed since its last commit, until somebody pushes", async () => {
    const world = new FakeWorld();
    for (const [branch, hours] of [
      ["feature/old", 73],
      ["feature/new", 71],
    ] as const) {
      world.branches.set(branch, `of-${hours}`);
      world.committed.set(`of-${hours}`, new Date(world.now.getTime() - hours * 3_600_000));
    }
    await world.sweep();
    expect(world.clones()).toEqual([cloneName("feature/new")]);
    await world.hearOf("feature/old");
    expect(world.clones()).toHaveLength(2);
  });

  test("keeps a preview whose branch was at an old commit when somebody pushed it", async () => {
    const world = new FakeWorld();
    world.committed.set("a1", new Date(0));
    world.branches.set(LOGIN, "a1");
    await world.hearOf(LOGIN);
    await world.settle();
    await world.sweep();
    await world.settle();
    expect(statuses(world)).toEqual(["Succeeded a1"]);
  });

  test("asks of a hundred branches that have none, and by and by of each", async () => {
    const world = new FakeWorld();
    const asked: string[] = [];
    const old = Array.from({ length: 250 }, (_, number) => `old-${number}`);
    for (const commit of old) world.branches.set(`feature/${commit}`, commit);
    world.committed.get = (commit) => {
      asked.push(commit);
      return new Date(0);
    };
    for (let round = 1; round <= 5; round++) {
      await world.sweep();
      expect(asked).toHaveLength(100 * round);
      world.minutes(15);
    }
    expect(new Set(asked)).toEqual(new Set(old));
    expect(world.clones()).toEqual([]);
  });

  test("does the rest where it cannot be known how old a branch is", async () => {
    const world = new FakeWorld();
    world.committed.get = (commit) => {
      if (commit === "a1") throw new Error("GitHub is down");
      return world.now;
    };
    world.branches.set("feature/a", "a1");
    world.branches.set("feature/b", "b1");
    expect(await world.sweep()).toBe(false);
    expect(world.clones()).toEqual([cloneName("feature/b")]);
  });

  test("destroys a state that nothing belongs to", async () => {
    const world = new FakeWorld();
    world.states.set("pv-dev-old-0a1b2c", world.now);
    await world.sweep();
    await world.settle();
    await world.sweep();
    expectNothingLeft(world);
    expect(world.builds[0]?.environment.environmentVariables).toMatchObject([
      { value: "pv-dev-old-0a1b2c" },
      { value: "hello-main" },
    ]);
  });

  test.each([
    "pv-x",
    "pv-dev-$(id)",
    "pv-dev-\u0007-0a1b2c",
    "pv-dev-login-0a1b2c.old",
  ])("leaves alone what somebody has put beside the states: %j", async (name) => {
    const world = new FakeWorld();
    world.states.set(name, world.now);
    for (let sweeps = 0; sweeps < 3; sweeps++) {
      await world.sweep();
      await world.settle();
    }
    expect(world.builds).toEqual([]);
  });

  test("leaves alone the previews of a project whose name goes on from this one's", async () => {
    const world = new FakeWorld();
    const others = "hello-preview-preview-main_dev_login-3f9a2c";
    world.deploy({ ...template(), name: others });
    for (let sweeps = 0; sweeps < 3; sweeps++) {
      await world.sweep();
      await world.settle();
    }
    expect([...world.pipelines.keys()]).toContain(others);
    expect(world.builds).toEqual([]);
  });

  test("destroys a trial that has not touched its state for three hours, by its own pipeline's tree", async () => {
    const world = new FakeWorld();
    world.task = { ...TASK, trials: { stage: "hello-release" } };
    world.states.set("pv-stage-t0123456789", world.now);
    world.minutes(170);
    await world.sweep();
    expect(world.builds).toEqual([]);
    world.minutes(11);
    await world.sweep();
    expect(world.builds[0]?.environment.environmentVariables.at(-1)?.value).toBe("hello-release");
    await world.settle();
    await world.sweep();
    expectNothingLeft(world);
  });

  test("finishes a preview of a template that is there no more", async () => {
    const world = await previewed();
    world.task = { ...TASK, rules: [], templates: {} };
    await world.sweep();
    world.tick();
    await world.sweep();
    expectNothingLeft(world);
    expect(world.builds[0]?.environment.environmentVariables.at(-1)?.value).toBe("hello-main");
  });

  test("takes teardowns first, and leaves to the next what it has no time for", async () => {
    const world = await previewed("feature/a");
    world.branches.delete("feature/a");
    world.branches.set("feature/b", "b1");
    let left = 30_000;
    const message = { slipway: "sweep" };
    await world.hear(message, () => {
      left -= 4_000;
      return left;
    });
    expect(world.builds).toHaveLength(1);
    await world.hear(message, () => 21_000);
    expect(world.clones()).toContain(cloneName("feature/b"));
  });

  test("does the rest where one step fails, and goes back to the queue", async () => {
    const world = await previewed("feature/a");
    world.branches.set("feature/b", "b1");
    world.objects.set(`records/main_dev_${previewSlug("feature/a")}.json`, { body: "{}", etag: "x" });
    world.states.set("pv-dev-old-0a1b2c", world.now);
    expect(await world.sweep()).toBe(false);
    expect(world.builds).toHaveLength(1);
    expect(has(world, "is not what this function wrote")).toBe(true);
  });
});

describe("a message", () => {
  test.each([
    "no JSON",
    "{}",
    JSON.stringify({ slipway: "branch" }),
    JSON.stringify({ slipway: "branch", branch: "" }),
    JSON.stringify(pipelineEvent("hello-main")),
    JSON.stringify(pipelineEvent(TEMPLATE)),
    JSON.stringify(buildEvent([{ name: "SLIPWAY_PREVIEW", value: "dev" }])),
    JSON.stringify(codeCommit({ repositoryName: "hello", referenceType: "branch", referenceName: LOGIN })),
  ])("about nothing that previews know is dropped: %s", async (body) => {
    const world = new FakeWorld();
    expect(await world.hear(body)).toBe(true);
    expect(world.asked).toEqual([]);
    expect(has(world, "is dropped")).toBe(true);
  });

  test.each([
    { repositoryName: "hello", referenceType: "branch", referenceName: LOGIN },
    { repositoryNames: ["hello"], sourceReference: `refs/heads/${LOGIN}` },
  ])("of CodeCommit is understood: %j", async (detail) => {
    const world = new FakeWorld();
    world.task = { ...TASK, provider: "codecommit", repository: "hello" };
    world.branches.set(LOGIN, "a1");
    await world.hear(codeCommit(detail));
    expect(world.clones()).toEqual([cloneName(LOGIN)]);
  });

  test("of another CodeCommit repository is dropped", async () => {
    const world = new FakeWorld();
    world.task = { ...TASK, provider: "codecommit", repository: "hello" };
    await world.hear(codeCommit({ repositoryName: "other", referenceType: "branch", referenceName: LOGIN }));
    expect(world.asked).toEqual([]);
  });

  test("for which there is no time goes back to the queue", async () => {
    const world = new FakeWorld();
    expect(await world.hear({ slipway: "branch", branch: LOGIN }, () => 19_000)).toBe(false);
    expect(world.asked).toEqual([]);
  });

  function codeCommit(detail: object) {
    return { source: "aws.codecommit", detail };
  }
});
