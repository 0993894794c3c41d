import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../support/settings";

jest.setTimeout(20 * 60_000);

test("every stack deploys to Local AWS, plans empty, and is destroyed in order", () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["tools/demo.mjs", "--destroy"], {
    cwd: ROOT,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
  expect({ status, stderr: status === 0 ? "" : stderr + stdout }).toEqual({ status: 0, stderr: "" });
  // Stacks in three accounts, with what people can call.
  expect(stdout).toMatch(/access-dev +222222222222 +[1-9]/);
  expect(stdout).toMatch(/access-prod +333333333333 +[1-9]/);
  expect(stdout).toMatch(/bootstrap +111111111111 +[1-9]/);
  expect(stdout).toMatch(/pipeline-main +111111111111 +[1-9]/);
  expect(stdout).toMatch(/service web: http:\/\/\S+/);
  expect(stdout).toMatch(/function hello: https:\/\/\S+/);
  expect(stdout).toMatch(/every one must be empty \(7 are\)/);
  expect(existsSync(join(ROOT, ".slipway/demo/.slipway/bootstrap.out"))).toBe(false);
});
