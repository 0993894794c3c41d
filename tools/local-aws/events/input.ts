import type { AwsEvent } from "./event";

/** What a target gets: the event, or what the rule makes of it. */
export interface InputSettings {
  readonly Input?: string;
  readonly InputPath?: string;
  readonly InputTransformer?: {
    readonly InputPathsMap?: Readonly<Record<string, string>>;
    readonly InputTemplate: string;
  };
}

/** @param rule its ARN */
export function inputOf(settings: InputSettings, event: AwsEvent, rule: string): string {
  const { Input, InputPath, InputTransformer } = settings;
  if (Input !== undefined && Input !== null) return Input;
  if (InputTransformer) return fillIn(InputTransformer, event, rule);
  if (InputPath) return JSON.stringify(valueAt(event, InputPath) ?? null);
  return JSON.stringify(event);
}

function fillIn(
  { InputPathsMap = {}, InputTemplate }: NonNullable<InputSettings["InputTransformer"]>,
  event: AwsEvent,
  rule: string,
): string {
  const values = new Map<string, unknown>([
    ["aws.events.rule-arn", rule],
    ["aws.events.rule-name", rule.split("/").at(-1)],
    ["aws.events.event.ingestion-time", event.time],
    ["aws.events.event", event],
    ["aws.events.event.json", event],
  ]);
  for (const [name, path] of Object.entries(InputPathsMap)) values.set(name, valueAt(event, path));
  const isJson = /^\s*[{[]/.test(InputTemplate);
  let quoted = false;
  return InputTemplate.replace(/\\.|"|<([\w.-]+)>/gs, (found, name?: string) => {
    if (found === '"') quoted = !quoted;
    if (!name) return found;
    const value = values.get(name);
    if (value === undefined) return values.has(name) ? "" : found;
    const text = typeof value === "string" ? value : JSON.stringify(value);
    if (quoted) return JSON.stringify(text).slice(1, -1);
    return isJson ? JSON.stringify(value) : text;
  });
}

/** Follows a path as `$.detail.phases[0].name`; `[*]` stands for all items. */
function valueAt(event: unknown, path: string): unknown {
  const steps = path.replace(/^\$/, "").matchAll(/\.([^.[\]]+)|\[(\d+|\*)\]|\['([^']*)'\]/g);
  let all = [event];
  let several = false;
  for (const [, field, index, quoted] of steps) {
    const name = field ?? quoted ?? index ?? "";
    if (index === "*") several = true;
    all = all.flatMap((one) => {
      if (typeof one !== "object" || one === null) return [];
      if (index === "*") return Object.values(one);
      return Object.hasOwn(one, name) ? [(one as Record<string, unknown>)[name]] : [];
    });
  }
  return several ? all : all[0];
}
