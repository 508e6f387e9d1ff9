import { cursorAfter, encodeCursor } from './cursor.js';
import type { Durability, PublishAck } from './event.js';

/** Where all logs stood before something was published. */
export interface Before {
  readonly cursor: string;
}

/** The same in numbers: one for all publishes of a run, and the text is made when it is asked for, and once. */
export class LogPosition implements Before {
  readonly #epoch: string;
  readonly #positions: readonly number[];
  #cursor: string | undefined;

  constructor(epoch: string, positions: readonly number[]) {
    this.#epoch = epoch;
    this.#positions = positions;
  }

  get cursor(): string {
    this.#cursor ??= encodeCursor({ epoch: this.#epoch, positions: this.#positions });
    return this.#cursor;
  }
}

/** The ack of an event that was stored by the publish that it answers. For the bus, its gateway and the client. */
export class StoredAck implements PublishAck {
  readonly id: string;
  readonly topic: string;
  readonly shard: number;
  readonly sequence: number;
  readonly durability: Durability;
  readonly duplicate = false;
  readonly #before: Before;

  constructor(
    id: string,
    topic: string,
    shard: number,
    sequence: number,
    durability: Durability,
    before: Before,
  ) {
    this.id = id;
    this.topic = topic;
    this.shard = shard;
    this.sequence = sequence;
    this.durability = durability;
    this.#before = before;
  }

  /** Of the prototype: no copy and no JSON of an ack has it. */
  get cursor(): string {
    return cursorAfter(this.#before.cursor, this.shard, this.sequence);
  }

  /** The cursor before all events of one publish; `undefined` where none of its acks knows it. */
  static cursorBefore(acks: readonly PublishAck[]): string | undefined {
    for (const ack of acks) if (#before in ack) return ack.#before.cursor;
    return undefined;
  }
}
