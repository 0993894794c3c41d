import { readFileSync } from "node:fs";
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import type { EnvironmentSettings } from "../../../settings";
import { LIVE_ALIAS } from "../../../shared/names";
import { shortened, visible } from "../../../tools/review/escape";

/** The deployed environment that the checks beside this file look at. */
export interface Environment {
  readonly name: string;
  readonly settings: EnvironmentSettings;
  /** What the environment's stack put out, but what is sensitive. */
  readonly outputs: Readonly<Record<string, unknown>>;
}

/** @throws Error where no environment is given: `npm run verify` gives it */
export function environment(): Environment {
  const { SLIPWAY_ENVIRONMENT: name, SLIPWAY_OUTPUTS: file } = process.env;
  if (!name || !file)
    throw new Error("These checks look at a deployed environment: npm run verify -- ENVIRONMENT");
  return { name, ...JSON.parse(readFileSync(file, "utf8")) };
}

/** Seconds that something just deployed gets to answer: a load balancer needs a moment. @default 60 */
export const PATIENCE = Number(process.env.SLIPWAY_VERIFY_SECONDS ?? 60);

/** Milliseconds for a test that waits for an answer. */
export const WAITING = (PATIENCE + 30) * 1000;

const SECONDS_BETWEEN = 2;
const SECONDS_FOR_AN_ANSWER = 10;

/** Address of a service, with a path on it. */
export const serviceUrl = (service: string, path = ""): string =>
  new URL(path, output(`service_${service}_url`)).href;

/** A text that the stack put out. @throws Error where it did not */
export function output(name: string): string {
  const { name: environmentName, outputs } = environment();
  const value = outputs[name];
  if (typeof value !== "string")
    throw new Error(
      `${environmentName} has put out no ${name}: it was deployed before there was one. Deploy it again.`,
    );
  return value;
}

export interface Answer {
  readonly status: number;
  readonly body: string;
}

/**
 * Asks until the answer is good, or patience has an end.
 *
 * @param isGood @default status 200; no redirect is followed
 * @throws Error with the last answer
 */
export async function waitForAnswer(
  url: string,
  isGood: (answer: Answer) => boolean = ({ status }) => status === 200,
): Promise<Answer> {
  const end = Date.now() + PATIENCE * 1000;
  for (;;) {
    const answer = await ask(url);
    if (typeof answer !== "string" && isGood(answer)) return answer;
    if (Date.now() + SECONDS_BETWEEN * 1000 > end) {
      const said = typeof answer === "string" ? answer : `${answer.status}: ${excerpt(answer.body)}`;
      throw new Error(`GET ${url}, asked for ${PATIENCE} s, answers: ${said}`);
    }
    await new Promise((resolve) => setTimeout(resolve, SECONDS_BETWEEN * 1000));
  }
}

/** @returns why there is no answer, where there is none */
async function ask(url: string): Promise<Answer | string> {
  try {
    const signal = AbortSignal.timeout(SECONDS_FOR_AN_ANSWER * 1000);
    const response = await fetch(url, { redirect: "manual", signal });
    return { status: response.status, body: await response.text() };
  } catch (error) {
    const { message, cause } = error as Error & { readonly cause?: { readonly message: string } };
    return `nothing (${cause?.message ?? message})`;
  }
}

/**
 * Calls what the callers of a function get: its alias `live`.
 *
 * @returns what it gave back, as JSON
 * @throws Error where the function failed
 */
export async function invoke(functionName: string, event: unknown): Promise<unknown> {
  const client = new LambdaClient({ region: environment().settings.region });
  try {
    const { FunctionError, Payload } = await client.send(
      new InvokeCommand({
        FunctionName: output(`function_${functionName}_name`),
        Qualifier: LIVE_ALIAS,
        Payload: new TextEncoder().encode(JSON.stringify(event)),
      }),
    );
    const text = new TextDecoder().decode(Payload);
    if (FunctionError) throw new Error(`The function ${functionName} failed: ${excerpt(text)}`);
    return text === "" ? undefined : JSON.parse(text);
  } finally {
    client.destroy();
  }
}

/** What a function's address gives it of a GET (payload format 2.0). */
export const getRequest = (path: string) => ({
  version: "2.0",
  rawPath: path,
  rawQueryString: "",
  headers: {},
  requestContext: { http: { method: "GET", path } },
  isBase64Encoded: false,
});

/** The beginning of a text, on one line of which every character is seen. */
export const excerpt = (text: string) => visible(shortened(text, 300));
