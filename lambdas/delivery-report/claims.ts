import { Busy } from "../../shared/hints";
import type { RunStatus } from "../../shared/run-report";
import type { Store } from "./store";

/** Whoever has not told in so many milliseconds what they claimed has died. The function's time is shorter. */
const DEAD_AFTER = 5 * 60 * 1000;

/** How often a mark is tried, beyond what the client tries by itself. */
const MARKS = 3;

/** Of what somebody has taken on to tell. */
interface Claim {
  readonly at: string;
  readonly done: boolean;
}

/** What has been told of something. */
export interface TellingRecord {
  /** How the run ended that this is told of. @default - it had not ended */
  readonly ended?: RunStatus;
  readonly claims: Readonly<Record<string, Claim>>;
}

const NOTHING: TellingRecord = { claims: {} };

/** One thing to tell, in one way. */
export interface News {
  readonly key: string;
  /** Told before, or at the same moment by somebody else, what these tell would be undone: a status, a page. */
  readonly notWhile?: readonly string[];
  readonly tell: () => Promise<void>;
}

/** What has been told of a run or of a build that looked for drift, so that each thing is told once. */
export class Claims {
  constructor(
    private readonly store: Store,
    private readonly key: string,
    private readonly now: () => Date,
  ) {}

  async read(): Promise<TellingRecord> {
    return (await this.store.read<TellingRecord>(this.key)).value ?? NOTHING;
  }

  /**
   * Tells each of these that is not told yet, once. What is claimed and not marked as done after five minutes had a teller
   * that died, before it told or after: it is told again, rather twice than never. What fails keeps none of the others. With
   * nothing to tell, it is noted that what was told of an end holds no more.
   *
   * @param ended how the run ended, as far as the caller knows; nothing where it goes on
   * @param before what the caller saw of the record, to be undone by what it knows
   * @throws AggregateError of what failed; Busy where somebody else is at one of them
   */
  async tell(news: readonly News[], ended?: RunStatus, before: TellingRecord = NOTHING): Promise<void> {
    const { mine, busy, at } = await this.claim(news, ended, before.ended);
    const failures: unknown[] = [];
    for (const one of mine) {
      const failure = await failureOf(one.tell);
      // What failed need not be waited for. A mark that cannot be made leaves a claim that is dead in five minutes.
      const unmarked = await failureOf(() => this.mark(one.key, at, failure === undefined));
      failures.push(...[failure, unmarked].filter((one) => one !== undefined));
    }
    if (failures.length === 1 && !busy) throw failures[0];
    if (failures.length) throw new AggregateError(failures, failures.map(messageOf).join("\n"));
    if (busy) throw new Busy(`${busy} is being told by somebody else`);
  }

  /** Which of these are due, by the record. */
  static due(record: TellingRecord, news: readonly Pick<News, "key">[]): boolean {
    return news.some(({ key }) => !record.claims[key]?.done);
  }

  private async claim(
    news: readonly News[],
    ended: RunStatus | undefined,
    endedBefore: RunStatus | undefined,
  ): Promise<{ readonly mine: readonly News[]; readonly busy?: string; readonly at: string }> {
    const now = this.now();
    const at = now.toISOString();
    let mine: News[] = [];
    let busy: string | undefined;
    await this.store.update<TellingRecord>(this.key, (found = NOTHING) => {
      [mine, busy] = [[], undefined];
      // What it was based on is no longer so.
      if (found.ended !== endedBefore && found.ended !== ended)
        throw new Busy(`${this.key} was changed by somebody who knows more`);
      const record = fitting(found, ended);
      const isYoung = (key: string) => {
        const claim = record.claims[key];
        return claim && !claim.done && now.getTime() - Date.parse(claim.at) < DEAD_AFTER;
      };
      for (const one of news) {
        if (record.claims[one.key]?.done) continue;
        if ([one.key, ...(one.notWhile ?? [])].some(isYoung)) busy = one.key;
        else mine.push(one);
      }
      if (!mine.length && record === found) return undefined;
      const claims = Object.fromEntries(mine.map(({ key }) => [key, { at, done: false }]));
      return { ...(ended && { ended }), claims: { ...record.claims, ...claims } };
    });
    return { mine, busy, at };
  }

  private async mark(key: string, at: string, done: boolean): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const failure = await failureOf(() => this.markOnce(key, at, done));
      if (failure === undefined) return;
      // What is told, and not marked so, is told twice.
      if (attempt === MARKS) throw failure;
    }
  }

  private async markOnce(key: string, at: string, done: boolean): Promise<void> {
    await this.store.update<TellingRecord>(this.key, (record = NOTHING) => {
      const { [key]: claim, ...others } = record.claims;
      // Of one that went on it is no longer told; and whoever came later has a claim of their own.
      if (claim?.at !== at || claim.done) return undefined;
      return { ...record, claims: done ? { ...others, [key]: { at, done } } : others };
    });
  }
}

/** What was told of a run's end, as long as that end is its end: one that failed may be retried, and goes on. */
export function fitting(record: TellingRecord, ended: RunStatus | undefined): TellingRecord {
  if (record.ended === undefined || record.ended === ended) return record;
  const claims = Object.entries(record.claims).filter(([key]) => LASTING.test(key));
  return { claims: Object.fromEntries(claims) };
}

/** What is told of an approval has a key of its own for each. */
const LASTING = /:approval:/;

const failureOf = (work: () => Promise<void>): Promise<unknown> =>
  work().then(
    () => undefined,
    (error: unknown) => error,
  );

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));
