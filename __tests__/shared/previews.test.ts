import fc from "fast-check";
import { NAME_LIMITS } from "../../modules/naming";
import {
  isTrial,
  matchesBranch,
  type PreviewRule,
  PULL_REQUESTS,
  previewEnvironmentName,
  previewImageTag,
  previewNamed,
  previewPipelineName,
  previewRepositoryName,
  previewSlug,
  ruleOf,
  templateOf,
  trialSlug,
} from "../../shared/previews";
import { tries } from "../support/effort";
import { anyText } from "../support/text";

/** Branches as anybody may name them, and a little of what Git would refuse. */
const branches = fc.oneof(
  anyText({ maxLength: 250 }),
  fc.stringMatching(/^[a-zA-Z0-9/._-]{1,60}$/),
  fc.constantFrom(
    "feature/$(reboot)",
    "feature/`id`",
    "x'; rm -rf / #",
    "../../etc/passwd",
    "feature/<img src=x>",
    "[a](javascript:b)",
    "@everyone",
    "*",
    "feature/",
    "/",
    "--",
    "Ärger",
    "分支",
    "a\u0000b",
    "\ud800",
    "none",
  ),
);

describe("a branch's slug", () => {
  test.each([
    ["feature/login", "login-"],
    ["feature/Login_Page!", "loginpage-"],
    ["release/2024/may", "may-"],
    ["feature/a-very-long-name-indeed", "averylongn-"],
    ["fix/--login--", "login-"],
    ["feature/分支", "feature-"],
    ["分支", "b-"],
    ["-", "b-"],
  ])("of %s says what people know it by, and a sum", (branch, begins) => {
    expect(previewSlug(branch)).toMatch(new RegExp(`^${begins}[0-9a-f]{6}$`));
  });

  test("is short and of plain characters, whatever the branch is called", () => {
    fc.assert(
      fc.property(branches, (branch) => {
        expect(previewSlug(branch)).toMatch(/^[a-z0-9]{1,10}-[0-9a-f]{6}$/);
      }),
      { numRuns: tries(100) },
    );
  });

  test("stays what it is", () => {
    // Another would leave all that is deployed behind.
    expect(previewSlug("feature/login")).toBe("login-df7c7a");
    expect(trialSlug("a1b2", "eu-west-1")).toBe("tbf8cd6d280");
  });

  test("differs where branches differ, also in case and in signs alone", () => {
    const alike = [
      "feature/login",
      "feature/Login",
      "feature/log-in",
      "fix/login",
      "login",
      "feature/login ",
    ];
    expect(new Set(alike.map(previewSlug)).size).toBe(alike.length);
  });

  test("is no trial's, nor a trial's a branch's", () => {
    fc.assert(
      fc.property(branches, (branch) => !isTrial(previewSlug(branch))),
      { numRuns: tries(100) },
    );
    fc.assert(
      fc.property(fc.string(), fc.string(), (run, region) => isTrial(trialSlug(run, region))),
      { numRuns: tries(100) },
    );
  });
});

describe("what a preview names", () => {
  /** As long as the settings allow. */
  const [project, pipeline, environment] = ["p".repeat(20), "m".repeat(16), "e".repeat(16)];
  const settings = { project };
  const template = templateOf({ pipeline, environment });

  test("is within AWS's limits", () => {
    fc.assert(
      fc.property(branches, (branch) => {
        const slug = previewSlug(branch);
        expect(previewPipelineName(settings, template, slug).length).toBeLessThanOrEqual(
          NAME_LIMITS.pipeline,
        );
        expect(previewPipelineName(settings, template, slug)).toMatch(/^[A-Za-z0-9.@_-]+$/);
        const tag = previewImageTag(previewEnvironmentName(environment, slug), "c".repeat(64));
        expect(tag).toMatch(/^\w[\w.-]{0,127}$/);
      }),
      { numRuns: tries(100) },
    );
    expect(previewRepositoryName(settings, "s".repeat(16))).toMatch(
      /^(?=.{2,256}$)[a-z0-9]+([/-][a-z0-9]+)*$/,
    );
  });

  test("says of which environment it is, and what its slug is", () => {
    fc.assert(
      fc.property(branches, (branch) => {
        const slug = previewSlug(branch);
        expect(previewNamed(previewEnvironmentName("dev", slug), ["prod", "dev"])).toEqual({
          of: "dev",
          slug,
        });
      }),
      { numRuns: tries(100) },
    );
    const trial = trialSlug("a1b2", "eu-west-1");
    expect(previewNamed(`pv-dev-${trial}`, ["dev"])).toEqual({ of: "dev", slug: trial });
  });

  test("means one environment, whatever others are called, and whatever branches are", () => {
    const name = fc.stringMatching(/^[a-z][a-z0-9]{0,3}(-[a-z0-9]{1,6}){0,2}$/);
    // What follows an environment's name may be the end of another's, or look like a sum or a trial.
    const end = fc.oneof(name, fc.stringMatching(/^[0-9a-f]{6}$/), fc.stringMatching(/^t[0-9a-f]{10}$/));
    fc.assert(
      fc.property(name, end, fc.string(), fc.boolean(), fc.boolean(), (of, more, text, isLonger, isTrial) => {
        const environments = [of, `${of}-${more}`];
        const meant = environments[Number(isLonger)]!;
        const slug = isTrial ? trialSlug(text, "eu-west-1") : previewSlug(`feature/${more}-x-${text}`);
        const preview = previewEnvironmentName(meant, slug);
        for (const all of [environments, environments.toReversed()])
          expect(previewNamed(preview, all)).toEqual({ of: meant, slug });
      }),
      { numRuns: tries(100) },
    );
  });

  test.each([
    "dev",
    "pv-dev",
    "pv-dev-",
    "pv-dev-login",
    "pv-dev-login-3F9A2C",
    "pv-dev-login--3f9a2c",
    "pv-dev-log-in-3f9a2c",
    "pv-dev-3f9a2c",
    "pv-dev-averylongname-3f9a2c",
    "pv-dev-login-3f9a2c\n",
    "pv-dev-login-3f9a2c/../prod",
    "pv-dev-$(id)-3f9a2c",
    "pv-test-login-3f9a2c",
    "PV-dev-login-3f9a2c",
    "none",
    "",
  ])("is nothing else: %j", (name) => {
    expect(previewNamed(name, ["dev", "prod"])).toBeUndefined();
  });
});

