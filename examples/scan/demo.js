import { mkdir, mkdtemp, realpath, rm, stat } from 'node:fs/promises';
import { availableParallelism, constants, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { ulid } from 'ulid';
import { openLocalHub, openRemoteHub } from './hub.js';
import { ScanPool } from './pool.js';
import { asJson, asText, mebibytes } from './report.js';
import { showProgress } from './screen.js';
import { differences, Totals } from './totals.js';
import { walkTree } from './tree.js';
import { watchTree } from './watch.js';

/**
 * The demo: worker threads scan a source tree and publish their findings; a subscriber gets them live; one worker
 * crashes half-way and is replaced; then the bus is closed and opened again, and the replay of its log is compared with
 * the events seen live. With `--connect` the events go to a server, and the replay comes from there. Exits 0 if they
 * agree, 1 if not or if anything failed, 2 for wrong usage, 130 after Ctrl-C.
 */

const HELP = `Usage: npm run demo [-- [DIR] [options]]

Scans DIR (default: this repository) with worker threads on a Millrace bus.

  --data DIR     keep the bus in this directory (default: a temporary one, removed at the end)
  --connect URL  publish to this server instead, such as http://127.0.0.1:7400; its token, if it asks for one, is in
                 the environment variable MILLRACE_TOKEN
  --rate N       scan at most N files a second (default: no limit; with --connect 200, so that it can be watched)
  --workers N    worker threads, 1 to 16 (default: the cores, 2 to 4)
  --no-crash     do not make a worker crash
  --json         print the result as JSON on stdout
  --help`;

const REPOSITORY = fileURLToPath(new URL('../../', import.meta.url));
const WORKERS_MAX = 16;
/** How long the subscriber may take to see the last events once everything has been published. */
const SETTLE_MS = 30_000;
const WATCH_TROUBLES_SHOWN = 3;
const RATE_MAX = 1_000_000;
/** Slow enough to be watched. */
const CONNECTED_RATE = 200;

/**
 * @typedef {object} Options
 * @property {string} root
 * @property {string | undefined} data
 * @property {string | undefined} connect
 * @property {number | undefined} rate files per second
 * @property {number} workers
 * @property {boolean} crash
 * @property {boolean} json
 */

class UsageError extends Error {}

/** @returns {Promise<Options | undefined>} `undefined` if only help was wanted */
async function parseOptions() {
  const { values, positionals } = parseArguments();
  if (values.help) return undefined;
  if (positionals.length > 1) throw new UsageError(`one directory, not ${positionals.length}`);
  const path = resolve(positionals[0] ?? REPOSITORY);
  const stats = await stat(path).catch(() => undefined);
  if (!stats?.isDirectory()) throw new UsageError(`${path} is not a directory`);
  const workers = Number(values.workers ?? Math.min(4, Math.max(2, availableParallelism())));
  if (!Number.isInteger(workers) || workers < 1 || workers > WORKERS_MAX) {
    throw new UsageError(
      `--workers ${values.workers} is not a whole number from 1 to ${WORKERS_MAX}`,
    );
  }
  const { data, connect, json = false } = values;
  if (data !== undefined && connect !== undefined) {
    throw new UsageError(
      '--data is for a bus of the demo, --connect for the bus of a server: not both',
    );
  }
  const rate = rateOf(values.rate, connect);
  return {
    root: await realpath(path),
    data,
    connect,
    rate,
    workers,
    crash: !values['no-crash'],
    json,
  };
}

/**
 * @param {string | undefined} text
 * @param {string | undefined} connect
 */
function rateOf(text, connect) {
  if (text === undefined) return connect === undefined ? undefined : CONNECTED_RATE;
  const rate = Number(text);
  if (Number.isInteger(rate) && rate >= 1 && rate <= RATE_MAX) return rate;
  throw new UsageError(`--rate ${text} is not a whole number from 1 to ${RATE_MAX}`);
}

function parseArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        data: { type: 'string' },
        connect: { type: 'string' },
        rate: { type: 'string' },
        workers: { type: 'string' },
        'no-crash': { type: 'boolean' },
        json: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new UsageError(/** @type {Error} */ (error).message);
  }
}

/** Steps to undo before the process ends, the last one first. */
class Cleanup {
  /** @type {(() => unknown)[]} */
  #steps = [];

  /** @param {() => unknown} step */
  add(step) {
    this.#steps.push(step);
  }

  async run() {
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) await step();
  }
}

/**
 * @param {Options} options
 * @param {Cleanup} cleanup
 * @param {(line: string) => void} say
 */
async function openDirectory({ data, connect }, cleanup, say) {
  if (connect !== undefined) say(`publishing to ${connect}, which has a dashboard`);
  if (data === undefined) {
    const dir = await realpath(await mkdtemp(join(tmpdir(), 'millrace-demo-')));
    cleanup.add(() => rm(dir, { recursive: true, force: true }));
    return dir;
  }
  await mkdir(data, { recursive: true });
  say(`keeping the bus in ${resolve(data)}`);
  return realpath(data);
}

/**
 * @param {{ connect: string | undefined, dir: string }} place
 * @param {Cleanup} cleanup
 */
function open({ connect, dir }, cleanup) {
  const opening = connect === undefined ? openLocalHub(dir) : openRemoteHub(connect);
  // Added at once, so that a signal while the bus is opening closes it too.
  cleanup.add(() => opening.then(({ bus }) => bus.close()).catch(() => {}));
  return opening;
}

/**
 * Scans the tree; resolves when the subscriber has seen the last event.
 * @param {Options} options
 * @param {{ dir: string, run: string, cleanup: Cleanup, leaving: AbortSignal, say: (line: string) => void }} context
 */
