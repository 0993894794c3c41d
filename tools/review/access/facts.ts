import { get, isArray, isObject } from "../masks";
import type { Json, JsonObject } from "../plan";
import { LATER } from "./network";

/**
 * One thing that is open, beside policies and rules. It widens access where it comes to hold, and narrows it where it
 * ceases to.
 */
export interface Fact {
  readonly risk: "access" | "network";
  /** Continues "the plan …": "attaches the policy". */
  readonly gained: string;
  /** Continues "the plan …" where it ceases to hold. */
  readonly lost: string;
  /** What of the plan's it is about. */
  readonly about: string;
  /** The managed policy that it attaches. */
  readonly policyArn?: string;
}

interface FactOptions {
  readonly risk?: Fact["risk"];
  readonly policyArn?: Json;
}

const fact = (
  gained: string,
  lost: string,
  about: Json | undefined,
  { risk = "access", policyArn }: FactOptions = {},
): Fact => ({
  risk,
  gained,
  lost,
  about: name(about),
  ...(typeof policyArn === "string" && { policyArn }),
});

/** Of what the apply will make there is no name yet. */
const name = (value: Json | undefined) =>
  value === undefined || value === null ? LATER : typeof value === "string" ? value : JSON.stringify(value);

const list = (value: Json | undefined): readonly Json[] => (isArray(value) ? value : []);
const block = (value: Json | undefined): JsonObject => {
  const [first] = list(value);
  return isObject(first) ? first : isObject(value) ? value : {};
};

type ReadFacts = (values: JsonObject) => readonly (Fact | false)[];

const attachment =
  (to: string): ReadFacts =>
  (values) => [
    fact(
      `attaches a managed policy to a ${to}:`,
      `detaches a managed policy from a ${to}:`,
      `${name(values.policy_arn)} ⇢ ${name(values[to])}`,
      { policyArn: values.policy_arn },
    ),
  ];

const attachments =
  (to: string): ReadFacts =>
  (values) =>
    list(values.policy_arns).flatMap((policy_arn) =>
      attachment(to)({ policy_arn, [to]: values[`${to}_name`]! }),
    );

const blockedAccess: ReadFacts = (values) =>
  ["block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets"].map(
    (flag) => values[flag] !== true && fact("lifts the public access block:", "blocks public access:", flag),
  );

const PUBLIC_ACL = /^(public-read|public-read-write|authenticated-read)$/;
const EVERYBODY = /\/groups\/global\/(AllUsers|AuthenticatedUsers)$/;
const acl: ReadFacts = (values) => [
  typeof values.acl === "string" &&
    PUBLIC_ACL.test(values.acl) &&
    fact("opens to everybody by ACL:", "is no longer open to everybody by ACL:", values.acl),
  ...[...list(values.grant), ...list(block(values.access_control_policy).grant)]
    .filter(isObject)
    .map((grant) => {
      const uri = get(grant, "uri") ?? get(block(grant.grantee), "uri");
      return (
        typeof uri === "string" &&
        EVERYBODY.test(uri) &&
        fact("opens to everybody by ACL:", "is no longer open to everybody by ACL:", uri)
      );
    }),
];

const shared =
  (what: string, key: string): ReadFacts =>
  (values) => [fact(`shares ${what} with`, `no longer shares ${what} with`, values[key])];

