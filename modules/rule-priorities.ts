import { createHash } from "node:crypto";
import type { ServiceSettings } from "../settings";

/** The largest that a load balancer takes (API reference, "CreateRule"). */
const LARGEST = 50_000;
/** The longest path pattern that it takes. */
const LONGEST_PATH = 128;

/** Priorities of equally narrow rules: as many of them can be told apart. */
const PLACES = Math.floor(LARGEST / (2 * (LONGEST_PATH + 1)));

/**
 * In which order the load balancer asks the rules of services that share it: those with hosts of their own first, then
 * longer paths before shorter ones, so that `/*` gets what nobody else does. A service's place goes by itself alone, so
 * it stays when others come or go: a rule that moved would find its new place taken by one that has not moved yet.
 */
export function rulePriorities(
  services: Readonly<Record<string, Pick<ServiceSettings, "hosts" | "paths">>>,
): Record<string, number> {
  const taken = new Set<number>();
  const priorities: Record<string, number> = {};
  for (const [name, service] of Object.entries(services).sort(([a], [b]) => (a < b ? -1 : 1))) {
    const first = 1 + PLACES * narrowness(service);
    const start = createHash("sha256").update(name).digest().readUInt32BE() % PLACES;
    // Two of the same place are rare; the later name then goes on to the next.
    let place = start;
    while (taken.has(first + place)) place = (place + 1) % PLACES;
    taken.add(first + place);
    priorities[name] = first + place;
  }
  return priorities;
}

/** 0 for the narrowest rule there can be. By the widest of its paths: that one must leave the others theirs. */
function narrowness({ hosts, paths }: Pick<ServiceSettings, "hosts" | "paths">): number {
  const literal = Math.min(...paths.map((path) => path.replace(/[*?].*$/, "").length));
  return (hosts.length ? 0 : LONGEST_PATH + 1) + (LONGEST_PATH - Math.min(literal, LONGEST_PATH));
}
