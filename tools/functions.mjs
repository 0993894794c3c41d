import { readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import { bundle, output, root, writeWhole } from "./bundle.mjs";

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
      // Of a package's two builds, that of ES modules: of the other one, esbuild keeps what is never used.
      mainFields: ["module", "main"],
      sourcemap: "linked",
      sourcesContent: false,
      plugins: [leanPackages],
    };
    await bundle(entry, code, options, async () => {
      const { zipSync } = await import("fflate");
      const map = JSON.parse(readFileSync(`${code}.map`, "utf8"));
      map.sources = map.sources.map((source) => inProject(resolve(dirname(code), source)));
      const files = {
        "index.js": readFileSync(code),
        "index.js.map": Buffer.from(JSON.stringify(map)),
      };
      writeWhole(join(folder, `${name}.zip`), zipSync(files, { mtime: new Date(1980, 0, 1) }));
    });
  }
}

/** Reads packages as functions need them (see `leaned`), with small maps. */
const leanPackages = {
  name: "lean-packages",
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]node_modules[\\/].*\.[cm]?js$/ }, ({ path }) => coarse(path, leaned(path)));
    // Each client asks its package.json for its version, and would bring along all of it.
    onLoad({ filter: /[\\/]@aws-sdk[\\/][^\\/]+[\\/]package\.json$/ }, ({ path }) => {
      const { version } = JSON.parse(readFileSync(path, "utf8"));
      return { contents: JSON.stringify({ version }), loader: "json" };
    });
  },
};

/**
 * Maps each file of a package as one line, its first. Line by line, the map of the SDK is larger than the SDK itself, and
 * a function reads its map before it starts.
 */
function coarse(path, text) {
  const map = JSON.stringify({ version: 3, sources: [basename(path)], mappings: "AAAA" });
  const address = `data:application/json;base64,${Buffer.from(map).toString("base64")}`;
  return { contents: `${text}\n//# sourceMappingURL=${address}`, loader: "js" };
}

/**
 * A package's file as functions need it. What is left out here is what esbuild cannot know to be unused. A version of a
 * package in which it is not found makes larger bundles, of which the budgets in tools/bench/function-budgets.ts tell; one
 * that asks more of what stands in its place does not bundle.
 */
function leaned(path) {
  const unixPath = path.replaceAll("\\", "/");
  const own = LEFT_OUT.find(({ file }) => unixPath.endsWith(file));
  if (own) return own.instead;
  const text = readFileSync(path, "utf8");
  if (!/\/@aws-sdk\/client-.*\/schemas\/schemas_\d+\.js$/.test(unixPath)) return text;
  return leanSchemas(text, readFileSync(join(dirname(path), "../runtimeConfig.shared.js"), "utf8"));
}

/** Parts of packages that no function needs, and what stands in their place. */
const LEFT_OUT = [
  {
    // Lambda gives a function its role's credentials by environment variables, and so does Local AWS. The chain of all
    // providers brings four more clients of AWS along, for SSO, for roles of profiles and for logins.
    file: "/@aws-sdk/credential-provider-node/dist-es/index.js",
    instead: 'export { fromEnv as defaultProvider } from "@aws-sdk/credential-provider-env";',
  },
  {
    // No function asks for what AWS answers with a stream of events, such as a live log. The SDK imports this dynamically,
    // for which esbuild keeps whole all that it imports itself, most of the SDK's core.
    file: "/@smithy/core/dist-es/submodules/event-streams/index.js",
    instead: `
export const resolveEventStreamSerdeConfig = (config) => config;
export const eventStreamSerdeProvider = () => {
  throw new Error("Functions are bundled without event streams: tools/functions.mjs leaves them out");
};
export class EventStreamSerde {}`,
  },
];

/**
 * The forms of what a client of AWS sends and receives, so that esbuild drops those of operations that are not used.
 *
 * Keys that are constants become literals: of another key esbuild cannot know that nothing happens when it is read. And
 * errors are not registered, with which their classes go: one that is not has its name and its message all the same, as
 * those have that are newer than the SDK. Where the protocol calls errors otherwise, the SDK finds the names of those by
 * their forms, and they stay.
 */
function leanSchemas(text, configuration) {
  const constants = new Map(
    [...text.matchAll(/^const (_\w+) = ("[^"\\]*");$/gm)].map(([, name, value]) => [name, value]),
  );
  const isQuery = /AwsQueryProtocol|awsQueryCompatible/.test(configuration);
  const form = (name) => text.slice(text.indexOf(`export var ${name}$ =`)).split(/^\];$/m, 1)[0];
  return text
    .replace(/^n0_registry\.registerError\((\w+)\$, \1\);$/gm, (line, name) =>
      isQuery && form(name).includes("[_aQE]:") ? line : "",
    )
    .replace(/\[(_\w+)\]:/g, (key, name) => (constants.has(name) ? `${constants.get(name)}:` : key));
}

/** Where a file is in any copy of the project, wherever its packages are kept. */
const inProject = (path) =>
  relative(root, path)
    .split(sep)
    .join("/")
    .replace(/^.*?(?=node_modules\/)/, "");
