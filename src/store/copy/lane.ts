import { BusError } from '../../protocol/errors.js';
import { COPY_BATCH_BYTES, COPY_BATCH_EVENTS } from '../../protocol/limits/store.js';
import {
  EVENT_FLAG_ID_OF_SOURCE,
  EVENT_FLAG_SUPPLIED_ID,
  EventRecordView,
} from '../../record/event-record.js';
import type { FilledEvent, StoreFilling } from '../filling.js';
import { Feed } from './feed.js';

/**
 * One shard of the destination. It is given the events that belong there in their order: it compares the first ones with
 * those that the shard has, and appends the rest.
 */
export class Lane {
  readonly #to: StoreFilling;
  readonly #shard: number;
  readonly #isComparing: boolean;
  readonly #feed: Feed;
  #batch: FilledEvent[] = [];
  #bytes = 0;
  /** The append that is under way; the next one waits for it. */
  #appending: Promise<void> | undefined;
  /** The sequence of the event that was appended last. */
  #head: number;

  /** `head`: the last sequence that the shard has. `isComparing`: it has to have all events already. */
  static async open(
    to: StoreFilling,
    shard: number,
    head: number,
    isComparing: boolean,
  ): Promise<Lane> {
    return new Lane(to, shard, head, isComparing, await Feed.open(piecesOf(to, shard, head)));
  }

  private constructor(
    to: StoreFilling,
    shard: number,
    head: number,
    isComparing: boolean,
    feed: Feed,
  ) {
    this.#to = to;
    this.#shard = shard;
    this.#head = head;
    this.#isComparing = isComparing;
    this.#feed = feed;
  }

  get head(): number {
    return this.#head;
  }

  /** @throws BusError if the destination has another event there, or cannot take this one */
  take(event: FilledEvent): Promise<void> | undefined {
    const there = this.#feed.next;
    if (there !== undefined || this.#isComparing) {
      if (there === undefined || !isSame(there, event)) throw this.#other(there, event);
      return this.#feed.advance();
    }
    this.#batch.push(event);
    this.#bytes += event.bytes.length;
    const isFull = this.#batch.length === COPY_BATCH_EVENTS || this.#bytes >= COPY_BATCH_BYTES;
    return isFull ? this.#append() : undefined;
  }

  /** No event follows. Resolves when all are appended. @throws BusError, also if the shard has more events */
  async end(): Promise<void> {
    if (this.#feed.next !== undefined) throw this.#other(this.#feed.next, undefined);
    await this.#append();
    await this.#appending;
  }

  /** After a failure: nothing is under way any more. */
  async close(): Promise<void> {
    await this.#appending?.catch(() => {});
    await this.#feed.close();
  }

  async #append(): Promise<void> {
    await this.#appending;
    if (this.#batch.length === 0) return;
    const batch = this.#batch;
    this.#batch = [];
    this.#bytes = 0;
    this.#appending = this.#to.append(this.#shard, this.#head, batch);
    // Whoever awaits it next gets the failure.
    this.#appending.catch(() => {});
    this.#head += batch.length;
  }

  #other(there: FilledEvent | undefined, event: FilledEvent | undefined): BusError {
    const found = `shard ${this.#shard} of the destination has ${nameOf(there)} where the source has ${nameOf(event)}`;
    if (this.#isComparing) return new BusError('STORE_CORRUPT', `the copy differs: ${found}`);
    return new BusError(
      'OPTION_INVALID',
      `the destination is not the beginning of this source: ${found}; empty it, or take another one`,
    );
  }
}

async function* piecesOf(to: StoreFilling, shard: number, head: number) {
  for (let after = 0; after < head; ) {
    const events = await to.read(shard, after, head);
    if (events.length === 0) return;
    yield events;
    after += events.length;
  }
}

const one = new EventRecordView();
const other = new EventRecordView();

/** The other flags only controlled the publish, and a directory does not keep them. */
const KEPT_FLAGS = EVENT_FLAG_SUPPLIED_ID | EVENT_FLAG_ID_OF_SOURCE;

function isSame(event: FilledEvent, copy: FilledEvent): boolean {
  if (event.recordedAt !== copy.recordedAt) return false;
  one.wrap(event.bytes, 0);
  other.wrap(copy.bytes, 0);
  if ((one.flags & KEPT_FLAGS) !== (other.flags & KEPT_FLAGS)) return false;
  return Buffer.compare(one.publishedBytes, other.publishedBytes) === 0;
}

function nameOf(event: FilledEvent | undefined): string {
  if (event === undefined) return 'no event';
  const { id, topic } = one.wrap(event.bytes, 0);
  return `event ${id} on ${topic}, recorded ${new Date(event.recordedAt).toISOString()},`;
}
