import type { AwsRequest } from "../aws-request";
import { ask, type Caller } from "../functions/client";
import type { Quirk } from "../quirks";
import { readPattern } from "./pattern";

export interface MailProps {
  /** Address of Local AWS itself. */
  readonly endpoint: () => string;
  /** An access key that belongs to an account. */
  readonly keyOf: (account: string) => string;
  /** Gets a line for each filter that cannot be read. @default - nobody */
  readonly log?: (line: string) => void;
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
  /** Of the message, by name. */
  readonly attributes: Readonly<Record<string, string>>;
}

/** Where the mails are read. */
const PATH = "/local-aws/mail";
/** How many are kept: the newest. */
const MOST = 1000;
/** Where a publisher gives none. */
const SUBJECT = "AWS Notification Message";

/** Collects what SNS would send as mail. */
export function mail({ endpoint, keyOf, log }: MailProps): Quirk {
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
      for (const published of publishedBy(request)) {
        const { topic, subject = SUBJECT, message, structured, attributes } = published;
        const [, , , region = "", account = ""] = topic.split(":");
        const caller = { endpoint: endpoint(), region, accessKey: keyOf(account) };
        for (const subscriber of await subscribersOf(caller, topic)) {
          const text = structured ? textFor(subscriber.protocol, message) : message;
          const wanted = await isWanted(caller, subscriber, { attributes, text }).catch((error: Error) => {
            log?.(
              `The filter of ${subscriber.arn} cannot be read, and lets nothing through: ${error.message}`,
            );
            return false;
          });
          const told = Object.fromEntries([...attributes].map(([name, { value }]) => [name, value]));
          if (wanted) mails.push({ to: subscriber.to, subject, text, when, topic, attributes: told });
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
  readonly attributes: ReadonlyMap<string, Attribute>;
}

interface Attribute {
  /** As `String`, `Number`, `String.Array`, `Binary`, also with what a publisher adds to it. */
  readonly type: string;
  readonly value: string;
}

interface Subscriber {
  /** Of the subscription. */
  readonly arn: string;
  readonly to: string;
  readonly protocol: string;
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
    attributes: attributesIn(form, prefix),
  }));
}

function attributesIn(form: URLSearchParams, prefix: string): ReadonlyMap<string, Attribute> {
  const attributes = new Map<string, Attribute>();
  for (const [key, name] of form) {
    const found = /^(.*MessageAttributes\.entry\.\d+\.)Name$/.exec(key)?.[1];
    if (!found || found.replace(/MessageAttributes\.entry\.\d+\.$/, "") !== prefix) continue;
    const value = form.get(`${found}Value.StringValue`) ?? form.get(`${found}Value.BinaryValue`) ?? "";
    attributes.set(name, { type: form.get(`${found}Value.DataType`) ?? "String", value });
  }
  return attributes;
}

/** Whether a subscription's filter, if it has one, lets a message through: by its attributes, or by its text. */
async function isWanted(
  caller: Caller,
  { arn }: Subscriber,
  { attributes, text }: { readonly attributes: ReadonlyMap<string, Attribute>; readonly text: string },
): Promise<boolean> {
  const body = new URLSearchParams({
    Action: "GetSubscriptionAttributes",
    Version: "2010-03-31",
    SubscriptionArn: arn,
  });
  const answer = await (await ask(caller, "sns", "/", { method: "POST", body })).text();
  const entries = [...answer.matchAll(/<entry>([\s\S]*?)<\/entry>/g)].map(([, entry = ""]) => entry);
  const settings = new Map(entries.map((entry) => [elementOf(entry, "key"), elementOf(entry, "value")]));
  const policy = settings.get("FilterPolicy");
  if (!policy || policy === "{}") return true;
  const matches = readPattern(policy);
  if (settings.get("FilterPolicyScope") === "MessageBody") return matches(jsonOf(text));
  return matches(Object.fromEntries([...attributes].map(([name, one]) => [name, comparable(one)])));
}

/** What filters compare: numbers as such, and of a list each of its values. */
function comparable({ type, value }: Attribute): unknown {
  if (type.startsWith("Number")) return Number(value);
  return type.startsWith("String.Array") ? jsonOf(value) : value;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function subscribersOf(caller: Caller, topic: string): Promise<Subscriber[]> {
  const all: Subscriber[] = [];
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
      if (!/^email(-json)?$/.test(protocol)) continue;
      const arn = elementOf(member, "SubscriptionArn") ?? "";
      all.push({ arn, to: elementOf(member, "Endpoint") ?? "", protocol });
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
