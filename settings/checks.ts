import type { Check } from "../shared/checks";
import { imageOf } from "../shared/names";
import { matchesBranch, type PreviewRule, PULL_REQUESTS } from "../shared/previews";
import { overlap } from "./cidr";
import { isMap } from "./hcl";
import { previewedEnvironments } from "./previews";
import { nearest, type Path, type Problems, print, printAll } from "./problems";
import { FARGATE_MEMORY } from "./schema";
import type { EnvironmentSettings, PipelineSettings, Settings } from "./types";
import type { Sound } from "./validate";

/**
 * Checks what joins several values. What is drawn from a value that is known to be wrong is left out, see
 * {@link Problems.add}.
 *
 * @param file - what the file itself gives, so that a problem is told where it was written
 */
export function checkTogether(settings: Settings, file: Sound, problems: Problems): void {
  // Names come from the file as given: a name that something is wrong with is still a name.
  const given = (key: string) => Object.keys(isMap(settings.given[key]) ? settings.given[key] : {});
  const names = {
    services: given("services"),
    functions: given("functions"),
    environments: given("environments"),
    pipelines: given("pipelines"),
  };
  const refer = (path: Path, name: string, kind: keyof typeof names, thing: string) => {
    if (name === "" || names[kind].includes(name)) return true;
    const near = nearest(name, names[kind]);
    const allowed = printAll(names[kind]) || `nothing yet: the file has no ${kind}`;
    problems.add(
      path,
      {
        given: print(name),
        what: `There is no ${thing} ${print(name)}.`,
        allowed,
        mend: near ? `Write ${near}.` : `Name one that exists, or add ${print(name)} to ${kind}.`,
      },
      [[kind]],
    );
    return false;
  };

  for (const [kind, example] of [
    ["environments", 'dev = { account = "222222222222" }'],
    ["pipelines", 'main = { branch = "main", deploy = [["dev"]] }'],
  ] as const) {
    if (names[kind].length > 0) continue;
    problems.add([kind], { what: "It is empty.", mend: `Add at least one, as: ${example}` });
  }

  const pipelines = Object.keys(settings.pipelines);
  for (const { name, branch, paths, deploy } of Object.values(settings.pipelines)) {
    const longer = pipelines.find((other) => other.startsWith(`${name}-`));
    if (longer)
      problems.add(["pipelines", longer], {
        given: print(longer),
        what: `Its name goes on from that of the pipeline ${name}, whose rights end at names that begin so.`,
        allowed: `a name that does not begin with "${name}-"`,
        mend: `Rename one of them.`,
      });
    const { provider } = settings.source;
    if (branch.includes("*") && provider === "github-token")
      problems.add(["pipelines", name, "branch"], {
        given: print(branch),
        what: "CodePipeline's GitHub action knows no pattern of branches.",
        allowed: 'one branch; a pattern with provider = "connection" or "codecommit"',
        mend: 'Name one branch, or reach GitHub by a connection: git = { provider = "connection", … }.',
      });
    if (paths.length && provider !== "connection")
      problems.add(["pipelines", name, "paths"], {
        given: print(paths),
        what: "Only a connection tells which files a push touches.",
        allowed: 'paths with provider = "connection"',
        mend: 'Leave paths out, or reach the repository by a connection: git = { provider = "connection", … }.',
      });
    const seen = new Set<string>();
    deploy.forEach((wave, i) => {
      wave.forEach((environment, j) => {
        const path = ["pipelines", name, "deploy", i, j];
        if (!refer(path, environment, "environments", "environment")) return;
        if (seen.has(environment)) {
          problems.add(path, {
            given: print(environment),
            what: `The pipeline deploys ${print(environment)} twice.`,
            mend: "Keep one of them; what another pipeline deploys does not matter.",
          });
        }
        seen.add(environment);
      });
    });
  }

  for (const rule of settings.previews) {
    const path = ["previews", rule.pattern];
    refer([...path, "pipeline"], rule.pipeline, "pipelines", "pipeline");
    refer([...path, "environment"], rule.environment, "environments", "environment");
    checkPreview(rule, settings, file, problems);
  }
  checkPreviews(settings, problems);
  checkPreviewDomains(settings, problems);
  for (const { name, trial } of Object.values(settings.pipelines)) {
    if (!trial) continue;
    const path = ["pipelines", name, "trial"];
    refer([...path, "environment"], trial.environment, "environments", "environment");
    checkTrial(trial, path, settings, problems);
  }

  const { emails, subscribers, chat } = settings.notifications;
  const choices = [
    ...Object.entries(subscribers).map(([email, one]) => [["subscribers", email], one] as const),
    [["chat"], chat ?? {}] as const,
  ];
  for (const [at, { pipelines: chosen = [] }] of choices)
    chosen.forEach((pipeline, i) => {
      refer(["notifications", ...at, "pipelines", i], pipeline, "pipelines", "pipeline");
    });
  for (const email of emails.filter((one) => one in subscribers))
    problems.add(["notifications", "subscribers", email], {
      given: print(email),
      what: "It stands in emails as well, and hears of everything there.",
      allowed: "an address in one of them",
      mend: "Take it out of emails, or out of subscribers.",
    });

  for (const [name, environment] of Object.entries(file.environments ?? {})) {
    const path = ["environments", name];
    for (const service of Object.keys(environment?.services ?? {})) {
      refer([...path, "services", service], service, "services", "service");
    }
    for (const key of Object.keys(environment?.functions ?? {})) {
      refer([...path, "functions", key], key, "functions", "function");
    }
    if (environment?.admin_role !== undefined && environment.admin_profile !== undefined) {
      problems.add([...path, "admin_profile"], {
        given: print(environment.admin_profile),
        what: "admin_role and admin_profile are both given.",
        allowed: "one of them",
        mend: "Keep the one that reaches the new account.",
      });
    }
  }

  checkNames(names, problems);
  checkImages(names.services, problems);
  const environments = Object.values(settings.environments);
  checkRanges(environments, file, problems);
  checkDomains(environments, file, problems);
  for (const environment of environments) checkWayOut(environment, settings.region, problems);
  for (const environment of environments) {
    checkServices(environment, file, problems);
    checkFunctions(environment, file, problems);
  }
}

