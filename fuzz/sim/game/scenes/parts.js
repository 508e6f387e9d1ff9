/** What scenes are made of. */

/** Of one shard, unless `options` says otherwise; a scene adds what it needs. @param {any} parts */
export function planWith({ options = {}, programs = [], processes, ...others }) {
  return {
    options: {
      shards: 1,
      ringBytes: 4096,
      commitBatchEvents: 64,
      publishWaitMs: 10_000,
      ...options,
    },
    isFresh: false,
    processes: processes ?? [{ programs, end: 'close', endStep: 0 }],
    faults: [],
    ...others,
  };
}

export const SHARD = 'millrace-shard-0';

export function eventOn(topic, how = {}) {
  return { topic, pad: 0, persist: true, durability: 'synced', hasId: false, ...how };
}

export function publish(topic, how = {}) {
  const { isAwaited = true, ...event } = how;
  return { move: 'publish', event: eventOn(topic, event), isAwaited };
}

/** @param {() => object} event */
export function burst(count, event) {
  return { move: 'burst', events: Array.from({ length: count }, event) };
}

export function subscribe(name, how = {}) {
  return {
    move: 'subscribe',
    name,
    pattern: '*',
    from: 'now',
    overflow: 'catch-up',
    maxBuffer: 1000,
    handlerMs: 0,
    isIterated: false,
    ...how,
  };
}

export const sleep = (ms) => ({ move: 'sleep', ms });
/** The last subscription of this place is ready. */
export const READY = { move: 'ready' };
export const SETTLE = { move: 'settle' };
export const READ = { move: 'read' };
export const DRAIN = { move: 'drain' };
/** A fault at this place of the program. */
export const harm = (fault) => ({ move: 'harm', fault });

/** @param {(turn: number) => object[]} moves */
export function repeated(count, moves) {
  return Array.from({ length: count }, (_, turn) => moves(turn)).flat();
}

/** Turns of the event loop. */
export const turns = (count) => ({ move: 'turns', count });

/** Short pauses, in which others come in: a timer lasts 1 ms at least. */
export function pause(random) {
  return random.chance(0.6) ? turns(1 + random.below(6)) : sleep(1);
}
