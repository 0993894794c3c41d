import { createHash } from "node:crypto";
import type { Logger } from "@aws-lambda-powertools/logger";
import { type CodeBuildClient, StartBuildCommand } from "@aws-sdk/client-codebuild";
import { type CodePipelineClient, StartPipelineExecutionCommand } from "@aws-sdk/client-codepipeline";
import { SendMessageCommand, type SQSClient } from "@aws-sdk/client-sqs";
import { previewSlug } from "../../shared/previews";
import { visible } from "../../shared/visible";
import * as z from "../../shared/zod";
import { type Wanted, wantedBy } from "./delivery";
import type { Signatures } from "./signature";
import type { Task } from "./task";

/** What the function has to do its work with. */
export interface Desk {
  readonly task: Task;
  readonly signatures: Signatures;
  readonly clients: {
    readonly pipelines: Pick<CodePipelineClient, "send">;
    readonly builds: Pick<CodeBuildClient, "send">;
    readonly queues: Pick<SQSClient, "send">;
  };
  readonly log: Pick<Logger, "info" | "warn">;
}

/** Failures of a step that nobody is woken for, by their names. */
const EXPECTED: Readonly<Record<string, string>> = {
  // It starts by itself when it is made.
  PipelineNotFoundException: "it is not deployed",
  ResourceNotFoundException: "it is not deployed",
  // In a public repository strangers decide how many there are.
  AccountLimitExceededException: "as many of its builds run as may. Send the delivery again, or push again",
};

export interface Request {
  readonly method: string;
  /** By their names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: string;
  readonly isBase64: boolean;
}

export interface Answer {
  readonly status: number;
  /** For whoever reads GitHub's list of deliveries. */
  readonly text: string;
}

/**
 * GitHub sends up to 25 MB, of a push of very many commits; of that, Lambda takes no event beyond 6 MB, in which the
 * body's quotes are escaped. To refuse less than about that would be to miss pushes.
 */
const MOST_BYTES = 5 * 1024 * 1024;

/** GitHub waits for ten seconds, and some may have gone to the function's start. */
const STEPS_MILLISECONDS = 6_000;

/**
 * Takes a delivery of GitHub's and does what it gives reason to. Nothing of it is looked at before its signature holds.
 * Each step is done whatever becomes of the others, and but once for one delivery: it can be sent again.
 *
 * @throws Error where a step failed
 */
export async function receive(desk: Desk, request: Request, now: Date): Promise<Answer> {
  const { task, signatures, log } = desk;
  const { method, headers } = request;
  if (method !== "POST") return { status: 405, text: "GitHub posts what has happened here." };
  const body = Buffer.from(request.body, request.isBase64 ? "base64" : "utf8");
  if (body.length > MOST_BYTES) return { status: 413, text: `This is more than ${MOST_BYTES} bytes.` };
  if (!(await signatures.holds(body, headers["x-hub-signature-256"], now)))
    return { status: 401, text: "Unauthorized" };

  const { "x-github-event": event = "", "x-github-delivery": delivery = "" } = headers;
  if (!/^[\w-]{1,100}$/.test(delivery) || !/^\w{1,100}$/.test(event))
    return { status: 400, text: "GitHub names each delivery and its event in headers; these do not." };
  if (event === "ping") return { status: 200, text: "Connected" };
  const wanted = read(task, event, body);
  if (!wanted)
    return {
      status: 400,
      text: `This is no ${event} as GitHub sends it with content type application/json.`,
    };

  const { pipelines, review, hint } = wanted;
  const { branch } = hint ?? {};
  log.info("Received", {
    delivery,
    event,
    pipelines,
    review,
    hint: hint?.slipway,
    // Anybody who may push names it.
    ...(branch !== undefined && { branch: visible(branch) }),
  });
  const steps = stepsOf(desk, delivery, wanted);
  if (!steps.length) return { status: 202, text: "Nothing waits for this." };
  const results = await Promise.allSettled(steps);
  const failures = results.flatMap((result) => (result.status === "rejected" ? [result.reason] : []));
  if (failures.length)
    throw new Error(
      [`Not all of the delivery ${delivery} is done.`, ...failures.map(({ message }) => message)].join("\n"),
    );
  return { status: 202, text: "Done" };
}

function read(task: Task, event: string, body: Buffer): Wanted | undefined {
  try {
    return wantedBy(task, event, JSON.parse(body.toString()));
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof z.ZodError) return undefined;
    throw error;
  }
}

function stepsOf(
  { task, clients, log }: Desk,
  delivery: string,
  { pipelines, review, hint }: Wanted,
): Promise<void>[] {
  // Of the delivery, by which what it has done is not done again when GitHub sends it again.
  const once = (what: string) => createHash("sha256").update(`${delivery} ${what}`).digest("hex");
  const abortSignal = AbortSignal.timeout(STEPS_MILLISECONDS);
  const step = async (what: string, doing: Promise<unknown>) => {
    try {
      await doing;
    } catch (error) {
      const { name, message } = error as Error;
      const why = EXPECTED[name];
      if (!why) throw new Error(`${what} failed: ${name}: ${message}`);
      log.warn(`${what} failed: ${why}`, { delivery });
    }
  };
  return [
    ...pipelines.map((name) =>
      step(
        `Starting ${name}`,
        clients.pipelines.send(new StartPipelineExecutionCommand({ name, clientRequestToken: once(name) }), {
          abortSignal,
        }),
      ),
    ),
    ...(review !== undefined && task.review
      ? [
          step(
            `Starting the review of pull request ${review}`,
            clients.builds.send(
              new StartBuildCommand({
                projectName: task.review.project,
                sourceVersion: `pr/${review}`,
                environmentVariablesOverride: [
                  { name: "PULL_REQUEST", value: String(review), type: "PLAINTEXT" },
                ],
                idempotencyToken: once("review"),
              }),
              { abortSignal },
            ),
          ),
        ]
      : []),
    ...(hint
      ? [
          step(
            "Telling the previews",
            clients.queues.send(
              new SendMessageCommand({
                QueueUrl: task.queue,
                MessageBody: inAscii(JSON.stringify(hint)),
                MessageGroupId: previewSlug(hint.branch),
                MessageDeduplicationId: once(JSON.stringify(hint)),
              }),
              { abortSignal },
            ),
          ),
        ]
      : []),
  ];
}

/** JSON of printable ASCII alone: there are characters that a branch's name may have, and SQS takes in no message. */
const inAscii = (json: string) =>
  json.replace(/[^\x20-\x7e]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`);
