import type { AwsRequest } from "../aws-request";
import { ask, type Caller } from "../functions/client";
import type { Quirk } from "../quirks";

export interface MailProps {
  /** Address of Local AWS itself. */
  readonly endpoint: () => string;
  /** An access key that belongs to an account. */
  readonly keyOf: (account: string) => string;
}

/** What a subscriber would have been sent. */
export interface Mail {
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  /** As `2026-01-24T22:03:07.000Z`. */
  readonly when: string;
  /** ARN. */
  readonly topic: string;
}

/** Where the mails are read. */
const PATH = "/local-aws/mail";
/** How many are kept: the newest. */
const MOST = 1000;
/** Where a publisher gives none. */
const SUBJECT = "AWS Notification Message";

/** Collects what SNS would send as mail. */
export function mail({ endpoint, keyOf }: MailProps): Quirk {
  const mails: Mail[] = [];
  return {
    reason: "moto sends no mail",
    concerns: ({ service, form, method, url }) =>
      (service === "sns" && form) || (method === "GET" && url.pathname === PATH && service !== "s3"),
    answer({ url }) {
      if (url.pathname !== PATH) return undefined;
      const headers = { "content-type": "application/json; charset=utf-8" };
      return { status: 200, headers, body: Buffer.from(JSON.stringify(mails, undefined, 2)) };
    },
    async amend(request, answer) {
      const when = new Date().toISOString();
      for (const { topic, subject = SUBJECT, message, structured } of publishedBy(request)) {
        const [, , , region = "", account = ""] = topic.split(":");
        const caller = { endpoint: endpoint(), region, accessKey: keyOf(account) };
        for (const { to, protocol } of await subscribersOf(caller, topic)) {
          const text = structured ? textFor(protocol, message) : message;
          mails.push({ to, subject, text, when, topic });
        }
      }
      mails.splice(0, mails.length - MOST);
      return answer;
    },
  };
}

interface Published {
  readonly topic: string;
  readonly subject?: string;
  readonly message: string;
  /** Whether the message has a text for each protocol. */
  readonly structured: boolean;
}

function publishedBy({ body }: AwsRequest): Published[] {
  const form = new URLSearchParams(body.toString());
  const action = form.get("Action");
  if (action !== "Publish" && action !== "PublishBatch") return [];
  const topic = form.get("TopicArn") ?? form.get("TargetArn");
  const prefixes = [...form.keys()].flatMap(
    (key) => /^(?:PublishBatchRequestEntries\.(?:member|entry)\.\d+\.)?(?=Message$)/.exec(key)?.[0] ?? [],
  );
  return prefixes.map((prefix) => ({
    topic: topic ?? "",
    subject: form.get(`${prefix}Subject`) || undefined,
    message: form.get(`${prefix}Message`) ?? "",
    structured: form.get(`${prefix}MessageStructure`) === "json",
  }));
}

async function subscribersOf(caller: Caller, topic: string): Promise<{ to: string; protocol: string }[]> {
  const all: { to: string; protocol: string }[] = [];
  let next: string | undefined;
  do {
    const body = new URLSearchParams({
      Action: "ListSubscriptionsByTopic",
      Version: "2010-03-31",
      TopicArn: topic,
    });
    if (next) body.set("NextToken", next);
    const text = await (await ask(caller, "sns", "/", { method: "POST", body })).text();
    for (const [, member = ""] of text.matchAll(/<member>([\s\S]*?)<\/member>/g)) {
      const protocol = elementOf(member, "Protocol") ?? "";
      if (/^email(-json)?$/.test(protocol)) all.push({ to: elementOf(member, "Endpoint") ?? "", protocol });
    }
    next = elementOf(text, "NextToken");
  } while (next);
  return all;
}

const ENTITIES: Readonly<Record<string, string>> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  "#39": "'",
  apos: "'",
};

function elementOf(xml: string, name: string): string | undefined {
  const found = new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1];
  return found?.replace(/&([a-z#0-9]+);/g, (entity, code: string) => ENTITIES[code] ?? entity) || undefined;
}

function textFor(protocol: string, message: string): string {
  const texts = JSON.parse(message) as Record<string, string>;
  return texts[protocol] ?? texts.default ?? "";
}
