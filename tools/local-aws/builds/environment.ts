/** What a build gets of this machine's environment. Not the caller's AWS, and no token: builds have a role. */
const OURS =
  /^(PATH|HOME|TMPDIR|LANG|LC_\w+|npm_config_.+|NPM_AUDIT_REGISTRY|https?_proxy|no_proxy|NODE_EXTRA_CA_CERTS|SSL_CERT_FILE|TF_CLI_CONFIG_FILE)$/i;
/** npm takes passwords and tokens by its variables, too. */
const SECRET = /^npm_config_.*(auth|token|passw|secret|key)/i;
/** Where Local AWS listens. */
const LOCAL = "127.0.0.1,localhost";

/** The part of an environment that builds may see. */
export function machineEnvironment(
  caller: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const [name, value] of Object.entries(caller))
    if (value !== undefined && OURS.test(name) && !SECRET.test(name)) environment[name] = value;
  // Some AWS clients would ask the proxy even for this machine.
  if (Object.keys(environment).some((name) => /^https?_proxy$/i.test(name))) {
    const given = environment.NO_PROXY ?? environment.no_proxy;
    const all = given ? `${given},${LOCAL}` : LOCAL;
    Object.assign(environment, { NO_PROXY: all, no_proxy: all });
  }
  // HOME is the caller's: its profiles and keys must be out of reach all the same.
  return { ...environment, AWS_CONFIG_FILE: "/dev/null", AWS_SHARED_CREDENTIALS_FILE: "/dev/null" };
}
