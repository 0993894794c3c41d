import { randomUUID } from "node:crypto";
import { AwsError } from "../aws-request";
import { type Scope, type Service, Store, Tags, tagOperations, tagPairs, text } from "./service";

interface Connection {
  readonly ConnectionArn: string;
  readonly ConnectionName: string;
  readonly ProviderType: string;
  readonly HostArn?: string;
  readonly OwnerAccountId: string;
  readonly ConnectionStatus: "PENDING";
}

/** CodeConnections, under its name and its former one: connections that wait for their handshake. */
export function codeconnections(name: "codeconnections" | "codestar-connections", target: string): Service {
  const connections = new Store<Connection>();
  const tags = new Tags();
  const find = (scope: Scope, arn: string) => {
    const connection = connections.in(scope).get(arn);
    if (!connection) throw new AwsError("ResourceNotFoundException", `Connection not found: ${arn}`);
    return connection;
  };
  return {
    targets: [target],
    operations: {
      CreateConnection(input, scope) {
        const ConnectionArn = `arn:aws:${name}:${scope.region}:${scope.account}:connection/${randomUUID()}`;
        connections.in(scope).set(ConnectionArn, {
          ConnectionArn,
          ConnectionName: text(input, "ConnectionName"),
          ProviderType: String(input.ProviderType ?? "GitHub"),
          ...(input.HostArn ? { HostArn: String(input.HostArn) } : {}),
          OwnerAccountId: scope.account,
          ConnectionStatus: "PENDING",
        });
        tags.put(ConnectionArn, tagPairs(input.Tags));
        return { ConnectionArn, Tags: input.Tags ?? [] };
      },
      GetConnection: (input, scope) => ({ Connection: find(scope, text(input, "ConnectionArn")) }),
      ListConnections: (_, scope) => ({ Connections: [...connections.in(scope).values()] }),
      DeleteConnection(input, scope) {
        const arn = text(input, "ConnectionArn");
        find(scope, arn);
        connections.in(scope).delete(arn);
        tags.forget(arn);
        return {};
      },
      ...tagOperations(tags, "PascalCase"),
    },
  };
}
