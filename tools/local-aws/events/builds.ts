import type { BuildPhase } from "../builds/runner";
import type { Occurrence } from "./event";

type Fields = Readonly<Record<string, unknown>>;

/**
 * As CodeBuild's user guide tells of "CodeBuild Build State Change".
 *
 * @param build as BatchGetBuilds tells of it
 */
export function buildEvent(build: Fields): Occurrence {
  const { arn, projectName, buildStatus, currentPhase } = build;
  const phases = build.phases as readonly BuildPhase[];
  const failed = phases.find(({ phaseStatus }) => phaseStatus && phaseStatus !== "SUCCEEDED");
  const ended = build.buildComplete === true;
  return {
    source: "aws.codebuild",
    detailType: "CodeBuild Build State Change",
    resources: [String(arn)],
    detail: {
      // Those that AWS documents: one that has run too long has failed.
      "build-status": buildStatus === "TIMED_OUT" ? "FAILED" : buildStatus,
      "project-name": projectName,
      "build-id": arn,
      "additional-information": {
        artifact: artifactOf(build.artifacts as Fields),
        environment: environmentOf(build.environment as Fields),
        "timeout-in-minutes": build.timeoutInMinutes,
        "build-complete": ended,
        initiator: build.initiator,
        "build-start-time": timeOf(Number(build.startTime)),
        "build-number": build.buildNumber,
        source: sourceOf(build.source as Fields),
        "source-version": build.sourceVersion,
        logs: logsOf(build.logs as Fields),
        phases: phases.map(phaseOf),
        "queued-timeout-in-minutes": build.queuedTimeoutInMinutes,
      },
      "current-phase": currentPhase,
      "current-phase-context": `[${failed ? contextsOf(failed).join(", ") : ""}]`,
      version: "1",
    },
  };
}

const artifactOf = ({ location, md5sum, sha256sum }: Fields) => ({ location, md5sum, sha256sum });

const sourceOf = ({ type, location, buildspec }: Fields) => ({ type, location, buildspec });

const environmentOf = ({ image, type, computeType, privilegedMode, environmentVariables }: Fields) => ({
  image,
  type,
  "compute-type": computeType,
  "privileged-mode": privilegedMode ?? false,
  "environment-variables": environmentVariables,
});

const logsOf = ({ groupName, streamName, deepLink }: Fields) =>
  groupName ? { "group-name": groupName, "stream-name": streamName, "deep-link": deepLink } : undefined;

const contextsOf = ({ contexts = [] }: BuildPhase) =>
  contexts.filter(({ message }) => message).map(({ statusCode, message }) => `${statusCode}: ${message}`);

const phaseOf = (phase: BuildPhase) => ({
  "phase-context": contextsOf(phase),
  "start-time": timeOf(phase.startTime),
  "end-time": phase.endTime && timeOf(phase.endTime),
  "duration-in-seconds": phase.durationInSeconds,
  "phase-type": phase.phaseType,
  "phase-status": phase.phaseStatus,
});

/** As `Sep 1, 2026 4:12:29 PM`. */
function timeOf(seconds: number): string {
  // By its parts: to have them in a language costs a hundred times as much, at each phase of each build.
  const parts = /(\d+) (\w+) (\d+) (\d+)(:\d+:\d+)/.exec(new Date(seconds * 1000).toUTCString()) ?? [];
  const [, day, month, year, hour, rest] = parts;
  return `${month} ${Number(day)}, ${year} ${Number(hour) % 12 || 12}${rest} ${Number(hour) < 12 ? "AM" : "PM"}`;
}
