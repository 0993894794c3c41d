import type {
  LoadBalancer as Described,
  ElasticLoadBalancingV2Client,
  TargetGroup,
} from "@aws-sdk/client-elastic-load-balancing-v2";
import type { Scope } from "../aws-request";
import type { PrivateNetwork } from "../containers/network";
import { subnetRanges } from "../containers/subnets";
import type { Meter } from "../meter";
import { Front, type Listener, type Served } from "./front";
import { TargetPool } from "./target-pool";

export interface LoadBalancersProps {
  /** Address of Local AWS itself. */
  readonly endpoint: () => string;
  /** An access key that belongs to an account. */
  readonly keyOf: (account: string) => string;
  readonly network: PrivateNetwork;
  /** @default - nothing is measured */
  readonly meter?: Meter;
  /** Gets a line for what went wrong. @default - nobody */
  readonly log?: (line: string) => void;
  /** How long a target may be silent. @default 60 seconds */
  readonly idleMilliseconds?: number;
}

/** A network interface of a load balancer, in one of its subnets. */
export interface Interface {
  readonly subnet: string;
  readonly address: string;
}

interface Balancer {
  readonly scope: Scope;
  readonly arn: string;
  /** As `app/shop/0123456789abcdef`. */
  readonly name: string;
  /** What moto calls its address. */
  readonly motoName: string;
  /** Its address: the production listener's. */
  readonly main: Front;
  /** Listeners but the production one, by port. */
  readonly others: Map<number, Front>;
  interfaces: readonly Interface[];
}

interface Pool {
  readonly pool: TargetPool;
  readonly scope: Scope;
  readonly suffix: string;
  balancers: readonly string[];
}

const keyOfScope = ({ account, region }: Scope) => `${account}/${region}`;
/** What CloudWatch calls a load balancer or a target group: the end of its ARN. */
const suffixOf = (arn: string) => arn.replace(/^.*:(loadbalancer\/)?/, "");

/**
 * Application load balancers as processes of this machine see them: each listener has a port of 127.0.0.1. moto keeps
 * what they are to do, and is asked for it after each change.
 */
export class LoadBalancers {
  private readonly balancers = new Map<string, Balancer>();
  private readonly pools = new Map<string, Pool>();
  private readonly clients = new Map<string, ElasticLoadBalancingV2Client>();
  private readonly reading = new Map<string, { running: Promise<void>; next?: Promise<void> }>();
  private stopped = false;

  constructor(private readonly props: LoadBalancersProps) {}

  /** Takes over what moto keeps now. Fulfilled when requests go where it says. */
  refresh(scope: Scope): Promise<void> {
    const key = keyOfScope(scope);
    const state = this.reading.get(key) ?? { running: Promise.resolve() };
    this.reading.set(key, state);
    // One that has not begun yet will see this change, too.
    state.next ??= state.running.then(() => {
      state.next = undefined;
      state.running = this.read(scope).catch((error: Error) =>
        this.props.log?.(`The load balancers of ${key} could not be read: ${error.message}`),
      );
      return state.running;
    });
    return state.next;
  }

  /** Where a load balancer is reached, by moto's name for it. */
  addressOf(scope: Scope, motoName: string): string | undefined {
    const key = keyOfScope(scope);
    const balancer = [...this.balancers.values()].find(
      (one) => one.motoName === motoName && keyOfScope(one.scope) === key,
    );
    return balancer && `127.0.0.1:${balancer.main.port}`;
  }

  /** @param name as `app/shop/0123456789abcdef` */
  interfacesOf(scope: Scope, name: string): readonly Interface[] {
    const key = keyOfScope(scope);
    const all = [...this.balancers.values()];
    return all.find((one) => one.name === name && keyOfScope(one.scope) === key)?.interfaces ?? [];
  }