function checkPreview(
  { pattern, into }: PreviewRule,
  settings: Settings,
  file: Sound,
  problems: Problems,
): void {
  const path = ["previews", pattern];
  if (pattern === PULL_REQUESTS) return;
  if (file.previews?.[pattern]?.into)
    problems.add([...path, "into"], {
      given: print(into),
      what: "Branches are previewed whatever they are to be merged into.",
      allowed: "into of pull_requests alone",
      mend: "Take it out, or write it at pull_requests.",
    });
  const deployed = Object.values(settings.pipelines).find(({ branch }) => matchesBranch(pattern, branch));
  if (deployed)
    problems.add(path, {
      given: print(pattern),
      what: `It also matches ${print(deployed.branch)}, the branch that the pipeline ${deployed.name} deploys.`,
      mend: 'Narrow it, for example to "feature/*".',
    });
}

/** Characters of a certificate's first name, and what a preview adds to its domain's: `pv-<slug>.` */
const LONGEST_CERTIFICATE = 64;
const LONGEST_PREVIEW = 21;

function checkPreviewDomains(settings: Settings, problems: Problems): void {
  for (const name of previewedEnvironments(settings)) {
    const domain = settings.environments[name]?.domain?.name ?? "";
    const most = LONGEST_CERTIFICATE - LONGEST_PREVIEW;
    if (domain.length > most)
      problems.add(["environments", name, "domain"], {
        given: print(domain),
        what: `Previews and trials of ${name} lie below it, as pv-login-3f9a2c.${domain}: a certificate's name has at most ${LONGEST_CERTIFICATE} characters.`,
        allowed: `${most} characters where there are previews or trials`,
        mend: "Choose a shorter domain, or make previews like an environment without one.",
      });
  }
}

