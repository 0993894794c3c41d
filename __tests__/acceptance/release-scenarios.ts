import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CodeDeployClient, ListDeploymentsCommand } from "@aws-sdk/client-codedeploy";
import { DescribeImagesCommand, ECRClient } from "@aws-sdk/client-ecr";
import { GetAliasCommand, InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { zipSync } from "fflate";
import { run } from "../../tools/cdktf";
import { terraform } from "../../tools/toolchain";
import { runInBuild } from "../support/builds";
import { LocalClients } from "../support/local-aws";
import { ROOT } from "../support/settings";

const REGISTRY = "111111111111.dkr.ecr.eu-west-1.amazonaws.com";
const BUCKET = "release-scenarios";

/** Where the example is deployed, with checks that look for "hello" at "/". */
export interface World {
  /** Where its stacks are synthesized, and the settings lie. */
  readonly folder: () => string;
  readonly env: () => Record<string, string | undefined>;
}

/** What a user gets of the service: the version that answered, or the failure. */
interface Answers {
  readonly versions: Set<string>;
  failures: number;
}

/** Releases to deployed environments: good ones, and all the ways in which they are not. */
export function releaseScenarios(world: World): void {
  let clients: LocalClients;

  beforeAll(async () => {
    clients = new LocalClients(world.env().AWS_ENDPOINT_URL!);
    await clients.createBucket(BUCKET);
  });
  afterAll(() => clients.destroy());

  /** Clients of an environment's account. */
  async function inAccount(account: string) {
    const inside = await clients.as(account, "look");
    return { lambda: inside.of(LambdaClient), codedeploy: inside.of(CodeDeployClient) };
  }

  /** Builds and pushes an image in a build, as the pipeline does. @returns its URI, by digest */
  async function image(version: string, answer: string): Promise<string> {
    const index = `
      require("node:http").createServer((request, response) => {
        const user = request.headers["x-user"] !== undefined;
        const health = request.url === "/health";
        ${answer}
      }).listen(process.env.PORT);
      process.on("SIGTERM", () => process.exit());`;
    const Dockerfile = 'FROM node:22\nWORKDIR /app\nCOPY index.js .\nCMD ["node", "index.js"]\n';
    const { status, log } = await runInBuild(clients, {
      name: `image-${version}`,
      bucket: BUCKET,
      files: { Dockerfile, "index.js": index },
      commands: [
        `echo password | docker login --username AWS --password-stdin ${REGISTRY}`,
        `docker buildx build --platform=linux/amd64 --tag=${REGISTRY}/hello/web:${version} --metadata-file=meta.json --push .`,
      ],
    });
    expect({ status, log }).toEqual({ status: "SUCCEEDED", log: expect.any(String) });
    const { imageDetails } = await clients
      .of(ECRClient)
      .send(new DescribeImagesCommand({ repositoryName: "hello/web", imageIds: [{ imageTag: version }] }));
    return `${REGISTRY}/hello/web@${imageDetails![0]!.imageDigest}`;
  }

  const good = (version: string) => image(version, `response.end(health ? "ok" : "hello from ${version}");`);

  const command = (file: string, args: string[], more: Record<string, string> = {}, cwd = world.folder()) =>
    run(process.execPath, [join(ROOT, "tools/run.mjs"), `tools/pipeline/${file}.ts`, ...args], {
      cwd,
      env: { ...world.env(), SLIPWAY_RELEASE_SECONDS: "0.5", ...more },
      onLine: () => {},
    });
  const release = (environment: string, uri: string, cwd?: string) =>
    command("release", [environment], { IMAGES: uri }, cwd);

  /** Terraform in the stack of an environment. */
  async function inStack(environment: string, ...args: string[]) {
    const { path } = await terraform();
    const cwd = join(world.folder(), "cdktf.out/stacks", environment);
    return run(path, args, { cwd, env: world.env(), onLine: () => {} });
  }

  const output = async (environment: string, name: string) =>
    (await inStack(environment, "output", "-raw", name)).stdout.trim();

  /** @returns what Terraform has to change, or that it has nothing */
  async function plansEmpty(environment: string): Promise<string> {
    const args = ["plan", "-detailed-exitcode", "-input=false", "-no-color", "-lock=false"];
    const { exitCode, output: said } = await inStack(environment, ...args);
    return exitCode === 0 ? "empty" : said;
  }

  const ask = async (url: string) => (await fetch(url)).text();

  /** Users that ask all the while. */
  async function whileUsersAsk<T>(
    url: string,
    work: () => Promise<T>,
  ): Promise<{ result: T; users: Answers }> {
    const users: Answers = { versions: new Set(), failures: 0 };
    let ended = false;
    const one = async () => {
      while (!ended) {
        const response = await fetch(url, { headers: { "x-user": "1" } }).catch(() => undefined);
        if (response?.status === 200) users.versions.add(await response.text());
        else users.failures += 1;
        await pause(15);
      }
    };
    const all = Array.from({ length: 3 }, one);
    const result = await work().finally(() => {
      ended = true;
    });
    await Promise.all(all);
    return { result, users };
  }

  const deployments = async (account: string, name: string) => {
    const { codedeploy } = await inAccount(account);
    const found = await codedeploy.send(
      new ListDeploymentsCommand({ applicationName: name, deploymentGroupName: "web" }),
    );
    return found.deployments!;
  };

  describe("of dev, all at once", () => {
    const account = "222222222222";
    let url: string;
    let first: string;
    beforeAll(async () => {
      url = await output("dev", "service_web_url");
      first = await good("v1");
    });

    test("takes the place of what waits for it, and the function's callers get what was planned", async () => {
      expect(await ask(url)).toBe("Waiting for the first release");
      const { exitCode, output: said } = await release("dev", first);
      expect({ exitCode, said }).toEqual({
        exitCode: 0,
        said: expect.stringContaining("AfterAllowTestTraffic succeeded"),
      });
      expect(await ask(url)).toBe("hello from v1");
      const { lambda } = await inAccount(account);
      const live = await lambda.send(new GetAliasCommand({ FunctionName: "hello-dev-hello", Name: "live" }));
      expect(live).toMatchObject({ FunctionVersion: "2" });
      expect(live.RoutingConfig?.AdditionalVersionWeights ?? {}).toEqual({});
    });

    test("does nothing where nothing is new", async () => {
      const before = await deployments(account, "hello-dev-web");
      const { exitCode, output: said } = await release("dev", first);
      expect({ exitCode, said }).toEqual({ exitCode: 0, said: expect.stringMatching(/web: .*already/) });
      expect(await deployments(account, "hello-dev-web")).toEqual(before);
    });

    test("is verified by the same checks, and nothing of it is Terraform's to change", async () => {
      const { exitCode, output: said } = await command("verify", ["dev"]);
      expect({ exitCode, said }).toEqual({ exitCode: 0, said: expect.any(String) });
      expect(await plansEmpty("dev")).toBe("empty");
    });

    test("whose check fails reaches no user, and says what failed", async () => {
      const broken = await image("broken", `response.end(health ? "ok" : "no database");`);
      const { result, users } = await whileUsersAsk(url, () => release("dev", broken));
      expect({ exitCode: result.exitCode, said: result.output }).toEqual({
        exitCode: 1,
        said: expect.stringMatching(/GET \/ of .*hello.*no database/),
      });
      expect(users).toEqual({ versions: new Set(["hello from v1"]), failures: 0 });
      expect(await plansEmpty("dev")).toBe("empty");
    });

    test("is brought back by its record, where what comes after it fails", async () => {
      const second = await good("v2");
      expect((await release("dev", second)).exitCode).toBe(0);
      expect(await ask(url)).toBe("hello from v2");
      const { exitCode, output: said } = await command("release", ["dev", "--back", "release"]);
      expect({ exitCode, said }).toEqual({ exitCode: 0, said: expect.any(String) });
      expect(await ask(url)).toBe("hello from v1");
    });
  });

  describe("of prod, in steps", () => {
    const account = "333333333333";
    let url: string;
    beforeAll(async () => {
      // With the checks that dev has already.
      await inStack("prod", "init", "-input=false");
      expect(await inStack("prod", "apply", "-auto-approve", "-input=false", "-no-color")).toMatchObject({
        exitCode: 0,
      });
      url = await output("prod", "service_web_url");
      expect((await release("prod", await good("v3"))).exitCode).toBe(0);
    });

    test("shifts traffic, during which Terraform has nothing to change, and no request fails", async () => {
      const next = await good("v4");
      const { result, users } = await whileUsersAsk(url, async () => {
        const going = release("prod", next);
        await pause(8000);
        const planned = await plansEmpty("prod");
        return { ...(await going), planned };
      });
      expect({ ...result, output: "" }).toMatchObject({ exitCode: 0, planned: "empty" });
      expect(result.output).toMatch(/web: AllowTraffic 10 %/);
      expect(users).toEqual({ versions: new Set(["hello from v3", "hello from v4"]), failures: 0 });
      expect(await ask(url)).toBe("hello from v4");
    });

    test("that raises the alarm is brought back, and the old version serves all", async () => {
      const failing = await image(
        "failing",
        `if (user) response.statusCode = 500; response.end(health ? "ok" : "hello from failing");`,
      );
      const { result, users } = await whileUsersAsk(url, () => release("prod", failing));
      expect({ exitCode: result.exitCode, said: result.output }).toEqual({
        exitCode: 1,
        said: expect.stringMatching(/hello-prod-web-(blue|green)-errors/),
      });
      expect(users.failures).toBeGreaterThan(0);
      const { users: after } = await whileUsersAsk(url, () => pause(1500));
      expect(after).toEqual({ versions: new Set(["hello from v4"]), failures: 0 });
      expect(await plansEmpty("prod")).toBe("empty");
    });

    test("of a function whose check fails gives no caller the new version", async () => {
      const copy = join(world.folder(), "broken-function");
      cpSync(join(world.folder(), "cdktf.out"), join(copy, "cdktf.out"), { recursive: true });
      writeFileSync(
        join(copy, "terraform.tfvars"),
        readFileSync(join(world.folder(), "terraform.tfvars"), "utf8"),
      );
      const stack = join(copy, "cdktf.out/stacks/prod");
      const { resource } = JSON.parse(readFileSync(join(stack, "cdk.tf.json"), "utf8"));
      const { filename } = (Object.values(resource.aws_lambda_function) as Record<string, string>[]).find(
        ({ function_name }) => function_name === "hello-prod-hello",
      )!;
      expect(readdirSync(join(stack, "assets"))).not.toEqual([]);
      const code = 'exports.handler = async () => ({ statusCode: 503, body: "no database" });';
      writeFileSync(join(stack, filename!), zipSync({ "index.js": Buffer.from(code) }));

      const { lambda } = await inAccount(account);
      const alias = { FunctionName: "hello-prod-hello", Name: "live" };
      const before = await lambda.send(new GetAliasCommand(alias));
      let ended = false;
      const answers = new Set<string>();
      const caller = (async () => {
        while (!ended) {
          const { Payload } = await lambda.send(
            new InvokeCommand({ FunctionName: alias.FunctionName, Qualifier: "live", Payload: "{}" }),
          );
          answers.add(JSON.parse(new TextDecoder().decode(Payload)).body);
          await pause(100);
        }
      })();
      const current = await release("prod", await good("v5"), copy).finally(() => {
        ended = true;
      });
      await caller;
      expect({ exitCode: current.exitCode, said: current.output }).toEqual({
        exitCode: 1,
        said: expect.stringMatching(/hello: .*BeforeAllowTraffic/),
      });
      expect([...answers]).toEqual([`hello from hello - v${before.FunctionVersion}`]);
      expect(await lambda.send(new GetAliasCommand(alias))).toMatchObject({
        FunctionVersion: before.FunctionVersion,
      });
      // All or nothing: the service that had been released beside it is back as well.
      expect(await ask(url)).toBe("hello from v4");
    });
  });
}

const pause = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds));
