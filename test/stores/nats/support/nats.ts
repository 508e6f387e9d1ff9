import { randomUUID } from 'node:crypto';
import type { LogStore } from '../../../../src/store/log-store.js';
import type { NatsStoreOptions } from '../../../../src/store/nats/nats-options.js';
import type * as nats from '../../../../src/store/nats/nats-store.js';
import type { StoreUnderTest } from '../../../../src/testing.js';

/** Built, because the threads of a bus load built modules. */
const module = new URL('../../../../dist/store/nats/nats-store.js', import.meta.url).href;
export const { natsStore }: typeof nats = await import(/* @vite-ignore */ module);

/** A prefix that no other test has. */
export function newPrefix(): string {
  return `t${randomUUID().slice(0, 8)}`;
}

/** Stores on the servers that are running by the time of a check; each check has streams of its own. */
export function onNats(
  servers: () => readonly string[],
  options: Omit<NatsStoreOptions, 'servers'> = {},
): StoreUnderTest {
  const create = (more: Omit<NatsStoreOptions, 'servers'> = {}): { store: LogStore } => ({
    store: natsStore({ servers: servers(), prefix: newPrefix(), ...options, ...more }),
  });
  return {
    isShared: true,
    keeps: true,
    hasPruning: false,
    create: () => create(),
    small: { create: () => create({ maxEvents: 100, discard: 'new' }) },
  };
}
