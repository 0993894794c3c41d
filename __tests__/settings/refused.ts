export const dev = (more: string) => `{ dev = { account = "222222222222", ${more} } }`;
export const two = (first: string, second: string) =>
  `{ dev = { account = "222222222222", ${first} }, prod = { account = "333333333333", ${second} } }`;
export const web = (more: string) => `{ web = { port = 8080, ${more} } }`;
export const main = (deploy: string) => `{ main = { branch = "main", deploy = ${deploy} } }`;
export const previews = (pattern: string, more = "") =>
  `{ ${pattern} = { pipeline = "main", environment = "dev", ${more} } }`;
export const github = (repository: string) => `{ provider = "github-token", repository = "${repository}" }`;

const domain = (value: string, more = "") => ({ environments: dev(`domain = "${value}", ${more}`) });
const DOMAIN = "environments.dev.domain";
const long = (length: number) => `${"a".repeat(60)}.${"b".repeat(length - 65)}.com`;

const dockerfile = (path: string) => ({ services: web(`dockerfile = "${path}"`) });
const DOCKERFILE = "services.web.dockerfile";
const refusedFile = [DOCKERFILE, "relative to the repository's root"] as const;

const check = (fields: string) => ({ services: web(`checks = [{ ${fields} }]`) });
const hello = (more: string) => ({ functions: `{ hello = { ${more} } }` });
const calls = (fields: string) => hello(`checks = [{ ${fields} }]`);
const secret = (reference: string) => ({ services: web(`secrets = { DB = "${reference}" }`) });
const [SECRET, noReference] = ["services.web.secrets.DB", "It is no reference to a secret"];
/** Two services; b has but what is given. */
const twoServices = (a: string, b: string) => ({
  services: `{ a = { port = 8080, ${a} }, b = { port = 8080, ${b} } }`,
});
const hosts = (names: string, domain = "dev.example.com") => ({
  services: web(`hosts = [${names}]`),
  environments: dev(`domain = "${domain}"`),
});
const HOSTS = "services.web.hosts";
const many = (count: number, fields: string) => ({
  services: web(`checks = [${Array(count).fill(`{ ${fields} }`).join(", ")}]`),
});

/** So many, with names of eight letters. */
const services = (count: number) =>
  `{ ${Array.from({ length: count }, (_, index) => `service${String.fromCharCode(97 + index)} = { port = 8080 }`).join(", ")} }`;

const slow = (milliseconds: number) => `{ path = "/", within_ms = ${milliseconds} }`;
const endpointsOnly = (more: string) => ({ environments: dev(`nat = "none", ${more}`) });

