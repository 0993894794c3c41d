import { readFileSync } from "node:fs";
import { readPlan } from "../../../tools/review/plan";
import { render } from "../../../tools/review/render";
import { review, toJson } from "../../../tools/review/review";
import { cases, counts, fixture } from "./fixtures";

const planned = cases.filter(({ name }) => fixture(name).plan !== undefined);

const read = (name: string) => review([readPlan(name, readFileSync(fixture(name).path, "utf8"))]);
const shapes = (name: string) => {
  const reviewed = read(name);
  return [
    render(reviewed, { format: "markdown", limit: 0, whole: "" }).text,
    render(reviewed, { format: "text", limit: 0, whole: "" }).text,
    toJson(reviewed),
  ] as const;
};

describe("plans that Terraform made", () => {
  test.each(planned)("$name: it counts as Terraform does", ({ name }) => {
    expect(read(name).counts).toMatchObject(counts(fixture(name).text));
  });

  test.each(planned.filter(({ secrets }) => secrets))("$name: no secret comes out", ({ name, secrets }) => {
    for (const shape of shapes(name)) for (const secret of secrets!) expect(shape).not.toContain(secret);
  });

  test.each(planned.filter(({ shown }) => shown))("$name: what is no secret is shown", ({ name, shown }) => {
    const [, text] = shapes(name);
    for (const value of shown!) expect(text).toContain(value);
  });
});

const text = (name: string) => shapes(name)[1];

describe("what the reader is told", () => {
  test.each([
    ["replace", "forced by triggers_replace"],
    ["replace-tainted", "it is tainted"],
    ["replace-by-request", "asked for with -replace"],
    ["replace-by-triggers", "triggered by another's change"],
    ["replace-create-first", "(the new one first)"],
    ["delete", "it is no longer in the configuration"],
    ["delete-count-index", "its index is beyond count"],
    ["delete-each-key", "its key is no longer in for_each"],
    ["delete-module", "its module is no longer in the configuration"],
    ["delete-wrong-repetition", "it changed between one and many"],
    ["delete-no-move-target", "what it was moved to is not in the configuration"],
    ["deposed", "(deposed object "],
    ["forget", "it stays, and nobody manages it"],
    ["move-only", "moved from terraform_data."],
    ["import-only", "imported: "],
    ["import-replace", "imported only to be destroyed"],
    ["data-read", "what it depends on changes first"],
    ["unknown", "(known after apply): "],
    ["drift", "outside of Terraform"],
    ["deferred", "put off: "],
    ["target", "the plan is not complete"],
    ["checks", " fails: "],
    ["error-precondition", "Terraform met an error"],
    ["update", "12345678901234567891"],
    ["secret-mark-only", "nothing that can be shown"],
    ["update-text", '-   set -e\n      +   set -eu\n          echo "one"'],
    ["update-json", "+ input.policy → a = 2"],
    ["no-op", "no changes."],
  ])("%s: %s", (name, words) => {
    expect(text(name)).toContain(words);
  });

  test("documents that differ in form alone are counted, not told", () => {
    const { folded, resources } = read("update-json").plans[0]!;
    const inputs = resources.flatMap(({ address, attributes }) =>
      attributes.filter(({ path }) => path.startsWith("input")).map(() => address),
    );
    expect(inputs).not.toContain("terraform_data.reformatted");
    expect(inputs).not.toContain("terraform_data.reordered");
    expect(folded.form).toBe(0);
  });

  test("a plan that forgets is a risk, though Terraform counts nothing", () => {
    expect(read("forget-only")).toMatchObject({ counts: { destroy: 0, forget: 1 }, risks: ["forget"] });
  });

  test.each([
    ["delete", ["delete"]],
    ["replace", ["replace"]],
    ["drift-only", ["drift"]],
    ["checks", ["check"]],
    ["deferred-only", ["deferred"]],
    ["error-evaluation", ["errored"]],
    ["move-only", []],
    ["outputs-only", []],
    ["create", ["access"]],
  ])("the risks of %s are %j", (name, risks) => {
    expect(read(name).risks).toEqual(risks);
  });
});