/** An action of CodePipeline takes 1,000 characters of variables ("Quotas in AWS CodePipeline"), and some of them are others. */
const MOST_OF_IMAGES = 700;

/** A release is told each image as the variable of the action that builds it. */
function checkImages(services: readonly string[], problems: Problems): void {
  const size = services.map((name) => `${imageOf(name)} `).join("").length;
  if (size <= MOST_OF_IMAGES) return;
  problems.add(["services"], {
    given: `${services.length} services`,
    what: `A release is told the image of each as a variable of the action that builds it: ${size} characters for all. CodePipeline has 1,000 for whatever an action is told.`,
    allowed: `${MOST_OF_IMAGES} characters`,
    mend: "Shorten names, or give some of the services a project of their own.",
  });
}

/** Lambda takes 4 KB of variables, and some of them are others. */
const MOST_OF_PREVIEWS = 2500;

function checkPreviews({ previews, source, pipelines }: Settings, problems: Problems): void {
  if (!previews.length) return;
  if (source.provider === "connection" && source.host !== "GitHub")
    problems.add(["previews"], {
      given: `a connection to ${source.host}`,
      what: "Which branches are open is asked of GitHub or CodeCommit.",
      allowed: 'previews with provider = "github-token" or "codecommit", or a connection to GitHub',
      mend: "Take previews out.",
    });
  const deployed = Object.values(pipelines).map(({ branch }) => branch);
  const size = Buffer.byteLength(JSON.stringify([previews, deployed]));
  if (size > MOST_OF_PREVIEWS)
    problems.add(["previews"], {
      given: `${size} bytes`,
      what: `As JSON, with defaults and the branches that pipelines deploy, they have ${size} bytes; they travel in a variable of a function, which has 4 KB for all.`,
      allowed: `${MOST_OF_PREVIEWS} bytes`,
      mend: "Join patterns by * , or take some out.",
    });
}

function checkTrial(
  { environment, regions }: NonNullable<PipelineSettings["trial"]>,
  path: Path,
  { environments, region }: Settings,
  problems: Problems,
): void {
  const twice = regions.find((one, index) => regions.indexOf(one) < index);
  if (twice)
    problems.add([...path, "regions"], {
      given: print(regions),
      what: `${print(twice)} is in it twice.`,
      mend: "Keep one of them.",
    });
  const tried = environments[environment];
  const elsewhere = regions.find((one) => one !== region);
  if (tried?.nat !== "none" || !Object.keys(tried.services).length || elsewhere === undefined) return;
  problems.add([...path, "regions"], {
    given: print(regions),
    what: `${environment} has nat = "none", and its images lie in ${region}: no task in ${elsewhere} could ever fetch its image.`,
    allowed: `[${print(region)}], or an environment with a way out`,
    mend: `Write regions = [${print(region)}], or environments.${environment}.nat = "single".`,
  });
}

/** Names in AWS are made of these by a word at their end: such a word in a name of the file can make two of them one. */
function checkNames(
  { services, functions }: Readonly<Record<"services" | "functions", readonly string[]>>,
  problems: Problems,
): void {
  const refuse = (kind: "services" | "functions", name: string, owner: string) => {
    if (!(kind === "services" ? services : functions).includes(name)) return;
    problems.add([kind, name], {
      given: print(name),
      what: `${owner} has things in AWS of the same name.`,
      allowed: "a name that is not another's with -blue, -green, -fn or -svc-check behind it",
      mend: "Rename one of them.",
    });
  };
  for (const name of services) {
    // Alarms of its target groups, and a function's.
    for (const colour of ["blue", "green"]) refuse("functions", `${name}-${colour}`, `The service ${name}`);
    // Security groups.
    refuse("services", `${name}-svc-check`, `The service ${name}`);
  }
  // Applications and roles of CodeDeploy.
  for (const name of functions) refuse("services", `${name}-fn`, `The function ${name}`);
}

