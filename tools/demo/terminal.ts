import { once } from "node:events";
import { type Listr, type ListrLogger, type ListrTask, PRESET_TIMER } from "listr2";
import { UserError } from "../project";

/** Ctrl-C, or SIGTERM. It is ours: it ends what was started here, and Local AWS too. */
export class Interruption {
  /** Fulfilled when it comes. */
  readonly done: Promise<void>;
  private came = false;

  constructor() {
    this.done = once(process, "SIGINT").then(() => {
      this.came = true;
    });
    process.once("SIGTERM", () => process.emit("SIGINT"));
    // Once more changes nothing: it stops already.
    process.on("SIGINT", () => {});
  }

  get hasCome(): boolean {
    return this.came;
  }

  /**
   * Waits for some work, or until it comes.
   *
   * @throws UserError where it comes, also for what fails because of it
   */
  async orDone<T>(work: Promise<T>): Promise<T> {
    return Promise.race([
      work.catch((error: Error) => {
        throw this.came ? stopped() : error;
      }),
      this.done.then(() => {
        throw stopped();
      }),
    ]);
  }

  /** Tasks of which none begins when it has come: nobody would end what that starts. */
  guard(tasks: readonly ListrTask[]): ListrTask[] {
    return tasks.map((one) => ({
      ...one,
      task: (context, task) => {
        if (this.came) throw stopped();
        return one.task(context, task);
      },
    }));
  }
}

const stopped = () => new UserError("Stopped.");

/** How tasks are shown. */
export type ListrOptions = ConstructorParameters<typeof Listr>[1];

/** @param logger where it writes to. @default - the standard output */
export function listrOptions(logger?: ListrLogger): ListrOptions {
  const common = { timer: PRESET_TIMER, ...(logger && { logger }) };
  return {
    // Ctrl-C is ours.
    registerSignalListeners: false,
    rendererOptions: common,
    fallbackRendererOptions: common,
  };
}

/** What to export to use a Local AWS in another terminal. */
export const lookAround = (endpoint: string, region: string) => `  export AWS_ENDPOINT_URL=${endpoint}
  export AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local AWS_REGION=${region} AWS_DEFAULT_REGION=${region}`;
