import { IamPolicy } from "@cdktf/provider-aws/lib/iam-policy";
import { IamRolePolicyAttachment } from "@cdktf/provider-aws/lib/iam-role-policy-attachment";
import { Construct } from "constructs";
import { accountRoot, roleArn } from "../modules/arns";
import {
  boundaryStatements,
  edgeStatements,
  type Reach,
  readStatements,
  releaseStatements,
  verifyStatements,
  writeStatements,
} from "../modules/environment-access";
import { policyDocument, Role, type Statement } from "../modules/iam";
import { physicalName } from "../modules/naming";
import { type Deployment, SlipwayStack } from "../modules/slipway-stack";
import {
  type EnvironmentSettings,
  previewedEnvironments,
  previewTemplates,
  type SecretReference,
  type Settings,
} from "../settings";
import {
  accessNames,
  applyName,
  DELIVERY_STACK,
  deliveryNames,
  pipelineName,
  planName,
  releaseName,
  verifyName,
} from "../shared/names";
import { previewsOf, templatePipelineName } from "../shared/previews";

export const accessStackName = (environment: string) => `access-${environment}`;

/** Names of the roles of the build account that may take on those of an environment. */
interface Trusted {
  readonly plan: readonly string[];
  readonly deploy: readonly string[];
  readonly release: readonly string[];
  readonly verify: readonly string[];
}

/** What the roles of an environment, or of its previews, are made from. */
interface AccessProps {
  /** As the roles' names have it. */
  readonly owner: string;
  /** As people call it. */
  readonly title: string;
  readonly reach: Reach;
  readonly trusted: Trusted;
}

/**
 * What the build account may do in an environment's account: plan without changing, deploy, release, and call what it
 * deployed. For the previews of an environment there are roles beside its own, which reach them, and not it.
 */
export class AccessStack extends SlipwayStack {
  constructor(
    scope: Construct,
    deployment: Deployment,
    private readonly environment: EnvironmentSettings,
  ) {
    const { settings } = deployment;
    const { account, region, name, admin } = environment;
    super(scope, accessStackName(name), deployment, {
      account,
      region,
      as: reachAccount(environment, settings.account, admin),
      tags: { "slipway:environment": name },
    });

    const { plan, deploy, release, verify } = this.createAccess(this, {
      owner: name,
      title: name,
      reach: this.reach([region]),
      trusted: this.trusted(),
    });
    if (previewedEnvironments(settings).has(name))
      this.createAccess(new Construct(this, "previews"), {
        owner: previewsOf(name),
        title: `previews of ${name}`,
        reach: { ...this.reach(this.regionsOfPreviews()), previews: true, tried: this.trials().length > 0 },
        trusted: this.trustedOfPreviews(),
      });

    this.output("plan_role_arn", plan.arn, "Role that plans the environment");
    this.output("deploy_role_arn", deploy.arn, "Role that deploys the environment");
    this.output("release_role_arn", release.arn, "Role that releases new versions in the environment");
    this.output("verify_role_arn", verify.arn, "Role that calls the environment's functions");
  }

