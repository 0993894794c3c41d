import { ask, type Caller } from "../functions/client";

/** Ranges of addresses of subnets that are there, as `10.0.1.0/24`, by id. */
export async function subnetRanges(caller: Caller, ids: readonly string[]): Promise<Map<string, string>> {
  const body = new URLSearchParams({ Action: "DescribeSubnets", Version: "2016-11-15" });
  for (const [index, id] of ids.entries()) body.set(`SubnetId.${index + 1}`, id);
  const ranges = new Map<string, string>();
  if (!ids.length) return ranges;
  const answer = await (await ask(caller, "ec2", "/", { method: "POST", body })).text();
  const items = answer.matchAll(/<subnetId>([^<]+)<[\s\S]*?<cidrBlock>([^<]+)</g);
  for (const [, id = "", range = ""] of items) ranges.set(id, range);
  return ranges;
}
