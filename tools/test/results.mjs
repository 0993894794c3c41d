import { readFileSync } from "node:fs";

/**
 * What a run of jest tells.
 *
 * @typedef {object} Results
 * @property {number} passed
 * @property {number} failed
 * @property {number} skipped
 * @property {readonly string[]} failures file and name of each test that failed, and the files that did not run
 */

/**
 * @param {string} file that jest wrote by --outputFile
 * @returns {Results | undefined} undefined where it did not come to its end
 */
export function readResults(file) {
  let told;
  try {
    told = JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
  const { numPassedTests, numFailedTests, numPendingTests = 0, numTodoTests = 0, testResults = [] } = told;
  const failures = testResults.flatMap(({ name, status, assertionResults = [] }) => {
    const failed = assertionResults.filter((one) => one.status === "failed");
    if (failed.length) return failed.map(({ fullName }) => `${name}: ${fullName}`);
    return status === "failed" ? [`${name}: did not run`] : [];
  });
  return {
    passed: numPassedTests,
    failed: numFailedTests,
    skipped: numPendingTests + numTodoTests,
    failures,
  };
}
