import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { readSettings, SETTINGS_KEYS, type Settings, SettingsError } from "../../settings";
import { tries } from "../support/effort";
import { ROOT } from "../support/settings";
import { anyText } from "../support/text";
import { dev, refused, two, web } from "./refused";

let folder: string;
let count = 0;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "settings-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A small file of settings that is in order; `changes` replaces top-level values by HCL text, "" takes one out. */
function hcl(changes: Record<string, string> = {}): string {
  const values: Record<string, string> = {
    project: '"hello"',
    region: '"eu-west-1"',
    account: '"111111111111"',
    git: '{ provider = "github-token", repository = "acme/hello" }',
    services: "{ web = { port = 8080 } }",
    functions: "{ hello = {} }",
    environments: '{ dev = { account = "222222222222", approval = "never" } }',
    pipelines: '{ main = { branch = "main", deploy = [["dev"]] } }',
    ...changes,
  };
  return Object.entries(values)
    .filter(([, value]) => value !== "")
    .map(([key, value]) => `${key} = ${value}\n`)
    .join("");
}

function read(text: string | Uint8Array, options?: { cacheFolder?: string }): Promise<Settings> {
  const file = join(folder, `${count++}.tfvars`);
  writeFileSync(file, text);
  return readSettings(file, options);
}

async function failure(text: string | Uint8Array): Promise<SettingsError> {
  const error = await read(text).then(
    () => undefined,
    (caught) => caught,
  );
  expect(error).toBeInstanceOf(SettingsError);
  return error;
}

test("the example is in order", async () => {
  const settings = await readSettings(join(ROOT, "terraform.tfvars.example"));
  expect(Object.keys(settings.environments)).toEqual(["dev", "prod"]);
  expect(settings.environments.dev).toMatchObject({ cidr: "10.10.0.0/16", nat: "single" });
  expect(settings.environments.prod).toMatchObject({ cidr: "10.20.0.0/16", nat: "per-zone" });
  expect(settings.pipelines.main!.deploy).toEqual([["dev"], ["prod"]]);
  expect(settings.pipelines.main!.execution).toBe("superseded");
});

