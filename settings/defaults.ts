import { createHash } from "node:crypto";
import type { Check, RequestCheck } from "../shared/checks";
import { SETTINGS_KEYS } from "./schema";
import type {
  DomainSettings,
  EnvironmentSettings,
  FunctionSettings,
  SecretReference,
  ServiceSettings,
  Settings,
  SourceSettings,
} from "./types";
import type { Sound } from "./validate";

type ServiceChanges = NonNullable<NonNullable<Sound["services"]>[string]>;
type FunctionChanges = NonNullable<NonNullable<Sound["functions"]>[string]>;
type CheckFile = NonNullable<FunctionChanges["checks"]>[number];
type EnvironmentFile = NonNullable<NonNullable<Sound["environments"]>[string]>;

/** Stands for a required value that is missing, which has been reported: no such result leaves the folder. */
const MISSING = "";

/**
 * Fills in the defaults and brings a file into the form of {@link Settings}.
 *
 * @param given - the values as the file gives them
 */
export function fill(file: Sound, given: Readonly<Record<string, unknown>>): Settings {
  const region = file.region ?? MISSING;
  const services = file.services ?? {};
  return {
    project: file.project ?? MISSING,
    region,
    account: file.account ?? MISSING,
    source: fillSource(file.git),
    services: mapValues(services, (service) => {
      const { minCount: _, maxCount: __, ...rest } = fillService([service], services);
      return { ...rest, dockerfile: service.dockerfile ?? "app/Dockerfile" };
    }),
    functions: mapValues(file.functions, (it) => fillFunction([it])),
    environments: mapValues(file.environments, (it, name) => fillEnvironment(name, it, file, region)),
    pipelines: mapValues(file.pipelines, (it, name) => ({
      name,
      branch: it.branch ?? MISSING,
      paths: it.paths ?? [],
      deploy: it.deploy ?? [],
      execution: it.execution ?? "superseded",
      buildsAtOnce: it.builds_at_once ?? 10,
      ...(it.trial && {
        trial: { environment: it.trial.environment ?? MISSING, regions: it.trial.regions ?? [] },
      }),
    })),
    previews: Object.entries(file.previews ?? {}).map(([pattern, preview]) => ({
      pattern,
      pipeline: preview?.pipeline ?? MISSING,
      environment: preview?.environment ?? MISSING,
      exclude: preview?.exclude ?? [],
      into: preview?.into ?? [file.pipelines?.[preview?.pipeline ?? MISSING]?.branch ?? MISSING],
      ttlHours: preview?.ttl_hours ?? 72,
      limit: preview?.limit ?? 10,
    })),
    notifications: {
      emails: file.notifications?.emails ?? [],
      subscribers: mapValues(file.notifications?.subscribers, (it) => ({ ...it })),
      ...(file.notifications?.chat && { chat: file.notifications.chat }),
      commitStatus: file.notifications?.commit_status ?? true,
      pages: file.notifications?.pages ?? true,
      drift: file.notifications?.drift ?? true,
    },
    given: Object.fromEntries(SETTINGS_KEYS.map((key) => [key, given[key] ?? null])),
  };
}

function fillSource(source: Sound["git"]): SourceSettings {
  const repository = source?.repository ?? MISSING;
  if (source?.provider === "codecommit") return { provider: "codecommit", repository };
  if (source?.provider === "connection") {
    return { provider: "connection", repository, host: source.host ?? "GitHub" };
  }
  // Also where the provider is missing, which has been reported.
  const polling = source !== undefined && "polling" in source ? source.polling : undefined;
  return { provider: "github-token", repository, polling: polling ?? false };
}

function fillEnvironment(
  name: string,
  it: EnvironmentFile,
  file: Sound,
  region: string,
): EnvironmentSettings {
  const approval = it.approval ?? "always";
  // Where people approve what is released, more is at stake.
  const careful = approval !== "never";
  return {
    name,
    account: it.account ?? MISSING,
    region: it.region ?? region,
    approval,
    serviceRelease: it.service_release ?? "all-at-once",
    functionRelease: it.function_release ?? "all-at-once",
    bakeMinutes: it.bake_minutes ?? 5,
    cidr: it.cidr ?? defaultCidr(name),
    nat: it.nat ?? (careful ? "per-zone" : "single"),
    logRetentionDays: it.log_retention_days ?? (careful ? 365 : 30),
    deletionProtection: it.deletion_protection ?? careful,
    domain: fillDomain(it),
    firewall: it.firewall ?? careful,
    admin:
      it.admin_profile === undefined
        ? { role: it.admin_role ?? "OrganizationAccountAccessRole" }
        : { profile: it.admin_profile },
    services: mapValues(file.services, (service, key) =>
      fillService([service, it.services?.[key] ?? {}], file.services ?? {}),
    ),
    functions: mapValues(file.functions, (base, key) => fillFunction([base, it.functions?.[key] ?? {}])),
  };
}

