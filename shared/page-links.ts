/** How long a link to the report pages can be followed, in seconds: 7 days. */
export const LINK_SECONDS = 7 * 24 * 60 * 60;

/** The parts of a link's query. */
export const LINK_QUERY = { expires: "expires", signature: "signature" } as const;

/** What is signed: whoever holds a link may read all pages of the project until it expires (seconds since 1970). */
export const signedText = (project: string, expires: number) => `report pages of ${project}\n${expires}`;

/** Paths of pages: the overview, and one a run. */
export const OVERVIEW_PAGE = "index.html";
export const runPage = (pipeline: string, execution: string) => `runs/${pipeline}/${execution}.html`;
export const PAGE = /^(?:index\.html|runs\/[a-z][a-z0-9-]{0,15}\/[\w-]{1,100}\.html)$/;
