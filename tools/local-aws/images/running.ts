import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { machineEnvironment } from "../builds/environment";

/** A word of a command: a path that the image has is where it lies on this machine, all else stays as it is. */
export function mapped(root: string, word: string): string {
  if (!word.startsWith("/") || word === "/") return word;
  const path = join(root, word);
  return path.startsWith(`${root}/`) && existsSync(path) ? path : word;
}

/** Where commands are looked for: in the folders that the image has, and then where this machine has them. */
export function searchPath(root: string, path: string, machine: string): string {
  const own = path.split(":").filter((folder) => folder.startsWith("/") && existsSync(join(root, folder)));
  // npm puts the tools of the project before all others: an image has to bring its own.
  const others = machine
    .split(delimiter)
    .filter((folder) => !/node_modules\/(\.bin|.*node-gyp-bin)$/.test(folder));
  return [...own.map((folder) => join(root, folder)), ...others].join(delimiter);
}

/** What a command of a Dockerfile sees: the image's variables, and of this machine's what builds see, but no AWS. */
export function commandEnvironment(
  root: string,
  variables: Readonly<Record<string, string>>,
  caller: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const machine = machineEnvironment(caller);
  const PATH = searchPath(root, variables.PATH ?? "", machine.PATH ?? "");
  return { ...machine, ...variables, PATH };
}
