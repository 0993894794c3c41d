import { spawnSync } from "node:child_process";
import { runCommand, UserError } from "../../tools/project";

let runs = 0;

/** A command that does what its first argument says, and tells what it finds. */
runCommand(async () => {
  const [what, ...args] = process.argv.slice(2);
  process.on("SIGTERM", () => {});
  process.once("exit", () => console.log("its end"));
  if (what === "fail") throw new UserError("It cannot be done.");
  if (what === "throw") setImmediate(() => Promise.reject(new Error("nobody waits for this")));
  if (what === "leave") process.exit(7);
  if (what === "child")
    spawnSync("/bin/sh", ["-c", "echo of a child; echo beside >&2"], { stdio: "inherit" });
  let input = "";
  for await (const chunk of process.stdin) input += chunk;
  const listeners = process.listenerCount("SIGTERM");
  const { GIVEN, HOME } = process.env;
  console.log(
    JSON.stringify({ args, cwd: process.cwd(), env: { GIVEN, HOME }, input, runs: ++runs, listeners }),
  );
  if (what === "wait") setTimeout(() => console.log("waited"), 5);
  return 3;
});
