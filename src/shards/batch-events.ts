import type { EventRecordView } from '../record/event-record.js';

/**
 * The events that a batch is to deliver, in order, in parallel arrays from 0 to `length`. They lie in ring memory, which
 * stays claimed until the batch is released.
 */
export class BatchEvents {
  readonly bytes: Buffer[] = [];
  readonly offsets: number[] = [];
  readonly topics: string[] = [];
  /**
   * 0 for an ephemeral event. For an appended one: its index in the batch, from 1 on, and its sequence once settled.
   */
  readonly sequences: number[] = [];
  length = 0;

  /** Forgets the events, once they are delivered. */
  clearDeliveries(): void {
    // Shortened, not refilled: the arrays must not keep large buffers alive.
    this.bytes.length = 0;
    this.offsets.length = 0;
    this.topics.length = 0;
    this.sequences.length = 0;
    this.length = 0;
  }

  push(view: EventRecordView, topic: string, sequence: number): void {
    const index = this.length++;
    this.bytes[index] = view.bytes;
    this.offsets[index] = view.offset;
    this.topics[index] = topic;
    this.sequences[index] = sequence;
  }

  protected keepEphemeral(): void {
    let kept = 0;
    for (let i = 0; i < this.length; i++) {
      if (this.sequences[i] !== 0) continue;
      this.bytes[kept] = this.bytes[i]!;
      this.offsets[kept] = this.offsets[i]!;
      this.topics[kept] = this.topics[i]!;
      this.sequences[kept++] = 0;
    }
    this.length = kept;
  }
}