function checkRanges(environments: readonly EnvironmentSettings[], file: Sound, problems: Problems): void {
  environments.forEach((environment, i) => {
    const path = ["environments", environment.name, "cidr"];
    const other = environments
      .slice(0, i)
      .find(({ name, cidr }) => overlap(cidr, environment.cidr) && name !== environment.name);
    if (!other) return;
    const own = file.environments?.[environment.name]?.cidr === undefined ? "its default" : "its range";
    problems.add(
      path,
      {
        given: print(environment.cidr),
        what: `${own} ${environment.cidr} overlaps ${other.cidr} of ${other.name}.`.replace(/^i/, "I"),
        allowed: "private ranges that have no address in common",
        mend: `Give ${environment.name} a range of its own: cidr = "${freeRange(environments)}"`,
      },
      [["environments", other.name, "cidr"]],
    );
  });
}

function checkDomains(environments: readonly EnvironmentSettings[], file: Sound, problems: Problems): void {
  const owners = new Map<string, string>();
  for (const { name, domain } of environments) {
    const at = (key: string) => ["environments", name, key];
    const zone = file.environments?.[name]?.zone;
    if (!domain) {
      if (zone === undefined) continue;
      problems.add(
        at("zone"),
        {
          given: print(zone),
          what: "It is the zone of a domain, and there is none.",
          mend: `Add the domain: domain = "${name}.${zone}", or take zone out.`,
        },
        [at("domain")],
      );
      continue;
    }
    if (domain.name !== domain.zone && !domain.name.endsWith(`.${domain.zone}`)) {
      problems.add(
        at("zone"),
        {
          given: print(domain.zone),
          what: `${domain.name} does not lie in the zone ${domain.zone}.`,
          allowed: `${print(domain.name)}, or what follows one of its dots`,
          mend: "Name the hosted zone that holds the domain.",
        },
        [at("domain")],
      );
    }
    const owner = owners.get(domain.name);
    if (owner === undefined) {
      owners.set(domain.name, name);
      continue;
    }
    problems.add(
      at("domain"),
      {
        given: print(domain.name),
        what: `${owner} has this domain too.`,
        allowed: "a name that no other environment has",
        mend: `Give ${name} a name of its own, for example "${name}.${domain.zone}".`,
      },
      [["environments", owner, "domain"]],
    );
  }
}

/** Images lie in the build's region, and VPC endpoints lead to services of their own. */
function checkWayOut(
  { name, nat, region, services }: EnvironmentSettings,
  buildRegion: string,
  problems: Problems,
): void {
  if (nat !== "none" || region === buildRegion || Object.keys(services).length === 0) return;
  const at = (key: string) => ["environments", name, key];
  problems.add(
    at("nat"),
    {
      given: print(nat),
      what: `Images lie in ${buildRegion}, and nothing but VPC endpoints of ${region} would lead out of ${name}: no task could ever fetch its image.`,
      allowed: `"single" or "per-zone"; "none" in ${buildRegion}, or without services`,
      mend: `Write nat = "single", or region = "${buildRegion}".`,
    },
    [at("region"), ["region"], ["services"]],
  );
}

/** A range that no environment has. */
function freeRange(environments: readonly EnvironmentSettings[]): string {
  const candidates = Array.from({ length: 256 }, (_, i) => `10.${(i + 10) % 256}.0.0/16`);
  return (
    candidates.find((range) => !environments.some(({ cidr }) => overlap(cidr, range))) ?? "172.16.0.0/16"
  );
}

/** Where an environment's value of a field of a service or function was, or would be, written. */
function placesOf(kind: "services" | "functions", environment: string, file: Sound) {
  const own = file.environments?.[environment]?.[kind] ?? {};
  return (name: string, ...fields: readonly string[]): Path => {
    const overrides: object = own[name] ?? {};
    const overriding = fields.find((field) => Object.hasOwn(overrides, field));
    if (overriding) return ["environments", environment, kind, name, overriding];
    const base: object = file[kind]?.[name] ?? {};
    return [kind, name, fields.find((field) => Object.hasOwn(base, field)) ?? fields[0]!];
  };
}

