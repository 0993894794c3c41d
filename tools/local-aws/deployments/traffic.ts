import { z } from "zod";

const percentage = z.number().int().min(1).max(99);
const minutes = z.number().int().min(1);

/** How a deployment's configuration moves traffic, as CodeDeploy takes it. */
export const trafficRouting = z.discriminatedUnion("type", [
  z.looseObject({ type: z.literal("AllAtOnce") }),
  z.looseObject({
    type: z.literal("TimeBasedCanary"),
    timeBasedCanary: z.looseObject({ canaryPercentage: percentage, canaryInterval: minutes }),
  }),
  z.looseObject({
    type: z.literal("TimeBasedLinear"),
    timeBasedLinear: z.looseObject({ linearPercentage: percentage, linearInterval: minutes }),
  }),
]);

/** One step of traffic to the new version. */
export interface Shift {
  /** What passes after the step before, in minutes. */
  readonly afterMinutes: number;
  /** Of all traffic, that the new version has from then on. */
  readonly percent: number;
}

/** The steps to 100 percent. The first comes at once, as on AWS. */
export function shiftsOf(routing: z.output<typeof trafficRouting>): Shift[] {
  switch (routing.type) {
    case "AllAtOnce":
      return [{ afterMinutes: 0, percent: 100 }];
    case "TimeBasedCanary": {
      const { canaryPercentage, canaryInterval } = routing.timeBasedCanary;
      return [
        { afterMinutes: 0, percent: canaryPercentage },
        { afterMinutes: canaryInterval, percent: 100 },
      ];
    }
    case "TimeBasedLinear": {
      const { linearPercentage, linearInterval } = routing.timeBasedLinear;
      const steps = Math.ceil(100 / linearPercentage);
      return Array.from({ length: steps }, (_, step) => ({
        afterMinutes: step ? linearInterval : 0,
        percent: Math.min(100, linearPercentage * (step + 1)),
      }));
    }
  }
}
