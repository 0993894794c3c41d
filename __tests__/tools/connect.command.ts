import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { exampleText, ROOT } from "../support/settings";

const TOKEN = `ghp_${"a".repeat(36)}`;

describe("npm run connect", () => {
  let aws: Server;
  let endpoint: string;
  let caller: string;
  /** What Secrets Manager answers; it hears what it was given. */
  let answer: (input: Record<string, string>) => [number, object];
  let puts: Record<string, string>[];

  beforeAll(async () => {
    aws = createServer(async (request, response) => {
      const body = await text(request);
      if (request.headers["x-amz-target"] === undefined) {
        const result = `<Account>${caller}</Account><Arn>arn:aws:iam::${caller}:user/me</Arn>`;
        response.end(
          `<GetCallerIdentityResponse><GetCallerIdentityResult>${result}</GetCallerIdentityResult></GetCallerIdentityResponse>`,
        );
        return;
      }
      const input = JSON.parse(body) as Record<string, string>;
      puts.push(input);
      const [code, output] = answer(input);
      response.writeHead(code, { "content-type": "application/x-amz-json-1.1" }).end(JSON.stringify(output));
    }).listen(0, "127.0.0.1");
    await once(aws, "listening");
    endpoint = `http://127.0.0.1:${(aws.address() as AddressInfo).port}`;
  });
  beforeEach(() => {
    caller = "111111111111";
    answer = () => [200, {}];
    puts = [];
  });
  afterAll(() => {
    aws.closeAllConnections();
    aws.close();
  });

  async function connect(env: Record<string, string>, settings = exampleText()) {
    const cwd = mkdtempSync(join(tmpdir(), "slipway-connect-"));
    writeFileSync(join(cwd, "terraform.tfvars"), settings);
    // It finds the project upwards from where it runs.
    writeFileSync(join(cwd, "package.json"), '{"name": "slipway"}');
    const options = {
      cwd,
      env: {
        PATH: process.env.PATH,
        HOME: cwd,
        AWS_ENDPOINT_URL: endpoint,
        AWS_ACCESS_KEY_ID: "local",
        AWS_SECRET_ACCESS_KEY: "local",
        ...env,
      },
    };
    return new Promise<{ failed: boolean; output: string }>((resolve) => {
      const child = execFile(
        process.execPath,
        [join(ROOT, "tools/run.mjs"), "tools/connect/index.ts"],
        options,
        (error, stdout, stderr) => resolve({ failed: error !== null, output: stdout + stderr }),
      );
      child.stdin?.end();
    });
  }

  test("puts the token into the secret, without the line break after it, and does not print it", async () => {
    const { failed, output } = await connect({ GITHUB_TOKEN: `${TOKEN}\n` });
    expect(output).toMatch(/^The token is in hello\/github-token/);
    expect(failed).toBe(false);
    expect(puts).toMatchObject([
      {
        SecretId: "hello/github-token",
        SecretString: `{"ServerType":"GITHUB","AuthType":"PERSONAL_ACCESS_TOKEN","Token":"${TOKEN}"}`,
      },
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
    const settings = exampleText()
      .replace('"github-token"\n', `"${provider}"\n`)
      .replace('"acme/hello"', `"${repository}"`);
    const { failed, output } = await connect({}, settings);
    expect(output).toMatch(message);
    expect(failed).toBe(false);
  });
});
