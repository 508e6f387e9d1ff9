import { Random } from '../../storage/random.js';
import { faultsOf } from './plan-faults.js';
import { sceneOf } from './scenes.js';

/**
 * What happens in a seed besides the schedule: the options of the bus, what each endpoint does, and the faults. A plan is
 * plain data, so that it can be shrunk and kept as a case.
 */
const TOPICS = ['t.0', 't.1', 't.2', 'u.x'];
const PATTERNS = ['*', 't.*', 't.0', 't.1', '+.x'];
const MOVES = {
  publish: 8,
  burst: 3,
  many: 1.5,
  subscribe: 3,
  resume: 2,
  read: 0.7,
  sleep: 3,
  repeat: 1,
  drain: 0.7,
};

const FILLING = 200;
const CROWD = 24;
const OF_CROWD = { pattern: '*', from: 'now', overflow: 'catch-up', maxBuffer: 1, handlerMs: 0 };

/** @param {string} [scene] plays this one in each seed */
export function planOf(seed, scene) {
  const played = sceneOf(seed, scene);
  return played === undefined ? gameOf(seed) : { seed, ...played };
}

function gameOf(seed) {
  const random = new Random(seed);
  const shards = random.pick([1, 1, 1, 2, 2, 3]);
  const options = {
    shards,
    ringBytes: random.pick([4096, 4096, 8192, 65536]),
    commitBatchEvents: random.pick([1, 2, 5, 64, 4096]),
    publishWaitMs: random.pick([0, 10_000, 10_000, 10_000]),
  };
  const consumer = random.chance(0.3) ? consumerOf(random) : undefined;
  const processes = random.pick([1, 1, 1, 2]);
  const endpoints = 1 + random.below(3);
  /** @type {any} */
  const plan = { seed, options, isFresh: random.chance(0.1), consumer, processes: [], faults: [] };
  for (let i = 0; i < processes; i++) plan.processes.push(processOf(random, endpoints, i));
  if (random.chance(0.75)) plan.faults = faultsOf(random, shards, endpoints);
  if (plan.processes.length > 1 && plan.processes[0].end === 'power' && random.chance(0.5)) {
    const thread = `millrace-shard-${random.below(shards)}`;
    plan.faults.push({ kind: 'power', thread, at: 1 + random.below(6) });
  }
  if (random.chance(0.25)) addClients(random, plan);
  if (consumer !== undefined) addWork(random, plan);
  if (random.chance(0.12)) addBlocking(random, plan);
  if (random.chance(0.15)) addRetention(random, plan);
  if (plan.faults.some(({ kind }) => kind === 'clock')) addRepeats(plan);
  // Of its own, so that the other games of a seed stay what they were.
  const more = new Random(seed * 2 + 0x1a7e5);
  if (more.chance(0.15)) addLater(more, plan);
  return plan;
}

/** Publishes that wait for their time, where nothing holds it up. */
function addLater(random, { processes, clients = [], faults, retention, options }) {
  const isHeldUp = faults.some(({ kind }) => kind === 'clock') || options.publishWaitMs < 10_000;
  if (isHeldUp || retention !== undefined) return;
  for (const program of [...processes.map(({ programs }) => programs), clients].flat()) {
    for (let left = random.below(4); left > 0; left--) {
      const place = random.below(program.length + 1);
      const delayMs = random.pick([1, 2, 5, 20, 300]);
      const event = { ...eventOf(random, { ephemeral: 0, written: 0.3 }), persist: true, delayMs };
      const move = { move: 'publish', event, isAwaited: random.chance(0.5) };
      const isCancelled = random.chance(0.2);
      program.splice(place, 0, ...(isCancelled ? [move, cancelOf(random)] : [move]));
    }
  }
}

function cancelOf(random) {
  return { move: 'cancel', pick: random.below(1000) };
}

/** A clock that was believed too early shows in what is known of ids. */
function addRepeats({ seed, processes }) {
  for (const { programs } of processes) {
    for (const [place, program] of programs.entries()) {
      for (const turn of [1, 2, 3]) {
        program.push(
          { move: 'sleep', ms: 1 },
          { move: 'repeat', pick: seed + place * 31 + turn * 7 },
        );
      }
    }
  }
}

/** A subscription that publishers wait for. Its handler may itself publish, and so wait for itself. */
function addBlocking(random, plan) {
  plan.options.publishWaitMs = random.pick([0, 20, 500]);
  const { programs } = random.pick(plan.processes);
  const program = random.pick(programs);
  const move = subscribeOf(random, 'block');
  const echoes = random.pick([0, 0, 2]);
  const maxBuffer = random.pick([1, 1, 3, 20]);
  const blocking = { ...move, overflow: 'block', maxBuffer, echoes, isIterated: false };
  program.splice(random.below(program.length + 1), 0, blocking);
}

/** Removes the oldest events of some topics, by a rule or when it is asked. */
function addRetention(random, plan) {
  const pattern = random.pick(PATTERNS);
  const maxEvents = random.pick([0, 2, 5, 20]);
  plan.retention = { pattern };
  if (maxEvents > 0 && random.chance(0.6)) plan.options.retention = [{ pattern, maxEvents }];
  for (const process of plan.processes) {
    // Of what was pruned and what a power cut took, nobody could say which was which.
    if (process.end === 'power') process.end = 'kill';
    for (const program of process.programs) {
      if (random.chance(0.3)) continue;
      const move = { move: 'prune', pattern, maxEvents };
      program.splice(random.below(program.length + 1), 0, move);
    }
  }
}

