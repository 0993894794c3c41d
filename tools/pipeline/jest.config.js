const { join } = require("node:path");

// What is rare was looked for by `npm test`.
process.env.SLIPWAY_TEST_EFFORT ??= "quick";
const { projects, ...common } = require("../../jest.config");

/** Tools that people run on machines of their own: `npm test` tests them, and no build of a pipeline runs them. */
const PEOPLES = "tools/(bench|bootstrap|connect|demo|install|local-aws|rehearse|test|validate)[./]";

const rootDir = join(__dirname, "../..");

/**
 * Commands of builds as processes of their own: two thirds of all that the tests would take, to see what the same execution
 * does for good a minute later. What they do inside is tested here, too.
 */
const COMMANDS_OF_BUILDS = "tools/.*\\.command\\.ts$";

/** `npm run test:report`: the tests of all that a pipeline deploys, and of what its builds run. */
module.exports = {
  ...common,
  rootDir,
  projects: projects
    .filter(({ displayName }) => displayName === "unit" || displayName === "command")
    .map((project) => ({
      ...project,
      rootDir,
      testPathIgnorePatterns: [
        "/node_modules/",
        "<rootDir>/__tests__/support/",
        `<rootDir>/__tests__/${PEOPLES}`,
        `<rootDir>/__tests__/${COMMANDS_OF_BUILDS}`,
      ],
      // Of what is deployed: to count takes time, and of what runs elsewhere it would tell half.
      coveragePathIgnorePatterns: ["/node_modules/", "<rootDir>/(__tests__|tools)/"],
    })),
  // Files that CodeBuild shows as reports. Counted by what babel adds to the source: to have V8 count takes a second for each
  // file of tests.
  collectCoverage: true,
  coverageDirectory: "<rootDir>/.slipway/reports",
  coverageProvider: "babel",
  coverageReporters: ["text-summary", "clover"],
  reporters: ["default", "jest-junit"],
};
