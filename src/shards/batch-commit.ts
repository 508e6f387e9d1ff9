/**
 * Commits the shard's batch and learns the outcome, at once or later; one batch at a time. Only the shard's loop
 * touches this: the outcome of a late commit is kept until the loop takes it.
 */
import { type ShardControl, ShardCounter } from '../link/shard-control.js';
import { BusError } from '../protocol/errors.js';
import type { CommittedBatch, RingPosition, ShardLog } from '../store/shard-log.js';
import type { PublishBatch } from './publish-batch.js';

export interface CommitHost {
  /** The log had no room for the batch. */
  onFull(): void;
  /** The outcome of a late commit has arrived and is to be taken with `isDecided`. */
  onArrival(): void;
}

/** What is stored in the batch's transaction besides its events. */
export interface StoredAlong {
  readonly isDirty: boolean;
  readonly owesFlush: boolean;
  /** Puts it into the open batch. @returns the positions to store with it */
  put(positions: readonly RingPosition[]): readonly RingPosition[];
  committed(): void;
  /** The log had no room for the batch, whose events never were. */
  refused(): void;
  /** The log had no room even without the batch's events: it is tried again later. */
  postpone(): void;
}

export class BatchCommit {
  readonly #log: ShardLog;
  readonly #batch: PublishBatch;
  readonly #control: ShardControl;
  readonly #host: CommitHost;
  /** The batch is with the log. */
  #isUnderWay = false;
  /** Handles the outcome that has arrived. */
  #arrived: (() => void) | undefined;

  constructor(log: ShardLog, batch: PublishBatch, control: ShardControl, host: CommitHost) {
    this.#log = log;
    this.#batch = batch;
    this.#control = control;
    this.#host = host;
  }

  get hasArrived(): boolean {
    return this.#arrived !== undefined;
  }

  /**
   * Hands the batch to the log, and what is stored along with it. If the store is full the batch is refused and the
   * shard goes on.
   * @throws any other failure of the log: after a failed fsync the state of the file is unknown
   */
  begin(along?: StoredAlong): void {
    const batch = this.#batch;
    const carries = along?.isDirty === true;
    if (!batch.isToStore && !carries) return;
    const startedAt = performance.now();
    let committed: CommittedBatch | Promise<CommittedBatch>;
    try {
      const synced = batch.synced || (carries && along.owesFlush);
      committed = this.#log.commit(synced, carries ? along.put(batch.positions) : batch.positions);
    } catch (error) {
      if (this.#log.isShared) throw error;
      this.#failed(error, along);
      return;
    }
    if (committed instanceof Promise) this.#await(committed, startedAt);
    else {
      this.#committed(committed, startedAt);
      if (carries) along.committed();
    }
  }

  /** Takes an outcome that has arrived; true once the batch is committed or refused. @throws as `begin` */
  isDecided(): boolean {
    const take = this.#arrived;
    this.#arrived = undefined;
    take?.();
    return !this.#isUnderWay;
  }

  #committed(committed: CommittedBatch, startedAt: number): void {
    const { counters } = this.#control;
    const batch = this.#batch;
    batch.settle(committed);
    if (committed.refusal === undefined) {
      this.#control.noteCommit(performance.now() - startedAt);
      counters[ShardCounter.published]! += batch.appended;
      counters[ShardCounter.head] = this.#log.head;
    } else {
      counters[ShardCounter.refused]! += batch.appended;
      this.#host.onFull();
    }
  }

  /** Only for a log of the shard's own: a shared log reports in the committed batch that it is full. */
  #failed(error: unknown, along: StoredAlong | undefined): void {
    if (!(error instanceof BusError) || error.code !== 'STORE_FULL') throw error;
    const batch = this.#batch;
    this.#control.counters[ShardCounter.refused]! += batch.appended;
    this.#host.onFull();
    // A flush needs no room. If it fails, it throws before anything of the batch is acknowledged.
    if (batch.owesFlush) this.#log.commit(true, []);
    batch.refuse(error.toJSON());
    if (along !== undefined) this.#storeAlone(along, batch.appended > 0);
  }

  /** What is stored along with a refused batch needs less room, and often none. */
  #storeAlone(along: StoredAlong, isOther: boolean): void {
    along.refused();
    if (!along.isDirty) return;
    try {
      if (isOther) {
        this.#log.commit(along.owesFlush, along.put([]));
        along.committed();
        return;
      }
    } catch (error) {
      if (!(error instanceof BusError) || error.code !== 'STORE_FULL') throw error;
    }
    along.postpone();
  }

  #await(outcome: Promise<CommittedBatch>, startedAt: number): void {
    this.#isUnderWay = true;
    const arrive = (take: () => void): void => {
      this.#arrived = () => {
        this.#isUnderWay = false;
        take();
      };
      this.#host.onArrival();
    };
    outcome.then(
      (late) => arrive(() => this.#committed(late, startedAt)),
      (error) =>
        arrive(() => {
          throw error;
        }),
    );
  }
}
