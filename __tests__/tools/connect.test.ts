import { once } from "node:events";
import {
  createServer,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { checkToken, connectHook, NotAllowed } from "../../tools/connect/github";
import { FakeServer } from "../support/fake-server";

const TOKEN = `ghp_${"a".repeat(36)}`;
let status = 200;
let headers: OutgoingHttpHeaders = {};
let server: Server;
let api: string;
beforeAll(async () => {
  server = createServer((_, response) => response.writeHead(status, headers).end("{}")).listen(
    0,
    "127.0.0.1",
  );
  await once(server, "listening");
  api = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

test("takes a token that GitHub knows", async () => {
  status = 200;
  await expect(checkToken(TOKEN, "acme/hello", { ask: true, api })).resolves.toBeUndefined();
});

test.each([
  [401, /does not know this token/],
  [403, /scope repo/],
  [404, /no acme\/hello/],
  [500, /answers 500/],
])("fails when GitHub answers %i, without the token in the message", async (code, message) => {
  status = code;
  const error: Error = await checkToken(TOKEN, "acme/hello", { ask: true, api }).then(
    () => new Error("taken"),
    (reason) => reason,
  );
  expect(error.message).toMatch(message);
  expect(error.message).not.toContain(TOKEN);
});

test("fails when it is no token, or GitHub is out of reach", async () => {
  await expect(checkToken("hunter2", "a/b", { ask: false })).rejects.toThrow(/not a GitHub token/);
  await expect(checkToken(TOKEN, "a/b", { ask: true, api: "http://127.0.0.1:1" })).rejects.toThrow(
    /cannot be reached/,
  );
});

test.each<OutgoingHttpHeaders>([
  { "x-ratelimit-remaining": "0" },
  { "retry-after": "60" },
])("fails when GitHub has had enough (%j), and does not blame the token", async (said) => {
  [status, headers] = [403, said];
  await expect(checkToken(TOKEN, "acme/hello", { ask: true, api })).rejects.toThrow(/too many requests/);
});

describe("a repository's webhook", () => {
  interface Hook {
    readonly id: number;
    readonly name: string;
    readonly active: boolean;
    readonly events: readonly string[];
    readonly config: Record<string, string>;
  }

  /** GitHub, as far as it keeps webhooks. It shows no secret. */
  class FakeHooks extends FakeServer {
    hooks: Hook[] = [];
    /** By method, the status that it answers with. */
    refuses: Record<string, number> = {};
    protected override answer(request: IncomingMessage, body: string, response: ServerResponse): void {
      const { method = "", url = "", headers: sent } = request;
      const say = (status: number, content: unknown) =>
        response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(content));
      const input = body === "" ? {} : JSON.parse(body);
      if (sent.authorization !== `Bearer ${TOKEN}`) return void say(401, { message: "Bad credentials" });
      const refusal = this.refuses[method];
      if (refusal) return void say(refusal, { message: `Not this: ${body}` });
      const [, id] = /^\/repos\/acme\/hello\/hooks(?:\/(\d+))?(?:\?per_page=100)?$/.exec(url) ?? [];
      const hidden = this.hooks.map(({ config, ...hook }) => ({
        ...hook,
        config: { ...config, secret: "********" },
      }));
      if (method === "GET") return void say(200, hidden);
      if (method === "POST") {
        this.hooks.push({ id: 100 + this.hooks.length, ...input });
        return void say(201, {});
      }
      this.hooks = this.hooks.map((hook) => (hook.id === Number(id) ? { ...hook, ...input } : hook));
      return void say(200, {});
    }
  }

  const URL = "https://new.execute-api.eu-west-1.amazonaws.com/github/hello-0123456789ab";
  const WANTED = { url: URL, secret: "5ecret", events: ["push", "create"] };
  const FOREIGN: Hook = {
    id: 1,
    name: "web",
    active: true,
    events: ["push"],
    config: { url: "https://ci.example.com/", content_type: "form", secret: "theirs", insecure_ssl: "0" },
  };
  const whole = {
    name: "web",
    active: true,
    events: ["push", "create"],
    config: { url: URL, content_type: "json", secret: "5ecret", insecure_ssl: "0" },
  };

  let github: FakeHooks;
  let address: string;
  beforeEach(async () => {
    github = new FakeHooks();
    github.hooks = [FOREIGN];
    address = await github.start();
  });
  afterEach(() => github.stop());

  const connect = (isOurs = (_: string) => false) =>
    connectHook(TOKEN, "acme/hello", WANTED, isOurs, address);

  test("is made where there is none, beside those of others", async () => {
    expect(await connect()).toBe("made");
    expect(github.hooks).toEqual([FOREIGN, { id: 101, ...whole }]);
  });

  test("is made once, however often that is asked for", async () => {
    await connect();
    expect(await connect()).toBe("repaired");
    expect(github.hooks).toEqual([FOREIGN, { id: 101, ...whole }]);
  });

  test("is repaired in all that somebody has changed", async () => {
    const changed = { ...FOREIGN, id: 2, active: false, events: [], config: { ...FOREIGN.config, url: URL } };
    github.hooks = [FOREIGN, changed];
    expect(await connect()).toBe("repaired");
    expect(github.hooks).toEqual([FOREIGN, { id: 2, ...whole }]);
  });

  test("takes the place of the one that was ours, but of the one at its own address before that", async () => {
    const former = { ...FOREIGN, id: 2, config: { ...FOREIGN.config, url: "https://old.example.com/" } };
    const isOurs = (url: string) => url === former.config.url;
    github.hooks = [FOREIGN, former];
    expect(await connect(isOurs)).toBe("repaired");
    expect(github.hooks).toEqual([FOREIGN, { id: 2, ...whole }]);
    github.hooks = [former, { ...FOREIGN, id: 3, config: { ...FOREIGN.config, url: URL } }];
    await connect(isOurs);
    expect(github.hooks).toEqual([former, { id: 3, ...whole }]);
  });

  test.each([403, 404])("is not made by a token that may not (%i)", async (refuses) => {
    github.refuses = { GET: refuses };
    await expect(connect()).rejects.toThrow(NotAllowed);
    github.refuses = { POST: refuses };
    await expect(connect()).rejects.toThrow(NotAllowed);
    expect(github.hooks).toEqual([FOREIGN]);
  });

  test("is not made where something else than GitHub answers", async () => {
    [status, headers] = [200, {}];
    await expect(connectHook(TOKEN, "acme/hello", WANTED, () => false, api)).rejects.toThrow(
      /webhooks of acme\/hello is not GitHub/,
    );
  });

  test("that GitHub does not take is told of in its words, without the secret and the token", async () => {
    github.refuses = { POST: 422 };
    const error: Error = await connect().then(
      () => new Error("taken"),
      (reason) => reason,
    );
    expect(error.message).toMatch(
      /does not take the webhook of acme\/hello \(422\): .*Not this: .*\(hidden\)/,
    );
    expect(error.message).not.toMatch(/5ecret|ghp_/);
  });
});
