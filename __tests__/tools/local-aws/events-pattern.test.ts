import fc from "fast-check";
import { AwsError } from "../../../tools/local-aws/aws-request";
import { readPattern } from "../../../tools/local-aws/events/pattern";
import { cpuSeconds, tries } from "../../support/effort";

const event = {
  version: "0",
  source: "aws.ec2",
  "detail-type": "EC2 Instance State-change Notification",
  account: "111111111111",
  region: "eu-west-1",
  resources: ["arn:one", "arn:two"],
  detail: {
    "instance-id": "i-1",
    state: "terminated",
    name: "Alice",
    file: "photo.PNG",
    path: "a*b",
    count: 300,
    low: -5,
    ratio: 0.5,
    ok: true,
    nothing: null,
    empty: "",
    none: [],
    address: "10.0.0.20",
    address6: "2001:db8::1",
    tags: ["blue", "green"],
    deep: { inner: { value: 1 } },
    list: [
      { kind: "disk", size: 1 },
      { kind: "tape", size: 9 },
    ],
  },
};
const matches = (pattern: object) => readPattern(JSON.stringify(pattern))(event);
const inDetail = (detail: object) => matches({ detail });

describe("a pattern", () => {
  test.each<[string, object, boolean]>([
    ["of one value", { source: ["aws.ec2"] }, true],
    ["of several values, of which one is there", { source: ["aws.s3", "aws.ec2"] }, true],
    ["of a value that is another", { source: ["aws.s3"] }, false],
    ["of several fields, all of which are there", { source: ["aws.ec2"], region: ["eu-west-1"] }, true],
    ["of several fields, one of which is another", { source: ["aws.ec2"], region: ["us-east-1"] }, false],
    ["of a value of a list", { resources: ["arn:two"] }, true],
    ["of a value that a list lacks", { resources: ["arn:three"] }, false],
    ["of a field that is not there", { missing: ["x"] }, false],
    ["that names what all objects have", { constructor: [{ exists: true }] }, false],
    ["of an object where a text is", { source: { name: ["x"] } }, false],
    ["of a text where an object is", { detail: ["x"] }, false],
  ])("%s", (_, pattern, expected) => {
    expect(matches(pattern)).toBe(expected);
  });

  test.each<[string, object, boolean]>([
    ["number", { count: [300] }, true],
    ["number that is a text", { count: ["300"] }, false],
    ["true", { ok: [true] }, true],
    ["null", { nothing: [null] }, true],
    ["null, which an empty text is not", { empty: [null] }, false],
    ["empty text", { empty: [""] }, true],
    ["deep field", { deep: { inner: { value: [1] } } }, true],
    ["prefix", { state: [{ prefix: "term" }] }, true],
    ["prefix that is another", { state: [{ prefix: "erm" }] }, false],
    ["prefix in any case", { name: [{ prefix: { "equals-ignore-case": "aLI" } }] }, true],
    ["prefix in its own case", { name: [{ prefix: "aLI" }] }, false],
    ["prefix of a number", { count: [{ prefix: "3" }] }, false],
    ["suffix", { file: [{ suffix: ".PNG" }] }, true],
    ["suffix in any case", { file: [{ suffix: { "equals-ignore-case": ".png" } }] }, true],
    ["suffix that is another", { file: [{ suffix: ".png" }] }, false],
    ["equals-ignore-case", { name: [{ "equals-ignore-case": "aLICE" }] }, true],
    ["equals-ignore-case of another", { name: [{ "equals-ignore-case": "alic" }] }, false],
    ["anything-but one", { state: [{ "anything-but": "running" }] }, true],
    ["anything-but itself", { state: [{ "anything-but": "terminated" }] }, false],
    ["anything-but a list with itself", { state: [{ "anything-but": ["running", "terminated"] }] }, false],
    ["anything-but a number", { count: [{ "anything-but": 5 }] }, true],
    ["anything-but numbers with itself", { count: [{ "anything-but": [5, 300] }] }, false],
    ["anything-but of a field that is not there", { missing: [{ "anything-but": "x" }] }, false],
    ["anything-but of a list with another, too", { tags: [{ "anything-but": "blue" }] }, true],
    ["anything-but a prefix", { state: [{ "anything-but": { prefix: "run" } }] }, true],
    ["anything-but its prefix", { state: [{ "anything-but": { prefix: "term" } }] }, false],
    ["anything-but prefixes", { state: [{ "anything-but": { prefix: ["run", "term"] } }] }, false],
    ["anything-but its suffix", { state: [{ "anything-but": { suffix: "ed" } }] }, false],
    ["anything-but in any case", { name: [{ "anything-but": { "equals-ignore-case": ["aLICE"] } }] }, false],
    ["anything-but a wildcard", { state: [{ "anything-but": { wildcard: "*min*" } }] }, false],
    ["numeric =", { count: [{ numeric: ["=", 300] }] }, true],
    ["numeric <", { count: [{ numeric: ["<", 300] }] }, false],
    ["numeric <=", { count: [{ numeric: ["<=", 300] }] }, true],
    ["numeric >", { low: [{ numeric: [">", -6] }] }, true],
    ["numeric range", { ratio: [{ numeric: [">", 0, "<=", 0.5] }] }, true],
    ["numeric range that it is beyond", { ratio: [{ numeric: [">", 0, "<", 0.5] }] }, false],
    ["numeric of a text", { name: [{ numeric: [">", 0] }] }, false],
    ["exists", { state: [{ exists: true }] }, true],
    ["exists of null", { nothing: [{ exists: true }] }, true],
    ["exists of what is missing", { missing: [{ exists: true }] }, false],
    ["exists of an empty list", { none: [{ exists: true }] }, false],
    ["exists of an object", { deep: [{ exists: true }] }, false],
    ["exists false", { missing: [{ exists: false }] }, true],
    ["exists false of what is there", { state: [{ exists: false }] }, false],
    ["exists false below what is missing", { missing: { inner: [{ exists: false }] } }, true],
    ["a value or none", { missing: ["x", { exists: false }] }, true],
    ["cidr", { address: [{ cidr: "10.0.0.0/24" }] }, true],
    ["cidr of another network", { address: [{ cidr: "10.0.1.0/24" }] }, false],
    ["cidr of version 6", { address6: [{ cidr: "2001:db8::/32" }] }, true],
    ["cidr of the other version", { address6: [{ cidr: "10.0.0.0/8" }] }, false],
    ["cidr of no address", { name: [{ cidr: "10.0.0.0/8" }] }, false],
    ["wildcard", { state: [{ wildcard: "t*min*ed" }] }, true],
    ["wildcard for nothing", { state: [{ wildcard: "terminated*" }] }, true],
    ["wildcard that overlaps", { name: [{ wildcard: "Alic*lice" }] }, false],
    ["wildcard alone", { empty: [{ wildcard: "*" }] }, true],
    ["wildcard without a star", { name: [{ wildcard: "Ali" }] }, false],
    ["a star that is one", { path: [{ wildcard: "a\\*b" }] }, true],
    ["a star that is one, and other text", { name: [{ wildcard: "A\\*e" }] }, false],
    ["one of $or", { $or: [{ count: [{ numeric: [">", 500] }] }, { state: ["terminated"] }] }, true],
    ["none of $or", { $or: [{ count: [1] }, { state: ["running"] }] }, false],
    ["$or and more", { $or: [{ count: [300] }, { state: ["x"] }], name: ["Bob"] }, false],
    ["$or in $or", { $or: [{ $or: [{ count: [1] }, { count: [300] }] }, { count: [2] }] }, true],
    ["all of one object of a list", { list: { kind: ["tape"], size: [9] } }, true],
    ["of two objects of a list, each a part", { list: { kind: ["disk"], size: [9] } }, false],
  ])("by %s", (_, detail, expected) => {
    expect(inDetail(detail)).toBe(expected);
  });

  test.each<[string, string]>([
    ["no JSON", "{"],
    ["a list", "[]"],
    ["nothing", "{}"],
    ["an empty list", '{"source":[]}'],
    ["an empty object", '{"detail":{}}'],
    ["a value without a list", '{"source":"aws.ec2"}'],
    ["a list in a list", '{"source":[["aws.ec2"]]}'],
    ["an operator that is none", '{"source":[{"like":"x"}]}'],
    ["an operator that is all objects'", '{"source":[{"constructor":"x"}]}'],
    ["two operators at once", '{"source":[{"prefix":"x","suffix":"y"}]}'],
    ["a prefix that is a number", '{"source":[{"prefix":1}]}'],
    ["exists of a text", '{"source":[{"exists":"true"}]}'],
    ["numeric of texts", '{"source":[{"numeric":["<","1"]}]}'],
    ["numeric without a bound", '{"source":[{"numeric":["<"]}]}'],
    ["numeric without anything", '{"source":[{"numeric":[]}]}'],
    ["a range that is empty", '{"source":[{"numeric":[">",5,"<",1]}]}'],
    ["a number that is too large", '{"source":[{"numeric":["<",5000000001]}]}'],
    ["a network without its bits", '{"source":[{"cidr":"10.0.0.0"}]}'],
    ["a network with too many bits", '{"source":[{"cidr":"10.0.0.0/33"}]}'],
    ["two stars in a row", '{"source":[{"wildcard":"a**b"}]}'],
    ["a backslash before a letter", '{"source":[{"wildcard":"a\\\\b"}]}'],
    ["anything-but of true", '{"source":[{"anything-but":[true]}]}'],
    ["anything-but of nothing", '{"source":[{"anything-but":[]}]}'],
    ["anything-but of exists", '{"source":[{"anything-but":{"exists":true}}]}'],
    ["$or of one", '{"$or":[{"source":["x"]}]}'],
    ["more than 4096 characters", JSON.stringify({ source: ["x".repeat(4096)] })],
  ])("is refused that has %s", (_, text) => {
    expect(() => readPattern(text)).toThrow(AwsError);
    expect(() => readPattern(text)).toThrow("Event pattern is not valid. Reason: ");
  });

  test("never fails on an event, whatever it is", () => {
    const pattern = readPattern(
      JSON.stringify({
        $or: [{ a: [{ wildcard: "*a*b*" }] }, { b: { c: [{ cidr: "10.0.0.0/8" }, { exists: false }] } }],
        a: [{ "anything-but": "x" }, { numeric: ["<", 5] }, { prefix: "p" }, null],
      }),
    );
    const field = fc.constantFrom("a", "b", "c", "__proto__");
    const value = fc.anything({ key: field, maxDepth: 3, withNullPrototype: true, withDate: true });
    fc.assert(
      fc.property(value, (event) => typeof pattern(event) === "boolean"),
      { numRuns: tries(100) },
    );
  });

  test("never fails on an event of a hundred thousand lists in each other", () => {
    const depth = 100_000;
    const deep: unknown = JSON.parse(`{"source":${"[".repeat(depth)}"aws.ec2"${"]".repeat(depth)}}`);
    expect(readPattern('{"source":["aws.ec2"]}')(deep)).toBe(true);
  });

  test("of many stars is not slow for a long text", () => {
    const slow = readPattern(JSON.stringify({ a: [{ wildcard: `${"a*".repeat(50)}b` }] }));
    expect(cpuSeconds(() => expect(slow({ a: "a".repeat(200_000) })).toBe(false))).toBeLessThan(2);
  });

  test("of a value that an event has always matches it, and its opposite never does", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ maxLength: 100 }), fc.integer()), (value) => {
        const of = (test: unknown) => readPattern(JSON.stringify({ a: [test] }))({ a: value });
        expect(of(value)).toBe(true);
        expect(of({ "anything-but": [value] })).toBe(false);
        if (typeof value === "string") expect(of({ prefix: value.slice(0, 3) })).toBe(true);
      }),
      { numRuns: tries(100) },
    );
  });
});
