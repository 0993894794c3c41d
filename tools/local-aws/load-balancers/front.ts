import { once } from "node:events";
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { pipeline } from "node:stream/promises";
import type { Action } from "@aws-sdk/client-elastic-load-balancing-v2";
import type { PrivateNetwork } from "../containers/network";
import { type Asked, type ListenerRule, redirectTo, ruleFor, Turns } from "./rules";
import type { Target, TargetPool } from "./target-pool";

/** What a listener does, as moto keeps it. */
export interface Listener {
  readonly arn: string;
  readonly protocol: string;
  /** As clients of AWS's load balancer would know it. */
  readonly port: number;
  readonly rules: readonly ListenerRule[];
  readonly defaultActions: readonly Action[];
}

/** How a request ended that a target was chosen for. */
export interface Served {
  /** ARN of the target group. */
  readonly group: string;
  /** @default - the target gave no answer */
  readonly status?: number;
  /** Until the answer began. */
  readonly seconds: number;
}

export interface FrontProps {
  readonly network: PrivateNetwork;
  /** Targets of a group, by its ARN. */
  readonly poolOf: (group: string) => TargetPool | undefined;
  readonly onServed?: (served: Served) => void;
  /** How long a target may be silent. @default 60 seconds */
  readonly idleMilliseconds?: number;
}

const IDLE_MILLISECONDS = 60_000;
const TITLES: Readonly<Record<number, string>> = {
  400: "Bad Request",
  500: "Internal Server Error",
  502: "Bad Gateway",
  503: "Service Temporarily Unavailable",
  504: "Gateway Time-out",
};

/** A port of 127.0.0.1 on which a listener of a load balancer answers. Without one it says 503. */
export class Front {
  listener?: Listener;
  private readonly server: Server;
  /** Whose turn it is, by what is to be shared out. */
  private readonly turns = new Map<string, Turns>();

  constructor(private readonly props: FrontProps) {
    this.server = createServer((incoming, response) => void this.answer(incoming, response));
    // An upload may take its time.
    this.server.requestTimeout = 0;
  }

  /** @returns the port */
  async open(): Promise<number> {
    await once(this.server.listen(0, "127.0.0.1"), "listening");
    return this.port;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  close(): void {
    this.server.close();
    this.server.closeAllConnections();
  }

  private async answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const { listener } = this;
    const { url = "", method = "GET", headers } = incoming;
    if (!listener) return refuse(incoming, response, 503);
    if (!url.startsWith("/")) return refuse(incoming, response, 400);
    const [path = "/", ...queries] = url.split("?");
    const query = queries.join("?");
    const host = (headers.host ?? "").replace(/:\d+$/, "");
    const asked: Asked = {
      method,
      host,
      path,
      query: new URLSearchParams(query),
      header: (name) => headers[name.toLowerCase()]?.toString(),
    };
    const rule = ruleFor(listener.rules, asked);
    const actions = rule?.actions ?? listener.defaultActions;
    // The others come before it, and ask a person to sign in: there is nobody to ask here.
    const [action] = actions.length === 1 ? actions : [];
    switch (action?.Type) {
      case "forward":
        return this.forward(incoming, response, action, rule?.arn ?? listener.arn);
      case "fixed-response": {
        const { StatusCode, ContentType = "text/plain", MessageBody = "" } = action.FixedResponseConfig ?? {};
        incoming.resume();
        response.writeHead(Number(StatusCode), { "content-type": ContentType }).end(MessageBody);
        return;
      }
      case "redirect": {
        const { protocol, port } = listener;
        const config = action.RedirectConfig ?? { StatusCode: "HTTP_302" };
        const location = redirectTo(config, { protocol, host, port, path, query });
        incoming.resume();
        response.writeHead(config.StatusCode === "HTTP_301" ? 301 : 302, { location }).end();
        return;
      }
      default:
        refuse(incoming, response, 500);
    }
  }