describe("fills in the defaults", () => {
  test("of everything that is not given", async () => {
    expect(await read(hcl())).toMatchObject({
      source: { provider: "github-token", repository: "acme/hello", polling: false },
      services: {
        web: {
          port: 8080,
          cpu: 256,
          memory: 512,
          healthPath: "/health",
          paths: ["/*"],
          hosts: [],
          requestsPerTask: 1000,
          slowMilliseconds: 2000,
          checks: [{ path: "/health", method: "GET", status: 200, withinMilliseconds: 5000 }],
          exec: false,
          variables: {},
          secrets: {},
          dockerfile: "app/Dockerfile",
        },
      },
      functions: {
        hello: {
          memory: 256,
          timeoutSeconds: 10,
          reservedConcurrency: 5,
          front: "url",
          access: "iam",
          slowMilliseconds: 8000,
          checks: [{ path: "/", method: "GET", status: 200, withinMilliseconds: 5000 }],
          variables: {},
        },
      },
      previews: [],
      notifications: { emails: [], subscribers: {}, commitStatus: true, pages: true, drift: true },
      environments: {
        dev: {
          region: "eu-west-1",
          serviceRelease: "all-at-once",
          functionRelease: "all-at-once",
          bakeMinutes: 5,
          nat: "single",
          logRetentionDays: 30,
          deletionProtection: false,
          domain: undefined,
          firewall: false,
          admin: { role: "OrganizationAccountAccessRole" },
          services: { web: { minCount: 1, maxCount: 4 } },
        },
      },
    });
  });

  test("carefully where nothing is said of approval", async () => {
    const { environments } = await read(hcl({ environments: dev("") }));
    expect(environments.dev).toMatchObject({
      approval: "always",
      nat: "per-zone",
      logRetentionDays: 365,
      deletionProtection: true,
      firewall: true,
    });
  });

  test.each([
    ["dev.example.com", "", "example.com"],
    ["example.com", "", "example.com"],
    ["a.b.example.com", "", "b.example.com"],
    ["a.b.example.com", 'zone = "example.com"', "example.com"],
    ["dev.example.com", 'zone = "dev.example.com"', "dev.example.com"],
    ["x1.co-op.example", "", "co-op.example"],
  ])("of the domain %s with { %s }: its zone is %s", async (name, zone, expected) => {
    const { environments } = await read(hcl({ environments: dev(`domain = "${name}", ${zone}`) }));
    expect(environments.dev!.domain).toEqual({ name, zone: expected });
  });

  test("with address ranges that stay when environments are added", async () => {
    const one = await read(hcl({ environments: dev("") }));
    const more = await read(hcl({ environments: two("", "") }));
    expect(more.environments.dev!.cidr).toBe(one.environments.dev!.cidr);
    expect(one.environments.dev!.cidr).toMatch(/^10\.\d+\.0\.0\/16$/);
  });

  test("with as many tasks at most as at least", async () => {
    const { environments } = await read(hcl({ services: web("min_count = 9") }));
    expect(environments.dev!.services.web).toMatchObject({ minCount: 9, maxCount: 9 });
  });

  test("beneath an environment's changes, field by field", async () => {
    const { services, environments } = await read(
      hcl({
        services: web('health_path = "/up", variables = { A = "1", B = "1" }'),
        environments: dev('services = { web = { max_count = 6, variables = { B = "2" } } }'),
      }),
    );
    expect(environments.dev!.services.web).toMatchObject({
      healthPath: "/up",
      maxCount: 6,
      variables: { A: "1", B: "2" },
    });
    expect(services.web!.variables).toEqual({ A: "1", B: "1" });
  });

  test("of a service's check: its health path", async () => {
    const { environments } = await read(
      hcl({
        services: web('health_path = "/up"'),
        environments: dev('services = { web = { health_path = "/well" } }'),
      }),
    );
    expect(environments.dev!.services.web!.checks).toMatchObject([{ path: "/well", status: 200 }]);
  });

  test("of a check that is given, and keeps what it says", async () => {
    const { services, functions } = await read(
      hcl({
        services: web(
          'checks = [{ path = "/a?b=c", method = "POST", body = "{}", status = 201, contains = "é", within_ms = 1 }, { path = "//x" }]',
        ),
        functions: '{ hello = { checks = [{ event = "{\\"a\\":1}", contains = "ok" }, { path = "/" }] } }',
      }),
    );
    expect(services.web!.checks).toEqual([
      { path: "/a?b=c", method: "POST", body: "{}", status: 201, contains: "é", withinMilliseconds: 1 },
      { path: "//x", method: "GET", status: 200, withinMilliseconds: 5000 },
    ]);
    expect(functions.hello!.checks).toEqual([
      { event: '{"a":1}', contains: "ok", withinMilliseconds: 5000 },
      { path: "/", method: "GET", status: 200, withinMilliseconds: 5000 },
    ]);
  });

  test("of a function without a front: it has no checks but those that are given", async () => {
    const given = 'front = "none", checks = [{ path = "/" }]';
    const { functions } = await read(hcl({ functions: `{ a = { front = "none" }, b = { ${given} } }` }));
    expect(functions.a!.checks).toEqual([]);
    expect(functions.b!.checks).toMatchObject([{ path: "/" }]);
  });

  test("of what is slow, by the timeout, and whole", async () => {
    const { environments } = await read(
      hcl({ environments: dev("functions = { hello = { timeout_seconds = 3 } }") }),
    );
    expect(environments.dev!.functions.hello).toMatchObject({ timeoutSeconds: 3, slowMilliseconds: 2400 });
  });

  test("of the paths of what has hosts, beside a service without", async () => {
    const { services } = await read(
      hcl({
        services: '{ a = { port = 1024, paths = ["/*"] }, b = { port = 1024, hosts = ["b.example.com"] } }',
      }),
    );
    expect(services.b).toMatchObject({ hosts: ["b.example.com"], paths: ["/*"] });
  });

  test("of a service, but not its Dockerfile where it has one of its own", async () => {
    const { services } = await read(hcl({ services: web('dockerfile = "services/web/Dockerfile.prod"') }));
    expect(services.web!.dockerfile).toBe("services/web/Dockerfile.prod");
  });

  test("of a connection, an admin profile and previews", async () => {
    const settings = await read(
      hcl({
        git: '{ provider = "connection", repository = "group/sub/hello" }',
        environments: dev('admin_profile = "dev-admin"'),
        previews: '{ "feature/*" = { pipeline = "main", environment = "dev" } }',
      }),
    );
    expect(settings.source).toEqual({
      provider: "connection",
      repository: "group/sub/hello",
      host: "GitHub",
    });
    expect(settings.environments.dev!.admin).toEqual({ profile: "dev-admin" });
    expect(settings.previews).toEqual([
      {
        pattern: "feature/*",
        pipeline: "main",
        environment: "dev",
        exclude: [],
        into: ["main"],
        ttlHours: 72,
        limit: 10,
      },
    ]);
  });
});