/** Lambda takes 4 KB of variables, and some of them are others. */
const MOST_OF_CHECKS = 3000;

function checkSize(checks: readonly Check[], path: Path, problems: Problems): void {
  const size = Buffer.byteLength(JSON.stringify(checks));
  if (size <= MOST_OF_CHECKS) return;
  problems.add(path, {
    given: `${size} bytes`,
    what: `As JSON, all its checks together have ${size} bytes; they travel in a variable of a function, which has 4 KB for all.`,
    allowed: `${MOST_OF_CHECKS} bytes`,
    mend: "Take checks out, or shorten what they send and look for.",
  });
}

/**
 * Milliseconds. What runs them has five minutes: for one it tries again, and the last round may take as long as all of
 * them.
 */
const LONGEST_CHECKS = 120_000;

function checkTime(checks: readonly Check[], path: Path, problems: Problems): void {
  const all = checks.reduce((sum, { withinMilliseconds }) => sum + withinMilliseconds, 0);
  if (all <= LONGEST_CHECKS) return;
  problems.add(path, {
    given: `${all} ms in all`,
    what: `All its checks together may take ${all} ms: their within_ms, of which each is 5000 if not given. What runs them has two minutes for it.`,
    allowed: `${LONGEST_CHECKS} ms in all`,
    mend: "Lower the within_ms of what answers sooner, or take checks out.",
  });
}

/** Checks the functions as one environment runs them. */
function checkFunctions(environment: EnvironmentSettings, file: Sound, problems: Problems): void {
  const written = placesOf("functions", environment.name, file);
  for (const [name, { front, access, timeoutSeconds, slowMilliseconds, checks }] of Object.entries(
    environment.functions,
  )) {
    if (access === "public" && front !== "http-api")
      problems.add(
        written(name, "access"),
        {
          given: print(access),
          what:
            front === "none"
              ? "It has no address that the public could call."
              : "An address of its own has no limit of calls, and Lambda lets in everybody's functions and roles with it.",
          allowed: 'access = "public" with front = "http-api"',
          mend: 'Write front = "http-api", or take access out.',
        },
        [written(name, "front")],
      );
    if (slowMilliseconds > timeoutSeconds * 1000)
      problems.add(
        written(name, "slow_ms"),
        {
          given: `slow_ms ${slowMilliseconds}, timeout_seconds ${timeoutSeconds}`,
          what: `slow_ms = ${slowMilliseconds} is more than timeout_seconds = ${timeoutSeconds}: no call takes so long.`,
          allowed: `at most ${timeoutSeconds * 1000}`,
          mend: "Lower slow_ms, or leave it out: it is four fifths of the timeout then.",
        },
        [written(name, "timeout_seconds")],
      );
    checkSize(checks, written(name, "checks"), problems);
    checkTime(checks, written(name, "checks"), problems);
  }
}

/** Values that a listener rule compares, of hosts and paths together. */
const MOST_CONDITIONS = 5;

