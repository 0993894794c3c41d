import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { delimiter, join } from "node:path";
import { FakeServer } from "../support/fake-server";
import { exampleText, ROOT } from "../support/settings";
import { runTool, startTool } from "../support/tools";

const ROLE_KEY = "ROLEKEYOFTHEVERIFIER";

/** What a deployed environment answers: its service, its function, and AWS's STS on the way there. */
class FakeEnvironment extends FakeServer {
  /** Statuses that the service answers with; the last one stays. */
  service = [200];
  function: { result: unknown; error?: string } = { result: { statusCode: 200, body: "hello" } };
  role = "given";
  readonly requests: { url: string; key?: string; body: string }[] = [];
  protected override answer(request: IncomingMessage, body: string, response: ServerResponse): void {
    const { url = "", headers } = request;
    const key = /Credential=([^/]+)/.exec(headers.authorization ?? "")?.[1];
    this.requests.push({ url, key, body: body });
    if (url === "/" && request.method === "POST") {
      if (this.role === "given") response.end(ASSUMED);
      else
        response
          .writeHead(403)
          .end(`<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>`);
    } else if (url.startsWith("/2015-03-31/")) {
      const { result, error } = this.function;
      if (error) response.setHeader("x-amz-function-error", error);
      response.end(JSON.stringify(result));
    } else {
      const status = this.service.length > 1 ? this.service.shift()! : this.service[0]!;
      response.writeHead(status).end(`the service says ${status}`);
    }
  }
}

const ASSUMED = `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>${ROLE_KEY}</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken>
<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`;

let deployed: FakeEnvironment;
let address: string;
let cwd: string;

beforeEach(async () => {
  deployed = new FakeEnvironment();
  address = await deployed.start();
  // Below the project, whose jest it is.
  mkdirSync(join(ROOT, ".slipway"), { recursive: true });
  cwd = mkdtempSync(join(ROOT, ".slipway/verify-"));
  writeFileSync(join(cwd, "terraform.tfvars"), exampleText());
  mkdirSync(join(cwd, "cdktf.out/stacks/dev"), { recursive: true });
  mkdirSync(join(cwd, "bin"));
  mkdirSync(join(cwd, ".aws"));
  writeFileSync(
    join(cwd, ".aws/credentials"),
    "[mine]\naws_access_key_id = local\naws_secret_access_key = local\n",
  );
  outputs({
    service_web_url: { value: `${address}/` },
    function_hello_name: { value: "hello-dev-hello" },
    function_hello_url: { value: "https://example.com/" },
    password: { value: "hunter2", sensitive: true },
  });
});
afterEach(() => {
  deployed.stop();
  rmSync(cwd, { recursive: true });
});

/** What Terraform says that the stack put out. */
function outputs(values: Record<string, { value: unknown; sensitive?: boolean }>) {
  const all = Object.entries(values).map(([name, { value, sensitive = false }]) => [
    name,
    { value, sensitive, type: "string" },
  ]);
  writeFileSync(join(cwd, "outputs.json"), JSON.stringify(Object.fromEntries(all)));
  terraform(`cat '${cwd}/outputs.json'`);
}

/** A Terraform that does this for `output`. */
function terraform(output: string) {
  const file = join(cwd, "bin/terraform");
  writeFileSync(
    file,
    `#!/bin/sh
case "$1" in
version) echo '{"terraform_version": "1.11.4"}' ;;
output) ${output} ;;
esac
`,
  );
  chmodSync(file, 0o755);
}

const VERIFY = "tools/pipeline/verify.ts";
const within = (seconds = "0") => ({
  cwd,
  env: {
    PATH: `${join(cwd, "bin")}${delimiter}${process.env.PATH}`,
    HOME: cwd,
    AWS_ENDPOINT_URL: address,
    AWS_PROFILE: "mine",
    SLIPWAY_VERIFY_SECONDS: seconds,
  },
});
const verify = (args = ["dev"]) => runTool(VERIFY, args, within());
const report = () => readFileSync(join(cwd, ".slipway/reports/acceptance.xml"), "utf8");

test.each<[string[], RegExp]>([
  [[], /^Name an environment: npm run verify -- dev/],
  [["dev", "more"], /^Name an environment/],
  [["test"], /no environment "test" in terraform\.tfvars/],
  [["prod"], /stack prod is not in cdktf\.out\/stacks: synthesize it first, with npm run synth\./],
  [
    ["pv-dev-login-3f9a2c"],
    /stack pv-dev-login-3f9a2c is not in .* with SLIPWAY_PREVIEW=pv-dev-login-3f9a2c npm run synth\./,
  ],
])("fails with words for people when it is given %j", async (args, message) => {
  const result = await verify(args);
  expect(result).toEqual({ exitCode: 1, stdout: "", stderr: expect.stringMatching(message) });
  expect(result.stderr).not.toMatch(/\n\s+at /);
});

