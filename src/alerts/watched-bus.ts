import type { BusError } from '../protocol/errors.js';
import type { ParsedFilter } from '../protocol/filter.js';

/** The bus, as alerts need it. */
export interface WatchedBus {
  readonly shards: number;
  /** How many first segments of a topic decide its shard; 0: all of it does. */
  readonly segments: number;
  /** How many events have matched each filter, in one shard. Rejects if the shard is given up, or the bus closed. */
  tally(shard: number, question: TallyQuestion): Promise<TallyReport>;
  /** Why a shard takes no more events; undefined while it does. */
  shardFailure(shard: number): BusError | undefined;
  /** When the newest stored event on a matching topic was recorded, ms since 1970. */
  lastAt(pattern: string): Promise<number | undefined>;
  /** How many events all subscriptions together are behind. */
  lag(): number;
  /** All subscriptions that are behind and have one of these names; `*` in a name stands for any text. */
  laggards(names: readonly string[]): Promise<readonly Laggard[]>;
  /**
   * The figures of the durable consumers that have these names; those that do not exist are left out. It asks every
   * shard about each. Rejects if a shard does not answer, or the store keeps no consumers.
   */
  consumers(names: readonly string[]): Promise<readonly WatchedConsumer[]>;
  /** Publishes an event of the bus's own; never throws. */
  publish(topic: string, type: string, payload: object): void;
  /** Reports a failure that no promise can carry. */
  report(error: BusError): void;
}

export interface TallyQuestion {
  /** Another number for other filters; never 0. */
  readonly version: number;
  readonly filters: readonly ParsedFilter[];
  /** The position of the shard's last report. */
  readonly after: number | null;
}

export interface TallyReport {
  /** A thread that follows a dead one has another number, and counts from 0. */
  readonly thread: number;
  readonly position: number;
  readonly tallies: readonly {
    readonly events: number;
    readonly lastTopic?: string;
    /** 0 for an ephemeral event. */
    readonly lastSequence?: number;
  }[];
}

export interface Laggard {
  readonly name: string;
  readonly lag: number;
}

/** The figures of a consumer, all shards together. */
export interface WatchedConsumer {
  readonly name: string;
  readonly pending: number;
  readonly inFlight: number;
  /** Null: none is open. */
  readonly oldestAgeMs: number | null;
  readonly dead: number;
  readonly isBlocked: boolean;
}

/** Time that only goes on, and the time of day; both in ms. */
export interface AlertClock {
  elapsedMs(): number;
  now(): number;
}

/** The text that keeps the rules in a data directory. Its methods throw a `BusError`. */
export interface AlertsText {
  readonly file: string;
  /** Undefined if there is none. */
  read(): string | undefined;
  /** Replaces the text in one step, durably. */
  write(text: string): void;
}
