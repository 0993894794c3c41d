// `node tools/run.mjs __tests__/tools/synth/both.ts stacks FOLDER SETTINGS ...` synthesizes each settings file into
// FOLDER/plain/<n> by cdktf as it is published, and into FOLDER/quick/<n> by what tools/synth/quick.ts makes of it.
// `… both.ts values` prints as JSON what both make of values of every kind, or the mistake that they find in them.
// `… both.ts chain` makes a chain of stacks of which each depends on both of the layer before.
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  App,
  DefaultTokenResolver,
  Fn,
  Lazy,
  StringConcat,
  TerraformOutput,
  TerraformStack,
  TerraformVariable,
  Token,
  Tokenization,
} from "cdktf";
import { readSettings, type Settings } from "../../../settings";
import { createStacks, type StacksProps } from "../../../stacks";
import { quickenSynth } from "../../../tools/synth/quick";

const [what, folder = "", ...files] = process.argv.slice(2);

function quicken(): void {
  if (!quickenSynth())
    throw new Error("tools/synth/quick.ts was written for other versions of cdktf and constructs");
}

async function stacks(): Promise<void> {
  const archives = join(folder, "archives");
  mkdirSync(archives, { recursive: true });
  for (const name of readdirSync("lambdas")) writeFileSync(join(archives, `${name}.zip`), "an archive");
  const all = await Promise.all(files.map((file) => readSettings(file)));
  // Where a token was made is written nowhere, and takes a seventh of all.
  Error.captureStackTrace = () => {};
  synthesize("plain", all, archives);
  quicken();
  synthesize("quick", all, archives);
}

function synthesize(kind: string, all: readonly Settings[], archives: string): void {
  for (const [index, settings] of all.entries()) {
    const ways: Partial<StacksProps>[] = [
      { only: "all but bootstrap" },
      { only: "all but bootstrap", local: true, disposable: true, requested: ["delivery"] },
      { only: "bootstrap" },
      { preview: Object.values(settings.environments)[0]! },
    ];
    for (const [way, props] of ways.entries()) {
      const outdir = join(folder, kind, String(index), String(way));
      mkdirSync(outdir, { recursive: true });
      const app = new App({ outdir });
      createStacks(app, {
        settings,
        functionBundles: archives,
        local: false,
        only: "all but bootstrap",
        ...props,
      });
      app.synth();
    }
  }
}