/** By resource type, what of its values is open. */
const FACTS: Readonly<Record<string, ReadFacts>> = {
  aws_iam_role_policy_attachment: attachment("role"),
  aws_iam_user_policy_attachment: attachment("user"),
  aws_iam_group_policy_attachment: attachment("group"),
  aws_iam_policy_attachment: (values) =>
    ["role", "user", "group"].flatMap((to) =>
      list(values[`${to}s`]).flatMap((one) => attachment(to)({ policy_arn: values.policy_arn!, [to]: one })),
    ),
  aws_iam_role: (values) =>
    list(values.managed_policy_arns).flatMap((policy_arn) =>
      attachment("role")({ policy_arn, role: values.name! }),
    ),
  aws_iam_role_policy_attachments_exclusive: attachments("role"),
  aws_iam_user_policy_attachments_exclusive: attachments("user"),
  aws_iam_group_policy_attachments_exclusive: attachments("group"),
  aws_iam_user_group_membership: (values) =>
    list(values.groups).map((group) =>
      fact(
        "puts a user into a group:",
        "takes a user out of a group:",
        `${name(values.user)} ⇢ ${name(group)}`,
      ),
    ),
  aws_iam_group_membership: (values) =>
    list(values.users).map((user) =>
      fact(
        "puts a user into a group:",
        "takes a user out of a group:",
        `${name(user)} ⇢ ${name(values.group)}`,
      ),
    ),
  aws_iam_access_key: (values) => [
    values.status !== "Inactive" &&
      fact("gives a user an access key:", "takes a user's access key:", values.user),
  ],
  aws_iam_user_login_profile: (values) => [
    fact("gives a user a password for the console:", "takes a user's password for the console:", values.user),
  ],
  aws_iam_openid_connect_provider: (values) =>
    (list(values.client_id_list).length ? list(values.client_id_list) : [null]).map((client) =>
      fact(
        "trusts an identity provider:",
        "no longer trusts an identity provider:",
        `${name(values.url)} (${name(client)})`,
      ),
    ),
  aws_iam_saml_provider: (values) => [
    fact("trusts an identity provider:", "no longer trusts an identity provider:", values.name),
  ],
  aws_ssoadmin_account_assignment: (values) => [
    fact(
      "lets somebody into an account:",
      "no longer lets somebody into an account:",
      `${name(values.principal_id)} ⇢ ${name(values.target_id)}`,
    ),
  ],
  aws_ssoadmin_managed_policy_attachment: (values) => [
    fact(
      "attaches a managed policy to a permission set:",
      "detaches a managed policy from a permission set:",
      values.managed_policy_arn,
    ),
  ],
  aws_ssoadmin_customer_managed_policy_attachment: (values) => [
    fact(
      "attaches a managed policy to a permission set:",
      "detaches a managed policy from a permission set:",
      get(block(values.customer_managed_policy_reference), "name"),
    ),
  ],
  aws_eks_access_policy_association: (values) => [
    fact(
      "lets somebody into a cluster:",
      "no longer lets somebody into a cluster:",
      `${name(values.principal_arn)} ⇢ ${name(values.policy_arn)} on ${name(block(values.access_scope).type)}`,
    ),
  ],
  aws_codebuild_project: (values) => [
    values.project_visibility === "PUBLIC_READ" &&
      fact("shows its builds to everybody:", "no longer shows its builds to everybody:", values.name),
  ],
  aws_kms_grant: (values) =>
    list(values.operations).map((operation) => {
      const limits = list(values.constraints).length ? ` within ${JSON.stringify(values.constraints)}` : "";
      return fact(
        "grants the use of a key:",
        "no longer grants the use of a key:",
        `${name(operation)} ⇢ ${name(values.grantee_principal)}${limits}`,
      );
    }),
  aws_lambda_function_url: (values) => [
    values.authorization_type === "NONE" &&
      fact(
        "opens a function's address without authorization:",
        "asks for authorization at a function's address:",
        values.function_name,
      ),
  ],
  aws_apigatewayv2_route: (values) => [
    (values.authorization_type ?? "NONE") === "NONE" &&
      fact("opens a route without authorization:", "asks for authorization on a route:", values.route_key),
  ],
  aws_api_gateway_method: (values) => [
    values.authorization === "NONE" &&
      values.http_method !== "OPTIONS" &&
      values.api_key_required !== true &&
      fact(
        "opens a method without authorization:",
        "asks for authorization on a method:",
        values.http_method,
      ),
  ],
  aws_s3_bucket_public_access_block: blockedAccess,
  aws_s3_account_public_access_block: blockedAccess,
  aws_s3_access_point: (values) => blockedAccess(block(values.public_access_block_configuration)),
  aws_s3_bucket: acl,
  aws_s3_bucket_acl: acl,
  aws_s3_object: acl,
  aws_s3_object_copy: acl,
  aws_secretsmanager_secret_policy: (values) => [
    values.block_public_policy === false &&
      fact("lets a secret's policy be public:", "lets no secret's policy be public:", values.secret_arn),
  ],
  aws_ami_launch_permission: (values) => [
    fact(
      "shares an image with",
      "no longer shares an image with",
      values.account_id ?? values.group ?? values.organization_arn,
    ),
  ],
  aws_snapshot_create_volume_permission: shared("a snapshot", "account_id"),
  aws_db_snapshot: (values) =>
    list(values.shared_accounts).map((account) =>
      fact("shares a snapshot with", "no longer shares a snapshot with", account),
    ),
  aws_db_cluster_snapshot: (values) =>
    list(values.shared_accounts).map((account) =>
      fact("shares a snapshot with", "no longer shares a snapshot with", account),
    ),
  aws_ebs_snapshot_block_public_access: (values) => [
    values.state === "unblocked" &&
      fact("lets snapshots be public:", "lets no new snapshot be public:", "state"),
    values.state !== "block-all-sharing" &&
      fact("lets snapshots that are public stay so:", "lets no snapshot be public:", "state"),
  ],
  aws_emr_block_public_access_configuration: (values) => [
    values.block_public_security_group_rules === false &&
      fact(
        "lets clusters be public:",
        "lets no new cluster be public:",
        "block_public_security_group_rules",
        {
          risk: "network",
        },
      ),
  ],
  aws_vpc_block_public_access_options: (values) => [
    values.internet_gateway_block_mode !== "block-bidirectional" &&
      fact(
        "lets VPCs reach the internet, or more of it:",
        "blocks VPCs' internet:",
        values.internet_gateway_block_mode,
        {
          risk: "network",
        },
      ),
  ],
  aws_s3control_multi_region_access_point: (values) =>
    blockedAccess(block(block(values.details).public_access_block)),
  aws_ec2_image_block_public_access: (values) => [
    values.state === "unblocked" && fact("lets images be public:", "lets no new image be public:", "state"),
  ],
  aws_ssm_document: (values) => [
    isObject(values.permissions) &&
      fact("shares a document with", "no longer shares a document with", values.permissions.account_ids),
  ],
  aws_ram_principal_association: shared("resources", "principal"),
  aws_ram_resource_association: shared("with others the resource", "resource_arn"),
  aws_vpc_endpoint_service_allowed_principal: shared("an endpoint service", "principal_arn"),
  aws_vpc_endpoint_service: (values) =>
    list(values.allowed_principals).map((one) =>
      fact("shares an endpoint service with", "no longer shares an endpoint service with", one),
    ),
  aws_lambda_layer_version_permission: shared("a layer", "principal"),
  aws_cloudwatch_event_permission: shared("an event bus", "principal"),
  aws_lakeformation_permissions: (values) =>
    list(values.permissions).map((permission) =>
      fact(
        "grants data permissions:",
        "takes data permissions:",
        `${name(permission)} ⇢ ${name(values.principal)}`,
      ),
    ),
  aws_lb: (values) => [
    values.internal === false &&
      fact(
        "opens a load balancer to the internet:",
        "takes a load balancer from the internet:",
        values.name,
        { risk: "network" },
      ),
  ],
  aws_instance: (values) => [
    values.associate_public_ip_address === true &&
      fact("gives public addresses:", "gives no more public addresses:", "associate_public_ip_address", {
        risk: "network",
      }),
  ],
  aws_subnet: (values) => [
    values.map_public_ip_on_launch === true &&
      fact("gives public addresses:", "gives no more public addresses:", "map_public_ip_on_launch", {
        risk: "network",
      }),
  ],
  aws_ecs_service: (values) => [
    block(values.network_configuration).assign_public_ip === true &&
      fact("gives public addresses:", "gives no more public addresses:", "assign_public_ip", {
        risk: "network",
      }),
  ],
  aws_eks_cluster: (values) => {
    const network = block(values.vpc_config);
    if (network.endpoint_public_access !== true) return [];
    const ranges = list(network.public_access_cidrs);
    return (ranges.length ? ranges : ["0.0.0.0/0"]).map((range) =>
      fact("opens the cluster's endpoint to", "closes the cluster's endpoint to", range, { risk: "network" }),
    );
  },
};
const SAME_AS: Readonly<Record<string, string>> = {
  aws_alb: "aws_lb",
  aws_elb: "aws_lb",
  aws_s3_bucket_object: "aws_s3_object",
};

