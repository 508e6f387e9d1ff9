import { BroadcastChannel } from 'node:worker_threads';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Bus, BusOptions } from '../../src/main/bus.js';
import { SHARED_DEDUPE_WINDOW_MS_MIN } from '../../src/protocol/limits/store.js';
import type { OpenStore, StoreRequest } from '../../src/store/log-store.js';
import type { Broker, HeldStore } from '../../src/testing.js';
import { IN_MEMORY, memoryBroker, ON_A_BROKER, withFault } from '../testing/subjects.js';
import { Collector, gather } from './support/collector.js';
import { refused } from './support/failures.js';
import { controls, openBus } from './support/millrace.js';
import { temporaryDirectory } from './support/open.js';
import { expectSameHistory, expectWithoutHoles } from './support/oracle.js';
import { until, watch, within } from './support/wait.js';

/** Buses on one shared store: other nodes write to it, and commits come late. */
function newBroker(options: Parameters<typeof memoryBroker>[0] = {}): Broker {
  const broker = memoryBroker(options);
  onTestFinished(() => broker.close());
  return broker;
}

interface Node {
  readonly bus: Bus;
  readonly store: HeldStore;
}

async function nodeOn(broker: Broker, options: Omit<BusOptions, 'dir'> = {}): Promise<Node> {
  const store = broker.connect();
  const bus = await openBus({ ...options, store });
  onTestFinished(async () => {
    store.release();
    await bus.close();
  });
  return { bus, store };
}

const input = (n: number, from = 'node', topics = 5) => ({
  topic: `t.${n % topics}`,
  type: 'counted',
  payload: { n, from },
});

const inputs = (count: number, from: string) =>
  Array.from({ length: count }, (_, n) => input(n, from));

const sortedIds = (acks: readonly { id: string }[]) => acks.map(({ id }) => id).sort();

describe('alerts on a shared store', () => {
  test('count the events of all nodes, and are kept by no node', async () => {
    const broker = newBroker({ shards: 2 });
    const one = await nodeOn(broker);
    const other = await nodeOn(broker);
    await one.bus.setAlert({ name: 'counted', when: 'any counted on t.*' });
    const seen = await Collector.start(one.bus, 't.*');
    await other.bus.publishMany(inputs(20, 'other'));
    await one.bus.publish(input(1, 'one'), { persist: false });
    await seen.count(21);
    await controls(one.bus).judgeAlerts();
    const { alerts } = await one.bus.alerts();
    expect(alerts).toMatchObject([{ name: 'counted', state: 'firing', value: 21 }]);
    expect((await other.bus.alerts()).alerts).toEqual([]);
  });
});

describe('a commit that comes late', () => {
  test('is acknowledged late, and meanwhile holds back neither deliveries nor answers', async () => {
    const broker = newBroker();
    const late = await nodeOn(broker);
    const other = await nodeOn(broker);
    const live = await Collector.start(late.bus, '*');
    late.store.hold();
    const publish = late.bus.publish(input(0, 'late'));
    const state = watch(publish);
    await until('the append waits', () => late.store.held === 1);
    const acks = await other.bus.publishMany(inputs(50, 'other'));
    await live.count(50);
    const behind = await Collector.start(late.bus, '*', { from: 'earliest' });
    await behind.count(50);
    expect(await late.bus.topics()).toHaveLength(5);
    expect(state.settled).toBe(false);
    late.store.release();
    const ack = await within('the ack', publish);
    expect(ack).toMatchObject({ sequence: 51, duplicate: false });
    await live.count(51);
    expectSameHistory(live.events, [...acks, ack], 'live');
  });

  test('is acknowledged after its events were delivered: a later subscription does not get them', async () => {
    const { bus } = await nodeOn(newBroker());
    // More at once than the log keeps at hand, so that it has to fetch before the shard can deliver.
    const events = inputs(2000, 'before');
    for (let round = 0; round < 5; round++) {
      await bus.publishMany(events);
      const late = await Collector.start(bus, '*');
      const { sequence } = await bus.publish(input(round, 'after'));
      await late.count(1);
      expect(late.events.map((event) => event.sequence)).toEqual([sequence]);
    }
  });

  test('makes the next batches wait, in their order', async () => {
    const { bus, store } = await nodeOn(newBroker());
    const live = await Collector.start(bus, '*');
    store.hold();
    const first = bus.publish(input(0));
    await until('the append waits', () => store.held === 1);
    const rest = bus.publishMany(inputs(300, 'rest'));
    const fleeting = bus.publish({ ...input(0, 'fleeting') }, { persist: false });
    store.release();
    const acks = [await first, ...(await rest)];
    await fleeting;
    await live.count(302);
    expect(live.events.map(({ sequence }) => sequence).filter(Number.isInteger)).toEqual(
      acks.map(({ sequence }) => sequence),
    );
  });

  test('is waited for by a closing bus', async () => {
    const broker = newBroker();
    const { bus, store } = await nodeOn(broker);
    const other = await nodeOn(broker);
    store.hold();
    const publish = bus.publish(input(0));
    await until('the append waits', () => store.held === 1);
    const closed = bus.close();
    store.release();
    expect(await within('the ack', publish)).toMatchObject({ sequence: 1 });
    await within('close', closed);
    await until('the other node has it', async () => {
      return (await gather(other.bus.read({ topic: '*' }))).length === 1;
    });
  });

  test('refuses the batch if the store is full by then, and the bus goes on', async () => {
    const { bus, store } = await nodeOn(newBroker({ eventsMax: 3 }));
    const live = await Collector.start(bus, '*');
    store.hold();
    const first = bus.publish(input(0, 'first'));
    await until('the append waits', () => store.held === 1);
    // All in the ring before the shard takes more, so that they are one batch.
    const tooMany = bus.publishMany(inputs(3, 'too many'));
    store.release();
    await refused(() => tooMany, 'STORE_FULL');
    expect(await first).toMatchObject({ sequence: 1 });
    expect(await bus.publish(input(0, 'last'))).toMatchObject({ sequence: 2 });
    await live.count(2);
  });
});

