/** What happens to a resource. */
export type Kind =
  | "no-op"
  | "create"
  | "read"
  | "update"
  | "delete"
  | "replace"
  | "forget"
  | "replace-and-forget"
  | "ephemeral"
  | "unknown";

const KINDS: Readonly<Record<string, Kind>> = {
  "no-op": "no-op",
  create: "create",
  read: "read",
  update: "update",
  delete: "delete",
  "delete,create": "replace",
  "create,delete": "replace",
  forget: "forget",
  "create,forget": "replace-and-forget",
  "forget,create": "replace-and-forget",
  open: "ephemeral",
  renew: "ephemeral",
  close: "ephemeral",
};

/** The kind of a list of action words; of any that are not known, nobody knows what they do. */
export function kindOf(actions: readonly string[]): Kind {
  const key = actions.join();
  return Object.hasOwn(KINDS, key) ? KINDS[key]! : "unknown";
}

const DESTRUCTIVE: ReadonlySet<Kind> = new Set(["delete", "replace", "forget", "replace-and-forget"]);

/** Whether something is gone afterwards, or out of Terraform's sight. */
export const kindIsDestructive = (kind: Kind): boolean => DESTRUCTIVE.has(kind);
