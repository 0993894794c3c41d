import { mkdtempSync, writeFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FakeServer } from "../support/fake-server";

/** A registry that knows these advisories, and which versions of packages there are. */
export class FakeRegistry extends FakeServer {
  advisories: Record<string, object[]> = {};
  versions: Record<string, string[]> = {};
  answersAudits = true;
  protected override answer(request: IncomingMessage, _body: string, response: ServerResponse): void {
    const name = request.url?.slice(1) ?? "";
    const answer = (status: number, content: object) =>
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(content));
    if (request.url === "/-/npm/v1/security/advisories/bulk" && this.answersAudits)
      answer(200, this.advisories);
    else if (request.method === "POST") answer(405, {});
    else if (!this.versions[name]) answer(404, {});
    else {
      const versions = this.versions[name].map((version) => [version, { name, version }]);
      answer(200, { name, "dist-tags": {}, versions: Object.fromEntries(versions) });
    }
  }
}

export const advisory = (id: string, severity: string, range: string) => ({
  id: 1,
  url: `https://github.com/advisories/${id}`,
  title: `The hole ${id}`,
  severity,
  vulnerable_versions: range,
  cwe: [],
  cvss: { score: 0, vectorString: null },
});

/** A project that depends on `direct`, and for development on `builder`, which depends on `inner`. */
export function project(accepted?: object): string {
  const folder = mkdtempSync(join(tmpdir(), "slipway-scan-"));
  const manifest = {
    name: "slipway",
    version: "1.0.0",
    dependencies: { direct: "1.0.0" },
    devDependencies: { builder: "1.0.0" },
  };
  const slipway = accepted && { audit: { accepted } };
  writeFileSync(join(folder, "package.json"), JSON.stringify({ ...manifest, slipway }));
  const packages = {
    "": manifest,
    "node_modules/direct": { version: "1.0.0" },
    "node_modules/builder": { version: "1.0.0", dev: true, dependencies: { inner: "^1.0.0" } },
    "node_modules/inner": { version: "1.2.0", dev: true },
  };
  const lock = { name: "slipway", version: "1.0.0", lockfileVersion: 3, requires: true, packages };
  writeFileSync(join(folder, "package-lock.json"), JSON.stringify(lock));
  return folder;
}
