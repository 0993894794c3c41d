import { parse, YAMLParseError } from "yaml";
import { z } from "zod";
import { FORMATS, OTHER_FORMATS, type ReportFormat } from "./report-formats";

/** Why a phase of a build fails, as CodeBuild puts it into the phase's context. */
export class PhaseFailure extends Error {
  constructor(
    readonly statusCode: string,
    message: string,
  ) {
    super(message);
  }
}

export interface PhaseSpec {
  readonly commands: readonly string[];
  /** Run after the commands, whether these failed or not. */
  readonly finally: readonly string[];
  /** @default - what CodeBuild does after this phase */
  readonly onFailure?: "ABORT" | "CONTINUE";
}

export interface ArtifactSpec {
  readonly files: readonly string[];
  readonly excludePaths: readonly string[];
  /** @default - the source's folder */
  readonly baseDirectory?: string;
  readonly discardPaths: boolean;
  /** Whether links that stay in the folder are kept as links. */
  readonly keepLinks: boolean;
  /** In the shell's language. */
  readonly name?: string;
}

export interface ReportSpec {
  /** Name of the report's group, without the project's, or its ARN. */
  readonly group: string;
  readonly format: ReportFormat;
  /** Its files. */
  readonly artifact: ArtifactSpec;
}

export const PHASES = ["install", "pre_build", "build", "post_build"] as const;

/** What a buildspec says, as far as builds are run here. */
export interface Buildspec {
  readonly shell: "sh" | "bash";
  readonly variables: Readonly<Record<string, string>>;
  readonly parameterStore: Readonly<Record<string, string>>;
  readonly secretsManager: Readonly<Record<string, string>>;
  readonly exportedVariables: readonly string[];
  readonly phases: Readonly<Record<(typeof PHASES)[number], PhaseSpec>>;
  readonly artifacts?: ArtifactSpec;
  readonly secondaryArtifacts: Readonly<Record<string, ArtifactSpec>>;
  readonly reports: readonly ReportSpec[];
  /** Patterns of the paths that are kept for the project's next build. */
  readonly cached: readonly string[];
  /** What it asks for that is not done here, as lines for the log. */
  readonly notes: readonly string[];
}

const scalar = z.union([z.string(), z.number(), z.boolean()]).transform(String);
const variables = z.record(z.string().min(1), scalar).nullish();
const flag = z.union([z.boolean(), z.enum(["yes", "no", "true", "false"])]).nullish();
const isYes = (value: z.output<typeof flag>) => value === true || value === "yes" || value === "true";
const command = z.union([z.string(), z.number(), z.boolean()], {
  error: "Expected a command to be of string type: found subkeys or nothing instead",
});
const commands = z.array(command.transform(String)).nullish();
const phase = z
  .looseObject({
    commands,
    finally: commands,
    "on-failure": z
      .enum(["ABORT", "CONTINUE"], { error: "on-failure is ABORT or CONTINUE here: nothing is retried" })
      .nullish(),
    "runtime-versions": z.record(z.string(), z.unknown()).nullish(),
  })
  .nullish();
const list = z.array(z.string()).nullish();
const artifact = z.looseObject({
  files: z.array(z.string(), { error: "files is required" }).min(1, { error: "files is empty" }),
  name: scalar.nullish(),
  "base-directory": z.string().nullish(),
  "discard-paths": flag,
  "enable-symlinks": flag,
  "exclude-paths": z.union([z.string().transform((path) => [path]), z.array(z.string())]).nullish(),
});
const formats = [...(Object.keys(FORMATS) as ReportFormat[]), ...OTHER_FORMATS] as const;
const report = artifact.extend({
  "file-format": z
    .string()
    .transform((format) => format.toUpperCase())
    .pipe(z.enum(formats, { error: `file-format is one of ${formats.join(", ")}` }))
    .default("JUNITXML"),
});
const buildspec = z.looseObject({
  version: scalar,
  env: z
    .looseObject({
      shell: z
        .enum(["sh", "/bin/sh", "bash", "/bin/bash"], { error: "shell is /bin/sh or bash here" })
        .nullish(),
      variables,
      "parameter-store": variables,
      "secrets-manager": variables,
      "exported-variables": list,
    })
    .nullish(),
  phases: z.strictObject({ install: phase, pre_build: phase, build: phase, post_build: phase }),
  reports: z.record(z.string().min(1), report).nullish(),
  cache: z.looseObject({ paths: list }).nullish(),
  artifacts: z
    .looseObject({
      ...artifact.partial().shape,
      "secondary-artifacts": z.record(z.string(), artifact).nullish(),
    })
    .nullish(),
});

