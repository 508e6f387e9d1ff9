import { digestOf, payloadOf, TOPICS } from './events.js';
import { tell } from './tell.js';

/** Publishing in which each step is reported by `tell`. */
const FILL_BATCH = 500;
/** Of a payload that goes to a file. */
const LARGE_BYTES = 17_000;

/** Publishes an event; never rejects, as a refusal is reported. @returns whether it was acknowledged */
export function publishOne(bus, id, { topic, bytes, durability }) {
  return publishPayload(bus, id, { topic, payload: payloadOf(id, bytes), durability });
}

async function publishPayload(bus, id, { topic, payload, durability }) {
  tell('attempt', id, topic, digestOf(payload));
  try {
    const ack = await bus.publish({ id, topic, type: 'stored', payload }, { durability });
    tell('ack', id, ack.shard, ack.sequence, ack.durability);
    return true;
  } catch (error) {
    tell('refused', id, error.code ?? 'UNTYPED');
    return false;
  }
}

/** Publishes `count` events, at most `window` in flight; their ids begin with `prefix`. */
export async function publishSome(bus, random, { prefix, count, writtenShare, bytesMax, window }) {
  const open = new Set();
  for (let n = 0; n < count; n++) {
    const one = {
      topic: random.pick(TOPICS),
      bytes: random.chance(0.02) ? bytesMax : random.below(300),
      durability: random.chance(writtenShare) ? 'written' : 'synced',
    };
    const sent = publishOne(bus, `${prefix}${n}`, one).then(() => open.delete(sent));
    open.add(sent);
    if (open.size >= window) await Promise.race(open);
  }
  await Promise.all(open);
}

/** As `publishSome`; most payloads go to files, and every third of these is one of two. */
export async function publishLarge(bus, random, { prefix, count, writtenShare, window }) {
  const open = new Set();
  for (let n = 0; n < count; n++) {
    const id = `${prefix}${n}`;
    const isShared = random.chance(1 / 3);
    const of = isShared ? `same-${random.below(2)}` : id;
    const bytes = isShared || random.chance(0.7) ? LARGE_BYTES : random.below(300);
    const durability = random.chance(writtenShare) ? 'written' : 'synced';
    const payload = payloadOf(of, bytes);
    const sent = publishPayload(bus, id, { topic: random.pick(TOPICS), payload, durability });
    const done = sent.then(() => open.delete(done));
    open.add(done);
    if (open.size >= window) await Promise.race(open);
  }
  await Promise.all(open);
}

/** Subscribes to everything, and reports each event that is delivered. */
export function watch(bus) {
  const seen = bus.subscribe('*', ({ id, shard, sequence }) => tell('seen', id, shard, sequence));
  seen.closed.catch((error) => tell('error', `subscription: ${error.code} ${error.message}`));
  return seen.ready;
}

export async function prune(bus, pattern, maxEvents) {
  tell('prune', pattern);
  await bus.prune({ pattern, maxEvents });
}

/** Publishes small events to the topics of the first topic's shard, in turn, until the shard has `events` events. */
export async function fillShard(bus, prefix, events) {
  const acks = await bus.publishMany(
    TOPICS.map((topic) => smallEvent(`${prefix}_${topic[0]}${topic[2]}`, topic)),
  );
  const { shard } = acks[0];
  const topics = acks.filter((ack) => ack.shard === shard).map(({ topic }) => topic);
  for (let n = acks.findLast((ack) => ack.shard === shard).sequence; n < events; ) {
    const count = Math.min(FILL_BATCH, events - n);
    const batch = Array.from({ length: count }, (_, k) =>
      smallEvent(`${prefix}_${n + k}`, topics[(n + k) % topics.length]),
    );
    await bus.publishMany(batch);
    n += count;
  }
}

function smallEvent(id, topic) {
  return { id, topic, type: 'stored', payload: payloadOf(id, 10) };
}
