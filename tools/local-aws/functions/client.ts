import { AwsError, OWN_AGENT } from "../aws-request";

/** Who asks Local AWS itself, and where. */
export interface Caller {
  /** Of Local AWS. */
  readonly endpoint: string;
  readonly region: string;
  readonly accessKey: string;
}

export interface Question {
  /** @default "GET" */
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | URLSearchParams;
}

/** Asks a service. Local AWS reads from the credential who asks, and checks no signature. */
export function ask(
  caller: Caller,
  service: string,
  path: string,
  question: Question = {},
): Promise<Response> {
  const { endpoint, region, accessKey } = caller;
  const date = new Date().toISOString().slice(0, 10).replaceAll("-", "");
  const credential = `${accessKey}/${date}/${region}/${service}/aws4_request`;
  const authorization = `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=host, Signature=0`;
  const headers = { "user-agent": OWN_AGENT, ...question.headers, authorization };
  return fetch(`${endpoint}${path}`, { ...question, headers });
}

/**
 * Calls an operation of a JSON protocol.
 *
 * @param target as `Logs_20140328.PutLogEvents`
 * @throws Error where it fails
 */
export async function call(
  caller: Caller,
  service: string,
  target: string,
  input: unknown,
): Promise<Readonly<Record<string, unknown>>> {
  const response = await ask(caller, service, "/", {
    method: "POST",
    headers: { "content-type": "application/x-amz-json-1.1", "x-amz-target": target },
    body: JSON.stringify(input),
  });
  const answer = await response.text();
  if (!response.ok) throw new Error(`${target} failed: ${answer}`);
  return answer ? JSON.parse(answer) : {};
}

/**
 * Reads an object that a function's code is to come from.
 *
 * @throws AwsError in Lambda's words where it cannot be read
 */
export async function readCode(
  caller: Caller,
  bucket: string,
  key: string,
  version?: string,
): Promise<Buffer> {
  const path = [bucket, ...key.split("/")].map(encodeURIComponent).join("/");
  const query = version ? `?versionId=${encodeURIComponent(version)}` : "";
  const response = await ask(caller, "s3", `/${path}${query}`);
  const content = Buffer.from(await response.arrayBuffer());
  if (response.ok) return content;
  const find = (element: string) => new RegExp(`<${element}>([^<]*)`).exec(content.toString())?.[1] ?? "";
  throw new AwsError(
    "InvalidParameterValueException",
    `Error occurred while GetObject. S3 Error Code: ${find("Code")}. S3 Error Message: ${find("Message")}`,
  );
}
