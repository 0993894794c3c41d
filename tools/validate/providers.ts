import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { basename, join, sep } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { execa } from "execa";
import { userConfiguration } from "../toolchain";
import { isPacked, PROVIDER, PROVIDER_VERSION, providerMirror } from "../toolchain/mirror";
import { platformName } from "../toolchain/terraform";

/** By which a provider knows that Terraform starts it, and no person. */
const COOKIE = "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2";
/** What does not answer within it is not waited for. */
const START_MILLISECONDS = 20_000;

/** Providers that run beside Terraform, which uses them instead of starting its own. */
export interface SharedProviders {
  /** For `terraform init` and `validate`; empty where none runs. */
  readonly environment: Readonly<Record<string, string>>;
  /** Whether each that was started still runs. */
  areRunning(): boolean;
  stop(): Promise<void>;
}

/** A provider's program, by its address as Terraform writes it in full: `registry.terraform.io/hashicorp/aws`. */
export type Programs = ReadonlyMap<string, string>;

/**
 * Starts providers, once for all that Terraform would start: else it starts one for each provider block. What does not
 * start, or is to be reached by others than us, is left out.
 *
 * To validate alone. All provider blocks would share one configuration: a plan or an apply would use the role and the
 * tags of another stack, and say nothing of it.
 *
 * @param sockets folder that nobody else may enter: their sockets ask nobody who he is
 */
export async function startProviders(
  programs: Programs,
  sockets: string,
  cancelSignal?: AbortSignal,
): Promise<SharedProviders> {
  const started = await Promise.all(
    [...programs].map(([address, program]) => start(address, program, sockets, cancelSignal)),
  );
  const providers = started.filter((provider) => provider !== undefined);
  const attached = Object.fromEntries(providers.map(({ address, reattach }) => [address, reattach]));
  return {
    environment: providers.length ? { TF_REATTACH_PROVIDERS: JSON.stringify(attached) } : {},
    areRunning: () => providers.every(({ isRunning }) => isRunning()),
    async stop() {
      await Promise.all(providers.map(({ stop }) => stop()));
    },
  };
}

/**
 * The AWS provider of the mirror that Terraform would take it from, where it lies there unpacked: with it, init has
 * nothing to fetch, and need not read 700 MB to note their hash.
 */
export function mirroredPrograms(): Programs {
  const mirror = providerMirror();
  if (!mirror || userConfiguration() !== undefined || isPacked(mirror)) return new Map();
  return programsOf(PROVIDER, join(mirror, PROVIDER, PROVIDER_VERSION, String(platformName())));
}

/** The providers that `terraform init` has brought into a folder. */
export function installedPrograms(folder: string): Programs {
  const installed = join(folder, ".terraform/providers");
  if (!existsSync(installed)) return new Map();
  // The last folder, the platform's, may be a link, which is not followed.
  const paths = readdirSync(installed, { recursive: true, encoding: "utf8" });
  return new Map(
    paths.flatMap((path) => {
      const [host, namespace, type, _version, platform, ...inside] = path.split(sep);
      if (!platform || inside.length) return [];
      return [...programsOf(`${host}/${namespace}/${type}`, join(installed, path))];
    }),
  );
}

function programsOf(address: string, folder: string): Programs {
  const name = readdirSync(folder).find((file) => file.startsWith(`terraform-provider-${basename(address)}`));
  return new Map(name ? [[address, join(folder, name)]] : []);
}

async function start(address: string, program: string, sockets: string, cancelSignal?: AbortSignal) {
  const child = execa(program, [], {
    env: { TF_PLUGIN_MAGIC_COOKIE: COOKIE, TMPDIR: sockets, PLUGIN_UNIX_SOCKET_DIR: sockets },
    stdin: "ignore",
    stderr: "ignore",
    buffer: false,
    reject: false,
    cancelSignal,
  });
  const stop = async () => {
    child.kill();
    await child;
  };
  const late = new AbortController();
  const line = await Promise.race([
    once(createInterface(child.stdout), "line").then(([first]) => String(first)),
    child.then(() => ""),
    setTimeout(START_MILLISECONDS, "", { signal: late.signal }),
  ]);
  late.abort();
  // Version of the handshake, that of the protocol, where it listens, and how it talks there.
  const [, version, network, socket, protocol] = line.split("|");
  if (network !== "unix" || !socket?.startsWith(sockets) || protocol !== "grpc") {
    await stop();
    return undefined;
  }
  const reattach = {
    Protocol: protocol,
    ProtocolVersion: Number(version),
    Pid: child.pid,
    // Terraform leaves it running at its end.
    Test: true,
    Addr: { Network: network, String: socket },
  };
  return { address, reattach, stop, isRunning: () => child.exitCode === null && child.signalCode === null };
}
