import { openBus } from '../../dist/index.js';
import { digestOf, TOPICS } from './events.js';
import { described, ENDLESS } from './observation.js';

/**
 * Opens a directory as a bus, and reads all of it in every way that users can: `read` in both directions, of all topics
 * and of each, subscriptions from the beginning and from a cursor before all events, and the list of topics.
 */
export async function observeBus(dir, cursor) {
  const began = performance.now();
  const bus = await openBus({ dir, systemEvents: false, onError: () => {} });
  const openMs = performance.now() - began;
  try {
    const readings = { topics: await topicsOf(bus) };
    readings.forward = await reading(bus.read({ topic: '*' }));
    readings.backward = await reading(bus.read({ topic: '*', reverse: true }));
    for (const topic of TOPICS) {
      readings[`topic ${topic}`] = await reading(bus.read({ topic }));
      readings[`topic ${topic} backward`] = await reading(bus.read({ topic, reverse: true }));
    }
    readings.subscription = await subscription(bus, 'earliest');
    if (cursor !== undefined) readings.resumed = await subscription(bus, { after: cursor });
    const { shards } = await bus.stats();
    return {
      epoch: bus.epoch,
      openMs,
      shards: shards.map(({ head, shard }) => ({ head, readings: ofShard(readings, shard) })),
    };
  } finally {
    await bus.close();
  }
}

function ofShard(readings, shard) {
  const entries = Object.entries(readings).map(([name, { events, gaps = [], error }]) => {
    const keys = events.filter((one) => one.shard === shard).map(({ key }) => key);
    return [name, { keys, gaps: gaps.filter((one) => one.shard === shard), error }];
  });
  return Object.fromEntries(entries);
}

function taken(event) {
  return { shard: event.shard, key: `${event.sequence}:${digestOf(event)}` };
}

async function topicsOf(bus) {
  try {
    const topics = await bus.topics('*');
    topics.sort((a, b) => (a.name < b.name ? -1 : 1));
    return {
      events: topics.map((one) => ({ shard: one.shard, key: `${one.name}:${digestOf(one)}` })),
    };
  } catch (error) {
    return { events: [], error: described(error) };
  }
}

async function reading(source) {
  /** @type {{ events: { shard: number, key: string }[], error?: string }} */
  const found = { events: [] };
  try {
    for await (const event of source) {
      found.events.push(taken(event));
      if (found.events.length > ENDLESS) throw new Error('it does not end');
    }
  } catch (error) {
    found.error = described(error);
  }
  return found;
}

async function subscription(bus, from) {
  /** @type {{ events: { shard: number, key: string }[], gaps: import('millrace').Gap[], error?: string }} */
  const found = { events: [], gaps: [] };
  const held = bus.subscribe('*', (event) => void found.events.push(taken(event)), { from });
  held.on('gap', (gap) => found.gaps.push(gap));
  // Handled by `closed`; the listener keeps the error from being reported as unhandled.
  held.on('error', () => {});
  const failed = held.closed.then(() => {
    throw new Error('the subscription ended by itself');
  });
  try {
    await Promise.race([held.ready.then(() => bus.drain()), failed]);
  } catch (error) {
    found.error = described(error);
  }
  failed.catch(() => {});
  await held.unsubscribe().catch(() => {});
  return found;
}