test("reads references to secrets, and joins an environment's to the service's", async () => {
  const { environments } = await read(
    hcl({
      services: web(
        'secrets = { DB = "secretsmanager:hello/db", PASSWORD = "secretsmanager:hello/db#password", KEY = "ssm:/hello/key" }',
      ),
      environments: dev('services = { web = { secrets = { DB = "ssm:/dev/db" } } }'),
    }),
  );
  expect(environments.dev!.services.web!.secrets).toEqual({
    DB: { kind: "ssm", name: "/dev/db" },
    PASSWORD: { kind: "secretsmanager", name: "hello/db", field: "password" },
    KEY: { kind: "ssm", name: "/hello/key" },
  });
});

test.each([
  ["in the region of the images", 'region = "eu-west-1"', {}],
  ["in another region, for functions alone", 'region = "us-east-1"', { services: "" }],
])("takes an environment with nothing but endpoints %s", async (_, region, changes) => {
  const { environments } = await read(hcl({ environments: dev(`nat = "none", ${region}`), ...changes }));
  expect(environments.dev!.nat).toBe("none");
});

test("takes checks that take as long as what runs them has", async () => {
  const minute = '{ path = "/", within_ms = 60000 }';
  const { services } = await read(hcl({ services: web(`checks = [${minute}, ${minute}]`) }));
  expect(services.web!.checks).toHaveLength(2);
});

test("takes names that are near those of releases", async () => {
  const { services, functions } = await read(
    hcl({
      services: '{ hello-function = { port = 8080, paths = ["/1"] }, x = { port = 8080, paths = ["/2"] } }',
      functions: "{ hello = {}, x-fn = {} }",
    }),
  );
  expect([...Object.keys(services), ...Object.keys(functions)]).toEqual([
    "hello-function",
    "x",
    "hello",
    "x-fn",
  ]);
});

test("takes hosts one label below the domain, each environment its own", async () => {
  const own = (name: string) =>
    `domain = "${name}.example.com", services = { web = { hosts = ["api.${name}.example.com"] } }`;
  const { environments } = await read(
    hcl({ services: web('hosts = ["api.dev.example.com"]'), environments: two("", own("prod")) }),
  );
  expect(environments.dev!.services.web!.hosts).toEqual(["api.dev.example.com"]);
  expect(environments.prod!.services.web!.hosts).toEqual(["api.prod.example.com"]);
});

test("names no word of what stands where a reference to a secret belongs", async () => {
  const error = await failure(hcl({ services: web('secrets = { DB = "hunter2" }') }));
  expect(error.message).toContain("not shown");
  expect(JSON.stringify([error.message, error.problems])).not.toContain("hunter2");
});

