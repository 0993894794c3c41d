import { createHash } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { unzipSync } from "fflate";
import { parse } from "yaml";
import type { Scope } from "../aws-request";
import { type BuildSource, type BuildTarget, downloadFailure } from "../builds/exchange";
import { ask, type Caller } from "../functions/client";
import { Directory } from "../iam/directory";
import type { Project } from "../services/codebuild-project";
import type { ActionDeclaration, Pipeline } from "../services/pipeline-structure";
import type { ActionJob, Artifact } from "./execution";

/**
 * What of its input a build depends on: all, or some files by their paths. A build of some files leaves the others as
 * they are, and hands them on.
 */
export type Inputs = "all" | readonly string[];

/** A build of a pipeline, before it runs. */
export interface Question {
  readonly pipeline: Pipeline;
  readonly action: ActionDeclaration;
  /** Text of the buildspec, where the project itself holds it. */
  readonly buildspec?: string;
  /** Contents of the primary input's files, by path. */
  files(): Promise<Readonly<Record<string, Uint8Array>>>;
}

/** What somebody who runs a pipeline often does not want to wait for again. */
export interface ReuseSettings {
  /** @returns undefined for a build that always runs */
  inputs(question: Question): Promise<Inputs | undefined>;
  /** Number of the run that is on now. */
  current(): number;
  /** Hears of each build that was not run again, and of the run that it is from. */
  reused(build: string, from: number): void;
}

export interface ReuseProps {
  readonly settings: ReuseSettings;
  /** Address of Local AWS itself. */
  readonly endpoint: () => string;
  /** An access key by which Local AWS itself asks in an account. */
  readonly keyOf: (account: string) => string;
  /** @throws AwsError where there is no such project */
  readonly project: (scope: Scope, name: string) => Project;
}

/** What a build does in the place of its commands. */
export interface Instead {
  readonly buildspec: string;
  readonly source: BuildSource;
  /** @default - those of every build */
  readonly targets?: readonly BuildTarget[];
  readonly variables: Readonly<Record<string, string>>;
}

export interface Reusable {
  /** @default - nothing like it was built before: it runs */
  readonly instead?: Instead;
  /** It has succeeded. */
  succeeded(build: string, variables: Readonly<Record<string, string>>): void;
}

interface Kept {
  readonly from: number;
  /** The last run that it was of use in. */
  used: number;
  readonly variables: Readonly<Record<string, string>>;
  readonly output?: Artifact;
  /** Paths of the files that it was given. */
  readonly given: readonly string[];
}

/**
 * What builds of pipelines have left, for others with the same inputs: the same content, action, project, and rights of
 * its role. What is read elsewhere, as on the Internet, is not looked at.
 */
export class Reuse {
  private readonly kept = new Map<string, Kept>();
  /** What tells an artifact's content, by `bucket/key`. */
  private readonly contents = new Map<string, string>();
  /** What builds have left, and in which run. */
  private left: { readonly artifact: Artifact; readonly run: number }[] = [];
  private clearedIn?: number;

  constructor(private readonly props: ReuseProps) {}

