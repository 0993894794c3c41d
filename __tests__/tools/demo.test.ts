import { demoEnvironment } from "../../tools/demo/environment";
import { summarize, table } from "../../tools/demo/summary";
import { Interruption } from "../../tools/demo/terminal";
import { exampleSettings } from "../support/settings";

test("the table shows each stack's account and resources, and the addresses below", async () => {
  const settings = await exampleSettings();
  const outputs = { service_web_url: "http://web", other: 1 };
  const resources = ["data.aws_region.here", "aws_vpc.a", "aws_lb.b"];
  const lines = table([
    summarize("dev", settings, resources, outputs),
    summarize("access-prod", settings, ["aws_iam_role.a"], {}),
    summarize("delivery", settings, [], {}),
  ]).split("\n");
  expect(lines).toEqual([
    "stack        account       resources",
    "dev          222222222222          2",
    "             service web: http://web",
    "access-prod  333333333333          1",
    "delivery     111111111111          0",
  ]);
});

test("the demo's commands reach Local AWS and nothing of the caller's", () => {
  const caller = {
    PATH: "/bin",
    AWS_PROFILE: "work",
    AWS_SESSION_TOKEN: "secret",
    AWS_ENDPOINT_URL_S3: "https://s3.example.com",
    AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: "true",
    AWS_ACCESS_KEY_ID: "mine",
    GITHUB_TOKEN: "mine",
    TF_VAR_project: "mine",
    TF_CLI_ARGS_plan: "-destroy",
    TF_WORKSPACE: "mine",
    SLIPWAY_APP: "bootstrap",
    SLIPWAY_PROVIDER_MIRROR: "/mirror",
    TF_CLI_CONFIG_FILE: "/mine.rc",
  };
  const props = { endpoint: "http://127.0.0.1:1", region: "eu-west-1", githubToken: "ghp_demo" };
  const environment = { ...caller, ...demoEnvironment(caller, props) };
  expect(Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== undefined))).toEqual({
    PATH: "/bin",
    SLIPWAY_PROVIDER_MIRROR: "/mirror",
    TF_CLI_CONFIG_FILE: "/mine.rc",
    AWS_ENDPOINT_URL: "http://127.0.0.1:1",
    AWS_ACCESS_KEY_ID: "local",
    AWS_SECRET_ACCESS_KEY: "local",
    AWS_REGION: "eu-west-1",
    GITHUB_TOKEN: "ghp_demo",
    CHAT_WEBHOOK_URL: "http://127.0.0.1:1/local-aws/chat",
    NO_COLOR: "1",
  });
});

test("after Ctrl-C no task begins, which nobody would end", async () => {
  const interruption = new Interruption();
  const begun: string[] = [];
  const tasks = interruption.guard(
    ["first", "second"].map((title) => ({ title, task: () => void begun.push(title) })),
  );
  const run = (index: number) => async () => tasks[index]!.task({}, undefined as never);
  await run(0)();
  process.emit("SIGINT");
  await interruption.done;
  await expect(run(1)()).rejects.toThrow("Stopped.");
  expect(begun).toEqual(["first"]);
});
