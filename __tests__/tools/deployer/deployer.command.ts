import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { AppliedStacks } from "../../../tools/deployer/applied";
import { Deployer, type DeployerProps, type News, type PlannedRound } from "../../../tools/deployer/deployer";
import { SAVED_PLAN, Stack } from "../../../tools/deployer/stack";
import { readStacks, select } from "../../../tools/deployer/stacks";
import { JsonTerraform } from "./json-terraform";

const environment = { ...process.env };
let root: string;
let terraform: JsonTerraform;
let news: News[];
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "slipway-deployer-"));
  terraform = new JsonTerraform(join(root, "terraform"));
  process.env.PATH = `${terraform.bin}${delimiter}${environment.PATH}`;
  news = [];
});
afterEach(() => {
  process.env = { ...environment };
  rmSync(root, { recursive: true, force: true });
});

/** @param stacks names of those that each stands on */
function deployerOf(stacks: Record<string, string[]>, more: Partial<DeployerProps> = {}): Deployer {
  const manifest = Object.entries(stacks).map(([name, dependencies]) => {
    const workingDirectory = `stacks/${name}`;
    mkdirSync(join(root, "out", workingDirectory), { recursive: true });
    writeFileSync(join(root, "out", workingDirectory, "cdk.tf.json"), JSON.stringify({ terraform: {} }));
    return [name, { name, workingDirectory, dependencies }];
  });
  writeFileSync(join(root, "out/manifest.json"), JSON.stringify({ stacks: Object.fromEntries(manifest) }));
  return new Deployer({
    stacks: select(readStacks(join(root, "out")), ["*"]),
    onNews: (one) => news.push(one),
    ...more,
  });
}

const outcomes = (results: Awaited<ReturnType<Deployer["apply"]>>) =>
  Object.fromEntries(results.map(({ name, outcome }) => [name, outcome]));
const asked = () => terraform.asked.filter((line) => !/: init$/.test(line));

const CHAIN = { above: ["base"], base: [], beside: [] };

describe("apply", () => {
  test("applies each after what it stands on, and tells what was changed, in the order of the settings", async () => {
    terraform.hasNothingToDo("beside");
    expect(await deployerOf(CHAIN).apply()).toEqual([
      { name: "above", outcome: "applied", changes: { add: 1, change: 0, destroy: 0 }, warnings: [] },
      { name: "base", outcome: "applied", changes: { add: 1, change: 0, destroy: 0 }, warnings: [] },
      { name: "beside", outcome: "unchanged", changes: { add: 0, change: 0, destroy: 0 }, warnings: [] },
    ]);
    const steps = asked();
    expect(steps.indexOf("above: apply")).toBeGreaterThan(steps.indexOf("base: done"));
  });

  test("tells each step as Terraform tells it", async () => {
    await deployerOf({ base: [] }).apply();
    expect(news).toEqual([
      { stack: "base", is: "planning" },
      {
        stack: "base",
        is: "applying",
        done: 0,
        total: 1,
        step: "began",
        words: "aws_sqs_queue.queue: Creating...",
      },
      {
        stack: "base",
        is: "applying",
        done: 1,
        total: 1,
        step: "ended",
        words: "aws_sqs_queue.queue: Creation complete after 0s [id=queue]",
      },
      { stack: "base", is: "ended", result: expect.objectContaining({ name: "base", outcome: "applied" }) },
    ]);
  });

  test("leaves out what stands on one that fails, tells the failure in Terraform's words, and goes on with all others", async () => {
    terraform.fails("base", "apply", "AccessDenied");
    terraform.warns("beside", "Deprecated");
    expect(await deployerOf({ ...CHAIN, top: ["above", "beside"] }).apply()).toMatchObject([
      { name: "above", outcome: "left out" },
      { name: "base", outcome: "failed", failure: "AccessDenied\nwith aws_sqs_queue.queue" },
      { name: "beside", outcome: "applied", warnings: ["Deprecated\nwith aws_sqs_queue.queue"] },
      { name: "top", outcome: "left out" },
    ]);
  });

  test("begins with nothing more once it is stopped, and lets what it has begun come to its end", async () => {
    terraform.waits("base");
    const deployer = deployerOf(CHAIN, { atOnce: 1 });
    const applying = deployer.apply();
    await terraform.untilAsked("base: waits");
    deployer.stop();
    terraform.goOn("base");
    expect(outcomes(await applying)).toEqual({ above: "left out", base: "applied", beside: "left out" });
    expect(asked()).toEqual(["base: apply", "base: waits", "base: done"]);
  });

  test("tells nobody a log that is for programs where Terraform was killed", async () => {
    writeFileSync(
      join(terraform.bin, "terraform"),
      `#!/bin/sh
case $1 in version) echo '{"terraform_version": "1.11.4"}'; exit ;; init) exit ;; esac
echo '{"@level":"info","type":"outputs","outputs":{"token":{"value":"secret"}}}'
kill -9 $$
`,
    );
    expect(await deployerOf({ base: [] }).apply()).toMatchObject([
      { outcome: "failed", failure: "It ended with exit code 1, and said nothing." },
    ]);
  });

  test("destroys in the other order", async () => {
    expect(outcomes(await deployerOf(CHAIN, { destroy: true }).apply())).toMatchObject({
      above: "applied",
      base: "applied",
    });
    const steps = asked();
    expect(steps.indexOf("base: destroy")).toBeGreaterThan(steps.indexOf("above: done"));
  });
});

