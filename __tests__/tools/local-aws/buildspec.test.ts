import { readBuildspec } from "../../../tools/local-aws/builds/buildspec";

test("reads YAML and JSON, words for yes and no, numbers as text", () => {
  const spec = readBuildspec(`
version: 0.2
env:
  shell: bash
  variables: { COUNT: 3, ON: true }
phases:
  build:
    on-failure: CONTINUE
    commands: [make, "echo a: b"]
    finally: [make clean]
artifacts:
  files: ["**/*"]
  base-directory: out
  discard-paths: yes
  enable-symlinks: yes
  exclude-paths: "**/*.map"
  secondary-artifacts:
    more: { files: [a] }
`);
  expect(spec).toMatchObject({
    shell: "bash",
    variables: { COUNT: "3", ON: "true" },
    phases: {
      install: { commands: [], finally: [] },
      build: { commands: ["make", "echo a: b"], finally: ["make clean"], onFailure: "CONTINUE" },
    },
    artifacts: {
      files: ["**/*"],
      baseDirectory: "out",
      discardPaths: true,
      keepLinks: true,
      excludePaths: ["**/*.map"],
    },
    secondaryArtifacts: { more: { files: ["a"], discardPaths: false, keepLinks: false } },
    notes: [],
  });
  const json = readBuildspec('{"version":"0.2","phases":{"build":{"commands":["true"]}}}');
  expect([json.shell, json.phases.build.commands, json.artifacts]).toEqual(["sh", ["true"], undefined]);
});

test("reads reports, of JUnit's format where none is named", () => {
  const { reports } = readBuildspec(`
version: 0.2
phases: {}
reports:
  unit: { files: ["**/*.xml"], base-directory: out, discard-paths: yes }
  arn:aws:codebuild:eu-west-1:111111111111:report-group/coverage: { files: [clover.xml], file-format: CloverXml }
`);
  expect(reports).toMatchObject([
    { group: "unit", format: "JUNITXML", artifact: { baseDirectory: "out", discardPaths: true } },
    { group: expect.stringMatching(/:report-group\/coverage$/), format: "CLOVERXML" },
  ]);
});

test("notes what it asks for in vain", () => {
  const { notes } = readBuildspec(`
version: 0.2
phases: { install: { runtime-versions: { nodejs: 22 } } }
reports: { tests: { files: ["*.json"], file-format: CucumberJson } }
cache: { paths: [node_modules] }
`);
  expect(notes).toEqual([
    expect.stringContaining("installs no runtime (nodejs 22): this machine's are used, Node"),
    expect.stringContaining("no reports of CUCUMBERJSON"),
  ]);
});

test.each([
  ["no version", "phases: {}", /has no version/],
  ["another version", "version: 0.1\nphases: {}", /version 0.1 .* use 0.2/],
  ["no phases", "version: 0.2", /^phases: /],
  ["an unknown phase", "version: 0.2\nphases: { biuld: { commands: [a] } }", /biuld/],
  [
    "a command that YAML takes apart",
    "version: 0.2\nphases:\n  build:\n    commands:\n      - echo a: b",
    /^phases\/build\/commands\/0: Expected .* string type/,
  ],
  ["a failure that is to be tried again", "version: 0.2\nphases: { build: { on-failure: RETRY } }", /ABORT/],
  ["artifacts without files", "version: 0.2\nphases: {}\nartifacts: { name: a }", /files is required/],
  [
    "a report of an unknown format",
    "version: 0.2\nphases: {}\nreports: { unit: { files: [a], file-format: LCOV } }",
    /^reports\/unit\/file-format: .* one of JUNITXML, CLOVERXML/,
  ],
  ["what is no YAML", "version: 0.2\nphases: [", /./],
])("refuses %s", (_, text, message) => {
  expect(() => readBuildspec(text)).toThrow(
    expect.objectContaining({ statusCode: "YAML_FILE_ERROR", message: expect.stringMatching(message) }),
  );
});
