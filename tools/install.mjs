// What a fresh clone needs before anything else can run: a fitting Node, and the packages of package-lock.json.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const LEAST_NODE = [20, 9];

/** Ends the process where Node is too old, or where the packages cannot be installed. */
export function ensureInstalled() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major < LEAST_NODE[0] || (major === LEAST_NODE[0] && minor < LEAST_NODE[1])) {
    console.error(
      `Node ${process.versions.node} is too old: Slipway needs ${LEAST_NODE.join(".")} or newer. Get it from https://nodejs.org.`,
    );
    process.exit(1);
  }
  const lock = createHash("sha256")
    .update(readFileSync(join(root, "package-lock.json")))
    .digest("hex");
  const mark = join(root, "node_modules/.slipway-lock");
  const isInstalled = () => existsSync(mark) && readFileSync(mark, "utf8") === lock;
  if (isInstalled()) return;
  // Of two commands that begin on a fresh clone, each would take away what the other installs.
  const turn = join(root, ".slipway/installing");
  takeTurn(turn);
  try {
    if (!isInstalled()) install(mark, lock);
  } finally {
    rmSync(turn, { force: true });
  }
}

/** Waits until nobody else who runs has the file that stands for a turn. */
function takeTurn(file) {
  mkdirSync(dirname(file), { recursive: true });
  for (;;) {
    try {
      return writeFileSync(file, `${process.pid}`, { flag: "wx" });
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
    }
    if (!hasHolder(file)) rmSync(file, { force: true });
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
  }
}

/** Whether the process that a file names still runs. */
function hasHolder(file) {
  try {
    // Not written yet, or given back meanwhile: look again.
    const pid = Number(readFileSync(file, "utf8")) || process.pid;
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code !== "ESRCH";
  }
}

function install(mark, lock) {
  console.log("Installing the packages (npm ci) ...");
  const { status } = spawnSync("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
    shell: process.platform === "win32",
  });
  if (status !== 0) {
    console.error(
      "npm ci failed: see above. Without a network, a filled npm cache helps: npm ci --prefer-offline.",
    );
    process.exit(1);
  }
  writeFileSync(mark, lock);
}

/** The report pages are tested in a Chromium. On Debian, root gets one; everybody else is told how by the test. */
export function ensureBrowser() {
  const has = (program) =>
    (process.env.PATH ?? "").split(delimiter).some((folder) => folder && existsSync(join(folder, program)));
  const isThere = process.env.CHROMIUM || ["chromium", "google-chrome", "google-chrome-stable"].some(has);
  if (isThere || process.getuid?.() !== 0 || !has("apt-get")) return;
  console.log("Installing Chromium (apt-get), in which the report pages are tested ...");
  const get = (...args) =>
    spawnSync("apt-get", ["-qq", "-o", "Dpkg::Use-Pty=0", ...args], {
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
      stdio: ["ignore", "ignore", "inherit"],
    });
  get("update");
  get("install", "--yes", "--no-install-recommends", "chromium");
}
