import fc from "fast-check";
import { splitCidr } from "../../modules/cidr";
import { NAME_LIMITS, physicalName } from "../../modules/naming";

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
    );
  });

  test("differs where only the cut end differs", () => {
    const long = "a".repeat(60);
    expect(physicalName("function", long, "blue-service")).not.toBe(
      physicalName("function", long, "green-service"),
    );
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
