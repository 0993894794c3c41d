// How the secret of tokenSecretName holds the token: in the form that CodeBuild takes a source's credentials in
// (user guide, "Create and store a token in a Secrets Manager secret").

/** The secret's text for a token. */
export const tokenSecret = (token: string): string =>
  JSON.stringify({ ServerType: "GITHUB", AuthType: "PERSONAL_ACCESS_TOKEN", Token: token });

/** The token of a secret's text; a text that is no document is the token itself. */
export function tokenOf(secret: string): string {
  if (!secret.startsWith("{")) return secret.trim();
  const { Token } = JSON.parse(secret) as { Token?: unknown };
  return typeof Token === "string" ? Token : "";
}
