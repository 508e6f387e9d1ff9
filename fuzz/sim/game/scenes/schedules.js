import { pause, planWith, READY, repeated, SETTLE, sleep, subscribe } from './parts.js';

/** Scenes of schedules. */

/** A schedule is set, paused, moved to other shards and deleted, while threads die. */
export function changedSchedules(random) {
  const name = 's';
  const shards = random.pick([1, 2, 3, 3]);
  const topics = ['t.0', 't.1', 't.2', 'u.x'];
  const set = () => [
    {
      move: 'schedule',
      kind: 'set',
      name,
      everyMs: random.pick([5, 5, 30]),
      topic: random.pick(topics),
    },
  ];
  const wait = () => [sleep(random.pick([5, 20])), ...(random.chance(0.3) ? [SETTLE] : [])];
  const one = (kind) => [{ move: 'schedule', kind, name }];
  const change = () =>
    random.chance(0.7)
      ? [...set(), ...wait()]
      : [...one('pause'), pause(random), ...one('resume'), ...wait()];
  const program = [
    subscribe('0.0.first', { from: 'earliest' }),
    READY,
    ...set(),
    ...wait(),
    ...repeated(5, change),
    ...(random.chance(0.3) ? [...one('delete'), ...wait(), ...set(), ...wait()] : []),
  ];
  const fault = () => {
    const thread = `millrace-shard-${random.below(shards)}`;
    return random.chance(0.6)
      ? { kind: 'kill', thread, commit: 1 + random.below(10), plus: 1 + random.below(30) }
      : { kind: 'kill', thread, point: 'statement', at: 50 + random.below(150) };
  };
  const end = random.pick(['close', 'kill', 'power']);
  const first = { programs: [program], end, endStep: 60 + random.below(200) };
  const second = { programs: [[...set(), ...wait(), ...change()]], end: 'close', endStep: 0 };
  return planWith({
    options: { shards },
    processes: random.chance(0.4) ? [first, second] : [{ ...first, end: 'close' }],
    faults: Array.from({ length: random.below(4) }, fault),
    // Due times come amid the steps of a move.
    pauses: random.pick([undefined, 0.1, 0.1]),
  });
}
