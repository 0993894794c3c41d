import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import { bundle, output, root } from "./bundle.mjs";

/**
 * Each folder of lambdas/ as <name>.zip; the same source gives the same bytes. The SDK is in it, what of it is used:
 * Lambda's runtime has one too, but in a version that nobody chose or tested.
 */
export async function bundleFunctions() {
  const folder = join(output, "functions");
  for (const { name } of readdirSync(join(root, "lambdas"), { withFileTypes: true }).filter((e) =>
    e.isDirectory(),
  )) {
    const code = join(folder, name, "index.js");
    const entry = join(root, "lambdas", name, "index.ts");
    const options = {
      format: "cjs",
      target: "node22",
      minify: true,
      // Logs name errors and functions.
      keepNames: true,
      sourcemap: "linked",
      sourcesContent: false,
      plugins: [coarsePackages],
    };
    await bundle(entry, code, options, async () => {
      const { zipSync } = await import("fflate");
      const map = JSON.parse(readFileSync(`${code}.map`, "utf8"));
      map.sources = map.sources.map((source) => inProject(resolve(dirname(code), source)));
      const files = {
        "index.js": readFileSync(code),
        "index.js.map": Buffer.from(JSON.stringify(map)),
      };
      writeFileSync(join(folder, `${name}.zip`), zipSync(files, { mtime: new Date(1980, 0, 1) }));
    });
  }
}

/**
 * Maps each file of a package as one line, its first. Line by line, the map of the SDK is larger than the SDK itself, and
 * a function reads its map before it starts.
 */
const coarsePackages = {
  name: "coarse-packages",
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]node_modules[\\/].*\.[cm]?js$/ }, ({ path }) => {
      const map = JSON.stringify({ version: 3, sources: [basename(path)], mappings: "AAAA" });
      const address = `data:application/json;base64,${Buffer.from(map).toString("base64")}`;
      return { contents: `${readFileSync(path, "utf8")}\n//# sourceMappingURL=${address}`, loader: "js" };
    });
  },
};

/** Where a file is in any copy of the project, wherever its packages are kept. */
const inProject = (path) =>
  relative(root, path)
    .split(sep)
    .join("/")
    .replace(/^.*?(?=node_modules\/)/, "");