/** A type is the plan's word: `constructor` is none of ours. */
const own = <T>(table: Readonly<Record<string, T>>, key: string): T | undefined =>
  Object.hasOwn(table, key) ? table[key] : undefined;

/** What of a resource is open, by its values. */
export function readFacts(type: string, values: JsonObject): readonly Fact[] {
  const read = own(FACTS, own(SAME_AS, type) ?? type);
  return [
    ...(read?.(values) ?? []),
    values.publicly_accessible === true &&
      fact(
        "lets a database or broker be reached from the internet:",
        "no longer lets it be reached from the internet:",
        "publicly_accessible",
        { risk: "network" },
      ),
  ].filter((found) => found !== false);
}

/** Things whose absence opens something: what of them a deletion opens, while what they guard stays. */
export function readAbsence(type: string): readonly Fact[] {
  if (/^aws_(s3_(bucket|account)_public|(ebs_snapshot|ec2_image)_block_public)_access(_block)?$/.test(type))
    return [fact("removes the public access block:", "", type)];
  if (type === "aws_vpc_block_public_access_options" || type === "aws_emr_block_public_access_configuration")
    return [fact("removes the public access block:", "", type, { risk: "network" })];
  if (type === "aws_efs_file_system_policy" || type === "aws_vpc_endpoint_policy")
    return [fact("removes the only policy, without which everybody is let in:", "", type)];
  if (type === "aws_ssoadmin_permissions_boundary_attachment")
    return [fact("lifts the permissions boundary of a permission set:", "", type)];
  if (type === "aws_organizations_policy_attachment")
    return [fact("detaches an organization's policy:", "", type)];
  return [];
}

