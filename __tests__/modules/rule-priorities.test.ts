import fc from "fast-check";
import { rulePriorities } from "../../modules/rule-priorities";
import { tries } from "../support/effort";

const any = { hosts: [], paths: ["/*"] };

test("what gets the rest comes last, whatever it is called", () => {
  const { all, orders, order, api } = rulePriorities({
    all: any,
    orders: { hosts: [], paths: ["/orders/*"] },
    order: { hosts: [], paths: ["/orders/*/items"] },
    api: { hosts: ["api.example.com"], paths: ["/*"] },
  });
  expect(api).toBeLessThan(orders!);
  expect(orders).toBeLessThan(all!);
  // As long up to its wildcard: neither is narrower.
  expect(Math.abs(order! - orders!)).toBeLessThan(200);
});

test("one of several paths that is wide lets the narrow ones of others go first", () => {
  const { front, admin } = rulePriorities({
    admin: { hosts: [], paths: ["/admin/*"] },
    front: { hosts: [], paths: ["/very/long/path/of/its/own", "/*"] },
  });
  expect(admin).toBeLessThan(front!);
});

const names = fc.uniqueArray(fc.stringMatching(/^[a-z][a-z0-9]{0,15}$/), { minLength: 1, maxLength: 60 });

test("each has a place of its own that a load balancer takes", () => {
  fc.assert(
    fc.property(names, fc.boolean(), (all, hosts) => {
      const services = Object.fromEntries(
        all.map((name) => [name, hosts ? { ...any, hosts: [`${name}.example.com`] } : any]),
      );
      const places = Object.values(rulePriorities(services));
      expect(new Set(places).size).toBe(all.length);
      expect(places.filter((place) => !(place >= 1 && place <= 50_000))).toEqual([]);
    }),
    { numRuns: tries(100) },
  );
});

test("a place stays when other services come, unless they meet", () => {
  const before = rulePriorities({ web: any });
  const after = rulePriorities({ api: { hosts: [], paths: ["/api/*"] }, shop: any, web: any });
  expect(after.web).toBe(before.web);
});
