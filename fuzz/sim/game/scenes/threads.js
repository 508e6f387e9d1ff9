import {
  burst,
  DRAIN,
  eventOn,
  harm,
  pause,
  planWith,
  publish,
  READ,
  READY,
  repeated,
  SETTLE,
  SHARD,
  sleep,
  subscribe,
  turns,
} from './parts.js';

/** Scenes of threads that die, and of those that wait for each other. */

const end = (thread) => harm({ kind: 'endpoint', thread });

/** Workers die while they wake the shard, which sleeps whenever everything is settled. */
export function deadWakers(random) {
  const program = () =>
    repeated(5, () => [publish('t.0'), random.chance(0.6) ? SETTLE : pause(random)]);
  const faults = [1, 2].map((worker) => {
    const at = 1 + random.below(6);
    return { kind: 'kill', thread: `worker-${worker}`, point: 'notify', at };
  });
  return planWith({ programs: [program(), program(), program()], faults });
}

/**
 * Mostly what is not stored: such a batch has no commit, and a thread that follows another takes all of it again. The
 * events that are stored come behind in the same run of acks.
 */
export function ephemeralStreams(random) {
  const event = () => eventOn(random.pick(['t.0', 't.1']), { persist: random.chance(0.15) });
  const program = (name) => [
    subscribe(`${name}.first`),
    READY,
    ...repeated(6, () => [burst(3 + random.below(12), event), pause(random)]),
  ];
  // Right behind acks its thread rings a doorbell; the deliveries follow.
  const kill = (point, at) => ({ kind: 'kill', thread: SHARD, point, at });
  const faults = [
    kill('compareExchange', 2 + random.below(10)),
    kill('compareExchange', 10 + random.below(30)),
    kill('store', 5 + random.below(150)),
  ];
  return planWith({
    options: { commitBatchEvents: random.pick([3, 64, 4096]) },
    programs: [program('0.0'), program('0.1')],
    faults,
    look: { kind: random.pick(['store', 'load']), chance: random.pick([0.01, 0.05]) },
  });
}

/** The disk is full, and the thread that tells it dies before it has told all. */
export function brokenRefusals(random) {
  const event = () => eventOn('t.0', { persist: random.chance(0.8), hasId: random.chance(0.3) });
  const program = (name) => [
    subscribe(`${name}.first`, { from: 'earliest' }),
    ...repeated(5, () => [burst(4 + random.below(8), event), pause(random)]),
  ];
  const full = { kind: 'statement', code: 'SQLITE_FULL', left: 1, isDone: false };
  const at = 1 + random.below(60);
  const kill = (times) => {
    return { kind: 'kill', thread: SHARD, full: times, plus: 1 + random.below(30) };
  };
  return planWith({
    options: { commitBatchEvents: random.pick([5, 64]) },
    programs: [program('0.0'), program('0.1')],
    faults: [
      { ...full, thread: SHARD, onCommit: random.chance(0.3), at, times: 3 },
      ...[1, 2, 3].map(kill),
    ],
  });
}

/**
 * Many subscriptions pay more credit at once than the control ring holds. Those that pay last are behind, and get events
 * that no other one wants.
 */
export function crowds() {
  const one = (i) => subscribe(`0.0.crowd-${i}`, { pattern: i < 20 ? 't.0' : 't.*', maxBuffer: 1 });
  const both = ['t.0', 't.0', 't.1', 't.1', 't.1'].map((topic) => eventOn(topic));
  const publishes = repeated(8, () => [{ move: 'burst', events: both }, SETTLE]);
  return planWith({
    options: { ringBytes: 65_536 },
    programs: [
      [...repeated(24, (i) => [one(i)]), READY],
      [SETTLE, ...publishes],
    ],
    // The word on which the endpoint parks.
    look: { kind: 'store', word: 0, chance: 0.5 },
    slow: ['millrace-shard'],
  });
}

