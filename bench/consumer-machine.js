import { availableParallelism } from 'node:os';
import { ConsumerMachine } from '../dist/consumers/machine.js';
import { check, readOptions } from './harness.js';
import { Random } from './load.js';

/**
 * The state machine of a consumer by itself: no thread, no disk, no event. Each turn reads events, settles what was
 * leased before, leases, stores the row and tells, as a shard's desk does. µs of CPU a job, the median of the rounds;
 * sides in turns.
 */

const { jobs, rounds } = readOptions('The state machine of a consumer by itself, µs a job.', {
  jobs: 200_000,
  rounds: 5,
});

const SIDES = [
  { name: 'turns of 1024, no keys', turn: 1024, keys: 0, held: 0 },
  { name: 'turns of 16, no keys', turn: 16, keys: 0, held: 0 },
  { name: 'turns of 1024, 100,000 keys', turn: 1024, keys: 100_000, held: 0 },
  { name: 'turns of 1024, 1 % naks', turn: 1024, keys: 0, held: 0, nakEvery: 100 },
  { name: 'turns of 1024, 9,000 held behind one key', turn: 1024, keys: 100_000, held: 9000 },
  { name: 'turns of 16, 9,000 held behind one key', turn: 16, keys: 100_000, held: 9000 },
];

/** @type {Map<string, number[]>} */
const times = new Map(SIDES.map(({ name }) => [name, []]));
for (let round = 0; round < rounds; round += 1) {
  for (const side of SIDES) times.get(side.name)?.push(play(side));
}
for (const [name, taken] of times) {
  const [median = 0] = taken.sort((a, b) => a - b).slice(taken.length >> 1);
  process.stdout.write(`${name.padEnd(44)} ${median.toFixed(2).padStart(6)} µs a job\n`);
}
process.stdout.write(`${availableParallelism()} cores, Node ${process.versions.node}\n`);

/** @param {{ turn: number, keys: number, held: number, nakEvery?: number }} side */
function play({ turn, keys, held, nakEvery = 0 }) {
  const random = new Random(1);
  const names = Array.from({ length: keys }, (_, at) => `customer-${at}`);
  /** @type {number[]} */
  const leases = [];
  const machine = new ConsumerMachine(
    {
      hasKeys: keys > 0,
      lanes: 1,
      leaseMs: 30_000,
      maxAttempts: 5,
      backoffMs: [1],
      maxAhead: 10_000,
    },
    {
      examine: () => 'there',
      dead: () => check(false, 'an event died'),
      expired: () => check(false, 'an event has expired'),
      gone: () => check(false, 'an event is gone'),
      keyKept: () => {},
      keyFreed: () => {},
    },
    [
      {
        position: 0,
        leaseNext: 1,
        acked: 0,
        redelivered: 0,
        lost: 0,
        ageMs: 0,
        open: new Uint8Array(0),
      },
    ],
    'opened',
    0,
  );
  const tellings = {
    /** @type {(member: number, sequence: number, lease: number) => boolean} */
    leased: (_member, sequence, lease) => {
      leases.push(sequence, lease);
      return true;
    },
    lost: () => true,
    supply: () => true,
  };
  let [head, done, now, settled] = [0, 0, 0, 0];
  machine.join(1, 16, false);
  machine.tokens(1, turn);
  if (held > 0) {
    for (let at = 0; at < held; at += 1) machine.read(0, ++head, 'hot');
    machine.lease(1, now);
    machine.tell(tellings);
    leases.length = 0;
  }
  const start = process.cpuUsage();
  while (done < jobs) {
    now += 1;
    const taken = leases.splice(0);
    for (let at = 0; at < taken.length; at += 2) {
      const isNak = nakEvery > 0 && ++settled % nakEvery === 0;
      const verdict = machine.settle(
        taken[at] ?? 0,
        taken[at + 1] ?? 0,
        isNak ? 'nak' : 'ack',
        now,
      );
      check(verdict === 'done', 'a settlement was refused');
      if (!isNak) done += 1;
    }
    machine.tokens(1, taken.length / 2);
    for (let at = 0; at < turn && machine.wantsMore(0); at += 1) {
      machine.read(0, ++head, keys > 0 ? names[random.below(keys)] : undefined);
    }
    machine.expire(now);
    machine.lease(turn, now);
    if (machine.isDirty(0)) machine.store(0, now);
    machine.committed(0);
    machine.tell(tellings);
  }
  const { user, system } = process.cpuUsage(start);
  check(machine.lane(0).acked === done, 'jobs were not counted');
  return (user + system) / done;
}
