import { createServer, type IncomingMessage, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

/** A server of a test's own on 127.0.0.1, in the place of one that commands talk to. */
export abstract class FakeServer {
  private readonly server: Server = createServer((request, response) => {
    void text(request).then((body) => this.answer(request, body, response));
  });

  protected abstract answer(
    request: IncomingMessage,
    body: string,
    response: Parameters<RequestListener>[1],
  ): unknown;

  /** @returns its address */
  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.server.closeAllConnections();
    this.server.close();
  }
}
