import {
  burst,
  eventOn,
  harm,
  pause,
  planWith,
  publish,
  READY,
  repeated,
  SETTLE,
  SHARD,
  sleep,
  subscribe,
} from './parts.js';

/** Scenes of what is stored: of flushes, removals, the clock, and of those who wait for a subscription. */

/** Later than any end of programs. */
const NEVER = 1_000_000;

/** Events are repeated with `synced` that were only written, and then the power fails. */
export function writtenRepeats(random) {
  const written = { durability: 'written', hasId: true };
  const repeat = () => ({ move: 'repeat', pick: random.below(1000), isSynced: true });
  const first = [
    ...repeated(1 + random.below(4), () => [publish('t.0', written)]),
    repeat(),
    ...(random.chance(0.5) ? [repeat()] : []),
  ];
  const second = [subscribe('1.0.first', { from: 'earliest' }), repeat()];
  return planWith({
    options: { commitBatchEvents: random.pick([1, 64]) },
    processes: [
      { programs: [first], end: 'power', endStep: NEVER },
      { programs: [second], end: 'close', endStep: 0 },
    ],
  });
}

/**
 * Subscriptions that are far behind read history while a flush is slow, at whose end the power may fail. What they want is
 * rare in the log, so that their pages reach to its end.
 */
export function slowFlushes(random) {
  const begin = (name) =>
    subscribe(name, { pattern: 't.1', from: 'earliest', maxBuffer: random.pick([2, 1000]) });
  const begins = repeated(20, (i) => [begin(`0.1.${i}`), pause(random)]);
  const others = () => burst(13, () => eventOn('u.x', { durability: 'written' }));
  const publishes = repeated(15, () => [others(), publish('t.1'), pause(random)]);
  return planWith({
    processes: [
      { programs: [publishes, begins], end: 'power', endStep: NEVER },
      { programs: [[subscribe('1.0.first', { from: 'earliest' })]], end: 'close', endStep: 0 },
    ],
    faults: [{ kind: 'power', thread: SHARD, at: 4 + random.below(60) }],
    look: { kind: 'flush', chance: 0.9 },
  });
}

/** Events are removed right behind a subscription that has begun, whose first page comes late. */
export function earlyRemovals(random) {
  const maxEvents = random.pick([0, 0, 1, 3]);
  const program = (name) => [
    burst(15 + random.below(15), () => eventOn('t.0')),
    publish('t.0'),
    subscribe(`${name}.first`, { from: 'earliest', maxBuffer: random.pick([5, 1000]) }),
    READY,
    ...repeated(1 + random.below(3), () => [publish('t.0')]),
    { move: 'prune', pattern: 't.0', maxEvents },
    publish('t.0'),
  ];
  return planWith({
    retention: { pattern: 't.0' },
    programs: [program('0.0'), ...(random.chance(0.4) ? [program('0.1')] : [])],
    slow: random.pick([[], ['millrace-reader']]),
  });
}

/**
 * The clock is put forward, and the shard's thread is replaced twice: what the first of them has stored by a clock that it
 * believed too early makes the second one forget.
 */
export function steppedClocks(random) {
  const repeats = () =>
    repeated(3, () => [{ move: 'repeat', pick: random.below(1000) }, pause(random)]);
  const ids = () => repeated(2, () => [publish('t.0', { hasId: true })]);
  const replace = () => [
    harm({ kind: random.pick(['terminate', 'crash']), shard: 0 }),
    sleep(random.pick([0.1, 20, 300])),
  ];
  // What waits must not come by such a clock either.
  const waits = random.chance(0.5)
    ? [subscribe('0.0.first'), READY, publish('t.1', { delayMs: 600_000 })]
    : [];
  return planWith({
    programs: [
      [
        ...ids(),
        ...waits,
        harm({ kind: 'clock', byMs: 3_600_000 }),
        ...(random.chance(0.5) ? ids() : [pause(random)]),
        ...replace(),
        ...ids(),
        ...repeats(),
        ...replace(),
        ...repeats(),
      ],
      [...ids(), sleep(1), ...ids(), sleep(20), ...repeats()],
    ],
  });
}

/** Publishers come with more at once than a subscription has room for that they wait for. */
export function fullQueues(random) {
  const event = () => eventOn('t.0', { persist: random.chance(0.7) });
  const block = { overflow: 'block', maxBuffer: random.pick([1, 3]), handlerMs: 5 };
  const publishes = () => repeated(3, () => [burst(10 + random.below(20), event), sleep(20)]);
  return planWith({
    options: {
      ringBytes: random.pick([8192, 65_536]),
      commitBatchEvents: random.pick([5, 64, 4096]),
    },
    programs: [
      [subscribe('0.0.first', block), READY, ...publishes()],
      [sleep(1), ...publishes()],
    ],
  });
}

/** Publishes wait for their time, some are cancelled, and threads die around the time at which they become events. */
export function waitingPublishes(random) {
  const later = () =>
    eventOn(random.pick(['t.0', 't.1', 'u.x']), {
      delayMs: random.pick([1, 1, 2, 5, 5, 20, 300]),
      hasId: random.chance(0.5),
      durability: random.pick(['synced', 'synced', 'written']),
    });
  const program = (name) => [
    subscribe(`${name}.first`, { from: random.pick(['now', 'earliest']) }),
    READY,
    ...repeated(5, () => [
      burst(1 + random.below(6), later),
      ...(random.chance(0.3) ? [{ move: 'cancel', pick: random.below(1000) }] : []),
      ...(random.chance(0.3) ? [{ move: 'repeat', pick: random.below(1000) }] : []),
      ...(random.chance(0.5) ? [publish('t.0')] : []),
      random.chance(0.5) ? SETTLE : pause(random),
    ]),
  ];
  const fault = () =>
    random.chance(0.5)
      ? { kind: 'kill', thread: SHARD, commit: 2 + random.below(12), plus: 1 + random.below(30) }
      : { kind: 'kill', thread: SHARD, point: 'statement', at: 60 + random.below(200) };
  const end = random.pick(['close', 'kill', 'power']);
  const first = {
    programs: [program('0.0'), program('0.1')],
    end,
    endStep: 60 + random.below(150),
  };
  const second = { programs: [program('1.0')], end: 'close', endStep: 0 };
  return planWith({
    options: { shards: random.pick([1, 1, 2]), commitBatchEvents: random.pick([1, 5, 64]) },
    processes: random.chance(0.4) ? [first, second] : [{ ...first, end: 'close' }],
    faults: Array.from({ length: random.below(3) }, fault),
  });
}