describe("a pattern of branches", () => {
  test.each<[string, string, boolean]>([
    ["feature/*", "feature/login", true],
    ["feature/*", "feature/", true],
    ["feature/*", "features", false],
    ["feature/*", "a/feature/login", false],
    ["*", "anything/at-all", true],
    ["*-eu", "dev-eu", true],
    ["a*b*c", "abc", true],
    ["a*b*c", "acb", false],
    ["a*a", "a", false],
    ["a**b", "ab", true],
    ["fix.login", "fixxlogin", false],
    ["(a|b)", "a", false],
  ])("%s, and %s: %s", (pattern, branch, fits) => {
    expect(matchesBranch(pattern, branch)).toBe(fits);
  });

  test("means what its text means where * stands for any", () => {
    const piece = fc.stringMatching(/^[ab/.]{0,4}$/);
    fc.assert(
      fc.property(
        fc.array(piece, { minLength: 1, maxLength: 4 }),
        fc.stringMatching(/^[ab/.]{0,12}$/),
        (pieces, branch) => {
          const expected = new RegExp(`^${pieces.map((one) => one.replaceAll(".", "\\.")).join(".*")}$`, "s");
          expect(matchesBranch(pieces.join("*"), branch)).toBe(expected.test(branch));
        },
      ),
      { numRuns: tries(100) },
    );
  });

  test("is answered at once, however many stars it has", () => {
    const begun = process.cpuUsage().user;
    expect(matchesBranch(`${"a*".repeat(100)}b`, "a".repeat(250))).toBe(false);
    expect(process.cpuUsage().user - begun).toBeLessThan(100_000);
  });
});

describe("the rule of a branch", () => {
  const rule = (pattern: string, changes: Partial<PreviewRule> = {}): PreviewRule => ({
    pattern,
    exclude: [],
    into: [],
    pipeline: "main",
    environment: "dev",
    ttlHours: 72,
    limit: 10,
    ...changes,
  });
  const chosen = (rules: PreviewRule[], branch: string, pullRequestsInto: string[] = []) =>
    ruleOf(rules, ["main", "release/*"], { branch, pullRequestsInto })?.pattern;

  test("is the most specific one, wherever it stands", () => {
    const rules = [rule("*"), rule("feature/*"), rule("feature/shop-*")];
    for (const order of [rules, rules.toReversed()]) {
      expect(chosen(order, "feature/shop-cart")).toBe("feature/shop-*");
      expect(chosen(order, "feature/login")).toBe("feature/*");
      expect(chosen(order, "fix/login")).toBe("*");
    }
  });

  test("is the same each time where two are as specific", () => {
    const rules = [rule("feature/*"), rule("*/feature")];
    for (const order of [rules, rules.toReversed()])
      expect(chosen(order, "feature/feature")).toBe("*/feature");
  });

  test("is none of those that exclude it", () => {
    const rules = [
      rule("feature/*", { exclude: ["feature/wip-*"] }),
      rule("*", { exclude: ["dependabot/*"] }),
    ];
    expect(chosen(rules, "feature/wip-x")).toBe("*");
    expect(chosen(rules, "dependabot/npm")).toBeUndefined();
  });

  test("is none where a pipeline deploys the branch", () => {
    const rules = [rule("*"), rule(PULL_REQUESTS, { into: ["*"] })];
    expect(chosen(rules, "main", ["main"])).toBeUndefined();
    expect(chosen(rules, "release/1.0")).toBeUndefined();
    expect(chosen(rules, "mainly")).toBe("*");
  });

  test("is that of pull requests where it has an open one into the branches that it means", () => {
    const rules = [rule(PULL_REQUESTS, { into: ["main", "release/*"], exclude: ["bot/*"] })];
    expect(chosen(rules, "fix", ["main"])).toBe(PULL_REQUESTS);
    expect(chosen(rules, "fix", ["develop", "release/2"])).toBe(PULL_REQUESTS);
    expect(chosen(rules, "fix", ["develop"])).toBeUndefined();
    expect(chosen(rules, "fix")).toBeUndefined();
    expect(chosen(rules, "bot/fix", ["main"])).toBeUndefined();
  });

  test("is a pattern's before that of pull requests, whose key is no pattern", () => {
    const rules = [rule(PULL_REQUESTS, { into: ["main"] }), rule("feature/*")];
    expect(chosen(rules, "feature/login", ["main"])).toBe("feature/*");
    expect(chosen(rules, PULL_REQUESTS)).toBeUndefined();
  });
});
