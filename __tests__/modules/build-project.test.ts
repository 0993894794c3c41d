import { BuildProject, type BuildProjectProps } from "../../modules/build-project";
import { Key } from "../../modules/key";
import { only, synthesizeConstruct } from "../support/construct";

const place = { account: "111111111111", region: "eu-west-1" };

const environmentOf = (props: Partial<BuildProjectProps>) => {
  const stack = synthesizeConstruct(
    (scope) =>
      new BuildProject(scope, "build", {
        ...place,
        name: "hello-main-build",
        description: "Builds",
        key: new Key(scope, "key", { ...place, alias: "alias/hello", description: "A key" }),
        buildspec: { version: 0.2, phases: { build: { commands: ["npm run build"] } } },
        logRetentionDays: 30,
        ...props,
      }),
  );
  return only(stack, "aws_codebuild_project").environment;
};

test("a build has no Docker daemon", () => {
  expect(environmentOf({})).toMatchObject({ privileged_mode: false });
});

test("a build of container images has one, on the architecture that the tasks run on", () => {
  expect(environmentOf({ containers: true })).toMatchObject({
    privileged_mode: true,
    type: "LINUX_CONTAINER",
    image: expect.stringMatching(/^aws\/codebuild\/standard:/),
  });
});
