import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ReleasableFunction } from "../../../tools/release/function";
import { ReleaseRecord } from "../../../tools/release/record";
import type { Releasable } from "../../../tools/release/releasable";
import { bringBack, release } from "../../../tools/release/release";
import { ReleasableService } from "../../../tools/release/service";
import { bad, FakeAws, GOOD, OLD_CODE, OLD_TASK } from "./fake-aws";
import { COMMIT, contextOf, HELLO, IMAGE, NEW_CODE, WEB } from "./support";

const NEW_TASK = OLD_TASK.replace(/1$/, "2");

let aws: FakeAws;
let bed: ReturnType<typeof contextOf>;
let folder: string;
let web: Releasable;
let hello: Releasable;

beforeEach(() => {
  aws = new FakeAws();
  bed = contextOf(aws);
  folder = mkdtempSync(join(tmpdir(), "slipway-release-"));
  web = new ReleasableService("web", WEB, "hello-dev", IMAGE, bed.context);
  hello = new ReleasableFunction("hello", HELLO, NEW_CODE, bed.context);
});
afterEach(() => {
  jest.restoreAllMocks();
});

const releases = (...subjects: Releasable[]) =>
  release(subjects, ReleaseRecord.begin(folder, "dev"), bed.context);
const goesBack = (...subjects: Releasable[]) =>
  bringBack(subjects, ReleaseRecord.read(folder, "dev"), bed.context);
/** The same, released by another commit. */
const ofAnotherCommit = (commit?: string) => {
  const context = { ...bed.context, commit };
  return {
    web: new ReleasableService("web", WEB, "hello-dev", IMAGE, context),
    hello: new ReleasableFunction("hello", HELLO, NEW_CODE, context),
  };
};
const left = (file: string) => JSON.parse(readFileSync(join(folder, file), "utf8"));
const told = () => bed.told.join("\n");

describe("a service", () => {
  test("is released by its deployed task definition, with the image in its own container", async () => {
    await releases(web);
    const [{ tags, ...registered }] = aws.asked("RegisterTaskDefinition");
    expect(registered).toEqual({
      family: "hello-dev-web",
      cpu: "256",
      containerDefinitions: [
        { name: "web", image: IMAGE, essential: true },
        { name: "beside", image: "public.ecr.aws/beside:1" },
      ],
    });
    expect(tags).toEqual([
      { key: "project", value: "hello" },
      { key: "slipway:release", value: expect.stringMatching(/^[0-9a-f]{64}$/) },
      { key: "slipway:before", value: OLD_TASK },
      { key: "slipway:commit", value: COMMIT },
    ]);
    expect(aws.appSpecs).toEqual([
      {
        version: 0,
        Resources: [
          {
            TargetService: {
              Type: "AWS::ECS::Service",
              Properties: {
                TaskDefinition: NEW_TASK,
                LoadBalancerInfo: { ContainerName: "web", ContainerPort: 8080 },
                PlatformVersion: "LATEST",
                NetworkConfiguration: {
                  AwsvpcConfiguration: {
                    Subnets: ["subnet-1", "subnet-2"],
                    SecurityGroups: ["sg-1"],
                    AssignPublicIp: "DISABLED",
                  },
                },
              },
            },
          },
        ],
        Hooks: [{ AfterAllowTestTraffic: WEB.check }, { AfterAllowTraffic: WEB.check }],
      },
    ]);
    expect(aws.asked("CreateDeployment")).toMatchObject([
      { applicationName: "hello-dev-web", deploymentGroupName: "web" },
    ]);
    expect(aws.service).toBe(NEW_TASK);
  });

  test("tells each event and each share of the traffic once", async () => {
    await releases(web);
    expect(bed.told).toEqual([
      "web: its users have the placeholder. All traffic moves at once, so that nobody gets it any longer than needed.",
      `web: releases ${NEW_TASK}, deployment d-1`,
      "web: Install begins",
      "web: Install succeeded",
      "web: AllowTraffic begins",
      "web: AllowTraffic 10 %",
      "web: AllowTraffic succeeded",
      "web: AllowTraffic 100 %",
      `web: ${NEW_TASK} is released.`,
    ]);
  });

  test("is released at once where its users get the placeholder, and as its group says from then on", async () => {
    await releases(web);
    const taskDefinition = { ...WEB.taskDefinition, cpu: "512" };
    await releases(new ReleasableService("web", { ...WEB, taskDefinition }, "hello-dev", IMAGE, bed.context));
    expect(aws.asked("CreateDeployment").map(({ deploymentConfigName }) => deploymentConfigName)).toEqual([
      "CodeDeployDefault.ECSAllAtOnce",
      undefined,
    ]);
  });

  test("is not released again when it runs it already, however its settings are ordered", async () => {
    await releases(ofAnotherCommit().web);
    const { family, containerDefinitions, ...others } = WEB.taskDefinition;
    const taskDefinition = { containerDefinitions, ...others, family };
    await releases(new ReleasableService("web", { ...WEB, taskDefinition }, "hello-dev", IMAGE, bed.context));
    expect(aws.asked("RegisterTaskDefinition")).toHaveLength(1);
    expect(aws.asked("CreateDeployment")).toHaveLength(1);
    expect(bed.told.at(-1)).toBe(`web: runs it already (${NEW_TASK}); nothing is released.`);
    expect(left("releases.json").services.web).toEqual({
      before: NEW_TASK,
      after: NEW_TASK,
      done: "runs already",
    });
  });

  test("is released when its task definition alone has changed", async () => {
    await releases(web);
    const taskDefinition = { ...WEB.taskDefinition, cpu: "512" };
    await releases(new ReleasableService("web", { ...WEB, taskDefinition }, "hello-dev", IMAGE, bed.context));
    expect(aws.service).toBe(OLD_TASK.replace(/1$/, "3"));
  });

  test("leaves a record of what was released", async () => {
    await releases(web);
    expect(left("releases.json")).toEqual({
      environment: "dev",
      services: { web: { before: OLD_TASK, after: NEW_TASK, deployment: "d-1", done: "released" } },
      functions: {},
    });
    expect(left("web/taskdef.json").containerDefinitions[0].image).toBe(IMAGE);
    expect(left("web/appspec.json")).toEqual(aws.appSpecs[0]);
  });

  test("fails with words for people when there is none", async () => {
    aws.service = "";
    await expect(releases(web)).rejects.toThrow("dev is not released: web failed");
    expect(told()).toMatch(/no service web in the cluster hello-dev\. .*npx cdktf deploy dev/);
    expect(aws.asked("RegisterTaskDefinition")).toEqual([]);
  });
});

