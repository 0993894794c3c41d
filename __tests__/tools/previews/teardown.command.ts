import { chmodSync, existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { FakeServer } from "../../support/fake-server";
import { temporaryProject } from "../../support/project";
import { runTool, startTool } from "../../support/tools";

const PREVIEW = "pv-dev-login-3f9a2c";
const TRIAL = "pv-dev-t0123456789";
const AWS = 'provider["registry.terraform.io/hashicorp/aws"]';
const COMMIT = "0123456789abcdef0123456789abcdef01234567";

/** A resource of a state. */
const held = (address: string, attributes: object = {}, provider = AWS) => {
  const [type, name] = address.split(".");
  return { mode: "managed", type, name, provider, instances: [{ attributes }] };
};
const queue = held("aws_sqs_queue.jobs", { arn: "arn:aws:sqs:eu-west-1:222222222222:hello-pv-dev-jobs" });

/** The build account, with the state of one preview, what locks it, and images. */
class FakeBuildAccount extends FakeServer {
  account = "111111111111";
  state: string | undefined;
  lockedHoursAgo: number | undefined;
  /** How often it is asked for the lock before that is given back, and what whoever had it has done by then. */
  looksUntilUnlocked = Number.POSITIVE_INFINITY;
  afterwards = () => {};
  /** Tags of the images of previews; no repository where it is undefined. */
  tags: readonly string[] | undefined = [];
  /** Versions in use, as `family:1`. */
  taskDefinitions: string[] = [];
  /** What was deleted: names of objects, and tags. */
  readonly deleted: string[] = [];

  constructor(private readonly destroyed: string) {
    super();
  }

  holds(...resources: object[]): void {
    this.state = JSON.stringify({ version: 4, resources });
  }

  protected override answer(request: IncomingMessage, body: string, response: ServerResponse): void {
    const { url = "", method, headers } = request;
    const operation = String(headers["x-amz-target"] ?? "").split(".")[1];
    if (operation?.endsWith("TaskDefinition"))
      this.taskDefinition(operation, JSON.parse(body).taskDefinition, response);
    else if (operation) this.images(operation, JSON.parse(body), response);
    else if (url === "/" && body.includes("Action=AssumeRole"))
      response.end(
        `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>KEY</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken>
<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`,
      );
    else if (url === "/")
      response.end(
        `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
<Arn>arn:aws:iam::${this.account}:role/x</Arn><Account>${this.account}</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`,
      );
    else this.object(method!, new URL(url, "http://localhost").pathname, response);
  }

  private object(method: string, path: string, response: ServerResponse): void {
    const key = path.replace("/hello-state-111111111111-eu-west-1/", "");
    if (key.endsWith(".tflock") && this.looksUntilUnlocked-- === 0) {
      this.lockedHoursAgo = undefined;
      this.afterwards();
    }
    if (method === "DELETE") {
      this.deleted.push(key);
      if (key.endsWith(".tflock")) this.lockedHoursAgo = undefined;
      else this.state = undefined;
      response.writeHead(204).end();
    } else if (key.endsWith(".tflock") && this.lockedHoursAgo !== undefined)
      response
        .setHeader("last-modified", new Date(Date.now() - this.lockedHoursAgo * 3_600_000).toUTCString())
        .end();
    else if (key.endsWith(".tfstate") && this.state !== undefined)
      response.end(existsSync(this.destroyed) ? '{"version": 4, "resources": []}' : this.state);
    else response.writeHead(404).end("<Error><Code>NoSuchKey</Code></Error>");
  }

  private taskDefinition(operation: string, named: string, response: ServerResponse): void {
    response.setHeader("content-type", "application/x-amz-json-1.1");
    if (operation.startsWith("Deregister"))
      this.taskDefinitions.splice(this.taskDefinitions.indexOf(named), 1);
    const newest = this.taskDefinitions.findLast((one) => one.startsWith(`${named}:`));
    const taskDefinition = { taskDefinitionArn: newest, status: "ACTIVE" };
    if (newest || operation.startsWith("Deregister")) response.end(JSON.stringify({ taskDefinition }));
    else response.writeHead(400).end('{"__type": "ClientException"}');
  }

  private images(
    operation: string,
    { imageIds = [] }: { imageIds?: { imageTag: string }[] },
    response: ServerResponse,
  ): void {
    response.setHeader("content-type", "application/x-amz-json-1.1");
    if (!this.tags) response.writeHead(400).end('{"__type": "RepositoryNotFoundException"}');
    else if (operation === "DescribeImages")
      response.end(JSON.stringify({ imageDetails: this.tags.map((tag) => ({ imageTags: [tag] })) }));
    else {
      this.deleted.push(...imageIds.map(({ imageTag }) => imageTag));
      response.end(JSON.stringify({ imageIds, failures: [] }));
    }
  }
}

let account: FakeBuildAccount;
let endpoint: string;
let folder: string;
let bin: string;
beforeEach(async () => {
  folder = temporaryProject();
  bin = mkdtempSync(join(tmpdir(), "slipway-terraform-"));
  account = new FakeBuildAccount(join(bin, "destroyed"));
  endpoint = await account.start();
  // It destroys all, unless destroy.<time>.fails says why it does not.
  const terraform = join(bin, "terraform");
  writeFileSync(
    terraform,
    `#!/bin/sh
[ "$1" = version ] && echo '{"terraform_version": "1.11.4"}' && exit
echo "$*" >> ${bin}/asked
cp main.tf.json ${bin}/main.tf.json
[ "$1" = destroy ] || exit 0
words=${bin}/destroy.$(grep -c ^destroy ${bin}/asked).fails
if [ -f "$words" ]; then cat "$words" >&2; exit 1; fi
echo '      - environment = { PASSWORD = "hunter2" } -> null'
echo 'aws_sqs_queue.jobs: Destroying... [id=jobs]'
touch ${bin}/destroyed
`,
  );
  chmodSync(terraform, 0o755);
});
afterEach(() => account.stop());

const fails = (time: number, words: string) => writeFileSync(join(bin, `destroy.${time}.fails`), words);
const read = (name: string) => (existsSync(join(bin, name)) ? readFileSync(join(bin, name), "utf8") : "");
const asked = () => read("asked").split("\n").filter(Boolean);

const TEARDOWN = "tools/previews/teardown.ts";
const within = () => ({
  cwd: folder,
  env: {
    PATH: `${bin}${delimiter}${process.env.PATH}`,
    AWS_ENDPOINT_URL: endpoint,
    AWS_ACCESS_KEY_ID: "local",
    AWS_SECRET_ACCESS_KEY: "local",
    AWS_MAX_ATTEMPTS: "1",
    SLIPWAY_TEARDOWN_SECONDS: "0",
  },
});
const teardown = (...args: string[]) => runTool(TEARDOWN, args, within());

test.each([
  [[]],
  [["dev"]],
  [["pv-test-login-3f9a2c"]],
  [["pv-dev-../bootstrap-3f9a2c"]],
  [[PREVIEW, "dev"]],
])("refuses %j, which is not the name of one preview, whatever its state is", async (args) => {
  account.holds(queue);
  const { exitCode, stdout, stderr } = await teardown(...args);
  expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
  expect(stderr).toMatch(/^Name a preview's environment|is no preview's name: .* Nothing was removed/);
  expect(stderr).not.toMatch(/\n\s+at /);
  expect([asked(), account.deleted]).toEqual([[], []]);
});

test("refuses credentials of another account than the build account", async () => {
  account.account = "999999999999";
  account.holds(queue);
  expect(await teardown(PREVIEW)).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining("999999999999"),
  });
  expect(asked()).toEqual([]);
});

