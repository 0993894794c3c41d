import type { Measurement } from "../../../tools/bench/measure";
import { failures, judge, median, type Result, table, toJson } from "../../../tools/bench/table";

const synth: Result = {
  benchmark: "synth",
  what: "cdktf synth",
  unit: "s",
  samples: [0.5, 0.4, 0.6],
  baseline: { what: "ts-node", samples: [2, 2, 2] },
  budget: { ratio: 0.33 },
};
const size: Result = {
  benchmark: "functions",
  what: "bundle of hello",
  unit: "KB",
  samples: [25],
  budget: { value: 400 },
};

describe("the median", () => {
  test.each([
    [[3], 3],
    [[9, 1, 2], 2],
    [[4, 1, 3, 2], 2.5],
    // Sorted as text, 10 would be less than 9.
    [[10, 9, 8], 9],
  ])("of %j is %d", (samples, middle) => {
    expect(median(samples)).toBe(middle);
  });

  test("leaves the samples in their order, which pairs them", () => {
    const samples = [3, 1, 2];
    median(samples);
    expect(samples).toEqual([3, 1, 2]);
  });
});

describe("a verdict", () => {
  test("is of the median of the pairs' ratios, not of the medians' ratio", () => {
    // The machine became ten times slower: each pair tells of two times, the medians of twenty.
    const drifting = { ...synth, samples: [2, 20, 20], baseline: { what: "it", samples: [1, 10, 1] } };
    expect(judge(drifting).ratio).toBe(2);
    expect(judge({ ...drifting, samples: [20, 20, 2] }).ratio).toBe(2);
  });

  test("is that a budget just reached is kept", () => {
    expect(judge({ ...synth, budget: { ratio: 0.25 } })).toEqual({ median: 0.5, ratio: 0.25 });
    expect(judge({ ...size, budget: { value: 25 } })).toEqual({ median: 25 });
  });

  test.each<[string, Measurement, number]>([
    ["a ratio", { ...synth, budget: { ratio: 0.2 } }, 0.25],
    ["a value", { ...size, budget: { value: 20 } }, 0.25],
    ["a value, whatever its ratio", { ...synth, budget: { value: 0.4 } }, 0.25],
  ])("says by how much %s is over its budget", (_, measurement, part) => {
    expect(judge(measurement).overBy).toBeCloseTo(part);
  });

  test("is never good of a ratio to nothing", () => {
    const nothing = { ...synth, baseline: { what: "nothing", samples: [0, 0, 0] } };
    expect(judge(nothing).overBy).toBe(Infinity);
    expect(judge({ ...nothing, samples: [0, 0, 0] }).overBy).toBeNaN();
  });

  test.each<[string, Partial<Measurement>, RegExp]>([
    ["there is no sample", { samples: [] }, /cdktf synth: a sample is no figure: there is none/],
    ["a sample is none", { samples: [1, Number.NaN, 1] }, /no figure: 1, NaN, 1/],
    ["pairs are missing", { baseline: { what: "it", samples: [1] } }, /3 samples and 1 of its baseline/],
    [
      "it has nothing to be compared with",
      { baseline: undefined },
      /a ratio, and it is compared with nothing/,
    ],
  ])("fails when %s", (_, wrong, message) => {
    expect(() => judge({ ...synth, ...wrong })).toThrow(message);
  });
});

describe("the table", () => {
  test("shows a measurement in a line, its baseline and its reason below", () => {
    const large = {
      ...size,
      what: "bundle of release-check",
      samples: [2008],
      reason: "talks to nine services",
    };
    expect(table([synth, large]).split("\n")).toEqual([
      "what                       min  median    max  unit    ratio  budget    verdict",
      "cdktf synth              0.400   0.500  0.600  s     0.250 ×  ≤ 0.33 ×  ok",
      "  to ts-node              2.00    2.00   2.00  s",
      "bundle of release-check  2,008   2,008  2,008  KB             ≤ 400 KB  over by 402 %",
      "  (talks to nine services)",
    ]);
  });

  test("has no verdict where there is no budget", () => {
    const [, line] = table([{ ...size, budget: undefined }]).split("\n");
    expect(line!.trim()).toMatch(/^bundle of hello +25\.0 +25\.0 +25\.0 +KB$/);
  });
});

describe("what is over its budget", () => {
  const lookAt = (benchmark: string) => `docs/speed.md#${benchmark}`;

  test("is nothing where all is within", () => {
    expect(failures([synth, size, { ...size, budget: undefined }], lookAt)).toEqual([]);
  });

  test("is told by how much, and with where to look", () => {
    const over = [
      { ...synth, budget: { ratio: 0.2 } },
      { ...size, samples: [401] },
    ];
    expect(failures(over, lookAt)).toEqual([
      "cdktf synth is 0.250 times ts-node, and may be 0.2: 25 % over. Look at docs/speed.md#synth.",
      "bundle of hello is 401 KB, and may be 400 KB: less than 1 % over. Look at docs/speed.md#functions.",
    ]);
  });
});

test("the JSON holds every sample, what it comes to, the machine, and what failed", () => {
  const machine = { date: "2030-01-02T03:04:05.000Z", node: "v20.9.0", cores: 2, memoryGigabytes: 8 };
  const failed = [{ benchmark: "watch", why: "no git" }];
  expect(JSON.parse(toJson(machine, [synth], failed))).toEqual({
    version: 1,
    ...machine,
    measurements: [{ ...synth, median: 0.5, ratio: 0.25 }],
    failed,
  });
});
