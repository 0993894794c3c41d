/** What could not be done, for the end: one thing that fails must not keep the others from being done. */
export class Problems {
  private readonly all: string[] = [];

  get list(): readonly string[] {
    return this.all;
  }

  add(problem: string): void {
    this.all.push(problem);
  }

  /** The result of the work; undefined where it failed, which is then one of the problems. */
  async collect<T>(what: string, work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      const { name, message } = error as Error;
      this.add(`${what}: ${name === "Error" ? message : `${name}: ${message}`}`);
      return undefined;
    }
  }
}
