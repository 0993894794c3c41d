/** A plan of so many changes, a tenth of each a deletion or a wider policy, with secrets: 2.6 KB a change. */
export function syntheticPlan(changes: number): string {
  const resources = Array.from({ length: changes }, (_, index) => change(index));
  return JSON.stringify({
    format_version: "1.2",
    terraform_version: "1.11.4",
    planned_values: { root_module: { resources: resources.map(planned) } },
    resource_changes: resources,
    configuration: { root_module: {} },
    complete: true,
    errored: false,
  });
}

const KINDS = [["create"], ["update"], ["update"], ["no-op"]] as const;

function change(index: number) {
  const actions = index % 10 === 7 ? ["delete"] : KINDS[index % KINDS.length]!;
  const before = values(index, "s3:GetObject");
  const after =
    index % 3 === 0
      ? { ...before, ...values(index, index % 30 === 0 ? "s3:*" : "s3:GetObject", "changed ") }
      : before;
  const secret = { password: true, tags: {}, list: Array.from({ length: 6 }, () => ({})) };
  const [creates, deletes] = [actions[0] === "create", actions[0] === "delete"];
  return {
    address: `module.m${index % 20}.aws_thing.t[${index}]`,
    mode: "managed",
    type: "aws_thing",
    name: "t",
    index,
    change: {
      actions,
      before: creates ? null : before,
      after: deletes ? null : actions[0] === "no-op" ? before : after,
      after_unknown: creates ? { arn: true } : {},
      before_sensitive: creates ? false : secret,
      after_sensitive: deletes ? false : secret,
    },
  };
}

const planned = ({ address, mode, type, name, change: { after } }: ReturnType<typeof change>) => ({
  address,
  mode,
  type,
  name,
  values: after,
  sensitive_values: { password: true },
});

function values(index: number, action: string, word = "lorem ipsum ") {
  return {
    id: `sg-${index.toString(16).padStart(8, "0")}`,
    name: `thing-${index}`,
    tags: { Name: `thing-${index}`, env: "dev" },
    policy: JSON.stringify({
      Version: "2012-10-17",
      Statement: [
        { Effect: "Allow", Action: [action, "s3:PutObject"], Resource: [`arn:aws:s3:::bucket-${index}/*`] },
      ],
    }),
    description: word.repeat(20),
    list: Array.from({ length: 6 }, (_, element) => ({ a: element, b: `value ${element}` })),
    password: `s3cr3t-${index}-${(index * 7919).toString(36)}-word`,
  };
}
