import { Domain, type DomainProps } from "../../modules/domain";
import { LoadBalancer } from "../../modules/load-balancer";
import type { Network } from "../../modules/network";
import { only, synthesizeConstruct } from "../support/construct";
import { all, type SynthesizedStack } from "../support/synthesized";

function loadBalancer(domain?: DomainProps) {
  return synthesizeConstruct((scope) => {
    const network = { vpcId: "vpc-1", cidr: "10.10.0.0/16", publicSubnetIds: ["subnet-1", "subnet-2"] };
    const loadBalancer = new LoadBalancer(scope, "load-balancer", {
      prefix: "hello-dev",
      account: "222222222222",
      region: "eu-west-1",
      network: network as unknown as Network,
      domain: domain && new Domain(scope, "domain", domain),
      deletionProtection: false,
      logRetentionDays: 30,
      forceDestroy: false,
    });
    urls.push(loadBalancer.urlOf());
  });
}
const urls: string[] = [];

const listener = (stack: SynthesizedStack, port: number) => {
  const found = Object.entries(stack.resource.aws_lb_listener!).filter(([, it]) => it.port === port);
  expect(found).toHaveLength(1);
  return { id: found[0]![0], ...found[0]![1] } as Record<string, unknown> & { id: string };
};
const ports = (stack: SynthesizedStack) =>
  all(stack, "aws_lb_listener")
    .map(({ port, protocol }) => `${protocol} ${port}`)
    .sort();
const openPorts = (stack: SynthesizedStack) =>
  all(stack, "aws_vpc_security_group_ingress_rule")
    .map(({ from_port, to_port, cidr_ipv4 }) => [from_port, to_port, cidr_ipv4])
    .sort();

const plain = loadBalancer();
const secure = loadBalancer({ name: "dev.example.com", zone: "example.com" });

describe("without a domain", () => {
  test("services answer by HTTP, and nothing is asked of ACM or Route 53", () => {
    expect(ports(plain)).toEqual(["HTTP 80", "HTTP 9000"]);
    expect(openPorts(plain)).toEqual([
      [80, 80, "0.0.0.0/0"],
      [9000, 9000, "10.10.0.0/16"],
    ]);
    expect(Object.keys(plain.resource).filter((type) => /acm|route53/.test(type))).toEqual([]);
    expect(urls[0]).toMatch(/^http:\/\//);
  });
});

describe("with a domain", () => {
  test("production speaks HTTPS with a policy that knows no TLS below 1.2", () => {
    expect(ports(secure)).toEqual(["HTTP 80", "HTTP 9000", "HTTPS 443"]);
    expect(listener(secure, 443)).toMatchObject({
      ssl_policy: "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09",
      default_action: [{ type: "fixed-response" }],
    });
    expect(urls[1]).toBe("https://dev.example.com");
  });

  test("HTTP leads to the domain for good, whatever host was asked for", () => {
    expect(listener(secure, 80).default_action).toEqual([
      {
        type: "redirect",
        redirect: { host: "dev.example.com", protocol: "HTTPS", port: "443", status_code: "HTTP_301" },
      },
    ]);
  });

  test("the world reaches HTTP and HTTPS; new versions, as before, the VPC alone", () => {
    expect(openPorts(secure)).toEqual([
      [443, 443, "0.0.0.0/0"],
      [80, 80, "0.0.0.0/0"],
      [9000, 9000, "10.10.0.0/16"],
    ]);
  });

  test("fails when setting it later replaces the listener that rules and releases are on", () => {
    expect(listener(secure, 443).id).toBe(listener(plain, 80).id);
    expect(listener(secure, 9000)).toEqual(listener(plain, 9000));
    // Two listeners of one port would meet there, if the other one did not wait.
    expect(listener(secure, 80).depends_on).toEqual([`aws_lb_listener.${listener(secure, 443).id}`]);
  });

  test("the listener waits until the certificate is valid", () => {
    const [validation] = Object.keys(secure.resource.aws_acm_certificate_validation!);
    expect(listener(secure, 443).certificate_arn).toBe(
      `\${aws_acm_certificate_validation.${validation}.certificate_arn}`,
    );
  });

  test("the certificate is for the domain, and goes only when nothing uses it any more", () => {
    expect(only(secure, "aws_acm_certificate")).toMatchObject({
      domain_name: "dev.example.com",
      validation_method: "DNS",
      lifecycle: { create_before_destroy: true },
    });
  });

  test("the number of records is known before the certificate is", () => {
    const records = all(secure, "aws_route53_record");
    expect(records).toHaveLength(2);
    for (const record of records) expect(Object.keys(record)).not.toContain("for_each");
    expect(records.map(({ type }) => type)).toContain("A");
  });

  test("the address leads to the load balancer, and takes no record over", () => {
    const address = all(secure, "aws_route53_record").find(({ type }) => type === "A")!;
    const [balancer] = Object.keys(secure.resource.aws_lb!);
    expect(address).toMatchObject({
      name: "dev.example.com",
      alias: { name: `\${aws_lb.${balancer}.dns_name}`, zone_id: `\${aws_lb.${balancer}.zone_id}` },
    });
    expect(address.allow_overwrite).toBeUndefined();
  });

  test("the zone is looked up among the public ones", () => {
    const { aws_route53_zone: zones } = secure.data as Record<string, Record<string, unknown>>;
    expect(Object.values(zones!)).toEqual([
      expect.objectContaining({ name: "example.com", private_zone: false }),
    ]);
  });
});

describe("with names below the domain", () => {
  const wide = loadBalancer({ name: "dev.example.com", zone: "example.com", withNamesBelow: true });

  test("the certificate is good for them, by the one record that shows whose the domain is", () => {
    expect(only(wide, "aws_acm_certificate")).toMatchObject({
      domain_name: "dev.example.com",
      subject_alternative_names: ["*.dev.example.com"],
    });
    const records = all(wide, "aws_route53_record");
    expect(records.filter(({ type }) => type === "A").map(({ name }) => name)).toEqual([
      "dev.example.com",
      "*.dev.example.com",
    ]);
    expect(records).toHaveLength(3);
  });

  test("HTTP leads each of them to itself, and what is no name of ours to the domain", () => {
    expect(only(wide, "aws_lb_listener_rule")).toMatchObject({
      listener_arn: `\${aws_lb_listener.${listener(wide, 80).id}.arn}`,
      condition: [{ host_header: { values: ["*.dev.example.com"] } }],
      action: [{ type: "redirect", redirect: { host: "#{host}", protocol: "HTTPS" } }],
    });
    expect(listener(wide, 80).default_action).toMatchObject([{ redirect: { host: "dev.example.com" } }]);
  });
});
