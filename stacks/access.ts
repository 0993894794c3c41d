import { IamPolicy } from "@cdktf/provider-aws/lib/iam-policy";
import { IamRolePolicyAttachment } from "@cdktf/provider-aws/lib/iam-role-policy-attachment";
import type { Construct } from "constructs";
import { accountRoot, roleArn } from "../modules/arns";
import {
  boundaryStatements,
  edgeStatements,
  readStatements,
  releaseStatements,
  verifyStatements,
  writeStatements,
} from "../modules/environment-access";
import { policyDocument, Role, type Statement } from "../modules/iam";
import { type Deployment, SlipwayStack } from "../modules/slipway-stack";
import type { EnvironmentSettings, Settings } from "../settings";
import { accessNames, DELIVERY_STACK } from "../shared/names";

export const accessStackName = (environment: string) => `access-${environment}`;

/** What the build account may do in an environment's account: plan without changing, deploy, release, and call what it deployed. */
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
    const reach = {
      project: settings.project,
      environment: name,
      account,
      region,
      domain: environment.domain?.name,
      secrets: Object.values(environment.services).flatMap(({ secrets }) =>
        Object.values(secrets).flatMap(({ kind, name: secret }) =>
          kind === "secretsmanager" ? [secret] : [],
        ),
      ),
    };
    new IamPolicy(this, "boundary", {
      name: names.boundary,
      description: `The most that roles of ${settings.project}'s ${name} may be allowed`,
      policy: policyDocument(boundaryStatements()),
    });
    // By their whole names: a pipeline may make roles, and none may be another's.
    const pipelines = Object.values(settings.pipelines)
      .filter(({ deploy }) => deploy.flat().includes(name))
      .map((pipeline) => pipeline.name);
    const trust = (...roles: readonly string[]) =>
      trustStatements(
        settings,
        roles.map((role) => `${settings.project}-${role}`),
      );
    const plan = new Role(this, "plan-role", {
      name: names.planRole,
      description: `Plans ${name}; changes nothing`,
      // Pipelines, the review of pull requests, the clean-up, which looks at what runs, and the look for drift.
      trust: trust(
        ...pipelines.map((pipeline) => `${pipeline}-plan-${name}`),
        `${DELIVERY_STACK}-plan`,
        `${DELIVERY_STACK}-cleanup-function`,
        `${DELIVERY_STACK}-drift`,
      ),
    });
    plan.allow(...readStatements(reach));
    const deploy = new Role(this, "deploy-role", {
      name: names.deployRole,
      description: `Deploys ${name}`,
      trust: trust(...pipelines.map((pipeline) => `${pipeline}-apply-${name}`)),
    });
    deploy.allow(...readStatements(reach), ...writeStatements(reach));
    const edge = new IamPolicy(this, "edge", {
      name: `${names.deployRole}-edge`,
      description: `Deploys what of ${name} faces the world: firewall, certificate, address`,
      policy: policyDocument(edgeStatements(reach)),
    });
    new IamRolePolicyAttachment(this, "deploy-edge", { role: deploy.name, policyArn: edge.arn });
    const release = new Role(this, "release-role", {
      name: names.releaseRole,
      description: `Releases new versions in ${name}`,
      // Verify brings back what does not pass.
      trust: trust(
        ...pipelines.flatMap((pipeline) => [`${pipeline}-release-${name}`, `${pipeline}-verify-${name}`]),
      ),
    });
    release.allow(...releaseStatements(reach));
    const verify = new Role(this, "verify-role", {
      name: names.verifyRole,
      description: `Calls the functions of ${name}, to see whether they answer`,
      trust: trust(...pipelines.map((pipeline) => `${pipeline}-verify-${name}`)),
    });
    verify.allow(...verifyStatements(reach));

    this.output("plan_role_arn", plan.arn, "Role that plans the environment");
    this.output("deploy_role_arn", deploy.arn, "Role that deploys the environment");
    this.output("release_role_arn", release.arn, "Role that releases new versions in the environment");
    this.output("verify_role_arn", verify.arn, "Role that calls the environment's functions");
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

/**
 * Who of the build account may take a role on: of what the project makes there, these roles alone, whatever the others'
 * policies came to allow; of everybody else, whom that account's own policies let.
 */
function trustStatements({ account, project }: Settings, roles: readonly string[]): Statement[] {
  const arns = (names: readonly string[]) => ({
    "aws:PrincipalArn": names.map((name) => roleArn(account, name)),
  });
  const root = { actions: ["sts:AssumeRole"], resources: [], principals: { AWS: accountRoot(account) } };
  return [
    ...(roles.length ? [{ ...root, conditions: { ArnLike: arns(roles) } }] : []),
    { ...root, conditions: { ArnNotLike: arns([`${project}-*`]) } },
  ];
}
