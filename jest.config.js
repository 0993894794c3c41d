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
  // Their package.json offers nothing to require.
  moduleNameMapper: {
    "^unicorn-magic$": "<rootDir>/node_modules/unicorn-magic/node.js",
    "^@octokit/(auth-unauthenticated|webhooks-methods)$":
      "<rootDir>/node_modules/@octokit/$1/dist-node/index.js",
  },
  testEnvironment: "node",
  setupFiles: ["<rootDir>/__tests__/support/setup.ts"],
  modulePathIgnorePatterns: ["<rootDir>/cdktf.out", "<rootDir>/.slipway"],
});

// "unit" needs nothing but Node. Nor does "command", which runs commands as their users do, each as a process of its own.
// "real" runs Terraform, the AWS provider and Local AWS. "rehearsal" runs whole pipelines by hand, `npm run test:rehearsal`: six
// minutes that `npm test` does not have yet. "acceptance" is run by `npm run verify` against a deployed
// environment, with what of the caller's set-up leads there.
module.exports = {
  // By itself jest leaves a core alone, which on two is half of them.
  maxWorkers: "100%",
  // Commands that are run as their users run them share the machine with other tests.
  testTimeout: 30_000,
  // For `npm run test:report`, whose files CodeBuild shows as reports.
  coverageDirectory: "<rootDir>/.slipway/reports",
  coverageProvider: "v8",
  coverageReporters: ["text-summary", "clover"],
  projects: [
    project("unit", ["<rootDir>/__tests__/**/*.test.ts", "<rootDir>/app/**/*.test.ts"]),
    project("command", ["<rootDir>/__tests__/**/*.command.ts"]),
    project("real", ["<rootDir>/__tests__/**/*.real.ts"]),
    project("rehearsal", ["<rootDir>/__tests__/**/*.rehearsal.ts"]),
    {
      ...project("acceptance", ["<rootDir>/__tests__/acceptance/environment/**/*.check.ts"]),
      setupFiles: [],
    },
  ],
};
