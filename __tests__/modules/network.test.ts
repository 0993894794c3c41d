import { Key } from "../../modules/key";
import { Network, type NetworkProps } from "../../modules/network";
import type { Nat } from "../../settings";
import { only, synthesizeConstruct } from "../support/construct";
import { all } from "../support/synthesized";

function network(nat: Nat) {
  return synthesizeConstruct((scope) => {
    const props: NetworkProps = {
      prefix: "hello-dev",
      region: "eu-west-1",
      account: "222222222222",
      cidr: "10.10.0.0/16",
      nat,
      key: new Key(scope, "key", {
        alias: "alias/k",
        description: "k",
        account: "222222222222",
        region: "eu-west-1",
      }),
      logRetentionDays: 30,
      boundary: "arn:aws:iam::222222222222:policy/boundary",
    };
    new Network(scope, "network", props);
  });
}

test("no subnet hands out public addresses, and the default security group is empty", () => {
  const stack = network("single");
  expect(all(stack, "aws_subnet")).toHaveLength(4);
  for (const subnet of all(stack, "aws_subnet")) expect(subnet.map_public_ip_on_launch).toBe(false);
  expect(only(stack, "aws_default_security_group")).toMatchObject({ ingress: [], egress: [] });
});

test.each<[Nat, number, number]>([
  ["single", 1, 1],
  ["per-zone", 2, 1],
  ["none", 0, 8],
])("nat = %s makes %i gateways and %i endpoints", (nat, gateways, endpoints) => {
  const stack = network(nat);
  expect(all(stack, "aws_nat_gateway")).toHaveLength(gateways);
  expect(all(stack, "aws_vpc_endpoint")).toHaveLength(endpoints);
});

test("all traffic is logged", () => {
  expect(only(network("single"), "aws_flow_log")).toMatchObject({ traffic_type: "ALL" });
});
