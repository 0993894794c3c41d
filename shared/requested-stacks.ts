import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** How many processes above this one the `cdktf` command may be: a shell and a runner lie between. */
const MOST_ANCESTORS = 6;

/**
 * The patterns that the `cdktf deploy` above this process was given.
 *
 * `cdktf deploy dev` refuses to run without the stacks that `dev` stands on, deployed or not, unless told to
 * ignore all order. Which stacks are asked for is known to nobody but the command itself, so it is read there.
 *
 * @returns undefined where it is another command, or cannot be told: then the order holds as it is
 */
export function requestedStacks(pid: number = process.ppid): string[] | undefined {
  for (let step = 0; step < MOST_ANCESTORS && pid > 1; step++) {
    const process = describeProcess(pid);
    if (!process) return undefined;
    const patterns = deployPatterns(process.command);
    if (patterns) return patterns;
    pid = process.parent;
  }
  return undefined;
}

/** The stacks' patterns in a command line of `cdktf deploy`; undefined where it is none. */
export function deployPatterns(command: string): string[] | undefined {
  const words = command.split(/\s+/);
  const cdktf = words.findIndex((word) => /(^|\/)cdktf(\.js)?$/.test(word));
  if (cdktf < 0 || words[cdktf + 1] !== "deploy") return undefined;
  const patterns: string[] = [];
  for (let index = cdktf + 2; index < words.length; index++) {
    const word = words[index]!;
    if (!word.startsWith("-")) patterns.push(word.replace(/^['"]|['"]$/g, ""));
    else if (TAKES_VALUE.test(word)) index++;
  }
  return patterns;
}

const TAKES_VALUE =
  /^(-a|--app|-o|--output|--outputs-file|--parallelism|--terraform-parallelism|--var|--var-file|--log-level)$/;

function describeProcess(pid: number): { parent: number; command: string } | undefined {
  try {
    return process.platform === "linux" ? readProcess(pid) : askProcess(pid);
  } catch {
    // Neither /proc nor ps here (Windows, a slim image).
    return undefined;
  }
}

/** To ask `ps` costs each synth a start of it for each process above. */
function readProcess(pid: number) {
  const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replace(/\0$/, "").replaceAll("\0", " ");
  // The name stands in brackets and may hold some itself; the state and the parent follow.
  const parent = /^.*\) \S (\d+)/s.exec(readFileSync(`/proc/${pid}/stat`, "utf8"))?.[1];
  return parent && command ? { parent: Number(parent), command } : undefined;
}

function askProcess(pid: number) {
  const line = execFileSync("ps", ["-o", "ppid=,args=", "-p", String(pid)], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  const [, parent, command] = /^\s*(\d+)\s+(.*)$/m.exec(line) ?? [];
  return parent && command ? { parent: Number(parent), command } : undefined;
}
