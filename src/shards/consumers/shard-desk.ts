/**
 * The desk of a shard's durable consumers, from its first consumer on. A shard without consumers has none, and does
 * nothing for it. Only the shard's loop touches this.
 */
import { createGates } from '../../link/consumer-gates.js';
import type { ConsumerEntry, ConsumerNews } from '../../link/consumer-shapes.js';
import type { BusError } from '../../protocol/errors.js';
import type { RetentionRule } from '../../store/pruning.js';
import type { ShardLog } from '../../store/shard-log.js';
import { elapsedMs } from '../../threads/elapsed.js';
import type { RecordingClock } from '../recording-clock.js';
import type { ShardEnd } from '../shard-end.js';
import type { Desk } from './desk.js';
import { openDesk } from './open-desk.js';

export interface ShardDeskOptions {
  readonly shard: number;
  /** False for a thread that follows another. Default: true. */
  readonly isFirst?: boolean;
  /** An endpoint has left that a dead thread of the shard may have leased events. Default: false. */
  readonly hasDeparted?: boolean;
  /** Where the shards of the bus agree on leases of consumers. Default: no other shard has any. */
  readonly gates?: SharedArrayBuffer;
  /** Wakes the thread of another shard, if it is parked. Default: there is none. */
  readonly wakeShard?: (shard: number) => void;
  /** The rules of retention, whose places `KeptFrom` names. Default: none. */
  readonly retention?: readonly RetentionRule[];
  /** Called with what has become of durable consumers. */
  readonly onNews?: (news: readonly ConsumerNews[]) => void;
  /** Called when the shard knows which leases of a dead thread go on. */
  readonly onClaimed?: () => void;
  /** Called once for each consumer that has stopped at a damaged event. */
  readonly onDamage?: (error: BusError) => void;
}

export class ShardDesk {
  /** Undefined while the shard has no consumer. */
  current: Desk | undefined;
  /** The states of the shard's consumers, or the list of all, cannot be read: nobody knows what they still need. */
  isDamaged = false;
  /** It stays when the last consumer has gone. */
  #opened: Desk | undefined;
  readonly #log: ShardLog;
  readonly #links: readonly ShardEnd[];
  readonly #clock: RecordingClock;
  readonly #options: ShardDeskOptions;

  constructor(
    log: ShardLog,
    links: readonly ShardEnd[],
    clock: RecordingClock,
    options: ShardDeskOptions,
  ) {
    this.#log = log;
    this.#links = links;
    this.#clock = clock;
    this.#options = options;
  }

  /**
   * Takes the list of all consumers.
   * @throws BusError `OPTION_INVALID` if the log keeps no consumers, `STORE_CORRUPT`
   */
  apply(entries: readonly ConsumerEntry[]): Desk {
    this.isDamaged = this.#opened === undefined && entries.length > 0;
    const desk = (this.#opened ??= this.#open());
    this.isDamaged = false;
    desk.apply(entries);
    this.current = desk.isEmpty ? undefined : desk;
    return desk;
  }

  leaveLink(link: ShardEnd): void {
    this.#opened?.leaveLink(link);
  }

  /** A rule that waits for consumers keeps what one of them still needs; for one that is not there it keeps all. */
  keptFrom(rule: number): number {
    const names = this.#options.retention?.[rule]?.untilConsumedBy ?? [];
    return Math.min(...names.map((name) => this.current?.neededFrom(name) ?? 0));
  }

  #open(): Desk {
    const { isFirst = true, hasDeparted = false, onNews, onClaimed, onDamage } = this.#options;
    // Where endpoints of other nodes come, the store knows who may hold leases, whoever had the desk before.
    const { holders } = this.#log.consumers ?? {};
    const isReplaced = holders !== undefined || !isFirst;
    const links = isReplaced ? this.#links.map(({ endpoint }) => endpoint) : [];
    const endpoints = holders === undefined ? links : [...holders.all];
    const claims = { endpoints, hasDeparted, now: elapsedMs() };
    const { shard, gates: memory = createGates(), wakeShard: wake = () => {} } = this.#options;
    return openDesk(this.#log, {
      gates: { memory, shard, wake },
      before: isReplaced ? 'replaced' : 'opened',
      claims,
      recordedAt: () => this.#clock.now(),
      expiryNow: () => this.#clock.dueNow,
      onDamage: (error) => onDamage?.(error),
      onNews: (news) => onNews?.(news),
      onClaimed: () => onClaimed?.(),
    });
  }
}
