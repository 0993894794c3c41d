/**
 * What builds without a source begin their script with, on the AWS CLI and Node alone: there are no packages before a tree
 * is fetched. It gives the script
 *
 * - `run(command, ...args)`: what a command prints; throws with what it says of its failure;
 * - `newestFirst(actions)`;
 * - `newestAction(pipeline, isWanted)`: the newest action of a pipeline that is wanted, undefined where there is none.
 */
export const ASKING_AWS = `
const { execFileSync } = require("node:child_process");

const run = (command, ...args) => {
  const options = { encoding: "utf8", maxBuffer: 1 << 29, stdio: ["ignore", "pipe", "pipe"] };
  try {
    return execFileSync(command, args, options);
  } catch (error) {
    throw new Error(String(error.stderr || error.message).trim());
  }
};

// The first version of the CLI writes seconds, the second one dates.
const at = ({ startTime }) => (typeof startTime === "number" ? startTime * 1000 : Date.parse(startTime));
const newestFirst = (actions) => actions.sort((a, b) => at(b) - at(a));

// Two thousand actions are some hundred executions: the one that is looked for may be older than all of them.
const newestAction = (pipeline, isWanted) => {
  let token;
  do {
    const page = ["--max-items", "2000", ...(token ? ["--starting-token", token] : [])];
    const found = JSON.parse(
      run("aws", "codepipeline", "list-action-executions", "--pipeline-name", pipeline, ...page, "--output", "json"),
    );
    const [newest] = newestFirst(found.actionExecutionDetails.filter(isWanted));
    if (newest) return newest;
    token = found.NextToken;
  } while (token);
};
`;