test.each<[string, () => void, RegExp]>([
  [
    "nothing is deployed",
    () => outputs({}),
    /^dev has put out nothing\. Deploy it as it is synthesized now: npx cdktf deploy dev$/,
  ],
  [
    "its outputs cannot be read",
    () => terraform('echo "Error: no credentials" >&2; exit 1'),
    /What dev put out cannot be read\.\nError: no credentials/,
  ],
  [
    "its role cannot be taken on",
    () => {
      deployed.role = "refused";
    },
    /^The role \S+hello-dev-verify cannot be taken on \(AccessDenied.*npx cdktf deploy access-dev/s,
  ],
])("fails without a check when %s", async (_, prepare, message) => {
  prepare();
  expect(await verify()).toEqual({ exitCode: 1, stdout: "", stderr: expect.stringMatching(message) });
  expect(existsSync(join(cwd, ".slipway/reports"))).toBe(false);
});

test("fails where a preview is not deployed, and says to push, because nobody deploys one by hand", async () => {
  mkdirSync(join(cwd, "cdktf.out/stacks/pv-dev-login-3f9a2c"));
  outputs({});
  const { exitCode, stderr } = await verify(["pv-dev-login-3f9a2c"]);
  expect(exitCode).toBe(1);
  expect(stderr).toBe("pv-dev-login-3f9a2c has put out nothing. Its pipeline deploys it: push again.");
});

test("passes where all is well, with the environment's own role, and reports it", async () => {
  // The first answer is a load balancer's that has no task yet.
  deployed.service = [503, 200];
  const { exitCode, stderr } = await startTool(VERIFY, ["dev"], within("20")).ended;
  expect([exitCode, stderr]).toEqual([0, expect.stringContaining("3 passed")]);
  expect(report()).toMatch(/tests="3" failures="0"/);

  const [assume, ...others] = deployed.requests;
  expect(assume).toMatchObject({ key: "local" });
  expect(new URLSearchParams(assume!.body).get("RoleArn")).toBe(
    "arn:aws:iam::222222222222:role/hello-dev-verify",
  );
  expect(others.map(({ url, key }) => [url, key])).toEqual([
    ["/health", undefined],
    ["/health", undefined],
    ["/2015-03-31/functions/hello-dev-hello/invocations?Qualifier=live", ROLE_KEY],
  ]);
  expect(JSON.parse(others[2]!.body)).toMatchObject({
    rawPath: "/",
    requestContext: { http: { method: "GET" } },
  });
  const file = readFileSync(join(cwd, ".slipway/outputs/dev.json"), "utf8");
  expect(JSON.parse(file)).toMatchObject({
    settings: { name: "dev" },
    outputs: { service_web_url: `${address}/` },
  });
  expect(file).not.toContain("hunter2");
});

test("fails when a service is not well and a function fails, and says what they answered", async () => {
  deployed.service = [500];
  deployed.function = { result: { errorMessage: "no database" }, error: "Unhandled" };
  const { exitCode, stderr } = await verify();
  expect(exitCode).toBe(1);
  expect(stderr).toContain(
    `GET /health of ${address} should answer with status 200 within 5000 ms; asked once, it answered 500: the service says 500`,
  );
  expect(stderr).toMatch(/GET \/ of hello-dev-hello:live .*the function failed: .*no database/);
  expect(report()).toMatch(/tests="3" failures="2"/);
});

test("fails when nothing listens, and a function answers with a failure", async () => {
  const gone = new FakeEnvironment();
  const nobody = await gone.start();
  gone.stop();
  outputs({ service_web_url: { value: nobody }, function_hello_name: { value: "hello" } });
  deployed.function = { result: { statusCode: 500, body: "broken" } };
  const { exitCode, stderr } = await verify();
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(/answered nothing \(.*ECONNREFUSED/);
  expect(stderr).toMatch(/GET \/ of hello:live should answer with status 200.* it answered 500: broken/);
});

test("fails when the environment was deployed before a check's output was there", async () => {
  outputs({ service_web_url: { value: address } });
  const { stderr } = await verify();
  expect(stderr).toMatch(/dev has put out no function_hello_name.*Deploy it again/);
});

test("asks a service for any answer where its health is not on its paths", async () => {
  writeFileSync(
    join(cwd, "terraform.tfvars"),
    exampleText().replace('health_path = "/health"', 'health_path = "/health"\n    paths = ["/api/*"]'),
  );
  outputs({ service_web_url: { value: `${address}/api/` }, function_hello_name: { value: "hello" } });
  deployed.service = [404];
  expect(await verify()).toMatchObject({ exitCode: 0 });
  expect(deployed.requests.map(({ url }) => url)).toContain("/api/");
  deployed.service = [503];
  expect((await verify()).stderr).toMatch(/GET \/api\/ of .* a status below 500 .* answered 503/);
});
