import fc from "fast-check";
import { changesText, isNoChange, readProgress } from "../../../tools/deployer/progress";
import { tries } from "../../support/effort";
import { anyText } from "../../support/text";

/** A line as Terraform 1.11 prints it. */
const line = (message: string, more: object) =>
  JSON.stringify({
    "@level": "info",
    "@message": message,
    "@module": "terraform.ui",
    "@timestamp": "2026-01-22T01:34:18.127978Z",
    ...more,
  });

const resource = (addr: string) => ({
  addr,
  module: "",
  resource: addr,
  implied_provider: "aws",
  resource_type: addr.split(".").at(-2),
  resource_name: addr.split(".").at(-1),
  resource_key: null,
});
const summary = (operation: string, [add, change, remove]: number[]) =>
  line("Plan", { changes: { add, change, import: 0, remove, operation }, type: "change_summary" });
const hook = (type: string, message: string, action: string, addr = "aws_sqs_queue.mail") =>
  line(message, { hook: { resource: resource(addr), action, elapsed_seconds: 0 }, type });
const diagnostic = (found: object) =>
  line("Error: of Terraform's", { "@level": "error", diagnostic: found, type: "diagnostic" });

test("reads how much is planned, and how much was applied or destroyed", () => {
  expect(readProgress(summary("plan", [2, 1, 3]))).toEqual({
    is: "planned",
    changes: { add: 2, change: 1, destroy: 3 },
  });
  expect(readProgress(summary("apply", [2, 0, 0]))).toEqual({
    is: "applied",
    changes: { add: 2, change: 0, destroy: 0 },
  });
  expect(readProgress(summary("destroy", [0, 0, 4]))).toEqual({
    is: "applied",
    changes: { add: 0, change: 0, destroy: 4 },
  });
});

test.each([
  ["apply_start", "began", "Creating..."],
  ["apply_complete", "ended", "Creation complete after 0s [id=x]"],
  ["apply_errored", "ended", "Creation errored after 0s"],
])("reads of each resource that a change of it began, and ended: %s", (type, is, words) => {
  expect(readProgress(hook(type, `aws_sqs_queue.mail: ${words}`, "create"))).toEqual({
    is,
    address: "aws_sqs_queue.mail",
    words: `aws_sqs_queue.mail: ${words}`,
  });
});

test("does not count what is only read", () => {
  const read = (type: string) =>
    hook(type, "data.aws_kms_alias.key: Refreshing...", "read", "data.aws_kms_alias.key");
  expect([readProgress(read("apply_start")), readProgress(read("apply_complete"))]).toEqual([
    undefined,
    undefined,
  ]);
});

test("reads errors and warnings in Terraform's words, with the resource where it names one, and without its snippet", () => {
  const found = {
    severity: "error",
    summary: "creating SQS Queue",
    detail: "AccessDenied\n",
    address: "aws_sqs_queue.mail",
    range: { filename: "cdk.tf.json" },
    snippet: { code: 'password = "in clear text"', values: [] },
  };
  expect(readProgress(diagnostic(found))).toEqual({
    is: "error",
    words: "creating SQS Queue\nwith aws_sqs_queue.mail\nAccessDenied\n",
  });
  expect(readProgress(diagnostic({ severity: "error", summary: "No declaration found" }))).toEqual({
    is: "error",
    words: "No declaration found",
  });
  expect(readProgress(diagnostic({ severity: "warning", summary: "Check failed", detail: "not y" }))).toEqual(
    {
      is: "warning",
      words: "Check failed\nnot y",
    },
  );
});

test.each([
  line("Terraform 1.11.4", { terraform: "1.11.4", type: "version", ui: "1.2" }),
  line("mail: Plan to create", {
    change: { resource: resource("aws_sqs_queue.mail"), action: "create" },
    type: "planned_change",
  }),
  line("mail: Drift detected", {
    change: { resource: resource("aws_sqs_queue.mail"), action: "update" },
    type: "resource_drift",
  }),
  hook("apply_progress", "aws_sqs_queue.mail: Still creating... [10s elapsed]", "create"),
  line("Provisioning", {
    hook: { resource: resource("aws_sqs_queue.mail"), provisioner: "local-exec" },
    type: "provision_start",
  }),
  line("Outputs: 1", { outputs: { token: { sensitive: true, type: "string" } }, type: "outputs" }),
])("passes over what nobody needs to know: %s", (one) => {
  expect(readProgress(one)).toBeUndefined();
});

test.each([
  "",
  "Initializing the backend...",
  hook("apply_start", "half of a line", "create").slice(0, -20),
  "{}",
  "[]",
  "null",
  '{"type":"change_summary"}',
  '{"type":"change_summary","changes":{"add":"1","change":0,"remove":0,"operation":"plan"}}',
  '{"type":"diagnostic","diagnostic":{"severity":"fatal","summary":"x"}}',
  '{"type":"apply_start","@message":{"toString":"x"},"hook":{"resource":{"addr":"a.b"},"action":"create"}}',
  '{"type":"__proto__","__proto__":{"type":"diagnostic"}}',
])("passes over what is no such line: %j", (garbage) => {
  expect(readProgress(garbage)).toBeUndefined();
});

test("never fails, whatever a program prints", () => {
  const json = fc.json({ maxDepth: 4 }).map((text) => text.replace(/^\{/, '{"type":"diagnostic",'));
  fc.assert(
    fc.property(fc.oneof(anyText(), json), (text) => void readProgress(text)),
    { numRuns: tries(300) },
  );
});

test("tells changes in a line", () => {
  expect(changesText({ add: 1, change: 2, destroy: 3 })).toBe("1 added, 2 changed, 3 destroyed");
  expect([
    isNoChange({ add: 0, change: 0, destroy: 0 }),
    isNoChange({ add: 0, change: 0, destroy: 1 }),
  ]).toEqual([true, false]);
});
