import { z } from "zod";
import { AwsError } from "../aws-request";
import { name, operationsOf, type Service, Store, Tags } from "./service";

const target = z.looseObject({
  ServiceNamespace: name,
  ResourceId: name,
  ScalableDimension: name,
  Tags: z.record(name, z.string()).optional(),
});

/** Tags of Application Auto Scaling's targets, for which moto answers 500; the rest is moto's. */
export function autoscalingTags(): Service {
  const tags = new Tags();
  /** ARN of each target, by what names it. */
  const arns = new Store<string>();
  const define = operationsOf(() => "ValidationException");
  const check = (arn: string) => {
    if (!tags.has(arn))
      throw new AwsError("ResourceNotFoundException", `No scalable target found for resource ARN: ${arn}`);
  };
  return {
    api: "AnyScaleFrontendService",
    restIsMoto: true,
    operations: {
      ListTagsForResource: define(z.looseObject({ ResourceARN: name }), ({ ResourceARN }) => {
        check(ResourceARN);
        return { Tags: Object.fromEntries(tags.of(ResourceARN)) };
      }),
      TagResource: define(
        z.looseObject({ ResourceARN: name, Tags: z.record(name, z.string()) }),
        ({ ResourceARN, Tags }) => {
          check(ResourceARN);
          tags.put(ResourceARN, Object.entries(Tags));
          return {};
        },
      ),
      UntagResource: define(
        z.looseObject({ ResourceARN: name, TagKeys: z.array(name) }),
        ({ ResourceARN, TagKeys }) => {
          check(ResourceARN);
          tags.remove(ResourceARN, TagKeys);
          return {};
        },
      ),
    },
    learn(operation, input, answer, scope) {
      const { success, data } = target.safeParse(input);
      if (!success) return;
      const key = `${data.ServiceNamespace} ${data.ResourceId} ${data.ScalableDimension}`;
      if (operation === "RegisterScalableTarget") {
        const { ScalableTargetARN: arn } = answer as { ScalableTargetARN?: string };
        if (!arn) return;
        arns.in(scope).set(key, arn);
        tags.put(arn, Object.entries(data.Tags ?? {}));
      } else if (operation === "DeregisterScalableTarget") {
        tags.forget(arns.in(scope).get(key) ?? "");
        arns.in(scope).delete(key);
      }
    },
  };
}
