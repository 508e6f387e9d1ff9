/** Games that random ones seldom are: what has to meet in them meets by chance once in hundreds. */
import type { SettlementKind } from '../../../src/consumers/machine-types.js';
import type { Game } from './games.js';
import type { Setup, Step } from './steps.js';

const SETUP: Setup = {
  shards: 1,
  keys: 0,
  lanes: 1,
  concurrency: 1,
  ahead: 0,
  maxAttempts: 3,
  maxAhead: 9,
};

type Crash = 'no' | 'before' | 'between';

const turn = (events = 0, crash: Crash = 'no'): Step => {
  return { do: 'turn', shard: 0, events, crash, full: 'no', room: 100, leases: 100, examined: 100 };
};
const TURN_OF_OTHER = {
  shard: 1,
  crash: 'no',
  full: 'no',
  room: 100,
  leases: 100,
  examined: 100,
} as const;
const grant = (count: number, endpoint = 0): Step => {
  return { do: 'grant', endpoint, member: 0, shard: 0, count };
};
/** All that was told arrives, and the first event begins. */
const begin = (endpoint = 0): Step[] => [
  { do: 'receive', endpoint, shard: 0, count: 9 },
  { do: 'begin', endpoint, member: 0 },
];
const settle = (kind: SettlementKind): Step => {
  return { do: 'settle', endpoint: 0, pick: 0, kind, delayMs: -1 };
};
const pass = (ms: number): Step => ({ do: 'pass', ms });
const endThread: Step = { do: 'end thread', endpoint: 0 };
const order = (what: 'prune' | 'redrive'): Step => ({ do: what, shard: 0, pick: 0 });

/** One event, leased to the first member and begun. */
const begun = [turn(1), grant(1), turn(), ...begin()];

