/** What a function may cost before it begins. */
export interface FunctionBudget {
  /** Of its bundle without the map, in KB of 1,024 bytes: all of it is read and compiled before the first event. */
  readonly kilobytes: number;
  /** Of the processor time until its handler is there, to that of an empty function. */
  readonly ratio: number;
  /** Why it has a budget of its own. @default - it has what all have */
  readonly reason?: string;
}

const USUAL: FunctionBudget = { kilobytes: 400, ratio: 4.2 };

const OWN: Readonly<Record<string, FunctionBudget>> = {
  hello: {
    kilobytes: 32,
    ratio: 2,
    reason: "it calls nothing of AWS, and is what a new function begins as",
  },
  "delivery-previews": {
    kilobytes: 440,
    ratio: 5.1,
    reason: "it works with six of AWS's services and with GitHub",
  },
  "delivery-report": {
    kilobytes: 480,
    ratio: 5.6,
    reason: "it asks seven of AWS's services, and what it says makes up 70 KB: pages, mails and their style",
  },
};

/** The budget of a function of lambdas/. */
export const budgetOf = (name: string): FunctionBudget => OWN[name] ?? USUAL;
