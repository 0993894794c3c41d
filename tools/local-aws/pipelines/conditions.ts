import type { Conditions } from "../services/pipeline-structure";
import { type Namespaces, resolveText, UnresolvedVariable } from "./variables";

export interface RuleState {
  readonly name: string;
  readonly succeeded: boolean;
  readonly summary: string;
}

/** What came of a stage's conditions. */
export interface Checked {
  readonly status: "Succeeded" | "Failed" | "Errored" | "Overridden";
  /** What the pipeline says is to happen where they do not hold. */
  readonly result: "SKIP" | "FAIL" | "ROLLBACK";
  /** Of each condition. */
  readonly conditions: readonly (readonly RuleState[])[];
}

/** A rule that cannot be checked: nobody may take it for one that does not hold. */
class RuleError extends Error {}

/** Checks a stage's conditions. All rules of all of them must hold. */
export function checkConditions(conditions: Conditions, namespaces: Namespaces): Checked {
  let errored = false;
  const states = conditions.map(({ rules = [] }) =>
    rules.map(({ name, ruleTypeId, configuration = {} }): RuleState => {
      try {
        if (ruleTypeId.provider !== "VariableCheck")
          throw new RuleError(`Local AWS does not check rules of ${ruleTypeId.provider}`);
        return { name, ...checkVariable(configuration, namespaces) };
      } catch (error) {
        if (!(error instanceof RuleError)) throw error;
        errored = true;
        return { name, succeeded: false, summary: error.message };
      }
    }),
  );
  const failed = states.findIndex((rules) => rules.some(({ succeeded }) => !succeeded));
  const asked = errored ? undefined : conditions[failed]?.result;
  return {
    status: errored ? "Errored" : failed < 0 ? "Succeeded" : "Failed",
    result: asked === "SKIP" || asked === "ROLLBACK" ? asked : "FAIL",
    conditions: states,
  };
}

function checkVariable(
  { Variable = "", Value = "", Operator = "" }: Readonly<Record<string, string>>,
  namespaces: Namespaces,
): Omit<RuleState, "name"> {
  let actual: string;
  try {
    actual = resolveText(Variable, namespaces);
  } catch (error) {
    if (!(error instanceof UnresolvedVariable)) throw error;
    throw new RuleError(`The variable ${error.message} could not be resolved`);
  }
  const succeeded = compare(Operator, actual, Value);
  return { succeeded, summary: `'${actual}' ${Operator} '${Value}' is ${succeeded}` };
}

function compare(operator: string, actual: string, value: string): boolean {
  switch (operator) {
    case "EQ":
      return actual === value;
    case "NE":
      return actual !== value;
    case "CONTAINS":
      return actual.includes(value);
    case "MATCHES":
      try {
        return new RegExp(`^(?:${value})$`).test(actual);
      } catch {
        throw new RuleError(`'${value}' is not a regular expression`);
      }
    default:
      throw new RuleError(`The operator '${operator}' is none of EQ, NE, CONTAINS, MATCHES`);
  }
}
