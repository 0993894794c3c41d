import { spawnSync } from "node:child_process";
import { constants, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { UserError } from "../../project";
import {
  expand,
  failure,
  type Instruction,
  listIn,
  pairsIn,
  parseDockerfile,
  type Values,
  wordsIn,
} from "./dockerfile";
import { type Copy, type CopySource, copyInto, type Ignore, inside, pathInImage, readIgnore } from "./files";
import { type Layers, sumOf } from "./layers";
import { commandEnvironment, mapped } from "./running";

/** What an image says of itself, in the words of the OCI's image configuration. */
export interface ImageConfig {
  readonly Env: readonly string[];
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly WorkingDir: string;
  readonly User?: string;
  readonly ExposedPorts?: Readonly<Record<string, object>>;
  readonly StopSignal?: string;
  readonly Labels?: Readonly<Record<string, string>>;
}

export interface BuildRequest {
  /** Folder. */
  readonly context: string;
  /** Path of this machine. */
  readonly dockerfile: string;
  /** `linux/amd64`. It is kept, and changes nothing. */
  readonly platform: string;
  readonly buildArguments: ReadonlyMap<string, string>;
  readonly labels: ReadonlyMap<string, string>;
  /** Name or number of a stage. @default - the last one */
  readonly target?: string;
  /** Folder for the stages, which somebody else removes. */
  readonly scratch: string;
  /** Of builds before. @default - each command is run */
  readonly layers?: Layers;
  /** This machine's. Commands get of it what builds get, and no credentials. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  print(line: string): void;
}

export interface BuiltImage {
  readonly root: string;
  readonly config: ImageConfig;
}

/** Node's official images, by the names that registries give them. */
const NODE_IMAGE =
  /^((docker\.io|public\.ecr\.aws\/docker)\/)?(library\/)?node(:[\w.-]+)?(@sha256:[0-9a-f]{64})?$/;

/** What a search for a command begins with, in Node's images. */
const IMAGE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Paths that commands may name, because they mean the same in an image and here. */
const SHARED = /^\/(dev\/|tmp(\/|$)|bin\/(ba)?sh$|usr\/bin\/env$)/;
const ABSOLUTE = /(?<=^|[\s"'`=:;&|()<>])\/[\w.][^\s"'`;&|()<>]*/g;
/** They would change the machine. */
const CHANGERS =
  /(?:^|[;&|(]|\b(?:then|do|else|sudo|exec)\b)\s*(apk|apt|apt-get|dpkg|yum|dnf|microdnf|rpm|addgroup|adduser|groupadd|useradd|usermod|sudo)(?![\w-])/m;

interface Section {
  readonly from: Instruction;
  readonly image: string;
  readonly title: string;
  readonly instructions: readonly Instruction[];
}

/**
 * Builds a Dockerfile without a container: each stage is a folder, in which its commands run as processes of this
 * machine. Stages that the image does not need are left out.
 *
 * @throws UserError where it cannot be built, with the line and the instruction
 */
export function buildImage(request: BuildRequest): BuiltImage {
  return new Build(request).run();
}

class Build {
  private readonly globals = new Map<string, string>();
  private readonly sections: readonly Section[];
  private readonly stages = new Map<Section, Stage>();
  private readonly ignore?: Ignore;

  constructor(readonly request: BuildRequest) {
    this.sections = this.divide(parseDockerfile(readDockerfile(request)));
    this.ignore = readIgnore(request.context, request.dockerfile);
  }

  run(): BuiltImage {
    const { target, labels } = this.request;
    const section = target === undefined ? this.sections.at(-1) : this.find(target);
    if (!section)
      throw new UserError(
        `There is no stage ${target} to build: the Dockerfile has ${this.sections.map(({ title }) => title).join(", ")}.`,
      );
    const stage = this.build(section);
    for (const [name, value] of labels) stage.labels.set(name, value);
    return { root: stage.root, config: stage.config() };
  }

  get platformValues(): Values {
    const [os = "", arch = "", variant = ""] = this.request.platform.split("/");
    const parts = { "": this.request.platform, OS: os, ARCH: arch, VARIANT: variant };
    return new Map(
      Object.entries(parts).flatMap(([part, value]) =>
        ["BUILD", "TARGET"].map((side): [string, string] => [`${side}${part || "PLATFORM"}`, value]),
      ),
    );
  }

  /** What COPY takes from: a stage that comes before, or the context. */
  source(from: string | undefined, instruction: Instruction, asking: Section): CopySource {
    if (from === undefined)
      return { folder: this.request.context, title: "the build's context", ignore: this.ignore };
    const section = this.find(from);
    if (!section || this.sections.indexOf(section) >= this.sections.indexOf(asking))
      throw failure(
        instruction.line,
        instruction.name,
        `takes from ${from}, which is no stage before it. Local AWS copies from stages alone, not from other images.`,
      );
    return { folder: this.build(section).root, title: `the stage ${section.title}` };
  }

  /** What an ARG that a stage asks for is. */
  argument(name: string): string | undefined {
    return this.request.buildArguments.get(name) ?? this.globals.get(name) ?? this.platformValues.get(name);
  }

  private find(nameOrNumber: string): Section | undefined {
    const named = this.sections.findLast(({ title }) => title.toLowerCase() === nameOrNumber.toLowerCase());
    return named ?? (/^\d+$/.test(nameOrNumber) ? this.sections[Number(nameOrNumber)] : undefined);
  }

  /** Parts the instructions into stages. */
  private divide(instructions: readonly Instruction[]): Section[] {
    const sections: (Section & { instructions: Instruction[] })[] = [];
    for (const instruction of instructions) {
      const { name, line, text, flags } = instruction;
      const values = new Map([...this.platformValues, ...this.globals]);
      if (name === "FROM") {
        const [, image = "", title = String(sections.length)] = /^(\S+)(?:\s+as\s+(\S+))?$/i.exec(text) ?? [];
        if (!image) throw failure(line, name, `is to be read as "FROM image AS name", and says ${text}.`);
        checkFlags(instruction, ["platform"]);
        const platform = expand(flags.get("platform") ?? this.request.platform, values, instruction);
        if (platform !== this.request.platform)
          this.request.print(`Line ${line}: --platform=${platform} changes nothing in Local AWS.`);
        sections.push({
          from: instruction,
          image: expand(image, values, instruction),
          title,
          instructions: [],
        });
      } else if (sections.length) sections.at(-1)?.instructions.push(instruction);
      else if (name === "ARG") {
        for (const [key, value] of argumentsIn(instruction, values)) {
          const given = this.request.buildArguments.get(key) ?? value;
          if (given !== undefined) this.globals.set(key, given);
        }
      } else throw failure(line, name, "stands before the first FROM, where only ARG may.");
    }
    if (!sections.length)
      throw new UserError(`${this.request.dockerfile} has no FROM: it names no base image.`);
    return sections;
  }

  private build(section: Section): Stage {
    const built = this.stages.get(section);
    if (built) return built;
    const base = this.sections.find(
      (one) =>
        one.title.toLowerCase() === section.image.toLowerCase() &&
        this.sections.indexOf(one) < this.sections.indexOf(section),
    );
    const { line, name } = section.from;
    if (!base && !NODE_IMAGE.test(section.image))
      throw failure(
        line,
        name,
        `names ${section.image}. Local AWS has no images but Node's own (public.ecr.aws/docker/library/node:22-alpine), for which it takes the Node of this machine.`,
      );
    const stage = new Stage(this, section, base && this.build(base));
    this.stages.set(section, stage);
    stage.run();
    return stage;
  }
}

/** One stage: its folder, and what is known of the image so far. */
class Stage {
  readonly root: string;
  readonly labels: Map<string, string>;
  private readonly environment: Map<string, string>;
  private readonly args = new Map<string, string>();
  /** Of all that was done to the folder, in order. */
  private sum: string;
  private readonly ports: Set<string>;
  private workingDirectory = "/";
  private shell: readonly string[] = ["/bin/sh", "-c"];
  private entrypoint?: readonly string[];
  private command?: readonly string[] = ["node"];
  /** Whether the command is of this stage, and not of what it is based on. */
  private ownCommand = false;
  private user?: string;
  private stopSignal?: string;

  constructor(
    private readonly build: Build,
    private readonly section: Section,
    base: Stage | undefined,
  ) {
    this.root = mkdtempSync(join(build.request.scratch, "stage-"));
    this.environment = new Map(base?.environment ?? [["PATH", IMAGE_PATH]]);
    this.labels = new Map(base?.labels);
    this.ports = new Set(base?.ports);
    this.sum = base?.sum ?? sumOf(section.image);
    if (!base) {
      for (const folder of ["home/node", "tmp"]) mkdirSync(join(this.root, folder), { recursive: true });
      return;
    }
    const { workingDirectory, shell, entrypoint, command, user, stopSignal } = base;
    Object.assign(this, { workingDirectory, shell, entrypoint, command, user, stopSignal });
    cpSync(base.root, this.root, {
      recursive: true,
      verbatimSymlinks: true,
      mode: constants.COPYFILE_FICLONE,
    });
  }

  run(): void {
    for (const instruction of this.section.instructions) {
      const { name, text, line, flags } = instruction;
      const words = [name, ...[...flags].map(([flag, value]) => `--${flag}=${value}`), text];
      this.build.request.print(`[${this.section.title}] ${words.join(" ")}`);
      try {
        this.apply(instruction);
      } catch (error) {
        // What files tell of does not know where it is asked for.
        if (!(error instanceof UserError) || error.message.startsWith("Dockerfile, line")) throw error;
        throw failure(line, name, error.message);
      }
    }
  }

  config(): ImageConfig {
    return {
      Env: [...this.environment].map(([name, value]) => `${name}=${value}`),
      Entrypoint: this.entrypoint,
      Cmd: this.command,
      WorkingDir: this.workingDirectory,
      User: this.user,
      ExposedPorts: this.ports.size
        ? Object.fromEntries([...this.ports].map((port) => [port, {}]))
        : undefined,
      StopSignal: this.stopSignal,
      Labels: this.labels.size ? Object.fromEntries(this.labels) : undefined,
    };
  }

  private apply(instruction: Instruction): void {
    const { name, text } = instruction;
    const values = new Map([...this.args, ...this.environment]);
    const one = () => expand(text, values, instruction);
    switch (name) {
      case "ADD":
      case "COPY":
        this.copy(instruction, values);
        return;
      case "ARG": {
        for (const [key, value] of argumentsIn(instruction, values)) {
          const given = this.build.argument(key) ?? value;
          if (given !== undefined) this.args.set(key, given);
        }
        return;
      }
      case "CMD":
        this.command = this.commandIn(text);
        this.ownCommand = true;
        return;
      case "ENTRYPOINT":
        this.entrypoint = this.commandIn(text);
        if (!this.ownCommand) this.command = undefined;
        return;
      case "ENV":
        for (const [key, value] of pairsIn(instruction, values)) this.environment.set(key, value);
        return;
      case "EXPOSE":
        for (const port of wordsIn(text)) {
          const expanded = expand(port, values, instruction);
          this.ports.add(expanded.includes("/") ? expanded : `${expanded}/tcp`);
        }
        return;
      case "LABEL":
        for (const [key, value] of pairsIn(instruction, values)) this.labels.set(key, value);
        return;
      case "RUN":
        this.runCommand(instruction);
        return;
      case "SHELL": {
        const shell = listIn(text);
        if (!shell?.length) throw new UserError('wants a list in JSON, as SHELL ["/bin/bash", "-c"].');
        this.shell = shell;
        return;
      }
      case "STOPSIGNAL":
        this.stopSignal = one();
        return;
      case "USER":
        this.user = one();
        return;
      case "VOLUME":
        for (const folder of listIn(text) ?? wordsIn(text))
          this.makeFolder(expand(folder, values, instruction));
        return;
      case "WORKDIR":
        this.workingDirectory = this.makeFolder(one());
        return;
      // HEALTHCHECK and MAINTAINER: ECS looks at neither.
    }
  }

  private makeFolder(given: string): string {
    const path = pathInImage(this.workingDirectory, given).replace(/(?<=.)\/$/, "");
    mkdirSync(inside(this.root, path), { recursive: true });
    this.sum = sumOf(this.sum, "folder", path);
    return path;
  }

  private commandIn(text: string): string[] | undefined {
    const list = listIn(text);
    if (list) return list.length ? list : undefined;
    return text ? [...this.shell, text] : undefined;
  }

  private copy(instruction: Instruction, values: Values): void {
    const { name, text, flags } = instruction;
    checkFlags(
      instruction,
      name === "COPY" ? ["from", "chown", "chmod", "link"] : ["chown", "chmod", "link"],
    );
    const words = (listIn(text) ?? wordsIn(text)).map((word) => expand(word, values, instruction));
    const destination = words.pop() ?? "";
    if (!words.length) throw new UserError("wants a source and a destination.");
    const foreign =
      name === "ADD" && words.find((word) => /^[\w+.-]+:\/\/|^git@|\.(tar(\.\w+)?|tgz)$/.test(word));
    if (foreign)
      throw new UserError(
        `would fetch or unpack ${foreign}, which Local AWS does not. Do it in the build before, and COPY the files.`,
      );
    const from = flags.get("from");
    const source = this.build.source(from && expand(from, values, instruction), instruction, this.section);
    const copy: Copy = {
      sources: words,
      destination: pathInImage(this.workingDirectory, destination),
      mode: modeIn(flags.get("chmod")),
    };
    const copied: unknown[] = [];
    copyInto(this.root, source, copy, (...entry) => copied.push(entry));
    this.sum = sumOf(this.sum, "copy", copied);
  }

  private runCommand(instruction: Instruction): void {
    const { text, line, name, flags } = instruction;
    checkFlags(instruction, ["mount", "network", "security"]);
    if (flags.has("mount") && !/^type=(cache|tmpfs)\b/.test(flags.get("mount") ?? ""))
      throw new UserError(
        "has a --mount of a kind that Local AWS does not know: it takes cache and tmpfs, and mounts neither.",
      );
    const list = listIn(text);
    const [program = "", ...args] = list ?? [...this.shell, text];
    refuseMachine(list?.join(" ") ?? text);
    const variables = Object.fromEntries([...this.args, ...this.environment]);
    this.sum = sumOf(this.sum, "run", program, args, this.workingDirectory, Object.entries(variables).sort());
    const { layers, print } = this.build.request;
    if (layers?.take(this.sum, this.root)) {
      print("Not run again: it was in a build before, and found the same.");
      return;
    }
    const begun = performance.now();
    const { status, signal, error } = spawnSync(
      mapped(this.root, program),
      args.map((arg) => (list ? mapped(this.root, arg) : arg)),
      {
        cwd: inside(this.root, this.workingDirectory),
        env: commandEnvironment(this.root, variables, this.build.request.environment),
        stdio: ["ignore", "inherit", "inherit"],
      },
    );
    if (error) throw failure(line, name, `could not start: ${error.message}`);
    if (status !== 0)
      throw failure(line, name, `ended with ${signal ?? `exit code ${status}`}, and says why above: ${text}`);
    if (layers && performance.now() - begun >= layers.leastMilliseconds) layers.keep(this.sum, this.root);
  }
}

function readDockerfile({ dockerfile }: BuildRequest): string {
  if (!existsSync(dockerfile)) throw new UserError(`There is no Dockerfile ${resolve(dockerfile)}.`);
  return readFileSync(dockerfile, "utf8");
}

function argumentsIn(instruction: Instruction, values: Values): [string, string | undefined][] {
  return wordsIn(instruction.text).map((word) => {
    const [, key = "", given] = /^(\w+)(?:=([\s\S]*))?$/.exec(word) ?? [];
    if (!key) throw failure(instruction.line, instruction.name, `wants NAME or NAME=value, not ${word}.`);
    return [key, given === undefined ? undefined : expand(given, values, instruction)];
  });
}

function checkFlags({ line, name, flags }: Instruction, known: readonly string[]): void {
  const unknown = [...flags.keys()].find((flag) => !known.includes(flag));
  if (unknown)
    throw failure(
      line,
      name,
      `has --${unknown}, which Local AWS does not know. It knows ${known.map((flag) => `--${flag}`).join(", ")}.`,
    );
}

function modeIn(given: string | undefined): number | undefined {
  if (given === undefined) return undefined;
  if (!/^[0-7]{3,4}$/.test(given))
    throw new UserError(`has --chmod=${given}: Local AWS knows permissions as digits, such as 755.`);
  return Number.parseInt(given, 8);
}

/** A command is not kept in the image, so what it says of other places must not be done to the machine. */
function refuseMachine(text: string): void {
  const [, changer] = CHANGERS.exec(text) ?? [];
  if (changer)
    throw new UserError(
      `calls ${changer}, which would change this machine: in Local AWS commands run without a container. Choose a base image that has what you need, or build this one on AWS.`,
    );
  const path = text.match(ABSOLUTE)?.find((one) => !SHARED.test(one));
  if (path)
    throw new UserError(
      `names ${path}, which would be this machine's: in Local AWS commands run without a container. Name it relative to WORKDIR.`,
    );
}
