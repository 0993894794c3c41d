import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { UserError } from "../project";
import type { FaultSettings } from "./faults";
import { Gateway } from "./gateway";
import type { LocalImages } from "./images/image";
import type { ReuseSettings } from "./pipelines/reuse";

export type { Mail } from "./events/mail";
export { type FaultSettings, readFaults } from "./faults";
export { handInSource, type SourceProps } from "./pipelines/hand-in";
export type { Inputs, Question, ReuseSettings } from "./pipelines/reuse";
export { SOURCES_BUCKET } from "./pipelines/source";

export interface LocalAwsProps {
  /** The account of credentials that no role was assumed with. */
  readonly account: string;
  /** Path of `moto_server`. */
  readonly motoServer: string;
  /** @default - a free one */
  readonly port?: number;
  /** Gets a line for what Local AWS could not do, and moto's last words if it ends by itself. @default - nobody */
  readonly log?: (line: string) => void;
  /**
   * How long a minute of deployments, alarms, schedules and queues takes, in milliseconds: of what waits for minutes on
   * AWS, a rehearsal need not. @default 60,000
   */
  readonly minuteMilliseconds?: number;
  /** What goes wrong on purpose. @default - nothing */
  readonly faults?: FaultSettings;
  /**
   * Whether requests are refused that the policies of the asking role do not allow. What the user's own credentials ask
   * is allowed, but a role's trust is theirs to meet, too. @default false
   */
  readonly enforceIam?: boolean;
  /** What builds of pipelines need not run again. @default - all run */
  readonly reuse?: ReuseSettings;
}

export interface LocalAws {
  /** For AWS_ENDPOINT_URL. */
  readonly endpoint: string;
  /** What its builds have pushed. */
  readonly images: LocalImages;
  /** Ends it, and the executions and builds that run. */
  stop(): Promise<void>;
}

/**
 * What a user writes for {@link LocalAwsProps.minuteMilliseconds}, in seconds.
 *
 * @throws UserError where it is not a number of seconds
 */
export function minuteMilliseconds(seconds: string): number {
  const given = Number(seconds);
  if (!/^\d+(\.\d+)?$/.test(seconds) || given < 0.1 || given > 60)
    throw new UserError(
      `--minute ${seconds} is not how long a minute of a release may take here: 0.1 to 60 seconds.`,
    );
  return given * 1000;
}

/** How long moto may take to answer for the first time, in milliseconds. */
const START_MILLISECONDS = 60_000;

/**
 * Starts Local AWS on 127.0.0.1. It keeps everything in memory, and ends with the process that started it.
 *
 * @throws UserError where the port is taken, or moto does not start
 */
export async function startLocalAws(props: LocalAwsProps): Promise<LocalAws> {
  const { account, motoServer, port = 0, log, minuteMilliseconds, enforceIam, faults, reuse } = props;
  const motoPort = await freePort();
  const { process: moto, lastWords } = await startMoto(motoServer, motoPort);
  const unexpected = () => log?.(`moto has ended:\n${lastWords()}`);
  moto.once("exit", unexpected);
  const gateway = new Gateway({ account, motoPort, log, minuteMilliseconds, enforceIam, faults, reuse });
  try {
    await gateway.listen(port);
  } catch (error) {
    moto.off("exit", unexpected);
    await endMoto(moto);
    throw new UserError(
      `Port ${port} cannot be used for Local AWS (${(error as NodeJS.ErrnoException).code}): name another, or none.`,
    );
  }
  return {
    endpoint: gateway.endpoint,
    images: gateway.images,
    async stop() {
      moto.off("exit", unexpected);
      try {
        await gateway.stop();
      } finally {
        await endMoto(moto);
      }
    },
  };
}

/**
 * Between us and moto: its standard input closes however we end, also by kill -9, and it then ends moto.
 */
const KEEPER = `
const { spawn } = require("node:child_process");
const [command, ...args] = process.argv.slice(1);
const moto = spawn(command, args, { stdio: ["ignore", "inherit", "inherit"] });
const end = () => { moto.kill(); setTimeout(() => moto.kill("SIGKILL"), 2000); };
process.stdin.resume().on("end", end).on("error", end);
process.on("SIGTERM", end).on("SIGINT", () => {});
moto.on("error", (error) => { console.error(error.message); process.exit(1); });
moto.on("exit", (code) => process.exit(code ?? 0));
`;

/** How many lines of moto's output are kept, and shown when it fails. */
const LAST_LINES = 15;

interface Moto {
  readonly process: ChildProcess;
  /** The end of what it printed. */
  lastWords(): string;
}

async function startMoto(motoServer: string, port: number): Promise<Moto> {
  // It would count for all requests, whatever account the gateway names for each.
  const { MOTO_ACCOUNT_ID: _, ...env } = process.env;
  const moto = spawn(process.execPath, ["-e", KEEPER, motoServer, "-H", "127.0.0.1", "-p", String(port)], {
    stdio: ["pipe", "pipe", "pipe"],
    env,
  });
  let output = "";
  const keep = (text: string) => {
    output = `${output}${text}`
      .split("\n")
      .slice(-LAST_LINES - 1)
      .join("\n");
  };
  for (const stream of [moto.stdout, moto.stderr])
    stream?.on("data", (chunk: Buffer) => keep(chunk.toString()));
  let ended = false;
  moto.once("error", (error) => {
    ended = true;
    keep(error.message);
  });
  moto.once("exit", () => {
    ended = true;
  });
  const lastWords = () => output.trimEnd();
  const deadline = Date.now() + START_MILLISECONDS;
  while (!ended && Date.now() < deadline) {
    const answers = await fetch(`http://127.0.0.1:${port}/moto-api/`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (answers) return { process: moto, lastWords };
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await endMoto(moto);
  throw new UserError(`moto (${motoServer}) did not start:\n${lastWords()}`);
}

async function endMoto(moto: ChildProcess): Promise<void> {
  if (moto.exitCode !== null || moto.signalCode !== null || moto.pid === undefined) return;
  moto.kill();
  await once(moto, "exit");
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, "close");
  return port;
}
