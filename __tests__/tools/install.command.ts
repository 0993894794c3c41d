import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { execa } from "execa";
import { ROOT } from "../support/settings";

let project: string;
beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), "slipway-install-"));
  for (const folder of ["tools", "bin"]) mkdirSync(join(project, folder));
  cpSync(join(ROOT, "tools/install.mjs"), join(project, "tools/install.mjs"));
  writeFileSync(join(project, "package-lock.json"), "{}");
  npm("sleep 0.3");
});
afterEach(() => rmSync(project, { recursive: true }));

/** What `npm ci` does beside saying that it was run. */
function npm(what: string): void {
  const program = join(project, "bin/npm");
  writeFileSync(program, `#!/bin/sh\necho "$1" >> '${project}/asked'\nmkdir -p node_modules\n${what}\n`);
  chmodSync(program, 0o755);
}
const asked = () => readFileSync(join(project, "asked"), "utf8").trim().split("\n");

const start = () =>
  execa(
    process.execPath,
    [
      "--input-type=module",
      "-e",
      'import { ensureInstalled } from "./tools/install.mjs"; ensureInstalled();',
    ],
    { cwd: project, reject: false, env: { PATH: `${join(project, "bin")}${delimiter}${process.env.PATH}` } },
  );

test("two commands that begin on a fresh clone install the packages once, one after the other", async () => {
  const codes = (await Promise.all([start(), start()])).map(({ exitCode }) => exitCode);
  expect(codes).toEqual([0, 0]);
  expect(asked()).toEqual(["ci"]);
});

test("they are installed again once the lock is another", async () => {
  await start();
  await start();
  expect(asked()).toEqual(["ci"]);
  writeFileSync(join(project, "package-lock.json"), '{"other": true}');
  await start();
  expect(asked()).toEqual(["ci", "ci"]);
});

test("who was killed while installing keeps nobody else from it", async () => {
  const { stdout: pid } = await execa(process.execPath, ["-p", "process.pid"]);
  mkdirSync(join(project, ".slipway"));
  writeFileSync(join(project, ".slipway/installing"), pid);
  expect((await start()).exitCode).toBe(0);
  expect(asked()).toEqual(["ci"]);
});

test("fails with words where npm does, and the next command tries again", async () => {
  npm("exit 3");
  const { exitCode, stderr } = await start();
  expect({ exitCode, stderr }).toEqual({ exitCode: 1, stderr: expect.stringContaining("npm ci failed") });
  npm("exit 0");
  expect((await start()).exitCode).toBe(0);
  expect(asked()).toEqual(["ci", "ci"]);
});