export const RARE: readonly Game[] = [
  // A late ack of a dead event, and of one that waits: refused, and sent again.
  {
    setup: { ...SETUP, maxAttempts: 1 },
    steps: [...begun, pass(13), turn(), settle('ack'), turn(0, 'between')],
  },
  { setup: SETUP, steps: [...begun, pass(13), turn(), settle('ack'), turn(0, 'between')] },
  // A good ack, stored and not told.
  { setup: SETUP, steps: [...begun, settle('ack'), turn(0, 'between')] },
  // Leased ahead, and handed back without having begun.
  {
    setup: { ...SETUP, ahead: 2 },
    steps: [
      turn(3),
      grant(3),
      turn(),
      { do: 'receive', endpoint: 0, shard: 0, count: 9 },
      { do: 'leave', endpoint: 0, member: 0 },
      turn(),
    ],
  },
  // The first of a key is pruned while the second is held.
  { setup: { ...SETUP, keys: 2 }, steps: [turn(2), order('prune'), turn()] },
  // In hand at two deaths, and then beside others.
  {
    setup: { ...SETUP, ahead: 2, maxAttempts: 4 },
    steps: [
      ...begun,
      endThread,
      turn(),
      grant(1),
      turn(),
      ...begin(),
      endThread,
      turn(2),
      grant(3),
      turn(),
    ],
  },
  // In hand at two deaths that are far apart.
  {
    setup: { ...SETUP, ahead: 2, maxAttempts: 4 },
    steps: [
      ...begun,
      endThread,
      turn(),
      pass(13),
      grant(1),
      turn(),
      ...begin(),
      endThread,
      turn(2),
      grant(3),
      turn(),
    ],
  },
  // In hand at a death, while the only other member is busy and has a token left.
  {
    setup: { ...SETUP, ahead: 2 },
    steps: [...begun, turn(1), grant(2, 1), turn(), ...begin(1), endThread, turn(1), turn()],
  },
  // A dead event comes again, is leased to an HTTP caller, and outlives the process before others of its key. One of
  // another key is leased behind them, so that their row lists them.
  {
    setup: { ...SETUP, keys: 2, maxAttempts: 1 },
    steps: [
      ...begun,
      settle('term'),
      turn(),
      order('redrive'),
      { do: 'pull', shard: 0, count: 1 },
      turn(3),
      grant(1),
      turn(),
      { do: 'restart' },
      grant(1),
      turn(),
      ...begin(),
    ],
  },
  // The same waits for its time when the process ends, and is read behind another one of its key.
  {
    setup: { ...SETUP, keys: 2 },
    steps: [
      ...begun,
      settle('term'),
      turn(),
      order('redrive'),
      turn(),
      grant(1),
      turn(),
      ...begin(),
      settle('nak'),
      turn(1),
      { do: 'restart' },
      turn(),
      turn(),
    ],
  },
  // An HTTP caller asks for more time, and the process ends.
  {
    setup: SETUP,
    steps: [
      turn(1),
      { do: 'pull', shard: 0, count: 1 },
      turn(),
      { do: 'receive', endpoint: 0, shard: 0, count: 9 },
      pass(5),
      { do: 'settle pulled', pick: 0, kind: 'working', delayMs: -1 },
      turn(),
      { do: 'restart' },
      turn(),
    ],
  },
  // A member is kept free for an event that a seek has dropped.
  {
    setup: { ...SETUP, ahead: 2, maxAhead: 2 },
    steps: [
      grant(1),
      { do: 'grant', endpoint: 0, member: 1, shard: 0, count: 1 },
      turn(2),
      { do: 'restart' },
      grant(2),
      turn(),
      { do: 'seek', shard: 0, pick: 0 },
      grant(1),
      turn(),
    ],
  },
  // Leased ahead; then the member has one handler more, the shard's thread dies before it knows, and the member's does.
  {
    setup: { ...SETUP, ahead: 2, maxAttempts: 1 },
    steps: [
      turn(2),
      grant(2),
      turn(),
      ...begin(),
      { do: 'resize', endpoint: 0, member: 0, concurrency: 2 },
      turn(0, 'before'),
      { do: 'begin', endpoint: 0, member: 0 },
      endThread,
      turn(),
    ],
  },
  // Dead, and asked for again after a seek to far before it: it comes once, with those before it.
  {
    setup: { ...SETUP, maxAttempts: 1, maxAhead: 2 },
    steps: [
      turn(1),
      turn(2),
      { do: 'seek', shard: 0, pick: 2 },
      grant(1),
      turn(),
      ...begin(),
      settle('term'),
      turn(),
      { do: 'seek', shard: 0, pick: 0 },
      order('redrive'),
      turn(),
    ],
  },
  // A skip ends a lease, and the shard's thread dies before that is stored, while another shard wants the key.
  {
    setup: { ...SETUP, shards: 2, keys: 1 },
    steps: [
      ...begun,
      { do: 'turn', ...TURN_OF_OTHER, events: 1 },
      { do: 'grant', endpoint: 1, member: 0, shard: 1, count: 1 },
      { do: 'skip', shard: 0, pick: 0 },
      turn(0, 'before'),
      { do: 'turn', ...TURN_OF_OTHER, events: 0 },
      pass(5),
      { do: 'turn', ...TURN_OF_OTHER, events: 0 },
      turn(),
    ],
  },
  // A thread that has not heard of a seek begins what it was leased before; another has done it meanwhile, in the new
  // round.
  {
    setup: SETUP,
    steps: [
      turn(1),
      grant(1),
      turn(),
      { do: 'seek', shard: 0, pick: 0 },
      grant(1, 1),
      turn(),
      ...begin(1),
      { do: 'settle', endpoint: 1, pick: 0, kind: 'ack', delayMs: -1 },
      turn(),
      { do: 'receive', endpoint: 1, shard: 0, count: 9 },
      { do: 'receive', endpoint: 0, shard: 0, count: 4 },
      { do: 'begin', endpoint: 0, member: 0 },
      turn(),
    ],
  },
];