describe('a shared store that is full', () => {
  test('takes repeats, which need no room, and refuses what is new beside them', async () => {
    const { bus, store } = await nodeOn(newBroker({ eventsMax: 2 }));
    const named = { ...input(0), id: 'given' };
    const first = await bus.publish(named);
    store.hold();
    const last = bus.publish(input(1));
    await until('the append waits', () => store.held === 1);
    // In the ring before the shard takes more, so that they are one batch.
    const mixed = bus.publishMany([input(2), named, input(3), named]);
    store.release();
    expect(await last).toMatchObject({ sequence: 2 });
    const repeat = { ...first, duplicate: true };
    await expect(mixed).rejects.toMatchObject({
      code: 'STORE_FULL',
      details: { stored: [1, 3], acks: [repeat, repeat] },
    });
    expect(await bus.publish(named)).toEqual(repeat);
    expect(await gather(bus.read({ topic: '*' }))).toHaveLength(2);
    expect((await bus.stats()).published).toBe(2);
  });

  test('has stored what filled it, and says so although the shard died before it heard', async () => {
    const { bus, store } = await nodeOn(newBroker({ eventsMax: 20 }));
    const live = await Collector.start(bus, '*');
    store.hold();
    const publish = bus.publishMany(inputs(20, 'one'));
    await until('the append waits', () => store.held > 0);
    await controls(bus).killShard(0);
    store.release();
    const acks = await within('the acks', publish);
    expectWithoutHoles(acks);
    await live.count(20);
    expectSameHistory(live.events, acks, 'live');
    await refused(() => bus.publish(input(0)), 'STORE_FULL');
  });
});

describe('a shard of a shared store that dies', () => {
  test.each(['kill', 'crash'] as const)(
    'by a %s with a commit under way stores it once',
    async (how) => {
      const broker = newBroker();
      const { bus, store } = await nodeOn(broker);
      const other = await nodeOn(broker);
      const live = await Collector.start(bus, '*');
      const named = { ...input(1), id: 'given' };
      store.hold();
      const publishes = [bus.publishMany(inputs(20, 'one')), bus.publishMany([named])];
      await until('the append waits', () => store.held > 0);
      if (how === 'kill') await controls(bus).killShard(0);
      else await controls(bus).crashShard(0);
      await until('its restart', async () => (await bus.stats()).shards[0]!.restarts === 1);
      store.release();
      const [made, given] = await within('the acks', Promise.all(publishes));
      expectWithoutHoles([...made!, ...given!]);
      expect(made!.every(({ duplicate }) => !duplicate)).toBe(true);
      await live.count(21);
      const stored = await gather(other.bus.read({ topic: '*' }));
      expect(sortedIds(stored)).toEqual(sortedIds([...made!, ...given!]));
      expectSameHistory(live.events, stored, 'live');
    },
  );
});