/**
 * Reads a buildspec of version 0.2, in YAML or JSON.
 *
 * @throws PhaseFailure with CodeBuild's code for a buildspec that it does not take
 */
export function readBuildspec(text: string): Buildspec {
  const content = readYaml(text);
  const version = (content as { version?: unknown } | null)?.version;
  if (version === undefined) throw invalid("the buildspec has no version");
  if (String(version) !== "0.2")
    throw invalid(`version ${version} of the buildspec is not supported: use 0.2`);
  const parsed = buildspec.safeParse(content);
  if (!parsed.success) {
    const [{ path, message } = { path: [], message: "" }] = parsed.error.issues;
    throw invalid(path.length ? `${path.join("/")}: ${message}` : message);
  }
  const { env, phases, artifacts } = parsed.data;
  const primary = artifacts?.files && artifact.parse(artifacts);
  if (artifacts && !primary && !artifacts["secondary-artifacts"])
    throw invalid("artifacts/files: files is required");
  return {
    shell: env?.shell?.endsWith("bash") ? "bash" : "sh",
    variables: env?.variables ?? {},
    parameterStore: env?.["parameter-store"] ?? {},
    secretsManager: env?.["secrets-manager"] ?? {},
    exportedVariables: env?.["exported-variables"] ?? [],
    phases: {
      install: phaseOf(phases.install),
      pre_build: phaseOf(phases.pre_build),
      build: phaseOf(phases.build),
      post_build: phaseOf(phases.post_build),
    },
    artifacts: primary && artifactOf(primary),
    secondaryArtifacts: Object.fromEntries(
      Object.entries(artifacts?.["secondary-artifacts"] ?? {}).map(([id, spec]) => [id, artifactOf(spec)]),
    ),
    reports: Object.entries(parsed.data.reports ?? {}).flatMap(([group, given]) => {
      const format = given["file-format"];
      // A report's files are named as an artifact's, but nothing of them is left out or kept as a link.
      const artifact = { ...artifactOf(given), excludePaths: [], keepLinks: false, name: undefined };
      return isRead(format) ? { group, format, artifact } : [];
    }),
    cached: parsed.data.cache?.paths ?? [],
    notes: notesOn(parsed.data),
  };
}

const isRead = (format: (typeof formats)[number]): format is ReportFormat => Object.hasOwn(FORMATS, format);

const invalid = (message: string) => new PhaseFailure("YAML_FILE_ERROR", message);

function readYaml(text: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof YAMLParseError)) throw error;
    throw invalid(error.message.split("\n")[0] ?? "");
  }
}

function phaseOf(given: z.output<typeof phase>): PhaseSpec {
  return {
    commands: given?.commands ?? [],
    finally: given?.finally ?? [],
    onFailure: given?.["on-failure"] ?? undefined,
  };
}

function artifactOf(given: z.output<typeof artifact>): ArtifactSpec {
  return {
    files: given.files,
    excludePaths: given["exclude-paths"] ?? [],
    baseDirectory: given["base-directory"] ?? undefined,
    discardPaths: isYes(given["discard-paths"]),
    keepLinks: isYes(given["enable-symlinks"]),
    name: given.name ?? undefined,
  };
}

function notesOn(spec: z.output<typeof buildspec>): string[] {
  const phases = Object.values(spec.phases);
  const runtimes = Object.entries(spec.phases.install?.["runtime-versions"] ?? {});
  const asked = runtimes.map(([name, version]) => `${name} ${version}`).join(", ");
  const unread = Object.values(spec.reports ?? {}).map((given) => given["file-format"]);
  const formatsLeftOut = unread.filter((format) => !isRead(format)).join(", ");
  const notes: [unknown, string][] = [
    [
      asked,
      `Local AWS installs no runtime (${asked}): this machine's are used, Node ${process.versions.node} among them`,
    ],
    [formatsLeftOut, `Local AWS makes no reports of ${formatsLeftOut}`],
    [spec.batch, "Local AWS runs no batches"],
    [
      spec["run-as"] ?? phases.find((given) => given?.["run-as"]),
      "run-as: commands run as the user of Local AWS",
    ],
    [spec.artifacts?.["s3-prefix"], "artifacts/s3-prefix is left out"],
  ];
  return notes.filter(([given]) => given).map(([, note]) => note);
}
