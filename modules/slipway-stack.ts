import { AwsProvider, type AwsProviderConfig } from "@cdktf/provider-aws/lib/provider";
import { LocalBackend, S3Backend, TerraformOutput, TerraformStack, TerraformVariable } from "cdktf";
import type { Construct } from "constructs";
import type { Settings } from "../settings";
import { stateBucketName, stateKey, stateKeyAlias } from "../shared/names";

/** What an app's stacks have in common. */
export interface Deployment {
  readonly settings: Settings;
  /** Folder with each function's `<name>.zip`. */
  readonly functionBundles: string;
  /** Whether the stacks go to Local AWS: one endpoint for all, no bucket in a host name, no patience. */
  readonly local: boolean;
  /** Whether throw-away: what would stop a destroy (bucket contents, deletion protection) does not. @default false */
  readonly disposable?: boolean;
}

export interface SlipwayStackProps {
  /** Where the provider works. */
  readonly region: string;
  readonly account: string;
  /** Role to take on there, a profile to use, or the caller's own rights. @default - the caller's own */
  readonly as?: { readonly role: string } | { readonly profile: string };
  /** Tags beside the project's. */
  readonly tags?: Readonly<Record<string, string>>;
  /** File that holds the state. @default - the state bucket */
  readonly localState?: string;
}

const TERRAFORM_VERSION = ">= 1.11.0";

/** A stack with its provider, its state in the state bucket, and the settings declared as variables. */
export class SlipwayStack extends TerraformStack {
  readonly settings: Settings;

  constructor(
    scope: Construct,
    name: string,
    readonly deployment: Deployment,
    props: SlipwayStackProps,
  ) {
    super(scope, name);
    this.settings = deployment.settings;
    this.addOverride("terraform.required_version", TERRAFORM_VERSION);
    this.declareProvider(props);
    this.keepState(name, props.localState);
    this.declareSettings();
  }

  /** A value for people and tools to read after a deploy. */
  protected output(name: string, value: string, description: string): void {
    new TerraformOutput(this, name, { value, description, staticId: true });
  }

  private declareProvider({ region, account, as, tags }: SlipwayStackProps): void {
    const config: AwsProviderConfig = {
      region,
      // The wrong credentials must fail before they change anything.
      allowedAccountIds: [account],
      defaultTags: [{ tags: { "slipway:project": this.settings.project, ...tags } }],
      ...(as && "profile" in as && { profile: as.profile }),
      ...(as &&
        "role" in as && { assumeRole: [{ roleArn: this.providerRole(as.role), sessionName: "slipway" }] }),
      ...(this.deployment.local && { s3UsePathStyle: true, maxRetries: 3 }),
    };
    new AwsProvider(this, "aws", config);
  }

  /**
   * Plan takes on another role than apply, from one plan: an ephemeral variable is not stored in it, and must
   * be given again.
   */
  private providerRole(arn: string): string {
    const role = new TerraformVariable(this, "provider_role_arn", {
      type: "string",
      default: arn,
      description: "Role that the provider takes on in the stack's account",
    });
    role.addOverride("ephemeral", true);
    return role.stringValue;
  }

  private keepState(name: string, localState?: string): void {
    if (localState) {
      new LocalBackend(this, { path: localState });
      return;
    }
    const { region, account } = this.settings;
    new S3Backend(this, {
      bucket: stateBucketName(this.settings),
      key: stateKey(name),
      region,
      encrypt: true,
      kmsKeyId: `arn:aws:kms:${region}:${account}:${stateKeyAlias(this.settings)}`,
      ...(this.deployment.local && { usePathStyle: true }),
    });
    // cdktf's configuration has no property for S3's own lock files.
    this.addOverride("terraform.backend.s3.use_lockfile", true);
  }

  /**
   * `cdktf` hands terraform.tfvars to Terraform too. The values were already read when the stack was
   * synthesized, so a plan with others would quietly ignore the edit: it fails instead.
   */
  private declareSettings(): void {
    for (const [key, value] of Object.entries(this.settings.given)) {
      const json = JSON.stringify(value);
      const variable = new TerraformVariable(this, `setting-${key}`, {
        type: "any",
        description: `"${key}" of terraform.tfvars, read when the stack was synthesized`,
        validation: [
          {
            condition: `\${jsonencode(var.${key}) == jsonencode(jsondecode(${hclString(json)}))}`,
            errorMessage: `"${key}" in terraform.tfvars is not what this stack was synthesized with: run cdktf synth again.`,
          },
        ],
      });
      variable.overrideLogicalId(key);
      // As an override: cdktf would turn the keys inside it into snake case.
      variable.addOverride("default", value ?? null);
    }
  }
}

/** A string as HCL writes it inside an expression, with nothing left to interpolate. */
function hclString(text: string): string {
  return JSON.stringify(text).replace(/\$\{/g, "$$${").replace(/%\{/g, "%%{");
}
