import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { GetObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { unzipSync } from "fflate";
import { z } from "zod";

const s3Schema = z.object({ bucket: z.string(), key: z.string(), region: z.string() });

/** Where a synthesized stack's state lies, as Terraform is told. */
export function backendOf(stack: string): Readonly<Record<string, unknown>> {
  const file = join(stack, "cdk.tf.json");
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")).terraform?.backend ?? {}) : {};
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * A stack's state, from its bucket, without Terraform.
 *
 * @param env what commands on the stack get beside this process's environment: nothing of the caller's own AWS is asked then
 * @returns undefined where there is none, it lies in no bucket, or it cannot be read: Terraform tells which
 */
export async function readState(stack: string, env?: Environment): Promise<unknown> {
  const backend = s3Schema.safeParse(backendOf(stack).s3);
  if (!backend.success || !isDefaultWorkspace(stack, { ...process.env, ...env })) return undefined;
  const { bucket: Bucket, key: Key, region } = backend.data;
  const endpoint = (env ?? process.env).AWS_ENDPOINT_URL;
  const s3 = new S3Client({ region, forcePathStyle: endpoint !== undefined, ...(env && within(env)) });
  try {
    const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key }));
    return JSON.parse((await Body?.transformToString()) ?? "");
  } catch {
    return undefined;
  } finally {
    s3.destroy();
  }
}

/** The SDK by itself knows this process's environment alone. */
function within(env: Environment) {
  const { AWS_ACCESS_KEY_ID = "", AWS_SECRET_ACCESS_KEY = "", AWS_SESSION_TOKEN: sessionToken } = env;
  return {
    endpoint: env.AWS_ENDPOINT_URL,
    credentials: { accessKeyId: AWS_ACCESS_KEY_ID, secretAccessKey: AWS_SECRET_ACCESS_KEY, sessionToken },
  };
}

/** By what Terraform tells a state from another, and from what it was before: a state that is not stored has no lineage. */
export const versionSchema = z.object({ lineage: z.string().min(1), serial: z.int() });
type StateVersion = z.infer<typeof versionSchema>;

/** @returns undefined where it cannot be told */
export async function versionOf(stack: string): Promise<StateVersion | undefined> {
  return versionSchema.safeParse(await readState(stack)).data;
}

/** Whether a stack's state is the one that a saved plan was made of. @returns false where that is not known, too */
export async function isStateOfPlan(stack: string, plan: string): Promise<boolean> {
  const { success, data } = versionSchema.safeParse(stateIn(plan));
  return success && isDeepStrictEqual(data, await versionOf(stack));
}

/** A saved plan is a ZIP, and has the state that it was made of in it. */
function stateIn(plan: string): unknown {
  try {
    const { tfstate } = unzipSync(readFileSync(plan), { filter: ({ name }) => name === "tfstate" });
    return JSON.parse(new TextDecoder().decode(tfstate));
  } catch {
    return undefined;
  }
}

/** That of another workspace lies elsewhere. */
function isDefaultWorkspace(stack: string, { TF_WORKSPACE, TF_DATA_DIR }: Environment): boolean {
  const file = resolve(stack, TF_DATA_DIR || ".terraform", "environment");
  const name = TF_WORKSPACE || (existsSync(file) && readFileSync(file, "utf8").trim());
  return !name || name === "default";
}
