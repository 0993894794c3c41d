/** The first line of a project's comment on previews; nobody sees it. Several may preview one repository, with one token. */
const markerOf = (project: string) => `<!-- slipway:preview ${project} -->`;

export const marked = (project: string, text: string): string => `${markerOf(project)}\n${text}`;

export const isMarked = (project: string, body: string): boolean => body.startsWith(markerOf(project));

/** Whether a comment says what is to be said: hosts change line breaks, and what is blank at the end. */
export const saysTheSame = (body: string, text: string): boolean => plain(body) === plain(text);

const plain = (text: string) => text.replace(/\r\n?/g, "\n").trimEnd();
