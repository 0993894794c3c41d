import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { z } from "zod";
import { UserError } from "../project";
import type { Finding, Outcome } from "./finding";

const FAILING = new Set(["high", "critical"]);

const reportSchema = z.object({
  vulnerabilities: z.record(
    z.string(),
    z.object({
      name: z.string(),
      /** The advisories of the package itself; names of packages by which it is affected. */
      via: z.array(
        z.union([
          z.string(),
          z.object({ title: z.string(), url: z.string(), severity: z.string(), range: z.string() }),
        ]),
      ),
      nodes: z.array(z.string()),
      fixAvailable: z.union([
        z.boolean(),
        z.object({ name: z.string(), version: z.string(), isSemVerMajor: z.boolean() }),
      ]),
    }),
  ),
});
type Vulnerable = z.infer<typeof reportSchema>["vulnerabilities"][string];

/** What npm prints where it has no report. */
const refusalSchema = z.object({
  message: z.string().optional(),
  error: z.object({ summary: z.string(), detail: z.string() }).partial().optional(),
});

const manifestSchema = z.object({
  slipway: z
    .object({
      audit: z
        .object({
          accepted: z
            .record(
              z.string(),
              z.strictObject({
                reason: z.string().regex(/\S/, "is empty: say why it does no harm here"),
                until: z.iso.date("is not a date, such as 2027-01-31"),
              }),
            )
            .optional(),
        })
        .optional(),
    })
    .optional(),
});

/**
 * Asks npm for advisories of high and critical severity on what package-lock.json installs, for development too: all
 * of it runs in the pipeline. So do what services in folders of their own install, by theirs. package.json may accept some,
 * each with a reason and up to a day.
 *
 * @param root folder of package.json and package-lock.json
 * @param today as 2027-01-31
 * @throws UserError where npm gives no report, or package.json accepts in a way that is not understood
 */
export async function auditDependencies(
  root: string,
  today = new Date().toISOString().slice(0, 10),
): Promise<Outcome> {
  const accepted = acceptedAdvisories(root);
  const findings: Finding[] = [];
  const seen = new Set<string>();
  for (const { folder, vulnerable } of await auditAll(root)) {
    for (const advisory of vulnerable.via) {
      if (typeof advisory === "string" || !FAILING.has(advisory.severity)) continue;
      const { title, url, severity, range } = advisory;
      const id = url.split("/").at(-1) ?? url;
      seen.add(id);
      const acceptance = accepted.get(id);
      if (acceptance && today <= acceptance.until) continue;
      const over = acceptance ? ` It was accepted until ${acceptance.until}, which is over.` : "";
      findings.push({
        where: `${vulnerable.name} (${vulnerable.nodes.map((node) => join(folder, node)).join(", ")})`,
        what: `${severity}: ${title}, in the versions ${range}. ${url}${over}`,
        mend: mend(vulnerable, folder),
      });
    }
  }
  const notes = [...accepted.keys()]
    .filter((id) => !seen.has(id))
    .map((id) => `${id} is accepted in package.json, and nothing has it any more: take it out there.`);
  return { findings, notes };
}

/** What is vulnerable, by the folder whose lock has it: "" for the project's own. */
async function auditAll(root: string): Promise<{ folder: string; vulnerable: Vulnerable }[]> {
  const services = readdirSync(root).filter((name) => existsSync(join(root, name, "package-lock.json")));
  const all = await Promise.all(
    ["", ...services].map(async (folder) =>
      Object.values(await npmAudit(join(root, folder))).map((vulnerable) => ({ folder, vulnerable })),
    ),
  );
  return all.flat();
}

function mend({ name, fixAvailable: fix }: Vulnerable, folder: string): string {
  const there = folder && ` --prefix ${folder}`;
  if (fix === true) return `Take a version of ${name} outside these: npm audit fix${there}`;
  if (fix)
    return `Take ${fix.name} ${fix.version}${fix.isSemVerMajor ? ", which is another major version" : ""}: npm install ${fix.name}@${fix.version}${there}`;
  return `Nothing that depends on ${name} takes a version outside these yet. Do without it, force one by "overrides" in package.json, or accept it there, under slipway.audit.accepted, with a reason and an end.`;
}

function acceptedAdvisories(root: string) {
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const { success, data, error } = manifestSchema.safeParse(manifest);
  if (success) return new Map(Object.entries(data.slipway?.audit?.accepted ?? {}));
  const problems = error.issues.map(({ path, message }) => `package.json: ${path.join(".")}: ${message}`);
  throw new UserError(
    `${problems.join("\n")}\nAn accepted advisory reads: "GHSA-xxxx-xxxx-xxxx": {"reason": "why it does no harm here", "until": "2027-01-31"}`,
  );
}

/** npm's report, by package. @throws UserError where there is none */
async function npmAudit(root: string): Promise<Record<string, Vulnerable>> {
  const { NPM_AUDIT_REGISTRY: registry } = process.env;
  const { stdout, stderr, shortMessage } = await execa(
    "npm",
    [
      "audit",
      "--json",
      "--audit-level=high",
      // Also where the environment leaves them out.
      "--include=dev",
    ],
    { cwd: root, reject: false, env: registry ? { npm_config_registry: registry } : {} },
  );
  const answer = readJson(String(stdout ?? ""));
  const report = reportSchema.safeParse(answer);
  if (report.success) return report.data.vulnerabilities;
  const { message, error } = refusalSchema.safeParse(answer).data ?? {};
  const words =
    message || [error?.summary, error?.detail].filter(Boolean).join(" ") || stderr || shortMessage;
  throw new UserError(
    `npm audit gave no report: ${words ?? "it said nothing that is understood"}
Whether the dependencies are sound is not known. Where npm's registry is a mirror that answers no audits, name one that does, for this alone: NPM_AUDIT_REGISTRY=https://registry.npmjs.org`,
  );
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
