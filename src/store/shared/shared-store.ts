import { BusError } from '../../protocol/errors.js';
import { type CursorPositions, cutToHeads, type ResolvedCursor } from '../cursor-positions.js';
import type { ConsumerBrokerAddress, HistoryAddress, OpenStore, ShardBy } from '../log-store.js';

/** What a store on a broker says of itself. */
export interface SharedStoreParts {
  readonly shards: number;
  readonly shardBy?: ShardBy | undefined;
  readonly epoch: string;
  /** See `OpenStore.durability`. */
  readonly durability?: OpenStore['durability'];
  /** The address of the `ShardLogModule`. */
  readonly shardLog: string;
  /** The address of the `HistoryModule`. */
  readonly historyModule: string;
  /** What both modules get; it must be possible to clone it. */
  readonly options: unknown;
  /** See `OpenStore.consumerBroker`. Default: the store keeps no consumers. */
  readonly consumerBroker?: ConsumerBrokerAddress | undefined;
  /** The last sequences of all shards, as the broker knows them. */
  heads(): Promise<readonly number[]>;
  close(): void | Promise<void>;
}

/** A store on a broker that one bus has open. */
export class OpenSharedStore implements OpenStore {
  readonly shards: number;
  readonly shardBy: ShardBy | undefined;
  readonly epoch: string;
  readonly durability: NonNullable<OpenStore['durability']>;
  readonly shardLog: string;
  readonly history: HistoryAddress;
  readonly consumerBroker?: ConsumerBrokerAddress;
  readonly #parts: SharedStoreParts;

  constructor(parts: SharedStoreParts) {
    this.shards = parts.shards;
    this.shardBy = parts.shardBy;
    this.epoch = parts.epoch;
    this.durability = parts.durability ?? 'synced';
    this.shardLog = parts.shardLog;
    this.history = { module: parts.historyModule, options: parts.options };
    if (parts.consumerBroker !== undefined) this.consumerBroker = parts.consumerBroker;
    this.#parts = parts;
  }

  shardOptions(): unknown {
    return this.#parts.options;
  }

  ready(): void {}

  /** Compares with the broker's heads: a cursor of another node may be ahead of the events that this node has. */
  async resolveCursor({ epoch, positions }: CursorPositions): Promise<ResolvedCursor> {
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
    return cutToHeads({ positions: [...positions], gaps: [] }, await this.#parts.heads());
  }

  close(): void | Promise<void> {
    return this.#parts.close();
  }
}

/** @throws BusError `SHARD_COUNT_MISMATCH` if the user asks for another number of shards than the broker has */
export function assertShards(where: string, expected: number | undefined, found: number): void {
  if (expected === undefined || expected === found) return;
  throw new BusError('SHARD_COUNT_MISMATCH', `${where} has ${found} shards, not ${expected}`, {
    details: { expected, found },
  });
}

/** A copy goes into the store, or was interrupted. */
export function stillFilled(where: string): BusError {
  return new BusError(
    'STORE_LOCKED',
    `${where} does not have all of a copy yet: run the same \`millrace copy\` to its end`,
  );
}

/** @throws BusError if a store cannot be filled with a history: it has events, or those of another one */
export function assertFillable(
  where: string,
  filledFrom: string | undefined,
  history: string,
  heads: readonly number[],
): void {
  if (filledFrom === history) return;
  const events = heads.reduce((sum, head) => sum + head, 0);
  if (filledFrom === undefined && events === 0) return;
  const why =
    filledFrom === undefined
      ? `is not empty: ${events} events were stored there`
      : `has an unfinished copy of another history (${filledFrom}, not ${history})`;
  throw new BusError('OPTION_INVALID', `${where} ${why}; empty it, or take another prefix`);
}