test("destroys what the state holds, then removes the state and the preview's own images", async () => {
  account.holds(queue, held("aws_iam_role.task", { arn: "arn:aws:iam::222222222222:role/hello-pv-dev-x" }));
  const own = `${PREVIEW}-${COMMIT}`;
  // The branch's next preview, where previews are now made like another environment, has the same slug.
  account.tags = [own, `${PREVIEW}-4d5e6f-${COMMIT}`, `pv-test-login-3f9a2c-${COMMIT}`];
  const { exitCode, stdout, stderr } = await startTool(TEARDOWN, [PREVIEW], within()).ended;
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  expect(stdout).toMatch(/^Destroys 2 resources of pv-dev-login-3f9a2c in eu-west-1\./);
  expect(stdout).toContain("aws_sqs_queue.jobs: Destroying");
  expect(stdout).toMatch(/is gone: 2 resources were destroyed, and 1 images deleted\.$/);
  expect(asked().map((line) => line.split(" ")[0])).toEqual(["init", "destroy"]);
  expect(account.deleted).toEqual([`${PREVIEW}.tfstate`, own]);
});

test("needs nothing of the branch: it has a backend, and a provider with the previews' role, and no more", async () => {
  account.holds(queue);
  await teardown(PREVIEW);
  const { terraform, provider, ...rest } = JSON.parse(read("main.tf.json"));
  expect(rest).toEqual({});
  expect(terraform.backend.s3).toEqual({
    bucket: "hello-state-111111111111-eu-west-1",
    key: `${PREVIEW}.tfstate`,
    region: "eu-west-1",
    encrypt: true,
    kms_key_id: "arn:aws:kms:eu-west-1:111111111111:alias/hello-state",
    use_lockfile: true,
    use_path_style: true,
  });
  expect(provider.aws).toMatchObject({
    region: "eu-west-1",
    allowed_account_ids: ["222222222222"],
    assume_role: { role_arn: "arn:aws:iam::222222222222:role/hello-pv-dev-deploy" },
  });
});

