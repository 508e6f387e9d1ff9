import { ulid } from 'ulid';
import type { LogStore, OpenStore, StoreRequest } from '../../store/log-store.js';
import { assertShards, OpenSharedStore } from '../../store/shared/shared-store.js';
import type { BrokerAddress } from './messages.js';

/** Given as URLs, because other threads import them. */
const SHARD_LOG = new URL('./broker-shard-log.js', import.meta.url).href;
const CONSUMERS = new URL('./broker-consumers.js', import.meta.url).href;
const HISTORY = new URL('./broker-history.js', import.meta.url).href;

/** The part of a broker that its stores use. */
export interface StoreBroker {
  readonly shards: number;
  readonly epoch: string;
  readonly channelName: string;
  readonly streams: readonly { readonly head: number }[];
  readonly keepsConsumers: boolean;
}

/** The controls of one node's connection. */
export interface Connection {
  hold(store: string): void;
  release(store: string): void;
  held(store: string): number;
}

export class BrokerStore implements LogStore {
  readonly name = 'on a broker in memory';
  readonly #id = ulid();
  readonly #broker: StoreBroker;
  readonly #connection: Connection;

  constructor(broker: StoreBroker, connection: Connection) {
    this.#broker = broker;
    this.#connection = connection;
  }

  get held(): number {
    return this.#connection.held(this.#id);
  }

  hold(): void {
    this.#connection.hold(this.#id);
  }

  release(): void {
    this.#connection.release(this.#id);
  }

  open({ shards }: StoreRequest): OpenStore {
    const broker = this.#broker;
    assertShards('the broker', shards, broker.shards);
    const address: BrokerAddress = { channel: broker.channelName, store: this.#id };
    return new OpenSharedStore({
      shards: broker.shards,
      epoch: broker.epoch,
      shardLog: SHARD_LOG,
      historyModule: HISTORY,
      options: address,
      consumerBroker: broker.keepsConsumers ? { module: CONSUMERS, options: address } : undefined,
      heads: async () => broker.streams.map(({ head }) => head),
      close: () => {},
    });
  }
}
