// zod's functional form: a function brings along what it uses of it. Of the other form, each schema can do all that zod
// can, which is 60 KB more and twice as long to load.
import { en } from "zod/locales";
import { config } from "zod/mini";

config(en());

// Imported as `* as z`: by name, all of zod would come along, with its languages.
export * from "zod/mini";
export { $ZodError as ZodError } from "zod/v4/core";
