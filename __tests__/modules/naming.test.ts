import fc from "fast-check";
import { splitCidr } from "../../modules/cidr";
import { NAME_LIMITS, namePattern, physicalName } from "../../modules/naming";
import { glob } from "../../tools/local-aws/iam/conditions";
import { tries } from "../support/effort";

describe("a physical name", () => {
  test("is its parts joined by dashes where that fits", () => {
    expect(physicalName("loadBalancer", "hello", "dev")).toBe("hello-dev");
  });

  test("keeps its beginning and ends in a hash where it is too long", () => {
    const name = physicalName("targetGroup", "hello", "production-eu", "website", "green");
    expect(name).toMatch(
      /^hello-production-eu-websi-[0-9a-f]{8}$|^hello-production-eu-web[a-z-]*-[0-9a-f]{8}$/,
    );
    expect(physicalName("targetGroup", "hello", "production-eu", "website", "green")).toBe(name);
  });

  test("always fits, and never ends in a dash before its hash", () => {
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[a-z][a-z0-9-]{0,40}$/), { minLength: 1 }), (parts) => {
        const name = physicalName("loadBalancer", ...parts);
        return (
          name.length <= NAME_LIMITS.loadBalancer &&
          (name === parts.join("-") || !/--[0-9a-f]{8}$/.test(name))
        );
      }),
      { numRuns: tries(100) },
    );
  });

  test("differs where only the cut end differs", () => {
    const long = "a".repeat(60);
    expect(physicalName("function", long, "blue-service")).not.toBe(
      physicalName("function", long, "green-service"),
    );
  });
});

describe("a pattern of names", () => {
  const limit = fc.constantFrom(...(Object.keys(NAME_LIMITS) as (keyof typeof NAME_LIMITS)[]));
  // Long enough to be cut off by the shorter limits, with dashes wherever the cut may be.
  const part = fc.stringMatching(/^[a-z-]{0,40}$/);

  test("fits every name of parts that begin so, whatever they are", () => {
    fc.assert(
      fc.property(limit, part, fc.array(part, { minLength: 1, maxLength: 4 }), (kind, prefix, rest) => {
        const name = physicalName(kind, prefix, ...rest);
        return (
          glob(namePattern(kind, `${prefix}-`), name) &&
          glob(namePattern(kind, prefix), name) &&
          glob(namePattern(kind, prefix), physicalName(kind, prefix))
        );
      }),
      { numRuns: tries(500) },
    );
  });

  test("says all of the beginning where no name is cut off before its end", () => {
    expect(namePattern("targetGroup", "hello-dev-")).toBe("hello-dev-*");
    expect(namePattern("loadBalancer", "hello-dev")).toBe("hello-dev*");
  });

  test("ends where names are cut off", () => {
    expect(namePattern("targetGroup", "a-project-of-twenty-c-dev-")).toBe("a-project-of-twenty-c-d*");
  });
});

describe("splitting a block of addresses", () => {
  test("gives equal blocks that follow each other", () => {
    expect(splitCidr("10.10.0.0/16", 4)).toEqual([
      "10.10.0.0/18",
      "10.10.64.0/18",
      "10.10.128.0/18",
      "10.10.192.0/18",
    ]);
    expect(splitCidr("192.168.252.0/22", 8).at(-1)).toBe("192.168.255.128/25");
  });
});
