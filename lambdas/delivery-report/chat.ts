import { ask, type Fetch, Refused } from "../../shared/ask";

/**
 * Posts to a webhook as Slack has them; who has its address may post.
 *
 * @param local address of a local AWS, which may stand in for the chat in clear text. @default - there is none
 * @throws Error, Refused; without the address
 */
export async function postToChat(
  fetcher: Fetch,
  address: string,
  secret: string,
  message: object,
  local = process.env.AWS_ENDPOINT_URL,
): Promise<void> {
  if (!/^https:\/\/[^\s/]+\/\S*$/.test(address) && !isAt(local, address))
    throw new Refused(
      `The secret ${secret} holds no address of a webhook: put the whole address there that the chat gave, beginning with https://.`,
    );
  const { status, ok } = await ask(fetcher, "The chat", address, { body: message });
  if (ok) return;
  // Slack, "Handling errors": the webhook was deleted, its app or channel is gone, or it may not post there.
  if ([401, 403, 404, 410].includes(status))
    throw new Refused(
      `The chat no longer takes what is posted to its webhook (${status}): make a new webhook, and put its address into the secret ${secret}.`,
    );
  throw new Error(`The chat answers ${status}`);
}

/** Whether an address is one of that origin. */
const isAt = (origin: string | undefined, address: string) =>
  origin !== undefined &&
  URL.canParse(origin) &&
  URL.canParse(address) &&
  new URL(address).origin === new URL(origin).origin;
