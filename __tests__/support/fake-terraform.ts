import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** One change of a plan: what happens to a resource. */
export interface FakeChange {
  readonly address: string;
  readonly actions: readonly string[];
}

/**
 * A `terraform` that plans what it is told, and notes what it was asked to do. What it applied is planned no more.
 */
export class FakeTerraform {
  /** For PATH. */
  readonly bin: string;
  private readonly log: string;

  /** @param folder of its own */
  constructor(private readonly folder: string) {
    this.bin = join(folder, "bin");
    this.log = join(folder, "log");
    mkdirSync(this.bin, { recursive: true });
    writeFileSync(this.log, "");
    const program = join(this.bin, "terraform");
    writeFileSync(program, `#!${process.execPath}\n(${String(behave)})(${JSON.stringify(folder)});\n`);
    chmodSync(program, 0o755);
  }

  /** What a stack's plan holds, until it is applied. */
  plans(stack: string, changes: readonly FakeChange[], { always = false } = {}): void {
    const plan = {
      format_version: "1.2",
      terraform_version: "1.11.4",
      complete: true,
      errored: false,
      resource_changes: changes.map(({ address, actions }) => ({
        address,
        mode: "managed",
        type: address.split(".")[0],
        name: address.split(".")[1],
        provider_name: "registry.terraform.io/hashicorp/aws",
        change: {
          actions,
          before: actions.includes("create") ? null : { name: "before" },
          after: actions.includes("delete") ? null : { name: "after" },
          after_unknown: {},
          before_sensitive: {},
          after_sensitive: {},
        },
      })),
    };
    writeFileSync(join(this.folder, `${stack}.json`), JSON.stringify({ always, plan }));
  }

  /** From now on, what a command says as it fails. */
  fails(command: string, words: string): void {
    writeFileSync(join(this.folder, `${command}.fails`), words);
  }

  /** What it was asked to do, as "stack: command", but `version` and `show`. */
  get asked(): string[] {
    return readFileSync(this.log, "utf8").split("\n").filter(Boolean);
  }
}

/** What the program does; it stands in a file of its own, and uses nothing of this one. */
function behave(folder: string): void {
  const fs = require("node:fs");
  const path = require("node:path");
  const [command] = process.argv.slice(2);
  const stack = path.basename(process.cwd());
  if (command === "version") {
    console.log('{"terraform_version": "1.11.4"}');
    return;
  }
  const planned = path.join(folder, `${stack}.json`);
  const nothing = { plan: { format_version: "1.2", terraform_version: "1.11.4", resource_changes: [] } };
  const { always, plan } = fs.existsSync(planned) ? JSON.parse(fs.readFileSync(planned, "utf8")) : nothing;
  if (command === "show") {
    console.log(JSON.stringify(plan));
    return;
  }
  fs.appendFileSync(path.join(folder, "log"), `${stack}: ${command}\n`);
  const failure = path.join(folder, `${command}.fails`);
  if (fs.existsSync(failure)) {
    console.error(fs.readFileSync(failure, "utf8"));
    process.exitCode = 1;
    return;
  }
  if (command === "plan") {
    const out = process.argv.find((argument) => argument.startsWith("-out="));
    fs.writeFileSync((out ?? "").slice("-out=".length), "a saved plan");
  }
  if (command === "apply" && !always) fs.rmSync(planned, { force: true });
}
