import { Random } from '../../storage/random.js';

/**
 * Storms over a bus within its own process. Each throws if the bus did anything wrong meanwhile, and returns how often it
 * struck. Afterwards nothing of it is to be left: no subscription, no consumer, no topic, no row.
 */
export const inside = { churn, topics, ids, consumers };

const AT_ONCE = 200;

/** Subscribes and unsubscribes, in every order, on patterns of all kinds, while events pass. */
async function churn({ bus, count, seed }) {
  const random = new Random(seed);
  const open = [];
  let received = 0;
  for (let n = 0; n < count; n++) {
    const pattern = random.pick([`c.${n % 97}`, `c.${n % 13}.*`, 'c.*', `c.+.${n % 7}`]);
    const subscription = bus.subscribe(pattern, () => received++, { maxBuffer: 1 + (n % 50) });
    if (random.chance(0.5)) open.push(subscription);
    // It ends before the shards have heard of it.
    else void subscription.unsubscribe();
    if (n % 11 === 0) void bus.publish(event(`c.${n % 97}`, n), { persist: false });
    if (open.length < AT_ONCE) continue;
    await open[0].ready;
    for (const one of open.splice(0)) await one.unsubscribe();
  }
  for (const one of open) await one.unsubscribe();
  received = 0;
  const last = bus.subscribe('c.*', () => received++);
  await last.ready;
  await bus.publish(event('c.0', count), { persist: false });
  await bus.drain();
  await last.unsubscribe();
  if (received === 0) throw new Error('a subscription after the churn got no event');
  return count;
}

/** Publishes on topics of which each has one event, stored or not, and then removes them all. */
async function topics({ bus, count, seed }) {
  let got = 0;
  const all = bus.subscribe('brief.*', () => got++);
  await all.ready;
  let stored = 0;
  for (let at = 0; at < count; at += AT_ONCE) {
    const events = Array.from({ length: Math.min(AT_ONCE, count - at) }, (_, n) =>
      event(`brief.${seed}-${at + n}`, n),
    );
    const persist = (at / AT_ONCE) % 4 === 0;
    await bus.publishMany(events, persist ? { durability: 'written' } : { persist: false });
    if (persist) stored += events.length;
  }
  await bus.drain();
  await all.unsubscribe();
  const { events } = await bus.prune({ pattern: 'brief.*', maxEvents: 0 });
  if (events !== stored)
    throw new Error(`${events} of ${stored} events on brief topics were removed`);
  if (got !== count) throw new Error(`${got} of ${count} events on brief topics were delivered`);
  return count;
}

/** Publishes with ids, each of them twice: the second is a repeat as long as the shard knows the first. */
async function ids({ bus, count, seed }) {
  const known = 500;
  let repeats = 0;
  for (let at = 0; at < count; at += known) {
    const events = Array.from({ length: Math.min(known, count - at) }, (_, n) => ({
      ...event('ids', n),
      id: `id-${seed}-${at + n}`,
    }));
    const first = await bus.publishMany(events, { durability: 'written' });
    const second = await bus.publishMany(events, { durability: 'written' });
    if (first.some(({ duplicate }) => duplicate))
      throw new Error('a new id was taken for a repeat');
    for (const [n, { duplicate, sequence }] of second.entries()) {
      if (duplicate && sequence === first[n].sequence) repeats++;
    }
  }
  if (repeats !== count) throw new Error(`${repeats} of ${count} repeats were recognised`);
  await bus.prune({ pattern: 'ids', maxEvents: 0 });
  return count;
}

/** Makes consumers, each with a member that does an event, and deletes them. */
async function consumers({ bus, count, seed }) {
  for (let at = 0; at < count; at += 20) {
    await Promise.all(
      Array.from({ length: Math.min(20, count - at) }, (_, n) => one(bus, seed, at + n)),
    );
  }
  await bus.prune({ pattern: 'work.*', maxEvents: 0 });
  return count;
}

async function one(bus, seed, n) {
  const topic = `work.${n % 100}`;
  const consumer = await bus.consumer(`storm-${seed}-${n}`, { filter: topic, from: 'now' });
  const done = new Promise((resolve) => {
    const run = consumer.run(async () => resolve(run));
  });
  await bus.publish(event(topic, n), { durability: 'written' });
  const run = await done;
  await run.stop();
  await consumer.delete();
}

function event(topic, n) {
  return { topic, type: 'storm', payload: { n } };
}