  /**
   * @param bring makes an artifact a build's source
   * @returns undefined for a build that always runs
   */
  async of(
    job: ActionJob,
    scope: Scope,
    bring: (artifact: Artifact) => BuildSource,
  ): Promise<Reusable | undefined> {
    const { pipeline, action, configuration, inputs, outputs } = job;
    const [primary] = inputs;
    if (!primary || outputs.length > 1) return undefined;
    const { settings } = this.props;
    const project = this.props.project(scope, configuration.ProjectName ?? "");
    const { lastModified, created, ...definition } = project as Project & Record<string, unknown>;
    if (ELSEWHERE.test(JSON.stringify([definition, configuration]))) return undefined;
    const { buildspec = "" } = project.source;
    const text = /^\s*(\{|version\s*:)/.test(buildspec) ? buildspec : undefined;
    const account = pipeline.roleArn.split(":")[4] ?? "";
    await this.clear(account);
    const files = async () => unzipSync(await this.read(primary, account));
    const wanted = await settings.inputs({ pipeline, action, buildspec: text, files });
    if (!wanted) return undefined;

    // Where the buildspec lies in the source, so does what it hands on.
    const some = wanted !== "all" && inputs.length === 1 && text !== undefined ? wanted : undefined;
    const all = await Promise.all(inputs.map((input) => this.contentOf(input, account)));
    const given = some ? await files() : {};
    const depends = some ? [...some].sort().map((path) => [path, sumOf(given[path] ?? "")]) : all;
    const rights = await this.rightsOf(project);
    const key = sumOf(
      JSON.stringify([pipeline.name, action.name, definition, configuration, rights, depends]),
    );
    const kept = this.kept.get(key);
    return {
      instead: kept && {
        variables: kept.variables,
        ...(some && kept.output
          ? {
              buildspec: specOf(kept.from, (parse(text ?? "") as { artifacts?: object }).artifacts),
              source: laidOver(bring(kept.output), kept.given, bring(primary), Object.keys(given)),
            }
          : {
              buildspec: specOf(kept.from, kept.output && { files: ["**/*"] }),
              source: unread(primary),
              targets: outputs.map((output) => copyOf(kept.output!, output)),
            }),
      },
      succeeded: (build, variables) => {
        const run = settings.current();
        this.left.push(...outputs.map((artifact) => ({ artifact, run })));
        if (kept) {
          kept.used = run;
          settings.reused(build, kept.from);
        } else
          this.kept.set(key, {
            from: run,
            used: run,
            variables,
            output: outputs[0],
            given: Object.keys(given),
          });
        for (const output of outputs) this.contents.set(placeOf(output), sumOf(JSON.stringify([key, all])));
      },
    };
  }

  /** Removes, once in each run, what older runs have left: it is half a gigabyte of each, and nobody waits for it. */
  private async clear(account: string): Promise<void> {
    const current = this.props.settings.current();
    if (this.clearedIn === current) return;
    this.clearedIn = current;
    const isOld = (run: number) => run < current - RUNS;
    for (const [key, { used }] of this.kept) if (isOld(used)) this.kept.delete(key);
    const needed = new Set([...this.kept.values()].map(({ output }) => output && placeOf(output)));
    const gone = this.left.filter(({ artifact, run }) => isOld(run) && !needed.has(placeOf(artifact)));
    this.left = this.left.filter((one) => !gone.includes(one));
    for (const { artifact } of gone) {
      this.contents.delete(placeOf(artifact));
      // One that stays is no reason to fail a build.
      await this.remove(artifact, account).catch(() => {});
    }
  }

  /** With its version, which the bucket would keep. */
  private async remove(artifact: Artifact, account: string): Promise<void> {
    const caller = this.ownerOf(account);
    const path = `/${pathOf(artifact)}`;
    // moto copies each object whose versions it lists.
    const { headers } = await ask(caller, "s3", path, { method: "HEAD" });
    const version = headers.get("x-amz-version-id");
    const query = version ? `?versionId=${encodeURIComponent(version)}` : "";
    await ask(caller, "s3", `${path}${query}`, { method: "DELETE" });
  }

  private ownerOf(account: string): Caller {
    const { endpoint, keyOf } = this.props;
    return { endpoint: endpoint(), region: "us-east-1", accessKey: keyOf(account) };
  }

  /** The same for artifacts of the same content. */
  private async contentOf(artifact: Artifact, account: string): Promise<string> {
    const place = placeOf(artifact);
    const content = this.contents.get(place) ?? sumOf(await this.read(artifact, account));
    this.contents.set(place, content);
    return content;
  }

  private async read({ bucket, key }: Artifact, account: string): Promise<Uint8Array> {
    const response = await ask(this.ownerOf(account), "s3", `/${pathOf({ bucket, key })}`);
    const content = new Uint8Array(await response.arrayBuffer());
    if (!response.ok) throw new Error(`s3://${bucket}/${key} cannot be read: ${response.status}`);
    return content;
  }

  /** What the project's role may do: a build that lacks a right by now is to fail. */
  private async rightsOf({ serviceRole }: Project): Promise<unknown> {
    const { endpoint, keyOf } = this.props;
    const [account = "", name = ""] = [serviceRole.split(":")[4], serviceRole.split("/").at(-1)];
    return new Directory({ endpoint, keyOf, tell() {} }).role(account, name);
  }
}

/** So many runs back, a change that is taken back finds what was built. */
const RUNS = 3;

/** How a project, a buildspec and an action name parameters and secrets, whose values nobody may compare. */
const ELSEWHERE = /PARAMETER_STORE|SECRETS_MANAGER|parameter-store|secrets-manager/;

const placeOf = ({ bucket, key }: Artifact) => `${bucket}/${key}`;

const pathOf = ({ bucket, key }: Pick<Artifact, "bucket" | "key">) =>
  [bucket, ...key.split("/")].map(encodeURIComponent).join("/");

const sumOf = (content: string | Uint8Array) => createHash("sha256").update(content).digest("hex");

const specOf = (from: number, artifacts: object | undefined) =>
  JSON.stringify({
    version: 0.2,
    phases: { build: { commands: [`echo 'reused: same inputs as in run ${from}'`] } },
    ...(artifacts && { artifacts }),
  });

/** A source that has to be readable, and is not read. */
const unread = ({ bucket, key }: Artifact): BuildSource => ({
  url: "",
  version: "",
  async bring(folder, role, signal) {
    await role.openObject(bucket, key, signal).catch((error: Error) => {
      throw downloadFailure(key, error);
    });
    // A build without a file would have no artifact.
    writeFileSync(join(folder, "reused"), "");
    return undefined;
  },
});

/** What a build added to the files that it was given, over others of these. */
function laidOver(
  left: BuildSource,
  before: readonly string[],
  source: BuildSource,
  now: readonly string[],
): BuildSource {
  return {
    ...source,
    async bring(folder, role, signal) {
      await left.bring(folder, role, signal);
      // Away first, not written over: they may be links to what others use.
      for (const path of [...before, ...now])
        if (!path.endsWith("/")) rmSync(join(folder, path), { force: true });
      return source.bring(folder, role, signal);
    },
  };
}

const copyOf = (from: Artifact, to: Artifact): BuildTarget => ({
  take: (_, role, signal) => role.copyObject(placeOf(from), to.bucket, to.key, signal),
});