  /** A target, where it belongs to the group. */
  target(group: string, id: string, port: number) {
    return this.pools.get(group)?.pool.find(id, port);
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await Promise.all([...this.reading.values()].map(({ running, next }) => next ?? running));
    for (const balancer of this.balancers.values()) this.remove(balancer);
    for (const { pool } of this.pools.values()) pool.stop();
    for (const client of this.clients.values()) client.destroy();
  }

  private async read(scope: Scope): Promise<void> {
    if (this.stopped) return;
    const elb = await import("@aws-sdk/client-elastic-load-balancing-v2");
    const client = await this.clientIn(scope);
    const { LoadBalancers: all = [] } = await client.send(new elb.DescribeLoadBalancersCommand({}));
    const { TargetGroups: groups = [] } = await client.send(new elb.DescribeTargetGroupsCommand({}));
    const described = all.filter(({ Type }) => Type === "application");
    await this.takeGroups(scope, groups, async (TargetGroupArn) => {
      const input = new elb.DescribeTargetHealthCommand({ TargetGroupArn });
      const { TargetHealthDescriptions = [] } = await client.send(input);
      return TargetHealthDescriptions.map(({ Target }) => ({
        id: Target?.Id ?? "",
        port: Target?.Port ?? 80,
      }));
    });

    const gone = new Set(
      [...this.balancers.values()].filter((one) => keyOfScope(one.scope) === keyOfScope(scope)),
    );
    for (const one of described) {
      const balancer = this.balancers.get(one.LoadBalancerArn ?? "") ?? (await this.add(scope, one));
      gone.delete(balancer);
      const { Listeners = [] } = await client.send(
        new elb.DescribeListenersCommand({ LoadBalancerArn: balancer.arn }),
      );
      const listeners: Listener[] = [];
      for (const { ListenerArn: arn = "", Protocol, Port = 80, DefaultActions = [] } of Listeners) {
        const { Rules = [] } = await client.send(new elb.DescribeRulesCommand({ ListenerArn: arn }));
        const rules = Rules.filter(({ IsDefault }) => !IsDefault).map((rule) => ({
          arn: rule.RuleArn ?? "",
          priority: Number(rule.Priority),
          conditions: rule.Conditions ?? [],
          actions: rule.Actions ?? [],
        }));
        listeners.push({
          arn,
          protocol: Protocol ?? "HTTP",
          port: Port,
          rules,
          defaultActions: DefaultActions,
        });
      }
      await this.listen(balancer, listeners);
    }
    for (const balancer of gone) this.remove(balancer);
  }

  private async takeGroups(
    scope: Scope,
    groups: readonly TargetGroup[],
    targetsOf: (arn: string) => Promise<{ readonly id: string; readonly port: number }[]>,
  ): Promise<void> {
    const gone = new Set([...this.pools].filter(([, pool]) => keyOfScope(pool.scope) === keyOfScope(scope)));
    for (const group of groups) {
      const arn = group.TargetGroupArn ?? "";
      const targets = await targetsOf(arn);
      for (const entry of gone) if (entry[0] === arn) gone.delete(entry);
      const kept = this.pools.get(arn) ?? this.addPool(scope, arn);
      kept.balancers = (group.LoadBalancerArns ?? []).map(suffixOf);
      kept.pool.update(group, targets);
    }
    for (const [arn, { pool }] of gone) {
      pool.stop();
      this.pools.delete(arn);
    }
  }

  private addPool(scope: Scope, arn: string): Pool {
    const suffix = suffixOf(arn);
    const added: Pool = {
      scope,
      suffix,
      balancers: [],
      pool: new TargetPool({
        network: this.props.network,
        onChecked: (healthy, unhealthy) => {
          for (const LoadBalancer of added.balancers) {
            const dimensions = { LoadBalancer, TargetGroup: suffix };
            this.measure(scope, "HealthyHostCount", dimensions, healthy);
            this.measure(scope, "UnHealthyHostCount", dimensions, unhealthy);
          }
        },
      }),
    };
    this.pools.set(arn, added);
    return added;
  }

