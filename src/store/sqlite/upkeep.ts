import { BusError } from '../../protocol/errors.js';
import type { ArchiveGate, KeptFrom, PruneRequest, PruneStep } from '../pruning.js';
import type { WriteConnection } from './connection/write-connection.js';
import { isFull } from './driver/store-errors.js';
import type { FieldCatchUp } from './fields/field-catch-up.js';
import type { IndexKeeper } from './index/index-keeper.js';
import type { PayloadUpkeep } from './payloads/payload-upkeep.js';
import type { Retention } from './retention/retention.js';

/** The parts of the log that have background work. */
export interface Upkept {
  readonly index: IndexKeeper;
  readonly catchUp: FieldCatchUp;
  readonly retention: Retention;
  readonly payloads: PayloadUpkeep;
}

/**
 * Background work of the log, outside batches and in bounded steps: index blocks, checkpoints, removals, and room for
 * them on a full disk. Everything here may fail with `STORE_FULL` and can be tried again later.
 */
export class Upkeep {
  readonly #file: string;
  readonly #connection: WriteConnection;
  readonly #index: IndexKeeper;
  readonly #catchUp: FieldCatchUp;
  readonly #retention: Retention;
  readonly #payloads: PayloadUpkeep;
  readonly #onTopicsForgotten: () => void;
  #isShort = false;

  constructor(
    file: string,
    connection: WriteConnection,
    { index, catchUp, retention, payloads }: Upkept,
    onTopicsForgotten: () => void,
  ) {
    this.#file = file;
    this.#connection = connection;
    this.#index = index;
    this.#catchUp = catchUp;
    this.#retention = retention;
    this.#payloads = payloads;
    this.#onTopicsForgotten = onTopicsForgotten;
  }

  /** Notes that a batch found no room. */
  noteShortage(): void {
    this.#isShort = true;
  }

  /** Events of earlier openings that lack the index by field. */
  get unindexedEvents(): number {
    return this.#catchUp.left(this.#index.writtenBlocks);
  }

  /** Does one step; returns true if more is due. */
  step(head: number): boolean {
    const connection = this.#connection;
    if (this.#isShort) this.#makeRoom();
    this.#withRoom(() => connection.ensureTaken());
    this.#withRoom(() => connection.keepReserve());
    if (this.#index.isDue(head)) {
      this.#withRoom(() => this.#index.maintain(head));
      connection.noteCommit(head);
      return true;
    }
    if (connection.isCheckpointDue) this.#withRoom(() => connection.checkpoint());
    const { writtenBlocks } = this.#index;
    if (this.#catchUp.isDue(writtenBlocks)) {
      this.#withRoom(() => this.#catchUp.step(writtenBlocks));
      connection.noteCommit(head);
      return true;
    }
    if (this.#withRoom(() => this.#retention.forgetTopics(writtenBlocks)) > 0) {
      this.#onTopicsForgotten();
      connection.noteCommit(head);
      return true;
    }
    return this.#sweepPayloads();
  }

  /** Whether `removePayloads` has something to do, which needs a flush of every commit before. */
  get removesPayloads(): boolean {
    return this.#payloads.isRemovalDue;
  }

  /** Removes payload files that no event refers to any more. */
  removePayloads(head: number): void {
    this.#withRoom(() => this.#payloads.remove());
    this.#connection.noteCommit(head);
  }

  #sweepPayloads(): boolean {
    if (!this.#payloads.isSweepDue) return false;
    this.#payloads.sweep();
    return true;
  }

  /** Removes events by the retention rules; returns true if there is more to do. */
  pruneByRules(now: number, head: number, keptFrom: KeptFrom, gate?: ArchiveGate): boolean {
    return this.removal(() => this.#retention.step(now, head, keptFrom, gate));
  }

  prune(
    request: PruneRequest,
    matches: (topic: string) => boolean,
    head: number,
    gate?: ArchiveGate,
  ): PruneStep {
    return this.removal(() => this.#retention.prune(request, matches, head, gate));
  }

  /** Removes events by other work. */
  removal<T>(work: () => T): T {
    this.#withRoom(() => this.#connection.ensureTaken());
    return this.#withRoom(work);
  }

  #makeRoom(): void {
    this.#connection.makeRoom();
    this.#isShort = false;
  }

  /** Runs the work, and once more with the reserve's room if it found none. */
  #withRoom<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (error instanceof BusError || !isFull(error, this.#file)) throw error;
      this.#isShort = true;
      this.#makeRoom();
      return work();
    }
  }
}
