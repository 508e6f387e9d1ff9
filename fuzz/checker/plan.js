import { Random } from '../storage/random.js';
import { digestOf, payloadText } from './events.js';

/**
 * What a run is made of, all from its seed: the options of the bus, the actors with what each does, and the content of
 * every event, which follows from its id and topic. So whoever publishes an event again publishes the same.
 */

export const FACTS = [
  't.0',
  't.1',
  't.2',
  't.3',
  't.4',
  't.5',
  't.6',
  't.deep.a',
  't.deep.b',
  't.7',
];
export const JOBS = ['jobs.0', 'jobs.1', 'jobs.2', 'jobs.3', 'jobs.4', 'jobs.5'];
/** Of events some of which no member ever does, so that they die. */
export const DOOM = ['doom.0', 'doom.1'];
const LETTERS = 'dead.doom';
/** The shortest interval that a schedule may have. */
const TICK_MS = 1000;
/** Of topics that retention prunes: so many of its newest events stay. */
const KEPT = 200;
const TYPES = ['fact_a', 'fact_b', 'fact_c'];
const END = 'end.*';
/** Filters of readers that do not take everything. */
export const FILTERS = [
  { topics: ['t.*', END] },
  { topics: ['t.+', 'short.*', END] },
  { topics: ['t.1', 't.5', END] },
  { topics: ['t.deep.*', 'jobs.*', END] },
  { topics: ['t.*', END], types: ['fact_b', 'end'] },
];

/** The definitions of the consumers. Kills cost attempts, and no event of `jobs` is meant to die. */
function consumersOf(random, order) {
  const common = { from: 'earliest', backoffMs: [20, 50] };
  const jobs = {
    ...common,
    filter: 'jobs.*',
    order: random.pick(['topic', 'attributes.key']),
    leaseMs: random.pick([1500, 5000, 30_000]),
    maxAttempts: 100,
  };
  const doom = {
    ...common,
    filter: 'doom.*',
    leaseMs: 1500,
    maxAttempts: 3,
    deadLetter: LETTERS,
  };
  return { jobs: { ...jobs, order: order ?? jobs.order }, doom };
}

/**
 * @param {number} seed
 * @param {Changes} [changes]  what is not as the seed says
 *
 * @typedef {object} Changes
 * @property {object} [bus]       options of the bus
 * @property {boolean} [hasShort] whether there are topics that retention prunes
 * @property {number} [kept]      how many events retention keeps
 * @property {number} [pace]      how many times as fast publishers publish
 * @property {number} [filter]    the filter of all readers that do not take everything: an index of `FILTERS`
 * @property {number} [maxBuffer] of all readers
 * @property {string} [order]     the order of the consumer `jobs`
 * @property {boolean} [isTimed]  whether there are delayed publishes and schedules; clocks that lie rule them out
 * @property {string[] | undefined} [hosts]   the only hosts that have actors
 * @property {any[]} [actors]     all actors, in the place of those of the seed
 */
export function planOf(
  seed,
  {
    bus: busChanges,
    hasShort,
    pace = 1,
    filter,
    order,
    hosts,
    kept = KEPT,
    maxBuffer,
    isTimed = true,
    actors,
  } = /** @type {Changes} */ ({}),
) {
  const random = new Random(seed);
  const isShort = random.chance(0.5);
  const retention = (hasShort ?? isShort) ? [{ pattern: 'short.*', maxEvents: kept }] : [];
  const bus = {
    shards: random.pick([1, 2, 3]),
    systemEvents: false,
    // A repeat may wait for a server that is away for longer than the usual two minutes.
    dedupeWindowMs: 3_600_000,
    ringBytes: random.pick([8192, 65_536, 4 * 1024 * 1024]),
    commitBatchEvents: random.pick([1, 16, 4096]),
    retention,
    ...busChanges,
  };
  const { shards } = bus;
  const consumers = consumersOf(random, order);
  return {
    seed,
    shards,
    bus,
    /** Topics whose oldest events may be removed; the newest `kept` of all of them stay, in each shard. */
    pruned: retention.map(({ pattern, maxEvents }) => ({
      pattern,
      kept: Math.floor(maxEvents / shards),
    })),
    isTimed,
    consumers,
    actors: (
      actors ?? actorsOf(random, { hasShort: retention.length > 0, pace, filter, maxBuffer })
    ).filter(
      ({ host, role }) =>
        (hosts === undefined || hosts.includes(host)) && (isTimed || role !== 'scheduler'),
    ),
  };
}

