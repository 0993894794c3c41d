import type { Action, RuleCondition } from "@aws-sdk/client-elastic-load-balancing-v2";

/** What of a request decides where it goes. */
export interface Asked {
  readonly method: string;
  /** As it was sent, without a port. */
  readonly host: string;
  /** As it was sent, without its query. */
  readonly path: string;
  readonly query: URLSearchParams;
  header(name: string): string | undefined;
}

/** A listener's rule but the default. */
export interface ListenerRule {
  readonly arn: string;
  /** The least is asked first. */
  readonly priority: number;
  readonly conditions: readonly RuleCondition[];
  readonly actions: readonly Action[];
}

/** The rule of least priority all conditions of which a request meets. */
export function ruleFor(rules: readonly ListenerRule[], asked: Asked): ListenerRule | undefined {
  return [...rules]
    .sort((a, b) => a.priority - b.priority)
    .find(({ conditions }) => conditions.every((condition) => meets(condition, asked)));
}

function meets(condition: RuleCondition, asked: Asked): boolean {
  const some = (values: readonly string[] | undefined, text: string, flags?: "i") =>
    (values ?? condition.Values ?? []).some((pattern) => fits(pattern, text, flags));
  switch (condition.Field) {
    case "path-pattern":
      return some(condition.PathPatternConfig?.Values, asked.path);
    case "host-header":
      return some(condition.HostHeaderConfig?.Values, asked.host, "i");
    case "http-request-method":
      return (condition.HttpRequestMethodConfig?.Values ?? []).includes(asked.method);
    case "http-header": {
      const { HttpHeaderName = "", Values } = condition.HttpHeaderConfig ?? {};
      const value = asked.header(HttpHeaderName);
      return value !== undefined && some(Values, value, "i");
    }
    case "query-string":
      return (condition.QueryStringConfig?.Values ?? []).some(({ Key, Value = "" }) =>
        [...asked.query].some(
          ([key, value]) => (Key === undefined || fits(Key, key, "i")) && fits(Value, value, "i"),
        ),
      );
    default:
      // Of the rest, `source-ip`, nothing is true of a request of this machine.
      return false;
  }
}

/** Whether a text is as a pattern says: `*` stands for any characters, `?` for one. */
export function fits(pattern: string, text: string, flags = ""): boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replace(/\*+/g, ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${source}$`, `s${flags}`).test(text);
}

/** Whether a status is one of those that a health check takes: `200`, `200,204`, `200-299`. */
export function isGood(matcher: string, status: number): boolean {
  return matcher.split(",").some((part) => {
    const [from = "", to = from] = part.trim().split("-");
    return status >= Number(from) && status <= Number(to);
  });
}

/** Where a redirect leads. Its parts may name those of the request, as `#{path}`. */
export function redirectTo(
  redirect: NonNullable<Action["RedirectConfig"]>,
  request: { protocol: string; host: string; port: number; path: string; query: string },
): string {
  const fill = (text: string | undefined, fallback: string) =>
    (text ?? fallback).replace(/#\{(protocol|host|port|path|query)\}/g, (_, part: keyof typeof request) => {
      const value = String(request[part]);
      return part === "path" ? value.replace(/^\//, "") : value;
    });
  const protocol = fill(redirect.Protocol, "#{protocol}").toLowerCase();
  const port = fill(redirect.Port, "#{port}");
  const usual = port === (protocol === "https" ? "443" : "80");
  const query = fill(redirect.Query, "#{query}");
  const authority = `${fill(redirect.Host, "#{host}")}${usual ? "" : `:${port}`}`;
  return `${protocol}://${authority}${fill(redirect.Path, "/#{path}")}${query && `?${query}`}`;
}

/** Gives each of several its turns as its weight says, evenly spread: of 90 and 10, each tenth turn is the other's. */
export class Turns {
  private readonly credits = new Map<string, number>();

  /** @returns nobody where all weights are 0 */
  next(weights: readonly (readonly [name: string, weight: number])[]): string | undefined {
    let chosen: string | undefined;
    let total = 0;
    for (const [name, weight] of weights) {
      if (!weight) continue;
      total += weight;
      const credit = (this.credits.get(name) ?? 0) + weight;
      this.credits.set(name, credit);
      if (chosen === undefined || credit > (this.credits.get(chosen) ?? 0)) chosen = name;
    }
    if (chosen !== undefined) this.credits.set(chosen, (this.credits.get(chosen) ?? 0) - total);
    return chosen;
  }
}
