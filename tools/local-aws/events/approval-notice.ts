import type { Scope } from "../aws-request";
import type { ActionRun } from "../pipelines/execution";

/**
 * What CodePipeline publishes when an approval waits: its JSON, and a text for people.
 *
 * @param expires in seconds since 1970
 */
export function approvalNotice({ region }: Scope, run: ActionRun, expires: number) {
  const { stage, action, token, configuration = {} } = run;
  const { name: pipelineName } = run.execution.props.pipeline;
  const { ExternalEntityLink = null, CustomData = null } = configuration;
  const consoleLink = `https://console.aws.amazon.com/codesuite/codepipeline/pipelines/${pipelineName}/view?region=${region}`;
  const approvalReviewLink = `${consoleLink}#/${stage}/${action.name}/approve/${token}`;
  // To the minute, as AWS writes it.
  const until = new Date(expires * 1000).toISOString().replace(/:\d\d\.\d+Z$/, "Z");
  return {
    subject: `APPROVAL NEEDED: AWS CodePipeline ${pipelineName} for action ${action.name}`,
    json: {
      region,
      consoleLink,
      approval: {
        pipelineName,
        stageName: stage,
        actionName: action.name,
        token,
        expires: until,
        externalEntityLink: ExternalEntityLink,
        approvalReviewLink,
        customData: CustomData,
      },
    },
    text: [
      "Hello,",
      "",
      "The following Approval action is waiting for your response:",
      "",
      "--Pipeline Details--",
      "",
      `Pipeline name: ${pipelineName}`,
      `Stage name: ${stage}`,
      `Action name: ${action.name}`,
      `Region: ${region}`,
      "",
      "--Approval Details--",
      "",
      `Approve or reject: ${approvalReviewLink}`,
      `Additional information: ${CustomData ?? ""}`,
      `Content to review or URL: ${ExternalEntityLink ?? ""}`,
      `Deadline: This review request will expire on ${until}`,
      "",
    ].join("\n"),
  };
}
