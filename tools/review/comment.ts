/** What GitHub takes in one comment, in characters: what has no more bytes fits as well. */
export const COMMENT_LIMIT = 65_536;
