import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pass } from 'node:timers/promises';
import { points } from './points.js';

/** The fault that lets parts of the subject die (`deaths.js`), for a while. */
const DEATHS = new URL('./deaths.js', import.meta.url).href;
/** How long parts die at a stretch, ms. */
const SPELL_MS = 4000;
/** How long the parts may take until all of them run again, ms. */
const WHOLE_MS = 60_000;
const LOOK_MS = 100;

/** What may stay behind after hundreds of deaths: readers and sockets come and go, and a heap breathes. */
const DESCRIPTORS_MORE = 16;
const THREADS_MORE = 3;
const HEAP_MORE_BYTES = 24 * 1024 * 1024;
/** Samples before that one are of a process that warms up. */
const WARM_SAMPLES = 2;

export class PartDeaths {
  name = 'parts';
  /** What was left of the process each time that all parts ran again. */
  samples = [];
  #seed;
  #spellMs;
  #mustLast;
  #folder;

  /**
   * @param {number} seed
   * @param {{ spellMs?: number, mustLast?: boolean }} [options]
   *   `mustLast`: no part dies in a way for which Node ends the whole process now and then
   */
  constructor(seed, { spellMs = SPELL_MS, mustLast = false } = {}) {
    this.#seed = seed;
    this.#spellMs = spellMs;
    this.#mustLast = mustLast;
  }

  async prepare(world) {
    this.#folder = join(world.folder, 'deaths');
    mkdirSync(this.#folder, { recursive: true });
    world.subject.mayAbort ||= !this.#mustLast;
    const settings = { folder: this.#folder, seed: this.#seed, mustLast: this.#mustLast };
    Object.assign(world.environment, {
      FUZZ_DEATHS: JSON.stringify(settings),
      NODE_OPTIONS: `${world.environment.NODE_OPTIONS ?? ''} --import ${DEATHS}`.trim(),
      FUZZ_WORKER_MAY_DIE: '1',
    });
  }

  async inject(random, { subject }) {
    if (!subject.isReady) return undefined;
    const before = this.deaths.length;
    writeFileSync(join(this.#folder, 'armed'), '');
    await pass(this.#spellMs / 2 + random.below(this.#spellMs));
    rmSync(join(this.#folder, 'armed'), { force: true });
    return `${this.deaths.length - before} deaths`;
  }

  async heal({ subject }) {
    const until = performance.now() + WHOLE_MS;
    for (;;) {
      const census = await subject.ask('census', {});
      if (census?.isWhole) {
        this.samples.push({ ...census, pid: subject.pid, deaths: this.deaths.length });
        return;
      }
      if (performance.now() > until) {
        throw new Error(
          `not all parts run ${WHOLE_MS} ms after the last death: ${JSON.stringify(census)}`,
        );
      }
      await pass(LOOK_MS);
    }
  }

  /** All deaths so far: `[at, part, point, way]`. */
  get deaths() {
    return this.#lines().filter(([, , point]) => point !== 'works');
  }

  /** From the death of a shard's or the gateway's thread until its successor works, ms, the shortest first. */
  get recoveriesMs() {
    const diedAt = new Map();
    const recoveries = [];
    for (const [at, part, point] of this.#lines()) {
      if (point !== 'works') diedAt.set(part, diedAt.get(part) ?? at);
      else if (diedAt.has(part)) {
        recoveries.push((at - diedAt.get(part)) / 1e6);
        diedAt.delete(part);
      }
    }
    return recoveries.sort((a, b) => a - b);
  }

  /** How often each point was one of death, and each way. */
  get counts() {
    const counts = Object.fromEntries(Object.keys(points).map((name) => [name, 0]));
    const ways = {};
    for (const [, , point, way] of this.deaths) {
      counts[point]++;
      ways[way] = (ways[way] ?? 0) + 1;
    }
    return { points: counts, ways };
  }

  /** What the process kept of parts that died, in words. */
  get leaks() {
    const own = this.samples.filter(({ pid }) => pid === this.samples.at(-1)?.pid);
    const first = own[WARM_SAMPLES];
    const last = own.at(-1);
    if (first === undefined || first === last) return [];
    const leaks = [];
    const check = (name, more) => {
      if (last[name] <= first[name] + more) return;
      const deaths = last.deaths - first.deaths;
      leaks.push(`leak: ${name} grew from ${first[name]} to ${last[name]} over ${deaths} deaths`);
    };
    check('descriptors', DESCRIPTORS_MORE);
    check('threads', THREADS_MORE);
    check('heap', HEAP_MORE_BYTES);
    return leaks;
  }

  #lines() {
    const file = join(this.#folder, 'deaths.jsonl');
    if (!existsSync(file)) return [];
    const lines = readFileSync(file, 'utf8').split('\n');
    return lines.filter((line) => line.endsWith(']')).map((line) => JSON.parse(line));
  }
}
