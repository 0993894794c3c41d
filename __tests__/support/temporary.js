const { mkdtempSync, rmSync } = require("node:fs");
const { tmpdir } = require("node:os");
const { join } = require("node:path");

let folder;

/** Tests make folders by the thousand: all of a run are in one, which goes with it. Jest asks for it before it starts a process. */
module.exports = () => {
  // Each of the projects has it asked, and each run of a watch.
  if (folder) return;
  // Short, since paths of sockets have to be.
  folder = mkdtempSync(join(tmpdir(), "slipway-"));
  process.env.TMPDIR = folder;
  process.once("exit", () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
};
