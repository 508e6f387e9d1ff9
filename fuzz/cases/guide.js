import { Session } from 'node:inspector/promises';

/**
 * Finds out by V8's own counts which blocks of the built product ran that had not run before. Nothing is instrumented:
 * between two looks the product runs at nearly its own speed, so a look is taken after a thousand cases, and only if it
 * shows something new are they run again, in halves of halves, to find those that did it. See docs/adr/0075.
 */
export class Guide {
  #session = new Session();
  #start;
  /** @type {Set<string>} */
  #seen = new Set();

  constructor(dist) {
    this.#start = `file://${dist}`;
  }

  /** @param {string} dist the folder of the built product; nothing else counts */
  static async start(dist) {
    const guide = new Guide(dist);
    guide.#session.connect();
    await guide.#session.post('Profiler.enable');
    await guide.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
    return guide;
  }

  /** Whether a block ran since the last look that had not run before. */
  async sawNew() {
    return (await this.#blocks()).some((block) => !this.#seen.has(block));
  }

  /**
   * Whether a run of this runs a block that has not been seen.
   *
   * @param {() => Promise<void>} run
   * @param {boolean} isLearned whether its blocks count as seen from now on
   */
  async isNewWith(run, isLearned) {
    await this.#blocks();
    await run();
    const fresh = (await this.#blocks()).filter((block) => !this.#seen.has(block));
    if (isLearned) for (const block of fresh) this.#seen.add(block);
    return fresh.length > 0;
  }

  async stop() {
    await this.#session.post('Profiler.stopPreciseCoverage');
    this.#session.disconnect();
  }

  /** The blocks that ran since the last look, which resets the counts. */
  async #blocks() {
    const { result } = await this.#session.post('Profiler.takePreciseCoverage');
    const blocks = [];
    for (const { scriptId, url, functions } of result) {
      if (!url.startsWith(this.#start)) continue;
      for (const { ranges } of functions) {
        for (const { startOffset, endOffset, count } of ranges) {
          if (count > 0) blocks.push(`${scriptId}:${startOffset}:${endOffset}`);
        }
      }
    }
    return blocks;
  }
}
