import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { projectRoot } from "../../project";
import { machineEnvironment } from "../builds/environment";
import { BuildProcesses } from "../builds/processes";
import { unpackZip } from "../builds/zip";
import type { PrivateNetwork } from "../containers/network";
import { FunctionLog, type FunctionLogProps, type Report } from "./log";
import { RUNTIME } from "./runtime";

/** What of a function's configuration its environments need; moto keeps it. */
export interface Configuration {
  readonly name: string;
  /** `$LATEST` or a number. */
  readonly version: string;
  readonly handler: string;
  readonly runtime: string;
  /** ARN. */
  readonly role: string;
  readonly timeoutSeconds: number;
  /** MiB. */
  readonly memory: number;
  readonly variables: Readonly<Record<string, string>>;
  readonly logFormat: FunctionLogProps["format"];
  /** The least that is logged, where the format is JSON. */
  readonly logLevel: string;
  readonly logGroup: string;
  readonly deadLetterArn?: string;
  /** Whether it has a network of its own. */
  readonly inVpc: boolean;
  /** Of the archive, in base64. */
  readonly codeSha256: string;
}

export interface EnvironmentProps {
  readonly configuration: Configuration;
  /** The code, as a ZIP. */
  readonly archive: Uint8Array;
  /** What functions of a VPC reach. @default - no more than others */
  readonly network?: PrivateNetwork;
  /** Takes on the function's role: the variables by which every AWS client becomes it. */
  connect(): Promise<Readonly<Record<string, string>>>;
  /** Opens a stream of the log group, with the role's variables. */
  openLog(role: Readonly<Record<string, string>>, stream: string): FunctionLogProps["sink"];
}

export interface Invocation {
  readonly id: string;
  /** JSON. */
  readonly event: string;
  /** As the caller named the function. */
  readonly arn: string;
  readonly clientContext?: unknown;
}

export interface Outcome {
  /** JSON: the answer, or the error. */
  readonly payload: string;
  readonly failed: boolean;
  /** How long the handler ran, without what came before it. */
  readonly milliseconds: number;
  /** The end of what was logged. */
  readonly tail: Buffer;
}

/** How long loading the code may take more than an invocation, in milliseconds. */
const INIT_MILLISECONDS = 10_000;
/** How long the end of the output may take to come after the answer, in milliseconds. */
const OUTPUT_MILLISECONDS = 1000;
/** The longest answer, in bytes. */
const LONGEST_ANSWER = 6_291_556;

type Message =
  | { readonly kind: "ready" }
  | { readonly kind: "failed"; readonly payload: string }
  | {
      readonly kind: "result";
      readonly id: string;
      readonly failed: boolean;
      readonly payload: string;
      readonly memory: number;
      /** Whether the process ends with it. */
      readonly last: boolean;
    }
  | { readonly kind: "exit"; readonly code: number };

type Finished = Pick<Outcome, "payload" | "failed"> & Pick<Report, "status" | "memoryUsed" | "failure">;

/**
 * One environment of a function: a process of this machine, with a folder of its own, that runs one invocation after
 * the other. Nothing of it survives `end`, nor our own end.
 */
export class Environment {
  /** Whether it can take another invocation. */
  usable = true;
  private readonly processes = new BuildProcesses();
  private readonly mark = `slipway-${randomUUID()}`;
  private readonly server = createServer((socket) => this.take(socket));
  private readonly stream: string;
  private log!: FunctionLog;
  private socket?: Socket;
  /** Fulfilled when all has come that its process had to say. */
  private silent?: Promise<void>;
  private starting?: Promise<Finished | undefined>;
  private ending?: Promise<void>;
  /** Came, and nobody has asked for it yet. */
  private readonly messages: Message[] = [];
  private onMessage?: () => void;
  private line = "";
  private onMark?: () => void;

  constructor(private readonly props: EnvironmentProps) {
    const day = new Date().toISOString().slice(0, 10).replaceAll("-", "/");
    this.stream = `${day}/[${props.configuration.version}]${randomUUID().replaceAll("-", "")}`;
  }

