/** The first line of the comment on previews; nobody sees it. */
const MARKER = "<!-- slipway:preview -->";

export const marked = (text: string): string => `${MARKER}\n${text}`;

export const isMarked = (body: string): boolean => body.startsWith(MARKER);

/** Whether a comment says what is to be said: hosts change line breaks, and what is blank at the end. */
export const saysTheSame = (body: string, text: string): boolean => plain(body) === plain(text);

const plain = (text: string) => text.replace(/\r\n?/g, "\n").trimEnd();
