import type { Action, ElasticLoadBalancingV2Client } from "@aws-sdk/client-elastic-load-balancing-v2";

/** The two target groups of a service, by their ARNs. */
export interface Pair {
  /** Of the version that is. */
  readonly blue: string;
  /** Of the version that comes. */
  readonly green: string;
}

/** One rule of a listener, or what the listener does by default. */
interface Route {
  readonly listenerArn: string;
  /** @default - what the listener does by default */
  readonly ruleArn?: string;
  readonly actions: readonly Action[];
}

/** The rules of some listeners that lead to one of two target groups. All others are left alone. */
export class Routes {
  private constructor(
    private readonly elb: ElasticLoadBalancingV2Client,
    private readonly pair: Pair,
    private readonly routes: readonly Route[],
  ) {}

  static async read(
    elb: ElasticLoadBalancingV2Client,
    listenerArns: readonly string[],
    pair: Pair,
  ): Promise<Routes> {
    const { DescribeRulesCommand } = await import("@aws-sdk/client-elastic-load-balancing-v2");
    const routes: Route[] = [];
    for (const listenerArn of listenerArns) {
      let marker: string | undefined;
      do {
        const command = new DescribeRulesCommand({ ListenerArn: listenerArn, Marker: marker });
        const { Rules = [], NextMarker } = await elb.send(command);
        for (const { RuleArn, IsDefault, Actions = [] } of Rules)
          routes.push({ listenerArn, ruleArn: IsDefault ? undefined : RuleArn, actions: Actions });
        marker = NextMarker;
      } while (marker);
    }
    const both = [pair.blue, pair.green];
    const ours = routes.filter(({ actions }) => sharesOf(actions).some(({ arn }) => both.includes(arn)));
    return new Routes(elb, pair, ours);
  }

  /** Whether a target group of the two gets requests by them. */
  lead(to: keyof Pair): boolean {
    const arn = this.pair[to];
    return this.routes.some(({ actions }) =>
      sharesOf(actions).some((one) => one.arn === arn && one.weight > 0),
    );
  }

  /** @param percent of the requests that go to green; all others go to blue */
  async divide(percent: number): Promise<void> {
    const { ModifyListenerCommand, ModifyRuleCommand } = await import(
      "@aws-sdk/client-elastic-load-balancing-v2"
    );
    for (const { listenerArn, ruleArn, actions } of this.routes) {
      const changed = divideActions(actions, this.pair, percent);
      if (ruleArn) await this.elb.send(new ModifyRuleCommand({ RuleArn: ruleArn, Actions: changed }));
      else
        await this.elb.send(new ModifyListenerCommand({ ListenerArn: listenerArn, DefaultActions: changed }));
    }
  }
}

/** The actions of a rule with other weights; what else a rule does, as asking who somebody is, stays. */
export function divideActions(actions: readonly Action[], { blue, green }: Pair, percent: number): Action[] {
  return actions.map((action) => {
    if (action.Type !== "forward") return action;
    const { TargetGroupArn: _, ...rest } = action;
    const TargetGroups = [
      { TargetGroupArn: blue, Weight: 100 - percent },
      { TargetGroupArn: green, Weight: percent },
    ];
    return { ...rest, ForwardConfig: { ...action.ForwardConfig, TargetGroups } };
  });
}

function sharesOf(actions: readonly Action[]): { arn: string; weight: number }[] {
  return actions.flatMap(({ TargetGroupArn, ForwardConfig }) => {
    if (!ForwardConfig?.TargetGroups?.length)
      return TargetGroupArn ? [{ arn: TargetGroupArn, weight: 1 }] : [];
    return ForwardConfig.TargetGroups.map((one) => ({
      arn: one.TargetGroupArn ?? "",
      weight: one.Weight ?? 1,
    }));
  });
}
