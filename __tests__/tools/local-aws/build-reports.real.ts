import {
  BatchGetBuildsCommand,
  BatchGetReportsCommand,
  CodeBuildClient,
  CreateProjectCommand,
  CreateReportGroupCommand,
  StartBuildCommand,
} from "@aws-sdk/client-codebuild";
import { type LocalAws, startLocalAws } from "../../../tools/local-aws";
import { motoServer } from "../../support/moto";
import { authorization, BUILD } from "./upstream";

// What the role of a build must be allowed for its reports, where IAM is enforced.

jest.setTimeout(60_000);

let aws: LocalAws;
let codebuild: CodeBuildClient;
beforeAll(async () => {
  aws = await startLocalAws({ account: BUILD, motoServer: await motoServer(), enforceIam: true });
  codebuild = new CodeBuildClient({
    endpoint: aws.endpoint,
    region: "eu-west-1",
    credentials: { accessKeyId: "local", secretAccessKey: "local" },
  });
});
afterAll(async () => {
  codebuild.destroy();
  await aws.stop();
});

async function iam(Action: string, fields: Record<string, string>): Promise<void> {
  const response = await fetch(aws.endpoint, {
    method: "POST",
    headers: { authorization: authorization("iam", "local") },
    body: new URLSearchParams({ Action, Version: "2010-05-08", ...fields }),
  });
  expect([response.status, await response.text()]).toEqual([200, expect.anything()]);
}
const policy = (statement: object) =>
  JSON.stringify({ Version: "2012-10-17", Statement: [{ Effect: "Allow", ...statement }] });
const groupArn = (name: string) => `arn:aws:codebuild:eu-west-1:${BUILD}:report-group/${name}`;

/**
 * A build whose tests all succeed, by a role of its own that may do something to one report group.
 *
 * @param report the group, as the buildspec names it
 */
async function build(name: string, report: string, actions: readonly string[], group: string) {
  await iam("CreateRole", {
    RoleName: name,
    AssumeRolePolicyDocument: policy({
      Action: "sts:AssumeRole",
      Principal: { Service: "codebuild.amazonaws.com" },
    }),
  });
  const Action = ["logs:CreateLogStream", ...actions.map((action) => `codebuild:${action}`)];
  await iam("PutRolePolicy", {
    RoleName: name,
    PolicyName: "reports",
    PolicyDocument: policy({ Action, Resource: groupArn(group) }),
  });
  const buildspec = JSON.stringify({
    version: 0.2,
    phases: { build: { commands: ["echo '<testsuite><testcase name=\"adds\"/></testsuite>' > unit.xml"] } },
    reports: { [report]: { files: ["unit.xml"] } },
  });
  await codebuild.send(
    new CreateProjectCommand({
      name,
      source: { type: "NO_SOURCE", buildspec },
      artifacts: { type: "NO_ARTIFACTS" },
      environment: { type: "LINUX_CONTAINER", image: "x", computeType: "BUILD_GENERAL1_SMALL" },
      logsConfig: { cloudWatchLogs: { status: "DISABLED" } },
      serviceRole: `arn:aws:iam::${BUILD}:role/${name}`,
    }),
  );
  const { build: started } = await codebuild.send(new StartBuildCommand({ projectName: name }));
  for (;;) {
    const { builds } = await codebuild.send(new BatchGetBuildsCommand({ ids: [started?.id ?? ""] }));
    const [found] = builds ?? [];
    if (found?.buildComplete) {
      const { reportArns = [] } = found;
      const { reports = [] } = reportArns.length
        ? await codebuild.send(new BatchGetReportsCommand({ reportArns }))
        : {};
      const messages = (found.phases ?? []).flatMap(({ contexts = [] }) =>
        contexts.map((one) => one.message),
      );
      return [found.buildStatus, reports.map(({ status }) => status), messages.filter(Boolean).join()];
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

const ALL = ["BatchPutTestCases", "CreateReport", "UpdateReport"];
const refused = (action: string, group: string) =>
  expect.stringMatching(
    new RegExp(
      `AccessDeniedException: User: \\S+ is not authorized to perform: codebuild:${action} on resource: ${groupArn(group)} `,
    ),
  );

test("the role's rights on a group that is there are those on its reports", async () => {
  const exportConfig = { exportConfigType: "NO_EXPORT" as const };
  await codebuild.send(new CreateReportGroupCommand({ name: "tests", type: "TEST", exportConfig }));
  expect(await build("allowed", groupArn("tests"), ALL, "tests")).toEqual(["SUCCEEDED", ["SUCCEEDED"], ""]);
  expect(await build("of-another", groupArn("tests"), ALL, "others")).toEqual([
    "FAILED",
    [],
    refused("CreateReport", "tests"),
  ]);
  expect(await build("half", groupArn("tests"), ["CreateReport", "UpdateReport"], "tests")).toEqual([
    "FAILED",
    ["INCOMPLETE"],
    refused("BatchPutTestCases", "tests"),
  ]);
});

test("a group that goes by its name is the project's, which the role must be allowed to make", async () => {
  expect(await build("maker", "unit", ["CreateReportGroup", ...ALL], "maker-unit")).toEqual([
    "SUCCEEDED",
    ["SUCCEEDED"],
    "",
  ]);
  expect(await build("user", "unit", ALL, "user-unit")).toEqual([
    "FAILED",
    [],
    refused("CreateReportGroup", "user-unit"),
  ]);
});
