/**
 * How a batch answers the publishes of one link after another: the kind of each ack, the batch's counts, and how far
 * the link's ring counts as taken once the batch is stored. Only the shard's loop touches this.
 */
import {
  ACK_DUPLICATE,
  ACK_DUPLICATE_WRITTEN,
  ACK_EPHEMERAL,
  ACK_REFUSED,
  ACK_SYNCED,
  ACK_WAITING,
  ACK_WAITING_DUPLICATE,
  ACK_WAITING_DUPLICATE_WRITTEN,
  ACK_WAITING_WRITTEN,
  ACK_WRITTEN,
} from '../link/link-records.js';
import type { ErrorData } from '../protocol/errors.js';
import type { ShardLog } from '../store/shard-log.js';
import type { BatchContents } from './batch-contents.js';
import { UNKNOWN_FOR_TOO_LONG } from './refusals.js';
import type { ShardEnd } from './shard-end.js';

export class LinkAcks {
  link!: ShardEnd;
  /** The batch holds a persisted publish of the link, or a repeat of one. */
  hasPersisted = false;
  readonly #batch: BatchContents;
  readonly #log: ShardLog;
  /** The sequence of the link's first event that the batch appends; 0: it appends none. */
  #firstSequence = 0;
  /** The batch holds a publish of the link that was refused by its terms, or that waits: its ring position is stored. */
  #hasJudged = false;

  constructor(batch: BatchContents, log: ShardLog) {
    this.#batch = batch;
    this.#log = log;
  }

  begin(link: ShardEnd): void {
    this.link = link;
    this.hasPersisted = false;
    this.#firstSequence = 0;
    this.#hasJudged = false;
  }

  /** Stores the ring position with the batch, if the batch stores or decides anything of the link. */
  end(): void {
    const firstSequence = this.#firstSequence;
    if (firstSequence === 0 && !this.#hasJudged) return;
    const { endpoint, publishRing } = this.link;
    const position = publishRing.totalPosition;
    this.#batch.positions.push({ endpoint, position, firstSequence, settled: 0 });
  }

  /** The events, one or those of a group, are from `index` on in what the log appends. `isOwnRepeat`: see `Run.isAgain`. */
  appended(index: number, synced: boolean, isOwnRepeat: boolean, count: number): void {
    const batch = this.#batch;
    if (synced) batch.synced = true;
    if (this.#firstSequence === 0) this.#firstSequence = batch.runs.firstNew + index;
    batch.appended += count;
    const kind = synced ? ACK_SYNCED : ACK_WRITTEN;
    batch.runs.add(this.link, kind, index, isOwnRepeat, undefined, count);
  }

  ephemeral(): void {
    this.#batch.runs.add(this.link, ACK_EPHEMERAL, 0);
  }

  /**
   * The publishes repeat stored events, from the sequence `first` on. A repeat may ask for a flush that the first publish
   * did not ask for: the commit then flushes.
   */
  duplicate(first: number, synced: boolean, count: number): void {
    const batch = this.#batch;
    const last = first + count - 1;
    batch.duplicates += count;
    batch.runs.reach(last);
    const isFlushed = last <= this.#log.syncedHead;
    if (synced && !isFlushed) batch.synced = true;
    const kind = synced || isFlushed ? ACK_DUPLICATE : ACK_DUPLICATE_WRITTEN;
    batch.runs.add(this.link, kind, first, false, undefined, count);
  }

  /** The publishes wait until `dueAt`. */
  waiting(dueAt: number, synced: boolean, count: number): void {
    this.#addWaiting(synced ? ACK_WAITING : ACK_WAITING_WRITTEN, dueAt, synced, count);
  }

  /** The publishes repeat others that wait until `dueAt`. */
  waitingDuplicate(dueAt: number, synced: boolean, count: number): void {
    this.#batch.duplicates += count;
    const kind = synced ? ACK_WAITING_DUPLICATE : ACK_WAITING_DUPLICATE_WRITTEN;
    this.#addWaiting(kind, dueAt, synced, count);
  }

  /** Refuses a publish or a group by its terms; `found` is the sequence that this rests on. */
  refused(found: number, error: ErrorData, count: number): void {
    this.#hasJudged = true;
    this.#batch.conflicts += count;
    this.#batch.runs.add(this.link, ACK_REFUSED, found, false, error, count);
  }

  /** Refuses publishes that would have waited for a `block` subscription longer than they may. */
  overdue(error: ErrorData, count: number): void {
    this.#batch.overdue += count;
    this.#batch.runs.add(this.link, ACK_REFUSED, 0, false, error, count);
  }

  /** Refuses a publish, or a group, of which nobody can say any more whether it is stored. */
  unknown(count: number): void {
    this.#batch.runs.add(this.link, ACK_REFUSED, 0, false, UNKNOWN_FOR_TOO_LONG, count);
  }

  #addWaiting(kind: number, dueAt: number, synced: boolean, count: number): void {
    this.#hasJudged = true;
    if (synced) this.#batch.synced = true;
    this.#batch.runs.add(this.link, kind, dueAt, false, undefined, count);
  }
}
