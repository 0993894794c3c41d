import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import {
  GetAliasCommand,
  GetFunctionConfigurationCommand,
  type GetFunctionConfigurationCommandOutput,
  PublishVersionCommand,
  UpdateFunctionCodeCommand,
} from "@aws-sdk/client-lambda";
import type { FunctionRelease } from "../../shared/releases";
import { UserError } from "../project";
import { type Context, until } from "./context";
import type { Change, Made, Releasable, RunsAlready } from "./releasable";

type Configuration = GetFunctionConfigurationCommandOutput;

/** Lambda takes in new code, or a new configuration, in seconds, in a VPC in minutes; it is waited for five. */
const QUESTIONS = 60;

/** What Lambda keeps beside what somebody configured. The code is compared by its hash; a release describes versions. */
const OWN_TO_LAMBDA = new Set([
  "$metadata",
  "CodeSha256",
  "CodeSize",
  "ConfigSha256",
  "Description",
  "FunctionArn",
  "LastModified",
  "LastUpdateStatus",
  "LastUpdateStatusReason",
  "LastUpdateStatusReasonCode",
  "MasterArn",
  "RevisionId",
  "RuntimeVersionConfig",
  "SnapStart",
  "State",
  "StateReason",
  "StateReasonCode",
  "Version",
]);

/** A function of Lambda, whose users reach the version of its alias. */
export class ReleasableFunction implements Releasable {
  readonly kind = "function";
  readonly atOnce = "CodeDeployDefault.LambdaAllAtOnce";
  /** As Lambda writes it. */
  private readonly sha256: string;

  /** @param bundle the archive that Lambda takes */
  constructor(
    readonly name: string,
    readonly group: FunctionRelease,
    private readonly bundle: Uint8Array,
    private readonly context: Context,
  ) {
    this.sha256 = createHash("sha256").update(bundle).digest("base64");
  }

  async running(): Promise<string> {
    const { function: FunctionName, alias: Name } = this.group;
    const { FunctionVersion } = await this.context.clients.lambda.send(
      new GetAliasCommand({ FunctionName, Name }),
    );
    return FunctionVersion!;
  }

  async make(running: string): Promise<Made | RunsAlready> {
    const { lambda } = this.context.clients;
    const FunctionName = this.group.function;
    const runs = await lambda.send(new GetFunctionConfigurationCommand({ FunctionName, Qualifier: running }));
    // The environment may have been deployed a moment ago.
    const newest = await this.settled();
    if (runs.CodeSha256 === this.sha256 && isConfiguredAlike(runs, newest)) return this.already(runs);
    if (newest.CodeSha256 !== this.sha256) {
      // The revision: nobody else's change in between is lost.
      await lambda
        .send(
          new UpdateFunctionCodeCommand({
            FunctionName,
            ZipFile: this.bundle,
            RevisionId: newest.RevisionId,
          }),
        )
        .catch((error: Error) => {
          throw error.name === "PreconditionFailedException"
            ? new UserError(
                `Somebody else changed the function ${FunctionName} meanwhile. Its users still reach version ${running}. Release the change once more.`,
              )
            : error;
        });
      await this.settled();
    }
    // Where nothing changed since the last version, Lambda makes none and names that one, as it was described then.
    const { Version: version } = await lambda.send(
      new PublishVersionCommand({
        FunctionName,
        CodeSha256: this.sha256,
        Description: descriptionOf(running, this.context.commit),
      }),
    );
    if (version === running) return this.already(runs);
    await this.settled(version);
    return { version: version!, isFirst: false, files: {} };
  }

  appSpec({ before, after }: Change, { checked }: { readonly checked: boolean }): object {
    const { function: name, alias, check } = this.group;
    return {
      version: 0.0,
      Resources: [
        {
          [name]: {
            Type: "AWS::Lambda::Function",
            Properties: { Name: name, Alias: alias, CurrentVersion: before, TargetVersion: after },
          },
        },
      ],
      ...(checked && { Hooks: [{ BeforeAllowTraffic: check }, { AfterAllowTraffic: check }] }),
    };
  }

  private already({ Description = "" }: Configuration): RunsAlready {
    const { commit } = this.context;
    const before = /^slipway:before=(\d+) /.exec(Description)?.[1];
    return { before: commit && before && Description === descriptionOf(before, commit) ? before : undefined };
  }

  /** The configuration, once Lambda has taken it in. @throws UserError where it does not */
  private settled(version?: string): Promise<Configuration> {
    const { lambda } = this.context.clients;
    const FunctionName = this.group.function;
    const limit = { questions: QUESTIONS, what: `Lambda did not take in the change of ${FunctionName}` };
    return until(this.context, limit, async () => {
      const configuration = await lambda.send(
        new GetFunctionConfigurationCommand({ FunctionName, Qualifier: version }),
      );
      const { LastUpdateStatus, LastUpdateStatusReason, State, StateReason } = configuration;
      if (LastUpdateStatus === "Failed" || State === "Failed")
        throw new UserError(
          `Lambda could not take in the change of ${FunctionName}: ${LastUpdateStatusReason ?? StateReason ?? "it gives no reason"}. No traffic has moved.`,
        );
      return LastUpdateStatus === "InProgress" || State === "Pending" ? undefined : configuration;
    });
  }
}

/** What a version says of the release that published it. */
const descriptionOf = (before: string, commit: string | undefined) =>
  `slipway:before=${before}${commit ? ` slipway:commit=${commit}` : ""}`;

/** Whether two versions are configured alike, as far as can be seen: without the key, Lambda hides the variables. */
function isConfiguredAlike(one: Configuration, other: Configuration): boolean {
  if (one.Environment?.Error || other.Environment?.Error) return false;
  const configured = (configuration: Configuration) =>
    Object.fromEntries(
      Object.entries(configuration).filter(([key, value]) => !OWN_TO_LAMBDA.has(key) && value !== undefined),
    );
  return isDeepStrictEqual(configured(one), configured(other));
}
