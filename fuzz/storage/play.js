import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { openBus } from '../../dist/index.js';
import { reshard as reshardLogs } from '../../dist/store/upkeep/reshard.js';
import { restore as restoreLogs } from '../../dist/store/upkeep/restore.js';
import { TOPICS } from './events.js';
import { fillShard, prune, publishLarge, publishOne, publishSome, watch } from './publish.js';
import { Random } from './random.js';
import { arm, disarm, tell } from './tell.js';

/** The work of a subject on a directory, on a disk that records or fails. Each step is reported by `tell`. */
const BATCH = { writtenShare: 0.3, bytesMax: 20_000, window: 3 };
const NO_FAULT = { kind: 'any', n: 0, how: 'once' };
/** The least that a bus takes. */
const CLAIM_CHECK_BYTES = 16 * 1024;
const OPTIONS = { systemEvents: false, dedupeWindowMs: 2 ** 31 - 1, publishWaitMs: 2000 };

/** Filling a disk. */
const FILL_BYTES_MAX = 400_000;
const FILL_EVENTS_MAX = 4000;
const REFUSALS_WANTED = 12;
/** A bus that goes on has so many more events acknowledged; it is tried again for a minute. */
const ACKS_AFTER = 5;
const TRIES_MAX = 600;
const TRY_MS = 100;

async function open(dir, options = {}) {
  const bus = await openBus({ ...OPTIONS, dir, shards: 2, onError: () => {}, ...options });
  tell('open', bus.epoch);
  return bus;
}

/** Publishes, prunes, backs up, closes and opens again, as the seed decides. */
export async function work({ dir, seed, rounds }) {
  const random = new Random(seed);
  const writtenShare = random.pick([0, 0.1, 0.5, 1]);
  const bytesMax = random.pick([500, 20_000, 100_000]);
  const window = random.pick([1, 4, 16]);
  let bus = await open(dir);
  await watch(bus);
  for (let round = 0; round < rounds; round++) {
    const count = 5 + random.below(30);
    const settings = { prefix: `r${round}_`, count, writtenShare, bytesMax, window };
    await publishSome(bus, random, settings);
    if (random.chance(0.15)) await prune(bus, random.pick(['a.*', '*']), 10 + random.below(60));
    if (random.chance(0.1)) await backUp(bus, `${dir}-backup-${round}`);
    if (random.chance(0.15)) {
      await bus.close();
      bus = await open(dir);
      await watch(bus);
    }
  }
  await bus.close();
}

/**
 * As `work`, with payloads most of which go to files: some are equal, nearly all are pruned, and much is published as
 * `written`, so that removals wait for no flush of their own.
 */
export async function workOnPayloads({ dir, seed, rounds }) {
  const random = new Random(seed);
  const writtenShare = random.pick([0, 0.5, 1]);
  const options = { claimCheckBytes: CLAIM_CHECK_BYTES };
  let bus = await open(dir, options);
  for (let round = 0; round < rounds; round++) {
    const window = random.pick([1, 4]);
    const count = 2 + random.below(8);
    await publishLarge(bus, random, { prefix: `r${round}_`, count, writtenShare, window });
    if (random.chance(0.5)) await prune(bus, random.pick(['a.*', '*']), 2 * random.below(4));
    if (random.chance(0.05)) await backUp(bus, `${dir}-backup-${round}`);
    if (random.chance(0.15)) {
      await bus.close();
      bus = await open(dir, options);
    }
  }
  await bus.close();
}

async function backUp(bus, dir) {
  const { heads } = await bus.backup(dir);
  tell('backup', dir, heads);
}

/**
 * Does everything once, while the disk fails as `fault` says, and goes on after refusals. A fault of the stage `close`
 * is armed before closing, any other at the beginning. A lasting fault is disarmed before the last publishes, which
 * show whether the bus recovers.
 */
