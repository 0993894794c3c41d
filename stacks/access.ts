import { IamPolicy } from "@cdktf/provider-aws/lib/iam-policy";
import type { Construct } from "constructs";
import { accountRoot, roleArn } from "../modules/arns";
import { boundaryStatements, readStatements, writeStatements } from "../modules/environment-access";
import { policyDocument, Role } from "../modules/iam";
import { type Deployment, SlipwayStack } from "../modules/slipway-stack";
import type { EnvironmentSettings } from "../settings";
import { accessNames } from "../shared/names";

export const accessStackName = (environment: string) => `access-${environment}`;

/** What the build account may do in an environment's account: deploy there, and plan without changing. */
export class AccessStack extends SlipwayStack {
  constructor(scope: Construct, deployment: Deployment, environment: EnvironmentSettings) {
    const { settings } = deployment;
    const { account, region, name, admin } = environment;
    super(scope, accessStackName(name), deployment, {
      account,
      region,
      as: reachAccount(environment, settings.account, admin),
      tags: { "slipway:environment": name },
    });

    const names = accessNames(settings.project, name);
    const reach = { project: settings.project, environment: name, account, region };
    new IamPolicy(this, "boundary", {
      name: names.boundary,
      description: `The most that roles of ${settings.project}'s ${name} may be allowed`,
      policy: policyDocument(boundaryStatements()),
    });
    // Who of the build account may use them is decided there, by its own policies.
    const trust = [
      { actions: ["sts:AssumeRole"], resources: [], principals: { AWS: accountRoot(settings.account) } },
    ];
    const plan = new Role(this, "plan-role", {
      name: names.planRole,
      description: `Plans ${name}; changes nothing`,
      trust,
    });
    plan.allow(...readStatements(reach));
    const deploy = new Role(this, "deploy-role", {
      name: names.deployRole,
      description: `Deploys ${name}`,
      trust,
    });
    deploy.allow(...readStatements(reach), ...writeStatements(reach));

    this.output("plan_role_arn", plan.arn, "Role that plans the environment");
    this.output("deploy_role_arn", deploy.arn, "Role that deploys the environment");
  }
}

/** The build account's own credentials need no role to reach the build account. */
function reachAccount(
  environment: EnvironmentSettings,
  buildAccount: string,
  admin: EnvironmentSettings["admin"],
): { role: string } | { profile: string } | undefined {
  if ("profile" in admin) return admin;
  if (environment.account === buildAccount) return undefined;
  return { role: roleArn(environment.account, admin.role) };
}
