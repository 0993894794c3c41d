import { type KMSClient, VerifyMacCommand } from "@aws-sdk/client-kms";
import { GetObjectCommand, type S3Client } from "@aws-sdk/client-s3";
import type { APIGatewayProxyStructuredResultV2 } from "aws-lambda";
import { LINK_QUERY, LINK_SECONDS, OVERVIEW_PAGE, PAGE, signedText } from "../../shared/page-links";

export interface Clients {
  readonly kms: Pick<KMSClient, "send">;
  readonly s3: Pick<S3Client, "send">;
}

export interface Site {
  readonly project: string;
  readonly bucket: string;
  /** ARN of the key that links are signed by. */
  readonly key: string;
}

export interface Request {
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string | undefined>>;
  /** Each as `name=value`. */
  readonly cookies: readonly string[];
}

const COOKIE = "slipway_pages";
/** Whatever a page held: it loads nothing, is framed by nobody, and tells no other site where its reader comes from. */
const SAFE = {
  "content-type": "text/html; charset=utf-8",
  "cache-control": "no-store",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "x-robots-tag": "noindex",
  "strict-transport-security": "max-age=31536000",
  "content-security-policy":
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
};

/**
 * Answers a request for a page. A link's signature opens all pages for as long as it holds: a cookie takes it along, so
 * that links from one page to the next need none.
 *
 * @throws Error where AWS does not answer
 */
export async function answer(
  clients: Clients,
  site: Site,
  { method, path, query, cookies }: Request,
  now: Date,
): Promise<APIGatewayProxyStructuredResultV2> {
  if (method !== "GET" && method !== "HEAD") return page(405, "Only reading is possible here.");
  const given = {
    expires: query[LINK_QUERY.expires] ?? "",
    signature: query[LINK_QUERY.signature] ?? "",
  };
  const isLink = given.expires !== "" || given.signature !== "";
  const pass = isLink ? given : passIn(cookies);
  if (!pass) return page(403, "These pages open by the links in mails and chats.");
  // Before anybody is asked: a pass is short, and says when it ends.
  const isPass = /^\d{10}$/.test(pass.expires) && /^[0-9a-f]{64}$/.test(pass.signature);
  const left = Number(pass.expires) - Math.floor(now.getTime() / 1000);
  if (!isPass || left > LINK_SECONDS) return page(403, "This link is not one of ours, or not whole.");
  if (left <= 0) return page(403, "This link has expired. A newer mail has a newer one.");
  if (!(await isSigned(clients, site, pass))) return page(403, "This link is not one of ours, or not whole.");

  const name = path.replace(/^\/+/, "") || OVERVIEW_PAGE;
  const html = PAGE.test(name) ? await readPage(clients, site, name) : undefined;
  if (html === undefined) return page(404, "There is no such page, or no more: they are kept for a year.");
  return {
    statusCode: 200,
    headers: SAFE,
    ...(isLink && {
      cookies: [
        `${COOKIE}=${pass.expires}.${pass.signature}; Max-Age=${left}; Path=/; HttpOnly; Secure; SameSite=Lax`,
      ],
    }),
    body: method === "HEAD" ? "" : html,
  };
}

interface Pass {
  readonly expires: string;
  readonly signature: string;
}

function passIn(cookies: readonly string[]): Pass | undefined {
  const own = cookies.find((cookie) => cookie.startsWith(`${COOKIE}=`));
  const [expires, signature] = own?.slice(COOKIE.length + 1).split(".") ?? [];
  return expires && signature ? { expires, signature } : undefined;
}

async function isSigned(
  { kms }: Clients,
  { project, key }: Site,
  { expires, signature }: Pass,
): Promise<boolean> {
  try {
    const { MacValid } = await kms.send(
      new VerifyMacCommand({
        KeyId: key,
        MacAlgorithm: "HMAC_SHA_256",
        Message: Buffer.from(signedText(project, Number(expires))),
        Mac: Buffer.from(signature, "hex"),
      }),
    );
    return MacValid === true;
  } catch (error) {
    if ((error as Error).name === "KMSInvalidMacException") return false;
    throw error;
  }
}

async function readPage({ s3 }: Clients, { bucket }: Site, name: string): Promise<string | undefined> {
  try {
    const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: name }));
    return await Body!.transformToString();
  } catch (error) {
    // Without the right to list, S3 tells one that is not there so.
    if (["NoSuchKey", "AccessDenied"].includes((error as Error).name)) return undefined;
    throw error;
  }
}

function page(statusCode: number, text: string): APIGatewayProxyStructuredResultV2 {
  const html = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Run reports</title>
<style>body{font:1.1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:4rem auto;padding:0 1rem;color-scheme:light dark}</style></head>
<body><main><h1>Run reports</h1><p>${text}</p></main></body></html>
`;
  return { statusCode, headers: SAFE, body: html };
}
