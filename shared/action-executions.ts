/** What is read of a run of an action, as CodePipeline's ListActionExecutions tells it. */
interface Run {
  readonly stageName?: string;
  readonly actionName?: string;
  readonly startTime?: Date;
}

interface Page<T> {
  readonly actionExecutionDetails?: readonly T[];
  readonly nextToken?: string;
}

/**
 * All runs of each action of an execution, the oldest first; the actions in the order in which they began.
 *
 * @param list asks ListActionExecutions for a page
 */
export async function readActionRuns<T extends Run>(
  list: (nextToken?: string) => Promise<Page<T>>,
): Promise<[T, ...T[]][]> {
  const details: T[] = [];
  let nextToken: string | undefined;
  do {
    const page = await list(nextToken);
    details.push(...(page.actionExecutionDetails ?? []));
    nextToken = page.nextToken;
  } while (nextToken);
  // They come newest first, also those that began at the same moment.
  const oldestFirst = details.reverse().sort((a, b) => Number(a.startTime) - Number(b.startTime));
  const runs = new Map<string, [T, ...T[]]>();
  for (const detail of oldestFirst) {
    const action = `${detail.stageName}/${detail.actionName}`;
    const before = runs.get(action);
    if (before) before.push(detail);
    else runs.set(action, [detail]);
  }
  return [...runs.values()];
}
