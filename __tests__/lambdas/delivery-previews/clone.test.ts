import { cloneOf, differenceOf } from "../../../lambdas/delivery-previews/clone";
import { readTask } from "../../../lambdas/delivery-previews/task";
import { FakeWorld, TASK, TEMPLATE, TOKEN, template } from "./fake-world";

const PROPS = {
  name: "hello-preview-main_dev_x-000000",
  branch: "feature/x",
  environment: "pv-dev-x-000000",
};

/** The template behind a connection, which CodePipeline itself starts. */
function connected() {
  const declared = template();
  const [source] = declared.stages![0]!.actions!;
  source!.configuration = { ConnectionArn: "arn:aws:c", FullRepositoryId: "acme/hello", BranchName: "main" };
  declared.triggers = [
    {
      providerType: "CodeStarSourceConnection",
      gitConfiguration: {
        sourceActionName: "Source",
        push: [{ branches: { includes: ["slipway-preview-template"] }, filePaths: { includes: ["app/**"] } }],
      },
    },
  ];
  return declared;
}

describe("a preview's pipeline behind a connection", () => {
  test("has its branch in source and trigger, and needs no token", () => {
    const clone = cloneOf(connected(), PROPS);
    expect(clone.stages![0]!.actions![0]!.configuration).toEqual({
      ConnectionArn: "arn:aws:c",
      FullRepositoryId: "acme/hello",
      BranchName: "feature/x",
    });
    expect(clone.triggers![0]!.gitConfiguration!.push).toEqual([
      { branches: { includes: ["feature/x"] }, filePaths: { includes: ["app/**"] } },
    ]);
  });

  test.each([
    "feature/{a,b}",
    "feature/[x",
    `feature/${"x".repeat(250)}`,
  ])("is not triggered by a branch whose name is a pattern, or is too long for one: %s", (branch) => {
    const declared = connected();
    expect(cloneOf(declared, { ...PROPS, branch }).triggers).toEqual(declared.triggers);
  });

  test("is started where CodePipeline has not done so three minutes after a push", async () => {
    const world = new FakeWorld();
    world.deploy(connected());
    world.branches.set("feature/x", "a1");
    await world.hearOf("feature/x");
    await world.settle();
    world.branches.set("feature/x", "a2");
    await world.hearOf("feature/x");
    expect(world.runsOf("feature/x")).toHaveLength(1);
    world.minutes(4);
    await world.sweep();
    await world.settle();
    expect(world.runsOf("feature/x").map(({ commit }) => commit)).toEqual(["a1", "a2"]);
  });
});

test("a template that has no variable for the environment makes no preview", () => {
  expect(() => cloneOf({ ...template(), variables: [] }, { ...PROPS, token: TOKEN })).toThrow(
    `${TEMPLATE} has no variable SLIPWAY_PREVIEW`,
  );
});

test("a source that takes a token is not cloned without one", () => {
  expect(() => cloneOf(template(), PROPS)).toThrow("npm run connect");
});

test("definitions are the same whatever their tokens, versions and order of fields", () => {
  const clone = cloneOf(template(), { ...PROPS, token: TOKEN });
  const shown = structuredClone({ version: 7, ...clone });
  shown.stages![0]!.actions![0]!.configuration!.OAuthToken = "****";
  const turned = Object.fromEntries(Object.entries(clone).reverse()) as typeof clone;
  expect(differenceOf(shown, turned)).toBeUndefined();
  expect(differenceOf(shown, { ...clone, executionMode: "QUEUED" })).toBeDefined();
});

describe("the function's variables", () => {
  test("are what the stack gives", () => {
    const { githubApi: _, ...given } = TASK;
    expect(readTask({ PREVIEWS: JSON.stringify({ ...given, services: ["web"] }) })).toEqual(TASK);
  });

  test("are named where they are wrong", () => {
    expect(() => readTask({ PREVIEWS: '{"project":1}', GITHUB_API_URL: "x" })).toThrow(/GITHUB_API_URL/);
  });
});
