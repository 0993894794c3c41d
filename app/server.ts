import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { hostname } from "node:os";

export interface AppProps {
  /** Gets one line of JSON a request. @default - nobody */
  readonly log?: (line: string) => void;
}

export interface App {
  readonly server: Server;
  /**
   * Takes no new work, and resolves when the last request is answered: no connection is accepted any more, those
   * that wait for nothing are closed, and health says 503 to who is still connected.
   */
  stop(): Promise<void>;
}

/** The sample service: who it is, what time it is, and whether it is well. */
export function createApp({ log }: AppProps = {}): App {
  let stopping = false;
  const routes: Record<string, (response: ServerResponse) => void> = {
    "/": (response) => send(response, 200, "text/plain; charset=utf-8", hostname()),
    "/time": (response) =>
      sendJson(response, 200, {
        message: "Automation for the People",
        timestamp: Math.floor(Date.now() / 1000),
      }),
    "/health": (response) =>
      sendJson(response, stopping ? 503 : 200, { status: stopping ? "stopping" : "ok" }),
  };

  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    const started = performance.now();
    const [path = "/"] = (request.url ?? "/").split("?");
    // Also where the caller went away before it had the answer.
    response.on("close", () =>
      log?.(
        JSON.stringify({
          method: request.method,
          path,
          status: response.statusCode,
          milliseconds: Math.round(performance.now() - started),
        }),
      ),
    );
    if (stopping) response.setHeader("connection", "close");
    const route = Object.hasOwn(routes, path) && routes[path];
    if (!route) sendJson(response, 404, { message: "There is nothing here." });
    else if (request.method !== "GET" && request.method !== "HEAD") {
      response.setHeader("allow", "GET, HEAD");
      sendJson(response, 405, { message: "Only reading is possible." });
    } else route(response);
  });
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });

  return {
    server,
    stop() {
      stopping = true;
      return new Promise((resolve) => {
        server.close(() => resolve());
        server.closeIdleConnections();
        // Node takes a connection that never sent anything for a request under way, and would wait a minute.
        for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy();
      });
    },
  };
}

function sendJson(response: ServerResponse, status: number, content: unknown): void {
  send(response, status, "application/json", JSON.stringify(content));
}

function send(response: ServerResponse, status: number, type: string, content: string): void {
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(content) });
  response.end(content);
}
