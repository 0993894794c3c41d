import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { temporaryProject } from "../../support/project";
import { runTool, startTool } from "../../support/tools";
import { bad, FakeAws, OLD_TASK, ROLE_KEY } from "../release/fake-aws";
import { COMMIT, HELLO, IMAGE, NEW_CODE, WEB } from "../release/support";

const ROLE = "arn:aws:iam::222222222222:role/hello-dev-release";
const NEW_TASK = OLD_TASK.replace(/1$/, "2");

let aws: FakeAws;
let endpoint: string;
let cwd: string;

beforeEach(async () => {
  aws = new FakeAws();
  endpoint = await aws.start();
  cwd = temporaryProject();
  mkdirSync(join(cwd, "bin"));
  synthesized("dev");
  putsOut({ releases: RELEASES });
});
afterEach(() => aws.stop());

const RELEASES = JSON.stringify({
  cluster: "hello-dev",
  services: { web: WEB },
  functions: { hello: HELLO },
});

/** Has the new code in an environment's stack. */
function synthesized(environment: string) {
  const stack = join(cwd, "cdktf.out/stacks", environment);
  mkdirSync(stack, { recursive: true });
  writeFileSync(join(stack, "hello.zip"), NEW_CODE);
  const functions = { hello: { function_name: HELLO.function, filename: "hello.zip" } };
  writeFileSync(join(stack, "cdk.tf.json"), JSON.stringify({ resource: { aws_lambda_function: functions } }));
}

/** What Terraform says that the stack put out. */
function putsOut(values: Record<string, string>) {
  const outputs = Object.entries(values).map(([name, value]) => [name, { value, sensitive: false }]);
  writeFileSync(join(cwd, "outputs.json"), JSON.stringify(Object.fromEntries(outputs)));
  const program = join(cwd, "bin/terraform");
  writeFileSync(
    program,
    `#!/bin/sh
case "$1" in
version) echo '{"terraform_version": "1.11.4"}' ;;
output) cat '${cwd}/outputs.json' ;;
esac
`,
  );
  chmodSync(program, 0o755);
}

const RELEASE = "tools/pipeline/release.ts";
const within = (env: Record<string, string> = {}) => ({
  cwd,
  env: {
    PATH: `${join(cwd, "bin")}${delimiter}${process.env.PATH}`,
    HOME: cwd,
    AWS_ENDPOINT_URL: endpoint,
    AWS_ACCESS_KEY_ID: "local",
    AWS_SECRET_ACCESS_KEY: "local",
    IMAGES: IMAGE,
    SLIPWAY_RELEASE_SECONDS: "0.001",
    ...env,
  },
});
const run = (args: string[], env?: Record<string, string>) => runTool(RELEASE, args, within(env));

/** Until an operation was asked for so often. */
const asked = (operation: string, times: number) =>
  new Promise<void>((resolve) => {
    aws.on = () => {
      if (aws.asked(operation).length >= times) resolve();
    };
  });

const changes = () => aws.calls.filter(({ operation }) => !/^(Assume|Get|List|Describe)/.test(operation));

test("releases all with the environment's role in its region, and brings all back", async () => {
  const { exitCode, stdout, stderr } = await startTool(RELEASE, ["dev"], within({ COMMIT })).ended;
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  expect(aws.taskDefinitions.get(NEW_TASK)!.tags).toContainEqual({ key: "slipway:commit", value: COMMIT });
  expect(stdout).toMatch(/web: AllowTraffic 10 %[\s\S]*dev is released\.$/);
  expect([aws.service, aws.alias]).toEqual([NEW_TASK, "2"]);
  const [assume, ...others] = aws.calls;
  expect(assume).toMatchObject({ operation: "AssumeRole", key: "local", input: { RoleArn: ROLE } });
  expect(new Set(others.map(({ key }) => key))).toEqual(new Set([ROLE_KEY]));
  const record = JSON.parse(readFileSync(join(cwd, "release/releases.json"), "utf8"));
  expect(record.services.web).toMatchObject({ before: OLD_TASK, after: NEW_TASK, done: "released" });

  const stands = await run(["dev", "--stands", "release"], { IMAGES: "" });
  expect({ exitCode: stands.exitCode, stderr: stands.stderr }).toEqual({ exitCode: 0, stderr: "" });

  // It takes no image.
  const back = await run(["dev", "--back", "release"], { IMAGES: "" });
  expect({ exitCode: back.exitCode, stderr: back.stderr }).toEqual({ exitCode: 0, stderr: "" });
  expect(back.stdout).toMatch(/dev is as it was before the release\.$/);
  expect([aws.service, aws.alias]).toEqual([OLD_TASK, "1"]);

  // Tests of the old version would say nothing of the new one.
  const gone = await run(["dev", "--stands", "release"], { IMAGES: "" });
  expect({ exitCode: gone.exitCode, stderr: gone.stderr }).toEqual({
    exitCode: 1,
    stderr: expect.stringMatching(/^web and hello of dev run what was there before this release/),
  });
});

