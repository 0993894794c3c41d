import { BlockList, isIP } from "node:net";
import { get, isArray, isObject } from "../masks";
import type { Json, JsonObject } from "../plan";

/** One thing that a security group or a network ACL lets through, or stops. */
export interface Rule {
  readonly effect: "Allow" | "Deny";
  readonly direction: "ingress" | "egress";
  /** `tcp`, `udp`, …; "-1" is all. */
  readonly protocol: string;
  readonly fromPort: number;
  readonly toPort: number;
  /** An address range, a prefix list, a security group, or itself. */
  readonly peer: string;
}

export interface RuleChange {
  readonly direction: "widens" | "narrows";
  readonly rule: Rule;
}

/** What is not known before the apply. */
export const LATER = "(known after apply)";

/** Protocols that are given by number as well. */
const PROTOCOLS: Readonly<Record<string, string>> = {
  "1": "icmp",
  "6": "tcp",
  "17": "udp",
  "58": "icmpv6",
  all: "-1",
};
const ALL_PORTS = { fromPort: 0, toPort: 65535 };

/** The rules that a resource holds, by its values; undefined where it is no such resource. */
export function readRules(type: string, values: JsonObject): readonly Rule[] | undefined {
  switch (type) {
    case "aws_security_group":
    case "aws_default_security_group":
      return (["ingress", "egress"] as const).flatMap((direction) =>
        blocks(values, direction).flatMap((block) => groupRules(block, direction)),
      );
    case "aws_security_group_rule":
      return groupRules(values, text(values, "type") === "egress" ? "egress" : "ingress");
    case "aws_vpc_security_group_ingress_rule":
      return groupRules(values, "ingress");
    case "aws_vpc_security_group_egress_rule":
      return groupRules(values, "egress");
    case "aws_network_acl":
    case "aws_default_network_acl":
      return (["ingress", "egress"] as const).flatMap((direction) =>
        blocks(values, direction).flatMap((block) => aclRules(block, direction, text(block, "action"))),
      );
    case "aws_network_acl_rule":
      return aclRules(values, values.egress === true ? "egress" : "ingress", text(values, "rule_action"));
    default:
      return undefined;
  }
}

/** What the rules are about: standalone rules of one group belong together. */
export function ruleSubject(type: string, values: JsonObject): string | undefined {
  const id =
    type === "aws_network_acl_rule" ? values.network_acl_id : (get(values, "security_group_id") ?? values.id);
  return typeof id === "string" && id ? id : undefined;
}

const text = (values: JsonObject, key: string) => {
  const value = get(values, key);
  return typeof value === "string" ? value.toLowerCase() : "";
};

const blocks = (values: JsonObject, key: string): JsonObject[] => {
  const found = get(values, key);
  return isArray(found) ? found.filter(isObject) : [];
};

const strings = (...values: (Json | undefined)[]): string[] =>
  values.flat().filter((value): value is string => typeof value === "string" && value !== "");

function ports(values: JsonObject): Pick<Rule, "protocol" | "fromPort" | "toPort"> {
  const given = String(get(values, "protocol") ?? get(values, "ip_protocol") ?? LATER).toLowerCase();
  const protocol = Object.hasOwn(PROTOCOLS, given) ? PROTOCOLS[given]! : given;
  const [from, to] = [get(values, "from_port"), get(values, "to_port")];
  if (protocol === "-1" || typeof from !== "number" || typeof to !== "number")
    return { protocol, ...ALL_PORTS };
  // Of ICMP the ports are type and code, and -1 is every one.
  return from === -1
    ? { protocol, ...ALL_PORTS }
    : { protocol, fromPort: from, toPort: to === -1 ? 65535 : to };
}

function groupRules(values: JsonObject, direction: Rule["direction"]): Rule[] {
  const peers = [
    ...strings(values.cidr_blocks, values.ipv6_cidr_blocks, values.cidr_ipv4, values.cidr_ipv6),
    ...strings(values.prefix_list_ids, values.prefix_list_id),
    ...strings(values.security_groups, values.source_security_group_id, values.referenced_security_group_id),
    ...(values.self === true ? ["itself"] : []),
  ];
  // A rule without a peer waits for one that the apply will make.
  return (peers.length ? peers : [LATER]).map((peer) => ({
    effect: "Allow",
    direction,
    ...ports(values),
    peer,
  }));
}

function aclRules(values: JsonObject, direction: Rule["direction"], action: string): Rule[] {
  const peers = strings(values.cidr_block, values.ipv6_cidr_block);
  return (peers.length ? peers : [LATER]).map((peer) => ({
    effect: action === "deny" ? "Deny" : "Allow",
    direction,
    ...ports(values),
    peer,
  }));
}

/** Whether `general` lets all through that `special` does. */
function covers(general: Rule, special: Rule): boolean {
  return (
    general.effect === special.effect &&
    general.direction === special.direction &&
    (general.protocol === "-1" || general.protocol === special.protocol) &&
    general.fromPort <= special.fromPort &&
    general.toPort >= special.toPort &&
    coversPeer(general.peer, special.peer)
  );
}

function coversPeer(general: string, special: string): boolean {
  // What is not known yet is never the same.
  if (general === LATER || special === LATER) return false;
  if (general === special) return true;
  const [wide, narrow] = [range(general), range(special)];
  if (!wide || !narrow || wide.family !== narrow.family || wide.bits > narrow.bits) return false;
  const all = new BlockList();
  all.addSubnet(wide.address, wide.bits, wide.family);
  return all.check(narrow.address, narrow.family);
}

function range(cidr: string): { address: string; bits: number; family: "ipv4" | "ipv6" } | undefined {
  const [address = "", length] = cidr.split("/");
  const version = isIP(address);
  const most = version === 4 ? 32 : 128;
  const bits = Number(length);
  if (!version || !length || !Number.isInteger(bits) || bits < 0 || bits > most) return undefined;
  return { address, bits, family: version === 4 ? "ipv4" : "ipv6" };
}

/** What changed between two sets of rules, by their meaning. */
export function compareRules(before: readonly Rule[], after: readonly Rule[]): readonly RuleChange[] {
  const missing = (these: readonly Rule[], others: readonly Rule[], effect: Rule["effect"]) =>
    these.filter((rule) => rule.effect === effect && !others.some((other) => covers(other, rule)));
  const say = (rules: readonly Rule[], direction: RuleChange["direction"]) =>
    rules.map((rule) => ({ direction, rule }));
  return [
    ...say([...missing(after, before, "Allow"), ...missing(before, after, "Deny")], "widens"),
    ...say([...missing(before, after, "Allow"), ...missing(after, before, "Deny")], "narrows"),
  ];
}
