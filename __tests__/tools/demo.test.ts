import { readOutputs, summarize, table } from "../../tools/demo/summary";
import { exampleSettings } from "../support/settings";

test("the table shows each stack's account and resources, and the addresses below", async () => {
  const settings = await exampleSettings();
  const outputs = readOutputs('noise\n{"service_web_url": {"value": "http://web"}, "other": {"value": 1}}');
  const list = "data.aws_region.here\naws_vpc.a\naws_lb.b\n";
  const lines = table([
    summarize("dev", settings, list, outputs),
    summarize("access-prod", settings, "aws_iam_role.a\n", {}),
    summarize("delivery", settings, "", {}),
  ]).split("\n");
  expect(lines).toEqual([
    "stack        account       resources",
    "dev          222222222222          2",
    "             service web: http://web",
    "access-prod  333333333333          1",
    "delivery     111111111111          0",
  ]);
});

test("no outputs are no error", () => {
  expect(readOutputs("")).toEqual({});
});
