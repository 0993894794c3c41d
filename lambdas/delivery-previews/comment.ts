import { codeSpan } from "../../shared/markdown";
import { shortened } from "../../shared/visible";

/** What a pull request is told of its preview. */
export interface PreviewNews {
  readonly branch: string;
  /** The environment's full name. */
  readonly environment: string;
  readonly state: "building" | "ready" | "failed" | "gone" | "refused" | "expired" | "stuck";
  /** The one that is deployed, or about to be. */
  readonly commit?: string;
  /** Those that are no http or https URLs are left out. */
  readonly addresses?: readonly string[];
  /** Of the pipeline, in AWS's console. */
  readonly pipelineUrl?: string;
  /** When it goes if nobody pushes before. */
  readonly goesAt?: Date;
  readonly why?: string;
}

const LONGEST_NAME = 200;
const LONGEST_WHY = 500;
const MOST_ADDRESSES = 20;
const COMMIT = /^[0-9a-f]{7,64}$/;

/** Of what is there no more, nothing more is told. */
const THERE: ReadonlySet<PreviewNews["state"]> = new Set(["building", "ready", "failed", "stuck"]);

/** What a pull request's comment says, in Markdown: whatever the branch is called, it is but text in it. */
export function commentText(news: PreviewNews): string {
  const addresses = (news.addresses ?? []).flatMap(linkOf).slice(0, MOST_ADDRESSES);
  const paragraphs = [headline(news, addresses.length > 0)];
  if (THERE.has(news.state) && addresses.length > 0)
    paragraphs.push(addresses.map((address) => `- <${address}>`).join("\n"));
  if (news.why) paragraphs.push(`Why: ${codeSpan(shortened(news.why.trim(), LONGEST_WHY))}`);
  if (THERE.has(news.state) && news.goesAt)
    paragraphs.push(`It goes on ${minuteOf(news.goesAt)} if nobody pushes to the branch before.`);
  const details = detailsOf(news);
  if (details) paragraphs.push(details);
  return paragraphs.join("\n\n");
}

function headline({ branch, state }: PreviewNews, reachable: boolean): string {
  const name = codeSpan(shortened(branch, LONGEST_NAME));
  switch (state) {
    case "building":
      return `**Preview** of ${name}: being deployed.${reachable ? " Until then what was deployed before is here:" : ""}`;
    case "ready":
      return `**Preview** of ${name}: ${reachable ? "ready, here:" : "ready. Nothing in it has an address of its own."}`;
    case "failed":
      return `**Preview** of ${name}: its pipeline has failed. The next push starts it again.${reachable ? " What was deployed before may still be here:" : ""}`;
    case "gone":
      return `**Preview** of ${name}: gone, with all that it had.`;
    case "expired":
      return `**Preview** of ${name}: gone, since nobody has pushed for long. The next push brings it back.`;
    case "refused":
      return `**Preview** of ${name}: there is none.`;
    case "stuck":
      return `**Preview** of ${name}: it could not be removed, and goes on costing money. Somebody has to look after it.`;
  }
}

function detailsOf({ environment, state, commit, pipelineUrl }: PreviewNews): string {
  if (!THERE.has(state)) return "";
  const link = linkOf(pipelineUrl ?? "");
  return [
    `Environment ${codeSpan(shortened(environment, LONGEST_NAME))}`,
    ...(commit && COMMIT.test(commit) ? [`commit ${codeSpan(commit.slice(0, 7))}`] : []),
    // In a link's target, other than in one that stands alone, Markdown reads character references: `&lt;`.
    ...link.map((address) => `[pipeline](<${address.replaceAll("&", "&amp;")}>)`),
  ].join(" · ");
}

/** An address as it may stand between angle brackets; none where it is no harmless one. */
function linkOf(address: string): string[] {
  if (!URL.canParse(address)) return [];
  const { protocol, username, password, href } = new URL(address);
  const harmless = /^https?:$/.test(protocol) && !username && !password && /^[\x21-\x7e]+$/.test(href);
  return harmless && !/[<>\\`]/.test(href) ? [href] : [];
}

/** As `2026-01-24 22:03 UTC`. */
const minuteOf = (time: Date) => `${time.toISOString().slice(0, 16).replace("T", " ")} UTC`;
