import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { ROOT } from "./settings";
import { unitProjectIn } from "./unit-project";

jest.setTimeout(60_000);

/** A project of its own under `npm run test:watch`, with one process for its tests: they run one after the other. */
class Watch {
  readonly folder = mkdtempSync(join(tmpdir(), "slipway-watch-"));
  private readonly jest: ChildProcess;
  private printed = "";
  private heard = () => {};
  private saves = 0;

  constructor(files: Readonly<Record<string, string>>, args: readonly string[] = []) {
    for (const [name, text] of Object.entries(files)) this.write(name, text);
    this.write(".gitignore", "node_modules/\n");
    const git = (...args: string[]) => execFileSync("git", args, { cwd: this.folder });
    git("init", "--quiet");
    git("add", ".");
    git(
      "-c",
      "user.name=t",
      "-c",
      "user.email=t@example.com",
      "commit",
      "--quiet",
      "--no-verify",
      "-m",
      "All",
    );

    const project = {
      ...unitProjectIn(this.folder),
      testMatch: [join(this.folder, "__tests__/**/*.test.ts")],
    };
    const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
    const options = (scripts["test:watch"] as string)
      .replace("jest --watch --selectProjects unit", "--watch")
      .replaceAll("./__tests__", join(ROOT, "__tests__"))
      .split(" ");
    this.jest = spawn(
      process.execPath,
      [
        join(ROOT, "node_modules/jest/bin/jest.js"),
        ...options,
        ...["--config", JSON.stringify(project), "--maxWorkers=1", "--colors=false", ...args],
      ],
      {
        cwd: this.folder,
        env: { ...process.env, CI: undefined, FORCE_COLOR: undefined, NO_COLOR: "1" },
        stdio: ["ignore", "pipe", "pipe"],
      },
    );
    for (const stream of [this.jest.stdout!, this.jest.stderr!])
      stream.on("data", (chunk: Buffer) => {
        this.printed += chunk;
        this.heard();
      });
    this.jest.on("exit", () => this.heard());
  }

  private write(name: string, text: string): void {
    mkdirSync(dirname(join(this.folder, name)), { recursive: true });
    writeFileSync(join(this.folder, name), text);
  }

  /** Puts files into the installed packages. */
  install(files: Readonly<Record<string, string>>): void {
    for (const [name, text] of Object.entries(files)) this.write(join("node_modules", name), text);
  }

  /** Saves a file, long after the one before, and waits until the tests that it reaches have run. */
  async save(name: string, text: string): Promise<string> {
    this.write(name, text);
    const time = Date.now() / 1000 + 60 * ++this.saves;
    utimesSync(join(this.folder, name), time, time);
    return this.until(/^(Ran all test suites|Test run was interrupted)/m);
  }

  started = () => this.until(/^No tests found/m);

  private async until(words: RegExp): Promise<string> {
    while (!words.test(this.printed)) {
      if (this.jest.exitCode !== null) throw new Error(this.printed);
      await new Promise<void>((resolve) => {
        this.heard = resolve;
      });
    }
    const { printed } = this;
    this.printed = "";
    return printed;
  }

