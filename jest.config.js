const transform = {
  "^.+\\.ts$": [
    "@swc/jest",
    { jsc: { parser: { syntax: "typescript" }, target: "es2022" }, module: { type: "commonjs" } },
  ],
};
const project = (displayName, testMatch) => ({
  displayName,
  testMatch,
  transform,
  testEnvironment: "node",
  setupFiles: ["<rootDir>/__tests__/support/setup.ts"],
  modulePathIgnorePatterns: ["<rootDir>/cdktf.out", "<rootDir>/.slipway"],
});

// "unit" needs nothing but Node; "real" runs Terraform, the AWS provider and Local AWS.
module.exports = {
  projects: [
    project("unit", ["<rootDir>/__tests__/**/*.test.ts", "<rootDir>/app/**/*.test.ts"]),
    project("real", ["<rootDir>/__tests__/**/*.real.ts"]),
  ],
};
