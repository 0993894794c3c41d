import { availableParallelism, freemem } from "node:os";

/** What a Terraform and its AWS provider take together, in bytes. */
const EACH = 600 * 1024 * 1024;

/** What a machine has left. */
export interface Machine {
  readonly cores: number;
  /** In bytes. */
  readonly memory: number;
}

const thisMachine = (): Machine => ({
  cores: availableParallelism(),
  // Newer than the oldest Node that this runs on; it counts what the system would give back, and a container's limit.
  memory: process.availableMemory?.() ?? freemem(),
});

/** How many stacks are planned at once: planning computes. */
export const plansAtOnce = (machine = thisMachine()) => atMost(machine, machine.cores);

/** How many stacks are applied at once: applying waits for AWS, most of the time. */
export const appliesAtOnce = (machine = thisMachine()) => atMost(machine, 3 * machine.cores);

const atMost = ({ memory }: Machine, count: number) =>
  Math.max(1, Math.min(count, Math.floor(memory / EACH)));
