import fc from "fast-check";
import { micromark } from "micromark";
import { gfm, gfmHtml } from "micromark-extension-gfm";
import { type DefaultTreeAdapterTypes, parseFragment } from "parse5";
import { tries } from "../../support/effort";
import { anyText } from "../../support/text";
import { change, markdownOf, reviewOf, shown } from "./support";

/** What GitHub would show: every element and every text, with where it stands. */
function elements(markdown: string) {
  const html = micromark(markdown, {
    extensions: [gfm()],
    htmlExtensions: [gfmHtml()],
    allowDangerousHtml: true,
  });
  const found: { name: string; attributes: string[]; text: string; inCode: boolean }[] = [];
  const walk = (node: DefaultTreeAdapterTypes.Node, inCode: boolean) => {
    if (node.nodeName === "#text" && "value" in node)
      found.push({ name: "#text", attributes: [], text: node.value, inCode });
    if (node.nodeName === "#comment") found.push({ name: "#comment", attributes: [], text: "", inCode });
    if ("tagName" in node) {
      found.push({ name: node.tagName, attributes: node.attrs.map(({ name }) => name), text: "", inCode });
      inCode ||= node.tagName === "code";
    }
    if ("childNodes" in node) for (const child of node.childNodes) walk(child, inCode);
  };
  walk(parseFragment(html), false);
  return found;
}

/** All that a review is made of; nothing else may come out of a plan. */
const OURS = new Set([
  "#text",
  "blockquote",
  "p",
  "strong",
  "em",
  "h3",
  "ul",
  "li",
  "code",
  "pre",
  "details",
  "summary",
  "b",
  "sub",
]);

const HOSTILE = [
  "<img src=x onerror=alert(1)>",
  "<script>alert(1)</script>",
  "</details></summary>",
  "<!-- comment -->",
  "@octocat",
  "@acme/team",
  "#1",
  "acme/hello#1",
  "GH-1",
  "[link](http://evil.example)",
  "![image](http://evil.example/x.png)",
  "http://evil.example",
  "www.evil.example",
  "<http://evil.example>",
  "`",
  "``",
  "```",
  "```\n# heading",
  "~~~",
  "\n\n# heading",
  "| a | b |\n|---|---|\n| c | d |",
  "**bold**",
  "- [ ] task",
  "\n> quote",
  "&lt;b&gt;",
  "&#60;b&#62;",
  "\\",
  "\\`",
  "$x$",
  "$`x`$",
  ":tada:",
  "\u202Egnp.exe",
  "\u200B",
  "\u0000\u001B[31mred",
  "\r\n",
  "\u2028<b>",
  "]]>",
  "%{x}",
  "[^1]",
  "[x]: http://evil.example",
  "a".repeat(300),
  " ",
  "  leading",
  "trailing `",
  "da39a3ee5e6b4b0d3255bfef95601890afd80709",
  "mail@evil.example",
  "\u{E0041}",
  "\uD800",
];

/** A plan in which a text stands wherever a plan has one. */
const everywhere = (text: string): [unknown[], object] => [
  [
    change(
      "aws_thing",
      { [text]: text, json: "{}" },
      { [text]: `${text}2`, lines: `${text}\n${text}`, json: JSON.stringify({ [text]: text }) },
      { address: `aws_thing.it["${text}"]`, previous_address: text },
    ),
    change(text, { a: text }, null, { address: text || "x", deposed: text, action_reason: text }),
    change(
      "aws_thing",
      { a: 1 },
      { a: 2 },
      { address: text || "x", change: { actions: [text], importing: { id: text } } },
    ),
    change(
      "aws_thing",
      { a: 1 },
      { a: text },
      { change: { actions: ["delete", "create"], replace_paths: [[text, 0, text]] } },
    ),
    change("aws_iam_policy", null, {
      policy: JSON.stringify({
        Version: "2012-10-17",
        Statement: {
          Effect: "Allow",
          Action: text,
          Resource: text,
          Principal: { [text]: text },
          Condition: { [text]: { [text]: text } },
        },
      }),
    }),
    change("aws_iam_role_policy_attachment", null, { role: text, policy_arn: text }),
    change("aws_security_group_rule", null, {
      type: text,
      protocol: text,
      cidr_blocks: [text],
      from_port: 1,
      to_port: 2,
    }),
  ],
  {
    output_changes: { [text]: { actions: ["update"], before: text, after: [text] } },
    checks: [
      {
        address: { to_display: text },
        status: text,
        instances: [{ address: { to_display: text }, status: "fail", problems: [{ message: text }] }],
      },
    ],
    resource_drift: [change("aws_thing", { a: 1 }, { a: text }, { address: text || "x" })],
    deferred_changes: [{ reason: text, resource_change: change("aws_thing", null, { a: text }) }],
    action_invocations: [{ address: text }],
    errored: true,
  },
];

function expectHarmless(text: string) {
  const reviewed = reviewOf(...everywhere(text));
  const markdown = shown(reviewed, "markdown").text;
  const foreign = elements(markdown).filter(
    ({ name, attributes, text: words, inCode }) =>
      !OURS.has(name) ||
      // A fence's language.
      attributes.some((attribute) => attribute !== "class") ||
      // Outside of code there are our own words, which have none of these.
      (name === "#text" && !inCode && /[@#<\\]|http|www\.|evil|GH-|\$/.test(words)),
  );
  expect(foreign).toEqual([]);
  const unseen = /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;
  expect(markdown).not.toMatch(unseen);
  expect(shown(reviewed).text).not.toMatch(unseen);
}

test.each(HOSTILE.map((text) => [text]))("nothing breaks out: %j", (text) => expectHarmless(text));

test("nothing breaks out, however it is put together", () => {
  const pieces = fc.array(fc.oneof(fc.constantFrom(...HOSTILE), anyText({ maxLength: 8 })), {
    minLength: 1,
    maxLength: 5,
  });
  fc.assert(
    fc.property(pieces, (parts) => expectHarmless(parts.join(""))),
    { numRuns: tries(60) },
  );
});

test("hostile names stay readable", () => {
  const markdown = markdownOf([
    change("aws_thing", { a: 1 }, null, { address: 'aws_thing.it["a`b|c\u202Ed"]' }),
  ]);
  expect(markdown).toContain('delete ``aws_thing.it["a`b|c\\u202ed"]``');
});
