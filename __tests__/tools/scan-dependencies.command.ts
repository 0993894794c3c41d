import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { auditDependencies } from "../../tools/scan/audit";
import { advisory, FakeRegistry, project } from "./scanned-project";

let registry: FakeRegistry;
let address: string;
beforeEach(async () => {
  registry = new FakeRegistry();
  address = await registry.start();
});
afterEach(() => registry.stop());

describe("dependencies", () => {
  const ENVIRONMENT = { ...process.env };
  // Whoever runs the tests may have named a registry.
  beforeEach(() => {
    delete process.env.NPM_AUDIT_REGISTRY;
  });
  afterEach(() => {
    process.env = { ...ENVIRONMENT };
  });
  const audit = (folder: string) => {
    // Nothing of this machine's configuration.
    process.env.HOME = folder;
    process.env.npm_config_registry = address;
    return auditDependencies(folder, "2026-07-01");
  };

  test("pass where the registry knows of nothing", async () => {
    expect(await audit(project())).toEqual({ findings: [], notes: [] });
  });

  test("fail by a hole in what a service of its own folder installs", async () => {
    registry.advisories = { inner: [advisory("GHSA-inner", "high", "<=1.2.0")] };
    registry.versions = { inner: ["1.2.0", "1.2.1"] };
    const folder = project();
    for (const name of ["package.json", "package-lock.json"])
      cpSync(join(folder, name), join(folder, "app", name));
    const { findings } = await audit(folder);
    expect(findings.map(({ where, mend }) => [where, mend])).toEqual([
      ["inner (node_modules/inner)", "Take a version of inner outside these: npm audit fix"],
      ["inner (app/node_modules/inner)", "Take a version of inner outside these: npm audit fix --prefix app"],
    ]);
  });

  test("fail by a hole of high or critical severity, with what it is and what mends it", async () => {
    registry.advisories = {
      direct: [advisory("GHSA-direct", "critical", "<1.1.0"), advisory("GHSA-small", "moderate", "*")],
      inner: [advisory("GHSA-inner", "high", "<=1.2.0")],
      builder: [advisory("GHSA-builder", "high", "*")],
    };
    registry.versions = { direct: ["1.0.0", "2.0.0"], inner: ["1.2.0", "1.2.1"], builder: ["1.0.0"] };
    const { findings, notes } = await audit(project());
    expect(notes).toEqual([]);
    expect(findings).toEqual([
      {
        where: "builder (node_modules/builder)",
        what: "high: The hole GHSA-builder, in the versions *. https://github.com/advisories/GHSA-builder",
        mend: expect.stringMatching(/Nothing that depends on builder.*"overrides".*slipway\.audit\.accepted/),
      },
      {
        where: "direct (node_modules/direct)",
        what: "critical: The hole GHSA-direct, in the versions <1.1.0. https://github.com/advisories/GHSA-direct",
        mend: "Take direct 2.0.0, which is another major version: npm install direct@2.0.0",
      },
      {
        where: "inner (node_modules/inner)",
        what: expect.stringContaining("<=1.2.0"),
        mend: "Take a version of inner outside these: npm audit fix",
      },
    ]);
  });

  test("are looked at for development too, whatever the environment leaves out", async () => {
    process.env.NODE_ENV = "production";
    registry.advisories = { inner: [advisory("GHSA-inner", "high", "<=1.2.0")] };
    expect((await audit(project())).findings).toHaveLength(1);
  });

  const reason = "Only reads our own files";
  test("may have an accepted hole until its day, and not after it", async () => {
    registry.advisories = {
      direct: [advisory("GHSA-direct", "high", "*")],
      inner: [advisory("GHSA-inner", "high", "*")],
    };
    const accepted = {
      "GHSA-direct": { reason, until: "2026-07-01" },
      "GHSA-inner": { reason, until: "2026-06-30" },
    };
    expect(await audit(project(accepted))).toEqual({
      findings: [
        {
          where: "inner (node_modules/inner)",
          what: expect.stringContaining("accepted until 2026-06-30, which is over"),
          mend: expect.any(String),
        },
      ],
      notes: [],
    });
  });

  test("pass where nothing has an accepted hole any more, and it is told", async () => {
    expect(await audit(project({ "GHSA-gone": { reason, until: "2026-01-01" } }))).toEqual({
      findings: [],
      notes: ["GHSA-gone is accepted in package.json, and nothing has it any more: take it out there."],
    });
  });

  test.each<[string, object, RegExp]>([
    ["no reason", { until: "2027-01-31" }, /GHSA-direct\.reason: /],
    ["an empty reason", { reason: " ", until: "2027-01-31" }, /GHSA-direct\.reason: is empty/],
    ["no end", { reason }, /GHSA-direct\.until: /],
    ["an end that is no day", { reason, until: "2027-02-31" }, /GHSA-direct\.until: is not a date/],
    ["another key", { reason, until: "2027-01-31", severity: "low" }, /severity/],
  ])("fail when a hole is accepted with %s", async (_, acceptance, message) => {
    const error: Error = await audit(project({ "GHSA-direct": acceptance })).then(
      () => new Error("audited"),
      (reason) => reason,
    );
    expect(error.name).toBe("UserError");
    expect(error.message).toMatch(message);
    expect(error.message).toMatch(/^package\.json: slipway\.audit\.accepted\..*An accepted advisory reads/s);
  });

  test("fail when the registry answers no audits, unless another one is named", async () => {
    registry.answersAudits = false;
    const error: Error = await audit(project()).then(
      () => new Error("audited"),
      (reason) => reason,
    );
    expect(error.name).toBe("UserError");
    expect(error.message).toMatch(/npm audit gave no report: 405 .*not known.*NPM_AUDIT_REGISTRY=/s);
    const other = new FakeRegistry();
    try {
      process.env.NPM_AUDIT_REGISTRY = await other.start();
      expect((await audit(project())).findings).toEqual([]);
    } finally {
      other.stop();
    }
  });

  test("fail when there is no lock file, with npm's words", async () => {
    const folder = project();
    rmSync(join(folder, "package-lock.json"));
    await expect(audit(folder)).rejects.toThrow(/gave no report: .*lockfile/);
  });
});