describe("a function", () => {
  test("is released by a new version of its new code", async () => {
    await releases(hello);
    expect(aws.asked("UpdateFunctionCode")).toEqual([
      {
        FunctionName: "hello-dev-hello",
        ZipFile: NEW_CODE.toString("base64"),
        RevisionId: "revision of $LATEST",
      },
    ]);
    expect(aws.asked("PublishVersion")).toMatchObject([
      {
        CodeSha256: aws.versions[2]!.sha256,
        Description: `slipway:before=1 slipway:commit=${COMMIT}`,
      },
    ]);
    expect(aws.appSpecs).toEqual([
      {
        version: 0,
        Resources: [
          {
            "hello-dev-hello": {
              Type: "AWS::Lambda::Function",
              Properties: {
                Name: "hello-dev-hello",
                Alias: "live",
                CurrentVersion: "1",
                TargetVersion: "2",
              },
            },
          },
        ],
        Hooks: [{ BeforeAllowTraffic: HELLO.check }, { AfterAllowTraffic: HELLO.check }],
      },
    ]);
    expect(aws.alias).toBe("2");
    expect(bed.told).toContain("hello: AllowTraffic 10 %");
    expect(left("releases.json").functions.hello).toEqual({
      before: "1",
      after: "2",
      deployment: "d-1",
      done: "released",
    });
    expect(left("hello/appspec.json")).toEqual(aws.appSpecs[0]);
  });

  test("is told its share of the traffic in percents, also where CodeDeploy tells shares of 1", async () => {
    aws.goes.hello = [
      [
        { status: "InProgress", weight: 0.1 },
        { status: "Succeeded", weight: 1 },
      ],
    ];
    await releases(hello);
    expect(bed.told.filter((line) => line.includes("%"))).toEqual([
      "hello: AllowTraffic 10 %",
      "hello: AllowTraffic 100 %",
    ]);
  });

  test("is not released again when its alias has the code and the configuration", async () => {
    await releases(new ReleasableFunction("hello", HELLO, OLD_CODE, bed.context));
    expect(bed.told).toEqual(["hello: runs it already (1); nothing is released."]);
    expect(left("releases.json").functions.hello.done).toBe("runs already");
    for (const change of ["UpdateFunctionCode", "PublishVersion", "CreateDeployment"])
      expect(aws.asked(change)).toEqual([]);
  });

  test("is released when its configuration alone has changed", async () => {
    aws.versions[0] = { ...aws.versions[0], memory: 512 };
    await releases(new ReleasableFunction("hello", HELLO, OLD_CODE, bed.context));
    expect(aws.asked("UpdateFunctionCode")).toEqual([]);
    expect(aws.alias).toBe("2");
  });

  test("is asked of Lambda whether it changed, where its variables are hidden", async () => {
    aws.hidesVariables = true;
    await releases(new ReleasableFunction("hello", HELLO, OLD_CODE, bed.context));
    expect(aws.asked("PublishVersion")).toHaveLength(1);
    expect(bed.told).toEqual(["hello: runs it already (1); nothing is released."]);
  });

  test("waits until Lambda has taken in what was deployed, and the new code", async () => {
    aws.updates = ["InProgress", "Successful", "InProgress", "InProgress", "Successful"];
    await releases(hello);
    const order = aws.calls.map(({ operation }) => operation);
    const between = order.slice(order.indexOf("UpdateFunctionCode"), order.indexOf("PublishVersion"));
    // The answer to the update itself says that it is in progress.
    expect(between).toEqual(["UpdateFunctionCode", "GetFunctionConfiguration", "GetFunctionConfiguration"]);
  });

  test("fails, and moves no traffic, when Lambda does not take in the code", async () => {
    aws.updates = ["Successful", "InProgress", "Failed"];
    await expect(releases(hello)).rejects.toThrow("hello failed");
    expect(told()).toMatch(/could not take in the change of hello-dev-hello: the key is disabled/);
    expect(aws.asked("CreateDeployment")).toEqual([]);
  });

  test("fails when Lambda does not end to take it in", async () => {
    aws.updates = Array.from({ length: 1000 }, () => "InProgress");
    await expect(releases(hello)).rejects.toThrow("hello failed");
    expect(told()).toMatch(/did not take in the change of hello-dev-hello: waited/);
  });

  test("fails when somebody else changed it meanwhile, and loses nothing of theirs", async () => {
    aws.errors.set("UpdateFunctionCode", { name: "PreconditionFailedException", times: 1 });
    await expect(releases(hello)).rejects.toThrow("hello failed");
    expect(told()).toMatch(/Somebody else changed the function hello-dev-hello meanwhile.*version 1/);
    expect(aws.asked("PublishVersion")).toEqual([]);
  });
});

