import type { NewsChoice, Settings } from "../settings";

/**
 * What of the runs' topic somebody gets who chose, as SNS's filter policies write it. Alarms have neither a kind nor a
 * pipeline: they come to those who hear of failures.
 */
export function notificationFilter({ events, pipelines }: NewsChoice): object {
  const orNone = { exists: false };
  return {
    ...(events && { kind: [...events, ...(events.includes("failure") ? [orNone] : [])] }),
    ...(pipelines && { pipeline: [...pipelines, orNone] }),
  };
}

/** Who hears of the alarms of an environment: those who hear of failures of a pipeline that deploys it. */
export function alarmedOf({ notifications, pipelines }: Settings, environment: string): string[] {
  const { emails, subscribers } = notifications;
  const deploys = (name: string) => pipelines[name]?.deploy.flat().includes(environment);
  const chosen = Object.entries(subscribers).filter(
    ([, one]) => (one.events ?? ["failure"]).includes("failure") && (one.pipelines?.some(deploys) ?? true),
  );
  return [...emails, ...chosen.map(([email]) => email)];
}
