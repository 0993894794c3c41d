// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what Git does not take
const NOT_TAKEN = /[\x00-\x20\x7f~^:?*[\\\p{Cs}]|\.\.|@\{|\/\/|^\/|[/.]$|(^|\/)\.|\.lock(\/|$)/u;

/** Whether Git takes a text for a branch's name (git check-ref-format): no other becomes part of an address. */
export const isBranchName = (name: string): boolean => name !== "" && !NOT_TAKEN.test(name);