  private async add(scope: Scope, described: Described): Promise<Balancer> {
    const { LoadBalancerArn: arn = "", AvailabilityZones: zones = [] } = described;
    const name = suffixOf(arn);
    const main = new Front(this.frontProps(scope, name));
    await main.open();
    const subnets = zones.flatMap(({ SubnetId }) => SubnetId ?? []);
    const { network } = this.props;
    const ranges = await subnetRanges(this.callerIn(scope), subnets);
    const interfaces = [...ranges].map(([subnet, cidr]) => ({ subnet, address: network.take(cidr) }));
    const short = described.LoadBalancerName ?? "";
    const motoName = `${short}-1.${scope.region}.elb.amazonaws.com`;
    const balancer = { scope, arn, name, motoName, main, others: new Map<number, Front>(), interfaces };
    this.balancers.set(arn, balancer);
    return balancer;
  }

  private remove(balancer: Balancer): void {
    for (const front of [balancer.main, ...balancer.others.values()]) front.close();
    for (const { address } of balancer.interfaces) this.props.network.release(address);
    this.balancers.delete(balancer.arn);
  }

  /** Opens a port for each listener; the load balancer's own is the production listener's. */
  private async listen(balancer: Balancer, listeners: readonly Listener[]): Promise<void> {
    const { main, others, interfaces, scope, name } = balancer;
    const on = (port: number) => listeners.find((listener) => listener.port === port);
    const production = on(443) ?? on(80) ?? listeners[0];
    main.listener = production;
    for (const [port, front] of others) {
      const listener = on(port);
      if (listener && listener !== production) continue;
      front.close();
      others.delete(port);
    }
    for (const listener of listeners) {
      if (listener === production) continue;
      const front = others.get(listener.port) ?? new Front(this.frontProps(scope, name));
      if (!others.has(listener.port)) await front.open();
      front.listener = listener;
      others.set(listener.port, front);
    }
    const ports: Record<number, number> = {};
    if (production) ports[production.port] = main.port;
    for (const [port, front] of others) ports[port] = front.port;
    for (const { address } of interfaces) this.props.network.route(address, ports);
  }

  private frontProps(scope: Scope, LoadBalancer: string) {
    const { network, idleMilliseconds } = this.props;
    return {
      network,
      idleMilliseconds,
      poolOf: (group: string) => this.pools.get(group)?.pool,
      onServed: ({ group, status, seconds }: Served) => {
        const TargetGroup = this.pools.get(group)?.suffix ?? suffixOf(group);
        const both: Record<string, string>[] = [{ LoadBalancer }, { LoadBalancer, TargetGroup }];
        for (const dimensions of both) {
          this.measure(scope, "RequestCount", dimensions, 1);
          if (status === undefined) continue;
          this.measure(scope, `HTTPCode_Target_${Math.floor(status / 100)}XX_Count`, dimensions, 1);
          this.measure(scope, "TargetResponseTime", dimensions, seconds);
        }
        if (status === undefined) this.measure(scope, "HTTPCode_ELB_5XX_Count", { LoadBalancer }, 1);
      },
    };
  }

  private measure(
    scope: Scope,
    name: string,
    dimensions: Readonly<Record<string, string>>,
    value: number,
  ): void {
    this.props.meter?.record(scope, { namespace: "AWS/ApplicationELB", name, dimensions, value });
  }

  private async clientIn(scope: Scope): Promise<ElasticLoadBalancingV2Client> {
    const key = keyOfScope(scope);
    const found = this.clients.get(key);
    if (found) return found;
    const { ElasticLoadBalancingV2Client } = await import("@aws-sdk/client-elastic-load-balancing-v2");
    const { endpoint, region, accessKey } = this.callerIn(scope);
    const credentials = { accessKeyId: accessKey, secretAccessKey: "local" };
    const client = new ElasticLoadBalancingV2Client({ endpoint, region, credentials });
    this.clients.set(key, client);
    return client;
  }

  private callerIn({ account, region }: Scope) {
    return { endpoint: this.props.endpoint(), region, accessKey: this.props.keyOf(account) };
  }
}