  /** Runs the handler. The environment is busy until then. */
  async invoke(invocation: Invocation): Promise<Outcome> {
    const { version, memory } = this.props.configuration;
    let initMilliseconds: number | undefined;
    if (!this.starting) {
      const from = performance.now();
      this.starting = this.start();
      await this.starting.catch((error) => {
        this.usable = false;
        throw error;
      });
      initMilliseconds = performance.now() - from;
    }
    this.log.start(invocation.id, version);
    const from = performance.now();
    const { payload, failed, ...finished } = (await this.starting) ?? (await this.execute(invocation));
    const milliseconds = performance.now() - from;
    this.endLine();
    this.log.end(invocation.id, { ...finished, milliseconds, initMilliseconds, memory });
    void this.log.flush();
    return { payload, failed, milliseconds, tail: this.log.takeTail() };
  }

  /** Kills what runs, and passes on what it has logged. */
  end(): Promise<void> {
    this.usable = false;
    this.ending ??= (async () => {
      await this.processes.end();
      // It may just have been writing into the folder.
      await this.starting?.catch(() => {});
      await this.processes.end();
      this.props.network?.leave(join(this.processes.folder, "network"));
      this.socket?.destroy();
      this.server.close();
      await this.log?.flush();
    })();
    return this.ending;
  }

  /** @returns what became of it where the code cannot be loaded */
  private async start(): Promise<Finished | undefined> {
    const { configuration, connect, openLog } = this.props;
    const { folder } = this.processes;
    const { GITHUB_API_URL = "", ...role } = await connect();
    this.log = new FunctionLog({ format: configuration.logFormat, sink: openLog(role, this.stream) });
    this.log.initStart(`Node ${process.version} of this machine`);

    const task = join(folder, "task");
    await unpack(this.props.archive, folder, task);
    linkSdk(folder);
    mkdirSync(join(folder, "tmp"));
    const runtime = join(folder, "runtime.cjs");
    writeFileSync(runtime, RUNTIME);
    await once(this.server.listen(0, "127.0.0.1"), "listening");
    const { port } = this.server.address() as AddressInfo;
    const args = [process.execPath, runtime, String(port), this.mark];
    const own = this.environment(task);
    // What the function sets itself counts: it may mean GitHub, and cannot mean AWS.
    const env: Record<string, string> = { GITHUB_API_URL, ...own, ...role, TMPDIR: join(folder, "tmp") };
    if (configuration.inVpc && this.props.network) {
      const option = this.props.network.join(join(folder, "network"));
      env.NODE_OPTIONS = [env.NODE_OPTIONS, option].filter(Boolean).join(" ");
    }
    this.processes
      .run(args, { cwd: task, env }, (text) => this.print(text))
      .catch(() => 1)
      .then(async (code) => {
        // What it said last may come after the news of its end.
        await this.silent;
        this.receive({ kind: "exit", code });
      });

    const message = await this.next(INIT_MILLISECONDS + configuration.timeoutSeconds * 1000);
    if (message?.kind === "ready") return undefined;
    this.usable = false;
    if (!message) return failure("Sandbox.Timedout", "timeout", this.timeoutText());
    if (message.kind === "exit") return exited(message);
    return { payload: message.payload, failed: true, status: "error", memoryUsed: 0 };
  }

  private environment(task: string): Record<string, string> {
    const { configuration } = this.props;
    return {
      ...machineEnvironment(process.env),
      TZ: ":UTC",
      // It would tell each function's log that this machine's Node is old.
      AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true",
      ...configuration.variables,
      AWS_EXECUTION_ENV: `AWS_Lambda_${configuration.runtime}`,
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(configuration.memory),
      AWS_LAMBDA_FUNCTION_NAME: configuration.name,
      AWS_LAMBDA_FUNCTION_VERSION: configuration.version,
      AWS_LAMBDA_INITIALIZATION_TYPE: "on-demand",
      AWS_LAMBDA_LOG_FORMAT: configuration.logFormat,
      AWS_LAMBDA_LOG_GROUP_NAME: configuration.logGroup,
      AWS_LAMBDA_LOG_LEVEL: configuration.logLevel,
      AWS_LAMBDA_LOG_STREAM_NAME: this.stream,
      LAMBDA_TASK_ROOT: task,
      _HANDLER: configuration.handler,
    };
  }

