import * as codepipeline from "@aws-sdk/client-codepipeline";
import * as lambda from "@aws-sdk/client-lambda";
import {
  enumerationsOf,
  leastInput,
  modelledErrors,
  oddInputs,
  operationModel,
  problemsOf,
  problemsOfSample,
} from "../support/sdk-models";

const problems = (operation: string, answer: unknown, sdk: object = codepipeline) =>
  problemsOf(operationModel(sdk, operation).output, answer);

describe("an answer", () => {
  test("of the model's form has no problems", () => {
    const summary = { name: "app", version: 1, created: 1.5, updated: 2 };
    expect(problems("ListPipelines", { pipelines: [summary] })).toEqual([]);
    expect(problems("DeletePipeline", {})).toEqual([]);
  });

  test("with a field that the model does not know has a problem, however deep", () => {
    expect(problems("ListPipelines", { pipelines: [{ name: "app", owner: "me" }], total: 1 })).toEqual([
      "answer.total is unknown to the model",
      "answer.pipelines[0].owner is unknown to the model",
    ]);
    expect(problems("DeletePipeline", { deleted: true })).toEqual(["answer.deleted is unknown to the model"]);
  });

  test.each([
    ["a text where a number is", { version: "1" }, 'answer.pipelines[0].version is "1", and not a number'],
    ["a number where a text is", { name: 7 }, "answer.pipelines[0].name is 7, and not a string"],
    [
      "a written moment",
      { created: "2026-01-01" },
      'answer.pipelines[0].created is "2026-01-01", and not a number',
    ],
    ["null", { name: null }, "answer.pipelines[0].name is null: AWS leaves out what has no value"],
  ])("with %s has a problem", (_, summary, problem) => {
    expect(problems("ListPipelines", { pipelines: [summary] })).toEqual([problem]);
  });

  test("with something else where a list, a map, an object or a boolean is has a problem", () => {
    expect(problems("ListPipelines", { pipelines: {} })).toEqual(["answer.pipelines is {}, and not a list"]);
    expect(problems("GetPipeline", { metadata: [] })).toEqual(["answer.metadata is [], and not an object"]);
    const details = (more: object) => ({ actionExecutionDetails: [more] });
    expect(problems("ListActionExecutions", details({ output: { outputVariables: "a=b" } }))).toEqual([
      'answer.actionExecutionDetails[0].output.outputVariables is "a=b", and not a map',
    ]);
    expect(problems("ListActionExecutions", details({ output: { outputVariables: { a: 1 } } }))).toEqual([
      "answer.actionExecutionDetails[0].output.outputVariables.a is 1, and not a string",
    ]);
    const state = { stageStates: [{ inboundTransitionState: { enabled: "yes" } }] };
    expect(problems("GetPipelineState", state)).toEqual([
      'answer.stageStates[0].inboundTransitionState.enabled is "yes", and not a boolean',
    ]);
  });

  test("without what is required has a problem", () => {
    expect(problems("CreatePipeline", { pipeline: { name: "app" } })).toEqual([
      "answer.pipeline.roleArn is missing: AWS always gives it",
      "answer.pipeline.stages is missing: AWS always gives it",
    ]);
  });

  test("with a text that its enumeration does not have has a problem, also in a list", () => {
    const { output } = operationModel(codepipeline, "GetPipelineState");
    const enumerations = enumerationsOf("@aws-sdk/client-codepipeline", codepipeline);
    const states = (status: string) => ({
      stageStates: [{ latestExecution: { pipelineExecutionId: "1", status } }],
    });
    expect(problemsOf(output, states("Succeeded"), "answer", enumerations)).toEqual([]);
    expect(problemsOf(output, states("Fine"), "answer", enumerations)).toEqual([
      expect.stringMatching(
        /^answer\.stageStates\[0\]\.latestExecution\.status is Fine: AWS has .*Succeeded/,
      ),
    ]);
    const list = [3, "n", "Many", 0, ["events"], [64 | 0]] as const;
    const allowed = new Map([["Many.events", ["A", "B"]]]);
    expect(problemsOf(list as never, { events: ["A", "C"] }, "answer", allowed)).toEqual([
      "answer.events is C: AWS has A, B",
    ]);
  });

  test("with two members of a union has a problem", () => {
    const union = [4, "n", "Target", 0, ["one", "other"], [0, 0]] as const;
    expect(problemsOf(union as never, { one: "a" })).toEqual([]);
    expect(problemsOf(union as never, { one: "a", other: "b" })).toEqual([
      "answer has 2 of a union's members: AWS gives one",
    ]);
  });

  test("by REST has in its body nothing that goes into headers", () => {
    expect(problems("Invoke", {}, lambda)).toEqual([]);
    expect(problems("Invoke", { ExecutedVersion: "1" }, lambda)).toEqual([
      "answer.ExecutedVersion is unknown to the model",
    ]);
  });

  test("is compared with a sample where there is no model", () => {
    const sample = { Hosts: [{ Name: "Name", Size: 0 }], Tags: { KeyName: "" } };
    expect(problemsOfSample(sample, { Hosts: [{ Name: "a" }, {}], Tags: { any: "key" } })).toEqual([]);
    expect(problemsOfSample(sample, { Hosts: [{ Nam: "a", Size: "1" }], Tags: { any: null } })).toEqual([
      "answer.Hosts[0].Nam is unknown to the model",
      'answer.Hosts[0].Size is "1", and not a number',
      "answer.Tags.any is null: AWS leaves out what has no value",
    ]);
    expect(problemsOfSample(sample, { Hosts: {} })).toEqual(["answer.Hosts is {}, and not a list"]);
  });
});

test("the least input has all that is required, and no more", () => {
  const { input } = operationModel(codepipeline, "PutApprovalResult");
  expect(leastInput(input, "x")).toEqual({
    pipelineName: "x",
    stageName: "x",
    actionName: "x",
    token: "x",
    result: { summary: "x", status: "x" },
  });
});

test("odd inputs leave out each required member, and add each optional one", () => {
  const { input } = operationModel(codepipeline, "ListPipelineExecutions");
  expect(oddInputs(input, "x")).toEqual([
    {},
    { pipelineName: "x" },
    { pipelineName: undefined },
    { pipelineName: "x", maxResults: 1 },
    { pipelineName: "x", filter: {} },
    { pipelineName: "x", nextToken: "x" },
  ]);
});

test("an operation has the errors that it is documented with", () => {
  expect(modelledErrors("@aws-sdk/client-codepipeline", "GetPipeline")).toEqual(
    expect.arrayContaining(["PipelineNotFoundException", "ValidationException"]),
  );
});

test("an operation that the SDK does not know is an error", () => {
  expect(() => operationModel(codepipeline, "GetPipelines")).toThrow(
    "The SDK knows no operation GetPipelines",
  );
});
