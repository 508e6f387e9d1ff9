/**
 * What the shard has to say to the publishers of a batch: one run for publishes of one kind that lie next to each other, so
 * that a thousand events of one link take one ack. Touched by the shard's loop alone.
 */
import {
  ACK_DUPLICATE,
  ACK_DUPLICATE_WRITTEN,
  ACK_EPHEMERAL,
  ACK_REFUSED,
  ACK_SYNCED,
  ACK_WRITTEN,
} from '../link/link-records.js';
import type { ErrorData } from '../protocol/errors.js';
import type { CommittedBatch } from '../store/shard-log.js';
import type { ShardEnd } from './shard-end.js';

/** Acks of one link: publishes of one kind that lie next to each other in its ring, and in the batch or in the log. */
interface Run {
  readonly link: ShardEnd;
  kind: number;
  count: number;
  position: number;
  /** Of the first: its index in the batch if it is appended, until that is committed; then, and of a repeat, its sequence. */
  sequence: number;
  /** Of publishes that were refused before they were appended. */
  readonly error: ErrorData | undefined;
  /** A thread that died may have stored it already, under an id that the bus made. */
  readonly isAgain: boolean;
}

export class AckRuns {
  /** The last sequence in the log that they speak of, once they are settled. */
  lastSequence = 0;
  /** Repeats that the log found when it committed, and those of them that are acknowledged as duplicates. */
  repeats = 0;
  duplicates = 0;
  /** The first sequence that the log does not have yet. */
  firstNew = 0;
  readonly #runs: Run[] = [];
  readonly #isOfShared: boolean;
  /** Why the log refused what is refused and has no error of its own. */
  #refusedWith: ErrorData | undefined;

  /** `isOfShared`: of a shared log, whose sequences need not follow one another: it has a run for each event. */
  constructor(isOfShared: boolean) {
    this.#isOfShared = isOfShared;
  }

  /** Adds a publish to the open run, or starts one. */
  add(
    link: ShardEnd,
    kind: number,
    sequence: number,
    isAgain = false,
    error: ErrorData | undefined = undefined,
  ): void {
    const runs = this.#runs;
    const run = runs.length === 0 ? undefined : runs[runs.length - 1]!;
    if (!this.#isOfShared && run !== undefined && run.link === link && run.kind === kind) {
      const isUnnumbered = kind === ACK_EPHEMERAL || kind === ACK_REFUSED;
      const isAppended = kind === ACK_SYNCED || kind === ACK_WRITTEN;
      // Repeats of what is stored and of what is only being stored are told apart, in case the log refuses.
      const isOfOther = !isAppended && sequence === this.firstNew;
      const isNext = sequence === run.sequence + run.count && !isOfOther;
      if (isUnnumbered || isNext) {
        run.count++;
        return;
      }
    }
    this.end(link);
    runs.push({ link, kind, count: 1, position: 0, sequence, error, isAgain });
  }

  /** The last run reaches up to where its link's ring was read. */
  end(link: ShardEnd): void {
    const run = this.#runs[this.#runs.length - 1];
    if (run !== undefined && run.link === link) run.position = link.publishRing.position;
  }

  /** Some repeat stored events up to `head`, are to be flushed, and are not. */
  owesFlush(head: number, syncedHead: number): boolean {
    return this.#runs.some(
      ({ kind, count, sequence }) =>
        kind === ACK_DUPLICATE && sequence <= head && sequence + count - 1 > syncedHead,
    );
  }

  /** Nothing of the batch is stored; what was stored before is not refused. */
  refuse(error: ErrorData): void {
    this.#refusedWith = error;
    for (const run of this.#runs) {
      const isStored = run.kind === ACK_SYNCED || run.kind === ACK_WRITTEN;
      if (isStored || run.sequence >= this.firstNew) run.kind = ACK_REFUSED;
    }
  }

  /** The log has decided the batch. */
  settle(committed: CommittedBatch): void {
    const isRefused = committed.refusal !== undefined;
    this.#refusedWith = committed.refusal?.toJSON();
    for (const run of this.#runs) {
      if (run.kind !== ACK_SYNCED && run.kind !== ACK_WRITTEN) continue;
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

  /** The same for what is ephemeral, and no more of those; of each link that is what comes first. */
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
    this.#refusedWith = undefined;
  }

  /** The log knew the id, and this thread did not. */
  #settleRepeat(run: Run): void {
    this.repeats++;
    if (run.isAgain) return;
    run.kind = run.kind === ACK_SYNCED ? ACK_DUPLICATE : ACK_DUPLICATE_WRITTEN;
    this.duplicates++;
  }
}
