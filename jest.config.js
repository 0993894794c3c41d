const swc = [
  "@swc/jest",
  { jsc: { parser: { syntax: "typescript" }, target: "es2022" }, module: { type: "commonjs" } },
];

/** Packages that are ES modules alone (execa, octokit, micromark, parse5 and what they bring): jest takes them only translated. */
const ES_MODULES = [
  "execa",
  "@sec-ant",
  "@sindresorhus",
  "figures",
  "get-stream",
  "human-signals",
  "is-plain-obj",
  "is-stream",
  "is-unicode-supported",
  "npm-run-path",
  "parse-ms",
  "path-key",
  "pretty-ms",
  "strip-final-newline",
  "unicorn-magic",
  "yoctocolors",
  "octokit",
  "@octokit",
  "before-after-hook",
  "content-type",
  "universal-github-app-jwt",
  "universal-user-agent",
  "micromark[a-z-]*",
  "character-entities",
  "decode-named-character-reference",
  "devlop",
  "parse5",
  "entities",
];

const project = (displayName, testMatch) => ({
  displayName,
  testMatch,
  transform: { "^.+\\.[tj]s$": swc },
  transformIgnorePatterns: [`/node_modules/(?!(${ES_MODULES.join("|")})/)`],
  moduleNameMapper: {
    // Half of what a synth takes in a test.
    "(^|/)stack-trace$": "<rootDir>/__tests__/support/no-traces.js",
    // Their package.json offers nothing to require.
    "^unicorn-magic$": "<rootDir>/node_modules/unicorn-magic/node.js",
    "^@octokit/(auth-unauthenticated|webhooks-methods)$":
      "<rootDir>/node_modules/@octokit/$1/dist-node/index.js",
  },
  globalSetup: "<rootDir>/__tests__/support/temporary.js",
  testEnvironment: "<rootDir>/__tests__/support/environment.js",
  setupFiles: ["<rootDir>/__tests__/support/setup.ts"],
  modulePathIgnorePatterns: ["<rootDir>/cdktf.out", "<rootDir>/.slipway"],
});

// What runs all day is quick; `npm test` tries properties as often as it takes to find what is rare.
if (!process.argv.includes("--ci") && !process.env.CI) process.env.SLIPWAY_TEST_EFFORT ??= "quick";

// "unit" needs nothing but Node, and starts nothing: the quick loop. "command" needs no more, and is what starts
// processes and servers: commands as their users run them, each as a process of its own, and Local AWS.
// "real" runs Terraform, the AWS provider and Local AWS. "rehearsal" runs whole pipelines by hand, `npm run test:rehearsal`: six
// minutes that `npm test` does not have yet. "acceptance" is run by `npm run verify` against a deployed
// environment, with what of the caller's set-up leads there.
module.exports = {
  // By itself jest leaves a core alone, which on two is half of them.
  maxWorkers: "100%",
  // Commands that are run as their users run them share the machine with other tests.
  testTimeout: 30_000,
  projects: [
    {
      ...project("unit", ["<rootDir>/__tests__/**/*.test.ts", "<rootDir>/app/**/*.test.ts"]),
      // Most of these files are through in less time than it takes to load what they need.
      testEnvironment: "<rootDir>/__tests__/support/shared-environment.js",
      runtime: "<rootDir>/__tests__/support/shared-packages.js",
    },
    project("command", ["<rootDir>/__tests__/**/*.command.ts"]),
    project("real", ["<rootDir>/__tests__/**/*.real.ts"]),
    project("rehearsal", ["<rootDir>/__tests__/**/*.rehearsal.ts"]),
    {
      ...project("acceptance", ["<rootDir>/__tests__/acceptance/environment/**/*.check.ts"]),
      setupFiles: [],
    },
  ],
};