/** @returns `{ name, host, role, … }` for each; a host is a process or a thread */
function actorsOf(random, { hasShort, pace, filter, maxBuffer }) {
  const facts = hasShort ? [...FACTS, 'short.0', 'short.1'] : FACTS;
  const publisher = (name, host, more = /** @type {any} */ ({})) => ({
    name,
    host,
    role: 'publisher',
    topics: facts,
    window: random.pick([1, 8, 64]),
    ...more,
    perSecond: (more.perSecond ?? 60) * pace,
  });
  const reader = (name, host, more = {}) => ({
    name,
    host,
    role: 'reader',
    filter: FILTERS[filter ?? random.below(FILTERS.length)],
    from: random.pick(['now', 'earliest']),
    maxBuffer: maxBuffer ?? random.pick([8, 1000]),
    slowShare: random.pick([0, 0, 0.02]),
    savesEvery: random.pick([1, 10]),
    ...more,
  });
  const all = { topics: ['*'] };
  return [
    publisher('inside-publisher', 'subject'),
    publisher('inside-jobs', 'subject', {
      topics: [...JOBS, ...DOOM],
      isOfJobs: true,
      perSecond: 30,
    }),
    reader('inside-all', 'subject', { filter: all, from: 'earliest' }),
    reader('inside-some', 'subject'),
    member('inside-member', 'subject', 4),
    member('inside-undertaker', 'subject', 2, 'doom'),
    { name: 'inside-scheduler', host: 'subject', role: 'scheduler', schedule: tickOf('inside') },
    publisher('worker-publisher', 'worker'),
    reader('worker-reader', 'worker'),
    member('worker-member', 'worker', 2),
    ...['1', '2'].flatMap((n) => [
      publisher(`socket-publisher-${n}`, `sockets-${n}`),
      reader(`socket-all-${n}`, `sockets-${n}`, {
        filter: all,
        from: 'earliest',
      }),
      reader(`socket-some-${n}`, `sockets-${n}`),
      member(`socket-member-${n}`, `sockets-${n}`, 4),
      { name: `socket-asker-${n}`, host: `sockets-${n}`, role: 'asker', topics: facts },
    ]),
    member('socket-undertaker', 'sockets-1', 2, 'doom'),
    {
      name: 'socket-scheduler',
      host: 'sockets-1',
      role: 'scheduler',
      schedule: tickOf('socket'),
    },
    publisher('http-publisher', 'http', { window: 1, perSecond: 30 }),
    reader('stream-reader', 'http', random.chance(0.5) ? { filter: all } : {}),
    { name: 'http-asker', host: 'http', role: 'asker', topics: facts },
  ];
}

function member(name, host, concurrency, consumer = 'jobs') {
  return { name, host, role: 'member', concurrency, consumer };
}

/** A schedule that publishes each second. */
function tickOf(name) {
  return { name: `tick-${name}`, topic: `tick.${name}`, everyMs: TICK_MS };
}

/** The hosts of the plan that are processes of clients. */
export function clientHosts({ actors }) {
  const hosts = new Set(actors.map(({ host }) => host));
  return [...hosts].filter((host) => host !== 'subject' && host !== 'worker');
}

/**
 * The event of an id on a topic: `{ input, text, entry }`: its fields without the payload, the text of that, and what a
 * history says of it.
 */
export function eventOf({ seed }, id, topic) {
  const random = new Random(seed ^ hashOf(`${id} ${topic}`));
  const isJob = /^(jobs|doom)\./.test(topic);
  const bytes = random.pickWeighted({ 20: 60, 300: 30, 3000: 8, 30000: 2 });
  const exact = random.chance(0.05);
  const input = { id, topic, type: isJob ? 'job' : random.pick(TYPES) };
  if (isJob) Object.assign(input, { attributes: { key: `k${random.below(20)}` } });
  const text = payloadText(random, id, { bytes: Number(bytes), exact });
  return { input, text, entry: entryOf(input, text) };
}

/** A marker, which every reader gets at the end. */
export function markerOf(id, topic) {
  const input = { id, topic, type: 'end' };
  const text = JSON.stringify({ id });
  return { input, text, entry: entryOf(input, text) };
}

function entryOf(input, text) {
  const digest = digestOf(input, text);
  const parsed = digestOf(input, JSON.stringify(JSON.parse(text)));
  const { id, topic, type } = input;
  return parsed === digest ? [id, topic, type, digest] : [id, topic, type, digest, parsed];
}

/** What a schedule publishes: `{ options, entry }`, what it is set with, and what a history says of it. */
export function scheduleOf({ name, topic, everyMs }) {
  const payload = { tick: name };
  const type = 'tick';
  const options = { everyMs, event: { topic, type, payload }, missed: 'all' };
  return { options, entry: { name, topic, type, everyMs, text: JSON.stringify(payload) } };
}

/** What a member does with a job that it has at an attempt, in a lease. */
export function fateOf({ seed }, id, { attempt, lease, consumer = 'jobs' }) {
  const random = new Random(seed ^ hashOf(`fate ${id}`));
  if (consumer === 'doom') {
    return { workMs: 0, says: random.pickWeighted({ ack: 50, term: 25, nak: 25 }) };
  }
  const kind = random.pickWeighted({ done: 85, slow: 5, flaky: 5, back: 5 });
  const workMs = kind === 'slow' ? 20 + random.below(180) : 0;
  if (kind === 'flaky' && attempt === 1) return { workMs, says: 'nak' };
  // A hand-back costs no attempt, so the attempt does not tell the first time from others.
  if (kind === 'back' && lease % 2 === 0) return { workMs, says: 'back' };
  return { workMs, says: 'ack' };
}

function hashOf(text) {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  }
  return hash >>> 0;
}
