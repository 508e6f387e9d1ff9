import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { Redis } from 'ioredis';
import { natsStore, openBus, redisStore } from 'millrace';
import { againstTarget, check, Latencies, perSecond, readOptions, runBench } from './harness.js';
import { deferred, makeInput, publishWindowed } from './load.js';
import { startNats, startRedis } from './peer-servers.js';

/**
 * A bus on a broker beside the broker's own client that does the same work: events with ids that are stored once, all acknowledged, and one
 * reader that gets them live. The broker is one server on this machine, with its default settings.
 *
 * - Throughput with a bounded window in flight; the client pipelines as its documentation says.
 * - The round trip of a single event with nothing else under way, to its ack and to the reader.
 */

const TARGET = 0.8;
const TOPIC = 'load.0000';
const options = readOptions('A bus on NATS and on Redis, and the bare clients beside it.', {
  events: 50_000,
  batch: 256,
  window: 4096,
  trips: 1000,
  rounds: 3,
});
const { events, batch, window, trips, rounds } = options;

/**
 * What each side does: `publish` sends some events and resolves when all are acknowledged; `onEvent` is called by the reader for each event.
 * @typedef {object} Side
 * @property {(from: number, count: number) => Promise<void>} publish
 * @property {(onEvent: (n: number) => void) => void} listen
 * @property {() => Promise<void>} close
 */

/** @param {import('millrace').LogStore} store @returns {Promise<Side>} */
async function busOn(store) {
  const bus = await openBus({ store, shards: 1, systemEvents: false });
  let onEvent = (/** @type {number} */ _n) => {};
  await bus.subscribe('load.*', ({ payload }) => {
    onEvent(/** @type {{ n: number }} */ (payload).n - FIRST);
  }).ready;
  const input = (/** @type {number} */ n) => ({ ...makeInput(TOPIC, n), id: `e${n}` });
  return {
    publish: async (from, count) => {
      if (count === 1) await bus.publish(input(from));
      else await publishWindowed(bus, count, { batch, window, input: (n) => input(from + n) });
    },
    listen: (listener) => {
      onEvent = listener;
    },
    close: () => bus.close(),
  };
}

const FIRST = 1_000_000;

/** @param {number} port @param {string} stream @returns {Promise<Side>} */
async function bareNats(port, stream) {
  const servers = `127.0.0.1:${port}`;
  const [publisher, reader] = await Promise.all([connect({ servers }), connect({ servers })]);
  const manager = await jetstreamManager(publisher);
  await manager.streams.add({ name: stream, subjects: [`${stream}.>`] });
  const js = jetstream(publisher);
  const consumer = await jetstream(reader).consumers.get(stream, {});
  const messages = await consumer.consume({ max_messages: window });
  let onEvent = (/** @type {number} */ _n) => {};
  void (async () => {
    for await (const message of messages) onEvent(message.json().payload.n - FIRST);
  })();
  return {
    publish: (from, count) =>
      windowed(from, count, (n) => {
        const data = JSON.stringify(makeInput(TOPIC, n));
        return js.publish(`${stream}.${TOPIC}`, data, { msgID: `${stream}-e${n}` });
      }),
    listen: (listener) => {
      onEvent = listener;
    },
    close: async () => {
      await messages.close();
      await Promise.all([publisher.close(), reader.close()]);
    },
  };
}

/** @param {number} port @param {string} key @returns {Promise<Side>} */
async function bareRedis(port, key) {
  const publisher = new Redis({ port, enableAutoPipelining: true });
  const reader = new Redis({ port });
  let onEvent = (/** @type {number} */ _n) => {};
  let isOpen = true;
  const reading = (async () => {
    // The key is new. From `$` on it would miss what is added before its first look.
    let last = '0';
    while (isOpen) {
      const found = await reader
        .xread('COUNT', window, 'BLOCK', 1000, 'STREAMS', key, last)
        .catch(() => null);
      for (const [id, fields] of found?.[0]?.[1] ?? []) {
        last = id;
        onEvent(JSON.parse(fields[1] ?? '{}').payload.n - FIRST);
      }
    }
  })();
  await publisher.ping();
  return {
    publish: (from, count) =>
      windowed(from, count, async (n) => {
        // The id is taken and the event added in one pipeline; a repeat is not expected here.
        const data = JSON.stringify(makeInput(TOPIC, n));
        const taken = publisher.set(`${key}:e${n}`, '1', 'PX', 120_000, 'NX');
        const added = publisher.xadd(key, '*', 'event', data);
        check((await taken) === 'OK' && (await added) !== null, 'Redis did not take the event');
      }),
    listen: (listener) => {
      onEvent = listener;
    },
    close: async () => {
      isOpen = false;
      reader.disconnect();
      await reading;
      publisher.disconnect();
    },
  };
}