describe("plan", () => {
  test("reads all plans as one, also of what stands on others, and leaves no saved plan behind: it holds secrets", async () => {
    terraform.fails("beside", "plan", "╷\n│ Error: no such region\n╵");
    const { reviewed } = await deployerOf(CHAIN).plan();
    expect(reviewed.plans.map(({ name, counts }) => [name, counts.add])).toEqual([
      ["above", 1],
      ["base", 1],
    ]);
    expect(reviewed.failed).toEqual([{ name: "beside", failure: "Error: no such region" }]);
    expect(asked().filter((line) => !/: plan$/.test(line))).toEqual([]);
    for (const stack of Object.keys(CHAIN))
      expect(existsSync(join(root, "out/stacks", stack, "slipway.tfplan"))).toBe(false);
  });

  test("plans nothing more once it is stopped, and tells what was not planned as such", async () => {
    const deployer = deployerOf(CHAIN, {
      atOnce: 1,
      onNews: ({ is }) => {
        if (is === "planned") deployer.stop();
      },
    });
    const { reviewed } = await deployer.plan();
    expect(asked()).toEqual(["above: plan"]);
    expect(reviewed.failed.map(({ name, failure }) => `${name}: ${failure}`)).toEqual([
      "base: It was not planned.",
      "beside: It was not planned.",
    ]);
  });
});

describe("applyAsked", () => {
  /** Notes which plans it was asked about, and says the same of each round. */
  function asking(answer: boolean) {
    const rounds: string[][] = [];
    const ask = async ({ reviewed }: PlannedRound) => {
      rounds.push(reviewed.plans.map(({ name }) => name));
      return answer;
    };
    return { rounds, ask };
  }

  test("asks a round for those that stand on nothing, and then one for those above, that are planned only then", async () => {
    const { rounds, ask } = asking(true);
    const results = await deployerOf(CHAIN).applyAsked(ask);
    expect(outcomes(results)).toEqual({ above: "applied", base: "applied", beside: "applied" });
    expect(rounds).toEqual([["base", "beside"], ["above"]]);
    const steps = asked();
    expect(steps.indexOf("above: plan")).toBeGreaterThan(steps.indexOf("base: done"));
  });

  test("applies just the plan that was shown", async () => {
    await deployerOf({ base: [] }).applyAsked(asking(true).ask);
    expect(asked()).toEqual(["base: plan", `base: apply ${terraform.saved("base").trim()}`, "base: done"]);
  });

  test("applies the plan that was shown also where another run plans the same stack meanwhile", async () => {
    let shown = "";
    await deployerOf({ base: [] }).applyAsked(async () => {
      shown = terraform.saved("base").trim();
      await deployerOf({ base: [] }, { destroy: true }).plan();
      return true;
    });
    expect(terraform.saved("base")).toContain("destroy");
    expect(asked()).toContain(`base: apply ${shown}`);
  });

  test("applies nothing of a round that is refused, nor what comes after it", async () => {
    const results = await deployerOf(CHAIN).applyAsked(asking(false).ask);
    expect(outcomes(results)).toEqual({ above: "left out", base: "left out", beside: "left out" });
    expect(asked().sort()).toEqual(["base: plan", "beside: plan"]);
  });

  test("asks nothing where nothing would be done, and goes on to what stands on that", async () => {
    terraform.hasNothingToDo("base");
    terraform.hasNothingToDo("beside");
    const { rounds, ask } = asking(true);
    const results = await deployerOf(CHAIN).applyAsked(ask);
    expect(rounds).toEqual([["above"]]);
    expect(outcomes(results)).toEqual({ above: "applied", base: "unchanged", beside: "unchanged" });
  });

  test("applies neither what cannot be planned nor what stands on it, but the others of the round", async () => {
    terraform.fails("base", "plan", "Error: no such region");
    const results = await deployerOf(CHAIN).applyAsked(asking(true).ask);
    expect(outcomes(results)).toEqual({ above: "left out", base: "failed", beside: "applied" });
    expect(results.find(({ name }) => name === "base")!.failure).toBe("Error: no such region");
    expect(asked()).not.toContain("above: plan");
  });

  test("does not apply unplanned what Terraform left no plan of", async () => {
    writeFileSync(
      join(terraform.bin, "terraform"),
      `#!/bin/sh\ncase $1 in version) echo '{"terraform_version": "1.11.4"}' ;; apply) touch '${root}/applied' ;; esac\n`,
    );
    const results = await deployerOf({ base: [] }).applyAsked(asking(true).ask);
    expect(outcomes(results)).toEqual({ base: "left out" });
    expect(existsSync(join(root, "applied"))).toBe(false);
  });

  test("plans no further round once it is stopped, be it while it applies", async () => {
    const deployer = deployerOf(CHAIN, {
      onNews: ({ is }) => {
        if (is === "ended") deployer.stop();
      },
    });
    await deployer.applyAsked(asking(true).ask);
    expect(asked()).not.toContain("above: plan");
  });

  test("applies nothing where it is stopped before the answer", async () => {
    const deployer = deployerOf(CHAIN);
    const results = await deployer.applyAsked(async () => {
      deployer.stop();
      return true;
    });
    expect(new Set(Object.values(outcomes(results)))).toEqual(new Set(["left out"]));
    expect(asked().filter((line) => / apply/.test(line))).toEqual([]);
  });

  test("destroys by plans too, in the other order", async () => {
    const { rounds, ask } = asking(true);
    await deployerOf(CHAIN, { destroy: true }).applyAsked(ask);
    expect(rounds).toEqual([["above", "beside"], ["base"]]);
    expect(
      asked()
        .filter((line) => /: plan/.test(line))
        .sort(),
    ).toEqual(["above: plan to destroy", "base: plan to destroy", "beside: plan to destroy"]);
    expect(asked().filter((line) => /apply plan \d+ to destroy$/.test(line))).toHaveLength(3);
  });
});

