import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { reshard as reshardLogs } from '../../dist/store/upkeep/reshard.js';
import { restore as restoreLogs } from '../../dist/store/upkeep/restore.js';
import { imageOf } from './image.js';
import { LogWork, OPTIONS_FOR } from './log-work.js';
import { Random } from './random.js';
import { makeRepeatable } from './repeatable.js';
import { arm, disarm, inChild, tell, untold } from './tell.js';

/** What the processes do that `recover.js` kills: each works on the logs of a directory, in one thread. */
const COPIES = {
  restore: (dir, target) => restoreLogs(dir, target),
  reshard: (dir, target) => reshardLogs({ from: dir, to: target, shards: 3 }),
};

/** The operations that this process has done itself. */
const practised = new Set();

const DURING = {
  open: () => {},
  close: () => {},
  publish: (work) => work.publish(8),
  payloads: (work, random) => {
    work.publishLarge(2);
    work.prune(random.pick(['a.*', '*']), 6);
    work.publishLarge(2);
  },
  prune: (work, random) => {
    if (random.chance(0.5)) work.pruneAll(random.pick(['a.*', 'd.0']));
    else work.prune('*', 20);
  },
  compact: (work) => work.compact(),
  // Enough events to bring the log past the end of its first index block.
  index: (work) => {
    work.publish(40);
    work.maintain();
  },
  consumers: (work) => work.consume(9),
  schedules: (work) => work.schedule(9),
  // A bit of everything, in a directory that may be new.
  mixed: (work, random, { prunes = true } = {}) => {
    work.publish(8);
    work.publishLarge(2);
    // Before all that the judge counts by its events.
    if (random.chance(0.3) && prunes) work.prune(random.pick(['a.*', '*']), 4);
    work.schedule(4);
    work.consume(4);
    work.publish(8);
    work.maintain();
  },
};

/**
 * One operation in this process; `fault` is armed for it. `target` is the directory for a copy. With `at` the process is
 * made repeatable, for good.
 *
 * @param {{ dir: string, operation: string, target: string, fault?: any, seed: number, at?: number }} how
 */
export function operateOnLogs({ dir, operation, target, fault, seed, at }) {
  if (at !== undefined) makeRepeatable(at);
  if (operation in COPIES) {
    if (fault !== undefined) arm(fault);
    COPIES[operation](dir, target);
  } else {
    const random = new Random(seed);
    const isArmedBefore =
      operation === 'open' || (operation === 'mixed' && (seed === 1 || random.chance(0.2)));
    if (fault !== undefined && isArmedBefore) arm(fault);
    const options = OPTIONS_FOR[operation];
    const work = new LogWork({ dir, random, prefix: `k${seed}_`, options });
    if (fault !== undefined && !isArmedBefore) arm(fault);
    DURING[operation](work, random);
    work.close();
  }
  disarm();
  tell('stage', 'done');
}

/** Each run is an operation with a fault, in a process of its own. */
export function killOnLogs({ dir, target, runs }) {
  for (const run of runs) inChild(() => operateOnLogs({ dir, target, ...run }));
}

/**
 * One operation with a fault in a process of its own, which is made repeatable: it begins at the time `at`.
 * @returns what it left, see `imageOf`
 */
export function failOnLogs({ dir, target, run, at }) {
  practise(dir, run.operation);
  inChild(() => operateOnLogs({ dir, target, ...run, at }));
  return { data: imageOf(dir), copy: imageOf(target) };
}

/** Does an operation once in this process, on a copy: its children then begin with compiled code. */
function practise(dir, operation) {
  if (practised.has(operation)) return;
  practised.add(operation);
  const place = `${dir}-practice`;
  try {
    cpSync(dir, join(place, 'data'), { recursive: true });
    const target = join(place, 'copy');
    untold(() => operateOnLogs({ dir: join(place, 'data'), target, operation, seed: 1 }));
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

/**
 * Builds a directory of a bit of everything, in as many openings as there are rounds. Nothing is pruned: an older copy of
 * it would have more than the directory itself.
 */
export function buildOnLogs({ dir, prefix, rounds }) {
  for (let round = 0; round < rounds; round++) {
    const random = new Random(round + 2);
    const settings = { dir, random, prefix: `${prefix}${round}_` };
    const work = new LogWork({ ...settings, options: OPTIONS_FOR.mixed });
    DURING.mixed(work, random, { prunes: false });
    work.close();
  }
}