/**
 * Sends events one by one, with at most `window` in flight.
 * @param {number} from
 * @param {number} count
 * @param {(n: number) => Promise<unknown>} send
 */
async function windowed(from, count, send) {
  /** @type {Promise<unknown>[]} */
  const inFlight = [];
  for (let n = 0; n < count; n += 1) {
    inFlight.push(send(from + n));
    if (inFlight.length < window) continue;
    await Promise.all(inFlight.splice(0, batch));
  }
  await Promise.all(inFlight);
}

/** @param {Side} side */
async function throughput(side) {
  let next = 0;
  const done = deferred();
  side.listen((n) => {
    check(n === next, `the reader got event ${n} after ${next - 1}`);
    next += 1;
    if (next === events) done.resolve();
  });
  const started = performance.now();
  await Promise.all([side.publish(0, events), done.promise]);
  return events / ((performance.now() - started) / 1000);
}

/** @param {Side} side @param {{ toAck: Latencies, toReader: Latencies }} into */
async function roundTrips(side, { toAck, toReader }) {
  for (let trip = -WARM_UP_TRIPS; trip < trips; trip += 1) {
    const seen = deferred();
    side.listen(() => seen.resolve());
    const started = performance.now();
    const acked = side.publish(events + WARM_UP_TRIPS + trip, 1).then(() => performance.now());
    await seen.promise;
    const readAt = performance.now();
    const ackedAt = await acked;
    if (trip < 0) continue;
    toAck.recordMs(ackedAt - started);
    toReader.recordMs(readAt - started);
  }
}

const WARM_UP_TRIPS = 200;

await runBench(
  'A bus on a broker, and the broker’s client',
  { dir: options.dir, cores: 3 },
  async (bench) => {
    const nats = await startNats(bench.keptDirectory());
    const redis = await startRedis(bench.keptDirectory());
    let runs = 0;
    /** @type {Record<string, () => Promise<Side>>} */
    const sides = {
      'bus on NATS': () =>
        busOn(natsStore({ servers: `127.0.0.1:${nats.port}`, prefix: `bus${runs}` })),
      'NATS client': () => bareNats(nats.port, `bare${runs}`),
      'bus on Redis': () =>
        busOn(redisStore({ url: `redis://127.0.0.1:${redis.port}`, prefix: `bus${runs}` })),
      'Redis client': () => bareRedis(redis.port, `bare${runs}`),
    };
    /** @type {Map<string, { toAck: Latencies, toReader: Latencies }>} */
    const latencies = new Map(
      Object.keys(sides).map((name) => [
        name,
        { toAck: new Latencies(), toReader: new Latencies() },
      ]),
    );
    try {
      const rates = await bench.alternate(
        rounds,
        Object.fromEntries(
          Object.entries(sides).map(([name, open]) => [
            name,
            async () => {
              runs += 1;
              const side = await open();
              const rate = await throughput(side);
              await roundTrips(side, /** @type {any} */ (latencies.get(name)));
              await side.close();
              return rate;
            },
          ]),
        ),
      );
      bench.report(
        Object.entries(rates).map(([name, rate]) => {
          const { toAck, toReader } = /** @type {any} */ (latencies.get(name));
          const note = `one event: to its ack ${toAck}; to the reader ${toReader}`;
          return { what: name, figure: perSecond(rate), note };
        }),
      );
      const ratios = {
        NATS:
          /** @type {number} */ (rates['bus on NATS']) /
          /** @type {number} */ (rates['NATS client']),
        Redis:
          /** @type {number} */ (rates['bus on Redis']) /
          /** @type {number} */ (rates['Redis client']),
      };
      for (const [name, ratio] of Object.entries(ratios)) {
        bench.say(`  ${name}: ${ratio.toFixed(2)} of its client, ${againstTarget(ratio, TARGET)}`);
      }
    } finally {
      await Promise.all([nats.stop(), redis.stop()]);
    }
  },
);