test('a shard is replaced whose log fails and does not close', async () => {
  const { store } = await withFault(ON_A_BROKER, 'fails once, and never closes then').create();
  const bus = await openBus({ store });
  onTestFinished(() => bus.close());
  expect(await within('the ack', bus.publish(input(0)))).toMatchObject({ sequence: 1 });
  expect((await bus.stats()).shards[0]!.restarts).toBe(1);
});

test('a shard is replaced whose log has lost its tail, and goes on where it was', async () => {
  const broker = newBroker();
  const { bus } = await nodeOn(broker);
  const live = await Collector.start(bus, '*');
  const first = await bus.publish(input(0));
  const opened = await broker.connect().open({ shards: undefined, defaultShards: 1 });
  const { channel } = opened.shardOptions(0) as { channel: string };
  const news = new BroadcastChannel(channel);
  onTestFinished(() => news.close());
  news.postMessage({
    shard: 0,
    entries: [{ sequence: 9, recordedAt: 1, bytes: new Uint8Array() }],
  });
  await until('its restart', async () => (await bus.stats()).shards[0]!.restarts === 1);
  const second = await bus.publish(input(1));
  await live.count(2);
  expectSameHistory(live.events, [first, second], 'live');
});

test('a bus closes though the answer to its append never comes and other nodes publish', async () => {
  const broker = newBroker();
  const { bus, store } = await nodeOn(broker);
  const other = await nodeOn(broker);
  store.hold();
  const lost = refused(() => bus.publish(input(0)), 'PUBLISH_UNKNOWN');
  await until('the append waits', () => store.held === 1);
  const closed = watch(bus.close());
  await until('the end', async () => {
    await other.bus.publish(input(1));
    return closed.settled;
  });
  await lost;
});

describe('a bus gives its store back', () => {
  async function watched(faults: Partial<OpenStore>) {
    const { store } = await ON_A_BROKER.create();
    let isClosed = false;
    const open = async (request: StoreRequest): Promise<OpenStore> => {
      const opened = await store.open(request);
      const close = async () => {
        isClosed = true;
      };
      return {
        shards: opened.shards,
        epoch: opened.epoch,
        shardLog: opened.shardLog,
        shardOptions: (shard) => opened.shardOptions(shard),
        ready: () => opened.ready(),
        resolveCursor: (...of) => opened.resolveCursor(...of),
        close,
        ...faults,
      };
    };
    return { store: { name: store.name, open }, isClosed: () => isClosed };
  }

  test('where it cannot be opened on it', async () => {
    const shardOptions = () => {
      throw new Error('no address');
    };
    const { store, isClosed } = await watched({ shardOptions });
    await expect(openBus({ store })).rejects.toThrow('no address');
    expect(isClosed()).toBe(true);
  });

  test('where a log that cannot be opened leaves something open', async () => {
    const code = `export async function openShardLog() {
      setInterval(() => {}, 1000);
      throw new Error('no such stream');
    }`;
    const shardLog = `data:text/javascript,${encodeURIComponent(code)}`;
    const { store, isClosed } = await watched({ shardLog });
    const opening = within('the refusal', openBus({ store }), 8000);
    await expect(opening).rejects.toThrow('no such stream');
    expect(isClosed()).toBe(true);
  });

  test('where a step of its closing fails', async () => {
    const backup = () => ({
      result: new Promise<never>(() => {}),
      abort: () => Promise.reject(new Error('no abort')),
    });
    const { store, isClosed } = await watched({ backup });
    const bus = await openBus({ store });
    void bus.backup(temporaryDirectory());
    await expect(bus.close()).rejects.toThrow('no abort');
    expect(isClosed()).toBe(true);
  });
});

test('a bus refuses a shared store that knows ids for too short a time', async () => {
  const broker = newBroker({ dedupeWindowMs: SHARED_DEDUPE_WINDOW_MS_MIN - 1 });
  const open = () => openBus({ store: broker.connect(), dedupeWindowMs: 0 });
  await refused(open, 'OPTION_INVALID', `${SHARED_DEDUPE_WINDOW_MS_MIN}`);
});

test('a bus refuses a log of its own that keeps no ring positions', async () => {
  const { store } = await withFault(IN_MEMORY, 'keeps no ring positions').create();
  await refused(() => openBus({ store, shards: 1 }), 'STORE_FAILED', 'ring positions');
});
