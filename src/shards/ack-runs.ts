/**
 * The acks of one batch, gathered into runs: adjacent publishes of one link and one kind share a run, so that a
 * thousand events of one link take one ack. Only the shard's loop touches this.
 */
import {
  ACK_DUPLICATE,
  ACK_DUPLICATE_WRITTEN,
  ACK_EPHEMERAL,
  ACK_REFUSED,
  ACK_SYNCED,
  ACK_WRITTEN,
  isWaitingAck,
} from '../link/link-records.js';
import type { ErrorData } from '../protocol/errors.js';
import type { AppendRefusal, CommittedBatch } from '../store/shard-log.js';
import { REFUSED_IN_PART } from './refusals.js';
import type { ShardEnd } from './shard-end.js';

/** Publishes of one link and one kind that are adjacent in the link's ring and in the batch or the log: one ack. */
interface Run {
  readonly link: ShardEnd;
  kind: number;
  count: number;
  position: number;
  /**
   * Of the run's first publish. Until the commit: the index in the batch for an appended one, the sequence for a
   * repeat. After the commit: the sequence for both. Of a run of publishes that wait, the time until which they do.
   */
  sequence: number;
  /** Set for publishes that were refused before they were appended; those of one run share it. */
  error: ErrorData | undefined;
  /** A thread that died may have stored these publishes already, under ids that the bus made. */
  readonly isAgain: boolean;
  /** Where its only record begins, if no other record may join it: see `ShardEnd.acksSinglyUntil`. */
  readonly onlyRecord: number | undefined;
}

export class AckRuns {
  /** The last sequence in the log that these acks name; known once the batch is settled. */
  lastSequence = 0;
  /** Publishes that the log found to be repeats when it committed. */
  repeats = 0;
  /** Those among `repeats` that are acknowledged as duplicates. */
  duplicates = 0;
  /** Publishes that the log refused for themselves when it committed. */
  refused = 0;
  /** The first sequence that the log does not have yet. */
  firstNew = 0;
  readonly #runs: Run[] = [];
  readonly #isOfShared: boolean;
  /** Why the log refused the batch: the error of every refused run that has no error of its own. */
  #refusedWith: ErrorData | undefined;

  /** `isOfShared`: the log is shared, so sequences of adjacent events may have holes: each event gets its own run. */
  constructor(isOfShared: boolean) {
    this.#isOfShared = isOfShared;
  }

  /** Adds a publish, or the adjacent ones of a group, to the open run, or starts a new run. */
  add(
    link: ShardEnd,
    kind: number,
    sequence: number,
    isAgain = false,
    error: ErrorData | undefined = undefined,
    publishes = 1,
  ): void {
    const runs = this.#runs;
    const run = runs.length === 0 ? undefined : runs[runs.length - 1]!;
    const at = link.publishRing.position;
    const mayJoin =
      run !== undefined &&
      run.link === link &&
      (run.onlyRecord === undefined || run.onlyRecord === at);
    if (!this.#isOfShared && mayJoin && run.kind === kind) {
      const isOfOneTime = isWaitingAck(kind) && sequence === run.sequence;
      const isRefusedAlike = kind === ACK_REFUSED && error === run.error;
      const isUnnumbered = kind === ACK_EPHEMERAL || isRefusedAlike || isOfOneTime;
      const isAppended = kind === ACK_SYNCED || kind === ACK_WRITTEN;
      // If the log refuses the batch, repeats of events in this batch are refused and repeats of stored events are not:
      // the two kinds of repeat never share a run.
      const isOfOther = !isAppended && sequence === this.firstNew;
      const isNext = sequence === run.sequence + run.count && !isOfOther;
      const hasNumbers = kind !== ACK_REFUSED && !isWaitingAck(kind);
      if (isUnnumbered || (isNext && hasNumbers)) {
        run.count += publishes;
        return;
      }
    }
    this.end(link);
    const onlyRecord = link.acksSingly ? at : undefined;
    runs.push({ link, kind, count: publishes, position: 0, sequence, error, isAgain, onlyRecord });
  }

