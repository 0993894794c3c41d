import {
  addressesIn,
  type ExecutionRecord,
  type RehearsalRecord,
  reportText,
  succeeded,
} from "../../../tools/rehearse/report";

const action = (name: string, changes = {}) => ({
  name,
  status: "Succeeded",
  tries: 1,
  seconds: 12.34,
  ...changes,
});
const execution: ExecutionRecord = {
  id: "1",
  status: "Failed",
  summary: "lint: Build terminated\u001b[2J",
  stages: [
    { name: "Install", status: "Succeeded", actions: [action("install", { tries: 2, seconds: 75 })] },
    { name: "Build", status: "Failed", actions: [action("lint", { status: "Failed" }), action("test")] },
    { name: "Approve", status: "Skipped", actions: [action("approve-prod", { status: "NotStarted" })] },
    { name: "Deploy", status: "NotStarted", actions: [action("apply-prod", { status: "NotStarted" })] },
  ],
};
const record: RehearsalRecord = {
  version: 1,
  pipeline: "hello-main",
  commit: "c0ffee",
  succeeded: false,
  started: "2026-01-01T00:00:00.000Z",
  seconds: 130,
  executions: [execution],
  deployed: { dev: { "service web": "http://web" } },
  mails: [],
};
const environments = { dev: { account: "222222222222" } } as never;

test("tells each action's status and time, what is deployed, and why it failed, on lines that stay lines", () => {
  expect(reportText(record, { environments }).split("\n")).toEqual([
    "stage    action   status                   time",
    "Install  install  succeeded (2 tries)  1 min 15 s",
    "Build    lint     failed                   12 s",
    "         test     succeeded                12 s",
    "Approve           skipped",
    "Deploy            not begun",
    "",
    "Deployed:",
    "dev (222222222222)",
    "  service web: http://web",
    "",
    "The rehearsal of hello-main did not succeed, in 2 min 10 s. The execution ended as Failed: lint: Build terminated\\u001b[2J",
  ]);
});

test("tells of what was not run again, and of when it was", () => {
  const stages = [
    { name: "Install", status: "Succeeded", actions: [action("install", { seconds: 1, reusedFrom: 2 })] },
  ];
  const text = reportText({ ...record, executions: [{ ...execution, stages }] }, { environments });
  expect(text).toMatch(/^Install {2}install {2}succeeded, as in run 2 +1 s$/m);
});

test("tells the mails' subjects, and their texts where they are asked for, on lines that stay lines", () => {
  const mail = { to: "a@example.com", subject: "Approve\u001b[2J", text: "one\ntwo\u202e", when: "" };
  const told = { ...record, mails: [mail] };
  expect(reportText(told, { environments })).toContain("\nMails:\n  to a@example.com: Approve\\u001b[2J\n\n");
  expect(reportText(told, { environments }, true)).toContain("[2J\n    one\n    two\\u202e\n");
});

test("tells where the pipeline went on as it had become", () => {
  const text = reportText(
    { ...record, executions: [execution, execution], succeeded: true },
    { environments },
  );
  expect(text).toContain("\nanew, because the pipeline had changed\nInstall");
  expect(text).toMatch(/The rehearsal of hello-main succeeded, in 2 min 10 s\.$/);
});

test("up to a stage is through when that and all before it are", () => {
  const stages = (...statuses: string[]) =>
    statuses.map((status, index) => ({ name: `S${index}`, status, actions: [] }));
  const stopped = { id: "1", status: "Stopped", stages: stages("Succeeded", "Skipped", "Stopped") };
  expect(succeeded(stopped, "S1")).toBe(true);
  expect(succeeded(stopped, "S2")).toBe(false);
  expect(succeeded(stopped, undefined)).toBe(false);
  expect(succeeded({ ...stopped, stages: stages("Failed", "Succeeded") }, "S1")).toBe(false);
});

test("of a state's outputs the addresses are told, and nothing else", () => {
  const outputs = {
    service_web_url: { value: "http://web" },
    function_hello_url: { value: "http://hello" },
    releases: { value: "{}" },
    service_key: { value: "secret" },
  };
  expect(addressesIn(JSON.stringify({ outputs }))).toEqual({
    "service web": "http://web",
    "function hello": "http://hello",
  });
  expect(addressesIn('{"version": 4}')).toEqual({});
});
