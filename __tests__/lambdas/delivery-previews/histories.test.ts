import fc from "fast-check";
import { ruleOf } from "../../../shared/previews";
import { tries } from "../../support/effort";
import { awsError, cloneName, environmentOf, FakeWorld, type Fault, TASK } from "./fake-world";
import { BRANCHES, type Change, change, RULES, randomOf } from "./history";

/** What pipelines of the branches are called. */
const CLONES = BRANCHES.map(cloneName);

class History {
  readonly world = new FakeWorld();
  readonly passed: string[] = [];
  private readonly queue: object[] = [];
  private commits = 0;
  /** Where most calls fail, few steps get far. */
  private readonly trouble: number;

  constructor(private readonly random: () => number) {
    this.trouble = [0, 0.2, 1][Math.floor(random() * 3)]!;
    const { world } = this;
    world.task = { ...TASK, rules: RULES };
    world.fault = () => this.faultOf();
    world.runsFail = () => random() < 0.2;
    world.teardownsFail = () => random() < 0.3;
    world.teardownsEnd = () => random() < 0.4;
    world.pause = async () => {
      for (let turns = Math.floor(random() * 4); turns > 0; turns--) await null;
      this.checkLimits();
    };
  }

  private faultOf(): Fault {
    const lot = this.random() / this.trouble;
    if (lot < 0.1) return awsError("ThrottlingException");
    if (lot < 0.12) return "death before";
    return lot < 0.14 ? "death after" : undefined;
  }

  /** The repository, or time, goes on; what is told of it may be lost, or come twice. */
  private happen({ what, branch }: Change): void {
    const { world } = this;
    const number = BRANCHES.indexOf(branch) + 1;
    if (what === "push") world.branches.set(branch, `c${++this.commits}`);
    if (what === "delete" && branch !== "main") {
      world.branches.delete(branch);
      const pull = world.pulls.get(number);
      if (pull) pull.isOpen = false;
    }
    if (what === "open" && world.branches.has(branch))
      world.pulls.set(number, { branch, into: "main", isOpen: true });
    if (what === "close" && world.pulls.has(number)) world.pulls.get(number)!.isOpen = false;
    if (what === "sweep") this.tell({ slipway: "sweep" });
    if (["push", "delete"].includes(what)) this.tell({ slipway: "branch", branch });
    if (["open", "close"].includes(what)) this.tell({ slipway: "pull-request", number, branch });
  }

  private pass(): void {
    this.world.minutes(7);
    this.world.tick();
    for (const event of this.world.events.splice(0)) this.tell(event);
  }

  private tell(message: object): void {
    if (this.random() < 0.2) return;
    this.queue.push(message, ...(this.random() < 0.2 ? [message] : []));
  }

  /** Handles up to three messages side by side, in any order; what failed comes again. */
  private async deliver(during: Change | undefined): Promise<void> {
    const taken = Array.from({ length: Math.min(3, this.queue.length) }, () => {
      return this.queue.splice(Math.floor(this.random() * this.queue.length), 1)[0]!;
    });
    const hear = async (message: object) => {
      if (!(await this.world.hear(message)) && this.random() < 0.7) this.queue.push(message);
    };
    const meanwhile = async () => {
      for (let turns = Math.floor(this.random() * 60); turns > 0; turns--) await null;
      if (during) this.happen(during);
    };
    await Promise.all([...taken.map(hear), meanwhile()]);
  }

  async live(changes: readonly Change[]): Promise<void> {
    const coming = [...changes];
    for (let one = coming.shift(); one; one = coming.shift()) {
      this.happen(one);
      while (this.random() < 0.6) {
        if (this.random() < 0.5) this.pass();
        await this.deliver(this.random() < 0.3 ? coming.shift() : undefined);
      }
    }
  }

  /** Nothing happens any more, and all goes well. */
  async end(): Promise<void> {
    const { world } = this;
    world.fault = () => undefined;
    world.runsFail = () => false;
    world.teardownsFail = () => false;
    world.teardownsEnd = () => true;
    for (let round = 0; round < 12; round++) {
      // What has failed often is tried but once a day.
      world.minutes(round < 6 ? 15 : 25 * 60);
      await world.sweep();
      world.tick();
      world.tick();
    }
  }

  /** Branches with a preview by a rule. */
  wanted(pattern: string): string[] {
    const { branches, pulls } = this.world;
    return [...branches.keys()].filter((branch) => {
      const open = [...pulls.values()].filter((pull) => pull.branch === branch && pull.isOpen);
      const pullRequestsInto = open.map(({ into }) => into);
      return ruleOf(RULES, TASK.deployed, { branch, pullRequestsInto })?.pattern === pattern;
    });
  }

  private checkLimits(): void {
    const clones = this.world.clones();
    const over = (names: readonly string[], limit: number) =>
      clones.filter((name) => names.includes(name)).length > limit;
    // In this history a branch is of one rule alone.
    if (over(CLONES.slice(0, 3), RULES[0]!.limit) || over(CLONES.slice(3), RULES[1]!.limit))
      this.passed.push(clones.join(" "));
  }
}

test("whatever happens, and fails, in the end each branch that is to have a preview has one, and nothing else is left", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(change, { minLength: 5, maxLength: 40, size: "max" }),
      fc.integer(),
      async (changes, seed) => {
        const history = new History(randomOf(seed));
        await history.live(changes);
        await history.end();
        const { world } = history;

        expect(history.passed).toEqual([]);
        const previewed = BRANCHES.filter((branch) => world.clones().includes(cloneName(branch)));
        for (const { pattern, limit } of RULES) {
          const wanted = history.wanted(pattern);
          const have = wanted.filter((branch) => previewed.includes(branch));
          expect(have).toHaveLength(Math.min(limit, wanted.length));
        }
        expect(world.clones()).toHaveLength(
          RULES.reduce((sum, { pattern, limit }) => sum + Math.min(limit, history.wanted(pattern).length), 0),
        );
        for (const branch of previewed) {
          const newest = world.runsOf(branch).at(-1);
          expect(newest).toMatchObject({ commit: world.branches.get(branch) });
        }
        const environments = previewed.map(environmentOf);
        // What was torn down is deployed again.
        expect([...world.states.keys()].sort()).toEqual(environments.toSorted());
        expect([...world.objects.keys()].sort()).toEqual(
          previewed
            .map((branch) => `records/main_dev_${environmentOf(branch).slice("pv-dev-".length)}.json`)
            .sort(),
        );
      },
    ),
    { numRuns: tries(100) },
  );
});
