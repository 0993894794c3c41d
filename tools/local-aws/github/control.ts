import { z } from "zod";
import type { AwsRequest } from "../aws-request";
import type { QuirkAnswer } from "../quirks";
import type { CodeCommit } from "../services/codecommit";
import { contentOf, type GitHub, json } from "./index";
import { type Change, Impossible, type Repository } from "./repository";

const text = z.string().min(1);
const commit = z.string().regex(/^[0-9a-f]{40}$/, "a commit's id has 40 hexadecimal digits");
const number = z.int().positive();

const host = z.object({
  provider: z.enum(["github", "codecommit"]).default("github"),
  /** Of CodeCommit; at GitHub nobody has one. */
  region: text.optional(),
  /** Of GitHub `owner/name`. */
  repository: text,
});
const doing = z.discriminatedUnion("do", [
  z.object({
    do: z.literal("push"),
    branch: text,
    commit: commit.optional(),
    message: z.string().optional(),
    author: text.optional(),
  }),
  z.object({ do: z.literal("delete"), branch: text }),
  z.object({
    do: z.literal("open"),
    branch: text,
    into: text,
    title: text.optional(),
    fork: text.optional(),
    commit: commit.optional(),
  }),
  z.object({ do: z.enum(["close", "reopen", "merge"]), number }),
  z.object({ do: z.literal("comment"), number, body: text, author: text.default("somebody") }),
  z.object({ do: z.literal("redeliver"), delivery: text }),
]);
const order = z.intersection(host, doing);
type Doing = z.output<typeof doing>;

/** Who knows the repositories, and whose those of CodeCommit are. */
export interface Hosts {
  readonly github: GitHub;
  readonly codecommit: CodeCommit;
  readonly account: string;
}

/**
 * Does what people do with a repository: its host tells of it as it would. The answer comes after all hooks have answered:
 * `{ changes: [{ branch, commit } | { number, … }], deliveries: ["<id>"] }`.
 */
export async function control(
  { github, codecommit, account }: Hosts,
  { body }: AwsRequest,
): Promise<QuirkAnswer> {
  const read = order.safeParse(contentOf(body));
  if (!read.success) return json(400, { message: z.prettifyError(read.error) });
  const { provider, region, repository, ...wanted } = read.data;
  try {
    if (provider === "codecommit") {
      if (!region) throw new Impossible("A repository of CodeCommit is in a region: name it");
      const make = (one: Repository) => changesOf(one, wanted);
      return told(codecommit.change({ account, region }, repository, make), []);
    }
    if (!/^[\w.-]+\/[\w.-]+$/.test(repository))
      throw new Impossible(`${repository} is no repository at GitHub: it is owner/name`);
    if (wanted.do === "comment")
      return told([], await github.comment(repository, wanted.number, wanted.author, wanted.body));
    if (wanted.do === "redeliver") {
      const again = await github.redeliver(wanted.delivery);
      if (!again) throw new Impossible(`There is no delivery ${wanted.delivery}, or no hook of it any more`);
      return told([], [again]);
    }
    const { changes, deliveries } = await github.change(repository, (one) => changesOf(one, wanted));
    return told(changes, deliveries);
  } catch (error) {
    if (error instanceof Impossible) return json(409, { message: error.message });
    throw error;
  }
}

/** @throws Impossible */
function changesOf(repository: Repository, wanted: Doing): Change[] {
  switch (wanted.do) {
    case "push":
      return repository.push(wanted);
    case "delete":
      return repository.delete(wanted.branch);
    case "open":
      return repository.open(wanted);
    case "close":
      return repository.close(wanted.number);
    case "reopen":
      return repository.reopen(wanted.number);
    case "merge":
      return repository.merge(wanted.number);
    case "comment":
      repository.comment(wanted.number, wanted.author, wanted.body);
      return [];
    case "redeliver":
      throw new Impossible("CodeCommit has no hooks: nothing was delivered");
  }
}

function told(changes: readonly Change[], deliveries: readonly string[]): QuirkAnswer {
  const shown = changes.map((change) =>
    change.kind === "branch"
      ? { branch: change.branch, commit: change.after ?? null }
      : {
          number: change.pull.number,
          action: change.action,
          branch: change.pull.branch,
          commit: change.pull.head,
        },
  );
  return json(200, { changes: shown, deliveries });
}