/** Checks the services as one environment runs them. */
function checkServices(environment: EnvironmentSettings, file: Sound, problems: Problems): void {
  const written = placesOf("services", environment.name, file);
  const owners = new Map<string, string>();

  for (const [name, service] of Object.entries(environment.services)) {
    const { cpu, memory, minCount, maxCount, paths, hosts, checks, variables, secrets } = service;
    const possible = FARGATE_MEMORY[cpu] ?? [];
    if (!possible.includes(memory)) {
      const [least, more] = [possible[0]!, possible[1]! - possible[0]!];
      const regular = possible.every((value, i) => value === least + i * more);
      const list =
        regular && possible.length > 4
          ? `${least} to ${possible.at(-1)} in steps of ${more}`
          : possible.join(", ");
      const next = possible.find((value) => value >= memory) ?? possible.at(-1);
      problems.add(
        written(name, "memory", "cpu"),
        {
          given: `cpu ${cpu}, memory ${memory}`,
          what: `Fargate has no cpu = ${cpu} with memory = ${memory}.`,
          allowed: `with cpu = ${cpu}, memory of ${list} MiB`,
          mend: `Write memory = ${next}, or another cpu.`,
        },
        [written(name, "cpu"), ["services", name, "memory"], ["services", name, "cpu"]],
      );
    }
    if (minCount > maxCount) {
      problems.add(
        written(name, "min_count"),
        {
          given: `min_count ${minCount}, max_count ${maxCount}`,
          what: `min_count = ${minCount} is more than max_count = ${maxCount}.`,
          mend: `Raise max_count to at least ${minCount}, or lower min_count.`,
        },
        [written(name, "max_count")],
      );
    }
    if (paths.length === 0) {
      problems.add(["services", name, "paths"], {
        what: "It is missing: several services share one load balancer, which must tell their requests apart.",
        allowed: 'path patterns that no other service has, as ["/api/*"]; or hosts of its own',
        mend: `Add it: paths = ["/${name}/*"]`,
      });
    }
    if (paths.length + hosts.length > MOST_CONDITIONS)
      problems.add(
        written(name, "hosts"),
        {
          given: `${hosts.length} hosts, ${paths.length} paths`,
          what: `hosts has ${hosts.length} and paths ${paths.length}; a rule of the load balancer compares ${MOST_CONDITIONS} in all.`,
          allowed: `at most ${MOST_CONDITIONS} together`,
          mend: "Take some out; patterns of paths can be joined with * and ?.",
        },
        [written(name, "paths")],
      );
    checkHosts(name, hosts, environment, written(name, "hosts"), problems);
    checkSize(checks, written(name, "checks"), problems);
    checkTime(checks, written(name, "checks"), problems);
    for (const variable of Object.keys(secrets).filter((key) => Object.hasOwn(variables, key))) {
      const own = file.environments?.[environment.name]?.services?.[name]?.secrets ?? {};
      const base = ["services", name, "secrets", variable];
      const path = Object.hasOwn(own, variable) ? ["environments", environment.name, ...base] : base;
      problems.add(path, {
        given: print(variable),
        what: `${variable} is among the variables, too${path === base ? ` (of ${environment.name})` : ""}.`,
        allowed: "a name that is in variables or in secrets",
        mend: "Keep one of them.",
      });
    }
    for (const host of hosts.length ? new Set(hosts) : [""]) {
      for (const pattern of new Set(paths)) {
        const asked = `${host}${pattern}`;
        const owner = owners.get(asked);
        owners.set(asked, name);
        if (owner === undefined) continue;
        const other = host ? "hosts and paths" : "path patterns";
        problems.add(
          written(name, "paths", "hosts"),
          {
            given: print(asked),
            what: `${owner} has ${print(asked)} too; the load balancer would never ask ${name}.`,
            allowed: `${other} that no other service has`,
            mend: `Give ${name} paths of its own, for example ["/${name}/*"]${host ? ", or hosts" : ""}.`,
          },
          [written(owner, "paths"), written(name, "hosts"), written(owner, "hosts")],
        );
      }
    }
  }
}

/** The certificate is good for the domain and for what is one label below it. */
function checkHosts(
  service: string,
  hosts: readonly string[],
  { name, domain }: EnvironmentSettings,
  path: Path,
  problems: Problems,
): void {
  if (!domain) return;
  const isCovered = (host: string) => host.slice(host.indexOf(".") + 1) === domain.name;
  const host = hosts.find((it) => !isCovered(it));
  if (host === undefined) return;
  const example = `["${host.split(".")[0]}.${domain.name}"]`;
  problems.add(
    path,
    {
      given: print(host),
      what: `${print(host)} is not one label below ${domain.name}, the domain of ${name}, and its certificate covers no other.`,
      allowed: `names of one label before .${domain.name}`,
      mend:
        path[0] === "services"
          ? `Give ${name} hosts of its own: environments.${name}.services.${service}.hosts = ${example}`
          : `Write hosts = ${example}`,
    },
    [["environments", name, "domain"]],
  );
}
