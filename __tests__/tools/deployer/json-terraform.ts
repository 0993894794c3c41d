import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";

/** How soon is looked again whether something has happened, in milliseconds. */
const LOOK = 10;

const QUEUE = "aws_sqs_queue.queue";

const change = (actions: readonly string[]) => ({
  actions,
  before: actions.includes("create") ? null : { name: "before" },
  after: actions.includes("delete") ? null : { name: "after" },
  after_unknown: {},
  before_sensitive: {},
  after_sensitive: {},
});

/** As `terraform show -json` writes a plan that does this to a queue. */
const planOf = (...actions: string[]) =>
  JSON.stringify({
    format_version: "1.2",
    terraform_version: "1.11.4",
    resource_changes: actions.length
      ? [{ address: QUEUE, mode: "managed", type: "aws_sqs_queue", name: "queue", change: change(actions) }]
      : [],
  });

const message = (text: string, more: object) =>
  JSON.stringify({ "@level": "info", "@message": text, "@module": "terraform.ui", ...more });
const summary = (operation: string, add: number, remove: number) =>
  message("Plan", { changes: { add, change: 0, import: 0, remove, operation }, type: "change_summary" });
const hook = (type: string, text: string) =>
  message(`${QUEUE}: ${text}`, { hook: { resource: { addr: QUEUE }, action: "create" }, type });
const diagnostic = (severity: string, found: string) =>
  message(found, {
    diagnostic: { severity, summary: found, detail: "", address: QUEUE },
    type: "diagnostic",
  });

/** A `terraform` that plans and applies a queue in each stack, prints JSON as Terraform does, and notes what it was asked. */
export class JsonTerraform {
  /** For PATH. */
  readonly bin: string;

  /** @param folder of its own */
  constructor(private readonly folder: string) {
    this.bin = join(folder, "bin");
    mkdirSync(this.bin, { recursive: true });
    this.write("log", "");
    this.write("create", planOf("create"));
    this.write("delete", planOf("delete"));
    this.write("nothing", planOf());
    const program = join(this.bin, "terraform");
    // A shell's: most of a short program of Node's is its start.
    writeFileSync(program, behaviour(folder));
    chmodSync(program, 0o755);
  }

  private write(name: string, content: string): void {
    writeFileSync(join(this.folder, name), content);
  }

  /** A stack whose plan is empty. */
  hasNothingToDo(stack: string): void {
    this.write(`${stack}.empty`, "");
  }

  /** What a command says for programs as it fails in a stack. */
  fails(stack: string, command: "plan" | "apply", words: string): void {
    this.write(`${stack}.${command}.fails`, command === "apply" ? diagnostic("error", words) : words);
  }

  /** What an apply warns of in a stack. */
  warns(stack: string, words: string): void {
    this.write(`${stack}.warns`, diagnostic("warning", words));
  }

  /** Its apply of this stack goes on only once it is told to, or gets a signal. */
  waits(stack: string): void {
    this.write(`${stack}.waits`, "");
  }

  goOn(stack: string): void {
    this.write(`${stack}.goes-on`, "");
  }

  /** Waits until it was asked to do something. */
  async untilAsked(what: string): Promise<void> {
    while (!this.asked.includes(what)) await setTimeout(LOOK);
  }

  /** Content of the last plan that was saved for a stack. */
  saved(stack: string): string {
    return readFileSync(join(this.folder, `${stack}.saved`), "utf8");
  }

  get asked(): string[] {
    return readFileSync(join(this.folder, "log"), "utf8").split("\n").filter(Boolean);
  }
}

const behaviour = (folder: string) => `#!/bin/sh
here='${folder}'
stack=$(basename "$PWD")
for last; do case $last in -out=*) out=\${last#-out=} ;; -destroy) destroy=1 ;; esac; done
case $1 in
version) echo '{"terraform_version": "1.11.4"}'; exit ;;
show)
  if [ -f "$here/$stack.empty" ]; then cat "$here/nothing"
  elif grep -q destroy "$last"; then cat "$here/delete"
  else cat "$here/create"; fi
  exit ;;
plan)
  echo "$stack: plan\${destroy:+ to destroy}" >> "$here/log"
  if [ -f "$here/$stack.plan.fails" ]; then cat "$here/$stack.plan.fails" >&2; exit 1; fi
  echo "plan $$\${destroy:+ to destroy}" | tee "$here/$stack.saved" > "$out"
  exit ;;
apply | destroy)
  if [ -f "$last" ]; then with=" $(cat "$last")"; fi
  echo "$stack: $1$with" >> "$here/log" ;;
*) echo "$stack: $1" >> "$here/log"; exit ;;
esac
told() {
  echo "$stack: got $1" >> "$here/log"
  # As Terraform, it takes its time.
  sleep 0.3
  echo '${diagnostic("error", "execution halted")}'
  echo "$stack: ended" >> "$here/log"
  exit 1
}
trap 'told TERM' TERM
trap 'told INT' INT
if [ -f "$here/$stack.empty" ]; then echo '${summary("apply", 0, 0)}'; exit; fi
echo '${summary("plan", 1, 0)}'
if [ -f "$here/$stack.warns" ]; then cat "$here/$stack.warns"; echo; fi
echo '${hook("apply_start", "Creating...")}'
if [ -f "$here/$stack.waits" ]; then
  echo "$stack: waits" >> "$here/log"
  until [ -f "$here/$stack.goes-on" ]; do sleep 0.05; done
fi
if [ -f "$here/$stack.apply.fails" ]; then
  echo '${hook("apply_errored", "Creation errored after 0s")}'
  cat "$here/$stack.apply.fails"
  exit 1
fi
echo '${hook("apply_complete", "Creation complete after 0s [id=queue]")}'
if [ $1 = destroy ]; then echo '${summary("destroy", 0, 1)}'; else echo '${summary("apply", 1, 0)}'; fi
echo "$stack: done" >> "$here/log"
`;