async function scan(options, { dir, run, cleanup, leaving, say }) {
  const { root, workers, crash, connect, rate } = options;
  const hub = await open({ connect, dir }, cleanup);
  const { bus } = hub;
  const live = new Totals();
  const filter = { topics: ['*'], correlationIds: [run] };
  const subscription = bus.subscribe(filter, (event) => live.add(event), { name: 'live totals' });
  await subscription.ready;

  // The bus's own files must not be opened by the scan, as closing them would drop SQLite's locks.
  const tree = await walkTree(root, { exclude: [dir], signal: leaving });
  say(
    `scanning ${root}: ${tree.files} files, ${mebibytes(tree.bytes)} MiB, with ${workers} workers`,
  );
  let troubles = 0;
  const onTrouble = (/** @type {unknown} */ error) => {
    troubles += 1;
    if (troubles <= WATCH_TROUBLES_SHOWN) say(`the file watcher: ${error}`);
  };
  const watcher = await watchTree(bus, { root, run, exclude: [dir], onTrouble });
  cleanup.add(() => watcher.close());
  const pool = new ScanPool(hub, { root, run, rate });
  cleanup.add(() => pool.stop());

  const progress = showProgress(live, tree.files, process.stderr);
  cleanup.add(() => progress.stop());
  await Promise.all([pool.scan(tree.groups, { workers, crash }), watcher.touch()]);
  leaving.throwIfAborted();
  await watcher.close();
  if (connect === undefined) await settle(bus, subscription);
  else await settleRemotely(bus, run, live);
  await subscription.unsubscribe();
  await subscription.closed;
  return { live, tree, pool };
}

/**
 * Waits until the subscription has consumed every event that the shards have committed.
 * @param {import('millrace/client').BusApi} bus
 * @param {import('millrace').Subscription} subscription
 */
async function settle(bus, subscription) {
  const deadline = Date.now() + SETTLE_MS;
  await bus.drain();
  while (subscription.lag > 0) {
    if (Date.now() > deadline)
      throw new Error(`the subscriber is ${subscription.lag} events behind`);
    await new Promise((wake) => setTimeout(wake, 10));
  }
}

/**
 * Waits until the subscription has had every event of the run that the server has stored. A client's `lag` does not
 * count the events that the server holds.
 * @param {import('millrace/client').BusApi} bus
 * @param {string} run
 * @param {Totals} live
 */
async function settleRemotely(bus, run, live) {
  const deadline = Date.now() + SETTLE_MS;
  await bus.drain();
  const { events } = await totalsOf(bus, run);
  while (live.events < events) {
    if (Date.now() > deadline)
      throw new Error(`the subscriber is ${events - live.events} events behind`);
    await new Promise((wake) => setTimeout(wake, 10));
  }
}

/**
 * @param {{ connect: string | undefined, dir: string }} place
 * @param {string} run
 * @param {Cleanup} cleanup
 */
async function replay(place, run, cleanup) {
  const { bus } = await open(place, cleanup);
  return totalsOf(bus, run);
}

/**
 * @param {import('millrace/client').BusApi} bus
 * @param {string} run
 */
async function totalsOf(bus, run) {
  const totals = new Totals();
  for await (const event of bus.read({ topic: '*', correlationIds: [run] })) totals.add(event);
  return totals;
}

/**
 * @param {Options} options
 * @param {Cleanup} cleanup
 * @param {AbortSignal} leaving
 * @returns {Promise<number>} the exit code
 */
async function main(options, cleanup, leaving) {
  const say = (/** @type {string} */ line) => void process.stderr.write(`${line}\n`);
  const run = ulid();
  const started = performance.now();
  const outer = new Cleanup();
  cleanup.add(() => outer.run());
  const dir = await openDirectory(options, outer, say);
  const inner = new Cleanup();
  cleanup.add(() => inner.run());
  const { live, tree, pool } = await scan(options, { dir, run, cleanup: inner, leaving, say });
  await inner.run();
  leaving.throwIfAborted();
  const replayed = await replay({ connect: options.connect, dir }, run, inner);
  const seconds = (performance.now() - started) / 1000;
  const wrong = differences(live, replayed);
  if (pool.filesAbandoned > 0) wrong.push(`${pool.filesAbandoned} files were given up`);
  const result = { run, seconds, tree, pool, live, replayed, wrong };
  if (options.json) process.stdout.write(`${JSON.stringify(asJson(result), undefined, 2)}\n`);
  else process.stdout.write(`${asText(result)}\n`);
  return wrong.length === 0 ? 0 : 1;
}

/**
 * The first signal closes everything, then exits with 128 + its number; a second exits at once.
 * @param {Cleanup} cleanup
 */
function closeOnSignals(cleanup) {
  const leaving = new AbortController();
  const leave = async (/** @type {'SIGINT' | 'SIGTERM'} */ signal) => {
    const code = 128 + constants.signals[signal];
    if (leaving.signal.aborted) process.exit(code);
    leaving.abort();
    await cleanup.run().catch((error) => process.stderr.write(`while closing: ${error}\n`));
    process.stderr.write('stopped; the bus is closed\n');
    process.exit(code);
  };
  process.on('SIGINT', leave);
  process.on('SIGTERM', leave);
  return leaving.signal;
}

const cleanup = new Cleanup();
const leaving = closeOnSignals(cleanup);
try {
  const options = await parseOptions();
  if (options === undefined) process.stdout.write(`${HELP}\n`);
  else process.exitCode = await main(options, cleanup, leaving);
} catch (error) {
  if (!leaving.aborted) {
    const usage = error instanceof UsageError;
    process.stderr.write(
      usage ? `${error.message}\n\n${HELP}\n` : `${/** @type {Error} */ (error).stack}\n`,
    );
    process.exitCode = usage ? 2 : 1;
  }
}
if (!leaving.aborted) await cleanup.run();
