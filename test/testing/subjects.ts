import type * as openBus from '../../src/main/open-bus.js';
import { KIB } from '../../src/protocol/limits/units.js';
import type { LogStore } from '../../src/store/log-store.js';
import type * as testing from '../../src/testing.js';
import type { FreshStore, StoreUnderTest } from '../../src/testing.js';
import { removeDirectory, temporaryDirectory } from '../bus/support/open.js';

export async function built<T>(module: string): Promise<T> {
  const { href } = new URL(`../../dist/${module}.js`, import.meta.url);
  return import(/* @vite-ignore */ href);
}

/** The built `millrace/testing`, because the stores under test load built modules. */
export const { memoryBroker, storeChecks } = await built<typeof testing>('testing');
export const { storeOf } = await built<typeof openBus>('main/open-bus');

const ofSqlite = {
  isShared: false,
  hasPruning: true,
  hasConsumers: true,
  hasScheduled: true,
  hasExpiry: true,
};

export const IN_A_DIRECTORY: StoreUnderTest = {
  ...ofSqlite,
  keeps: true,
  create() {
    const dir = temporaryDirectory();
    return { store: storeOf(dir), dispose: () => removeDirectory(dir) };
  },
  small: { create: () => IN_A_DIRECTORY.create(), settings: { maxShardBytes: 500 * KIB } },
};

/** As `IN_A_DIRECTORY`, with the payloads of almost all events in files. */
export const WITH_PAYLOAD_FILES: StoreUnderTest = {
  ...IN_A_DIRECTORY,
  create() {
    const { store, dispose } = IN_A_DIRECTORY.create() as FreshStore;
    return { store: withPayloadFiles(store), dispose: () => dispose?.() };
  },
  small: { create: () => WITH_PAYLOAD_FILES.create(), settings: { maxShardBytes: 500 * KIB } },
};

function withPayloadFiles(store: LogStore): LogStore {
  return {
    name: store.name,
    async open(request) {
      const opened = await store.open(request);
      const before = opened.shardOptions.bind(opened);
      opened.shardOptions = (shard) => ({ ...(before(shard) as object), claimCheckBytes: 2 });
      return opened;
    },
  };
}

export const IN_MEMORY: StoreUnderTest = {
  ...ofSqlite,
  keeps: false,
  create: () => ({ store: storeOf(':memory:') }),
};

interface TinyStoreModule {
  tinyStore(): LogStore;
}

/** A store from outside: see `tiny-store.mjs`. */
export const TINY: StoreUnderTest = {
  isShared: false,
  keeps: false,
  hasPruning: false,
  async create() {
    const { href } = new URL('./tiny-store.mjs', import.meta.url);
    const { tinyStore }: TinyStoreModule = await import(/* @vite-ignore */ href);
    return { store: tinyStore() };
  },
};

export const ON_A_BROKER: StoreUnderTest = {
  isShared: true,
  keeps: true,
  hasPruning: false,
  create: () => brokerStore(),
  small: { create: () => brokerStore(100) },
};

function brokerStore(eventsMax = Number.POSITIVE_INFINITY) {
  const broker = memoryBroker({ eventsMax });
  return { store: broker.connect(), dispose: () => broker.close() };
}

/** Checks a store whose logs are wrapped by `faulty-log.mjs`. */
export function withFault(subject: StoreUnderTest, fault: string): StoreUnderTest {
  const { small } = subject;
  return {
    ...subject,
    create: () => withFaultOf(subject, fault),
    ...(small === undefined
      ? {}
      : { small: { ...small, create: () => withFaultOf(small, fault) } }),
  };
}

async function withFaultOf({ create }: Pick<StoreUnderTest, 'create'>, fault: string) {
  const fresh = await create();
  return { ...fresh, store: faulty(fresh.store, fault) };
}

function faulty(store: LogStore, fault: string): LogStore {
  return {
    name: store.name,
    async open(request) {
      const opened = await store.open(request);
      const { shardLog } = opened;
      const optionsOf = opened.shardOptions.bind(opened);
      // Not an object in front of it: its methods know their own one alone.
      return Object.defineProperties(opened, {
        shardLog: { value: new URL('./faulty-log.mjs', import.meta.url).href },
        shardOptions: {
          value: (shard: number) => ({ fault, shardLog, options: optionsOf(shard) }),
        },
      });
    },
  };
}
