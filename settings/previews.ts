import { previewEnvironmentName, previewNamed, templateOf } from "../shared/previews";
import type { EnvironmentSettings, PipelineSettings, Settings } from "./types";

/** Logs of what lives for some days. */
const LOG_RETENTION_DAYS = 7;

/**
 * An environment that is made like another one, and is as small as that may be: one task a service, and what costs by the
 * hour once. Nothing in it stops its end.
 *
 * @param of the other's name
 * @param region @default - the other's
 */
export function previewEnvironment(
  settings: Settings,
  of: string,
  slug: string,
  region?: string,
): EnvironmentSettings {
  const template = settings.environments[of]!;
  const { domain, nat } = template;
  const ownName = domain && `pv-${slug}.${domain.name}`;
  return {
    ...template,
    name: previewEnvironmentName(of, slug),
    region: region ?? template.region,
    serviceRelease: "all-at-once",
    functionRelease: "all-at-once",
    bakeMinutes: 0,
    nat: nat === "none" ? "none" : "single",
    logRetentionDays: LOG_RETENTION_DAYS,
    deletionProtection: false,
    firewall: false,
    domain: domain && { name: ownName!, zone: domain.zone },
    services: mapValues(template.services, (service) => ({
      ...service,
      minCount: 1,
      maxCount: 1,
      // The other's lie one label below its domain, and lead to it.
      hosts: service.hosts.map((host) => (ownName ? host.replace(domain.name, ownName) : host)),
    })),
    preview: { of, slug },
  };
}

/** The environment of that name, a preview's too. */
export function environmentNamed(settings: Settings, name: string): EnvironmentSettings | undefined {
  const { environments } = settings;
  if (Object.hasOwn(environments, name)) return environments[name];
  const preview = previewNamed(name, Object.keys(environments));
  return preview && previewEnvironment(settings, preview.of, preview.slug);
}

/** A pipeline and an environment that previews are made like. */
export interface PreviewTemplate {
  readonly name: string;
  readonly pipeline: PipelineSettings;
  readonly environment: EnvironmentSettings;
}

/** What previews are made like, each once. */
export function previewTemplates(settings: Settings): PreviewTemplate[] {
  const rules = new Map(settings.previews.map((rule) => [templateOf(rule), rule]));
  return [...rules].map(([name, rule]) => ({
    name,
    pipeline: settings.pipelines[rule.pipeline]!,
    environment: settings.environments[rule.environment]!,
  }));
}

/** Environments that previews or trials are made like. */
export function previewedEnvironments(settings: Settings): Set<string> {
  const trials = Object.values(settings.pipelines).flatMap(({ trial }) => trial?.environment ?? []);
  return new Set([...settings.previews.map(({ environment }) => environment), ...trials]);
}

const mapValues = <T, R>(values: Readonly<Record<string, T>>, change: (value: T) => R): Record<string, R> =>
  Object.fromEntries(Object.entries(values).map(([key, value]) => [key, change(value)]));
