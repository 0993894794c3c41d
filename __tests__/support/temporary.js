const { mkdirSync, rmSync } = require("node:fs");
const { tmpdir } = require("node:os");
const { join } = require("node:path");

// Short, since paths of sockets have to be.
const folder = join(tmpdir(), `slipway-${process.pid}`);

/** Tests make folders by the thousand: all of a run are in one, which goes with it. Jest asks for it before it starts a process. */
module.exports = () => {
  // Each of the projects has it asked.
  if (process.env.TMPDIR === folder) return;
  mkdirSync(folder);
  process.env.TMPDIR = folder;
  process.once("exit", () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
};
