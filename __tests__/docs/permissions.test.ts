import minimatch from "minimatch";
import { updateStatements } from "../../modules/delivery-access";
import { textOf } from "./examples";

/** What only a later change takes, or a pipeline that starts itself anew. */
const LATER = [
  "*:Untag*",
  "codebuild:{DeleteReport,ListReportsForReportGroup}",
  "codebuild:*Webhook",
  "codepipeline:{Start,Stop}PipelineExecution",
  "ecr:PutImage*",
  "iam:UpdateRole*",
  "kms:{UpdateAlias,UpdateKeyDescription}",
  "lambda:DeleteFunctionConcurrency",
];

const ACTION = /`([a-z0-9-]+:\*?[A-Z][A-Za-z]*\*?)`/g;
const told = [...textOf("docs/permissions.md").matchAll(ACTION)].map(([, action = ""]) => action);

/** Each of them may be a pattern. */
const overlap = (one: string, other: string) => minimatch(one, other) || minimatch(other, one);

test("whoever deploys first is told of all that keeping the same stacks up to date takes", () => {
  const reach = { project: "hello", account: "111111111111", region: "eu-west-1" };
  const taken = updateStatements(reach, {
    pipeline: "main",
    templates: ["main_dev"],
    withDelivery: true,
    withConnection: true,
  }).flatMap(({ actions }) => actions);
  const untold = taken
    .filter((action) => !LATER.some((pattern) => minimatch(action, pattern)))
    .filter((action) => !told.some((one) => overlap(action, one)));
  expect(untold).toEqual([]);
});

test("the roles of previews are told of beside those of their environment", () => {
  const text = textOf("docs/permissions.md");
  for (const name of ["<project>-pv-<env>-deploy", "<project>-pv-<env>-boundary"])
    expect(text).toContain(name);
});
