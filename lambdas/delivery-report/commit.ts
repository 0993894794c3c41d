import type { CommitReport } from "../../shared/run-report";
import type { Execution } from "./execution";
import type { Redaction } from "./redact";
import type { Task } from "./task";

const LONGEST_MESSAGE = 200;
const LONGEST_NAME = 100;

/** A full id; what is none becomes part of no address. */
export const COMMIT_ID = /^[0-9a-f]{40}$/;

/** The id of a commit that is not known: the source's action has failed, or has not told it yet. */
export const UNKNOWN = "unknown";

/** Where a repository's pages are. */
interface Repository {
  readonly commit: (id: string) => string;
  readonly compare?: (before: string, after: string) => string;
}

/** Id of the commit that an execution is of. */
export function commitOf({ revisions, actions }: Execution): string | undefined {
  const ids = [sourceVariables(actions).CommitId, ...revisions.map(({ revisionId }) => revisionId)];
  return ids.find((id): id is string => id !== undefined && COMMIT_ID.test(id));
}

/**
 * The commit that an execution is of, by what its source's action tells.
 *
 * @param author as GitHub knows it
 * @param before the commit that last succeeded on the branch
 */
export function readCommit(
  execution: Execution,
  task: Task,
  branch: string,
  redaction: Redaction,
  author: { readonly name?: string; readonly date?: string },
  before: string | undefined,
): CommitReport {
  const variables = sourceVariables(execution.actions);
  const id = commitOf(execution) ?? UNKNOWN;
  const [revision] = execution.revisions;
  const message = redaction.line(
    variables.CommitMessage ?? messageOf(revision?.revisionSummary),
    LONGEST_MESSAGE,
  );
  const name = author.name ?? variables.AuthorDisplayName;
  const repository = id === UNKNOWN ? undefined : repositoryOf(task, variables.ProviderType);
  const when =
    momentOf(author.date) ??
    momentOf(variables.AuthorDate) ??
    momentOf(variables.CommitterDate) ??
    momentOf(revision?.created?.toISOString());
  return {
    id,
    branch: redaction.line(variables.BranchName ?? branch, LONGEST_NAME),
    message,
    ...(name?.trim() && { author: redaction.line(name, LONGEST_NAME) }),
    ...(when && { when }),
    ...(repository && { url: repository.commit(id) }),
    ...(repository?.compare &&
      before &&
      before !== id &&
      COMMIT_ID.test(before) && { compareUrl: repository.compare(before, id) }),
  };
}

const sourceVariables = (actions: Execution["actions"]): Readonly<Record<string, string>> =>
  actions.find(({ variables }) => variables.CommitId !== undefined)?.variables ?? {};

/** A connection tells the message in JSON, the others as it is. */
function messageOf(summary = ""): string {
  try {
    const { CommitMessage } = JSON.parse(summary) as { CommitMessage?: unknown };
    return typeof CommitMessage === "string" ? CommitMessage : summary;
  } catch {
    return summary;
  }
}

/** A moment in ISO's form, or as Git has it: seconds since 1970, and a zone. */
function momentOf(text: string | undefined): string | undefined {
  const [, seconds] = /^(\d{9,11})(?: [+-]\d{4})?$/.exec(text ?? "") ?? [];
  const date = new Date(seconds ? Number(seconds) * 1000 : (text ?? ""));
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString();
}

function repositoryOf({ provider, repository, region }: Task, host?: string): Repository | undefined {
  if (provider === "codecommit") {
    const pages = `https://${region}.console.aws.amazon.com/codesuite/codecommit/repositories/${encodeURIComponent(repository)}`;
    return { commit: (id) => `${pages}/commit/${id}?region=${region}` };
  }
  if (provider === "github-token" || host === "GitHub") {
    const pages = `https://github.com/${repository}`;
    return {
      commit: (id) => `${pages}/commit/${id}`,
      compare: (before, after) => `${pages}/compare/${before}...${after}`,
    };
  }
  if (host === "Bitbucket") return { commit: (id) => `https://bitbucket.org/${repository}/commits/${id}` };
  if (host === "GitLab") return { commit: (id) => `https://gitlab.com/${repository}/-/commit/${id}` };
  // Of an installation of one's own, the address is not told.
  return undefined;
}
