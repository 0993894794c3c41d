import type { IncomingMessage, ServerResponse } from "node:http";
import { FakeServer } from "./fake-server";

/** S3, as far as states are read from it. */
export class FakeS3 extends FakeServer {
  /** Objects by "bucket/key". */
  readonly objects = new Map<string, string>();
  questions = 0;

  /** In the bucket `state`. */
  putState(key: string, serial: number, lineage = `of ${key}`, outputs: object = {}): void {
    this.objects.set(`state/${key}`, JSON.stringify({ version: 4, serial, lineage, outputs, resources: [] }));
  }

  protected override answer({ url }: IncomingMessage, _: string, response: ServerResponse): void {
    this.questions++;
    const { pathname } = new URL(url!, "http://s3");
    const found = this.objects.get(decodeURIComponent(pathname.slice(1)));
    response.writeHead(found === undefined ? 404 : 200, { "content-type": "application/octet-stream" });
    response.end(found ?? "<Error><Code>NoSuchKey</Code></Error>");
  }
}