test("gives back what the file gives, with null for what it does not", async () => {
  const { given } = await read(hcl());
  expect(Object.keys(given)).toEqual([...SETTINGS_KEYS]);
  expect(given).toMatchObject({ services: { web: { port: 8080 } }, previews: null, notifications: null });
});

test("has no top-level key that Terraform refuses as a variable's name", () => {
  const refused = [
    "source",
    "version",
    "providers",
    "count",
    "for_each",
    "lifecycle",
    "depends_on",
    "locals",
  ];
  expect(SETTINGS_KEYS.filter((key) => refused.includes(key))).toEqual([]);
});

test("freezes all of it", async () => {
  const settings = await read(hcl());
  const open: unknown[] = [];
  const visit = (value: unknown) => {
    if (typeof value !== "object" || value === null) return;
    if (!Object.isFrozen(value)) open.push(value);
    Object.values(value).forEach(visit);
  };
  visit(settings);
  expect(open).toEqual([]);
});

test.each(refused)("fails when %s", async (_, changes, key, says) => {
  const { problems, message } = await failure(hcl(changes));
  expect(problems.map((problem) => problem.key)).toContain(key);
  expect(message).toContain(says);
  expect(problems).toHaveLength(1);
});

test("fails when a setting is a block", async () => {
  const { message } = await failure(`${hcl({ git: "" })}git {\n provider = "github-token"\n}\n`);
  expect(message).toContain("git = {");
});

test("several pipelines may follow one branch", async () => {
  const one = 'branch = "main", deploy = [["dev"]]';
  const { pipelines } = await read(hcl({ pipelines: `{ a = { ${one} }, b = { ${one} } }` }));
  expect(Object.keys(pipelines)).toEqual(["a", "b"]);
});

test("tells every problem at once, in the order of the file, with its line", async () => {
  const text = [
    'project = "hello"',
    'region = "eu-west-1"',
    'account = "111111111111"',
    'git = { provider = "github-token", repository = "acme/hello" }',
    "environments = {",
    "  dev = {",
    '    account = "222222222222"',
    '    approval = "sometimes"',
    "  }",
    "}",
    'pipelines = { main = { branch = "main", deploy = [["prod"]] } }',
  ].join("\n");
  const { message, problems } = await failure(text);
  expect(problems.map(({ key, place }) => [key, place?.line])).toEqual([
    ["environments.dev.approval", 8],
    ["pipelines.main.deploy[0][0]", 11],
  ]);
  expect(message).toContain(
    'has 2 problems:\n\n  environments.dev.approval (line 8): "sometimes" is not an approval.\n',
  );
  expect(message).toContain('    Allowed: "never", "always", "risky".\n    Mend: ');
});

const secrets = {
  "an AWS key": `AKIA${"ABCDEFGH23456789"}`,
  "a GitHub token": `ghp_${"a1".repeat(18)}`,
  "a fine-grained GitHub token": `github_pat_${"a1".repeat(18)}`,
  "a private key": `-----BEGIN ${"RSA PRIVATE"} KEY-----`,
};
test.each(Object.entries(secrets))("fails without showing it when %s is in the file", async (_, secret) => {
  const variables = (value: string) => hcl({ services: web(`variables = { A = "${value}" }`) });
  for (const text of [variables(secret), variables(`$\{y}${secret}`), `${hcl()}# ${secret}\n`]) {
    const error = await failure(text);
    expect(error.message).toContain("not shown");
    expect(JSON.stringify([error.message, error.problems])).not.toContain(secret);
  }
});

