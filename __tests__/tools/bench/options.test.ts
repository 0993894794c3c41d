import type { Benchmark } from "../../../tools/bench/measure";
import { readOptions } from "../../../tools/bench/options";

const known = ["synth", "review", "demo", "rehearsal"].map(
  (name): Benchmark => ({ name, isSlow: name === "demo" || name === "rehearsal", run: async () => [] }),
);
const read = (...args: string[]) => readOptions(args, known, "bench.json");
const chosen = (...args: string[]) => read(...args).benchmarks.map(({ name }) => name);

test("nothing said is five runs of all that is not slow, only told", () => {
  expect(read()).toEqual({ benchmarks: known.slice(0, 2), runs: 5, json: "bench.json", isCheck: false });
});

test("all that can be said is understood", () => {
  expect(read("--runs", "3", "--json", "a.json", "--check")).toMatchObject({
    runs: 3,
    json: "a.json",
    isCheck: true,
  });
});

test.each([
  [["--only", "review"], ["review"]],
  // In the benchmarks' own order: what is slow comes last.
  [
    ["--only", "demo, synth"],
    ["synth", "demo"],
  ],
  [
    ["--only", "review", "--only", "synth"],
    ["synth", "review"],
  ],
  [["--demo"], ["synth", "review", "demo"]],
  [
    ["--only", "review", "--rehearsal"],
    ["review", "rehearsal"],
  ],
  [["--all"], ["synth", "review", "demo", "rehearsal"]],
])("%j runs %j", (args, names) => {
  expect(chosen(...args)).toEqual(names);
});

test.each([
  ["a benchmark that is not there", ["--only", "speed"], /^There is no benchmark "speed"\./],
  ["a name of every object", ["--only", "__proto__"], /^There is no benchmark "__proto__"\./],
  ["no name", ["--only", "synth,"], /^There is no benchmark ""\./],
  ["some and all", ["--only", "synth", "--all"], /^--only names some of the benchmarks, and --all is all/],
  ["no runs", ["--runs", "0"], /^--runs is "0"; it is a whole number from 1 to 100\./],
  ["runs in words", ["--runs", "many"], /^--runs is "many"; it is a whole number/],
  ["half a run", ["--runs", "2.5"], /^--runs is "2\.5"/],
  ["runs for a day", ["--runs", "5000"], /^--runs is "5000"/],
  ["a file without a name", ["--json="], /^--json names no file\./],
  ["an option that is none", ["--fast"], /^Unknown option '--fast'/],
  ["a quick one by its name", ["--review"], /^Unknown option '--review'/],
  ["a word too many", ["synth"], /^Unexpected argument 'synth'/],
])("fails when it is given %s, and says what there is", (_, args, message) => {
  expect(() => read(...args)).toThrow(message);
  expect(() => read(...args)).toThrow(/^NAME is one of synth, review, demo, rehearsal\.$/m);
  expect(() => read(...args)).toThrow(/\[--demo\] \[--rehearsal\] \[--all\]/);
});
