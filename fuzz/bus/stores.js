import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { natsStore, redisStore } from '../../dist/index.js';
import { memoryBroker } from '../../dist/testing.js';
import { NatsServer } from '../brokers/nats-server.js';
import { RedisServer } from '../brokers/redis-server.js';

/**
 * The stores that a game may be played on, with what each promises otherwise than a directory does
 * (`docs/SCALING.md`, `docs/NATS.md`, `docs/REDIS.md`).
 *
 * @typedef {object} GameStore
 * @property {number} nodes how many buses share it
 * @property {'rules' | 'whole' | 'stream' | 'none'} retention by rules of the bus with patterns; by those for all topics;
 *   by the stream's own limit, which is fixed when it is made; or none
 * @property {readonly string[]} judges the terms of publishes that it takes: the others are refused by name
 * @property {boolean} forgetsTopics it does not know the last event of a topic whose events have all gone
 * @property {readonly Refusal[]} refusals
 * @property {(options: { shards: number, keep?: number }) => Place} place makes an empty one for a game
 * @property {() => Promise<unknown>} dispose
 *
 * @typedef {object} Place
 * @property {() => object} options of `openBus`, for one more node or for one that is opened again
 * @property {readonly { pattern: string, maxEvents: number }[]} [retention] in force from the beginning
 * @property {() => unknown} dispose
 *
 * @typedef {object} Refusal what a bus on this store does not do
 * @property {string} name
 * @property {RegExp} message
 * @property {(bus: import('millrace').Bus) => Promise<unknown>} act
 */

const reminder = { topic: 'a', type: 'agent_log', payload: 'refused' };

/** Every store that several buses share refuses these. */
const sharedRefusals = [
  {
    name: 'overflow: block',
    message: /overflow is block, and other nodes write to the store/,
    act(bus) {
      const { ready, closed } = bus.subscribe('*', () => {}, { overflow: 'block' });
      closed.catch(() => {});
      return ready;
    },
  },
  {
    name: 'deliverAt',
    message: /keeps no publishes that wait/,
    act: (bus) => bus.publish(reminder, { delayMs: 3_600_000 }),
  },
  {
    name: 'deliverAt of the past',
    message: /keeps no publishes that wait/,
    act: (bus) => bus.publish(reminder, { deliverAt: new Date(0) }),
  },
  {
    name: 'waiting publishes',
    message: /keeps no publishes that wait/,
    act: (bus) => bus.scheduled(),
  },
  {
    name: 'schedules',
    message: /keeps no schedules/,
    act: (bus) => bus.schedules.list(),
  },
  {
    name: 'backup',
    message: /has no backup/,
    act: (bus) => bus.backup(join(tmpdir(), 'never-made')),
  },
];

const refusesPrune = (message) => ({
  name: 'prune',
  message,
  act: (bus) => bus.prune({ maxEvents: 1 }),
});

const refusesAtomic = {
  name: 'atomic',
  message: /does not take atomic/,
  act: (bus) => bus.publishMany([reminder, reminder], { atomic: true }),
};

const refusesExpect = {
  name: 'expect',
  message: /does not take expect/,
  act: (bus) => bus.publish(reminder, { expect: 'none' }),
};

/** @returns {GameStore} */
function sqlite() {
  return {
    nodes: 1,
    retention: 'rules',
    judges: ['expect', 'atomic'],
    forgetsTopics: false,
    refusals: [],
    place() {
      const dir = mkdtempSync(join(tmpdir(), 'millrace-fuzz-'));
      return {
        options: () => ({ dir }),
        dispose: () => rmSync(dir, { recursive: true, force: true }),
      };
    },
    dispose: async () => {},
  };
}

/** @returns {GameStore} */
function memory() {
  return {
    nodes: 2,
    retention: 'none',
    judges: [],
    forgetsTopics: false,
    refusals: [
      ...sharedRefusals,
      refusesPrune(/removes no events/),
      refusesAtomic,
      refusesExpect,
      {
        name: 'consumers',
        message: /keeps no durable consumers/,
        act: (bus) => bus.consumer('worker', { filter: '*' }),
      },
    ],
    place({ shards }) {
      const broker = memoryBroker({ shards });
      return { options: () => ({ store: broker.connect() }), dispose: () => broker.close() };
    },
    dispose: async () => {},
  };
}

let places = 0;

/** @returns {Promise<GameStore>} */
async function nats() {
  const server = await NatsServer.start();
  const connection = await connect({ servers: server.url });
  const { streams } = await jetstreamManager(connection);
  return {
    nodes: 2,
    retention: 'stream',
    judges: ['expect'],
    forgetsTopics: true,
    refusals: [...sharedRefusals, refusesPrune(/removes no events/), refusesAtomic],
    place({ shards, keep }) {
      const prefix = `game${++places}`;
      const limits = keep === undefined ? {} : { maxEvents: keep };
      const options = { servers: server.url, prefix, shards, ...limits };
      return {
        options: () => ({ store: natsStore(options) }),
        retention: keep === undefined ? [] : [{ pattern: '*', maxEvents: keep * shards }],
        async dispose() {
          for await (const name of streams.names()) await streams.delete(name);
        },
      };
    },
    async dispose() {
      await connection.close();
      await server.dispose();
    },
  };
}

/** @returns {Promise<GameStore>} */
async function redis() {
  const server = await RedisServer.start();
  return {
    nodes: 2,
    retention: 'whole',
    judges: ['expect', 'atomic'],
    forgetsTopics: false,
    refusals: [...sharedRefusals, refusesPrune(/removes no events|and not on request/)],
    place() {
      const prefix = `game${++places}`;
      return {
        options: () => ({ store: redisStore({ url: server.url, prefix }) }),
        dispose: () => server.command('FLUSHALL'),
      };
    },
    dispose: () => server.dispose(),
  };
}

/** Each starts the server that it needs. */
export const stores = { sqlite, memory, nats, redis };

/** @param {Refusal} refusal @param {any} bus */
export async function checkRefusal({ name, message, act }, bus) {
  try {
    await act(bus);
  } catch (error) {
    assert.equal(error.code, 'OPTION_INVALID', `${name}: ${error.message}`);
    assert.match(error.message, message);
    return;
  }
  assert.fail(`${name} was not refused`);
}
