import { repositoryName } from "../shared/names";
import {
  isTrial,
  PREVIEW,
  PREVIEW_REGION,
  previewEnvironmentName,
  previewNamed,
  previewRepositoryName,
  previewsOf,
  templateOf,
} from "../shared/previews";
import { print, SettingsError } from "./problems";
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

/**
 * The environment of that name, a preview's too.
 *
 * @param region of a preview @default - that of what it is made like
 */
export function environmentNamed(
  settings: Settings,
  name: string,
  region?: string,
): EnvironmentSettings | undefined {
  const { environments } = settings;
  if (Object.hasOwn(environments, name)) return environments[name];
  const preview = previewNamed(name, Object.keys(environments));
  return preview && previewEnvironment(settings, preview.of, preview.slug, region);
}

/**
 * The preview that a process works on: SLIPWAY_PREVIEW names it, and SLIPWAY_REGION its region where that is another.
 *
 * @param variables of the process
 * @returns undefined where none is named
 * @throws SettingsError where what is named is no preview of these settings' environments
 */
export function previewOfProcess(
  settings: Settings,
  variables: Readonly<Record<string, string | undefined>>,
): EnvironmentSettings | undefined {
  const name = variables[PREVIEW.variable] || PREVIEW.unset;
  if (name === PREVIEW.unset) return undefined;
  const environment = environmentNamed(settings, name, variables[PREVIEW_REGION] || undefined);
  if (environment?.preview) return environment;
  const names = Object.keys(settings.environments);
  throw new SettingsError(PREVIEW.variable, [
    {
      key: "",
      given: print(name),
      what: `${print(name)} names no preview.`,
      allowed: `${names.map((of) => `${previewsOf(of)}-<slug>`).join(", ")}, with a slug as login-3f9a2c`,
      mend: "Name one that there is, or unset the variable: then everything but previews is meant.",
    },
  ]);
}

/**
 * Name of the repository that a service's images of an environment are in. A trial runs those of the pipeline that it is
 * part of.
 */
export const imageRepositoryName = (
  settings: Pick<Settings, "project">,
  service: string,
  { preview }: Pick<EnvironmentSettings, "preview">,
): string => (preview && !isTrial(preview.slug) ? previewRepositoryName : repositoryName)(settings, service);

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
