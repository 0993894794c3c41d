import { createHash, randomUUID } from "node:crypto";
import { type AwsRequest, escapeXml, type Scope } from "../aws-request";
import type { Quirk, QuirkAnswer } from "../quirks";
import type { Interface, LoadBalancers } from "./load-balancers";
import { INITIAL } from "./target-pool";

/** Operations after which load balancers may have other work to do. */
const CHANGES =
  /^((Create|Modify|Delete)(LoadBalancer|Listener|Rule|TargetGroup)|SetRulePriorities|SetSubnets|(Register|Deregister)Targets)$/;

/** Shows load balancers as they are on this machine: where they listen, and how well their targets are. */
export function loadBalancers(balancers: LoadBalancers): Quirk {
  return {
    reason: "moto's load balancers listen nowhere, and their targets are always well",
    concerns: ({ service, form }) => form && (service === "elasticloadbalancing" || service === "ec2"),
    answer: (request) => (request.service === "ec2" ? interfaces(balancers, request) : undefined),
    async amend(request, answer) {
      if (request.service !== "elasticloadbalancing") return answer;
      const form = new URLSearchParams(request.body.toString());
      const action = form.get("Action") ?? "";
      if (CHANGES.test(action)) await balancers.refresh(request.scope);
      if (/^(Create|Describe)LoadBalancers?$/.test(action)) return withAddresses(balancers, request, answer);
      if (action !== "DescribeTargetHealth") return answer;
      return withHealth(balancers, form.get("TargetGroupArn") ?? "", answer);
    },
    stop: () => balancers.stop(),
  };
}

function withAddresses(balancers: LoadBalancers, { scope }: AwsRequest, answer: Buffer): Buffer {
  const amended = answer
    .toString()
    .replace(
      /<DNSName>([^<]+)<\/DNSName>/g,
      (_, name: string) => `<DNSName>${balancers.addressOf(scope, name) ?? name}</DNSName>`,
    );
  return Buffer.from(amended);
}

function withHealth(balancers: LoadBalancers, group: string, answer: Buffer): Buffer {
  const member =
    /<Id>([^<]+)<\/Id><Port>(\d+)<\/Port>((?:(?!<\/member>)[\s\S])*)<TargetHealth>[\s\S]*?<\/TargetHealth>/g;
  const amended = answer.toString().replace(member, (all, id: string, port: string, between: string) => {
    const known = balancers.target(group, id, Number(port))?.health;
    // One that is not registered is none of ours; to moto, all others are healthy at once.
    if (!known && !all.includes("<State>healthy<")) return all;
    const { state, reason, description } = known ?? INITIAL;
    const parts = [
      `<State>${state}</State>`,
      reason && `<Reason>${reason}</Reason>`,
      description && `<Description>${escapeXml(description)}</Description>`,
    ];
    const target = `<Id>${id}</Id><Port>${port}</Port>${between}`;
    return `${target}<TargetHealth>${parts.filter(Boolean).join("")}</TargetHealth>`;
  });
  return Buffer.from(amended);
}

/** Answers who asks EC2 for the network interfaces of a load balancer, by their description. */
function interfaces(balancers: LoadBalancers, { body, scope }: AwsRequest): QuirkAnswer | undefined {
  const form = new URLSearchParams(body.toString());
  if (form.get("Action") !== "DescribeNetworkInterfaces") return undefined;
  for (const [key, value] of form) {
    const [, filter] = /^(Filter\.\d+)\.Name$/.exec(key) ?? [];
    const description = filter && value === "description" ? form.get(`${filter}.Value.1`) : undefined;
    const [, name] = /^ELB (app\/.+)$/.exec(description ?? "") ?? [];
    if (!name) continue;
    const items = balancers.interfacesOf(scope, name).map((one) => describe(one, name, scope));
    const inner = `<networkInterfaceSet>${items.join("")}</networkInterfaceSet>`;
    const xml = `<DescribeNetworkInterfacesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>${randomUUID()}</requestId>${inner}</DescribeNetworkInterfacesResponse>`;
    return { status: 200, headers: { "content-type": "text/xml" }, body: Buffer.from(xml) };
  }
  return undefined;
}

function describe({ subnet, address }: Interface, name: string, { account }: Scope): string {
  const id = createHash("sha256").update(`${name} ${subnet}`).digest("hex").slice(0, 17);
  const elements = {
    networkInterfaceId: `eni-${id}`,
    subnetId: subnet,
    description: `ELB ${name}`,
    ownerId: account,
    requesterId: "amazon-elb",
    requesterManaged: "true",
    status: "in-use",
    interfaceType: "interface",
    privateIpAddress: address,
  };
  const inner = Object.entries(elements).map(
    ([element, text]) => `<${element}>${escapeXml(text)}</${element}>`,
  );
  const addresses = `<privateIpAddressesSet><item><privateIpAddress>${address}</privateIpAddress><primary>true</primary></item></privateIpAddressesSet>`;
  return `<item>${inner.join("")}${addresses}</item>`;
}
