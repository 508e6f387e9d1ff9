import { encodeCursor } from '../../protocol/cursor.js';
import type { Durability } from '../../protocol/event.js';
import type { Before } from '../../protocol/stored-ack.js';

/** What the acks of a run of publishes share: where the logs stood before it, and what the store's ack is worth. */
export class PublishMoment implements Before {
  /** Of publishes that ask for the most; see `OpenStore.durability`. */
  readonly durability: Durability;
  readonly #epoch: string;
  readonly #positions: readonly number[];
  #cursor: string | undefined;

  constructor(epoch: string, positions: readonly number[], durability: Durability) {
    this.#epoch = epoch;
    this.#positions = positions;
    this.durability = durability;
  }

  /** Its text is made once, on access. */
  get cursor(): string {
    this.#cursor ??= encodeCursor({ epoch: this.#epoch, positions: this.#positions });
    return this.#cursor;
  }
}
