import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { join } from "node:path";

/** One run of it. */
export interface DockerRun {
  readonly args: readonly string[];
  /** What `login` read. */
  readonly stdin?: string;
  /** The configuration that it found in DOCKER_CONFIG; "" where that is not set. */
  readonly config: string;
  readonly cwd: string;
}

/**
 * A `docker` that notes how it is run. It logs in and builds as the real one does; what it pushes it posts to
 * AWS_ENDPOINT_URL/push.
 */
export class FakeDocker {
  /** For PATH. */
  readonly bin: string;

  /** @param folder of its own */
  constructor(private readonly folder: string) {
    this.bin = join(folder, "bin");
    mkdirSync(this.bin, { recursive: true });
    const program = join(folder, "docker.js");
    writeFileSync(program, `(${String(behave)})(${JSON.stringify(folder)});\n`);
    writeFileSync(join(this.bin, "docker"), answer(folder, program), { mode: 0o755 });
  }

  /** From now on there is none. */
  uninstall(): void {
    rmSync(join(this.bin, "docker"));
  }

  /** From now on, what a command says as it fails; {stdin} stands for what it read. */
  fails(command: "version" | "buildx version" | "login" | "buildx build", words: string): void {
    writeFileSync(join(this.folder, `${command}.fails`), words);
  }

  /** From now on, a build does not end. */
  hangs(): void {
    writeFileSync(join(this.folder, "hangs"), "");
  }

  /** The digest that it says it pushed, and pushes. */
  builds({ says, pushes = says }: { says: string; pushes?: string }): void {
    writeFileSync(join(this.folder, "digests"), JSON.stringify({ says, pushes }));
  }

  get runs(): DockerRun[] {
    const log = join(this.folder, "log");
    if (!existsSync(log)) return [];
    // What comes after the last line's end is still being written.
    const lines = readFileSync(log, "utf8").split("\n").slice(0, -1);
    return lines.map((line) => JSON.parse(line));
  }

  /** The runs of one command. */
  ran(...command: string[]): DockerRun[] {
    return this.runs.filter(({ args }) => command.every((word, index) => args[index] === word));
  }
}

/** Asked for its version it answers by a shell and nothing else: most of a short program of Node's is its start. */
const answer = (folder: string, program: string) => `#!/bin/sh
case "$1 $2" in version*) asked=version ;; 'buildx version') asked='buildx version' ;; esac
if [ -z "$asked" ] || [ -f '${folder}'/"$asked".fails ]; then exec '${process.execPath}' '${program}' "$@"; fi
args=
for arg; do args="$args\${args:+,}\\"$arg\\""; done
echo "{\\"args\\":[$args],\\"config\\":\\"\\",\\"cwd\\":\\"$PWD\\"}" >> '${folder}'/log
`;

/** What the program does; it stands in a file of its own, and uses nothing of this one. */
async function behave(folder: string): Promise<void> {
  const fs = require("node:fs");
  const path = require("node:path");
  const { DOCKER_CONFIG: configFolder, AWS_ENDPOINT_URL: aws } = process.env;
  const args = process.argv.slice(2);
  const command = args[0] === "buildx" ? `buildx ${args[1]}` : String(args[0]);
  const stdin = args.includes("--password-stdin") ? fs.readFileSync(0, "utf8") : undefined;
  const file = path.join(configFolder ?? folder, "config.json");
  const config = configFolder && fs.existsSync(file) ? fs.readFileSync(file, "utf8") : "";
  const run = JSON.stringify({ args, stdin, config, cwd: process.cwd() });
  fs.appendFileSync(path.join(folder, "log"), `${run}\n`);
  const failure = path.join(folder, `${command}.fails`);
  if (fs.existsSync(failure)) {
    console.error(fs.readFileSync(failure, "utf8").replace("{stdin}", stdin));
    process.exitCode = 1;
    return;
  }
  if (command === "login") {
    const auths = { [String(args.at(-1))]: { auth: Buffer.from(`AWS:${stdin}`).toString("base64") } };
    fs.writeFileSync(file, JSON.stringify({ ...JSON.parse(config), auths }));
    console.log("Login Succeeded");
  }
  if (command === "buildx build") {
    console.log("#1 DONE 0.0s");
    if (fs.existsSync(path.join(folder, "hangs")))
      await new Promise((resolve) => setTimeout(resolve, 60_000));
    const switchOf = (name: string) => args.find((one) => one.startsWith(`${name}=`))?.slice(name.length + 1);
    const { says, pushes } = JSON.parse(fs.readFileSync(path.join(folder, "digests"), "utf8"));
    const image = { tag: switchOf("--tag")?.split(":")[1], digest: pushes };
    await new Promise((resolve) => {
      // A connection that is kept for another request keeps the process alive.
      const options = { method: "POST", agent: false };
      const push = require("node:http").request(`${aws}/push`, options, (answer: IncomingMessage) =>
        answer.resume().on("end", resolve),
      );
      push.end(JSON.stringify(image));
    });
    fs.writeFileSync(switchOf("--metadata-file"), JSON.stringify({ "containerimage.digest": says }));
  }
}
