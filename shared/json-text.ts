// By name, all of zod's languages would come along into functions.
import * as z from "zod";

/** A text that is JSON, as a variable of a function is. */
export const jsonText = z.string().transform((text, context) => {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    context.addIssue({ code: "custom", message: "This is not JSON" });
    return z.NEVER;
  }
});