  /** Ends the link's open run at the position up to which its ring was read. */
  end(link: ShardEnd): void {
    const run = this.#runs[this.#runs.length - 1];
    if (run !== undefined && run.link === link) run.position = link.publishRing.position;
  }

  /** True if a repeat asks for a flush and its stored event (at most `head`) lies behind `syncedHead`. */
  owesFlush(head: number, syncedHead: number): boolean {
    return this.#runs.some(
      ({ kind, count, sequence }) =>
        kind === ACK_DUPLICATE && sequence <= head && sequence + count - 1 > syncedHead,
    );
  }

  /** The log stored nothing of the batch: refuses all of it but the repeats of events that were stored before. */
  refuse(error: ErrorData): void {
    this.#refusedWith = error;
    for (const run of this.#runs) {
      const isStored = run.kind === ACK_SYNCED || run.kind === ACK_WRITTEN;
      if (!isStored && !isWaitingAck(run.kind) && run.sequence < this.firstNew) continue;
      run.kind = ACK_REFUSED;
      // A conflict with an event of this batch, which is not stored after all.
      run.error = undefined;
    }
  }

  /** Takes over the log's decision about the batch. */
  settle(committed: CommittedBatch): void {
    const isRefused = committed.refusal !== undefined;
    this.#refusedWith = committed.refusal?.toJSON();
    for (const run of this.#runs) {
      if (committed.isOnlyWritten === true) run.kind = writtenKind(run.kind);
      if (run.kind !== ACK_SYNCED && run.kind !== ACK_WRITTEN) continue;
      const refusal = committed.refusalOf?.(run.sequence);
      if (refusal !== undefined) {
        this.#settleRefused(run, refusal);
        continue;
      }
      const isRepeat = committed.isRepeat(run.sequence);
      if (isRefused && !isRepeat) {
        run.kind = ACK_REFUSED;
        continue;
      }
      run.sequence = committed.sequenceOf(run.sequence);
      this.reach(run.sequence + run.count - 1);
      if (isRepeat) this.#settleRepeat(run);
    }
  }

  reach(sequence: number): void {
    if (sequence > this.lastSequence) this.lastSequence = sequence;
  }

  acknowledge(): void {
    for (const { link, kind, count, position, sequence, error } of this.#runs) {
      const refusal = kind === ACK_REFUSED ? (error ?? this.#refusedWith) : undefined;
      link.ack({ kind, count, position, sequence, error: refusal });
    }
  }

  /** Acknowledges ephemeral publishes and forgets their runs. In each link's part of the batch they come first. */
  acknowledgeEphemeral(): void {
    let kept = 0;
    for (const run of this.#runs) {
      if (run.kind === ACK_EPHEMERAL) run.link.ack(run);
      else this.#runs[kept++] = run;
    }
    this.#runs.length = kept;
  }

  clear(): void {
    this.#runs.length = 0;
    this.lastSequence = 0;
    this.repeats = 0;
    this.duplicates = 0;
    this.refused = 0;
    this.#refusedWith = undefined;
  }

  /** The log knew the id; this thread did not. */
  #settleRepeat(run: Run): void {
    this.repeats += run.count;
    if (run.isAgain) return;
    run.kind = run.kind === ACK_SYNCED ? ACK_DUPLICATE : ACK_DUPLICATE_WRITTEN;
    this.duplicates += run.count;
  }

  /** Who is told of the event that a refusal rests on can read it: the ack waits for it. */
  #settleRefused(run: Run, { found, error }: AppendRefusal): void {
    run.link.refusePublishes(REFUSED_IN_PART);
    this.refused += run.count;
    run.kind = ACK_REFUSED;
    run.sequence = found;
    run.error = error;
    this.reach(found);
  }
}

/** The same outcome with less durability. */
function writtenKind(kind: number): number {
  if (kind === ACK_SYNCED) return ACK_WRITTEN;
  return kind === ACK_DUPLICATE ? ACK_DUPLICATE_WRITTEN : kind;
}
