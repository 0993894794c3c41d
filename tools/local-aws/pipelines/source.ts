import type { ServiceRole, StoredObject } from "../builds/role";
import { ActionFailure, type ActionJob, type ActionResult } from "./execution";

/**
 * The bucket that holds what pipelines take for their repositories: `<repository>/<branch>.zip`, with the commit, its
 * message and its author as the object's metadata.
 */
export const SOURCES_BUCKET = "local-aws-sources";

export const sourceKey = (repository: string, branch: string) => `${repository}/${branch}.zip`;

/** What AWS shows in place of a token. Whoever hands it back in makes it the token. */
export const HIDDEN_TOKEN = "****";

interface Source {
  readonly repository: string;
  readonly branch: string;
}

interface Commit extends Source {
  readonly id: string;
  readonly message: string;
  readonly author: string;
  /** When it was handed in, as ISO writes it. */
  readonly date: string;
}

type Configuration = Readonly<Record<string, string>>;

/** What is different from one provider to the other. */
interface Provider {
  find(configuration: Configuration): Source;
  variables(commit: Commit, configuration: Configuration): Record<string, string>;
  /** The revision's summary. */
  summary(commit: Commit): string;
  url?(commit: Commit): string;
}

const common = ({ id, message, branch, date }: Commit) => ({
  AuthorDate: date,
  BranchName: branch,
  CommitId: id,
  CommitMessage: message,
});

const PROVIDERS: Readonly<Record<string, Provider>> = {
  GitHub: {
    find: ({ Owner, Repo, Branch = "" }) => ({ repository: `${Owner}/${Repo}`, branch: Branch }),
    variables: (commit, { Repo = "" }) => ({
      ...common(commit),
      CommitterDate: commit.date,
      CommitUrl: `https://github.com/${commit.repository}/commit/${commit.id}`,
      RepositoryName: Repo,
    }),
    summary: ({ message }) => message,
    url: ({ repository, id }) => `https://github.com/${repository}/commit/${id}`,
  },
  CodeStarSourceConnection: {
    find: ({ FullRepositoryId = "", BranchName = "" }) => ({
      repository: FullRepositoryId,
      branch: BranchName,
    }),
    variables: (commit, { ConnectionArn = "" }) => ({
      ...common(commit),
      AuthorId: commit.author,
      AuthorDisplayName: commit.author,
      ConnectionArn,
      FullRepositoryName: commit.repository,
      ProviderType: "GitHub",
    }),
    summary: ({ message }) => JSON.stringify({ ProviderType: "GitHub", CommitMessage: message }),
  },
  CodeCommit: {
    find: ({ RepositoryName = "", BranchName = "" }) => ({ repository: RepositoryName, branch: BranchName }),
    variables: (commit) => ({
      ...common(commit),
      CommitterDate: commit.date,
      RepositoryName: commit.repository,
    }),
    summary: ({ message }) => message,
  },
};

/** Whether somebody has handed in what a source's action would fetch. */
export async function isHandedIn(
  { action }: Pick<ActionJob, "action">,
  role: ServiceRole,
  signal: AbortSignal,
): Promise<boolean> {
  const source = PROVIDERS[action.actionTypeId.provider]?.find(action.configuration ?? {});
  if (!source) return false;
  return role.describeObject(SOURCES_BUCKET, sourceKey(source.repository, source.branch), signal).then(
    () => true,
    () => false,
  );
}

/**
 * Fetches what was handed in for a repository's branch, whatever host the action names.
 *
 * @throws ActionFailure where there is nothing, or not the commit that is asked for
 */
export async function fetchSource(
  job: ActionJob,
  role: ServiceRole,
  signal: AbortSignal,
): Promise<ActionResult> {
  const { configuration, action, outputs } = job;
  const { provider: name } = action.actionTypeId;
  const provider = PROVIDERS[name];
  if (!provider) throw new ActionFailure("ConfigurationError", `Local AWS does not fetch sources of ${name}`);
  if (configuration.OutputArtifactFormat === "CODEBUILD_CLONE_REF")
    throw new ActionFailure("ConfigurationError", "Local AWS has no repository that a build could clone");
  const source = provider.find(configuration);
  if (configuration.OAuthToken === HIDDEN_TOKEN) {
    throw new ActionFailure(
      "PermissionError",
      `Could not access the GitHub repository: "${source.repository}". The access token might be invalid or has been revoked. Edit the pipeline to reconnect with GitHub.`,
    );
  }
  const key = sourceKey(source.repository, source.branch);
  const place = `s3://${SOURCES_BUCKET}/${key}`;
  const stored = await role.describeObject(SOURCES_BUCKET, key, signal).catch(() => {
    throw new ActionFailure(
      "RevisionUnavailable",
      `Local AWS has no source for the branch ${source.branch} of ${source.repository}: put it, as a ZIP, at ${place}`,
    );
  });
  const commit = commitOf(source, stored);
  if (job.commit && job.commit !== commit.id) {
    throw new ActionFailure(
      "RevisionUnavailable",
      `The commit ${job.commit} is not there: the source at ${place} is commit ${commit.id}`,
    );
  }
  for (const { bucket, key: target } of outputs)
    await role.copyObject(`${SOURCES_BUCKET}/${key}`, bucket, target, signal).catch((error: Error) => {
      throw new ActionFailure(
        "PermissionError",
        `The source could not be put into s3://${bucket}/${target}: ${error.message}`,
      );
    });
  const variables = provider.variables(commit, configuration);
  return {
    variables: Object.fromEntries(Object.entries(variables).filter(([, value]) => value)),
    revision: {
      id: commit.id,
      summary: provider.summary(commit) || undefined,
      url: provider.url?.(commit),
      created: stored.modified.getTime() / 1000,
    },
  };
}

function commitOf(source: Source, { metadata, etag, modified }: StoredObject): Commit {
  return {
    ...source,
    id: metadata.commit ?? etag,
    message: readable(metadata.message),
    author: readable(metadata.author),
    date: modified.toISOString(),
  };
}

/** S3's metadata is ASCII, so what is more comes as in a URL. By hand it may be put as it is. */
function readable(value = ""): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}
