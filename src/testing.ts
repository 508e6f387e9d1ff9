/**
 * Millrace for those who test a store of `millrace/store`: checks of its contracts, and a small shared store to compare
 * with.
 */

export {
  type Broker,
  type HeldStore,
  type MemoryBrokerOptions,
  memoryBroker,
} from './testing/broker/memory-broker.js';
export { storeChecks } from './testing/store-checks.js';
export type { FreshStore, StoreCheck, StoreUnderTest } from './testing/store-under-test.js';
