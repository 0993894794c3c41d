/**
 * Variables that would lead a command elsewhere than to Local AWS, or to other settings than the demo's: the
 * caller's own account must not be within reach, be it by a profile, a service's own endpoint or a token.
 */
const FOREIGN =
  /^(AWS_|TF_VAR_|TF_CLI_ARGS|TF_WORKSPACE$|TF_DATA_DIR$|SLIPWAY_(APP|BOOTSTRAP_STATE|FORCE_DESTROY)$)/;

export interface DemoEnvironmentProps {
  readonly endpoint: string;
  readonly region: string;
  readonly githubToken: string;
}

/**
 * What the demo's commands get beside the caller's environment.
 *
 * @param caller the caller's environment
 * @returns undefined for what they must not get
 */
export function demoEnvironment(
  caller: Readonly<Record<string, string | undefined>>,
  { endpoint, region, githubToken }: DemoEnvironmentProps,
): Record<string, string | undefined> {
  const foreign = Object.keys(caller).filter((name) => FOREIGN.test(name));
  return {
    ...Object.fromEntries(foreign.map((name) => [name, undefined])),
    AWS_ENDPOINT_URL: endpoint,
    AWS_ACCESS_KEY_ID: "local",
    AWS_SECRET_ACCESS_KEY: "local",
    AWS_REGION: region,
    GITHUB_TOKEN: githubToken,
    // Where it keeps what would be posted.
    CHAT_WEBHOOK_URL: `${endpoint}/local-aws/chat`,
    NO_COLOR: "1",
    FORCE_COLOR: undefined,
  };
}
