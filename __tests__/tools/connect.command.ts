import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { text } from "node:stream/consumers";
import { exampleText } from "../support/settings";
import { runTool, startTool, type ToolRun } from "../support/tools";

const TOKEN = `ghp_${"a".repeat(36)}`;
const HOOK = "https://new1.execute-api.eu-west-1.amazonaws.com/github/hello-0123456789ab";
const HOOK_SECRET = "hello/github-webhook";
const CONNECT = "tools/connect/index.ts";

/** The example settings, without previews. */
const plainText = () => exampleText().replace(/\npreviews = \{\n[\s\S]*?\n\}\n/, "\n");

interface Hook {
  readonly id: number;
  readonly config: Record<string, string>;
  readonly [field: string]: unknown;
}

describe("npm run connect", () => {
  let aws: Server;
  let endpoint: string;
  let caller: string;
  /** What Secrets Manager answers; it hears what it was given. */
  let answer: (input: Record<string, string>) => [number, object];
  let puts: Record<string, string>[];
  /** What is in secrets. */
  let stored: Record<string, string>;
  /** What GitHub, or what stands in for it, keeps; or its refusal. */
  let hooks: Hook[] | number;

  beforeAll(async () => {
    aws = createServer(async (request, response) => {
      const body = await text(request);
      if (request.url?.startsWith("/local-aws/github/repos/acme/hello/hooks")) {
        const refused = typeof hooks === "number" ? hooks : undefined;
        const known = typeof hooks === "number" ? [] : hooks;
        if (!refused && body) {
          const id = Number(/\d+$/.exec(request.url)?.[0] ?? known.length + 1);
          hooks = [...known.filter((one) => one.id !== id), { id, ...JSON.parse(body) }];
        }
        response.writeHead(refused ?? 200).end(JSON.stringify(refused ? { message: "Not Found" } : known));
        return;
      }
      if (request.headers["x-amz-target"] === undefined) {
        const result = `<Account>${caller}</Account><Arn>arn:aws:iam::${caller}:user/me</Arn>`;
        response.end(
          `<GetCallerIdentityResponse><GetCallerIdentityResult>${result}</GetCallerIdentityResult></GetCallerIdentityResponse>`,
        );
        return;
      }
      const input = JSON.parse(body) as Record<string, string>;
      const { SecretId = "", SecretString } = input;
      const isRead = request.headers["x-amz-target"] === "secretsmanager.GetSecretValue";
      if (!isRead) puts.push(input);
      const value = stored[SecretId];
      const [code, output] = isRead
        ? value === undefined
          ? [400, { __type: "ResourceNotFoundException", message: "not found" }]
          : [200, { SecretString: value }]
        : answer(input);
      if (!isRead && code === 200) stored[SecretId] = SecretString!;
      response.writeHead(code, { "content-type": "application/x-amz-json-1.1" }).end(JSON.stringify(output));
    }).listen(0, "127.0.0.1");
    await once(aws, "listening");
    endpoint = `http://127.0.0.1:${(aws.address() as AddressInfo).port}`;
  });
  beforeEach(() => {
    caller = "111111111111";
    answer = () => [200, {}];
    puts = [];
    stored = {};
    hooks = [];
  });
  afterAll(() => {
    aws.closeAllConnections();
    aws.close();
  });

  /**
   * @param outputs what the stack delivery has put out; null where it is not synthesized here
   */
  function within(
    env: Record<string, string>,
    settings = exampleText(),
    outputs: Record<string, string> | null = { webhook_url: HOOK },
  ) {
    const cwd = mkdtempSync(join(tmpdir(), "slipway-connect-"));
    writeFileSync(join(cwd, "terraform.tfvars"), settings);
    // It finds the project upwards from where it runs.
    writeFileSync(join(cwd, "package.json"), '{"name": "slipway"}');
    mkdirSync(join(cwd, "bin"));
    if (outputs) {
      mkdirSync(join(cwd, "cdktf.out/stacks/delivery"), { recursive: true });
      const values = Object.entries(outputs).map(([name, value]) => [name, { value, sensitive: false }]);
      writeFileSync(join(cwd, "outputs.json"), JSON.stringify(Object.fromEntries(values)));
      const terraform = join(cwd, "bin/terraform");
      writeFileSync(
        terraform,
        `#!/bin/sh
case "$1" in
version) echo '{"terraform_version": "1.11.4"}' ;;
output) cat '${cwd}/outputs.json' ;;
esac
`,
      );
      chmodSync(terraform, 0o755);
    }
    return {
      cwd,
      isExact: true,
      env: {
        PATH: `${join(cwd, "bin")}${delimiter}${process.env.PATH}`,
        HOME: cwd,
        AWS_ENDPOINT_URL: endpoint,
        AWS_ACCESS_KEY_ID: "local",
        AWS_SECRET_ACCESS_KEY: "local",
        ...env,
      },
    };
  }

  async function connect(
    env: Record<string, string>,
    settings?: string,
    args: readonly string[] = [],
    outputs?: Record<string, string> | null,
  ) {
    return told(await runTool(CONNECT, args, within(env, settings, outputs)));
  }

  const told = ({ exitCode, stdout, stderr }: ToolRun) => ({
    failed: exitCode !== 0,
    output: stdout + stderr,
  });

  test("puts the token into the secret, without the line break after it, and does not print it", async () => {
    const { ended } = startTool(CONNECT, [], within({ GITHUB_TOKEN: `${TOKEN}\n` }));
    const { failed, output } = told(await ended);
    expect(output).toMatch(/^The token is in hello\/github-token/);
    expect(failed).toBe(false);
    expect(puts).toMatchObject([
      {
        SecretId: "hello/github-token",
        SecretString: `{"ServerType":"GITHUB","AuthType":"PERSONAL_ACCESS_TOKEN","Token":"${TOKEN}"}`,
      },
      { SecretId: HOOK_SECRET },
    ]);
    expect(output).not.toContain(TOKEN);
  });

  test("says what to deploy where the secret is not there yet", async () => {
    answer = () => [400, { __type: "ResourceNotFoundException", message: "not found" }];
    const { failed, output } = await connect({ GITHUB_TOKEN: TOKEN });
    expect(output).toMatch(/npx cdktf deploy delivery\n$/);
    expect(failed).toBe(true);
  });

  test("does not print the token where the service quotes it", async () => {
    answer = ({ SecretString }) => [
      400,
      { __type: "InvalidParameterException", message: `Not this: ${SecretString}` },
    ];
    const { output } = await connect({ GITHUB_TOKEN: TOKEN });
    expect(output).toMatch(/InvalidParameterException: Not this: .*\(hidden\)/);
    expect(output).not.toContain(TOKEN);
  });

  test("puts nothing anywhere with another account's credentials, or where it cannot ask", async () => {
    expect((await connect({ GITHUB_TOKEN: "" })).output).toMatch(/no terminal to ask/);
    caller = "999999999999";
    const { output } = await connect({ GITHUB_TOKEN: TOKEN });
    expect(output).toMatch(/account 999999999999 .* name 111111111111/s);
    expect(puts).toEqual([]);
  });

  describe("GitHub's webhook", () => {
    const secrets = () => puts.filter(({ SecretId }) => SecretId === HOOK_SECRET);
    /** Of another deployment of the same name, and of somebody who copied the path. */
    const foreign: readonly Hook[] = [
      { id: 6, config: { url: HOOK.replace("0123456789ab", "ba9876543210") } },
      { id: 7, config: { url: "https://ci.example.com/github/hello-0123456789ab" } },
    ];

    test("is made, with a secret that nobody sees", async () => {
      const { failed, output } = await connect({ GITHUB_TOKEN: TOKEN });
      const [{ SecretString: secret = "" } = {}] = secrets();
      expect(secret).toMatch(/^[0-9a-f]{64}$/);
      expect({ failed, hooks }).toEqual({
        failed: false,
        hooks: [
          {
            id: 1,
            name: "web",
            active: true,
            events: ["push", "create", "delete", "pull_request", "issue_comment"],
            config: { url: HOOK, content_type: "json", secret, insecure_ssl: "0" },
          },
        ],
      });
      expect(output).toContain(`webhook of acme/hello is made: it tells ${HOOK}\n`);
      expect(output).not.toContain(secret);
    });

    test("that there was is repaired, at its new address and with the secret that there is", async () => {
      stored[HOOK_SECRET] = "kept";
      const former = HOOK.replace("new1", "old2");
      hooks = [...foreign, { id: 9, config: { url: former }, active: false }];
      const { failed, output } = await connect({ GITHUB_TOKEN: TOKEN });
      expect({ failed, hooks }).toMatchObject({
        failed: false,
        hooks: [...foreign, { id: 9, active: true, config: { url: HOOK, secret: "kept" } }],
      });
      expect(output).toContain("is repaired");
      expect(secrets()).toEqual([]);
    });

    test("gets another secret where one is asked for", async () => {
      stored[HOOK_SECRET] = "leaked";
      await connect({ GITHUB_TOKEN: TOKEN }, exampleText(), ["--new-secret"]);
      const [{ SecretString: secret } = {}] = secrets();
      expect(secret).toMatch(/^[0-9a-f]{64}$/);
      expect(hooks).toMatchObject([{ config: { secret } }]);
    });

    test("is to be connected once more where GitHub does not take the new secret", async () => {
      stored[HOOK_SECRET] = "leaked";
      hooks = 500;
      const { failed, output } = await connect({ GITHUB_TOKEN: TOKEN }, exampleText(), ["--new-secret"]);
      expect(failed).toBe(true);
      expect(output).toMatch(/\(500\).*\n.*new secret, which GitHub does not know yet.*npm run connect\n$/);
      const [{ SecretString: secret = "" } = {}] = secrets();
      hooks = [];
      await connect({ GITHUB_TOKEN: TOKEN });
      expect(hooks).toMatchObject([{ config: { secret } }]);
    });

    test("is explained, without its secret, where the token may not make it", async () => {
      stored[HOOK_SECRET] = "kept from you";
      hooks = 404;
      const { failed, output } = await connect({ GITHUB_TOKEN: TOKEN });
      expect(failed).toBe(false);
      for (const part of [
        "https://github.com/acme/hello/settings/hooks/new",
        HOOK,
        "application/json",
        "aws secretsmanager get-secret-value --secret-id hello/github-webhook --region eu-west-1 ",
        "Pushes, Branch or tag creation, Branch or tag deletion, Pull requests, Issue comments",
      ])
        expect(output).toContain(part);
      expect(output).not.toContain("kept from you");
    });

    test.each([
      ["is not synthesized here", null, /not in cdktf\.out/],
      ["was deployed before there was one", {}, /has put none out/],
    ])("waits, with its secret, for a deploy where delivery %s", async (_, outputs, why) => {
      stored[HOOK_SECRET] = "kept";
      const env = { GITHUB_TOKEN: TOKEN };
      const { failed, output } = await connect(env, exampleText(), ["--new-secret"], outputs);
      expect({ failed, hooks }).toEqual({ failed: true, hooks: [] });
      expect(output).toMatch(why);
      expect(output).toMatch(/npx cdktf deploy delivery, npm run connect\n$/);
      expect(output).not.toMatch(/\n\s+at /);
      expect(Object.keys(stored)).toContain("hello/github-token");
      expect(secrets()).toEqual([]);
    });

    test("is there behind a connection, too, where there are previews; it takes a token", async () => {
      const settings = plainText()
        .replace('"github-token"\n', '"connection"\n')
        .concat('\npreviews = { "feature/*" = { pipeline = "main", environment = "dev" } }\n');
      const { failed, output } = await connect({ GITHUB_TOKEN: TOKEN }, settings);
      expect({ failed, output }).toEqual({ failed: false, output: expect.stringMatching(/previews do/) });
      expect(hooks).toMatchObject([{ config: { url: HOOK } }]);
      expect(Object.keys(stored)).toContain("hello/github-token");
    });
  });

  describe("with a chat", () => {
    const CHAT = "https://hooks.slack.com/services/T0/B0/made-up";
    const settings = exampleText().replace("notifications = {", "notifications = {\n  chat = {}");

    test("puts the address of its webhook into a secret of its own, and does not print it", async () => {
      const { failed, output } = await connect({ CHAT_WEBHOOK_URL: `${CHAT}\n` }, settings);
      expect({ failed, puts }).toMatchObject({
        failed: false,
        puts: [{ SecretId: "hello/chat-webhook", SecretString: CHAT }],
      });
      expect(output).not.toContain(CHAT);
    });

    test("puts neither anywhere where one of them is wrong, and does not print it", async () => {
      const wrong = CHAT.replace("https", "http");
      const { failed, output } = await connect({ GITHUB_TOKEN: TOKEN, CHAT_WEBHOOK_URL: wrong }, settings);
      expect({ failed, puts }).toEqual({ failed: true, puts: [] });
      expect(output).toMatch(/chat's webhook .* begins with https:/);
      expect(output).not.toContain("made-up");
    });
  });

  test.each([
    ["codecommit", "hello", /needs no token/],
    ["connection", "acme/hello", /finish its handshake/],
  ])("says that %s needs no token", async (provider, repository, message) => {
    const settings = plainText()
      .replace('"github-token"\n', `"${provider}"\n`)
      .replace('"acme/hello"', `"${repository}"`);
    const { failed, output } = await connect({}, settings);
    expect(output).toMatch(message);
    expect(failed).toBe(false);
  });
});
