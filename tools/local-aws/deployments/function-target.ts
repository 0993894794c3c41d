import type { LambdaClient } from "@aws-sdk/client-lambda";
import type { FunctionSpec } from "./app-spec";
import { DeploymentFailure, type Target } from "./target";

/** A function's alias, which goes from one version to another. */
export class FunctionTarget implements Target {
  /** Of the traffic, that the new version has. */
  private percent = 0;
  private begun = false;

  constructor(
    private readonly lambda: LambdaClient,
    private readonly spec: FunctionSpec,
    private readonly functionArn: string,
  ) {}

  get id(): string {
    return `${this.spec.Name}:${this.spec.Alias}`;
  }

  async begin(): Promise<void> {
    const { Name, Alias, CurrentVersion, TargetVersion } = this.spec;
    const { GetAliasCommand } = await import("@aws-sdk/client-lambda");
    const alias = await this.lambda
      .send(new GetAliasCommand({ FunctionName: Name, Name: Alias }))
      .catch(absent);
    if (alias.FunctionVersion !== CurrentVersion) {
      throw new DeploymentFailure(
        "INVALID_LAMBDA_CONFIGURATION",
        `The alias ${Alias} of the function ${Name} leads to version ${alias.FunctionVersion}, and the AppSpec file's CurrentVersion is ${CurrentVersion}.`,
      );
    }
    if (CurrentVersion === TargetVersion) {
      throw new DeploymentFailure(
        "INVALID_LAMBDA_CONFIGURATION",
        `The AppSpec file's CurrentVersion and TargetVersion of the function ${Name} are the same: ${TargetVersion}.`,
      );
    }
    this.begun = true;
  }

  async shift(percent: number): Promise<void> {
    const { CurrentVersion, TargetVersion } = this.spec;
    if (percent === 100) await this.update(TargetVersion, {});
    else await this.update(CurrentVersion, { [TargetVersion]: percent / 100 });
    this.percent = percent;
  }

  async revert(): Promise<void> {
    // An alias that was not what the AppSpec says is nobody's to change.
    if (this.begun) await this.update(this.spec.CurrentVersion, {});
    this.percent = 0;
  }

  describe(reverts: boolean) {
    const { Name, Alias, CurrentVersion, TargetVersion } = this.spec;
    return {
      targetArn: this.functionArn,
      lambdaFunctionInfo: {
        functionName: Name,
        functionAlias: Alias,
        currentVersion: reverts ? TargetVersion : CurrentVersion,
        targetVersion: reverts ? CurrentVersion : TargetVersion,
        targetVersionWeight: (reverts ? 100 - this.percent : this.percent) / 100,
      },
    };
  }

  private async update(FunctionVersion: string, AdditionalVersionWeights: Record<string, number>) {
    const { UpdateAliasCommand } = await import("@aws-sdk/client-lambda");
    const { Name: FunctionName, Alias: Name } = this.spec;
    const RoutingConfig = { AdditionalVersionWeights };
    // The group's role need not look at a version: that it is not there shows here.
    await this.lambda
      .send(new UpdateAliasCommand({ FunctionName, Name, FunctionVersion, RoutingConfig }))
      .catch(absent);
  }
}

function absent(error: Error): never {
  throw error.name === "ResourceNotFoundException"
    ? new DeploymentFailure("INVALID_LAMBDA_FUNCTION", error.message)
    : error;
}
