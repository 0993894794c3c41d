import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { approvalChat, driftChat, runChat } from "../../../lambdas/delivery-report/messages/chat";
import { approvalMail, driftMail, type Mail, runMail } from "../../../lambdas/delivery-report/messages/mail";
import { runStatus } from "../../../lambdas/delivery-report/messages/status";
import { duration, moment } from "../../../lambdas/delivery-report/messages/words";
import type { ApprovalReport, DriftReport, RunReport } from "../../../shared/run-report";
import { tries } from "../../support/effort";
import { anyText } from "../../support/text";
import { HOSTILE, hostileApproval, hostileDrift, hostileRun } from "./messages-hostile";
import { approval, drift, runs, succeeded } from "./messages-runs";

const GOLDEN = join(__dirname, "golden");

const said = ({ subject, text }: Mail, { text: chat }: { readonly text: string }, run?: RunReport): string =>
  [
    `Mail: ${subject}\n`,
    text,
    `Chat:\n\n${chat}\n`,
    ...(run ? [`Status:\n\n${JSON.stringify(runStatus(run), undefined, 2)}\n`] : []),
  ].join(`${"=".repeat(72)}\n`);

const messages: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    Object.entries(runs).map(([name, run]) => [name, said(runMail(run), runChat(run), run)]),
  ),
  approval: said(approvalMail(approval), approvalChat(approval), approval.run),
  drift: said(driftMail(drift), driftChat(drift)),
};

describe("what people are told, whole; UPDATE_GOLDEN=1 writes it anew", () => {
  test.each(Object.entries(messages))("%s", (name, text) => {
    const file = join(GOLDEN, `${name}.txt`);
    if (process.env.UPDATE_GOLDEN) writeFileSync(file, text);
    expect(existsSync(file) ? readFileSync(file, "utf8") : `There is no ${file}`).toBe(text);
  });

  test("there is no file of a message that is sent no more", () => {
    expect(readdirSync(GOLDEN).sort()).toEqual(
      Object.keys(messages)
        .map((name) => `${name}.txt`)
        .sort(),
    );
  });
});

describe("a mail", () => {
  test("says first why a run failed, and then all else", () => {
    const { text } = runMail(runs["failed-test"]!);
    const order = ["  |     Received: 400", "\nCommit", "\nTime", "\nTests\n", "\nLinks"].map((part) =>
      text.indexOf(part),
    );
    expect(order).not.toContain(-1);
    expect(order.toSorted((one, other) => one - other)).toEqual(order);
  });

  test("asks for an answer with the risks before all else of the plan", () => {
    const { text, subject } = approvalMail(approval);
    expect(subject).toContain("deploy prod? Risks: delete, access");
    expect(text.indexOf("delete: something is destroyed")).toBeLessThan(text.indexOf("2 to add"));
    expect(text).toContain(approval.sha256);
  });

  test("keeps our own words within the width of a phone", () => {
    for (const { text } of [...Object.values(runs).map(runMail), approvalMail(approval), driftMail(drift)])
      for (const line of text.split("\n"))
        if (!/^ {2}\| |^ +https:/.test(line)) expect(line.length).toBeLessThanOrEqual(72);
  });

  test("of which a log is long stays a mail that can be read", () => {
    const errors = Array.from({ length: 500 }, () => "x".repeat(5000));
    const action = { name: "test", status: "failed", errors, summary: "x".repeat(9999) } as const;
    const stages = Array.from({ length: 30 }, (_, index) => ({
      name: `Build-${index}`,
      status: "failed" as const,
      actions: Array.from({ length: 9 }, () => action),
    }));
    const { text } = runMail({ ...succeeded, status: "failed", stages });
    expect(text.length).toBeLessThanOrEqual(20_000);
    expect(text).toMatch(/\(The rest is left out: the report has it\.\)\n$/);
  });

  test("has letters without their accents in its subject, and a mark for what ASCII has not", () => {
    const { subject } = runMail({
      ...succeeded,
      commit: { ...succeeded.commit, message: "Ändere Größe 訂單" },
    });
    expect(subject).toBe("hello/main released to dev and prod - c0ffee1 Andere Gro?e ?");
  });
});

describe("a commit status", () => {
  test("leads to the console and never to the page, which whoever has its address can read", () => {
    expect(runStatus(succeeded).target_url).toBe(succeeded.links.console);
  });

  test("stays pending where another run of the same commit goes on", () => {
    expect(runStatus(runs["restarted-by-self-update"]!).state).toBe("pending");
    expect(runStatus(runs.stopped!).state).toBe("error");
  });

  test("is pending until the run has ended", () => {
    expect([runStatus(approval.run).state, runStatus(runs.running!).state]).toEqual(["pending", "pending"]);
  });
});