export async function script({ dir, fault = NO_FAULT }) {
  const random = new Random(1);
  if (fault.stage !== 'close') arm(fault);
  const options = { claimCheckBytes: CLAIM_CHECK_BYTES };
  const bus = await attempt('open', () => open(dir, options));
  if (bus !== undefined) {
    await attempt('publish', () => publishSome(bus, random, { ...BATCH, prefix: 'p', count: 10 }));
    const large = { prefix: 'l', count: 4, writtenShare: 0.3, window: 1 };
    await attempt('large', () => publishLarge(bus, random, large));
    await attempt('prune', () => prune(bus, 'a.*', 4));
    await attempt('backup', () => backUp(bus, `${dir}-backup`));
    if (fault.how === 'always') disarm();
    await attempt('again', () => publishSome(bus, random, { ...BATCH, prefix: 'q', count: 4 }));
    tell('stage', 'close');
    if (fault.stage === 'close') arm(fault);
    await attempt('close', () => bus.close());
  }
  disarm();
}

async function attempt(stage, work) {
  try {
    return await work();
  } catch (error) {
    tell('error', stage, error.code ?? `UNTYPED ${error.stack}`);
    return undefined;
  }
}

/** Does one operation, during which the process is to be killed. `target` is the directory for a copy. */
export async function operate({ dir, operation, target, fault = NO_FAULT, seed }) {
  if (operation === 'restore' || operation === 'reshard') {
    arm(fault);
    if (operation === 'restore') restoreLogs(dir, target);
    else reshardLogs({ from: dir, to: target, shards: 3 });
  } else {
    if (operation === 'open') arm(fault);
    const bus = await open(dir);
    if (operation !== 'open') arm(fault);
    await DURING[operation](bus, new Random(seed), { prefix: `k${seed}_`, target });
    await bus.close();
  }
  tell('stage', 'done');
}

const DURING = {
  open: () => {},
  close: () => {},
  publish: (bus, random, { prefix }) => publishSome(bus, random, { ...BATCH, prefix, count: 30 }),
  // Enough events to bring the log past the end of its first index block.
  index: (bus, random, { prefix }) => publishSome(bus, random, { ...BATCH, prefix, count: 120 }),
  prune: (bus, random) => prune(bus, random.pick(['a.*', '*']), 20),
  backup: (bus, _random, { target }) => backUp(bus, target),
};

/**
 * Publishes until the disk is full, removes the file `ballast`, and publishes until the bus goes on.
 * @returns the number of events that were acknowledged after that
 */
export async function fillUp({ dir, ballast, seed }) {
  const random = new Random(seed);
  const bus = await open(dir);
  let count = 0;
  const publish = async () => {
    const bytes = 1 + random.below(FILL_BYTES_MAX);
    const one = { topic: random.pick(TOPICS), bytes, durability: 'synced' };
    return publishOne(bus, `full${count++}`, one);
  };
  let refused = 0;
  while (refused < REFUSALS_WANTED && count < FILL_EVENTS_MAX) {
    const acks = await Promise.all(Array.from({ length: 4 }, publish));
    refused += acks.filter((isAcked) => !isAcked).length;
  }
  rmSync(ballast);
  let acksAfter = 0;
  for (let tries = 0; acksAfter < ACKS_AFTER && tries < TRIES_MAX; tries++) {
    if (await publish()) acksAfter++;
    else await sleep(TRY_MS);
  }
  await bus.close();
  return { acksAfter };
}

/**
 * One stage of making a base, see `bases.js`: publishes `events` events, or fills a shard up to `fill`, and prunes.
 * @returns a cursor before all events
 */
export async function build({ dir, prefix, events = 0, large = 0, fill = 0, keep, stays }) {
  const random = new Random(1);
  const bus = await open(dir, large > 0 ? { claimCheckBytes: CLAIM_CHECK_BYTES } : {});
  const cursor = await cursorOf(bus);
  const settings = { prefix, count: events, writtenShare: 0, bytesMax: 20_000, window: 16 };
  await publishSome(bus, random, settings);
  const files = { prefix: `${prefix}l`, count: large, writtenShare: 0, window: 4 };
  await publishLarge(bus, random, files);
  if (fill > 0) await fillShard(bus, prefix, fill);
  if (keep !== undefined) {
    await prune(bus, 'a.*', keep);
    await prune(bus, 'd.0', 1);
  }
  if (!stays) await bus.close();
  return { cursor };
}

async function cursorOf(bus) {
  const held = bus.subscribe('*', { from: 'earliest' });
  await held.ready;
  const { cursor } = held;
  await held.unsubscribe();
  return cursor;
}

export { tellTo } from './tell.js';