describe("of a preview", () => {
  const NAME = "pv-dev-login-3f9a2c";
  const addresses = async (outputs: Record<string, string>) => {
    synthesized(NAME);
    putsOut({ releases: RELEASES, ...outputs });
    const { exitCode, stderr } = await run([NAME], { IMAGES: IMAGE.replace("/web", "/preview/web") });
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    const script = '. release/addresses.sh; printf %s "$PREVIEW_ADDRESSES"';
    return execFileSync("/bin/sh", ["-c", script], { cwd, encoding: "utf8" });
  };

  test("takes on the role of previews, and tells where services and functions are reached", async () => {
    const told = await addresses({
      service_web_url: "http://balancer.example.com/",
      function_hello_url: "https://abc.lambda-url.eu-west-1.on.aws/",
      function_hello_name: "hello-pv-dev-login-3f9a2c-hello",
      warning_http: "http://",
    });
    expect(told).toBe("http://balancer.example.com/ https://abc.lambda-url.eu-west-1.on.aws/");
    expect(aws.calls[0]).toMatchObject({
      operation: "AssumeRole",
      input: { RoleArn: "arn:aws:iam::222222222222:role/hello-pv-dev-release" },
    });
  });

  test("tells nothing that is no address, or more to a shell than a word", async () => {
    const told = await addresses({
      service_web_url: "https://a.example/'; touch hacked; '",
      service_api_url: "javascript:alert(1)",
      service_shop_url: "https://b.example/$(touch hacked)",
    });
    expect(told).toBe("");
    expect(existsSync(join(cwd, "hacked"))).toBe(false);
  });

  test("fails and says to push where it is not deployed, because nobody deploys one by hand", async () => {
    synthesized(NAME);
    putsOut({});
    const { exitCode, stderr } = await run([NAME]);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(
      /^pv-dev-login-3f9a2c has put out nothing.* Its pipeline deploys it: push again\.$/,
    );
  });

  test("fails and says to push where its service is gone", async () => {
    synthesized(NAME);
    putsOut({ releases: RELEASES });
    aws.service = "";
    const { exitCode, stdout } = await run([NAME], { IMAGES: IMAGE.replace("/web", "/preview/web") });
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(/no service web in the cluster hello-dev\. Its pipeline deploys it: push again\./);
  });
});

test("fails with words for people where a release fails, and leaves its record in the folder named", async () => {
  aws.goes.web = [bad("HEALTH_CONSTRAINTS", "no task")];
  const { exitCode, stdout, stderr } = await run(["dev", "out"]);
  expect({ exitCode, stderr }).toEqual({
    exitCode: 1,
    stderr: expect.stringMatching(/^dev is not released: web failed/),
  });
  expect(stdout).toContain("the new version did not become healthy (HEALTH_CONSTRAINTS: no task)");
  expect([aws.service, aws.alias]).toEqual([OLD_TASK, "1"]);
  const record = JSON.parse(readFileSync(join(cwd, "out/releases.json"), "utf8"));
  expect(record.services.web.done).toBe("failed");
  // A build that fails passes no folder on.
  const [said, line] = stdout.split("\n").slice(-2);
  expect(said).toMatch(/releases\.json.*npm run release -- dev --back FOLDER/);
  expect(JSON.parse(line!)).toEqual(record);
});

test.each(["SIGTERM", "SIGINT"] as const)("stops what is on its way when it gets %s", async (signal) => {
  aws.goes.web = [[{ status: "InProgress" }]];
  aws.goes.hello = [[{ status: "InProgress" }]];
  const command = startTool(RELEASE, ["dev"], within());
  await asked("BatchGetDeploymentTargets", 2);
  command.kill(signal);
  const { exitCode, stdout } = await command.ended;
  expect(exitCode).toBe(1);
  expect(stdout).toContain("web: interrupted");
  expect(aws.asked("StopDeployment")).toHaveLength(2);
});

test("stops it at once, however seldom it asks", async () => {
  aws.goes.web = [[{ status: "InProgress" }]];
  aws.goes.hello = [[{ status: "InProgress" }]];
  const command = startTool(RELEASE, ["dev"], within({ SLIPWAY_RELEASE_SECONDS: "600" }));
  await asked("BatchGetDeploymentTargets", 2);
  command.kill("SIGTERM");
  await asked("StopDeployment", 2);
  command.kill("SIGKILL");
  await command.ended;
});

describe("fails with words for people, and changes nothing, when", () => {
  async function failure(args = ["dev"], env: Record<string, string> = {}): Promise<string> {
    const { exitCode, stderr, stdout } = await run(args, env);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(changes()).toEqual([]);
    expect(existsSync(join(cwd, "release"))).toBe(false);
    return stderr;
  }

  test.each([
    [[]],
    [["dev", "release", "more"]],
    [["dev", "release", "--back", "release"]],
    [["dev", "--back"]],
    [["dev", "--back", "release", "--stands", "release"]],
    [["dev", "--force"]],
  ])("it is given %j", async (args) => {
    expect(await failure(args)).toMatch(/^Name an environment, and a folder/);
  });

  test("an image is no digest of the service's own repository", async () => {
    expect(await failure(["dev"], { IMAGES: IMAGE.replace(/@.*/, ":latest") })).toMatch(
      /^IMAGES is not what is to be released/,
    );
  });

  test("the commit is none", async () => {
    expect(await failure(["dev"], { COMMIT: "main" })).toMatch(/^COMMIT is "main"/);
  });

  test("the environment was deployed before there were releases", async () => {
    putsOut({ service_web_url: "http://a" });
    expect(await failure()).toMatch(/^dev has put out nothing to release by/);
  });

  test("the role cannot be taken on", async () => {
    aws.errors.set("AssumeRole", { name: "AccessDenied", times: 99 });
    expect(await failure()).toMatch(
      new RegExp(`^The role ${ROLE} cannot be taken on .*npx cdktf deploy access-dev`),
    );
  });

  test("there is nothing to bring back", async () => {
    expect(await failure(["dev", "--back", "gone"])).toMatch(/^There is no .*gone\/releases\.json/);
  });
});