/** A shard's thread is replaced while many subscriptions still owe it credit, which it is slow to take. */
export function owedCredit(random) {
  const one = (i) => subscribe(`0.0.crowd-${i}`, { maxBuffer: 1, handlerMs: 0.05 });
  const event = () => eventOn('t.0');
  return planWith({
    options: { ringBytes: 65_536 },
    programs: [
      [...repeated(24, (i) => [one(i)]), READY, sleep(1), DRAIN],
      [SETTLE, burst(12, event)],
    ],
    faults: [150, 250, 350].map((least) => {
      return { kind: 'terminate', shard: 0, step: least + random.below(150) };
    }),
    slow: ['millrace-shard'],
  });
}

/** A subscription and a publish behind it, again and again, while the shard is at work. */
export function subscribersWhoPublish(random) {
  const program = (name) =>
    repeated(8, (i) => [
      pause(random),
      subscribe(`${name}.${i}`),
      publish('t.0', { isAwaited: random.chance(0.3) }),
    ]);
  return planWith({
    programs: [program('0.0'), program('0.1'), program('0.2')],
    look: { kind: 'load', chance: random.pick([0.03, 0.1, 0.3]) },
  });
}

/** A shard's thread is replaced while a worker ends that may have held leases of it. */
export function departingMembers(random) {
  const handlerMs = random.pick([0.05, 1]);
  const work = { move: 'work', concurrency: random.pick([1, 2, 10]), handlerMs, nakEvery: 0 };
  const events = () => burst(6, () => eventOn('t.0'));
  const ends = [
    harm({ kind: 'terminate', shard: 0 }),
    turns(1 + random.below(8)),
    end('worker-1'),
    turns(1 + random.below(8)),
  ];
  return planWith({
    consumer: { pattern: '*', order: random.pick(['none', 'topic']), maxInFlight: 1000 },
    programs: [
      [work, events(), pause(random), events(), ...ends, events(), SETTLE],
      [work, events()],
    ],
  });
}

const HISTORY = [burst(20, () => eventOn('t.0')), publish('t.0'), SETTLE];

/** The threads that read history get another port just as the last one has closed. */
export function idleReaders(random) {
  const ends = [end('worker-1'), turns(1 + random.below(4))];
  const waits = [SETTLE, sleep(300)];
  return planWith({ programs: [[...HISTORY, ...ends, READ, READ], waits], slow: ['main'] });
}

/** The threads that read history die, at once, and somebody reads. */
export function lostReaders(random) {
  const ends = [end('millrace-reader-0'), end('millrace-reader-1')];
  const loses = [READ, ...ends, READ, subscribe('last', { from: 'earliest', maxBuffer: 5 }), READ];
  return planWith({
    programs: random.chance(0.5) ? [[...HISTORY, ...loses]] : [HISTORY, [sleep(1), ...loses]],
    slow: random.pick([[], ['main']]),
  });
}

/** A drain waits for a position that comes without an event, behind a ring that is full. */
export function waitingDrains(random) {
  const full = () => eventOn('u.x', { pad: random.pick([10, 100, 200]) });
  const drains = (name) => [
    subscribe(`${name}.first`, { pattern: 't.0', isIterated: random.chance(0.5) }),
    subscribe(`${name}.second`, { pattern: 'u.x' }),
    ...repeated(6, () => [burst(4 + random.below(20), full), pause(random), DRAIN]),
  ];
  return planWith({
    options: { commitBatchEvents: random.pick([1, 5, 64]) },
    programs: [drains('0.0'), drains('0.1')],
    look: { kind: random.pick(['store', 'load']), chance: random.pick([0.03, 0.1, 0.3]) },
  });
}

/** An endpoint releases its ring in small parts, while the shard has a larger record for it. */
export function smallRooms(random) {
  const event = () => eventOn('t.0', { pad: random.pick([0, 0, 0, 200, 200]), persist: false });
  const program = (name) => [
    subscribe(`${name}.first`),
    READY,
    ...repeated(10, () => [burst(10 + random.below(25), event), SETTLE]),
  ];
  return planWith({
    programs: [program('0.0'), program('0.1')],
    // The word by which whoever has released room learns that another one waits for it.
    look: { kind: 'load', word: 128, chance: random.pick([0.2, 0.5]) },
    slow: random.pick([[], ['worker']]),
  });
}