/** Clients over WebSockets, whose connections are cut, and whose gateway dies. */
function addClients(random, plan) {
  const count = random.pick([1, 1, 2]);
  plan.clients = Array.from({ length: count }, (_, i) => programOf(random, `client.${i}`));
  // An opening takes the age of an id from the wall clock, and a client repeats what it does not know to be stored.
  plan.faults = plan.faults.filter(({ kind }) => kind !== 'clock');
  for (let left = random.pick([0, 1, 1, 2, 3]); left > 0; left--) {
    if (random.chance(0.25)) {
      plan.faults.push({ kind: 'kill', thread: 'millrace-gateway', at: 1 + random.below(1500) });
    } else {
      const client = `client-${random.below(count)}`;
      plan.faults.push({ kind: 'cut', client, step: 20 + random.below(500) });
    }
  }
}

function consumerOf(random) {
  return {
    pattern: random.pick(PATTERNS),
    order: random.pick(['none', 'topic']),
    maxInFlight: random.pick([1, 3, 1000]),
  };
}

/** Members in some endpoints and clients, at any place of their programs. */
function addWork(random, plan) {
  for (const programs of [...plan.processes.map((one) => one.programs), plan.clients ?? []]) {
    for (const program of programs) {
      if (!random.chance(0.7)) continue;
      const work = {
        move: 'work',
        concurrency: random.pick([1, 1, 2, 10]),
        handlerMs: random.pick([0, 0, 0.05, 5]),
        nakEvery: random.pick([0, 0, 3, 7]),
      };
      program.splice(random.below(program.length + 1), 0, work);
    }
  }
}

function processOf(random, endpoints, number) {
  const programs = [];
  for (let i = 0; i < endpoints; i++) programs.push(programOf(random, `${number}.${i}`));
  return {
    programs,
    end: random.pick(['close', 'kill', 'power']),
    endStep: 40 + random.below(400),
  };
}

function programOf(random, name) {
  const program = [];
  // Some publish mostly what is not stored, so that batches have no commit.
  const ephemeral = random.pick([0.12, 0.12, 0.12, 0.5, 0.95]);
  // Others mostly what is stored and not flushed, so that a batch with a synced event has to flush those before it.
  const written = random.pick([0.25, 0.25, 0.25, 0.9]);
  const length = 3 + random.below(8);
  // A crowd pays more credit at once than the control ring holds.
  if (random.chance(0.03)) {
    for (let i = 0; i < CROWD; i++) {
      program.push({ ...subscribeOf(random, `${name}.crowd-${i}`), ...OF_CROWD });
    }
  }
  // Most games have somebody who listens from the beginning.
  if (random.chance(0.7)) program.push(subscribeOf(random, `${name}.first`));
  // What was not woken is found where everything comes to rest before the next move wakes it.
  const settles = random.pick([0, 0.3, 0.6]);
  for (let i = 0; i < length; i++) {
    program.push(moveOf(random, `${name}.${i}`, { ephemeral, written }));
    if (random.chance(settles)) program.push({ move: 'settle' });
  }
  return program;
}

function moveOf(random, name, shares) {
  const move = random.pickWeighted(MOVES);
  const event = () => eventOf(random, shares);
  switch (move) {
    case 'publish':
      return { move, event: event(), isAwaited: random.chance(0.6) };
    case 'burst':
      return { move, events: burstOf(random, event) };
    case 'many':
      return {
        move,
        events: Array.from({ length: 1 + random.below(6) }, event),
        atomic: random.chance(0.3),
      };
    case 'subscribe':
      return subscribeOf(random, name);
    case 'sleep':
      return { move, ms: random.pick([0.05, 0.1, 0.3, 1, 20, 300]) };
    case 'resume':
      return { move, pick: random.below(1000), isDrained: random.chance(0.3) };
    case 'repeat':
      return { move, pick: random.below(1000), isSynced: random.chance(0.4) };
    default:
      return { move };
  }
}

/** Some bursts fill a ring of 4 KiB, which holds about a dozen records of `FILLING`; larger ones travel beside it. */
function burstOf(random, event) {
  if (random.chance(0.6)) return Array.from({ length: 2 + random.below(14) }, event);
  return Array.from({ length: 12 + random.below(20) }, () => ({ ...event(), pad: FILLING }));
}

function eventOf(random, { ephemeral, written }) {
  return {
    topic: random.pick(TOPICS),
    pad: random.pick([0, 0, 10, 100, FILLING, 700, 2000]),
    persist: !random.chance(ephemeral),
    durability: random.chance(written) ? 'written' : 'synced',
    hasId: random.chance(0.4),
  };
}

function subscribeOf(random, name) {
  const overflow = random.pick([
    'catch-up',
    'catch-up',
    'catch-up',
    'catch-up',
    'drop-oldest',
    'conflate',
  ]);
  return {
    move: 'subscribe',
    name,
    pattern: random.pick(PATTERNS),
    from: random.pick(['now', 'earliest', 'earliest']),
    overflow,
    maxBuffer: random.pick([1, 2, 5, 1000]),
    /** How long a handler takes: 0 is within the call. */
    handlerMs: random.pick([0, 0, 0, 0.05, 5]),
    isIterated: random.chance(0.25),
  };
}