  /** The boundary of all roles that a deployment makes, and the four by which it is reached. */
  private createAccess(scope: Construct, { owner, title, reach, trusted }: AccessProps) {
    const { settings } = this;
    const names = accessNames(settings.project, owner);
    new IamPolicy(scope, "boundary", {
      name: names.boundary,
      description: `The most that roles of ${settings.project}'s ${title} may be allowed`,
      policy: policyDocument(boundaryStatements(reach)),
    });
    const plan = new Role(scope, "plan-role", {
      name: names.planRole,
      description: `Plans ${title}; changes nothing`,
      trust: trustStatements(settings, trusted.plan),
    });
    plan.allow(...readStatements(reach));
    const deploy = new Role(scope, "deploy-role", {
      name: names.deployRole,
      description: `Deploys ${title}`,
      trust: trustStatements(settings, trusted.deploy),
    });
    deploy.allow(...readStatements(reach), ...writeStatements(reach));
    const edge = new IamPolicy(scope, "edge", {
      name: `${names.deployRole}-edge`,
      description: `Deploys what of ${title} faces the world: firewall, certificate, address`,
      policy: policyDocument(edgeStatements(reach)),
    });
    new IamRolePolicyAttachment(scope, "deploy-edge", { role: deploy.name, policyArn: edge.arn });
    const release = new Role(scope, "release-role", {
      name: names.releaseRole,
      description: `Releases new versions in ${title}`,
      trust: trustStatements(settings, trusted.release),
    });
    release.allow(...releaseStatements(reach));
    const verify = new Role(scope, "verify-role", {
      name: names.verifyRole,
      description: `Calls the functions of ${title}, to see whether they answer`,
      trust: trustStatements(settings, trusted.verify),
    });
    verify.allow(...verifyStatements(reach));
    return { plan, deploy, release, verify };
  }

  private reach(regions: readonly string[]): Reach {
    const { name, account, domain, services } = this.environment;
    const references = Object.values(services).flatMap(({ secrets }) => Object.values(secrets));
    const named = (wanted: SecretReference["kind"]) =>
      references.flatMap(({ kind, name: reference }) => (kind === wanted ? [reference] : []));
    return {
      project: this.settings.project,
      environment: name,
      account,
      regions,
      domain: domain?.name,
      secrets: named("secretsmanager"),
      parameters: named("ssm"),
    };
  }

  /** By their whole names: a pipeline may make roles, and none may be another's. */
  private trusted(): Trusted {
    const { settings } = this;
    const { name } = this.environment;
    const builds = (...actions: readonly string[]) =>
      Object.values(settings.pipelines)
        .filter(({ deploy }) => deploy.flat().includes(name))
        .flatMap((pipeline) => actions.map((action) => `${pipelineName(settings, pipeline.name)}-${action}`));
    const delivery = (what: string) => `${pipelineName(settings, DELIVERY_STACK)}-${what}`;
    return {
      // Pipelines, the review of pull requests, the clean-up, which looks at what runs, and the look for drift.
      plan: [...builds(planName(name)), delivery("plan"), delivery("cleanup-function"), delivery("drift")],
      deploy: builds(applyName(name)),
      // Verify brings back what does not pass.
      release: builds(releaseName(name), verifyName(name)),
      verify: builds(verifyName(name)),
    };
  }

  /** The builds of what previews are made like, the one that ends them, and the trials, of which a build does all. */
  private trustedOfPreviews(): Trusted {
    const { settings } = this;
    const { name } = this.environment;
    const own = previewsOf(name);
    const roleOf = (project: string) => physicalName("iamRole", project);
    const builds = (...actions: readonly string[]) =>
      this.templates().flatMap((template) =>
        actions.map((action) =>
          roleOf(physicalName("project", templatePipelineName(settings, template.name), action)),
        ),
      );
    const trials = this.trials().map((pipeline) =>
      roleOf(physicalName("project", pipelineName(settings, pipeline.name), "trial")),
    );
    return {
      plan: [...builds(planName(own)), ...trials],
      deploy: [...builds(applyName(own)), roleOf(deliveryNames(settings).teardownProject), ...trials],
      release: [...builds(releaseName(own), verifyName(own)), ...trials],
      verify: [...builds(verifyName(own)), ...trials],
    };
  }

  /** What previews are made like, that is made like this environment. */
  private templates() {
    return previewTemplates(this.settings).filter(
      ({ environment }) => environment.name === this.environment.name,
    );
  }

  /** The pipelines that try this environment. */
  private trials() {
    return Object.values(this.settings.pipelines).filter(
      ({ trial }) => trial?.environment === this.environment.name,
    );
  }

  private regionsOfPreviews(): string[] {
    const tried = this.trials().flatMap(({ trial }) => trial!.regions);
    return [...new Set([...(this.templates().length ? [this.environment.region] : []), ...tried])];
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