  private async execute(invocation: Invocation): Promise<Finished> {
    const limit = this.props.configuration.timeoutSeconds * 1000;
    const marked = new Promise<void>((resolve) => {
      this.onMark = resolve;
    });
    this.socket?.write(`${JSON.stringify({ ...invocation, deadline: Date.now() + limit })}\n`);
    const message = await this.next(limit);
    if (message?.kind !== "result") {
      this.usable = false;
      if (message?.kind === "exit") return exited(message, invocation.id);
      void this.end();
      return failure("Sandbox.Timedout", "timeout", this.timeoutText(), invocation.id);
    }
    await within(marked, OUTPUT_MILLISECONDS);
    const { payload, failed, memory: memoryUsed } = message;
    if (message.last) this.usable = false;
    if (Buffer.byteLength(payload) > LONGEST_ANSWER) {
      const reason = `Response payload size exceeded maximum allowed payload size (${LONGEST_ANSWER} bytes).`;
      return { ...failure("Function.ResponseSizeTooLarge", "error", reason), memoryUsed };
    }
    return { payload, failed, memoryUsed, status: failed ? "error" : "success" };
  }

  private timeoutText(): string {
    return `Task timed out after ${this.props.configuration.timeoutSeconds.toFixed(2)} seconds`;
  }

  private take(socket: Socket): void {
    this.socket = socket;
    this.silent = new Promise((resolve) => socket.once("close", () => resolve()));
    let rest = "";
    socket.on("error", () => {});
    socket.setEncoding("utf8").on("data", (text: string) => {
      const end = text.lastIndexOf("\n");
      // A long answer comes in many pieces: to look through all of them at each one would take long.
      if (end < 0) {
        rest += text;
        return;
      }
      const lines = rest + text.slice(0, end);
      rest = text.slice(end + 1);
      for (const line of lines.split("\n")) this.receive(JSON.parse(line));
    });
  }

  private receive(message: Message): void {
    // Also one that ended while nothing ran in it: it is not to be given the next invocation.
    if (message.kind === "exit") this.usable = false;
    this.messages.push(message);
    this.onMessage?.();
  }

  /** @returns nothing where it takes longer */
  private async next(milliseconds: number): Promise<Message | undefined> {
    if (!this.messages.length) {
      const came = new Promise<void>((resolve) => {
        this.onMessage = resolve;
      });
      await within(came, milliseconds);
    }
    return this.messages.shift();
  }

  private print(text: string): void {
    const lines = (this.line + text).split("\n");
    this.line = lines.pop() ?? "";
    for (const line of lines) {
      if (!line.endsWith(this.mark)) this.log.print(line);
      else {
        // What was printed before it had no end of line.
        if (line !== this.mark) this.log.print(line.slice(0, -this.mark.length));
        this.onMark?.();
      }
    }
  }

  private endLine(): void {
    if (this.line) this.log.print(this.line);
    this.line = "";
  }
}

async function unpack(archive: Uint8Array, folder: string, task: string): Promise<void> {
  const zip = join(folder, "code.zip");
  writeFileSync(zip, archive);
  mkdirSync(task);
  await unpackZip(zip, task);
  rmSync(zip);
}

/** Lambda has the SDK at hand; here it is this project's, for code that does not bring its own. */
function linkSdk(folder: string): void {
  let root: string;
  try {
    root = projectRoot();
  } catch {
    return;
  }
  mkdirSync(join(folder, "node_modules"));
  for (const scope of ["@aws-sdk", "@smithy"]) {
    const packages = join(root, "node_modules", scope);
    if (existsSync(packages)) symlinkSync(packages, join(folder, "node_modules", scope), "dir");
  }
}

function exited({ code }: { readonly code: number }, id?: string): Finished {
  const reason = code
    ? `Runtime exited with error: exit status ${code}`
    : "Runtime exited without providing a reason";
  return failure("Runtime.ExitError", "failure", reason, id);
}

function failure(errorType: string, status: Report["status"], reason: string, id?: string): Finished {
  const errorMessage = id ? `RequestId: ${id} Error: ${reason}` : reason;
  const payload = JSON.stringify({ errorType, errorMessage });
  return { payload, failed: true, status, memoryUsed: 0, failure: { errorType, reason } };
}

/** Waits, but not longer. */
async function within(promise: Promise<void>, milliseconds: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  await Promise.race([promise, late]);
  clearTimeout(timer);
}
