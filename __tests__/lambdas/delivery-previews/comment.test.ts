import fc from "fast-check";
import { micromark } from "micromark";
import { gfm, gfmHtml } from "micromark-extension-gfm";
import { type DefaultTreeAdapterTypes, parseFragment } from "parse5";
import { commentText, type PreviewNews } from "../../../lambdas/delivery-previews/comment";
import { tries } from "../../support/effort";
import { anyText } from "../../support/text";

const NEWS: PreviewNews = {
  branch: "feature/login",
  environment: "pv-dev-login-3f9a2c",
  state: "ready",
  commit: "c0ffee".padEnd(40, "0"),
  addresses: ["http://hello-pv-dev-login-3f9a2c.example.com/"],
  pipelineUrl: "https://eu-west-1.console.aws.amazon.com/codesuite/x/view?region=eu-west-1",
  goesAt: new Date("2026-01-24T22:03:07Z"),
};

test("tells where a preview is, of what it is, and until when", () => {
  expect(commentText(NEWS)).toBe(`**Preview** of \`feature/login\`: ready, here:

- <http://hello-pv-dev-login-3f9a2c.example.com/>

It goes on 2026-01-24 22:03 UTC if nobody pushes to the branch before.

Environment \`pv-dev-login-3f9a2c\` · commit \`c0ffee0\` · [pipeline](<https://eu-west-1.console.aws.amazon.com/codesuite/x/view?region=eu-west-1>)`);
});

test.each<[PreviewNews["state"], RegExp]>([
  ["building", /being deployed/],
  ["failed", /has failed.*next push/],
  ["stuck", /could not be removed.*costing money/],
])("leads to the pipeline of one that is %s", (state, words) => {
  expect(commentText({ ...NEWS, state })).toMatch(words);
  expect(commentText({ ...NEWS, state })).toContain("[pipeline](<https://");
});

test.each<[PreviewNews["state"], RegExp]>([
  ["gone", /gone, with all/],
  ["expired", /nobody has pushed.*brings it back/],
  ["refused", /there is none/],
])("tells of one that is %s no address, and no end", (state, words) => {
  const text = commentText({ ...NEWS, state, why: "There are 5 already" });
  expect(text).toMatch(words);
  expect(text).toContain("Why: `There are 5 already`");
  expect(text).not.toMatch(/http|2026/);
});

test("says where nothing can be reached", () => {
  expect(commentText({ ...NEWS, addresses: [] })).toContain("Nothing in it has an address");
});

test.each([
  "javascript:alert(1)",
  "data:text/html,x",
  "ftp://example.com",
  "//example.com",
  "https://user:secret@example.com/",
  "not an address",
  "",
])("leaves out what is no address of the web: %j", (address) => {
  const text = commentText({ ...NEWS, addresses: [address], pipelineUrl: address, goesAt: undefined });
  expect(elements(text).filter(({ name }) => name === "a")).toEqual([]);
  expect(text).not.toContain("secret");
});

test("leaves out a commit that is none", () => {
  expect(commentText({ ...NEWS, commit: "../../x" })).not.toContain("commit");
});

/** What GitHub would show: every element and every text, with where it stands. */
function elements(markdown: string) {
  const html = micromark(markdown, {
    extensions: [gfm()],
    htmlExtensions: [gfmHtml()],
    allowDangerousHtml: true,
  });
  const found: { name: string; href?: string; text: string; inCode: boolean }[] = [];
  const walk = (node: DefaultTreeAdapterTypes.Node, inCode: boolean) => {
    if (node.nodeName === "#text" && "value" in node) found.push({ name: "#text", text: node.value, inCode });
    if (node.nodeName === "#comment") found.push({ name: "#comment", text: "", inCode });
    if ("tagName" in node) {
      const href = node.attrs.find(({ name }) => name === "href")?.value;
      found.push({ name: node.tagName, href, text: "", inCode });
      inCode ||= node.tagName === "code";
    }
    if ("childNodes" in node) for (const child of node.childNodes) walk(child, inCode);
  };
  walk(parseFragment(html), false);
  return found;
}

const HOSTILE = [
  "<img src=x onerror=alert(1)>",
  "<!-- slipway:preview hello -->",
  "@octocat",
  "acme/hello#1",
  "[link](http://evil.example)",
  "![image](http://evil.example/x.png)",
  "www.evil.example",
  "`",
  "``",
  "```\n# heading",
  "\n\n# heading",
  "**bold**",
  "\n> quote",
  "&lt;b&gt;",
  "\\`",
  "$`x`$",
  "\u202Egnp.exe",
  "\u2028<b>",
  "[x]: http://evil.example",
  "a".repeat(300),
  " ",
  "mail@evil.example",
  "\uD800",
];
/** All that a comment is made of. */
const OURS = new Set(["#text", "p", "strong", "ul", "li", "code", "a"]);

test("nothing but text arises from a branch's name, an environment's, or a reason", () => {
  const hostile = fc
    .array(fc.oneof(fc.constantFrom(...HOSTILE), anyText({ maxLength: 8 })), {
      minLength: 1,
      maxLength: 5,
    })
    .map((parts) => parts.join(""));
  const states = fc.constantFrom(
    ...(["building", "ready", "failed", "gone", "refused", "expired", "stuck"] as const),
  );
  fc.assert(
    fc.property(hostile, states, (text, state) => {
      const news = { ...NEWS, state, branch: text, environment: text, commit: text, why: text };
      const links = [NEWS.addresses?.[0], NEWS.pipelineUrl];
      const foreign = elements(commentText(news)).filter(
        ({ name, href, text: words, inCode }) =>
          !OURS.has(name) ||
          (name === "a" && !links.includes(href)) ||
          (name === "#text" && !inCode && /[@#<\\$]|evil|www\./.test(words)),
      );
      expect(foreign).toEqual([]);
      expect(commentText(news)).not.toMatch(/(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
    }),
    { numRuns: tries(150) },
  );
});

/** Any address of the web. fast-check's own is made with the list of all characters: a second. */
const webAddress = fc
  .tuple(fc.constantFrom("http", "https"), fc.domain(), anyText(), anyText(), anyText())
  .map(([scheme, host, path, query, fragment]) => {
    const [pathname, search, hash] = [path, query, fragment].map(encodeURI);
    return `${scheme}://${host}/${pathname}?${search}#${hash}`;
  });

test("no address leads elsewhere than it says", () => {
  fc.assert(
    fc.property(
      fc.oneof(webAddress, fc.constantFrom(...HOSTILE)),
      fc.constantFrom(...HOSTILE, ">", ")", "\n"),
      (address, tail) => {
        const given = address + tail;
        const text = commentText({ ...NEWS, addresses: [given], pipelineUrl: given, commit: undefined });
        for (const { name, href } of elements(text)) {
          expect(OURS).toContain(name);
          if (name === "a") expect(new URL(href ?? "").origin).toBe(new URL(given).origin);
        }
      },
    ),
    // Read as what it stands for, the reference makes the host a user name.
    { numRuns: tries(150), examples: [["http://a.aa", "&commat;evil.example"]] },
  );
});
