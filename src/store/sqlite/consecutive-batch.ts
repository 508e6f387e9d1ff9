import type { CommittedBatch } from '../shard-log.js';

/** A batch of a log with one writer: its sequences follow one another. One object serves all batches of a log. */
export class ConsecutiveBatch implements CommittedBatch {
  first = 0;

  sequenceOf(index: number): number {
    return this.first + index;
  }

  /** Always false: repeats are found before they are appended. */
  isRepeat(): boolean {
    return false;
  }
}