test("shows no values of what it destroys", async () => {
  account.holds(queue);
  const { stdout, stderr } = await teardown(PREVIEW);
  expect(stdout + stderr).not.toContain("hunter2");
});

test("takes versions that releases made of its task definitions out of use, and no others", async () => {
  const own = "hello-pv-dev-login-3f9a2c-web";
  account.holds(...[own, "hello-dev-web"].map((family) => held("aws_ecs_task_definition.web", { family })));
  account.taskDefinitions = [`${own}:1`, "hello-dev-web:1", `${own}:2`, `${own}:3`];
  expect(await teardown(PREVIEW)).toMatchObject({ exitCode: 0 });
  expect(account.taskDefinitions).toEqual(["hello-dev-web:1"]);
});

test("destroys a trial in the region that its resources are in, and leaves its pipeline's images", async () => {
  account.holds(held("aws_s3_bucket.logs", { arn: "arn:aws:s3:::hello-logs", region: "us-east-1" }));
  account.tags = [`t0123456789-${COMMIT}`];
  expect(await teardown(TRIAL)).toMatchObject({ exitCode: 0 });
  expect(JSON.parse(read("main.tf.json")).provider.aws.region).toBe("us-east-1");
  expect(account.deleted).toEqual([`${TRIAL}.tfstate`]);
});

test("says that there is nothing, and passes, where neither a state nor a repository is there", async () => {
  account.tags = undefined;
  expect(await teardown(PREVIEW)).toEqual({
    exitCode: 0,
    stdout: `There is nothing of ${PREVIEW}.`,
    stderr: "",
  });
  expect(asked()).toEqual([]);
});

test("removes a state that holds nothing but what was looked up", async () => {
  account.holds({ ...held("aws_kms_alias.key"), mode: "data" });
  expect(await teardown(PREVIEW)).toMatchObject({ exitCode: 0 });
  expect([asked(), account.deleted]).toEqual([[], [`${PREVIEW}.tfstate`]]);
});

test("tries once more what AWS refuses for a moment", async () => {
  account.holds(queue);
  fails(1, "Error: DependencyViolation: the network interface is in use");
  const { exitCode, stdout } = await teardown(PREVIEW);
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(/tries once more in 0 seconds\.\nError: DependencyViolation/);
  expect(asked()).toHaveLength(3);
});

