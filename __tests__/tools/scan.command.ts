import { mkdtempSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { exampleText, ROOT } from "../support/settings";
import { runTool, startTool, type ToolRun } from "../support/tools";
import { advisory, FakeRegistry, project } from "./scanned-project";

let registry: FakeRegistry;
let address: string;
beforeEach(async () => {
  registry = new FakeRegistry();
  address = await registry.start();
});
afterEach(() => registry.stop());

describe("npm run scan", () => {
  const home = mkdtempSync(join(tmpdir(), "slipway-home-"));
  const SCAN = "tools/scan/index.ts";
  const within = (cwd: string) => ({
    cwd,
    env: { PATH: process.env.PATH, HOME: home, NPM_AUDIT_REGISTRY: address },
  });
  const told = ({ exitCode, stdout, stderr }: ToolRun) => {
    const lines = stdout.replace(/\(\d+\.\d s\)/g, "(time)").split("\n");
    return { exitCode, stderr, lines };
  };
  const scan = async (cwd: string, args: string[] = []) => told(await runTool(SCAN, args, within(cwd)));
  /** The same, with an npm that knows of nothing: its own takes more time than all else. */
  const scanSound = async (cwd: string, args: string[] = []) => {
    const bin = mkdtempSync(join(tmpdir(), "slipway-npm-"));
    writeFileSync(join(bin, "npm"), `#!/bin/sh\necho '{"vulnerabilities": {}}'\n`, { mode: 0o755 });
    const { env } = within(cwd);
    const PATH = `${bin}${delimiter}${env.PATH}`;
    return told(await runTool(SCAN, args, { cwd, env: { ...env, PATH } }));
  };
  /** A project whose stacks are this one's. */
  const whole = (settings = exampleText()) => {
    const folder = project();
    symlinkSync(join(ROOT, "tools"), join(folder, "tools"));
    writeFileSync(join(folder, "terraform.tfvars"), settings);
    return folder;
  };

  test("passes over this project", async () => {
    expect(told(await startTool(SCAN, [], within(ROOT)).ended)).toEqual({
      exitCode: 0,
      stderr: "",
      lines: ["dependencies: sound (time)", "rights: sound (time)", "secrets: sound (time)"],
    });
  });

  test("looks at everything, whatever it finds on the way, and tells all of it", async () => {
    registry.advisories = { direct: [advisory("GHSA-\u001b[2J", "high", "*")] };
    const folder = whole();
    const token = `ghp_${"a1".repeat(18)}`;
    writeFileSync(join(folder, "notes.txt"), token);
    const { exitCode, lines } = await scan(folder);
    expect(exitCode).toBe(1);
    expect(lines).toEqual([
      "dependencies: 1 finding (time)",
      expect.stringContaining("direct (node_modules/direct): high: The hole GHSA-\\u001b[2J"),
      expect.stringMatching(/^ {6}\S/),
      "rights: sound (time)",
      "secrets: 1 finding (time)",
      "  notes.txt:1: GitHub token ghp_…",
      expect.stringMatching(/^ {6}Take it out and revoke it/),
      "",
      "2 of 3 checks failed.",
    ]);
    expect(lines.join()).not.toContain(token);
  });

  test("fails when the stacks cannot be synthesized, and looks at the rest", async () => {
    const folder = whole(exampleText().replace(/= "always"/, '= "sometimes"'));
    writeFileSync(join(folder, "notes.txt"), `ghp_${"a1".repeat(18)}`);
    const { exitCode, lines } = await scanSound(folder);
    expect(exitCode).toBe(1);
    expect(lines.slice(0, 3)).toEqual([
      "dependencies: sound (time)",
      "rights: not looked at (time)",
      "  The stacks cannot be synthesized.",
    ]);
    expect(lines.join("\n")).toMatch(
      /"sometimes"[\s\S]*secrets: 2 findings[\s\S]*notes\.txt:1[\s\S]*stacks: not looked/,
    );
    expect(lines.join("\n")).not.toMatch(/\n\s+at /);
  });

  test("fails when it does not understand what it is given", async () => {
    expect(await scan(ROOT, ["a", "b"])).toMatchObject({
      exitCode: 1,
      stderr: expect.stringMatching(/^Name one/),
    });
    const { exitCode, lines } = await scanSound(ROOT, ["nowhere.tfvars"]);
    expect(exitCode).toBe(1);
    expect(lines).toContainEqual(expect.stringMatching(/^ {2}There is no file nowhere\.tfvars\. Name /));
  });
});
