import * as z from "./zod";

/** A text that is JSON, as a variable of a function is. */
export const jsonText = z.pipe(
  z.string(),
  z.transform((text: string, { issues }): unknown => {
    try {
      return JSON.parse(text);
    } catch {
      issues.push({ code: "custom", message: "This is not JSON", input: text });
      return z.NEVER;
    }
  }),
);
