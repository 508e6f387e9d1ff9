/**
 * One bus with one shard: publishes events with payloads of 1 KiB, 64 KiB and 1 MiB, all flushed, with the payloads in their
 * rows and, by `claimCheckBytes`, in files, and reads them back. The sides take turns, each in a new directory; what is read is
 * checked. Payloads of 1 KiB stay in their rows on both sides: they show what the option costs where it does nothing.
 *
 * node bench/large-payloads.js [--window 16] [--rounds 3] [--seconds 2] [--dir data]
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { openBus } from '../dist/index.js';
import { check, median, readOptions } from './harness.js';

const options = readOptions('Publishes large payloads in rows and in files, and reads them.', {
  window: 16,
  rounds: 3,
  seconds: 2,
});
const KIB = 1024;
const SIZES = [KIB, 64 * KIB, KIB * KIB];
const CLAIM_CHECK_BYTES = 16 * KIB;
/** So much is published at most in one round, so that it is read from the page cache. */
const BYTES_MAX = 512 * KIB * KIB;

const text = randomBytes((3 * KIB * KIB) / 4).toString('base64');
mkdirSync(options.dir, { recursive: true });

/** No two payloads are equal. */
function payloadOf(/** @type {number} */ number, /** @type {number} */ size) {
  const head = `${number}:`;
  return head + text.slice(0, size - 2 - head.length);
}

/** Publishes for some seconds, with so many publishes under way at once. */
async function publish(
  /** @type {import('../dist/index.js').Bus} */ bus,
  /** @type {number} */ size,
) {
  const latencies = /** @type {number[]} */ ([]);
  const most = BYTES_MAX / size;
  const until = performance.now() + options.seconds * 1000;
  let next = 0;
  const lane = async () => {
    while (next < most && performance.now() < until) {
      const payload = payloadOf(next++, size);
      const started = performance.now();
      await bus.publish({ topic: 'large', type: 'large', payload });
      latencies.push(performance.now() - started);
    }
  };
  const started = performance.now();
  await Promise.all(Array.from({ length: options.window }, lane));
  const seconds = (performance.now() - started) / 1000;
  return { count: latencies.length, perSecond: latencies.length / seconds, p50: median(latencies) };
}

/** The figure of `stats()` is up to a second old. */
function payloadFilesIn(/** @type {string} */ dir) {
  const entries = readdirSync(dir, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile() && entry.parentPath.includes('.payloads')).length;
}

async function side(/** @type {number} */ size, /** @type {boolean} */ isOn) {
  const dir = mkdtempSync(join(options.dir, 'large-payloads-'));
  try {
    const claimed = isOn ? { claimCheckBytes: CLAIM_CHECK_BYTES } : {};
    const bus = await openBus({ dir, shards: 1, dedupeWindowMs: 0, ...claimed });
    const { count, perSecond, p50 } = await publish(bus, size);
    const files = payloadFilesIn(dir);
    check(files === (isOn && size > CLAIM_CHECK_BYTES ? count : 0), `${files} files of ${count}`);
    const started = performance.now();
    let read = 0;
    for await (const { payload } of bus.read({ topic: 'large' })) {
      check(/** @type {string} */ (payload).length === size - 2, 'a payload of another length');
      read++;
    }
    const seconds = (performance.now() - started) / 1000;
    check(read === count, `${read} events, not ${count}`);
    await bus.close();
    return { perSecond, p50, readPerSecond: read / seconds };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

const show = (/** @type {number} */ value) =>
  value.toLocaleString('en', { maximumFractionDigits: value < 10 ? 2 : 0 });

console.log(
  `cores ${cpus().length}, window ${options.window}, ${options.rounds} rounds by turns, medians`,
);
for (const size of SIZES) {
  const figures = { off: /** @type {any[]} */ ([]), on: /** @type {any[]} */ ([]) };
  for (let round = 0; round < options.rounds; round++) {
    for (const isOn of round % 2 === 0 ? [false, true] : [true, false]) {
      figures[isOn ? 'on' : 'off'].push(await side(size, isOn));
    }
  }
  for (const [name, rounds] of Object.entries(figures)) {
    const of = (/** @type {string} */ key) => median(rounds.map((one) => one[key]));
    const mib = (/** @type {string} */ key) => ((of(key) * size) / KIB / KIB).toFixed(0);
    console.log(
      `${show(size / KIB).padStart(5)} KiB ${name.padEnd(3)}  acked ${show(of('perSecond'))}/s (${mib('perSecond')} MiB/s)  ` +
        `p50 ${of('p50').toFixed(1)} ms  read ${show(of('readPerSecond'))}/s (${mib('readPerSecond')} MiB/s)`,
    );
  }
}
