import { ulid } from 'ulid';
import { BusError } from '../../protocol/errors.js';
import type { CursorPositions, ResolvedCursor } from '../../store/cursor-positions.js';
import type { HistoryAddress, LogStore, OpenStore, StoreRequest } from '../../store/log-store.js';
import type { BrokerAddress } from './messages.js';

/** Given as URLs, because other threads import them. */
const SHARD_LOG = new URL('./broker-shard-log.js', import.meta.url).href;
const HISTORY = new URL('./broker-history.js', import.meta.url).href;

/** The part of a broker that its stores use. */
export interface StoreBroker {
  readonly shards: number;
  readonly epoch: string;
  readonly channelName: string;
  readonly streams: readonly { readonly head: number }[];
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
    const { shards: found } = this.#broker;
    if (shards !== undefined && shards !== found) {
      throw new BusError('SHARD_COUNT_MISMATCH', `the broker has ${found} shards, not ${shards}`, {
        details: { expected: shards, found },
      });
    }
    return new OpenBroker(this.#broker, this.#id);
  }
}

class OpenBroker implements OpenStore {
  readonly shards: number;
  readonly epoch: string;
  readonly shardLog = SHARD_LOG;
  readonly history: HistoryAddress;
  readonly #broker: StoreBroker;
  readonly #id: string;

  constructor(broker: StoreBroker, id: string) {
    this.#broker = broker;
    this.#id = id;
    this.shards = broker.shards;
    this.epoch = broker.epoch;
    this.history = { module: HISTORY, options: this.shardOptions() };
  }

  shardOptions(): BrokerAddress {
    return { channel: this.#broker.channelName, store: this.#id };
  }

  ready(): void {}

  /** Compares with the broker's heads: a cursor of another node may be ahead of the events that this node has. */
  resolveCursor({ epoch, positions }: CursorPositions): ResolvedCursor {
    if (epoch !== this.epoch) {
      throw new BusError('CURSOR_EXPIRED', `the cursor is of epoch ${epoch}, now unknown`, {
        details: { epoch, current: this.epoch },
      });
    }
    if (positions.length !== this.shards) {
      throw new BusError(
        'CURSOR_INVALID',
        `the cursor is of a bus with ${positions.length} shards, not ${this.shards}`,
      );
    }
    const heads = this.#broker.streams.map(({ head }) => head);
    return { positions: positions.map((one, shard) => Math.min(one, heads[shard]!)), gaps: [] };
  }

  close(): void {}
}
