import { cursorAfter } from './cursor.js';
import type { Durability, PublishAck } from './event.js';

/** A position of all logs before a publish. */
export interface Before {
  readonly cursor: string;
}

/** The ack of an event that this publish stored, not of a duplicate. Used by the bus, its gateway and the client. */
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

  /** A getter of the prototype, so that copies and the JSON of an ack do not have it. */
  get cursor(): string {
    return cursorAfter(this.#before.cursor, this.shard, this.sequence);
  }

  /** The cursor before all events of one publish; `undefined` if none of its acks has it. */
  static cursorBefore(acks: readonly PublishAck[]): string | undefined {
    for (const ack of acks) if (#before in ack) return ack.#before.cursor;
    return undefined;
  }
}
