/**
 * Commits the shard's batch, at once or later, and finds out what became of it. One batch at a time. Touched by the shard's
 * loop alone; what a late commit brings is kept until the loop takes it.
 */
import { type ShardControl, ShardCounter } from '../link/shard-control.js';
import { BusError } from '../protocol/errors.js';
import type { CommittedBatch, ShardLog } from '../store/shard-log.js';
import type { PublishBatch } from './publish-batch.js';

export interface CommitHost {
  /** The log was too full for the batch. */
  onFull(): void;
  /** The outcome of a late commit waits to be taken. */
  onArrival(): void;
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
   * A full store refuses the batch and goes on.
   * @throws whatever else the log fails with: after a failed fsync nothing is sure
   */
  begin(): void {
    const batch = this.#batch;
    if (batch.appended === 0 && !batch.synced) return;
    const startedAt = performance.now();
    let committed: CommittedBatch | Promise<CommittedBatch>;
    try {
      committed = this.#log.commit(batch.synced, batch.positions);
    } catch (error) {
      if (this.#log.isShared) throw error;
      this.#failed(error);
      return;
    }
    if (committed instanceof Promise) this.#await(committed, startedAt);
    else this.#committed(committed, startedAt);
  }

  /** Takes what has arrived; true once it is known what became of the batch. @throws as `begin` */
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

  /** Of a log of its own: a shared one says in its batch that it is full. */
  #failed(error: unknown): void {
    if (!(error instanceof BusError) || error.code !== 'STORE_FULL') throw error;
    const batch = this.#batch;
    this.#control.counters[ShardCounter.refused]! += batch.appended;
    this.#host.onFull();
    // A flush needs no room. Nothing of the batch is told if it fails.
    if (batch.owesFlush) this.#log.commit(true, []);
    batch.refuse(error.toJSON());
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