async function values(): Promise<void> {
  const app = new App({ outdir: folder });
  const [one, other] = [new TerraformStack(app, "one"), new TerraformStack(app, "other")];
  const variable = new TerraformVariable(one, "name", { type: "string" });
  const output = new TerraformOutput(one, "out", { value: "x" });
  const list = Token.asList(Fn.split(",", variable.stringValue));
  const lazy = (value: unknown) => Lazy.anyValue({ produce: () => value });
  class Own {
    readonly key = variable.stringValue;
  }
  const circle: Record<string, unknown> = {};
  circle.circle = circle;
  let deep: unknown = variable.stringValue;
  for (let depth = 0; depth < 198; depth++) deep = [deep];
  const all: Record<string, unknown> = {
    nothing: undefined,
    null: null,
    text: "text",
    "text that looks like a number": ["1e5", "-e1-x", "arn:1e300", "5e4123", "12:5e308:9"],
    "text of a number token that nobody made": "-1.8881545897099999e+289",
    numbers: [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, -1e300],
    "number of a map token": Token.NUMBER_MAP_TOKEN_VALUE,
    "text of a map token": Token.STRING_MAP_TOKEN_VALUE,
    "undefined in a list and in data": { list: [undefined, 1, [undefined]], gone: undefined, empty: {} },
    "a token": variable.stringValue,
    "a token in text": `a ${variable.stringValue} b ${output.value}`,
    "a token beside what is escaped": `\${aws_x.y} ${variable.stringValue} }`,
    "what is escaped alone": `\${aws_x.y[0]}`,
    "a function of Terraform": Fn.join("-", [variable.stringValue, Fn.upper(`\${x}`), "1e300"]),
    "a number": Token.asNumber(variable.value),
    "a number in text": `${Token.asNumber(variable.value)} and ${Token.asNumber(Fn.lengthOf(list))}`,
    "a number that is text": Token.asString(lazy("-8.2e+298")),
    list,
    "a list in a list": [list],
    "a list with another element": [...list, "x"],
    "a list as text": list[0],
    "a list of numbers": Token.asNumberList(lazy([1, 2])),
    "a list of numbers with another": [...Token.asNumberList(lazy([1, 2])), 3],
    "a map": Token.asStringMap(variable.value),
    "a map with another key": { ...Token.asStringMap(variable.value), more: 1 },
    "a key that is a token": { [variable.stringValue]: 1 },
    "a key that is a list": { [list[0]!]: 1 },
    "what is produced late": lazy({
      a: [lazy(undefined), lazy([variable.stringValue])],
      b: lazy(new Date(0)),
    }),
    "text that is data": Token.asString(lazy({ a: 1 })),
    "text that is a token of a token": Token.asString(lazy(lazy(variable.value))),
    "text that is nothing": Token.asString(lazy(undefined)),
    "text with nothing in it": `a${Token.asString(lazy(undefined))}`,
    "an object of a class": new Own(),
    "a date": new Date(0),
    "data without a prototype": Object.assign(Object.create(null), { a: variable.stringValue }),
    "a key like a class's": JSON.parse('{"__proto__": {"a": 1}, "constructor": 2}'),
    "a function": { a: [() => 1] },
    "a construct": { a: one },
    "a circle": circle,
    "what is deep": deep,
    "what is too deep": [[[[deep]]]],
    "a token that nobody made": `\${TfToken[TOKEN.999999]}`,
    "a mistake in a token": {
      a: Lazy.stringValue({
        produce: () => {
          throw new Error("not so");
        },
      }),
    },
  };
  const resolver = new DefaultTokenResolver(new StringConcat());
  const outcomes = () => {
    const made = Object.entries(all).flatMap(([name, value]) =>
      [one, other].map((stack) => {
        try {
          return [
            `${name}, in stack ${stack.node.id}`,
            show(Tokenization.resolve(value, { scope: stack, resolver, preparing: false })),
          ];
        } catch (error) {
          return [
            `${name}, in stack ${stack.node.id}`,
            (error as Error).message.split("\nObject creation stack")[0],
          ];
        }
      }),
    );
    return Object.fromEntries(made);
  };
  const plain = outcomes();
  quicken();
  console.log(JSON.stringify({ plain, quick: outcomes() }));
}

/** All that can be seen of a value: JSON tells neither undefined, nor classes, nor what is no finite number. */
function show(value: unknown): unknown {
  if (Array.isArray(value)) return { list: value.map(show) };
  if (typeof value !== "object" || value === null) return `${typeof value} ${String(value)}`;
  const entries = Object.entries(value).map(([key, inner]) => [key, show(inner)]);
  return { class: Object.getPrototypeOf(value)?.constructor?.name, entries };
}

async function chain(): Promise<void> {
  quicken();
  const app = new App({ outdir: folder });
  let layer: TerraformStack[] = [];
  const first = new TerraformStack(app, "first");
  for (let depth = 0; depth < 60; depth++) {
    const next = [0, 1].map((side) => new TerraformStack(app, `stack-${depth}-${side}`));
    for (const stack of next) for (const before of depth ? layer : [first]) stack.addDependency(before);
    layer = next;
  }
  const last = new TerraformStack(app, "last");
  last.addDependency(layer[0]!);
  console.log(JSON.stringify([last.dependsOn(first), first.dependsOn(last)]));
  first.addDependency(last);
}

const run = { stacks, values, chain }[what as "stacks"];
run().catch((error: unknown) => {
  console.error((error as Error).message);
  process.exitCode = 1;
});
