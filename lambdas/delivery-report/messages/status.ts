import { type RunReport, successorOf, verdictOf } from "../../../shared/run-report";
import { address, headline, named, reasonOf } from "./words";

/** What GitHub's statuses API takes of a commit. */
export interface CommitStatus {
  readonly state: "pending" | "success" | "failure" | "error";
  /** At most 140 characters. */
  readonly description: string;
  readonly context: string;
  readonly target_url: string | undefined;
}

const DESCRIPTION = 140;

const STATES: Readonly<Record<RunReport["status"], CommitStatus["state"]>> = {
  running: "pending",
  waiting: "pending",
  succeeded: "success",
  failed: "failure",
  stopped: "error",
  superseded: "error",
};

/**
 * A run as a status of its commit. It leads to the console and not to the run's page: a status stays where all may see it
 * who see the commit, and whoever has a page's link reads the page.
 */
export function runStatus(run: RunReport): CommitStatus {
  const said = headline(run);
  const reason = reasonOf(run);
  const whole = `${said[0]!.toUpperCase()}${said.slice(1)}${reason ? `: ${reason}` : ""}`;
  return {
    // The same commit goes on in another run, which will say how it ends.
    state: successorOf(run) ? "pending" : STATES[verdictOf(run)],
    description: whole.length <= DESCRIPTION ? whole : cut(whole),
    context: `slipway/${named(run.pipeline)}`,
    target_url: address(run.links.console),
  };
}

/** A pair of surrogates stays together. */
const cut = (text: string) => `${text.slice(0, DESCRIPTION - 1).replace(/[\uD800-\uDBFF]$/, "")}…`;
