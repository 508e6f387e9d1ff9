import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { median, quantile } from '../../stage/measure.js';

/**
 * How much slower the server is for alice while mallory takes as much of it as she can. Alice publishes, reads and asks
 * over one connection; the rounds without and with mallory take turns. Mallory is a process of her own with the least
 * priority, as on a machine of her own she would take no processor from the server.
 */
const ATTACKER = fileURLToPath(new URL('./attacker.js', import.meta.url));
const RATIO_MAX = 2;
const MIB = 1024 * 1024;

/** Batches of 2000 events that mallory has published before. */
const HISTORY_BATCHES = 60;
const prepared = new WeakSet();

const WAYS = [
  'small publishes',
  'large publishes',
  'batches of events',
  'frames that are no JSON',
  'frames of many small parts',
  'pings',
  'giant filters',
  'texts of leases',
  'queries that find nothing',
  'queries that find much',
  'queries of the newest of each topic',
  'ids that are not there',
  'replays from the beginning',
  'previews of seeks',
  'figures of consumers',
  'consumers that are opened',
  'open events of a consumer',
  'pulls of large jobs',
  'lists of waiting publishes',
  'compressed messages',
  'lists of topics',
];

/** Alice's times of one round, ms. */
async function round(socket, topic, ms) {
  const times = [];
  const end = performance.now() + ms;
  do {
    const began = performance.now();
    const published = await socket.one('publish', { event: { topic, type: 't', payload: 1 } });
    assert.equal(published.type, 'published', JSON.stringify(published));
    const { events } = await socket.one('query', { topic, limit: 1, reverse: true });
    assert.equal(events.length, 1);
    times.push(performance.now() - began);
  } while (performance.now() < end);
  return { p50: median(times), p99: quantile(times, 0.99), perSecond: (times.length / ms) * 1000 };
}

/** A process that strikes from `go` until it is killed, and with it all that it has under way ends. */
async function attack(stage, way, connections, during) {
  const args = [way, String(stage.port), stage.tokens.mallory, String(connections)];
  const attacker = fork(ATTACKER, args);
  const told = () => new Promise((resolve) => attacker.once('message', resolve));
  try {
    await told();
    attacker.send('go');
    const result = await during();
    const answer = told();
    attacker.send('halt');
    const { struck } = /** @type {any} */ (await answer);
    return { result, struck };
  } finally {
    attacker.kill('SIGKILL');
  }
}

/** Gives mallory history to look through, a consumer of it with open events, and publishes that wait. */

async function prepare(stage) {
  if (prepared.has(stage)) return;
  prepared.add(stage);
  const socket = await stage.socket('mallory');
  const batch = (many, make) => Array.from({ length: many }, (_, n) => make(n));
  for (let n = 0; n < HISTORY_BATCHES; n++) {
    const events = batch(2000, (at) => ({
      topic: `mallory.t${at % 64}`,
      type: 't',
      payload: 'x'.repeat(200),
      attributes: { n: String(at % 7) },
    }));
    const { type } = await socket.one('publish', { events });
    assert.equal(type, 'published');
  }
  const options = { filter: 'mallory.*', from: 'earliest', maxAttempts: 3 };
  const made = await socket.one('consumer', { name: 'mallory.consumer', options });
  assert.equal(made.type, 'result', JSON.stringify(made));
  const waiting = batch(1000, (at) => ({ topic: `mallory.t${at % 64}`, type: 't', payload: at }));
  const later = await socket.one('publish', { events: waiting, delayMs: 3_600_000 });
  assert.equal(later.type, 'published', JSON.stringify(later));
}

async function slowdown(stage, way, { rounds, ms, connections }) {
  await prepare(stage);
  const socket = await stage.socket('alice');
  const topic = `alice.${stage.fresh('share')}`;
  const without = [];
  const during = [];
  let struck = 0;
  await round(socket, topic, ms / 2);
  const before = stage.server.residentBytes();
  let mib = 0;
  for (let n = 0; n < rounds; n++) {
    without.push(await round(socket, topic, ms));
    const struckBy = await attack(stage, way, connections, () => round(socket, topic, ms));
    during.push(struckBy.result);
    struck += struckBy.struck;
    mib = Math.max(mib, (stage.server.residentBytes() - before) / MIB);
    // What is under way ends first.
    await round(socket, topic, ms / 2);
  }
  return { struck, mib: Math.round(mib), ...compared(without, during) };
}

/** The medians of the rounds, and how many times slower alice was served. */
function compared(without, during) {
  const two = (value) => Math.round(value * 100) / 100;
  const of = (list, name) => median(list.map((one) => one[name]));
  const one = (name, slower) => {
    const [plain, hurt] = [of(without, name), of(during, name)];
    return { without: two(plain), during: two(hurt), ratio: two(slower(plain, hurt)) };
  };
  return {
    p50: one('p50', (plain, hurt) => hurt / plain),
    p99: one('p99', (plain, hurt) => hurt / plain),
    perSecond: one('perSecond', (plain, hurt) => plain / hurt),
  };
}

export const attacks = WAYS.map((way) => ({
  name: `more than a share, by ${way}`,
  wants: `the server's time, by ${way}`,
  isLong: true,
  async play(stage) {
    const figures = await slowdown(stage, way, { rounds: 3, ms: 2000, connections: 32 });
    assert.ok(figures.struck > 0);
    assert.ok(figures.mib < 768, JSON.stringify(figures));
    assert.ok(
      figures.p50.ratio <= RATIO_MAX,
      `alice is served ${figures.p50.ratio} times slower: ${JSON.stringify(figures)}`,
    );
    return figures;
  },
}));