test("fails where it is refused again, says what is left, and keeps its state and images", async () => {
  account.holds(queue);
  account.tags = [`${PREVIEW}-${COMMIT}`];
  for (const time of [1, 2]) fails(time, "Error: AccessDenied");
  const { exitCode, stderr } = await teardown(PREVIEW);
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(
    /^pv-dev-login-3f9a2c is not gone: 1 resources are left \(aws_sqs_queue\.jobs\)\.\nError: AccessDenied\nRun this again.*account 222222222222, region eu-west-1/,
  );
  expect(account.deleted).toEqual([]);
});

test("does not try again where somebody else has just begun", async () => {
  account.holds(queue);
  fails(1, "Error: Error acquiring the state lock");
  expect(await teardown(PREVIEW)).toMatchObject({ exitCode: 1 });
  expect(asked()).toHaveLength(2);
});

test("waits until nobody else works on it, and destroys what they made", async () => {
  account.lockedHoursAgo = 0.1;
  account.looksUntilUnlocked = 3;
  account.afterwards = () => account.holds(queue);
  const { exitCode, stdout } = await teardown(PREVIEW);
  expect({ exitCode, stdout }).toEqual({
    exitCode: 0,
    stdout: expect.stringMatching(/^pv-dev-login-3f9a2c is being worked on since 20.*; waits\.\nDestroys 1 /),
  });
});

test("takes away the lock of what died hours ago, and goes on", async () => {
  account.holds(queue);
  account.lockedHoursAgo = 3;
  const { exitCode, stdout } = await teardown(PREVIEW);
  expect(exitCode).toBe(0);
  expect(account.deleted).toEqual([`${PREVIEW}.tfstate.tflock`, `${PREVIEW}.tfstate`]);
  expect(stdout).toContain("What it was just making may be in no state");
  expect(stdout).toContain(`--tag-filters Key=slipway:environment,Values=${PREVIEW}`);
});

test("is not done where somebody works on it for long", async () => {
  account.holds(queue);
  account.lockedHoursAgo = 1;
  const { exitCode, stderr } = await teardown(PREVIEW);
  expect({ exitCode, stderr }).toEqual({
    exitCode: 1,
    stderr: expect.stringMatching(/is still being worked on\. Nothing was removed/),
  });
  expect([asked(), account.deleted]).toEqual([[], []]);
});

test.each<[string, string, RegExp]>([
  [
    "names a provider of somebody else's, which would be run here",
    JSON.stringify({ version: 4, resources: [held("evil_thing.x", {}, 'provider["evil.example/e/evil"]')] }),
    /holds evil_thing\.x of provider\["evil\.example\/e\/evil"\]/,
  ],
  [
    "names one for what it only reads, which would be run as well",
    JSON.stringify({
      version: 4,
      resources: [{ ...held("evil_thing.x", {}, 'provider["evil.example/e/evil"]'), mode: "data" }],
    }),
    /holds evil_thing\.x of provider\["evil\.example\/e\/evil"\]/,
  ],
  [
    "names a provider that is configured elsewhere",
    JSON.stringify({ version: 4, resources: [held("aws_eip.x", {}, `${AWS}.other`)] }),
    /holds aws_eip\.x of provider/,
  ],
  [
    "has resources of several regions",
    JSON.stringify({
      version: 4,
      resources: [queue, held("aws_sqs_queue.b", { arn: "arn:aws:sqs:us-east-1:222222222222:b" })],
    }),
    /several regions: eu-west-1, us-east-1/,
  ],
  ["is no state", "<html>", /is not Terraform's/],
])("destroys nothing where the state %s", async (_, state, message) => {
  account.state = state;
  const { exitCode, stderr } = await teardown(PREVIEW);
  expect({ exitCode, stderr }).toEqual({ exitCode: 1, stderr: expect.stringMatching(message) });
  expect(stderr).toContain("Nothing was destroyed.");
  expect(stderr).not.toMatch(/\n\s+at /);
  expect([asked(), account.deleted]).toEqual([[], []]);
});
