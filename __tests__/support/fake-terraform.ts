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
    writeFileSync(join(folder, "nothing.json"), JSON.stringify(planOf([])));
    const program = join(this.bin, "terraform");
    // A shell's: most of a short program of Node's is its start.
    writeFileSync(program, behaviour(folder));
    chmodSync(program, 0o755);
  }

  /**
   * What a stack's plan holds, until it is applied.
   *
   * @param drift what it finds changed behind its back
   */
  plans(
    stack: string,
    changes: readonly FakeChange[],
    { always = false, drift = [] }: { always?: boolean; drift?: readonly FakeChange[] } = {},
  ): void {
    const plan = { ...planOf(changes), resource_drift: planOf(drift).resource_changes };
    writeFileSync(join(this.folder, `${stack}.json`), JSON.stringify(plan));
    if (always) writeFileSync(join(this.folder, `${stack}.always`), "");
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

const planOf = (changes: readonly FakeChange[]) => ({
  format_version: "1.2",
  terraform_version: "1.11.4",
  applyable: changes.length > 0,
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
});

const behaviour = (folder: string) => `#!/bin/sh
stack=\${PWD##*/}
planned='${folder}'/$stack.json
case $1 in
version) echo '{"terraform_version": "1.11.4"}'; exit ;;
show) [ -f "$planned" ] || planned='${folder}/nothing.json'; exec cat "$planned" ;;
esac
echo "$stack: $1" >> '${folder}/log'
if [ -f '${folder}'/$1.fails ]; then cat '${folder}'/$1.fails >&2; exit 1; fi
for argument; do case $argument in -out=*) echo 'a saved plan' > "\${argument#-out=}" ;; esac; done
[ "$1" != apply ] || [ -f '${folder}'/$stack.always ] || exec rm -f "$planned"
`;
