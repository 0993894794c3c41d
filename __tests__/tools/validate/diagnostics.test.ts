import { type Diagnostic, diagnosticsOfInit, words } from "../../../tools/validate/diagnostics";

const UNKNOWN_FORMAT: Diagnostic = {
  severity: "error",
  summary: "Error in function call",
  detail: 'Call to function "filebase64" failed.\n',
  address: "aws_lambda_function.hello",
  range: { filename: "stacks/dev/cdk.tf.json", start: { line: 12 } },
  snippet: {
    context: "resource.aws_lambda_function.hello",
    code: '        "archive":\n        "a file"',
    start_line: 11,
    values: [{ traversal: "var.path", statement: 'is "hello.zip"' }],
  },
};

test("says what is wrong, of what resource, where, and of what values, as Terraform's text does", () => {
  expect(words(UNKNOWN_FORMAT)).toBe(`Error: Error in function call

  with aws_lambda_function.hello,
  on cdk.tf.json line 12, in resource.aws_lambda_function.hello:
  11:         "archive":
  12:         "a file"
    var.path is "hello.zip"

Call to function "filebase64" failed.`);
});

test("says no more than Terraform knows", () => {
  expect(words({ severity: "error", summary: "Cycle: local.a, local.b" })).toBe(
    "Error: Cycle: local.a, local.b",
  );
  const range = { filename: "cdk.tf.json", start: { line: 3 } };
  const snippet = { context: null, code: '  "foo": {', start_line: 3, values: null };
  expect(words({ severity: "warning", summary: "Old", detail: "", range, snippet })).toBe(
    'Warning: Old\n\n  on cdk.tf.json line 3:\n  3:   "foo": {',
  );
});

test("finds the errors of an init among what else it tells", () => {
  const output = [
    "Text that some version prints first.",
    '{"@message": "Initializing modules...", "type": "init_output"}',
    `{"@message": "Error: Missing value", "diagnostic": {"severity": "error", "summary": "Missing value"}, "type": "diagnostic"}`,
    "",
  ].join("\n");
  expect(diagnosticsOfInit(output)).toEqual([{ severity: "error", summary: "Missing value" }]);
});
