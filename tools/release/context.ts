import { setTimeout as sleep } from "node:timers/promises";
import { inspect } from "node:util";
import { UserError } from "../project";
import type { Clients } from "./clients";

/** What all parts of a release share. */
export interface Context {
  readonly environment: string;
  /** The stack that makes the role. */
  readonly access: string;
  /** What people do where the environment is not deployed. */
  readonly howToDeploy: string;
  readonly region: string;
  /** What is released was made of it: 40 hexadecimal digits; none where nobody told. */
  readonly commit?: string;
  /** ARN of the role that the clients have. */
  readonly role: string;
  readonly clients: Clients;
  /** Prints a line. */
  readonly tell: (line: string) => void;
  /** Milliseconds between two questions about the same thing. */
  readonly every: number;
  /** Aborted when the command is told to end. */
  readonly interrupted: AbortSignal;
}

/**
 * Asks until there is an answer.
 *
 * @param limit.questions at most
 * @param limit.what it waits for, as in "… did not end"
 * @throws UserError where there is none, or the command is told to end
 */
export async function until<T>(
  { every, interrupted }: Context,
  limit: { readonly questions: number; readonly what: string },
  ask: () => Promise<T | undefined>,
): Promise<T> {
  for (let question = 1; ; question++) {
    if (interrupted.aborted) throw new UserError("It was interrupted before its traffic moved.");
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (question >= limit.questions)
      throw new UserError(
        `${limit.what}: waited ${Math.round((limit.questions * every) / 60_000)} minutes for it.`,
      );
    await sleep(every);
  }
}

/** What to say of an error: to people, or, where it is a fault of this program, to whoever mends that. */
export function wordsOf(error: unknown, { access, role }: Context): string {
  if (!(error instanceof Error)) return inspect(error);
  if (error.name === "UserError") return error.message;
  if (/^AccessDenied|^UnauthorizedOperation/.test(error.name))
    return `The role ${role} lacks a permission (${error.name}: ${error.message}). Deploy it as this version of the project makes it: npx cdktf deploy ${access}`;
  // Only errors of the AWS SDK's calls, and of the network, have these.
  if ("$metadata" in error || "code" in error)
    return `AWS did not do what it was asked for (${error.name}: ${error.message}).`;
  return inspect(error);
}
