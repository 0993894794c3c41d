import fc from "fast-check";
import { type Image, type Keep, sortOut } from "../../lambdas/delivery-cleanup/images";
import { tries } from "../support/effort";

const REPOSITORY = "hello/web";
const REGISTRY = "111111111111.dkr.ecr.eu-west-1.amazonaws.com";

const images: fc.Arbitrary<Image[]> = fc.uniqueArray(
  fc.record({
    digest: fc.integer({ min: 0, max: 40 }).map((digit) => `sha256:${digit}`),
    tags: fc.subarray(["a", "b", "c", "d", "e"], { maxLength: 2 }),
    // Few different days, so that images share one.
    pushed: fc.integer({ min: 1, max: 20 }).map((day) => new Date(Date.UTC(2026, 0, day))),
  }),
  { selector: ({ digest }) => digest },
);

const keep: fc.Arbitrary<Keep> = fc.record({
  inUse: fc.array(
    fc.oneof(
      fc.integer({ min: 0, max: 40 }).map((digit) => `${REGISTRY}/${REPOSITORY}@sha256:${digit}`),
      fc.constantFrom("a", "b").map((tag) => `${REGISTRY}/${REPOSITORY}:${tag}`),
      fc.constantFrom("c", "d").map((tag) => `${REGISTRY}/another/${REPOSITORY}:${tag}`),
    ),
    { maxLength: 5 },
  ),
  commits: fc.subarray(["a", "e"]),
  newest: fc.integer({ min: 0, max: 10 }),
  since: fc.integer({ min: 1, max: 25 }).map((day) => new Date(Date.UTC(2026, 0, day))),
});

test("deletes nothing that is in use, being deployed, young or among the newest; and all the rest", () => {
  fc.assert(
    fc.property(images, keep, (all, { inUse, commits, newest, since }) => {
      const { kept, unneeded } = sortOut(REPOSITORY, all, { inUse, commits, newest, since });
      const goes = new Set(unneeded);
      const wrong: Image[] = [];
      for (const image of all) {
        const { digest, tags, pushed } = image;
        const names = [`@${digest}`, ...tags.map((tag) => `:${tag}`)];
        const isUsed = names.some((name) => inUse.includes(`${REGISTRY}/${REPOSITORY}${name}`));
        const isDeployed = tags.some((tag) => commits.includes(tag));
        const newer = all.filter((other) => other.pushed > pushed).length;
        const asNew = all.filter((other) => other.pushed >= pushed).length;
        const stays = isUsed || isDeployed || pushed >= since || asNew <= newest;
        if ((stays || newer >= newest) && goes.has(image) === stays) wrong.push(image);
      }
      expect(wrong).toEqual([]);
      // Of those pushed at the same time any may stay, but as many as are to.
      expect(all.length - unneeded.length).toBeGreaterThanOrEqual(Math.min(newest, all.length));
      expect(unneeded.length + Object.values(kept).reduce((a, b) => a + b)).toBe(all.length);
    }),
    { numRuns: tries(1000) },
  );
});

test.each([
  "hello/web",
  `${REGISTRY}/hello/web`,
  "localhost:5000/hello/web",
])("takes %s, without a tag, as the one that is tagged latest", (inUse) => {
  const image = { digest: "sha256:1", tags: ["latest"], pushed: new Date(0) };
  const nothing = { commits: [], newest: 0, since: new Date() };
  expect(sortOut("hello/web", [image], { ...nothing, inUse: [inUse] }).unneeded).toEqual([]);
  expect(sortOut("hello/web", [image], { ...nothing, inUse: [] }).unneeded).toEqual([image]);
});
