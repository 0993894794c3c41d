import { createHmac, randomUUID } from "node:crypto";
import { z } from "zod";
import type { HookEvent } from "./events";
import { idOf, timeOf } from "./shapes";

/** Whoever is called has so long to answer, as at GitHub. */
const ANSWER_MILLISECONDS = 10_000;
/** How many deliveries are kept: the newest. */
const MOST = 1000;
const HIDDEN = "********";

const config = z.looseObject({
  url: z.url({ protocol: /^https?$/ }),
  content_type: z.enum(["json", "form"]).default("form"),
  secret: z.string().optional(),
  insecure_ssl: z.coerce.string().default("0"),
});
const events = z.array(z.string().regex(/^([a-z_]+|\*)$/)).min(1);
export const newHook = z.looseObject({
  name: z.literal("web").default("web"),
  config,
  events: events.default(["push"]),
  active: z.boolean().default(true),
});
export const changedHook = z.looseObject({
  config: config.optional(),
  events: events.optional(),
  add_events: events.optional(),
  remove_events: events.optional(),
  active: z.boolean().optional(),
});

interface Hook {
  readonly id: number;
  readonly config: z.output<typeof config>;
  readonly events: readonly string[];
  readonly active: boolean;
  readonly created: Date;
  readonly updated: Date;
}

/** What a hook was told, and what came of it. */
export interface Delivery {
  /** As the header `x-github-delivery` has it. */
  readonly guid: string;
  readonly hook: number;
  readonly repository: string;
  readonly event: string;
  readonly when: string;
  readonly redelivery: boolean;
  readonly payload: unknown;
  /** Of the answer; 0 without one. */
  readonly status: number;
  /** Of the answer, or why there is none. */
  readonly said: string;
}

/** A repository's hooks. */
export class Hooks {
  private readonly hooks = new Map<number, Hook>();

  constructor(
    private readonly repository: string,
    private readonly api: string,
    private readonly next: () => number,
    /** Of all repositories. */
    private readonly deliveries: Delivery[],
  ) {}

  all() {
    return [...this.hooks.values()].map((hook) => this.shown(hook));
  }

  find(id: number) {
    const hook = this.hooks.get(id);
    return hook && this.shown(hook);
  }

  /** @returns undefined where there is one of that address that is told the same */
  create({ config, events, active }: z.output<typeof newHook>) {
    const same = [...this.hooks.values()].some(
      (hook) => hook.config.url === config.url && hook.events.some((event) => events.includes(event)),
    );
    if (same) return undefined;
    const now = new Date();
    const hook = { id: this.next(), config, events, active, created: now, updated: now };
    this.hooks.set(hook.id, hook);
    return this.shown(hook);
  }

  /** What is not given stays; of `config` all is given, the secret too. */
  update(id: number, change: z.output<typeof changedHook>) {
    const hook = this.hooks.get(id);
    if (!hook) return undefined;
    const { config = hook.config, active = hook.active, add_events = [], remove_events = [] } = change;
    const wanted = [...(change.events ?? hook.events), ...add_events];
    const events = [...new Set(wanted)].filter((event) => !remove_events.includes(event));
    const changed = { ...hook, config, events, active, updated: new Date() };
    this.hooks.set(id, changed);
    return this.shown(changed);
  }

  delete(id: number): boolean {
    return this.hooks.delete(id);
  }

  /** Tells a hook that it is there, as GitHub does when it is made, and when somebody asks for it. */
  async ping(id: number, more: Readonly<Record<string, unknown>>): Promise<boolean> {
    const hook = this.hooks.get(id);
    if (!hook) return false;
    const payload = { zen: "Keep it logically awesome.", hook_id: id, hook: this.shown(hook), ...more };
    await this.deliver(hook, { name: "ping", payload });
    return true;
  }

  /** Tells those that want to know. @returns ids of the deliveries, after all have answered */
  async tell(all: readonly HookEvent[]): Promise<string[]> {
    const told = [...this.hooks.values()].filter(({ active }) => active);
    return Promise.all(
      told.flatMap((hook) =>
        all
          .filter(({ name }) => hook.events.includes(name) || hook.events.includes("*"))
          .map((event) => this.deliver(hook, event)),
      ),
    );
  }

  /** Delivers again, under the same id. @returns undefined where the hook is gone */
  async redeliver({ guid, hook: id, event, payload }: Delivery): Promise<string | undefined> {
    const hook = this.hooks.get(id);
    return hook && this.deliver(hook, { name: event, payload: payload as HookEvent["payload"] }, guid);
  }

  private async deliver(hook: Hook, { name, payload }: HookEvent, again?: string): Promise<string> {
    const guid = again ?? randomUUID();
    const answer = await this.call(hook, name, payload, guid).catch((error: Error) => ({
      status: 0,
      said: `There is no answer: ${(error.cause as Error | undefined)?.message || error.message}`,
    }));
    this.deliveries.push({
      guid,
      hook: hook.id,
      repository: this.repository,
      event: name,
      when: new Date().toISOString(),
      redelivery: again !== undefined,
      payload,
      ...answer,
    });
    this.deliveries.splice(0, this.deliveries.length - MOST);
    return guid;
  }

  private async call({ id, config }: Hook, event: string, payload: object, guid: string) {
    const { url, content_type, secret } = config;
    if (!/^(127\.0\.0\.1|localhost)$/.test(new URL(url).hostname))
      return { status: 0, said: "Local AWS calls no other machine" };
    const text = JSON.stringify(payload);
    const isJson = content_type === "json";
    const body = isJson ? text : new URLSearchParams({ payload: text }).toString();
    const sum = (algorithm: string) =>
      createHmac(algorithm, secret ?? "")
        .update(body)
        .digest("hex");
    const response = await fetch(url, {
      method: "POST",
      redirect: "manual",
      signal: AbortSignal.timeout(ANSWER_MILLISECONDS),
      headers: {
        accept: "*/*",
        "content-type": isJson ? "application/json" : "application/x-www-form-urlencoded",
        "user-agent": "GitHub-Hookshot/local-aws",
        "x-github-delivery": guid,
        "x-github-event": event,
        "x-github-hook-id": String(id),
        "x-github-hook-installation-target-id": String(idOf(this.repository)),
        "x-github-hook-installation-target-type": "repository",
        ...(secret && {
          "x-hub-signature": `sha1=${sum("sha1")}`,
          "x-hub-signature-256": `sha256=${sum("sha256")}`,
        }),
      },
      body,
    });
    return { status: response.status, said: await response.text() };
  }

  private shown({ id, config: { secret, ...config }, events, active, created, updated }: Hook) {
    const url = `${this.api}/repos/${this.repository}/hooks/${id}`;
    return {
      type: "Repository",
      id,
      name: "web",
      active,
      events,
      config: { ...config, ...(secret && { secret: HIDDEN }) },
      updated_at: timeOf(updated),
      created_at: timeOf(created),
      url,
      ping_url: `${url}/pings`,
      deliveries_url: `${url}/deliveries`,
    };
  }
}
