import { decodeCursor, encodeCursor } from '../protocol/cursor.js';

/**
 * How far a subscription's user has got: the cursor of the last frame that was consumed entirely, and the events
 * consumed of the frame after it.
 */
export class ConsumedPosition {
  #base: string;
  readonly #beyond = new Map<number, number>();

  constructor(cursor: string) {
    this.#base = cursor;
  }

  /** The cursor; `''` until the server has said where the subscription begins. */
  get cursor(): string {
    if (this.#beyond.size === 0 || this.#base === '') return this.#base;
    const { epoch, positions } = decodeCursor(this.#base);
    const moved = positions.map((position, shard) =>
      Math.max(position, this.#beyond.get(shard) ?? 0),
    );
    return encodeCursor({ epoch, positions: moved });
  }

  /** Everything up to this cursor has been consumed. */
  reach(cursor: string): void {
    this.#base = cursor;
    this.#beyond.clear();
  }

  /** This event has been consumed, but not yet its whole frame. */
  pass(shard: number, sequence: number): void {
    this.#beyond.set(shard, sequence);
  }
}
