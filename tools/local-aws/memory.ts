import type { AwsRequest } from "./aws-request";
import type { Input, Scope } from "./services/service";

/**
 * What moto takes, and does not give back: kept here and put into its answers. Without it each plan would find
 * the same changes again.
 *
 * - ECS services: zone rebalancing and the health check's grace period.
 * - Lambda functions: key, dead letters and log settings.
 * - Security group rules that name another group: their description.
 */
export class Memory {
  private readonly kept = new Map<string, Input>();

  /** moto's answer, with what belongs into it. */
  amend(request: AwsRequest, operation: string, scope: Scope, answer: Buffer): Buffer {
    if (request.target.startsWith("AmazonEC2ContainerService"))
      return this.amendJson(answer, (content) => this.ecs(request, operation, scope, content));
    if (request.service === "lambda")
      return this.amendJson(answer, (content) => this.lambda(request, scope, content));
    if (request.service === "ec2") return this.securityGroupRules(request, answer);
    return answer;
  }

  private amendJson(answer: Buffer, amend: (content: Input) => void): Buffer {
    if (!answer.length) return answer;
    let content: Input;
    try {
      content = JSON.parse(answer.toString());
    } catch {
      return answer;
    }
    amend(content);
    return Buffer.from(JSON.stringify(content));
  }

  private ecs(request: AwsRequest, operation: string, scope: Scope, content: Input): void {
    const services = [content.service, ...((content.services as unknown[]) ?? [])].filter(isRecord);
    for (const service of services) {
      const key = `ecs ${scope.account} ${scope.region} ${service.serviceArn}`;
      if (operation === "CreateService" || operation === "UpdateService") {
        this.remember(key, JSON.parse(request.body.toString()), [
          "healthCheckGracePeriodSeconds",
          "availabilityZoneRebalancing",
        ]);
      }
      Object.assign(service, { availabilityZoneRebalancing: "DISABLED" }, this.kept.get(key));
    }
  }

  private lambda(request: AwsRequest, scope: Scope, content: Input): void {
    const configuration = isRecord(content.Configuration) ? content.Configuration : content;
    if (typeof configuration.FunctionName !== "string") return;
    const key = `lambda ${scope.account} ${scope.region} ${configuration.FunctionName}`;
    if (request.method === "POST" || request.method === "PUT") {
      const given = request.body.length ? JSON.parse(request.body.toString()) : {};
      this.remember(key, given, ["KMSKeyArn", "DeadLetterConfig", "LoggingConfig"]);
    }
    Object.assign(configuration, this.kept.get(key));
  }

  private remember(key: string, given: Input, fields: readonly string[]): void {
    const news = Object.fromEntries(
      fields.filter((field) => given[field] !== undefined).map((field) => [field, given[field]]),
    );
    this.kept.set(key, { ...this.kept.get(key), ...news });
  }

  private securityGroupRules(request: AwsRequest, answer: Buffer): Buffer {
    const form = new URLSearchParams(request.body.toString());
    const text = answer.toString();
    if (/^AuthorizeSecurityGroup/.test(form.get("Action") ?? "")) {
      const description = form.get("IpPermissions.1.Groups.1.Description");
      for (const [, id] of text.matchAll(/<securityGroupRuleId>([^<]+)</g)) {
        if (description) this.kept.set(`rule ${id}`, { description });
      }
    }
    const amended = text.replace(
      /<item>(?:(?!<\/item>)[\s\S])*<securityGroupRuleId>([^<]+)<[\s\S]*?<\/item>/g,
      (item, id: string) => {
        const description = this.kept.get(`rule ${id}`)?.description;
        if (!description || /<description>[^<]/.test(item)) return item;
        const element = `<description>${String(description).replace(/&/g, "&amp;").replace(/</g, "&lt;")}</description>`;
        return item
          .replace(/<description\s*\/>|<description><\/description>/, "")
          .replace("<securityGroupRuleId>", `${element}<securityGroupRuleId>`);
      },
    );
    return Buffer.from(amended);
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
