import { mkdtempSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { median } from './harness.js';
import { deferred, makeInput, publishWindowed } from './load.js';

/**
 * Measures the cost of a change: two or more builds of the bus run in one process, in short turns, so that a machine
 * that is slower for a second is slower for all of them. Prints the CPU time of the whole process for each event (or
 * query), and the median of each round's ratio to the first build.
 *
 * ```
 * git worktree add ../before COMMIT && (cd ../before && npm ci && npm run build)
 * node bench/compare-builds.js ../before . [--rounds 24] [--events 30000] [--subscriptions 1] [--replay | --queries]\
 *     [--dir data]
 * ```
 *
 * Without `--replay` each round publishes `--events` events one by one to the handlers of all subscriptions. With it, a
 * new subscription reads them from the log. With `--queries` it asks `read` 200 times for the 10 newest events of one of
 * 100 topics. With more subscriptions than can keep up, it measures catching up.
 */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '24' },
    events: { type: 'string', default: '30000' },
    subscriptions: { type: 'string', default: '1' },
    replay: { type: 'boolean', default: false },
    queries: { type: 'boolean', default: false },
    dir: { type: 'string', default: '.' },
  },
});
const [rounds, events, subscriptions] = [values.rounds, values.events, values.subscriptions].map(
  Number,
);
const IN_FLIGHT_MAX = 4096;
const TOPICS = 100;
const QUERIES = 200;

class Side {
  /** CPU time in µs for each event, by round. */
  figures = /** @type {number[]} */ ([]);
  #dir = mkdtempSync(join(values.dir, 'bench-compare-'));
  #published = 0;
  /** @type {import('../dist/index.js').Bus | undefined} */
  #bus;

  /** @param {string} build */
  constructor(build) {
    this.build = build;
  }

  async open() {
    const entry = pathToFileURL(resolve(this.build, 'dist/index.js')).href;
    const { openBus } = /** @type {typeof import('../dist/index.js')} */ (await import(entry));
    this.#bus = await openBus({ dir: this.#dir, shards: 1 });
    if (values.replay || values.queries) await this.#publish();
    else {
      for (let n = 0; n < subscriptions; n += 1) await this.#bus.subscribe('*', () => {}).ready;
    }
    await this.round();
    this.figures = [];
  }

  async round() {
    const before = process.cpuUsage();
    if (values.queries) await this.#query();
    else await (values.replay ? this.#replay() : this.#publish());
    const { user, system } = process.cpuUsage(before);
    this.figures.push((user + system) / (values.queries ? QUERIES : events));
  }

  async close() {
    await this.#bus?.close();
    rmSync(this.#dir, { recursive: true, force: true });
  }

  async #publish() {
    const bus = /** @type {import('../dist/index.js').Bus} */ (this.#bus);
    const first = this.#published;
    this.#published += events;
    const input = (/** @type {number} */ n) => makeInput(topicOf(first + n), first + n);
    await publishWindowed(bus, events, { batch: 1, window: IN_FLIGHT_MAX, input });
    await bus.drain();
  }

  async #query() {
    const bus = /** @type {import('../dist/index.js').Bus} */ (this.#bus);
    for (let n = 0; n < QUERIES; n += 1) {
      let got = 0;
      const query = { topic: topicOf(n), limit: 10, reverse: true };
      for await (const { topic } of bus.read(query)) if (topic === query.topic) got += 1;
      if (got !== query.limit) throw new Error(`${got} events of ${query.topic}`);
    }
  }

  async #replay() {
    const bus = /** @type {import('../dist/index.js').Bus} */ (this.#bus);
    const { promise, resolve: done } = deferred();
    let got = 0;
    const count = () => {
      got += 1;
      if (got === events) done();
    };
    const subscription = bus.subscribe('*', count, { from: 'earliest' });
    await promise;
    subscription.unsubscribe();
  }
}

/** @param {number} n */
function topicOf(n) {
  return values.queries ? `load.${String(n % TOPICS).padStart(4, '0')}` : 'load.0000';
}

if (positionals.length < 2) {
  process.stderr.write('two builds or more: node bench/compare-builds.js DIRECTORY DIRECTORY\n');
  process.exit(2);
}
const sides = positionals.map((build) => new Side(build));
try {
  for (const side of sides) await side.open();
  for (let round = 0; round < rounds; round += 1) {
    for (let turn = 0; turn < sides.length; turn += 1) {
      await sides[(round + turn) % sides.length]?.round();
    }
  }
  for (const { build, figures } of sides) {
    const base = /** @type {Side} */ (sides[0]).figures;
    const ratio = median(figures.map((figure, round) => figure / (base[round] ?? Number.NaN)));
    console.log(
      `${build}  ${median(figures).toFixed(2)} µs CPU ${values.queries ? 'a query' : 'an event'}  ${ratio.toFixed(3)} of the first`,
    );
  }
} finally {
  for (const side of sides) await side.close();
}
