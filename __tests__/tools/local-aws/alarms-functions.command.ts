import { Functions, readFunctionName } from "../../../tools/local-aws/functions/functions";
import { archive, FunctionsBed } from "./functions-bed";
import { BUILD } from "./upstream";

const scope = { account: BUILD, region: "eu-west-1" };
const files = {
  "index.js": "exports.handler = async ({ fails }) => { if (fails) throw new Error('boom'); };",
};

let bed: FunctionsBed;
let functions: Functions;
/** What was measured, as `name of dimensions = value`. */
let measured: string[];
beforeEach(async () => {
  bed = (await new FunctionsBed().start()) as FunctionsBed;
  await bed.create(files);
  await bed.update(files, { Publish: true });
  bed.aliases.set("hello:live", { FunctionVersion: "1" });
  measured = [];
  functions = new Functions({
    endpoint: () => bed.endpoint,
    keyOf: () => "test",
    meter: {
      record(where, { namespace, name, dimensions, value }) {
        expect([where, namespace]).toEqual([scope, "AWS/Lambda"]);
        if (name === "Duration") expect(value).toBeGreaterThan(0);
        measured.push(
          `${name} of ${Object.values(dimensions).join(" ")} = ${name === "Duration" ? "ms" : value}`,
        );
      },
    },
  });
  const fn = readFunctionName("hello", scope);
  functions.keep(fn, Buffer.from(archive(files), "base64"));
});
afterEach(async () => {
  await functions.stop();
  await bed.stop();
});

const invoke = (name: string, event = "{}") => functions.invoke(readFunctionName(name, scope), { event });

test("a call is measured for the function alone", async () => {
  await invoke("hello");
  expect(measured).toEqual(["Invocations of hello = 1", "Errors of hello = 0", "Duration of hello = ms"]);
});

test("a call by an alias is measured for the alias, too, and for the version that it led to", async () => {
  await invoke("hello:live", '{"fails":true}');
  expect(measured.filter((line) => /^Errors/.test(line))).toEqual([
    "Errors of hello = 1",
    "Errors of hello hello:live = 1",
    "Errors of hello hello:live 1 = 1",
  ]);
  expect(measured.filter((line) => /^Invocations/.test(line))).toHaveLength(3);
});

test("a call that there is no room for is no invocation", async () => {
  bed.reserved.set("hello", 0);
  await expect(invoke("hello")).rejects.toMatchObject({ code: "TooManyRequestsException" });
  expect(measured).toEqual(["Throttles of hello = 1"]);
});