  async kill(): Promise<void> {
    if (this.jest.exitCode === null && this.jest.signalCode === null) {
      const ended = once(this.jest, "exit");
      this.jest.kill("SIGKILL");
      await ended;
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

const verdicts = (said: string) =>
  said.match(/^(PASS|FAIL) .*?\.test\.ts/gm)?.map((line) => line.replace(/ \S+ /, " "));

let watch: Watch;
afterEach(() => watch.kill());

test("a watch tells first what failed, then what mirrors the saved file, or else imports it most directly", async () => {
  const passes = "test('passes', () => {});";
  const large = `// ${"By itself jest begins with large files. ".repeat(100)}`;
  watch = new Watch({
    "lib/mirrored.ts": "export const a = 1;",
    "lib/other.ts": "export const a = 1;",
    "lib/between.ts": "import './mirrored'; import './other';",
    "__tests__/lib/mirrored.test.ts": `import '../../lib/between'; ${passes}`,
    "__tests__/direct.test.ts": `import '../lib/mirrored'; import '../lib/other'; ${passes}`,
    "__tests__/far.test.ts": `import '../lib/between'; ${passes} ${large}`,
  });
  await watch.started();

  expect(verdicts(await watch.save("lib/other.ts", "export const a = 2;"))?.[0]).toBe(
    "PASS __tests__/direct.test.ts",
  );
  expect(verdicts(await watch.save("lib/mirrored.ts", "export const a = 2;"))?.[0]).toBe(
    "PASS __tests__/lib/mirrored.test.ts",
  );
  await watch.save(
    "__tests__/far.test.ts",
    "import '../lib/between'; test('fails', () => { throw new Error(); });",
  );
  expect(verdicts(await watch.save("lib/mirrored.ts", "export const a = 3;"))).toEqual([
    "FAIL __tests__/far.test.ts",
    "PASS __tests__/lib/mirrored.test.ts",
    "PASS __tests__/direct.test.ts",
  ]);
});

describe("a process that runs the tests of a watch", () => {
  /** Tells which process runs it, and what that process has at hand. */
  const PROBE = `
    import { writeFileSync } from "node:fs";
    import { join } from "node:path";
    import * as own from "../own";
    const small = require("small");

    test("tells", () => {
      const told = [process.pid, own.text, ++own.state.uses, small.version, small.use()];
      writeFileSync(join(__dirname, "../node_modules/told"), JSON.stringify(told));
      expect(own.text).not.toBe("wrong");
    });`;
  const own = (text: string) => `export const text = "${text}"; export const state = { uses: 0 };`;
  const small = (version: number) =>
    `let uses = 0; module.exports = { version: ${version}, use: () => ++uses };`;
  const FILES = {
    "own.ts": own("first"),
    "__tests__/probe.test.ts": PROBE,
    "node_modules/small/index.js": small(1),
    "node_modules/.package-lock.json": "{}",
  };
  const saved = async (name: string, text: string): Promise<unknown[]> => {
    await watch.save(name, text);
    return JSON.parse(readFileSync(join(watch.folder, "node_modules/told"), "utf8"));
  };

  test("stays with its packages until others are installed, and loads the project's own modules for each run", async () => {
    watch = new Watch(FILES);
    await watch.started();
    const [pid, ...first] = await saved("own.ts", own("second"));
    expect(first).toEqual(["second", 1, 1, 1]);
    expect(await saved("own.ts", own("third"))).toEqual([pid, "third", 1, 1, 2]);
    // A module that was not there before.
    await watch.save("__tests__/probe.test.ts", PROBE.replace("../own", "../new"));
    expect(await saved("new.ts", own("new"))).toEqual([pid, "new", 1, 1, 3]);

    watch.install({ "small/index.js": small(2), ".package-lock.json": "{ }" });
    const [otherPid, ...then] = await saved("new.ts", own("newer"));
    expect(then).toEqual(["newer", 1, 2, 1]);
    expect(otherPid).not.toBe(pid);
  });

  test("is followed by another where it dies, or where a run is broken off", async () => {
    watch = new Watch(FILES, ["--bail"]);
    await watch.started();
    const [pid] = await saved("own.ts", own("second"));
    const dies = await watch.save("own.ts", `${own("third")} process.kill(process.pid, "SIGKILL");`);
    expect(dies).toMatch(/^FAIL .*probe\.test\.ts/m);
    expect(dies).toContain("signal=SIGKILL");
    const [secondPid, ...second] = await saved("own.ts", own("fourth"));
    expect(second).toEqual(["fourth", 1, 1, 1]);
    expect(secondPid).not.toBe(pid);

    expect(await watch.save("own.ts", own("wrong"))).toMatch(/^FAIL .*probe\.test\.ts/m);
    const [thirdPid, ...third] = await saved("own.ts", own("fifth"));
    expect(third).toEqual(["fifth", 1, 1, 1]);
    expect(thirdPid).not.toBe(secondPid);
  });

  test("ends with the watch, even where a test has left something open", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    try {
      const { port } = server.address() as { port: number };
      watch = new Watch({
        "own.ts": "",
        "__tests__/open.test.ts": `import "../own"; test("opens", () => { require("node:net").connect(${port}, "127.0.0.1"); });`,
      });
      await watch.started();
      const connected = once(server, "connection");
      await watch.save("own.ts", "export {};");
      const [connection] = (await connected) as [Socket];
      const closed = once(connection, "close");
      connection.on("error", () => {}).resume();
      await watch.kill();
      await closed;
    } finally {
      server.close();
    }
  });
});
