import { Listr, type ListrTask, type ListrTaskWrapper } from "listr2";
import { visible } from "../../shared/visible";
import { listrOptions } from "../demo/terminal";
import type { News, Result } from "./deployer";
import { changesText } from "./progress";

// biome-ignore lint/suspicious/noExplicitAny: whichever renderer it is shown by
type Task = ListrTaskWrapper<object, any, any>;

type End = Extract<News, { is: "ended" | "planned" }>;

/** What is shown of one stack. */
class Line {
  /** Known once the screen has come to it. */
  task?: Task;
  private tellEnd!: (end: End) => void;
  readonly ended = new Promise<End>((resolve) => {
    this.tellEnd = resolve;
  });

  tell(news: News): void {
    if (news.is === "ended" || news.is === "planned") this.tellEnd(news);
    else if (process.stdout.isTTY) this.show(textOf(news));
    // Where each line stays, what begins need not be told, but whose it is.
    else if (news.is === "applying" && news.step === "ended") this.show(`${news.stack}: ${textOf(news)}`);
  }

  private show(text: string): void {
    if (this.task) this.task.output = text;
  }
}

/** Stacks on the screen, side by side: what each does now, and what became of it. */
export class Show {
  private lines = new Map<string, Line>();

  /** Shows some stacks while some work on them is done. */
  readonly during = async <T>(stacks: readonly string[], work: () => Promise<T>): Promise<T> => {
    this.lines = new Map(stacks.map((name) => [name, new Line()]));
    const working = work();
    const tasks: ListrTask[] = [...this.lines].map(([name, line]) => ({
      title: name,
      task: async (_, task) => {
        line.task = task;
        // Where the work ends without a word of it, it is shown no longer.
        const end = await Promise.race([line.ended, working.then(() => undefined)]);
        if (!end) return task.skip(name);
        if (end.is === "ended" ? end.result.outcome === "failed" : end.failed) throw new Error("see below");
        task.title = endText(end);
      },
    }));
    const options = { ...listrOptions(), concurrent: true, exitOnError: false };
    // Failures are told when all is done.
    const shown = new Listr(tasks, options).run().catch(() => {});
    try {
      return await working;
    } finally {
      await shown;
    }
  };

  readonly tell = (news: News): void => {
    const line = this.lines.get(news.stack);
    if (line) line.tell(news);
    else if (news.is === "ended") console.log(resultText(news.result));
  };
}

function textOf(news: Exclude<News, End>): string {
  if (news.is === "planning") return "Plans";
  return news.step === "first" ? "Applies" : visible(`${news.done} of ${news.total}: ${news.words}`);
}

const endText = (end: End): string => (end.is === "ended" ? resultText(end.result) : `${end.stack}: planned`);

/** What became of a stack, in a line. */
export function resultText({ name, outcome, changes, since }: Result): string {
  switch (outcome) {
    case "applied":
      return `${name}: ${changes ? changesText(changes) : "applied"}`;
    case "unchanged":
      return `${name}: nothing to change`;
    case "skipped":
      return `${name}: skipped, as it was applied ${since?.toISOString().slice(0, 16).replace("T", " ")} UTC`;
    case "failed":
      return `${name}: failed`;
    case "left out":
      return `${name}: left out`;
  }
}
