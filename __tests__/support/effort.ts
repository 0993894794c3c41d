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
 * the quick loop, which runs all day, and pipelines a fifth as often, each time with other values.
 */
export const tries = (count: number): number =>
  process.env.SLIPWAY_TEST_EFFORT === "quick" ? Math.ceil(count / 5) : count;
