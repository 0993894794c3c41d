import { existsSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Bootstrap, type Commands, type StatePlace } from "../../tools/bootstrap/bootstrap";
import { hasResources } from "../../tools/bootstrap/state-bucket";

/** An account with Terraform's view of it, which can be interrupted before any command. */
class World {
  readonly localState = join(mkdtempSync(join(tmpdir(), "slipway-bootstrap-")), "folder/state.tfstate");
  bucket = false;
  disposable = false;
  stateInBucket = false;
  others: string[] = [];
  synthesized?: StatePlace;
  /** Where Terraform last found the state; it refuses another place until it is told to move it. */
  initialized?: StatePlace;
  done: string[] = [];
  interruptBefore = Number.POSITIVE_INFINITY;

  readonly bootstrap = () =>
    new Bootstrap({
      localState: this.localState,
      commands: this.commands,
      bucket: {
        name: "the-bucket",
        exists: async () => this.bucket,
        holds: async () => this.bucket && this.stateInBucket,
        stacksWithResources: async () => [...this.others, "bootstrap"],
      },
    });

  private step(what: string) {
    if (this.done.length >= this.interruptBefore) throw new Error("interrupted");
    this.done.push(what);
  }

  private readonly commands: Commands = {
    cdktf: async (command, state, { disposable = false } = {}) => {
      this.step(`${command} ${state}${disposable ? " disposable" : ""}`);
      this.synthesized = state;
      if (command === "synth") return;
      this.initialize();
      if (command === "deploy") {
        if (!this.bucket && state === "bucket") throw new Error("the backend's bucket is not there");
        this.bucket = true;
        this.disposable = disposable;
      } else {
        if (!this.disposable) throw new Error("BucketNotEmpty");
        this.bucket = false;
        this.stateInBucket = false;
      }
      if (state === "local") writeFileSync(this.localState, "state");
    },
    init: async (...switches) => {
      this.step(["init", ...switches].join(" "));
      if (switches.includes("-migrate-state")) {
        if (!this.initialized) throw new Error("nothing to move");
        if (this.synthesized === "bucket") this.stateInBucket = true;
        else writeFileSync(this.localState, "state");
        this.initialized = this.synthesized;
      }
      this.initialize();
    },
    forget: () => {
      this.synthesized = undefined;
      this.initialized = undefined;
    },
  };

  private initialize() {
    if (this.initialized && this.initialized !== this.synthesized)
      throw new Error("Backend configuration changed");
    this.initialized = this.synthesized;
  }
}

const DEPLOYED = { bucket: true, stateInBucket: true };
const deployed = (others: string[] = []) => Object.assign(new World(), DEPLOYED, { others });
const yes = async () => true;

test("the state moves into the bucket that it describes", async () => {
  const world = new World();
  await world.bootstrap().deploy();
  expect(world.done).toEqual(["deploy local", "synth bucket", "init -migrate-state -force-copy"]);
  expect(world).toMatchObject(DEPLOYED);
  expect(existsSync(world.localState)).toBe(false);
});

test("a second run looks whether anything changed, with the state in the bucket", async () => {
  const world = deployed();
  await world.bootstrap().deploy();
  expect(world.done).toEqual(["deploy bucket"]);
});

test("a bucket without a state is not taken over", async () => {
  const world = Object.assign(new World(), { bucket: true });
  await expect(world.bootstrap().deploy()).rejects.toThrow(/the-bucket is there, but no state/);
  expect(world.done).toEqual([]);
});

test.each([0, 1, 2])("a deploy that was interrupted before command %i is finished by the next", async (n) => {
  const world = Object.assign(new World(), { interruptBefore: n });
  await expect(world.bootstrap().deploy()).rejects.toThrow("interrupted");
  Object.assign(world, { interruptBefore: Number.POSITIVE_INFINITY });
  await world.bootstrap().deploy();
  expect(world).toMatchObject(DEPLOYED);
  expect(existsSync(world.localState)).toBe(false);
});

test("a file that was left after its state moved is removed", async () => {
  const world = new World();
  await world.bootstrap().deploy();
  writeFileSync(world.localState, "left");
  await world.bootstrap().deploy();
  expect(world.done.at(-1)).toBe("deploy bucket");
  expect(existsSync(world.localState)).toBe(false);
});

test("destroy takes the state out of the bucket first, and lets the bucket be emptied", async () => {
  const world = deployed();
  expect(await world.bootstrap().destroy(yes)).toBe(true);
  expect(world.done).toEqual([
    "synth bucket",
    "init",
    "synth local",
    "init -migrate-state -force-copy",
    "deploy local disposable",
    "destroy local disposable",
  ]);
  expect(world.bucket).toBe(false);
  expect(existsSync(world.localState)).toBe(false);
});

test("destroy refuses while other stacks have resources, and names them", async () => {
  const world = deployed(["delivery", "dev"]);
  await expect(world.bootstrap().destroy(yes)).rejects.toThrow(/state of delivery, dev, which still have/);
  expect(world.done).toEqual([]);
});

test("destroy does nothing when it is told not to, or when there is nothing", async () => {
  const world = deployed();
  await expect(world.bootstrap().destroy(async () => false)).rejects.toThrow("Nothing was destroyed");
  expect(world.done).toEqual([]);
  expect(await new World().bootstrap().destroy(yes)).toBe(false);
});

test.each([
  0, 1, 2, 3, 4, 5,
])("a destroy that was interrupted before command %i can be finished, or undone by a deploy", async (n) => {
  for (const next of ["destroy", "deploy"] as const) {
    const world = Object.assign(deployed(), { interruptBefore: n });
    await expect(world.bootstrap().destroy(yes)).rejects.toThrow("interrupted");
    Object.assign(world, { interruptBefore: Number.POSITIVE_INFINITY });
    await (next === "deploy" ? world.bootstrap().deploy() : world.bootstrap().destroy(yes));
    expect(world.bucket).toBe(next === "deploy");
    expect(world.disposable).toBe(next === "destroy");
    expect(existsSync(world.localState)).toBe(false);
  }
});

test.each([
  ["", false],
  ['{"version": 4}', false],
  ['{"resources": [{"mode": "data"}]}', false],
  ['{"resources": [{"mode": "data"}, {"mode": "managed"}]}', true],
])("whether the state %s has resources", (state, expected) => {
  expect(hasResources(state)).toBe(expected);
});
