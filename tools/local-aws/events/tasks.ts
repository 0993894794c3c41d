import type { Occurrence } from "./event";

type Fields = Readonly<Record<string, unknown>>;

/**
 * As ECS's developer guide tells of "ECS Task State Change".
 *
 * @param task as DescribeTasks tells of it
 */
export function taskEvent(task: Fields): Occurrence {
  const { createdAt, startedAt, stoppedAt, containers, ...rest } = task;
  const times = { createdAt, startedAt, stoppedAt };
  const told = Object.entries(times).flatMap(([name, seconds]) =>
    seconds === undefined ? [] : [[name, new Date(Number(seconds) * 1000).toISOString()]],
  );
  const stopped = task.lastStatus === "STOPPED";
  return {
    source: "aws.ecs",
    detailType: "ECS Task State Change",
    resources: [String(task.taskArn)],
    detail: {
      ...rest,
      ...Object.fromEntries(told),
      containers,
      updatedAt: new Date().toISOString(),
      ...(stopped && { stopCode: stopCodeOf(String(task.stoppedReason)) }),
      version: stopped ? 2 : 1,
    },
  };
}

function stopCodeOf(reason: string): string {
  if (/^Essential container/.test(reason)) return "EssentialContainerExited";
  return /^(CannotPull|ResourceInitialization)/.test(reason)
    ? "TaskFailedToStart"
    : "ServiceSchedulerInitiated";
}