function fillDomain({ domain, zone }: EnvironmentFile): DomainSettings | undefined {
  if (domain === undefined) return undefined;
  const parent = domain.slice(domain.indexOf(".") + 1);
  // Nobody but a registry has the zone `com`: a name of two labels is a zone itself.
  return { name: domain, zone: zone ?? (parent.includes(".") ? parent : domain) };
}

/** Made from the name alone, so that it stays when other environments come and go. */
function defaultCidr(name: string): string {
  return `10.${createHash("sha256").update(name).digest()[0]}.0.0/16`;
}

/** @param layers - later ones win, field by field; variables and secrets are joined. */
function fillService(layers: readonly ServiceChanges[], all: object): ServiceSettings {
  const it: ServiceChanges = Object.assign({}, ...layers);
  const minCount = it.min_count ?? 1;
  const healthPath = it.health_path ?? "/health";
  const hosts = it.hosts ?? [];
  return {
    port: it.port ?? 0,
    cpu: it.cpu ?? 256,
    memory: it.memory ?? 512,
    healthPath,
    paths: it.paths ?? (Object.keys(all).length === 1 || hosts.length > 0 ? ["/*"] : []),
    hosts,
    minCount,
    maxCount: it.max_count ?? Math.max(4, minCount),
    requestsPerTask: it.requests_per_task ?? 1000,
    slowMilliseconds: it.slow_ms ?? 2000,
    checks: (it.checks ?? [{ path: healthPath }]).map(fillRequestCheck),
    exec: it.exec ?? false,
    variables: Object.assign({}, ...layers.map(({ variables }) => variables)),
    secrets: mapValues(Object.assign({}, ...layers.map(({ secrets }) => secrets)), readReference),
  };
}

function fillFunction(layers: readonly FunctionChanges[]): FunctionSettings {
  const it: FunctionChanges = Object.assign({}, ...layers);
  const timeoutSeconds = it.timeout_seconds ?? 10;
  const front = it.front ?? "url";
  return {
    memory: it.memory ?? 256,
    timeoutSeconds,
    reservedConcurrency: it.reserved_concurrency ?? 5,
    front,
    access: it.access ?? "iam",
    // Before calls are ended, there is a word of it.
    slowMilliseconds: it.slow_ms ?? timeoutSeconds * 800,
    checks: (it.checks ?? (front === "none" ? [] : [{ path: "/" }])).map(fillCheck),
    variables: Object.assign({}, ...layers.map(({ variables }) => variables)),
  };
}

function fillCheck(check: CheckFile): Check {
  const { event, contains, within_ms } = check;
  if (event === undefined) return fillRequestCheck(check);
  return { event, ...(contains !== undefined && { contains }), withinMilliseconds: within_ms ?? 5000 };
}

function fillRequestCheck({ path, method, body, status, contains, within_ms }: CheckFile): RequestCheck {
  return {
    path: path ?? MISSING,
    method: method ?? "GET",
    ...(body !== undefined && { body }),
    status: status ?? 200,
    ...(contains !== undefined && { contains }),
    withinMilliseconds: within_ms ?? 5000,
  };
}

/** @param text - as the schema allows it: `secretsmanager:db#password`, `ssm:/hello/db` */
function readReference(text: string): SecretReference {
  const [kind, place] = text.split(":") as [SecretReference["kind"], string];
  const [name, field] = place.split("#") as [string, string?];
  return { kind, name, ...(field !== undefined && { field }) };
}

function mapValues<V, R>(
  map: Record<string, V | undefined> | undefined,
  change: (value: V, key: string) => R,
) {
  const entries = Object.entries(map ?? {}).filter((entry): entry is [string, V] => entry[1] !== undefined);
  return Object.fromEntries(entries.map(([key, value]) => [key, change(value, key)]));
}
