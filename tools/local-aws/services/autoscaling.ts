import { type Service, Tags, text } from "./service";

/** Tags of Application Auto Scaling's targets, for which moto answers 500; the rest is moto's. */
export function autoscaling(): Service {
  const tags = new Tags();
  return {
    targets: ["AnyScaleFrontendService"],
    restIsMoto: true,
    operations: {
      ListTagsForResource: (input) => ({ Tags: Object.fromEntries(tags.of(text(input, "ResourceARN"))) }),
      TagResource(input) {
        tags.put(text(input, "ResourceARN"), Object.entries((input.Tags as Record<string, string>) ?? {}));
        return {};
      },
      UntagResource(input) {
        tags.remove(text(input, "ResourceARN"), (input.TagKeys as string[]) ?? []);
        return {};
      },
    },
    learn(operation, input, answer) {
      if (operation === "RegisterScalableTarget" && typeof answer.ScalableTargetARN === "string") {
        tags.put(answer.ScalableTargetARN, Object.entries((input.Tags as Record<string, string>) ?? {}));
      }
    },
  };
}
