import { randomUUID } from "node:crypto";
import { z } from "zod";
import { AwsError, type Scope } from "../aws-request";
import {
  capitalPairs,
  capitalTagOperations,
  capitalTags,
  name,
  operationsOf,
  type Service,
  Store,
  Tags,
} from "./service";

const provider = z.enum([
  "Bitbucket",
  "GitHub",
  "GitHubEnterpriseServer",
  "GitLab",
  "GitLabSelfManaged",
  "AzureDevOps",
]);

interface Connection {
  readonly ConnectionArn: string;
  readonly ConnectionName: string;
  readonly ProviderType?: string;
  readonly HostArn?: string;
  readonly OwnerAccountId: string;
  readonly ConnectionStatus: "PENDING";
}

interface Host {
  readonly HostArn: string;
  readonly Name: string;
  readonly ProviderType: string;
  readonly ProviderEndpoint: string;
  readonly VpcConfiguration?: unknown;
  readonly Status: "PENDING";
}

/**
 * CodeConnections, under its name or its former one: connections and hosts that wait for their handshake, which
 * only a person can make, in AWS's console.
 *
 * @param service how the service is called in ARNs
 */
export function codeconnections(service: "codeconnections" | "codestar-connections", api: string): Service {
  const connections = new Store<Connection>();
  const hosts = new Store<Host>();
  const tags = new Tags();
  const define = operationsOf(() => "ValidationException");
  const notFound = (kind: string, arn: string) =>
    new AwsError("ResourceNotFoundException", `${kind} not found: ${arn}`);
  const newArn = ({ region, account }: Scope, resource: string) =>
    `arn:aws:${service}:${region}:${account}:${resource}`;
  const findConnection = (arn: string, scope: Scope) => {
    const connection = connections.in(scope).get(arn);
    if (!connection) throw notFound("Connection", arn);
    return connection;
  };
  const findHost = (arn: string, scope: Scope) => {
    const host = hosts.in(scope).get(arn);
    if (!host) throw notFound("Host", arn);
    return host;
  };

  return {
    api,
    operations: {
      CreateConnection: define(
        z.looseObject({
          ConnectionName: z.string().regex(/^[\s\S]{1,32}$/),
          ProviderType: provider.optional(),
          HostArn: name.optional(),
          Tags: capitalTags.optional(),
        }),
        ({ ConnectionName, ProviderType, HostArn, Tags = [] }, scope) => {
          if (!ProviderType === !HostArn) {
            throw new AwsError("InvalidInputException", "Give either a provider type or a host ARN");
          }
          const host = HostArn ? findHost(HostArn, scope) : undefined;
          const ConnectionArn = newArn(scope, `connection/${randomUUID()}`);
          connections.in(scope).set(ConnectionArn, {
            ConnectionArn,
            ConnectionName,
            ProviderType: ProviderType ?? host?.ProviderType,
            HostArn,
            OwnerAccountId: scope.account,
            ConnectionStatus: "PENDING",
          });
          tags.put(ConnectionArn, capitalPairs(Tags));
          return { ConnectionArn, Tags };
        },
      ),
      GetConnection: define(z.looseObject({ ConnectionArn: name }), ({ ConnectionArn }, scope) => ({
        Connection: findConnection(ConnectionArn, scope),
      })),
      ListConnections: define(
        z.looseObject({ ProviderTypeFilter: provider.optional(), HostArnFilter: name.optional() }),
        ({ ProviderTypeFilter, HostArnFilter }, scope) => ({
          Connections: [...connections.in(scope).values()].filter(
            ({ ProviderType, HostArn }) =>
              (!ProviderTypeFilter || ProviderType === ProviderTypeFilter) &&
              (!HostArnFilter || HostArn === HostArnFilter),
          ),
        }),
      ),
      DeleteConnection: define(z.looseObject({ ConnectionArn: name }), ({ ConnectionArn }, scope) => {
        findConnection(ConnectionArn, scope);
        connections.in(scope).delete(ConnectionArn);
        tags.forget(ConnectionArn);
        return {};
      }),
      CreateHost: define(
        z.looseObject({
          Name: z.string().min(1).max(64),
          ProviderType: provider,
          ProviderEndpoint: name,
          VpcConfiguration: z.unknown().optional(),
          Tags: capitalTags.optional(),
        }),
        ({ Name, ProviderType, ProviderEndpoint, VpcConfiguration, Tags = [] }, scope) => {
          const HostArn = newArn(scope, `host/${Name}-${randomUUID().slice(0, 8)}`);
          hosts.in(scope).set(HostArn, {
            HostArn,
            Name,
            ProviderType,
            ProviderEndpoint,
            VpcConfiguration,
            Status: "PENDING",
          });
          tags.put(HostArn, capitalPairs(Tags));
          return { HostArn, Tags };
        },
      ),
      GetHost: define(z.looseObject({ HostArn: name }), ({ HostArn }, scope) => {
        const { HostArn: _, ...host } = findHost(HostArn, scope);
        return host;
      }),
      ListHosts: define(z.looseObject({}), (_, scope) => ({ Hosts: [...hosts.in(scope).values()] })),
      UpdateHost: define(
        z.looseObject({
          HostArn: name,
          ProviderEndpoint: name.optional(),
          VpcConfiguration: z.unknown().optional(),
        }),
        ({ HostArn, ProviderEndpoint, VpcConfiguration }, scope) => {
          const host = findHost(HostArn, scope);
          hosts.in(scope).set(HostArn, {
            ...host,
            ProviderEndpoint: ProviderEndpoint ?? host.ProviderEndpoint,
            VpcConfiguration: VpcConfiguration ?? host.VpcConfiguration,
          });
          return {};
        },
      ),
      DeleteHost: define(z.looseObject({ HostArn: name }), ({ HostArn }, scope) => {
        findHost(HostArn, scope);
        hosts.in(scope).delete(HostArn);
        tags.forget(HostArn);
        return {};
      }),
      ...capitalTagOperations(define, tags, (arn, scope) =>
        arn.includes(":host/") ? findHost(arn, scope) : findConnection(arn, scope),
      ),
    },
  };
}
