import { createHash } from "node:crypto";
import {
  DescribeServicesCommand,
  DescribeTaskDefinitionCommand,
  RegisterTaskDefinitionCommand,
  type RegisterTaskDefinitionCommandInput,
} from "@aws-sdk/client-ecs";
import type { ServiceRelease } from "../../shared/releases";
import { UserError } from "../project";
import type { Context } from "./context";
import type { Change, Made, Releasable, RunsAlready } from "./releasable";

/** Tags of the task definitions that releases register. Those of Terraform, with the placeholder, have none. */
const TAGS = {
  /** The hash of all that was asked for. */
  hash: "slipway:release",
  /** ARN of what ran before. */
  before: "slipway:before",
  commit: "slipway:commit",
} as const;

interface Tagged {
  readonly tags?: readonly { readonly key?: string; readonly value?: string }[];
}

/** A service of ECS, whose versions are task definitions. */
export class ReleasableService implements Releasable {
  readonly kind = "service";
  readonly atOnce = "CodeDeployDefault.ECSAllAtOnce";

  /** @param image its URI, by digest */
  constructor(
    readonly name: string,
    readonly group: ServiceRelease,
    private readonly cluster: string,
    private readonly image: string,
    private readonly context: Context,
  ) {}

  async running(): Promise<string> {
    const { service } = this.group;
    const { services: [found] = [] } = await this.context.clients.ecs.send(
      new DescribeServicesCommand({ cluster: this.cluster, services: [service] }),
    );
    if (found?.status !== "ACTIVE")
      throw new UserError(
        `There is no service ${service} in the cluster ${this.cluster}. ${this.context.howToDeploy}`,
      );
    const primary = found.taskSets?.find(({ status }) => status === "PRIMARY");
    return primary?.taskDefinition ?? found.taskDefinition!;
  }

  async make(running: string): Promise<Made | RunsAlready> {
    const { commit, clients } = this.context;
    const { ecs } = clients;
    const wanted = this.wanted();
    const hash = createHash("sha256").update(canonical(wanted)).digest("hex");
    const { tags = [] } = await ecs.send(
      new DescribeTaskDefinitionCommand({ taskDefinition: running, include: ["TAGS"] }),
    );
    const tag = (name: string) => tags.find(({ key }) => key === name)?.value;
    if (tag(TAGS.hash) === hash)
      return { before: commit && tag(TAGS.commit) === commit ? tag(TAGS.before) : undefined };
    const { tags: own = [] } = this.group.taskDefinition as Tagged;
    const { taskDefinition } = await ecs.send(
      new RegisterTaskDefinitionCommand({
        ...wanted,
        tags: [
          ...own,
          { key: TAGS.hash, value: hash },
          { key: TAGS.before, value: running },
          ...(commit ? [{ key: TAGS.commit, value: commit }] : []),
        ],
      }),
    );
    return {
      version: taskDefinition!.taskDefinitionArn!,
      isFirst: tag(TAGS.hash) === undefined,
      files: { "taskdef.json": wanted },
    };
  }

  appSpec({ after }: Change, { checked }: { readonly checked: boolean }): object {
    const { container, port, subnets, securityGroups, check } = this.group;
    return {
      version: 0.0,
      Resources: [
        {
          TargetService: {
            Type: "AWS::ECS::Service",
            Properties: {
              TaskDefinition: after,
              LoadBalancerInfo: { ContainerName: container, ContainerPort: port },
              PlatformVersion: "LATEST",
              NetworkConfiguration: {
                AwsvpcConfiguration: {
                  Subnets: subnets,
                  SecurityGroups: securityGroups,
                  AssignPublicIp: "DISABLED",
                },
              },
            },
          },
        },
      ],
      ...(checked && { Hooks: [{ AfterAllowTestTraffic: check }, { AfterAllowTraffic: check }] }),
    };
  }

  /** The task definition that was deployed, with the image in the service's own container. */
  private wanted(): RegisterTaskDefinitionCommandInput {
    const { taskDefinition, container } = this.group;
    const containerDefinitions = taskDefinition.containerDefinitions.map((definition) =>
      definition.name === container ? { ...definition, image: this.image } : definition,
    );
    return { ...taskDefinition, containerDefinitions };
  }
}

/** The same JSON for the same content: objects in the order of their keys. */
const canonical = (value: unknown): string =>
  JSON.stringify(value, (_, one) =>
    one && typeof one === "object" && !Array.isArray(one)
      ? Object.fromEntries(Object.entries(one).sort(([a], [b]) => (a < b ? -1 : 1)))
      : one,
  );