/** Attributes without which nobody can tell what a resource opens. */
const DECISIVE: Readonly<Record<string, readonly string[]>> = {
  aws_iam_role: ["managed_policy_arns"],
  aws_iam_policy_attachment: ["roles", "users", "groups"],
  aws_iam_role_policy_attachments_exclusive: ["policy_arns"],
  aws_iam_user_policy_attachments_exclusive: ["policy_arns"],
  aws_iam_group_policy_attachments_exclusive: ["policy_arns"],
  aws_iam_group_membership: ["users"],
  aws_iam_user_group_membership: ["groups"],
  aws_lambda_function_url: ["authorization_type"],
  aws_apigatewayv2_route: ["authorization_type"],
  aws_api_gateway_method: ["authorization"],
  aws_s3_bucket_acl: ["acl"],
  aws_s3_bucket_public_access_block: [
    "block_public_acls",
    "block_public_policy",
    "ignore_public_acls",
    "restrict_public_buckets",
  ],
};
const DECISIVE_FOR_NETWORKS: Readonly<Record<string, readonly string[]>> = {
  aws_lb: ["internal"],
};

/** Attributes of a type that decide what it opens: where one is known only after the apply, nobody can tell. */
export function decisiveAttributes(type: string): readonly { attribute: string; risk: Fact["risk"] }[] {
  return [
    ...(own(DECISIVE, type) ?? []).map((attribute) => ({ attribute, risk: "access" as const })),
    ...(own(DECISIVE_FOR_NETWORKS, type) ?? []).map((attribute) => ({ attribute, risk: "network" as const })),
  ];
}
