import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { ROOT } from "../support/settings";
import { textOf } from "./examples";

const DOCUMENTS = [
  "README.md",
  ...["docs", "docs/decisions"].flatMap((folder) =>
    readdirSync(join(ROOT, folder)).flatMap((file) => (file.endsWith(".md") ? `${folder}/${file}` : [])),
  ),
];

/** Without what is shown of code. */
const prose = (text: string) => text.replace(/^```.*?^```$/gms, "");

/** What GitHub's page of a document can be led to. */
const anchorsOf = (text: string) =>
  [...prose(text).matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replace(/[^\w\- ]/g, "")
      .replaceAll(" ", "-"),
  );

test.each(DOCUMENTS)("what %s leads to is there", (document) => {
  const broken = [...prose(textOf(document)).matchAll(/\]\((?!https?:)([^)\s]+)\)/g)].flatMap(
    ([, link = ""]) => {
      const [path, anchor] = link.split("#");
      const target = path ? join(dirname(document), path) : document;
      if (!existsSync(join(ROOT, target))) return link;
      return anchor === undefined || anchorsOf(textOf(target)).includes(anchor) ? [] : link;
    },
  );
  expect(broken).toEqual([]);
});

test.each(DOCUMENTS)("the commands that %s names are there", (document) => {
  const { scripts } = JSON.parse(textOf("package.json"));
  const named = [...textOf(document).matchAll(/npm run (?:--silent )?([a-z:-]+)/g)].map(([, name]) => name);
  expect(named.filter((name) => !(name! in scripts))).toEqual([]);
});