// Each: the changes, the key that the problem is of, and a part of what it says.
export const refused: [name: string, changes: Record<string, string>, key: string, says: string][] = [
  ["a key is unknown", { project: "", projekt: '"hello"' }, "projekt", "Did you mean"],
  ["a nested key is misspelt", { services: web("healthPath = 1") }, "services.web.healthPath", "health_path"],
  ["a required key is missing", { region: "" }, "region", 'region = "eu-west-1"'],
  ["the port is missing", { services: "{ web = {} }" }, "services.web.port", "port = 8080"],
  ["the project ends with a dash", { project: '"hello-"' }, "project", "is not a project name"],
  ["the project has two dashes in a row", { project: '"he--llo"' }, "project", "is not a project name"],
  ["the region is a zone", { region: '"eu-west-1a"' }, "region", 'write "eu-west-1"'],
  ["an account is a number", { account: "000000000012" }, "account", 'quotes: "000000000012"'],
  ["an account is too short", { account: '"1234"' }, "account", "12 digits"],
  [
    "an approval is unknown",
    { environments: dev('approval = "allways"') },
    "environments.dev.approval",
    'Write "always"',
  ],
  [
    "a release is unknown",
    { environments: dev('service_release = "x"') },
    "environments.dev.service_release",
    '"all-at-once"',
  ],
  [
    "logs are kept for an odd time",
    { environments: dev("log_retention_days = 31") },
    "environments.dev.log_retention_days",
    "30, 60",
  ],
  [
    "a range is public",
    { environments: dev('cidr = "8.8.0.0/16"') },
    "environments.dev.cidr",
    "not a private range",
  ],
  ["a range is too large", { environments: dev('cidr = "10.0.0.0/8"') }, "environments.dev.cidr", "is a /8"],
  [
    "a range is not aligned",
    { environments: dev('cidr = "10.1.2.0/16"') },
    "environments.dev.cidr",
    'Write "10.1.0.0/16"',
  ],
  [
    "ranges overlap",
    { environments: two('cidr = "10.1.0.0/16"', 'cidr = "10.1.4.0/22"') },
    "environments.prod.cidr",
    "overlaps 10.1.0.0/16 of dev",
  ],
  [
    "nothing but endpoints leads out, and images are in another region",
    endpointsOnly('region = "us-east-1"'),
    "environments.dev.nat",
    'Write nat = "single", or region = "eu-west-1"',
  ],
  ["a domain is a URL", domain("https://Dev.example.com/"), DOMAIN, 'Write "dev.example.com"'],
  ["a domain ends with a dot", domain("dev.example.com."), DOMAIN, 'Write "dev.example.com"'],
  ["a domain has capitals", domain("Dev.example.com"), DOMAIN, 'Write "dev.example.com"'],
  ["a domain has a port", domain("dev.example.com:443"), DOMAIN, 'Write "dev.example.com"'],
  ["a domain is one label", domain("localhost"), DOMAIN, "is not a host name"],
  ["a domain is an address", domain("10.0.0.1"), DOMAIN, "is not a host name"],
  ["a domain is a wildcard", domain("*.example.com"), DOMAIN, "is not a host name"],
  ["a domain's label begins with a dash", domain("-dev.example.com"), DOMAIN, "is not a host name"],
  ["a domain's label is empty", domain("dev..example.com"), DOMAIN, "is not a host name"],
  ["a domain has more characters than a certificate takes", domain(long(66)), DOMAIN, "It has 66 characters"],
  [
    "a domain is in another zone",
    domain("dev.example.com", 'zone = "ample.com"'),
    "environments.dev.zone",
    "does not lie in the zone ample.com",
  ],
  [
    "a domain is above its zone",
    domain("example.com", 'zone = "dev.example.com"'),
    "environments.dev.zone",
    "does not lie in the zone dev.example.com",
  ],
  [
    "a zone is a URL",
    domain("dev.example.com", 'zone = "https://example.com"'),
    "environments.dev.zone",
    'Write "example.com"',
  ],
  [
    "a zone has no domain",
    { environments: dev('zone = "example.com"') },
    "environments.dev.zone",
    'domain = "dev.example.com"',
  ],
  [
    "a zone belongs to a domain that is none",
    domain("dev.", 'zone = "example.com"'),
    DOMAIN,
    "is not a host name",
  ],
  [
    "environments share a domain",
    { environments: two('domain = "app.example.com"', 'domain = "app.example.com"') },
    "environments.prod.domain",
    "dev has this domain too",
  ],
  [
    "a firewall is text",
    { environments: dev('firewall = "yes"') },
    "environments.dev.firewall",
    "true, false",
  ],
  [
    "an environment has a stack's name",
    { environments: '{ dev = { account = "222222222222" }, delivery = { account = "222222222222" } }' },
    "environments.delivery",
    "Slipway's own",
  ],
  [
    "an environment begins as a stack does",
    { environments: '{ dev = { account = "222222222222" }, access-x = { account = "222222222222" } }' },
    "environments.access-x",
    "access-…",
  ],
  ["a name has capitals", { services: "{ Web = { port = 8080 } }" }, "services.Web", "to web"],
  ["a name ends with a dash", { services: "{ web- = { port = 8080 } }" }, "services.web-", "to web"],
  ["there is no environment", { environments: "{}" }, "environments", "It is empty"],
  ["there is no pipeline", { pipelines: "{}" }, "pipelines", "It is empty"],
  [
    "a pipeline deploys an unknown environment",
    { pipelines: main('[["dve"]]') },
    "pipelines.main.deploy[0][0]",
    "Write dev",
  ],
  [
    "a pipeline deploys an environment twice",
    { pipelines: main('[["dev"], ["dev"]]') },
    "pipelines.main.deploy[1][0]",
    "twice",
  ],
  ["a wave is empty", { pipelines: main('[["dev"], []]') }, "pipelines.main.deploy[1]", "empty"],
  [
    "a branch is no branch",
    { pipelines: '{ main = { branch = "a..b", deploy = [["dev"]] } }' },
    "pipelines.main.branch",
    "Git",
  ],
  [
    "a pattern of branches is behind a token",
    { pipelines: '{ main = { branch = "release/*", deploy = [["dev"]] } }' },
    "pipelines.main.branch",
    "no pattern of branches",
  ],
  [
    "a branch is nothing but a wildcard",
    { pipelines: '{ main = { branch = "**", deploy = [["dev"]] } }' },
    "pipelines.main.branch",
    "Git",
  ],
  [
    "files are told apart without a connection",
    { pipelines: '{ main = { branch = "main", deploy = [["dev"]], paths = ["services/**"] } }' },
    "pipelines.main.paths",
    "Only a connection",
  ],
  [
    "a pattern of files is none",
    { pipelines: '{ main = { branch = "main", deploy = [["dev"]], paths = ["/services"] } }' },
    "pipelines.main.paths[0]",
    "from the repository's root",
  ],
  [
    "no build may run",
    { pipelines: '{ main = { branch = "main", deploy = [["dev"]], builds_at_once = 0 } }' },
    "pipelines.main.builds_at_once",
    "1 to 50",
  ],
  [
    "a pipeline's name goes on from another's",
    {
      pipelines:
        '{ main = { branch = "main", deploy = [["dev"]] }, main-test = { branch = "test", deploy = [["dev"]] } }',
    },
    "pipelines.main-test",
    "goes on from",
  ],
  [
    "an environment has the name of a bucket of all state",
    { environments: '{ dev = { account = "222222222222" }, state = { account = "222222222222" } }' },
    "environments.state",
    "Slipway's own",
  ],
  [
    "a pipeline has the name of what all share",
    { pipelines: '{ delivery = { branch = "main", deploy = [["dev"]] } }' },
    "pipelines.delivery",
    "Slipway's own",
  ],
  [
    "an execution mode is none, or one in which executions would meet",
    { pipelines: '{ main = { branch = "main", deploy = [["dev"]], execution = "parallel" } }' },
    "pipelines.main.execution",
    "queued",
  ],
  [
    "an override names no service",
    { environments: dev("services = { wbe = {} }") },
    "environments.dev.services.wbe",
    "Write web",
  ],
  [
    "an override names no function",
    { environments: dev("functions = { x = {} }") },
    "environments.dev.functions.x",
    "no function",
  ],
  [
    "min_count is above max_count",
    { services: web("min_count = 5, max_count = 2") },
    "services.web.min_count",
    "more than max_count",
  ],
  [
    "Fargate lacks the memory",
    { services: web("cpu = 256, memory = 4096") },
    "services.web.memory",
    "512, 1024, 2048",
  ],
  [
    "Fargate lacks an override's memory",
    { environments: dev("services = { web = { memory = 4096 } }") },
    "environments.dev.services.web.memory",
    "cpu = 256",
  ],
  ["Fargate lacks the CPU", { services: web("cpu = 300") }, "services.web.cpu", "256, 512"],
  [
    "they are more services than a release can be told of",
    { services: services(26) },
    "services",
    "728 characters",
  ],
  ["a port is 0", { services: "{ web = { port = 0 } }" }, "services.web.port", "1024 to 65535"],
  ["a port is root's", { services: "{ web = { port = 1023 } }" }, "services.web.port", "port = 8080: users"],
  [
    "an environment's port is root's",
    { environments: dev("services = { web = { port = 80 } }") },
    "environments.dev.services.web.port",
    "80 is below 1024",
  ],
  ["a port is text", { services: '{ web = { port = "80" } }' }, "services.web.port", "Leave out the quotes"],
  [
    "a health path has no slash",
    { services: web('health_path = "up"') },
    "services.web.health_path",
    'Write "/up"',
  ],
  ["a Dockerfile is outside of the repository", dockerfile("../Dockerfile"), ...refusedFile],
  ["a Dockerfile is outside by a way round", dockerfile("app/../../Dockerfile"), ...refusedFile],
  ["a Dockerfile's path is absolute", dockerfile("/app/Dockerfile"), DOCKERFILE, 'Write "app/Dockerfile"'],
  [
    "a Dockerfile's path begins with ./",
    dockerfile("./app/Dockerfile"),
    DOCKERFILE,
    'Write "app/Dockerfile"',
  ],
  [
    "a Dockerfile's path has backslashes",
    dockerfile("app\\\\Dockerfile"),
    DOCKERFILE,
    'Write "app/Dockerfile"',
  ],
  ["a Dockerfile is a folder", dockerfile("app/"), ...refusedFile],
  ["a Dockerfile is a switch of docker's", dockerfile("--output=x"), ...refusedFile],
  [
    "an environment has a Dockerfile of its own",
    { environments: dev('services = { web = { dockerfile = "app/Dockerfile" } }') },
    "environments.dev.services.web.dockerfile",
    "no such setting",
  ],
  [
    "one of several services has no paths",
    { services: '{ a = { port = 8080, paths = ["/a/*"] }, b = { port = 8080 } }' },
    "services.b.paths",
    "several services",
  ],
  [
    "services share a path",
    { services: '{ a = { port = 8080, paths = ["/x"] }, b = { port = 8080, paths = ["/x"] } }' },
    "services.b.paths",
    "a has",
  ],
  [
    "services share hosts and paths",
    twoServices('hosts = ["x.y.z"]', 'hosts = ["x.y.z"]'),
    "services.b.hosts",
    "a has",
  ],
  [
    "an environment makes services share hosts",
    {
      ...twoServices('hosts = ["a.y.z"]', 'hosts = ["b.y.z"]'),
      environments: dev('services = { b = { hosts = ["a.y.z"] } }'),
    },
    "environments.dev.services.b.hosts",
    '"a.y.z/*"',
  ],
  ["a host is a URL", hosts('"https://api.dev.example.com"'), `${HOSTS}[0]`, 'Write "api.dev.example.com"'],
  ["a host is a pattern", hosts('"*.dev.example.com"'), `${HOSTS}[0]`, "is not a host name"],
  ["a host is the domain", hosts('"dev.example.com"'), HOSTS, "not one label below"],
  ["a host is two labels below the domain", hosts('"a.b.dev.example.com"'), HOSTS, "not one label below"],
  [
    "a host only ends like the domain",
    hosts('"api-dev.example.com"'),
    HOSTS,
    'hosts = ["api-dev.dev.example.com"]',
  ],
  [
    "an environment's own host is beside its domain",
    { environments: dev('domain = "dev.example.com", services = { web = { hosts = ["api.example.com"] } }') },
    "environments.dev.services.web.hosts",
    'Write hosts = ["api.dev.example.com"]',
  ],
  [
    "hosts and paths are more than a rule compares",
    { services: web('hosts = ["a.y.z", "b.y.z"], paths = ["/1", "/2", "/3", "/4"]') },
    HOSTS,
    "hosts has 2 and paths 4",
  ],
  [
    "hosts leave no place for any path",
    { services: web('hosts = ["a.b", "c.d", "e.f", "g.h", "i.j"]') },
    HOSTS,
    "5 in all",
  ],
  ["a check has no path", check("status = 200"), "services.web.checks[0].path", 'path = "/health"'],
  ["a check's path has no slash", check('path = "up"'), "services.web.checks[0].path", 'Write "/up"'],
  ["a check's path has a space", check('path = "/a b"'), "services.web.checks[0].path", "holds no spaces"],
  [
    "a check's key is misspelt",
    check('path = "/", state = 200'),
    "services.web.checks[0].state",
    "Did you mean status",
  ],
  [
    "a check's method is none",
    check('path = "/", method = "get"'),
    "services.web.checks[0].method",
    'Write "GET"',
  ],
  [
    "a check's status is none",
    check('path = "/", status = 99'),
    "services.web.checks[0].status",
    "100 to 599",
  ],
  [
    "a check looks for nothing",
    check('path = "/", contains = ""'),
    "services.web.checks[0].contains",
    "not empty",
  ],
  [
    "a check takes too long",
    check('path = "/", within_ms = 60001'),
    "services.web.checks[0].within_ms",
    "1 to 60000",
  ],
  [
    "a service's check is an event",
    check('path = "/", event = "{}"'),
    "services.web.checks[0].event",
    "no such setting",
  ],
  [
    "checks of a service may take longer than what runs them",
    { services: web(`checks = [${slow(40_000)}, ${slow(60_000)}, ${slow(20_001)}]`) },
    "services.web.checks",
    "may take 120001 ms",
  ],
  [
    "an environment's checks of a function may, each in the time that it has by itself",
    {
      environments: dev(
        `functions = { hello = { checks = [${slow(60_000)}, ${slow(59_000)}, { event = "{}" }] } }`,
      ),
    },
    "environments.dev.functions.hello.checks",
    "may take 124000 ms",
  ],
  ["there are too many checks", many(21, 'path = "/"'), "services.web.checks", "Keep at most 20."],
  [
    "checks are longer than a variable",
    check(`path = "/", method = "POST", body = "${"é".repeat(1480)}"`),
    "services.web.checks",
    "4 KB",
  ],
  [
    "an environment's checks of a function are longer than a variable",
    {
      environments: dev(
        `functions = { hello = { checks = [{ path = "/", contains = "${"a".repeat(3000)}" }] } }`,
      ),
    },
    "environments.dev.functions.hello.checks",
    "3000 bytes",
  ],
  ["a function's check is nothing", calls("within_ms = 1"), "functions.hello.checks[0].path", "event ="],
  [
    "a function's check is a request and an event",
    calls('path = "/", event = "{}"'),
    "functions.hello.checks[0].path",
    "event is given, too",
  ],
  [
    "an event has a status",
    calls('event = "{}", status = 200'),
    "functions.hello.checks[0].status",
    "event is given, too",
  ],
  ["an event is no JSON", calls('event = "{a}"'), "functions.hello.checks[0].event", "is not JSON"],
  ["a secret has no prefix", secret("hunter2"), SECRET, noReference],
  ["a secret's prefix is unknown", secret("vault:db"), SECRET, noReference],
  [
    "a secret is an ARN",
    secret("secretsmanager:arn:aws:secretsmanager:eu-west-1:1:secret:db"),
    SECRET,
    "not an ARN",
  ],
  ["a secret's name is missing", secret("secretsmanager:#password"), SECRET, noReference],
  ["a secret's field is empty", secret("secretsmanager:db#"), SECRET, noReference],
  ["a secret's name has a wildcard", secret("secretsmanager:*"), SECRET, noReference],
  ["a parameter is no path", secret("ssm:db"), SECRET, noReference],
  ["a parameter has a field", secret("ssm:/db#password"), SECRET, noReference],
  ["a parameter is one of AWS's own", secret("ssm:/aws/service/x"), SECRET, noReference],
  [
    "the port is a secret",
    { services: web('secrets = { PORT = "ssm:/port" }') },
    "services.web.secrets.PORT",
    "not PORT",
  ],
  [
    "a name is a variable and a secret",
    { services: web('variables = { DB = "x" }, secrets = { DB = "ssm:/db" }') },
    SECRET,
    "among the variables, too",
  ],
  [
    "an environment makes a variable a secret",
    {
      services: web('variables = { DB = "x" }'),
      environments: dev('services = { web = { secrets = { DB = "ssm:/db" } } }'),
    },
    "environments.dev.services.web.secrets.DB",
    "among the variables, too",
  ],
  [
    "an environment makes a secret a variable",
    { ...secret("ssm:/db"), environments: dev('services = { web = { variables = { DB = "x" } } }') },
    SECRET,
    "(of dev)",
  ],
  ["a shell is text", { services: web('exec = "yes"') }, "services.web.exec", "true, false"],
  ["an answer is never slow", { services: web("slow_ms = 60001") }, "services.web.slow_ms", "1 to 60000"],
  [
    "a task gets no requests",
    { services: web("requests_per_task = 0") },
    "services.web.requests_per_task",
    "a minute",
  ],
  [
    "old tasks are kept for ever",
    { environments: dev("bake_minutes = 1441") },
    "environments.dev.bake_minutes",
    "0 to 1440",
  ],
  ["a function's front is none", hello('front = "api"'), "functions.hello.front", '"http-api"'],
  ["a function's access is none", hello('access = "everyone"'), "functions.hello.access", '"public"'],
  [
    "the public may call what has no address",
    hello('front = "none", access = "public"'),
    "functions.hello.access",
    "no address",
  ],
  [
    "an environment takes the address away that the public may call",
    {
      ...hello('front = "http-api", access = "public"'),
      environments: dev('functions = { hello = { front = "none" } }'),
    },
    "functions.hello.access",
    "no address",
  ],
  [
    "the public may call an address that has no limit",
    hello('access = "public"'),
    "functions.hello.access",
    'front = "http-api"',
  ],
  [
    "no call is slow",
    hello("timeout_seconds = 3, slow_ms = 3001"),
    "functions.hello.slow_ms",
    "no call takes so long",
  ],
  [
    "an environment's timeout is below what is slow",
    { ...hello("slow_ms = 9000"), environments: dev("functions = { hello = { timeout_seconds = 5 } }") },
    "functions.hello.slow_ms",
    "at most 5000",
  ],
  [
    "a function has the name of a check",
    { functions: "{ web-svc-check = {} }" },
    "functions.web-svc-check",
    "…-check",
  ],
  [
    "a function has the name of the check",
    { functions: "{ release-check = {} }" },
    "functions.release-check",
    "…-check",
  ],
  [
    "a function has the name of the cleanup",
    { functions: "{ delivery-cleanup = {} }" },
    "functions.delivery-cleanup",
    "Slipway's own",
  ],
  [
    "a service has the name of the load balancer",
    { services: "{ load-balancer = { port = 8080 } }" },
    "services.load-balancer",
    "Slipway's own",
  ],
  [
    "a function's alarms have the names of a service's",
    { functions: "{ web-green = {} }" },
    "functions.web-green",
    "The service web has things in AWS of the same name",
  ],
  [
    "a service has the name of a function's releases",
    { services: "{ hello-fn = { port = 8080 } }" },
    "services.hello-fn",
    "The function hello has things in AWS of the same name",
  ],
  [
    "a service has the name of another's check",
    { services: '{ x = { port = 8080, paths = ["/1"] }, x-svc-check = { port = 8080, paths = ["/2"] } }' },
    "services.x-svc-check",
    "The service x has things in AWS of the same name",
  ],
  [
    "a timeout is too long",
    { functions: "{ hello = { timeout_seconds = 901 } }" },
    "functions.hello.timeout_seconds",
    "900 seconds",
  ],
  [
    "a function sets what Lambda sets",
    { functions: '{ hello = { variables = { AWS_REGION = "x" } } }' },
    "functions.hello.variables.AWS_REGION",
    "AWS itself sets",
  ],
  [
    "a variable's name has a dash",
    { services: web('variables = { "A-B" = "x" }') },
    "services.web.variables.A-B",
    "LOG_LEVEL",
  ],
  [
    "a variable is a number",
    { services: web("variables = { A = 1 }") },
    "services.web.variables.A",
    'quotes: "1"',
  ],
  [
    "a repository is a URL",
    { git: github("https://github.com/acme/hello.git") },
    "git.repository",
    'Write "acme/hello"',
  ],
  [
    "a provider is unknown",
    { git: '{ provider = "github", repository = "a/b" }' },
    "git.provider",
    '"codecommit"',
  ],
  [
    "a source has another's key",
    { git: '{ provider = "codecommit", repository = "a", polling = true }' },
    "git.polling",
    "no such setting",
  ],
  [
    "both ways to an account are given",
    { environments: dev('admin_role = "a", admin_profile = "b"') },
    "environments.dev.admin_profile",
    "both given",
  ],
  [
    "a preview names no pipeline",
    { previews: '{ "f/*" = { pipeline = "x", environment = "dev" } }' },
    'previews["f/*"].pipeline',
    "no pipeline",
  ],
  ["a preview's pattern matches everything", { previews: previews('"*"') }, 'previews["*"]', "feature/*"],
  ["a preview's pattern is none", { previews: previews('"a b"') }, 'previews["a b"]', "pattern"],
  [
    "a preview matches a pipeline's branch",
    { previews: previews('"ma*"') },
    'previews["ma*"]',
    "also matches",
  ],
  [
    "a preview's domain would be too long for a certificate",
    { ...domain(`${"a".repeat(36)}.example.com`), previews: previews('"f/*"') },
    DOMAIN,
    "at most 64 characters",
  ],
  [
    "a branch's preview asks into what it is merged",
    { previews: previews('"f/*"', 'into = ["main"]') },
    'previews["f/*"].into',
    "pull_requests alone",
  ],
  [
    "what previews leave out is no pattern",
    { previews: previews('"f/*"', 'exclude = ["a b"]') },
    'previews["f/*"].exclude[0]',
    "is not the name of a branch",
  ],
  [
    "there may be no preview at all",
    { previews: previews('"f/*"', "limit = 0") },
    'previews["f/*"].limit',
    "1 to 100",
  ],
  [
    "nobody can be asked which branches are open",
    {
      git: '{ provider = "connection", repository = "acme/hello", host = "GitLab" }',
      previews: previews('"f/*"'),
    },
    "previews",
    "a connection to GitHub",
  ],
  [
    "previews are more than a function's variables hold",
    {
      previews: `{ "f/*" = { pipeline = "main", environment = "dev", exclude = [${Array.from({ length: 20 }, (_, i) => `"f/${"x".repeat(140)}${i}"`).join(", ")}] } }`,
    },
    "previews",
    "2500 bytes",
  ],
  [
    "a trial is of no environment",
    {
      pipelines:
        '{ main = { branch = "main", deploy = [["dev"]], trial = { environment = "x", regions = ["eu-west-1"] } } }',
    },
    "pipelines.main.trial.environment",
    'There is no environment "x"',
  ],
  [
    "a trial goes to a region twice",
    {
      pipelines:
        '{ main = { branch = "main", deploy = [["dev"]], trial = { environment = "dev", regions = ["eu-west-1", "eu-west-1"] } } }',
    },
    "pipelines.main.trial.regions",
    "twice",
  ],
  [
    "a trial's tasks could not fetch their images",
    {
      environments: dev('nat = "none"'),
      pipelines:
        '{ main = { branch = "main", deploy = [["dev"]], trial = { environment = "dev", regions = ["us-east-1"] } } }',
    },
    "pipelines.main.trial.regions",
    "could ever fetch its image",
  ],
  [
    "an environment begins as previews do",
    {
      environments: '{ dev = { account = "222222222222" }, pv-x = { account = "222222222222" } }',
    },
    "environments.pv-x",
    "pv…",
  ],
  [
    "a preview lives too long",
    { previews: previews('"f/*"', "ttl_hours = 8761") },
    'previews["f/*"].ttl_hours',
    "8760",
  ],
  ["an address is none", { notifications: '{ emails = ["me"] }' }, "notifications.emails[0]", "e-mail"],
  ["a list is no list", { notifications: '{ emails = "a@b.c" }' }, "notifications.emails", "not a list"],
  [
    "a subscriber's address is none",
    { notifications: "{ subscribers = { me = {} } }" },
    "notifications.subscribers.me",
    "e-mail",
  ],
  [
    "a subscriber hears of what nobody tells",
    { notifications: '{ subscribers = { "a@b.co" = { events = ["failures"] } } }' },
    'notifications.subscribers["a@b.co"].events[0]',
    "failure",
  ],
  [
    "a subscriber hears of nothing",
    { notifications: '{ subscribers = { "a@b.co" = { events = [] } } }' },
    'notifications.subscribers["a@b.co"].events',
    "empty",
  ],
  [
    "a chat hears of a pipeline that is not there",
    { notifications: '{ chat = { pipelines = ["mian"] } }' },
    "notifications.chat.pipelines[0]",
    "main",
  ],
  [
    "an address hears of everything and of some of it",
    { notifications: '{ emails = ["a@b.co"], subscribers = { "a@b.co" = {} } }' },
    'notifications.subscribers["a@b.co"]',
    "emails as well",
  ],
  ["pages are neither wanted nor not", { notifications: '{ pages = "yes" }' }, "notifications.pages", "true"],
  ["a value is a reference", { region: "var.region" }, "region", "literal"],
  ["a value is a function call", { region: 'lower("EU")' }, "region", "literal"],
  ["a value has a template", { project: '"a$' + '{b}"' }, "project", "literal"],
  [
    "a value has an escaped template",
    { services: web('variables = { A = "$$' + '{b}" }') },
    "services.web.variables.A",
    "literal",
  ],
  [
    "a key is given twice",
    { services: "{ web = { port = 8080, port = 8081 } }" },
    "services.web.port",
    "twice",
  ],
  ["a key is __proto__", { services: "{ __proto__ = { port = 8080 } }" }, "services.__proto__", "reserved"],
  [
    "a key is constructor",
    { services: "{ constructor = { port = 8080 } }" },
    "services.constructor",
    "reserved",
  ],
];
