/** Whoever is asked is slow at times, but not so slow. */
const ANSWER_MILLISECONDS = 10_000;

export type Fetch = typeof fetch;

/** What does not get better by itself: somebody has to do something. */
export class Refused extends Error {
  override readonly name = "Refused";
}

export interface Answer {
  readonly status: number;
  readonly ok: boolean;
  readonly headers: Headers;
  readonly text: string;
}

export interface Question {
  readonly headers?: Record<string, string>;
  /** Sent as JSON. */
  readonly body?: object;
  /** @default "POST" with a body, else "GET" */
  readonly method?: string;
}

/**
 * Asks over HTTP. Redirects are not followed: they would take a credential along.
 *
 * @param what is asked, for people
 * @throws Error without the address, which may be a secret
 */
export async function ask(
  fetcher: Fetch,
  what: string,
  url: string,
  { headers = {}, body, method = body ? "POST" : "GET" }: Question = {},
): Promise<Answer> {
  try {
    const response = await fetcher(url, {
      method,
      headers: { ...headers, ...(body && { "content-type": "application/json" }) },
      body: body && JSON.stringify(body),
      redirect: "manual",
      signal: AbortSignal.timeout(ANSWER_MILLISECONDS),
    });
    const { status, ok } = response;
    return { status, ok, headers: response.headers, text: await response.text() };
  } catch (error) {
    const { name, cause } = error as Error & { cause?: { code?: string } };
    throw new Error(`${what} cannot be reached (${cause?.code ?? name})`);
  }
}
