import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { zipSync } from "fflate";
import { type LocalAws, startLocalAws } from "../../../tools/local-aws";
import { motoServer } from "../../support/moto";
import { ROOT } from "../../support/settings";
import { changesIn, initializedTerraformIn } from "../../support/terraform";
import { authorization, BUILD } from "./upstream";

jest.setTimeout(5 * 60_000);

let aws: LocalAws;
let folder: string;
let runTerraform: Awaited<ReturnType<typeof initializedTerraformIn>>;
beforeAll(async () => {
  aws = await startLocalAws({ account: BUILD, motoServer: await motoServer() });
  folder = mkdtempSync(join(tmpdir(), "slipway-http-api-"));
  cpSync(join(ROOT, "__tests__/tools/local-aws/terraform/http-api"), folder, { recursive: true });
  const code = "exports.handler = async ({ rawPath }) => ({ statusCode: 200, body: rawPath });";
  writeFileSync(join(folder, "code.zip"), zipSync({ "index.js": Buffer.from(code) }));
  runTerraform = await initializedTerraformIn(folder, aws.endpoint);
});
afterAll(async () => {
  await aws.stop();
  rmSync(folder, { recursive: true });
});

test("Terraform makes an API that answers, opens it and finds nothing else to change, and takes it away", async () => {
  const run = (command: string, ...more: string[]) =>
    runTerraform(command, "-input=false", "-var=archive=code.zip", ...more);
  await run("apply", "-auto-approve");
  const url = (await runTerraform("output", "-raw", "url")).stdout;
  expect(url.startsWith(`${aws.endpoint}/http-api/${BUILD}/`)).toBe(true);
  expect((await fetch(`${url}/hello`)).status).toBe(403);
  const signed = await fetch(`${url}/hello`, { headers: { authorization: authorization("execute-api") } });
  expect([signed.status, await signed.text()]).toEqual([200, "/hello"]);

  const opened = await run("apply", "-auto-approve", "-var=authorization=NONE");
  expect(changesIn(opened)).toEqual([
    '~ resource "aws_apigatewayv2_route" "this"',
    '~ authorization_type = "AWS_IAM" -> "NONE"',
  ]);
  expect((await run("plan", "-detailed-exitcode", "-var=authorization=NONE")).exitCode).toBe(0);
  expect(await (await fetch(`${url}/open`)).text()).toBe("/open");
  await run("destroy", "-auto-approve");
  expect((await fetch(`${url}/open`)).status).toBe(404);
});