describe("a file that cannot be used", () => {
  test("fails with the command to make it when it is missing", async () => {
    const error = await readSettings(join(folder, "terraform.tfvars")).catch((caught) => caught);
    expect(error).toBeInstanceOf(SettingsError);
    expect(error.message).toContain("cp terraform.tfvars.example terraform.tfvars");
    expect(error.message).toContain(join(folder, "terraform.tfvars"));
  });

  test("fails when it is a folder", async () => {
    await expect(readSettings(folder)).rejects.toThrow("a folder");
  });

  test.each<[string, string | Uint8Array, string]>([
    ["broken", 'project = "a"\nregion = = 1\n', "line 2, column 10"],
    ["not closed", "environments = {\n", "line"],
    ["too large", "#".repeat(300_000), "300000 bytes"],
    ["nested too deep", `project = ${"[".repeat(5000)}${"]".repeat(5000)}`, "nest 5000 deep"],
    ["holding a NUL", 'project = "a\0b"', "U+0000"],
    ["not UTF-8", Uint8Array.of(0xff, 0xfe, 0x61), "UTF-8"],
    ["empty", "", "project"],
  ])("fails when it is %s", async (_, text, says) => {
    const { message } = await failure(text);
    expect(message).toContain(says);
    expect(message).not.toMatch(/\n\s+at /);
  });
});

describe("the cache", () => {
  test("gives the same settings, and is one file for one content", async () => {
    const cacheFolder = join(folder, "cache/deep");
    const first = await read(hcl(), { cacheFolder });
    expect(await read(hcl(), { cacheFolder })).toEqual(first);
    expect(readdirSync(cacheFolder)).toHaveLength(1);
  });

  test.each(["", "{", "[]", "null"])("is a miss when it holds %j", async (broken) => {
    const cacheFolder = join(folder, `cache-${count}`);
    const first = await read(hcl(), { cacheFolder });
    writeFileSync(join(cacheFolder, readdirSync(cacheFolder)[0]!), broken);
    expect(await read(hcl(), { cacheFolder })).toEqual(first);
  });

  test("that cannot be written does no harm", async () => {
    const cacheFolder = join(folder, "a-file");
    writeFileSync(cacheFolder, "");
    await expect(read(hcl(), { cacheFolder })).resolves.toBeDefined();
  });

  test("whose entry is a folder does no harm", async () => {
    const cacheFolder = join(folder, "cache-of-folders");
    await read(hcl(), { cacheFolder });
    const [entry] = readdirSync(cacheFolder);
    rmSync(join(cacheFolder, entry!));
    mkdirSync(join(cacheFolder, entry!));
    await expect(read(hcl(), { cacheFolder })).resolves.toBeDefined();
    expect(readdirSync(cacheFolder)).toEqual([entry]);
  });
});

describe("whatever the file holds", () => {
  const settles = (text: string) =>
    read(text).then(
      () => true,
      (error) => error instanceof SettingsError,
    );

  test("nothing but a SettingsError is thrown for arbitrary text", async () => {
    const pieces = fc.constantFrom(
      ...'{}[]()=,"\\\n #$%<-.:*/',
      "project",
      "dev",
      "<<E\n",
      "1",
      "null",
      "__proto__",
    );
    const text = fc.oneof(
      anyText(),
      fc.array(pieces, { maxLength: 40 }).map((all) => all.join("")),
    );
    await fc.assert(
      fc.asyncProperty(text, async (value) => expect(await settles(value)).toBe(true)),
      { numRuns: tries(150) },
    );
  });

  test("nothing but a SettingsError is thrown for arbitrary values, and no prototype changes", async () => {
    const before = Object.getOwnPropertyNames(Object.prototype);
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...SETTINGS_KEYS),
        fc.jsonValue({ maxDepth: 4 }),
        async (key, value) => {
          const literal = JSON.stringify(value).replaceAll("${", "$").replaceAll("%{", "%");
          expect(await settles(hcl({ [key]: literal }))).toBe(true);
        },
      ),
      { numRuns: tries(150) },
    );
    expect(Object.getOwnPropertyNames(Object.prototype)).toEqual(before);
  });
});
