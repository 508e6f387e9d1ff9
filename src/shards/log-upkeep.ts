/**
 * The shard's share of its log's housekeeping, between batches: background work, and retention at intervals. What finds
 * no room on a full disk is tried again a little later. Only the shard's loop touches this.
 */
import { BusError } from '../protocol/errors.js';
import type { KeptFrom } from '../store/pruning.js';
import type { ShardLog } from '../store/shard-log.js';
import type { ArchiveLink } from './archive-link.js';
import type { RecordingClock } from './recording-clock.js';

/** How often retention looks for work, ms. */
const PRUNE_INTERVAL_MS = 1000;
/** The pause before work that found no room is tried again, ms. */
const FULL_WAIT_MS = 250;

export interface UpkeepOptions {
  /** True if a retention rule may remove events. */
  readonly prunes: boolean;
  /** Called once when retention has stopped at a damaged event, and for each consumer that has. */
  readonly onDamage?: (error: BusError) => void;
  /** From which sequence on a rule that waits for consumers keeps its events. Default: it keeps all. */
  readonly keptFrom?: KeptFrom;
  /** Holds retention back; absent where nothing is archived. */
  readonly archive?: ArchiveLink | undefined;
  /** Called when retention has removed events. */
  readonly onPruned?: () => void;
}

export class LogUpkeep {
  readonly #log: ShardLog;
  readonly #clock: RecordingClock;
  readonly #options: UpkeepOptions;
  #maintainsAt = 0;
  #prunesAt = 0;
  #isDamageTold = false;
  #wasPruneFull = false;

  constructor(log: ShardLog, clock: RecordingClock, options: UpkeepOptions) {
    this.#log = log;
    this.#clock = clock;
    this.#options = options;
  }

  /** A batch found no room. Retention may make some: it runs now rather than at its next interval. */
  noteFull(): void {
    if (!this.#wasPruneFull) this.#prunesAt = 0;
  }

  /** Does one step of what is due; true if there is more to do. */
  step(now: number): boolean {
    let worked = false;
    if (now >= this.#maintainsAt) {
      const more = whereThereIsRoom(() => this.#log.maintain());
      worked = more === true;
      this.#maintainsAt = more === undefined ? now + FULL_WAIT_MS : 0;
    }
    if (this.#options.prunes && now >= this.#prunesAt) {
      const more = this.#prune();
      worked = worked || more === true;
      this.#wasPruneFull = more === undefined;
      this.#prunesAt = now + (more ? 0 : this.#wasPruneFull ? FULL_WAIT_MS : PRUNE_INTERVAL_MS);
    }
    return worked;
  }

  /** Runs one step of retention. A damaged event stops retention, and nothing else. */
  #prune(): boolean | undefined {
    const { prunedEvents } = this.#log;
    try {
      const now = this.#clock.nowWithCaution();
      const { archive, keptFrom } = this.#options;
      const step = (): boolean => this.#log.pruning!.pruneStep(now, keptFrom, archive);
      return whereThereIsRoom(archive === undefined ? step : () => archive.byRules(step));
    } catch (error) {
      if (!(error instanceof BusError) || error.code !== 'STORE_CORRUPT') throw error;
      if (!this.#isDamageTold) this.#options.onDamage?.(error);
      this.#isDamageTold = true;
      return false;
    } finally {
      if (this.#log.prunedEvents !== prunedEvents) this.#options.onPruned?.();
    }
  }
}

/** Runs `work`; `undefined` if the store was full, so that it is tried later. Other errors are thrown on. */
function whereThereIsRoom(work: () => boolean): boolean | undefined {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof BusError) || error.code !== 'STORE_FULL') throw error;
    return undefined;
  }
}
