import { Bucket } from "../../modules/bucket";
import { Key } from "../../modules/key";
import type { BuildStep, Stage } from "../../modules/pipeline";
import { StateBucket } from "../../modules/state-bucket";
import { Trial } from "../../modules/trial";
import type { Settings } from "../../settings";
import { synthesizeConstruct } from "../support/construct";
import { exampleSettings } from "../support/settings";
import { all, resourcesOf, type SynthesizedStack, statements } from "../support/synthesized";

const STATE = "arn:aws:s3:::hello-state-111111111111-eu-west-1";
const RESULTS = "s3://hello-artifacts/hello-main/trial/$TRIAL_EXECUTION/";

let stage: Stage;
let stack: SynthesizedStack;
beforeAll(async () => {
  const settings: Settings = await exampleSettings();
  const { account, region } = settings;
  stack = synthesizeConstruct((scope) => {
    const key = new Key(scope, "key", { account, region, alias: "alias/hello", description: "A key" });
    stage = new Trial(scope, "trial", {
      settings,
      pipeline: settings.pipelines.main!,
      trial: { environment: "dev", regions: ["eu-west-1", "us-east-1"] },
      released: { IMAGES: "#{image-web.IMAGE_URI}" },
      input: "Install",
      artifacts: Bucket.fromName("hello-artifacts", key),
      state: new StateBucket(scope, "state", settings),
      key,
    }).stage;
  });
});

const steps = () => stage.steps as readonly BuildStep[];

interface Buildspec {
  readonly phases: { readonly build: { readonly commands: readonly string[] } };
  readonly reports?: Readonly<Record<string, object>>;
}
function buildspecOf(name: string): Buildspec {
  const project = all(stack, "aws_codebuild_project").find((one) => one.name === name) as {
    source: { buildspec: string };
  };
  return JSON.parse(project.source.buildspec);
}

/** What a role is granted, but for its log, its reports and keys. */
function grantsOf(role: string): [string[], string[]][] {
  const resources = resourcesOf(stack);
  const { id } = resources.find(
    ({ type, properties }) => type === "aws_iam_role" && properties.name === role,
  )!;
  const { properties } = resources.find(
    ({ type, properties }) => type === "aws_iam_role_policy" && String(properties.role).includes(`.${id}.`),
  )!;
  return statements(properties)
    .map(({ Action, Resource }): [string[], string[]] => [
      [Action].flat() as string[],
      [Resource].flat() as string[],
    ])
    .filter(([[first]]) => !/^(logs|kms|codebuild):/.test(first!));
}

test("tries each region side by side by one project, and tells of all of them after that", () => {
  expect(stage.name).toBe("Trial");
  expect(steps().map(({ name, input, after }) => [name, input, after ?? false])).toEqual([
    ["trial-eu-west-1", "Install", false],
    ["trial-us-east-1", "Install", false],
    ["trial-report", "Install", true],
  ]);
  const [first, second, report] = steps().map(({ project }) => project);
  expect(second).toBe(first);
  expect(report).not.toBe(first);
  expect(all(stack, "aws_codebuild_project").map(({ name }) => name)).toEqual([
    "hello-main-trial",
    "hello-main-trial-report",
  ]);
});

test("tells each trial its region, its execution, and what it is to release", () => {
  expect(steps().map(({ variables }) => variables)).toEqual([
    ...["eu-west-1", "us-east-1"].map((region) => ({
      TRIAL_EXECUTION: "#{codepipeline.PipelineExecutionId}",
      TRIAL_REGION: region,
      IMAGES: "#{image-web.IMAGE_URI}",
    })),
    { TRIAL_EXECUTION: "#{codepipeline.PipelineExecutionId}" },
  ]);
});

test("leaves results of one execution where its report looks for those of every region", () => {
  expect(buildspecOf("hello-main-trial").phases.build.commands).toEqual([
    'npm run --silent trial -- dev "$TRIAL_REGION" trial',
    `aws s3 cp --only-show-errors "trial/$TRIAL_REGION.json" "${RESULTS}"`,
  ]);
  const report = buildspecOf("hello-main-trial-report");
  expect(report.phases.build.commands).toEqual([
    `aws s3 cp --only-show-errors --recursive "${RESULTS}" trial/`,
    "npm run --silent trial:report -- trial eu-west-1 us-east-1",
  ]);
  expect(Object.values(report.reports!)).toEqual([
    { files: ["trial.xml"], "base-directory": ".slipway/reports", "file-format": "JUNITXML" },
  ]);
});

test("fails when a trial reaches another environment than those of previews, or the report any at all", () => {
  // Reads the installed tree, and changes nothing but its results: what comes later is deployed.
  const artifacts = [
    [
      ["s3:GetBucketAcl", "s3:GetBucketLocation", "s3:GetBucketVersioning", "s3:ListBucket"],
      ["arn:aws:s3:::hello-artifacts"],
    ],
    [["s3:GetObject", "s3:GetObjectVersion"], ["arn:aws:s3:::hello-artifacts/hello-main/Install/*"]],
    [
      ["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject", "s3:DeleteObject"],
      ["arn:aws:s3:::hello-artifacts/hello-main/trial/*"],
    ],
  ];
  expect(grantsOf("hello-main-trial-report")).toEqual(artifacts);
  expect(grantsOf("hello-main-trial")).toEqual([
    ...artifacts,
    [["s3:ListBucket"], [STATE]],
    [
      ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
      [`${STATE}/pv-dev-t*.tfstate`, `${STATE}/pv-dev-t*.tfstate.tflock`],
    ],
    [
      ["sts:AssumeRole"],
      ["plan", "deploy", "release", "verify"].map(
        (what) => `arn:aws:iam::222222222222:role/hello-pv-dev-${what}`,
      ),
    ],
  ]);
});
