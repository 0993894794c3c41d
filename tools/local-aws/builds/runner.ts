import { mkdirSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { now } from "../services/service";
import {
  type ArtifactSpec,
  type Buildspec,
  PHASES,
  PhaseFailure,
  type PhaseSpec,
  type ReportSpec,
  readBuildspec,
} from "./buildspec";
import { BuildCache, type CachePlace } from "./cache";
import { machineEnvironment } from "./environment";
import type { BuildSource, BuildTarget } from "./exchange";
import { collectFiles } from "./files";
import { BuildLog } from "./log";
import { BuildProcesses } from "./processes";
import { Reporter } from "./reports";
import type { ServiceRole } from "./role";
import { BuildShell } from "./shell";

export interface BuildVariable {
  readonly name: string;
  /** The value itself, or where it is kept. */
  readonly value: string;
  readonly type: "PLAINTEXT" | "PARAMETER_STORE" | "SECRETS_MANAGER";
}

/** What a build needs to run. */
export interface BuildJob {
  /** Name of its project. */
  readonly project: string;
  /** Text of a buildspec, its path in the source, or its ARN in S3. @default "buildspec.yml" */
  readonly buildspec?: string;
  /** The primary one first. */
  readonly sources: readonly [BuildSource, ...BuildSource[]];
  readonly targets: readonly BuildTarget[];
  /** Variables of CodeBuild's own. */
  readonly environment: Readonly<Record<string, string>>;
  /** The project's and the caller's; they count more than the buildspec's. */
  readonly variables: readonly BuildVariable[];
  readonly timeoutMilliseconds: number;
  readonly logs?: { readonly group: string; readonly stream: string };
  /** @default - nothing is kept for the next build */
  readonly cache?: CachePlace;
  /** Hears of each phase that it comes to. @default - nobody does */
  readonly entered?: (phase: string) => void;
  /** Takes on the service role. */
  connect(): Promise<ServiceRole>;
  /**
   * Puts programs into the build's folder that count before this machine's.
   *
   * @returns the folder that they are in
   * @default - it has this machine's
   */
  readonly equip?: (folder: string) => Promise<string>;
}

export type BuildStatus = "IN_PROGRESS" | "SUCCEEDED" | "FAILED" | "TIMED_OUT" | "STOPPED";

/** One phase, as CodeBuild tells of it. */
export interface BuildPhase {
  readonly phaseType: string;
  readonly phaseStatus?: BuildStatus;
  readonly startTime: number;
  readonly endTime?: number;
  readonly durationInSeconds?: number;
  readonly contexts?: readonly { readonly statusCode: string; readonly message: string }[];
}

/** Where a build is when it has run. */
interface Place {
  /** The source's. */
  readonly folder: string;
  readonly shell: BuildShell;
  readonly role: ServiceRole;
  readonly log: BuildLog;
}

/** Phases whose failure ends the build at once; after the others it goes on. */
const DECISIVE: ReadonlySet<string> = new Set(["install", "pre_build"]);

/** A build that runs as processes of this machine, in a folder of its own that is gone when it has ended. */
export class BuildRun {
  readonly startTime = now();
  readonly phases: BuildPhase[] = [];
  status: BuildStatus = "IN_PROGRESS";
  currentPhase = "SUBMITTED";
  endTime?: number;
  exported: readonly { readonly name: string; readonly value: string }[] = [];
  resolvedSourceVersion?: string;
  /** ARNs of its reports. */
  readonly reports: string[] = [];
  /** Fulfilled when the build has ended and nothing of it is left. */
  readonly done: Promise<void>;

  private readonly abort = new AbortController();
  /** Names of the variables that hold one. */
  private readonly secrets = new Set<string>();
  /** What is done with sources in the end. */
  private readonly brought: (() => void)[] = [];
  private ending?: BuildStatus;
  private processes?: BuildProcesses;
  private log?: BuildLog;

  constructor(private readonly job: BuildJob) {
    const timer = setTimeout(() => this.end("TIMED_OUT"), job.timeoutMilliseconds);
    this.done = this.execute().finally(() => clearTimeout(timer));
  }

  /** Kills the build. */
  stop(): void {
    this.end("STOPPED");
  }

  private end(status: "STOPPED" | "TIMED_OUT"): void {
    if (this.ending || this.endTime) return;
    this.ending = status;
    this.abort.abort();
    void this.processes?.end();
  }

  private async execute(): Promise<void> {
    await this.phase("SUBMITTED", () => {});
    await this.phase("QUEUED", () => {});
    await this.work();
    await this.phase("FINALIZING", () => this.finish(), true);
    this.endTime = now();
    this.currentPhase = "COMPLETED";
    this.phases.push({ phaseType: "COMPLETED", startTime: this.endTime });
    if (this.status === "IN_PROGRESS") this.status = "SUCCEEDED";
  }

  private async work(): Promise<void> {
    const { job } = this;
    let folder = "";
    let role!: ServiceRole;
    let processes!: BuildProcesses;
    let log!: BuildLog;
    let spec!: Buildspec;
    let shell!: BuildShell;

    const provisioned = await this.phase("PROVISIONING", async () => {
      processes = this.processes = new BuildProcesses();
      log = this.log = new BuildLog();
      role = await job.connect();
      for (const name of ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"])
        log.hide(role.environment[name] ?? "");
      if (job.logs) log.sink = await role.logTo(job.logs.group, job.logs.stream);
      log.say("Running on Local AWS: as processes of this machine, without a container");
    });
    if (!provisioned) return;

    const downloaded = await this.phase("DOWNLOAD_SOURCE", async () => {
      log.say("Phase is DOWNLOAD_SOURCE");
      const variables = await this.bringSources(processes.folder, role, log);
      folder = variables.CODEBUILD_SRC_DIR ?? "";
      spec = readBuildspec(await this.buildspecText(folder, role));
      log.say("Processing environment variables");
      const machine = machineEnvironment(process.env);
      const own = await job.equip?.(processes.folder);
      if (own) machine.PATH = [own, machine.PATH].join(delimiter);
      const environment = {
        ...machine,
        ...role.environment,
        CI: "true",
        ...(await this.customVariables(spec, role, log)),
        ...job.environment,
        ...variables,
      };
      shell = await BuildShell.open({ processes, shell: spec.shell, cwd: folder, environment });
      for (const note of spec.notes) log.say(note);
      await this.cacheOf(spec, role, log)?.restore(folder, processes.folder, this.abort.signal);
      log.say(`Moving to directory ${folder}`);
    });
    if (!downloaded || !(await this.runPhases(spec, shell, log))) return;

    await this.phase("UPLOAD_ARTIFACTS", async () => {
      this.exported = await this.exports(spec, shell);
      try {
        await this.upload(spec, { folder, shell, role, log, scratch: processes.folder });
      } finally {
        // Tests that failed may be why there is no artifact: they are told of all the same.
        if (!this.ending) await this.report(spec, { folder, shell, role, log });
      }
      if (this.status === "IN_PROGRESS")
        await this.cacheOf(spec, role, log)?.keep(spec.cached, folder, processes.folder, this.abort.signal);
    });
  }

  private cacheOf({ cached }: Buildspec, role: ServiceRole, log: BuildLog): BuildCache | undefined {
    const { cache } = this.job;
    return cache && cached.length ? new BuildCache(cache, role, log) : undefined;
  }

  private async upload(spec: Buildspec, place: Place & { readonly scratch: string }): Promise<void> {
    const { folder, shell, role, log, scratch } = place;
    for (const target of this.job.targets) {
      // A secondary artifact has an identifier.
      const { identifier } = target;
      const artifact = identifier ? spec.secondaryArtifacts[identifier] : spec.artifacts;
      if (!artifact) {
        log.say(`The buildspec has no artifacts ${identifier ?? ""}`.trim());
        continue;
      }
      const { name, ...rest } = await expandArtifact(artifact, shell);
      const files = collectFiles(folder, rest);
      log.say(`Found ${files.length} file(s)`);
      await target.take({ files, name, scratch }, role, this.abort.signal);
    }
  }

  private async report({ reports }: Buildspec, { folder, shell, role, log }: Place): Promise<void> {
    const { project, environment } = this.job;
    const expanded: ReportSpec[] = [];
    for (const report of reports)
      expanded.push({ ...report, artifact: await expandArtifact(report.artifact, shell) });
    const build = environment.CODEBUILD_BUILD_ARN ?? "";
    const begun = (report: string) => this.reports.push(report);
    await new Reporter({ project, build, role, log, begun }).make(folder, expanded);
  }

  /** @returns the variables that tell of the sources */
  private async bringSources(root: string, role: ServiceRole, log: BuildLog) {
    const variables: Record<string, string> = {};
    for (const [index, source] of this.job.sources.entries()) {
      const own = join(root, `src${index || ""}`);
      mkdirSync(own);
      const suffix = index ? `_${source.identifier}` : "";
      const resolved = await source.bring(own, role, this.abort.signal);
      variables[`CODEBUILD_SRC_DIR${suffix}`] = own;
      variables[`CODEBUILD_SOURCE_REPO_URL${suffix}`] = source.url;
      variables[`CODEBUILD_SOURCE_VERSION${suffix}`] = source.version;
      if (resolved) variables[`CODEBUILD_RESOLVED_SOURCE_VERSION${suffix}`] = resolved;
      if (!index) this.resolvedSourceVersion = resolved;
      this.brought.push(() => source.leave?.(own));
      log.say(`CODEBUILD_SRC_DIR${suffix}=${own}`);
    }
    return variables;
  }

  private async buildspecText(folder: string, role: ServiceRole): Promise<string> {
    const given = this.job.buildspec || "buildspec.yml";
    const [, bucket, key] = /^arn:[\w-]+:s3:::([^/]+)\/(.+)$/.exec(given) ?? [];
    if (bucket && key) return role.readObject(bucket, key);
    if (/\n|^\s*(\{|version\s*:)/.test(given)) return given;
    try {
      return readFileSync(join(folder, given), "utf8");
    } catch {
      throw new PhaseFailure("YAML_FILE_ERROR", `stat ${join(folder, given)}: no such file or directory`);
    }
  }

  /** What the buildspec, the project and the caller set, in that order: the last one counts. */
  private async customVariables(spec: Buildspec, role: ServiceRole, log: BuildLog) {
    const listed = (type: BuildVariable["type"], entries: Readonly<Record<string, string>>) =>
      Object.entries(entries).map(([name, value]): BuildVariable => ({ name, value, type }));
    const all = [
      ...listed("PLAINTEXT", spec.variables),
      ...listed("PARAMETER_STORE", spec.parameterStore),
      ...listed("SECRETS_MANAGER", spec.secretsManager),
      ...this.job.variables,
    ];
    const last = new Map(all.map((variable) => [variable.name, variable]));
    const values: Record<string, string> = {};
    for (const { name, value, type } of last.values()) {
      if (type === "PLAINTEXT") values[name] = value;
      else {
        const secret = type === "PARAMETER_STORE" ? role.readParameter(value) : role.readSecret(value);
        values[name] = await secret;
        log.hide(values[name]);
        this.secrets.add(name);
      }
    }
    return values;
  }

  /** @returns whether the build comes to its artifacts */
  private async runPhases(spec: Buildspec, shell: BuildShell, log: BuildLog): Promise<boolean> {
    for (const name of PHASES) {
      const phase = spec.phases[name];
      const succeeded = await this.phase(name.toUpperCase(), () => this.runPhase(phase, shell, log));
      if (this.ending) return false;
      const goesOn = phase.onFailure ? phase.onFailure === "CONTINUE" : !DECISIVE.has(name);
      if (!succeeded && !goesOn) return false;
    }
    return true;
  }

  private async runPhase(phase: PhaseSpec, shell: BuildShell, log: BuildLog): Promise<void> {
    let failure: PhaseFailure | undefined;
    const runAll = async (commands: readonly string[]) => {
      for (const command of commands) {
        log.say(`Running command ${command}`);
        const code = await shell.run(command, (text) => log.print(text));
        if (this.ending) return;
        if (code === 0) continue;
        shell.succeeding = false;
        log.say(`Command did not exit successfully ${command} exit status ${code}`);
        failure ??= new PhaseFailure(
          "COMMAND_EXECUTION_ERROR",
          `Error while executing command: ${command}. Reason: exit status ${code}`,
        );
        return;
      }
    };
    await runAll(phase.commands);
    if (!this.ending) await runAll(phase.finally);
    if (failure) throw failure;
  }

  /** Secrets and what grants access are not handed on. */
  private async exports(spec: Buildspec, shell: BuildShell) {
    const names = spec.exportedVariables.filter(
      (name) => !name.startsWith("AWS_") && !this.secrets.has(name),
    );
    const values = await shell.values(names);
    return values.map(([name, value]) => ({ name, value }));
  }

  /** Nothing that ran is left after it, and the log is complete. */
  private async finish(): Promise<void> {
    await this.processes?.end(() => {
      for (const leave of this.brought) leave();
    });
    await this.log?.close();
  }

  /**
   * @param always whether it is done also for a build that was stopped
   * @returns whether it succeeded
   */
  private async phase(phaseType: string, run: () => Promise<void> | void, always = false): Promise<boolean> {
    const startTime = now();
    const index = this.phases.push({ phaseType, startTime }) - 1;
    this.currentPhase = phaseType;
    let phaseStatus: BuildStatus = "SUCCEEDED";
    let context = { statusCode: "", message: "" };
    const ours = (PHASES as readonly string[]).includes(phaseType.toLowerCase());
    if (ours) this.log?.say(`Entering phase ${phaseType}`);
    this.job.entered?.(phaseType);
    try {
      if (!this.ending || always) await run();
    } catch (error) {
      phaseStatus = "FAILED";
      context = {
        statusCode: error instanceof PhaseFailure ? error.statusCode : "CLIENT_ERROR",
        message: error instanceof Error ? error.message : String(error),
      };
    }
    if (this.ending && !always) {
      phaseStatus = this.ending;
      const timedOut = this.ending === "TIMED_OUT";
      context = timedOut
        ? { statusCode: "BUILD_TIMED_OUT", message: "Build has timed out." }
        : { statusCode: "", message: "" };
    }
    context.message = this.log?.masked(context.message) ?? context.message;
    if (phaseStatus !== "SUCCEEDED" && this.status === "IN_PROGRESS") this.status = phaseStatus;
    this.log?.say(`Phase complete: ${phaseType} State: ${phaseStatus}`);
    this.log?.say(`Phase context status code: ${context.statusCode} Message: ${context.message}`);
    const endTime = now();
    const durationInSeconds = Math.round(endTime - startTime);
    this.phases[index] = {
      phaseType,
      phaseStatus,
      startTime,
      endTime,
      durationInSeconds,
      contexts: [context],
    };
    return phaseStatus === "SUCCEEDED";
  }
}

/** Its texts, as the build's shell reads them. */
async function expandArtifact(artifact: ArtifactSpec, shell: BuildShell): Promise<ArtifactSpec> {
  const { baseDirectory, name, files } = artifact;
  const [base = "", named = "", ...paths] = await shell.expand([baseDirectory ?? "", name ?? "", ...files]);
  return { ...artifact, baseDirectory: base || undefined, name: named || undefined, files: paths };
}