  private async forward(
    incoming: IncomingMessage,
    response: ServerResponse,
    action: Action,
    rule: string,
  ): Promise<void> {
    const group = this.choose(action, rule);
    const target = group && this.props.poolOf(group)?.next();
    if (!group || !target) return refuse(incoming, response, 503);
    const from = performance.now();
    const serve = (status?: number) =>
      this.props.onServed?.({ group, status, seconds: (performance.now() - from) / 1000 });
    target.inFlight++;
    try {
      const message = await this.ask(incoming, response, target);
      serve(message.statusCode);
      response.writeHead(message.statusCode ?? 502, message.statusMessage, endToEnd(message.rawHeaders));
      await pipeline(message, response);
    } catch (error) {
      if (response.headersSent || response.destroyed) response.destroy();
      else {
        serve();
        refuse(incoming, response, error instanceof Silence ? 504 : 502);
      }
    } finally {
      target.inFlight--;
    }
  }

  private choose({ TargetGroupArn, ForwardConfig }: Action, rule: string): string | undefined {
    const groups = ForwardConfig?.TargetGroups ?? [];
    if (groups.length < 2) return groups[0]?.TargetGroupArn ?? TargetGroupArn;
    const weights = groups.map(({ TargetGroupArn: arn = "", Weight = 1 }) => [arn, Weight] as const);
    const key = `${rule} ${JSON.stringify(weights)}`;
    const turns = this.turns.get(key) ?? new Turns();
    this.turns.set(key, turns);
    return turns.next(weights);
  }

  /**
   * Hands a request on.
   *
   * @returns the target's answer, whose body is still to come
   * @throws Silence where none comes in time, or another Error where the target breaks
   */
  private ask(incoming: IncomingMessage, response: ServerResponse, target: Target): Promise<IncomingMessage> {
    const { network, idleMilliseconds = IDLE_MILLISECONDS } = this.props;
    return new Promise((resolve, reject) => {
      const upstream = httpRequest({
        ...network.resolve(target.id, target.port),
        method: incoming.method,
        path: incoming.url,
        headers: [...endToEnd(incoming.rawHeaders, FORWARDED), ...this.forwardedBy(incoming)],
        agent: false,
      });
      upstream.setTimeout(idleMilliseconds, () => upstream.destroy(new Silence()));
      upstream.once("response", resolve);
      // Stays, so that an error after the answer is nobody's crash.
      upstream.on("error", reject);
      // Who asked no longer waits.
      response.once("close", () => upstream.destroy());
      // A target may answer before it has read all; its answer counts, not the broken pipe.
      pipeline(incoming, upstream).catch(() => {});
    });
  }

  /** Headers that tell a target who asked, and how. */
  private forwardedBy({ headers, socket }: IncomingMessage): string[] {
    const { protocol = "HTTP", port = 80 } = this.listener ?? {};
    const before = headers["x-forwarded-for"];
    return [
      "X-Forwarded-For",
      `${before ? `${before}, ` : ""}${socket.remoteAddress ?? "127.0.0.1"}`,
      "X-Forwarded-Proto",
      protocol.toLowerCase(),
      "X-Forwarded-Port",
      String(port),
    ];
  }
}

/** A target that has not answered in time. */
class Silence extends Error {}

/** Answers in the target's place. */
function refuse(incoming: IncomingMessage, response: ServerResponse, status: number): void {
  // The rest of a body that nobody reads would keep the client from reading the answer.
  incoming.resume();
  const title = `${status} ${TITLES[status]}`;
  const page = `<html><head><title>${title}</title></head><body><center><h1>${title}</h1></center></body></html>`;
  response.writeHead(status, { server: "awselb/2.0", "content-type": "text/html" }).end(page);
}

const FORWARDED = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-port"];
/** Headers that are between two neighbours only. */
const HOP_BY_HOP = ["connection", "keep-alive", "proxy-connection", "te", "trailer", "upgrade", "expect"];

/** Raw headers, without those that are not to be handed on. Chunks stay chunks. */
function endToEnd(raw: readonly string[], others: readonly string[] = []): string[] {
  const left = [...HOP_BY_HOP, ...others];
  return raw.filter((_, index) => !left.includes((raw[index - (index % 2)] ?? "").toLowerCase()));
}
