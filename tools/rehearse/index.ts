import { writeFileSync } from "node:fs";
import { Listr, ListrLogger, ProcessOutput } from "listr2";
import { Interruption, listrOptions } from "../demo/terminal";
import { runCommand, UserError } from "../project";
import { readOptions } from "./options";
import { Rehearsal } from "./rehearsal";
import type { RehearsalRecord } from "./report";
import type { Screen } from "./show";

/** @param toStderr whether the standard output is for the record alone */
function screenOf(toStderr: boolean): Screen {
  const stream = toStderr ? process.stderr : process.stdout;
  const logger = new ListrLogger({ processOutput: new ProcessOutput(process.stderr, process.stderr) });
  return {
    isTerminal: Boolean(process.stdin.isTTY && stream.isTTY),
    listr: {
      ...listrOptions(toStderr ? logger : undefined),
      fallbackRendererCondition: () => !stream.isTTY,
    },
    print: (text) => stream.write(`${text}\n`),
    async ask(message) {
      const { confirm } = await import("@inquirer/prompts");
      return confirm({ message, default: false }, { output: stream }).catch((error: Error) => {
        if (error.name !== "ExitPromptError") throw error;
        // While it asks, it takes Ctrl-C for itself.
        process.emit("SIGINT");
        return undefined;
      });
    },
  };
}

/** `npm run rehearse`: runs a whole pipeline on this machine, on Local AWS, with what lies here as the commit. */
runCommand(async () => {
  const options = readOptions(process.argv.slice(2));
  const { json, keep, watch } = options;
  if (process.platform === "win32")
    throw new UserError("A rehearsal runs builds, and those need /bin/sh: on Windows, run it within WSL.");
  const screen = screenOf(json === "-");
  const rehearsal = new Rehearsal(options, screen);
  const interruption = new Interruption();
  let isReady = false;

  const write = (record: RehearsalRecord) => {
    if (json === undefined) return;
    // In a stream of records, each is a line.
    const text = `${JSON.stringify(record, null, watch && json === "-" ? undefined : 2)}\n`;
    if (json === "-") process.stdout.write(text);
    else writeFileSync(json, text);
  };
  const prepare = async () => {
    isReady = false;
    const tasks = new Listr(interruption.guard(rehearsal.preparation()), screen.listr);
    await interruption.orDone(tasks.run()).catch((error: Error) => {
      throw new UserError(error.message);
    });
    isReady = true;
  };
  const run = async () => {
    const record = await interruption.orDone(rehearsal.run());
    screen.print(`\n${rehearsal.report(record)}`);
    write(record);
    return record.succeeded;
  };
  /** One that fails is told, and the next one may do better. */
  const runAgain = async () => {
    try {
      await prepare();
      return await run();
    } catch (error) {
      if (!(error instanceof UserError) || interruption.hasCome) throw error;
      screen.print(error.message);
      write(rehearsal.failure(error.message));
      return false;
    }
  };

  try {
    await prepare();
    let succeeded = await run();
    if (keep || watch)
      screen.print(
        `\nLocal AWS runs until Ctrl-C, and forgets everything then. To look around, in another terminal:\n\n${rehearsal.exports}`,
      );
    while (watch && !interruption.hasCome) {
      screen.print("\nWaits for the next change of the working tree. Ctrl-C ends it.\n");
      await Promise.race([rehearsal.change(), interruption.done]);
      if (!interruption.hasCome) succeeded = await runAgain();
    }
    if (keep) await interruption.done;
    return succeeded ? 0 : 1;
  } finally {
    // Where deploying failed, the error names the log.
    await rehearsal.end(!isReady && !interruption.hasCome);
  }
});
