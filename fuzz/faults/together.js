/** Several faults at once: two to four of those that it has, none of which is healed before all were injected. */
const MOST = 4;

export class Together {
  name = 'together';
  injections = 0;
  /** How often each fault took part. */
  counts = {};
  #faults;
  #open = [];

  /** @param {import('../checker/nemesis.js').Fault[]} faults */
  constructor(faults) {
    this.#faults = faults;
  }

  async prepare(world) {
    for (const fault of this.#faults) await fault.prepare?.(world);
  }

  async inject(random, world) {
    const count = 2 + random.below(MOST - 1);
    const chosen = new Set(Array.from({ length: count }, () => random.pick(this.#faults)));
    const hows = await Promise.all(
      [...chosen].map(async (fault) => {
        const how = await fault.inject(random, world);
        if (how === undefined) return undefined;
        this.injections++;
        this.counts[fault.name] = (this.counts[fault.name] ?? 0) + 1;
        this.#open.push(fault);
        return `${fault.name}: ${how}`;
      }),
    );
    const done = hows.filter((how) => how !== undefined);
    return done.length > 0 ? done.join('; ') : undefined;
  }

  async heal(world) {
    // Processes that stand still go on first: others wait for them.
    const open = this.#open.splice(0);
    for (const fault of open) if (fault.name === 'freeze') await fault.heal?.(world);
    for (const fault of open) await fault.heal?.(world);
  }

  async close(world) {
    for (const fault of this.#faults) await fault.close?.(world);
  }
}