describe("alarms", () => {
  const overrides = () =>
    aws.asked("CreateDeployment").map(({ overrideAlarmConfiguration }) => overrideAlarmConfiguration);

  test("that are quiet all watch the release", async () => {
    await releases(web);
    expect(overrides()).toEqual([undefined]);
  });

  test("that are on already are told, and do not keep the mend away; the others watch it", async () => {
    aws.alarms = { "web-slow": "ALARM" };
    await releases(web);
    expect(told()).toContain("web: WARNING: the alarm web-slow is on already (6 errors\\nin a minute).");
    expect(overrides()).toEqual([{ enabled: true, alarms: [{ name: "web-errors" }] }]);
    expect(aws.service).toBe(NEW_TASK);
  });

  test("that are all on already do not watch it", async () => {
    aws.alarms = { "web-slow": "ALARM", "web-errors": "ALARM" };
    await releases(web);
    expect(overrides()).toEqual([{ enabled: false, alarms: [] }]);
  });
});

describe("a release that is done again by the same commit", () => {
  test("of all that runs already notes what ran before it, which can be brought back", async () => {
    await releases(web, hello);
    await releases(web, hello);
    for (const change of ["RegisterTaskDefinition", "PublishVersion"])
      expect(aws.asked(change)).toHaveLength(1);
    expect(aws.asked("CreateDeployment")).toHaveLength(2);
    expect(bed.told).toContain(
      `web: runs it already (${NEW_TASK}), released by the same commit; nothing is released. Before that it ran ${OLD_TASK}.`,
    );
    expect(left("releases.json")).toEqual({
      environment: "dev",
      services: { web: { before: OLD_TASK, after: NEW_TASK, done: "released" } },
      functions: { hello: { before: "1", after: "2", done: "released" } },
    });
    await goesBack(web, hello);
    expect([aws.service, aws.alias]).toEqual([OLD_TASK, "1"]);
  });

  test("brings back what it had released the first time, where the rest fails", async () => {
    await releases(web);
    aws.goes.hello = [bad("HOOK_EXECUTION_FAILURE", "")];
    await expect(releases(web, hello)).rejects.toThrow("hello failed");
    expect(aws.service).toBe(OLD_TASK);
  });

  test.each([
    ["another commit", "d".repeat(40), COMMIT],
    ["nobody knows which commit", undefined, COMMIT],
    ["a commit, and is released by hand", COMMIT, undefined],
    ["hand both times", undefined, undefined],
  ])("leaves alone what was released by %s", async (_, first, second) => {
    const earlier = ofAnotherCommit(first);
    await releases(earlier.web, earlier.hello);
    const later = ofAnotherCommit(second);
    await releases(later.web, later.hello);
    expect(left("releases.json")).toEqual({
      environment: "dev",
      services: { web: { before: NEW_TASK, after: NEW_TASK, done: "runs already" } },
      functions: { hello: { before: "2", after: "2", done: "runs already" } },
    });
  });

  test("does not trust a version that Lambda published for another commit, and did not publish anew", async () => {
    await releases(ofAnotherCommit("d".repeat(40)).hello);
    aws.alias = "1";
    await releases(hello);
    expect(aws.alias).toBe("2");
    await releases(hello);
    expect(left("releases.json").functions.hello.done).toBe("runs already");
  });

  test("notes no commit where it does not know it", async () => {
    const { web, hello } = ofAnotherCommit();
    await releases(web, hello);
    expect(aws.asked("RegisterTaskDefinition")[0].tags).toEqual([
      { key: "project", value: "hello" },
      { key: "slipway:release", value: expect.any(String) },
      { key: "slipway:before", value: OLD_TASK },
    ]);
    expect(aws.asked("PublishVersion")).toMatchObject([{ Description: "slipway:before=1" }]);
  });
});