/** A mail of which each line that is not ours is replaced by its mark. */
const mailShape = ({ text }: Mail) =>
  text.replace(/^ {2}\| .*$/gm, "  |").replace(/^( {2}(by|branch): ).*$/gm, "$1");

/** A message of which what stands in code is replaced by nothing. */
const chatShape = ({ text }: { readonly text: string }) =>
  text.replace(/```\n[^`]*\n```/g, "<block>").replace(/`[^`]*`/g, "<code>");

describe("whatever a commit, a branch, a test or a log holds", () => {
  const text = fc.oneof(
    fc.constantFrom(...HOSTILE),
    anyText({ maxLength: 400 }),
    fc.array(fc.constantFrom(...HOSTILE), { maxLength: 4 }).map((parts) => parts.join("")),
  );
  const property = (check: (run: RunReport, approval: ApprovalReport, drift: DriftReport) => void) =>
    fc.assert(
      fc.property(text, (foreign) =>
        check(hostileRun(foreign), hostileApproval(foreign), hostileDrift(foreign)),
      ),
      { numRuns: tries(100) },
    );
  const run = hostileRun("harmless");
  const approval = hostileApproval("harmless");
  const drift = hostileDrift("harmless");

  test("a subject is one line of printable ASCII that no mail program decodes", () => {
    property((run, approval, drift) => {
      for (const { subject } of [runMail(run), approvalMail(approval), driftMail(drift)]) {
        expect(subject).toMatch(/^[!-~]([ -~]{0,97}[!-~])?$/);
        expect(subject).not.toContain("=?");
        expect(subject).toMatch(/^hello/);
      }
    });
  });

  test("a mail has our lines and no others", () => {
    const ours = [runMail(run), approvalMail(approval), driftMail(drift)].map(mailShape);
    property((run, approval, drift) => {
      expect([runMail(run), approvalMail(approval), driftMail(drift)].map(mailShape)).toEqual(ours);
    });
  });

  test("a chat message has our links, mentions nobody, and all that is not ours stands in code", () => {
    const ours = [runChat(run), approvalChat(approval), driftChat(drift)].map(chatShape);
    property((run, approval, drift) => {
      const messages = [runChat(run), approvalChat(approval), driftChat(drift)];
      expect(messages.map(chatShape)).toEqual(ours);
      // "<" begins mentions and links, in code too.
      for (const { text } of messages)
        expect(text.match(/<[^>]*>/g)?.every((found) => /^<https:[^|`]*\|[\w ]+>$/.test(found))).toBe(true);
    });
  });

  test("a status has at most 140 characters, all of which are seen", () => {
    property((run) => {
      const { description, context, state } = runStatus(run);
      expect(description.length).toBeLessThanOrEqual(140);
      expect(description).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}]/u);
      expect([context, state]).toEqual(["slipway/main", "failure"]);
    });
  });

  test.each([
    "javascript:alert(1)",
    "https://github.com@evil.example/",
    "//evil.example",
    "data:text/html,x",
    "x",
  ])("%s is no link", (url) => {
    const links = { console: url, page: url };
    const bad = { ...run, commit: { ...run.commit, url, compareUrl: url }, links };
    expect(runMail(bad).text).not.toContain("Links");
    expect(runChat(bad).text).not.toContain("|");
    expect(runStatus(bad).target_url).toBeUndefined();
  });

  test("an address cannot end its link", () => {
    const console = "https://example.com/a|b>c`d<!channel>?x=1&y=2";
    expect(runChat({ ...run, links: { console } }).text).toContain(
      "<https://example.com/a%7Cb%3Ec%60d%3C!channel%3E?x=1&amp;y=2|Console>",
    );
  });
});

test.each([
  [0, "0 s"],
  [59.6, "1 min"],
  [250, "4 min 10 s"],
  [3599, "59 min 59 s"],
  [3600, "1 h"],
  [18_610, "5 h 10 min"],
  [86_399, "1 day"],
  [273_600, "3 days 4 h"],
])("%d seconds are %s", (seconds, text) => {
  expect(duration(seconds)).toBe(text);
});

test("a moment is told in UTC, and what is none as it is", () => {
  expect(moment("2026-11-05T09:03:59+02:00")).toBe("5 Nov 2026, 07:03 UTC");
  expect(moment("soon\n")).toBe("soon");
});
