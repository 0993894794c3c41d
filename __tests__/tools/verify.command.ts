import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { delimiter, join } from "node:path";
import { FakeServer } from "../support/fake-server";
import { exampleText, ROOT } from "../support/settings";
import { runTool, startTool, type ToolRun } from "../support/tools";

const ROLE_KEY = "ROLEKEYOFTHEVERIFIER";

/** What a deployed environment answers: its service, its function, and AWS's STS on the way there. */
class FakeEnvironment extends FakeServer {
  /** Statuses that services answer with on a path; the last one stays. 200, where nothing is said. */
  statuses: Record<string, number[]> = {};
  /** What functions answer, by their name. */
  functions: Record<string, { result: unknown; error?: string }> = {};
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
      const [, name] = /functions\/([^/]+)/.exec(url)!;
      const { result, error } = this.functions[name!] ?? { result: { statusCode: 200, body: "hello" } };
      if (error) response.setHeader("x-amz-function-error", error);
      response.end(JSON.stringify(result));
    } else {
      const [status = 200, ...later] = this.statuses[url] ?? [];
      if (later.length) this.statuses[url] = later;
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

/** @param settings text of its terraform.tfvars */
async function deploy(settings = exampleText()) {
  deployed = new FakeEnvironment();
  address = await deployed.start();
  // Below the project, whose jest it is.
  mkdirSync(join(ROOT, ".slipway"), { recursive: true });
  cwd = mkdtempSync(join(ROOT, ".slipway/verify-"));
  writeFileSync(join(cwd, "terraform.tfvars"), settings);
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
}

function destroy() {
  deployed.stop();
  rmSync(cwd, { recursive: true });
}

beforeEach(() => deploy());
afterEach(destroy);

/** The example settings, with services and functions besides; its own service has a path of its own, as all have then. */
const withMore = (services: string, functions = "") =>
  exampleText()
    .replace('health_path = "/health"', '$&\n    paths = ["/health"]')
    .replace(/^services = \{$/m, `$&\n${services}`)
    .replace(/^functions = \{$/m, `$&\n${functions}`);

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
  destroy();
  // Of a service whose health is not on its paths, any answer will do.
  await deploy(withMore('api = { port = 8081, paths = ["/api/*"] }'));
  outputs({
    service_web_url: { value: `${address}/` },
    service_api_url: { value: `${address}/api/` },
    function_hello_name: { value: "hello-dev-hello" },
    password: { value: "hunter2", sensitive: true },
  });
  // The first answer is a load balancer's that has no task yet.
  deployed.statuses = { "/health": [503, 200], "/api/": [404] };
  const { exitCode, stderr } = await startTool(VERIFY, ["dev"], within("20")).ended;
  expect([exitCode, stderr]).toEqual([0, expect.stringContaining("4 passed")]);
  expect(report()).toMatch(/tests="4" failures="0"/);

  const [assume, ...others] = deployed.requests;
  expect(assume).toMatchObject({ key: "local" });
  expect(new URLSearchParams(assume!.body).get("RoleArn")).toBe(
    "arn:aws:iam::222222222222:role/hello-dev-verify",
  );
  const asked = others.map(({ url, key }) => [url, key]);
  expect(asked).toEqual([
    ["/api/", undefined],
    ["/health", undefined],
    ["/health", undefined],
    ["/2015-03-31/functions/hello-dev-hello/invocations?Qualifier=live", ROLE_KEY],
  ]);
  expect(JSON.parse(others.find(({ key }) => key)!.body)).toMatchObject({
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

describe("fails, and says what is wrong, when", () => {
  let run: ToolRun;
  let reported: string;
  let at: string;
  beforeAll(async () => {
    await deploy(
      withMore(
        ["api", "gone", "sound"]
          .map((name) => `${name} = { port = 8081, paths = ["/${name}/*"] }`)
          .join("\n"),
        "broken = {}\nnew = {}",
      ),
    );
    at = address;
    const nobody = new FakeEnvironment();
    outputs({
      service_web_url: { value: `${address}/` },
      service_api_url: { value: `${address}/api/` },
      service_gone_url: { value: `${await nobody.start()}/gone/` },
      service_sound_url: { value: `${address}/sound/` },
      function_hello_name: { value: "hello-dev-hello" },
      function_broken_name: { value: "broken" },
    });
    nobody.stop();
    deployed.statuses = { "/health": [500], "/api/": [503] };
    deployed.functions = {
      "hello-dev-hello": { result: { errorMessage: "no database" }, error: "Unhandled" },
      broken: { result: { statusCode: 500, body: "broken" } },
    };
    run = await verify();
    reported = report();
    destroy();
  });

  test("anything is, which is in its report beside what is well", () => {
    expect(run.exitCode).toBe(1);
    expect(reported).toMatch(/tests="8" failures="7"/);
  });

  test("a service is not well", () => {
    expect(run.stderr).toContain(
      `GET /health of ${at} should answer with status 200 within 5000 ms; asked once, it answered 500: the service says 500`,
    );
  });

  test("a service answers with a failure where any answer would do", () => {
    expect(run.stderr).toMatch(/GET \/api\/ of .* a status below 500 .* answered 503/);
  });

  test("nothing listens", () => {
    expect(run.stderr).toMatch(/GET \/gone\/ .*answered nothing \(.*ECONNREFUSED/);
  });

  test("a function fails", () => {
    expect(run.stderr).toMatch(/GET \/ of hello-dev-hello:live .*the function failed: .*no database/);
  });

  test("a function answers with a failure", () => {
    expect(run.stderr).toMatch(
      /GET \/ of broken:live should answer with status 200.* it answered 500: broken/,
    );
  });

  test("the environment was deployed before a check's output was there", () => {
    expect(run.stderr).toMatch(/dev has put out no function_new_name.*Deploy it again/);
  });
});