test("a stack's plan that fails does not leave what an earlier plan left as its own", async () => {
  const folder = join(root, "base");
  mkdirSync(folder);
  writeFileSync(join(folder, SAVED_PLAN), "of another day");
  terraform.fails("base", "plan", "Error: no such region");
  expect(await new Stack(folder).plan()).toEqual({ failure: "Error: no such region" });
});

describe("what is skipped", () => {
  class Remembered extends AppliedStacks {
    readonly told: string[] = [];
    constructor(private readonly unchanged: readonly string[]) {
      super(join(root, "applied"), "1.11.4");
    }
    override async when({ folder }: { folder: string }) {
      return this.unchanged.some((name) => folder.endsWith(name)) ? new Date(0) : undefined;
    }
    override async basis() {
      return { given: "", foundations: [] };
    }
    override forget(folder: string): void {
      this.told.push(`forget ${folder.slice(dirname(folder).length + 1)}`);
    }
    override async remember({ folder }: { folder: string }) {
      this.told.push(`remember ${folder.slice(dirname(folder).length + 1)}`);
    }
  }

  test.each([
    "apply",
    "applyAsked",
  ] as const)("starts no Terraform for what is unchanged, and takes it for done: %s", async (way) => {
    const applied = new Remembered(["base", "beside"]);
    const results = await deployerOf(CHAIN, { applied, skipUnchanged: true })[way](async () => true);
    expect(results).toMatchObject([
      { name: "above", outcome: "applied" },
      { name: "base", outcome: "skipped", since: new Date(0) },
      { name: "beside", outcome: "skipped" },
    ]);
    expect(terraform.asked.filter((line) => !line.startsWith("above"))).toEqual([]);
    expect(applied.told).toEqual(["forget above", "remember above"]);
  });

  test("skips nothing unasked, nor of a destroy", async () => {
    const applied = new Remembered(["base"]);
    expect(outcomes(await deployerOf({ base: [] }, { applied }).apply())).toEqual({ base: "applied" });
    const destroy = deployerOf({ base: [] }, { applied, skipUnchanged: true, destroy: true });
    expect(outcomes(await destroy.apply())).toEqual({ base: "applied" });
    expect(applied.told).toEqual(["forget base", "remember base", "forget base"]);
  });

  test("remembers nothing that failed, and forgets what it was before", async () => {
    const applied = new Remembered([]);
    terraform.fails("base", "apply", "AccessDenied");
    await deployerOf({ base: [] }, { applied }).apply();
    expect(applied.told).toEqual(["forget base"]);
  });
});