describe("the check function", () => {
  const order = () => aws.calls.map(({ operation }) => operation);

  test("that is active is not called", async () => {
    await releases(web, hello);
    expect(aws.asked("Invoke")).toEqual([]);
  });

  test("that Lambda has made inactive is woken, and active before the deployment is made", async () => {
    aws.checkStates = ["Inactive", "Inactive", "Pending", "Pending"];
    await releases(web);
    expect(aws.asked("Invoke")).toEqual([{ FunctionName: WEB.check, InvocationType: "Event" }]);
    expect(aws.checkStates).toEqual([]);
    const after = order().slice(order().indexOf("Invoke"), order().indexOf("CreateDeployment"));
    expect(after.filter((operation) => operation === "GetFunctionConfiguration")).toHaveLength(4);
    expect(told()).toMatch(/web: wakes hello-dev-web-check, .* inactive/);
  });

  test("that somebody else woke is waited for", async () => {
    aws.checkStates = ["Pending", "Pending"];
    await releases(web);
    expect(aws.asked("Invoke")).toEqual([]);
    expect(aws.checkStates).toEqual([]);
  });

  test.each([
    "ResourceConflictException",
    "ResourceNotReadyException",
  ])("is waited for also where the call that wakes it fails with %s", async (name) => {
    aws.checkStates = ["Inactive", "Pending"];
    aws.errors.set("Invoke", { name, times: 9 });
    await releases(web);
    expect(aws.service).toBe(NEW_TASK);
  });

  test("that may not be called stops the release before its traffic moves, with words for people", async () => {
    aws.checkStates = ["Inactive"];
    aws.errors.set("Invoke", { name: "AccessDeniedException", times: 9 });
    await expect(releases(web)).rejects.toThrow("web failed");
    expect(told()).toMatch(/lacks a permission \(AccessDeniedException.*npx cdktf deploy access-dev/);
    expect(aws.asked("CreateDeployment")).toEqual([]);
  });

  test("that does not wake stops the release before its traffic moves", async () => {
    aws.checkStates = Array.from({ length: 1000 }, () => "Inactive");
    await expect(releases(web)).rejects.toThrow("web failed");
    expect(told()).toMatch(/hello-dev-web-check did not become active: waited/);
    expect(aws.asked("CreateDeployment")).toEqual([]);
  });
});

describe("another deployment of the group", () => {
  test("is waited for, and what it released is what runs before", async () => {
    const other = aws.begin("web", GOOD, () => {
      aws.service = "arn:theirs";
    });
    await releases(web);
    const waits = bed.told.filter((line) => line.includes("waits for"));
    expect(waits).toEqual([expect.stringContaining(`web: waits for the deployment ${other}`)]);
    expect(left("releases.json").services.web.before).toBe("arn:theirs");
  });

  test("is waited for no longer than an hour", async () => {
    aws.begin("web", [{ status: "InProgress" }]);
    await expect(releases(web)).rejects.toThrow("web failed");
    expect(told()).toMatch(/Another deployment of it did not end: waited/);
    expect(aws.asked("RegisterTaskDefinition")).toEqual([]);
  });
});

describe("a release that fails", () => {
  test("says which hook failed, with the end of its log, and that the old version serves", async () => {
    aws.goes.web = [
      bad("HOOK_EXECUTION_FAILURE", "A hook failed.", {
        Install: "Succeeded",
        AfterAllowTestTraffic: "Failed",
        AllowTraffic: "Skipped",
      }),
    ];
    aws.logs["/aws/lambda/hello-dev-web-check"] = [
      '{"type": "platform.start", "record": {}}',
      "START RequestId: 1",
      ...Array.from({ length: 20 }, (_, index) => `line ${index}`),
      '{"level": "ERROR", "message": "GET /health answers 500\\u001b[31m, not 200"}',
    ];
    await expect(releases(web)).rejects.toThrow(
      "dev is not released: web failed, as told above. Mend the cause, and release the change anew.",
    );
    expect(told()).toContain(
      "Deployment d-1: the check failed, or gave no answer (HOOK_EXECUTION_FAILURE: A hook failed.).",
    );
    expect(bed.told).toContain("web: AfterAllowTestTraffic failed: a reason\\u001b[31m");
    expect(told()).toMatch(/The hook AfterAllowTestTraffic failed: the function hello-dev-web-check/);
    expect(told()).toContain("ERROR GET /health answers 500\\u001b[31m, not 200");
    expect(told()).not.toMatch(/platform\.start|START|line 5$/m);
    expect(told()).toContain(`Its users have ${OLD_TASK}, as before (rollback d-2: Succeeded).`);
    expect(aws.asked("FilterLogEvents")[0]).toMatchObject({ startTime: 1_000_000 });
    expect(left("releases.json").services.web).toEqual({
      before: OLD_TASK,
      after: NEW_TASK,
      deployment: "d-1",
      done: "failed",
    });
  });

  test("says which alarm went off", async () => {
    aws.goes.hello = [
      [
        { status: "InProgress", events: { AllowTraffic: "InProgress" }, weight: 10 },
        { status: "Stopped", error: { code: "ALARM_ACTIVE", message: "hello-errors" } },
      ],
    ];
    aws.on = (operation) => {
      if (operation === "CreateDeployment") aws.alarms = { "hello-errors": "ALARM" };
    };
    await expect(releases(hello)).rejects.toThrow("hello failed");
    expect(told()).toContain("Deployment d-1: an alarm went off (ALARM_ACTIVE: hello-errors).");
    expect(told()).toContain("The alarm hello-errors is on: 6 errors\\nin a minute");
    expect(told()).toContain("Its users have 1, as before");
  });

  test("is told all the same when its hook's log cannot be read", async () => {
    aws.goes.web = [bad("HOOK_EXECUTION_FAILURE", "", { AfterAllowTraffic: "Failed" })];
    aws.errors.set("FilterLogEvents", { name: "AccessDeniedException", times: 9 });
    await expect(releases(web)).rejects.toThrow("web failed");
    expect(told()).toContain("Its log /aws/lambda/hello-dev-web-check cannot be read.");
  });

  test("says what to do when the new version still runs", async () => {
    aws.rollsBack = false;
    aws.goes.web = [
      [
        // All its traffic has moved.
        { status: "InProgress", keepsOld: true },
        { status: "Failed", error: { code: "TIMEOUT", message: "" } },
      ],
    ];
    await expect(releases(web)).rejects.toThrow("web failed");
    expect(told()).toMatch(
      new RegExp(`It was NOT brought back: ${NEW_TASK} runs\\. .*npm run release -- dev --back FOLDER`),
    );
    expect(left("releases.json").services.web.done).toBe("releasing");
  });

  test("waits for the others, and brings back what they had released", async () => {
    aws.goes.web = [bad("HEALTH_CONSTRAINTS", "no task")];
    const back = [{ status: "InProgress" }, { status: "Succeeded" }];
    aws.goes.hello = [[...GOOD, ...GOOD.slice(-1)], back];
    await expect(releases(web, hello)).rejects.toThrow(
      "dev is not released: web failed, as told above. What had been released beside it is back as it was: hello.",
    );
    expect(aws.alias).toBe("1");
    expect(aws.service).toBe(OLD_TASK);
    const order = bed.told.filter((line) => /is released|All or nothing|goes back|is back/.test(line));
    expect(order).toEqual([
      "hello: 2 is released.",
      "All or nothing: brings back what had been released beside it: hello.",
      "hello: goes back to 1, deployment d-4",
      "hello: is back at 1.",
    ]);
    expect(left("releases.json").functions.hello.done).toBe("brought back");
  });

  test("says so when what had been released beside it does not go back", async () => {
    aws.goes.web = [bad("HEALTH_CONSTRAINTS", "no task")];
    aws.goes.hello = [GOOD, bad("INVALID_LAMBDA_CONFIGURATION", "no")];
    await expect(releases(web, hello)).rejects.toThrow(
      /Not all that had been released beside it is back.*npm run release -- dev --back FOLDER/,
    );
    expect(aws.alias).toBe("2");
  });

  test("does not keep the others from their end when it is refused a permission", async () => {
    aws.errors.set("DescribeServices", { name: "AccessDeniedException", message: "not you", times: 9 });
    await expect(releases(web, hello)).rejects.toThrow("web failed");
    expect(told()).toMatch(
      /web: The role arn:aws:iam::222222222222:role\/hello-dev-release lacks a permission \(AccessDeniedException: not you\).*npx cdktf deploy access-dev/,
    );
    expect(bed.told).toContain("hello: is back at 1.");
  });
});

test("a call that AWS throttles is made again", async () => {
  // The pause before it is a share of seconds, by chance.
  jest.spyOn(Math, "random").mockReturnValue(0);
  aws.errors.set("GetDeployment", { name: "ThrottlingException", times: 2 });
  await releases(web);
  expect(aws.service).toBe(NEW_TASK);
});

test("a deployment that cannot be followed is named, and not called released", async () => {
  aws.errors.set("GetDeployment", { name: "InvalidDeploymentIdException", times: 99 });
  await expect(releases(web)).rejects.toThrow("web failed");
  expect(told()).toMatch(
    /deployment d-1 goes on, but can no longer be followed.*\n.*get-deployment --deployment-id d-1/,
  );
  expect(left("releases.json").services.web.done).toBe("releasing");
});

describe("told to end", () => {
  test("stops the deployment that runs, and has the old version brought back", async () => {
    aws.goes.web = [[{ status: "InProgress" }]];
    aws.on = (operation) => {
      if (operation === "BatchGetDeploymentTargets") bed.interrupt();
    };
    await expect(releases(web)).rejects.toThrow("web failed");
    expect(aws.asked("StopDeployment")).toEqual([{ deploymentId: "d-1", autoRollbackEnabled: true }]);
    expect(told()).toContain("CodeDeploy goes on alone to bring the old version back.");
  });

  test("stops a deployment that was just made", async () => {
    aws.goes.web = [[{ status: "Created" }]];
    aws.on = (operation) => {
      if (operation === "CreateDeployment") bed.interrupt();
    };
    await expect(releases(web)).rejects.toThrow("web failed");
    expect(aws.asked("StopDeployment")).toHaveLength(1);
  });

  test("begins no deployment any more", async () => {
    aws.on = (operation) => {
      if (operation === "RegisterTaskDefinition") bed.interrupt();
    };
    await expect(releases(web)).rejects.toThrow("web failed");
    expect(aws.asked("CreateDeployment")).toEqual([]);
  });

  test("leaves what is released already, and says how to bring it back", async () => {
    aws.goes.web = [[{ status: "InProgress" }]];
    aws.on = () => {
      if (aws.alias === "2") setTimeout(bed.interrupt, 200);
    };
    await expect(releases(web, hello)).rejects.toThrow(
      /hello had been released before, and stays\. npm run release -- dev --back FOLDER/,
    );
    expect(aws.alias).toBe("2");
  });
});

describe("the way back", () => {
  test("brings back what was before, at once, with no check and no alarm", async () => {
    await releases(web, hello);
    await goesBack(web, hello);
    expect([aws.service, aws.alias]).toEqual([OLD_TASK, "1"]);
    const [, , ...back] = aws.asked("CreateDeployment");
    expect(back).toHaveLength(2);
    for (const deployment of back)
      expect(deployment).toMatchObject({
        deploymentConfigName:
          deployment.deploymentGroupName === "web"
            ? "CodeDeployDefault.ECSAllAtOnce"
            : "CodeDeployDefault.LambdaAllAtOnce",
        overrideAlarmConfiguration: { enabled: false },
        autoRollbackConfiguration: { enabled: false },
      });
    for (const appSpec of aws.appSpecs.slice(2)) expect(appSpec.Hooks).toBeUndefined();
    expect(
      aws.appSpecs.slice(2).map(({ Resources }) => Resources[0]["hello-dev-hello"]?.Properties),
    ).toContainEqual(expect.objectContaining({ CurrentVersion: "2", TargetVersion: "1" }));
    expect(left("releases.json").services.web.done).toBe("brought back");
  });

  test("is done when all traffic has moved, and does not wait for the tasks' end", async () => {
    await releases(web);
    aws.goes.web = [[{ status: "InProgress", keepsOld: true }]];
    await goesBack(web);
    expect(bed.told.at(-1)).toBe(`web: is back at ${OLD_TASK}.`);
  });

  test("keeps the tasks of the version that went no longer, so that the next release need not wait", async () => {
    await releases(web);
    aws.goes.web = [[{ status: "InProgress", keepsOld: true }]];
    await goesBack(web);
    expect(aws.asked("ContinueDeployment")).toEqual([
      { deploymentId: "d-2", deploymentWaitType: "TERMINATION_WAIT" },
    ]);
  });

  test("is done also where those tasks are kept, and says so", async () => {
    await releases(web);
    aws.goes.web = [[{ status: "InProgress", keepsOld: true }]];
    aws.errors.set("ContinueDeployment", { name: "DeploymentIsNotInReadyStateException", times: 9 });
    await goesBack(web);
    expect(told()).toMatch(/web: CodeDeploy keeps .*DeploymentIsNotInReadyStateException/);
    expect(bed.told.at(-1)).toBe(`web: is back at ${OLD_TASK}.`);
  });

  test("says nothing of those tasks where they have ended meanwhile", async () => {
    await releases(web);
    aws.goes.web = [[{ status: "InProgress", keepsOld: true }]];
    aws.errors.set("ContinueDeployment", { name: "DeploymentAlreadyCompletedException", times: 9 });
    await goesBack(web);
    expect(told()).not.toContain("CodeDeploy keeps");
  });

  test("has nothing to end of a function, nor of what has ended", async () => {
    await releases(web, hello);
    await goesBack(web, hello);
    expect(aws.asked("ContinueDeployment")).toEqual([]);
  });

  test("leaves alone what runs neither", async () => {
    await releases(web);
    aws.service = "arn:newer";
    await expect(goesBack(web)).rejects.toThrow("Not all of dev is as it was before the release");
    expect(told()).toContain("web: is left alone: arn:newer runs");
    expect(aws.asked("CreateDeployment")).toHaveLength(1);
  });

  test("has nothing to do where the version of before runs already", async () => {
    await releases(web);
    aws.service = OLD_TASK;
    await goesBack(web);
    expect(aws.asked("CreateDeployment")).toHaveLength(1);
  });

  test("has nothing to do where nothing was released", async () => {
    await releases(new ReleasableFunction("hello", HELLO, OLD_CODE, bed.context));
    await goesBack(hello, web);
    expect(aws.asked("CreateDeployment")).toEqual([]);
  });

  test("says why it did not succeed", async () => {
    await releases(web);
    aws.goes.web = [bad("ECS_UPDATE_ERROR", "the task definition is gone")];
    await expect(goesBack(web)).rejects.toThrow("Not all of dev");
    expect(told()).toMatch(/web: did not go back\.\n.*ECS_UPDATE_ERROR: the task definition is gone/);
  });
});
