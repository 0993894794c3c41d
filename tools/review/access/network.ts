import { isIP } from "node:net";
import { get, isArray, isObject, maskOf } from "../masks";
import type { Json, JsonObject, Mask } from "../plan";

/** One thing that a security group or a network ACL lets through, or stops. */
export interface Rule {
  readonly effect: "Allow" | "Deny";
  readonly direction: "ingress" | "egress";
  /** `tcp`, `udp`, …; "-1" is all. */
  readonly protocol: string;
  /** Of ICMP, the type; 0 to 65535 is everything there as well. */
  readonly fromPort: number;
  /** Of ICMP, the code; -1 is every one. */
  readonly toPort: number;
  /** An address range, a prefix list, a security group, or itself. */
  readonly peer: string;
}

export interface RuleChange {
  readonly direction: "widens" | "narrows";
  /** The very rule that was given. */
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
const isAllPorts = ({ fromPort, toPort }: Pick<Rule, "fromPort" | "toPort">) =>
  fromPort === ALL_PORTS.fromPort && toPort === ALL_PORTS.toPort;
const DIRECTIONS = ["ingress", "egress"] as const;

/**
 * The rules that a resource holds, by its values; undefined where it is no such resource.
 *
 * @param later what of the values is known only after the apply, without what nobody configured: providers fill in
 *   a group's `ingress` and a rule's `source_security_group_id` by themselves. What may become any peer is the peer
 *   LATER; unknown ports and protocols are all of them.
 */
export function readRules(type: string, values: JsonObject, later?: Mask): readonly Rule[] | undefined {
  switch (type) {
    case "aws_security_group":
    case "aws_default_security_group":
      return DIRECTIONS.flatMap((direction) => blocks(values, later, direction, groupRules));
    case "aws_security_group_rule":
      return toward(maskOf(later, "type"), text(values, "type") === "egress", (direction) =>
        groupRules(values, later, direction),
      );
    case "aws_vpc_security_group_ingress_rule":
      return groupRules(values, later, "ingress");
    case "aws_vpc_security_group_egress_rule":
      return groupRules(values, later, "egress");
    case "aws_network_acl":
    case "aws_default_network_acl":
      return DIRECTIONS.flatMap((direction) => blocks(values, later, direction, aclRules));
    case "aws_network_acl_rule":
      return toward(maskOf(later, "egress"), values.egress === true, (direction) =>
        aclRules(values, later, direction),
      );
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

/** What a rule is about beside its peer: `tcp 443`, `icmp type 8`, `everything`. */
export function trafficOf({ protocol, fromPort, toPort }: Rule): string {
  if (protocol === "-1") return "everything";
  if (isAllPorts({ fromPort, toPort })) return protocol;
  if (isIcmp(protocol)) return `${protocol} type ${fromPort}${toPort === -1 ? "" : ` code ${toPort}`}`;
  return `${protocol} ${fromPort === toPort ? fromPort : `${fromPort}-${toPort}`}`;
}

type ReadRule = (values: JsonObject, later: Mask, direction: Rule["direction"]) => Rule[];

const text = (values: JsonObject, key: string) => {
  const value = get(values, key);
  return typeof value === "string" ? value.toLowerCase() : "";
};

/** Whether anything is marked, in whatever shape. */
const marked = (mask: Mask): boolean =>
  isArray(mask) || isObject(mask) ? Object.values(mask).some(marked) : mask !== undefined && mask !== false;

/** A rule whose direction is not known goes both ways. */
const toward = (
  later: Mask,
  isEgress: boolean,
  read: (direction: Rule["direction"]) => Rule[],
): readonly Rule[] => (marked(later) ? DIRECTIONS.flatMap(read) : read(isEgress ? "egress" : "ingress"));

/** The rules of a resource's blocks. A block of which nothing is known may become any rule. */
function blocks(values: JsonObject, later: Mask, direction: Rule["direction"], read: ReadRule): Rule[] {
  const [given, marks] = [get(values, direction), maskOf(later, direction)];
  const anything: Rule = { effect: "Allow", direction, protocol: "-1", ...ALL_PORTS, peer: LATER };
  const found = isArray(given) ? [...given] : [];
  if (!isArray(marks))
    return [
      ...found.filter(isObject).flatMap((block) => read(block, undefined, direction)),
      ...(marked(marks) ? [anything] : []),
    ];
  while (found.length < marks.length) found.push(null);
  return found.flatMap((block, index) => {
    const mark = marks[index];
    if (isObject(block) && (isObject(mark) || !marked(mark))) return read(block, mark, direction);
    return marked(mark) ? [anything] : [];
  });
}

const strings = (...values: (Json | undefined)[]): string[] =>
  values.flat().filter((value): value is string => typeof value === "string" && value !== "");

function ports(values: JsonObject, later: Mask): Pick<Rule, "protocol" | "fromPort" | "toPort"> {
  if (isLater(later, ["protocol", "ip_protocol"])) return { protocol: "-1", ...ALL_PORTS };
  const given = String(get(values, "protocol") ?? get(values, "ip_protocol") ?? LATER).toLowerCase();
  const protocol = Object.hasOwn(PROTOCOLS, given) ? PROTOCOLS[given]! : given;
  // Of ICMP a security group's ports are type and code; network ACLs have these by name.
  const [first, second] = isIcmp(protocol) ? ["icmp_type", "icmp_code"] : [];
  const from = (first && get(values, first)) ?? get(values, "from_port");
  const to = (second && get(values, second)) ?? get(values, "to_port");
  const everything = protocol === "-1" || isLater(later, PORTS) || from === -1;
  if (everything || typeof from !== "number" || typeof to !== "number") return { protocol, ...ALL_PORTS };
  return { protocol, fromPort: from, toPort: to === -1 && !isIcmp(protocol) ? 65535 : to };
}

const PORTS = ["from_port", "to_port", "icmp_type", "icmp_code"];
const isIcmp = (protocol: string) => protocol === "icmp" || protocol === "icmpv6";
const isLater = (later: Mask, keys: readonly string[]) => keys.some((key) => marked(maskOf(later, key)));

const GROUP_PEERS = [
  ...["cidr_blocks", "ipv6_cidr_blocks", "cidr_ipv4", "cidr_ipv6", "prefix_list_ids", "prefix_list_id"],
  ...["security_groups", "source_security_group_id", "referenced_security_group_id"],
];
const ACL_PEERS = ["cidr_block", "ipv6_cidr_block"];

/** Whom a rule names. One without a peer waits for one that the apply will make. */
function peersOf(values: JsonObject, later: Mask, keys: readonly string[]): ReadonlySet<string> {
  const peers = new Set(strings(...keys.map((key) => get(values, key))));
  if (values.self === true) peers.add("itself");
  if (peers.size === 0 || isLater(later, [...keys, "self"])) peers.add(LATER);
  return peers;
}

function groupRules(values: JsonObject, later: Mask, direction: Rule["direction"]): Rule[] {
  const traffic = ports(values, later);
  return [...peersOf(values, later, GROUP_PEERS)].map((peer) => ({
    effect: "Allow",
    direction,
    ...traffic,
    peer,
  }));
}

function aclRules(values: JsonObject, later: Mask, direction: Rule["direction"]): Rule[] {
  const effect = (text(values, "action") || text(values, "rule_action")) === "deny" ? "Deny" : "Allow";
  const traffic = ports(values, later);
  // A Deny whose ports are not known may turn out to stop little: it must not pass for one that stops everything.
  const stops = effect === "Allow" || !isLater(later, ["protocol", ...PORTS]);
  const peers = stops ? peersOf(values, later, ACL_PEERS) : [LATER];
  return [...peers].map((peer) => ({ effect, direction, ...traffic, peer }));
}

/** Addresses from the first to the last. */
export interface AddressRange {
  readonly version: 4 | 6;
  readonly first: bigint;
  readonly last: bigint;
}

/** An address or a CIDR range; undefined where it is neither. */
export function readRange(cidr: string): AddressRange | undefined {
  const [address = "", length, ...more] = cidr.split("/");
  const version = address.includes("%") ? 0 : isIP(address);
  if (version === 0 || more.length > 0 || (length !== undefined && !/^\d{1,3}$/.test(length)))
    return undefined;
  const width = version === 4 ? 32 : 128;
  const bits = length === undefined ? width : Number(length);
  if (bits > width) return undefined;
  const rest = BigInt(width - bits);
  const first = ((version === 4 ? address4(address) : address6(address)) >> rest) << rest;
  return { version: version === 4 ? 4 : 6, first, last: first | ((1n << rest) - 1n) };
}

const address4 = (address: string) =>
  BigInt(address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0));

function address6(address: string): bigint {
  const tail = /[^:]*\.[^:]*$/.exec(address)?.[0];
  // The last two groups may be written as an IPv4 address.
  const groups = tail
    ? address.replace(
        tail,
        `${(address4(tail) >> 16n).toString(16)}:${(address4(tail) & 65535n).toString(16)}`,
      )
    : address;
  const [start = [], end] = groups.split("::").map((half) => half.split(":").filter(Boolean));
  const zeros = end ? Array<string>(8 - start.length - end.length).fill("0") : [];
  return BigInt(`0x${[...start, ...zeros, ...(end ?? [])].map((group) => group.padStart(4, "0")).join("")}`);
}

/** Address ranges as one set: two that touch are as good as the one they make up. */
export class AddressSet {
  private readonly merged: Readonly<Record<4 | 6, AddressRange[]>> = { 4: [], 6: [] };

  constructor(ranges: Iterable<AddressRange>) {
    for (const range of [...ranges].sort((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0))) {
      const merged = this.merged[range.version];
      const previous = merged.at(-1);
      if (!previous || previous.last + 1n < range.first) merged.push(range);
      else if (previous.last < range.last) merged[merged.length - 1] = { ...previous, last: range.last };
    }
  }

  /** Whether it has all addresses of a range. */
  covers({ version, first, last }: AddressRange): boolean {
    const merged = this.merged[version];
    let [low, high] = [0, merged.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (merged[middle]!.first <= first) low = middle + 1;
      else high = middle;
    }
    const nearest = merged[low - 1];
    return nearest !== undefined && nearest.last >= last;
  }
}

const EVERYWHERE = ["0.0.0.0/0", "::/0"].map((cidr) => readRange(cidr)!);

/** Whether what `general` says of protocol and ports takes in what `special` says. */
function coversTraffic(general: Rule, special: Rule): boolean {
  if (general.protocol === "-1") return true;
  if (general.protocol !== special.protocol) return false;
  if (isAllPorts(general)) return true;
  // Type and code are no range: type 0 to code 8 does not take in type 5, code 3.
  if (isIcmp(general.protocol))
    return (
      !isAllPorts(special) &&
      general.fromPort === special.fromPort &&
      (general.toPort === -1 || general.toPort === special.toPort)
    );
  return general.fromPort <= special.fromPort && general.toPort >= special.toPort;
}

/** Peers for whom the same traffic is let through, or stopped. */
interface Opening {
  readonly traffic: Rule;
  readonly peers: ReadonlySet<string>;
  readonly addresses: AddressSet;
}

const trafficKey = ({ effect, direction, protocol, fromPort, toPort }: Rule) =>
  `${effect} ${direction} ${fromPort} ${toPort} ${protocol}`;

/** No security group has as many pairs of rules; with more, rules count as new. */
const MOST_PAIRS = 10_000_000;

/** Rules of one side of a plan, to be asked what they cover. */
class RuleTable {
  private readonly openings = new Map<string, Opening>();
  private readonly applying = new Map<string, readonly Opening[]>();
  private pairs = MOST_PAIRS;

  constructor(
    rules: readonly Rule[],
    private readonly rangeOf: (peer: string) => AddressRange | undefined,
  ) {
    const byTraffic = new Map<string, Rule[]>();
    for (const rule of rules) {
      const key = trafficKey(rule);
      const known = byTraffic.get(key);
      if (known) known.push(rule);
      else byTraffic.set(key, [rule]);
    }
    for (const [key, alike] of byTraffic)
      this.openings.set(key, {
        traffic: alike[0]!,
        peers: new Set(alike.map(({ peer }) => peer)),
        addresses: new AddressSet(alike.flatMap(({ peer }) => rangeOf(peer) ?? [])),
      });
  }

  /**
   * Whether rules of the same traffic, or of one that takes it in, cover a rule together. What is not known yet is
   * never the same; only what everybody has in any case says all that it may become.
   */
  covers(rule: Rule): boolean {
    const { peer } = rule;
    const range = this.rangeOf(peer);
    const opens = ({ traffic, peers, addresses }: Opening) =>
      peer === LATER
        ? traffic.protocol === "-1" && EVERYWHERE.every((everywhere) => addresses.covers(everywhere))
        : range
          ? addresses.covers(range)
          : peers.has(peer);
    const same = this.openings.get(trafficKey(rule));
    if (same && opens(same)) return true;
    const openings = this.applyingTo(rule);
    this.pairs -= openings.length;
    return this.pairs > 0 && openings.some(opens);
  }

  private applyingTo(rule: Rule): readonly Opening[] {
    const key = trafficKey(rule);
    let found = this.applying.get(key);
    if (!found) {
      this.pairs -= this.openings.size;
      const applies = ({ traffic }: Opening) =>
        traffic.effect === rule.effect &&
        traffic.direction === rule.direction &&
        coversTraffic(traffic, rule);
      found = this.pairs > 0 ? [...this.openings.values()].filter(applies) : [];
      this.applying.set(key, found);
    }
    return found;
  }
}

/** What changed between two sets of rules, by their meaning. */
export function compareRules(before: readonly Rule[], after: readonly Rule[]): readonly RuleChange[] {
  const ranges = new Map<string, AddressRange | undefined>();
  const rangeOf = (peer: string) => {
    if (!ranges.has(peer)) ranges.set(peer, readRange(peer));
    return ranges.get(peer);
  };
  const missing = (these: readonly Rule[], others: readonly Rule[]) => {
    if (these.length === 0) return [];
    const table = new RuleTable(others, rangeOf);
    return these.filter((rule) => !table.covers(rule));
  };
  const [come, gone] = [missing(after, before), missing(before, after)];
  const say = (rules: readonly Rule[], effect: Rule["effect"], direction: RuleChange["direction"]) =>
    rules.filter((rule) => rule.effect === effect).map((rule) => ({ direction, rule }));
  return [
    ...say(come, "Allow", "widens"),
    ...say(gone, "Deny", "widens"),
    ...say(gone, "Allow", "narrows"),
    ...say(come, "Deny", "narrows"),
  ];
}
