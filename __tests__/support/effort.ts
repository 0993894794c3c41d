/**
 * Processor time that something took, in seconds, beside whatever else it gave. Time on the clock would tell how busy the
 * machine is; this, whether the work grows faster than it should.
 */
export function cpuSeconds(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000_000;
}

/**
 * How often a property is tried. `npm test` (`jest --ci`) tries it as often as is written, which finds what is rare;
 * the quick loop, which runs all day, and pipelines one time in twenty-five, each time with other values.
 */
export const tries = (count: number): number => shareOf(count, 25);

/**
 * How large is what was made to be slow, or how many of it there are. `npm test` takes what is written; the quick loop and
 * pipelines a tenth, which tells what grows without bounds from what grows as it should, but not by how little.
 */
export const sized = (count: number): number => shareOf(count, 10);

const shareOf = (count: number, part: number) =>
  process.env.SLIPWAY_TEST_EFFORT === "quick" ? Math.ceil(count / part) : count;
