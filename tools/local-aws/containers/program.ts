import { existsSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import type { ContainerDefinition } from "@aws-sdk/client-ecs";
import type { LocalImages } from "../images/image";

/** What of a container becomes a process. */
export interface Program {
  readonly args: readonly string[];
  readonly cwd: string;
  /** The image's own variables. */
  readonly environment: Readonly<Record<string, string>>;
}

/** Official images of Node, wherever they are pulled from. */
const NODE =
  /^((docker\.io|public\.ecr\.aws\/docker|mirror\.gcr\.io)\/)?(library\/)?node(:[\w.-]+)?(@sha256:[0-9a-f]{64})?$/;

/** An image that cannot be run here. */
export class CannotPull extends Error {}

/**
 * Finds out what a container runs on this machine.
 *
 * @param home where a program starts that is not of an image of ours
 * @throws CannotPull where its image is not there
 */
export function programOf(definition: ContainerDefinition, images: LocalImages, home: string): Program {
  const { image = "", entryPoint = [], command = [] } = definition;
  if (NODE.test(image)) {
    const args = [...entryPoint, ...command];
    return { args: onThisMachine(args.length ? args : ["node"]), cwd: home, environment: {} };
  }
  const found = images.find(image);
  if (!found) {
    throw new CannotPull(
      `CannotPullContainerError: ${image} is not there. Local AWS runs images that its builds have pushed, and official images of Node.`,
    );
  }
  const own = [...entryPoint, ...command];
  const { PATH: _, ...environment } = found.environment;
  const inside = (path: string) => join(found.root, normalize(join("/", path)));
  // A whole argument that names a file of the image is that file here.
  const args = (own.length ? own : found.command).map((argument) =>
    argument.startsWith("/") && existsSync(inside(argument)) ? inside(argument) : argument,
  );
  return { args: onThisMachine(args), cwd: inside(found.workingDirectory), environment };
}

/** Node is the one that runs Local AWS. */
function onThisMachine([command = "", ...args]: readonly string[]): string[] {
  return [/^(\/usr\/local\/bin\/|\/usr\/bin\/)?node$/.test(command) ? process.execPath : command, ...args];
}

/** A search path on which this machine's Node comes first. */
export const pathWithNode = (path = "") => [dirname(process.execPath), path].filter(Boolean).join(":");
