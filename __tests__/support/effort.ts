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
