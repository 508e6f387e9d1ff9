import { openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pass } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { Random } from '../../storage/random.js';
import { answerCalls } from '../answer-calls.js';
import { digestOf, summaryOf } from './summary.js';

/**
 * The bus whose events go elsewhere: `node source.js OPTIONS`, `{ dist, dir, archive, there, hook, secret, history, life }`.
 * It publishes, and notes each event in `history` before it is published and when it is acknowledged; forwards all of them,
 * posts all of them, and archives what its retention removes.
 */
const options = JSON.parse(process.argv[2]);
const load = (file) => import(pathToFileURL(join(options.dist, file)).href);
const [{ openBus }, { forward, webhook }] = await Promise.all([load('index.js'), load('sinks.js')]);
const TOPICS = Array.from({ length: 12 }, (_, n) => `a.${n}`);
const PAUSE_MS = 8;

const random = new Random(options.life);
const history = openSync(options.history, 'a', 0o600);
const bus = await openBus({
  dir: options.dir,
  shards: 2,
  archive: { dir: options.archive, segmentBytes: 65_536, segmentMs: 200 },
  retention: [{ maxEvents: 300, untilConsumedBy: ['to-there', 'hooks'] }],
  onError: () => {},
});
// A process that was killed holds its events until their leases end.
const definition = {
  filter: 'a.*',
  from: 'earliest',
  order: 'topic',
  maxAttempts: 1000,
  backoffMs: [20],
  leaseMs: 5000,
};
const consumers = {
  forward: await bus.consumer('to-there', definition),
  webhook: await bus.consumer('hooks', definition),
};
forward({
  consumer: consumers.forward,
  to: { url: options.there },
  here: 'here',
  there: 'there',
  onError: () => {},
});
webhook({
  consumer: consumers.webhook,
  url: options.hook,
  secret: options.secret,
  allow: ['loopback'],
  timeoutMs: 2000,
  retryAfterMaxMs: 1000,
  onError: () => {},
});

let isPublishing = true;
const publishing = publish();

async function publish() {
  for (let n = 0; isPublishing; ) {
    const events = Array.from({ length: 1 + random.below(20) }, () => eventOf(n++));
    note('tried', events);
    await bus.publishMany(events).then(
      () => note('acked', events),
      () => {},
    );
    await pass(PAUSE_MS);
  }
}

function eventOf(n) {
  const text = 'x'.repeat(random.below(random.chance(0.02) ? 20_000 : 200));
  const payload = { life: options.life, n, text };
  return { id: `${options.life}-${n}`, topic: random.pick(TOPICS), type: 'made', payload };
}

/** A line is written in one call, so a kill leaves it whole or not at all. */
function note(what, events) {
  const lines = events.map(({ id, topic, payload }) =>
    JSON.stringify([what, id, topic, digestOf(payload)]),
  );
  writeSync(history, `${lines.join('\n')}\n`);
}

async function figuresOf(consumer) {
  const { pending, inFlight, acked, dead } = await consumer.info();
  return { pending, inFlight, acked, dead };
}

answerCalls({
  quiet: async () => {
    isPublishing = false;
    await publishing;
  },
  state: async () => ({
    forward: await figuresOf(consumers.forward),
    webhook: await figuresOf(consumers.webhook),
  }),
  log: () => summaryOf(bus),
  archived: async () => {
    const { shards } = await bus.stats();
    return shards.reduce((sum, { archive }) => sum + (archive?.through ?? 0), 0);
  },
  end: async () => {
    await bus.close();
    process.exit(0);
  },
});
