/**
 * Reads a stream from any position: a few events by direct gets, which any replica answers, and longer stretches by pull
 * consumers, each of which stays at its position for whoever reads on.
 */
import { setTimeout as afterMs } from 'node:timers/promises';
import type { ConsumerConfig } from '@nats-io/jetstream';
import type { Msg } from '@nats-io/transport-node';
import {
  NATS_ANSWER_MS,
  NATS_CONSUMER_MS,
  NATS_FETCH_BYTES,
  NATS_FETCH_EVENTS,
  NATS_GETS_MAX,
  NATS_READER_MS,
  NATS_READERS_MAX,
  NATS_REQUEST_MS,
  NATS_RETRY_MS,
} from '../../protocol/limits/nats.js';
import type { StreamEntry } from '../shared/log-stream.js';
import { deliveredBy, entryOf } from './delivered.js';
import { type Found, MessageGetter } from './getter.js';
import { callFault } from './nats-faults.js';
import type { NatsLink } from './nats-link.js';
import { goneFor } from './streams.js';
import type { Subjects } from './subjects.js';

const NS_PER_MS = 1e6;

/** A pull consumer. */
interface Cursor {
  readonly name: string;
  readonly filter: string | undefined;
  /** The sequence of the event that it delivered last. */
  position: number;
  /** How many events it has delivered. */
  delivered: number;
}

interface Pulled {
  readonly entries: readonly StreamEntry[];
  /** The consumer is gone, or an answer is lost. */
  readonly isLost: boolean;
}

export interface ReadOptions {
  /** Default `NATS_FETCH_EVENTS`. */
  readonly limit?: number;
  /** Only events of these subjects, unless there are few others. */
  readonly filter?: string | undefined;
}

export class StreamReader {
  readonly #link: NatsLink;
  readonly #stream: string;
  readonly #subjects: Subjects;
  readonly #getter: MessageGetter;
  /** The one that was used last comes last. */
  readonly #cursors: Cursor[] = [];

  constructor(link: NatsLink, stream: string, subjects: Subjects) {
    this.#link = link;
    this.#stream = stream;
    this.#subjects = subjects;
    this.#getter = new MessageGetter(link, stream);
  }

  /** The entries after `after`, up to `until`, as many as fit one answer; at least one if there is any. */
  async read(
    after: number,
    until: number,
    { limit = NATS_FETCH_EVENTS, filter }: ReadOptions = {},
  ): Promise<readonly StreamEntry[]> {
    if (limit === 1) return this.#next(after, until, filter);
    const count = Math.min(until - after, limit);
    if (count <= 0) return [];
    if (count <= NATS_GETS_MAX && this.#cursorAt(after, filter) === undefined) {
      return this.#getNext(after, until, count, filter);
    }
    return this.#pull(after, until, Math.min(limit, NATS_FETCH_EVENTS, count), filter);
  }

  /** As `read`, without a consumer. */
  async get(after: number, until: number): Promise<readonly StreamEntry[]> {
    return after < until
      ? this.#getNext(after, until, Math.min(NATS_FETCH_EVENTS, until - after))
      : [];
  }

  /** The entries of these sequences, without those that are gone. */
  async entriesOf(sequences: readonly number[]): Promise<StreamEntry[]> {
    const found = await this.#getter.get(sequences.map((seq) => JSON.stringify({ seq })));
    return found.flatMap((one) => (one === undefined ? [] : [one.entry]));
  }

  /** As the stream's leader has it; `undefined`: it has none. */
  async byLeader(question: string): Promise<Found | undefined> {
    const [found] = await this.#getter.byLeader([question]);
    return found;
  }

  /** Direct gets of any kind, in the order of the questions. */
  async firsts(questions: readonly string[]): Promise<(StreamEntry | undefined)[]> {
    return (await this.#getter.get(questions)).map((one) => one?.entry);
  }

  async #getNext(
    after: number,
    until: number,
    count = Math.min(NATS_GETS_MAX, until - after),
    filter?: string,
  ): Promise<StreamEntry[]> {
    const found = await this.#gets(after, after + count);
    return found.length > 0 ? found : this.#next(after + count, until, filter);
  }

  async #gets(after: number, until: number): Promise<StreamEntry[]> {
    return this.entriesOf(Array.from({ length: until - after }, (_, n) => after + 1 + n));
  }

  async #next(after: number, until: number, filter = this.#subjects.all): Promise<StreamEntry[]> {
    if (after >= until) return [];
    const question = JSON.stringify({ seq: after + 1, next_by_subj: filter });
    const [found] = await this.#getter.get([question]);
    return found === undefined || found.entry.sequence > until ? [] : [found.entry];
  }

  async #pull(
    after: number,
    until: number,
    count: number,
    filter: string | undefined,
  ): Promise<readonly StreamEntry[]> {
    for (;;) {
      const cursor = this.#take(after, filter) ?? (await this.#create(after, filter));
      if (cursor === undefined) return this.#getNext(after, until);
      const { entries, isLost } = await this.#pullFrom(cursor, count);
      const wanted = entries.filter(({ sequence }) => sequence <= until);
      if (!isLost && wanted.length === entries.length && entries.length > 0) this.#keep(cursor);
      else this.#drop(cursor);
      if (wanted.length > 0) return wanted;
      const next = await this.#next(after, until, filter);
      if (next.length === 0 || entries.length > 0) return next;
      await afterMs(NATS_RETRY_MS);
    }
  }

  /**
   * The metadata leader of the servers makes consumers, and may be gone. `undefined`: none is made soon, and the events are better
   * got one by one, which those of a filter cannot be.
   */
  async #create(after: number, filter: string | undefined): Promise<Cursor | undefined> {
    const link = this.#link;
    const config: Partial<ConsumerConfig> = {
      ack_policy: 'none',
      deliver_policy: 'by_start_sequence',
      opt_start_seq: after + 1,
      mem_storage: true,
      num_replicas: 1,
      inactive_threshold: NATS_READER_MS * NS_PER_MS,
      ...(filter === undefined ? {} : { filter_subject: filter }),
    };
    // Each try has a name of its own: a server may never answer a second time for one name.
    const make = async (limitMs: number): Promise<Cursor> => {
      const name = link.newName();
      await link.within(limitMs, () =>
        link.manager.consumers.add(this.#stream, { ...config, name }),
      );
      return { name, filter, position: after, delivered: 0 };
    };
    const isGone = goneFor();
    const what = `a consumer of stream ${this.#stream}`;
    await link.up();
    try {
      if (filter === undefined) return await make(NATS_CONSUMER_MS);
      return await link.insist(what, () => make(NATS_REQUEST_MS), isGone);
    } catch (error) {
      if (filter === undefined && !isGone(error)) return undefined;
      throw callFault(what, error);
    }
  }

  async #pullFrom(cursor: Cursor, count: number): Promise<Pulled> {
    const link = this.#link;
    await link.up();
    const entries: StreamEntry[] = [];
    const inbox = link.newInbox();
    return new Promise((resolve) => {
      const end = (isLost: boolean): void => {
        clearTimeout(silence);
        subscription.unsubscribe();
        resolve({ entries, isLost });
      };
      const silence = setTimeout(() => end(true), NATS_ANSWER_MS);
      const subscription = link.connection.subscribe(inbox, {
        callback: (error, message) => {
          silence.refresh();
          const status = error === null ? (message.headers?.code ?? 0) : 503;
          if (status !== 0) {
            end(!isEndOfBatch(message));
            return;
          }
          const delivered = deliveredBy(message.reply ?? '');
          if (delivered?.number !== cursor.delivered + 1) {
            end(true);
            return;
          }
          cursor.delivered = delivered.number;
          cursor.position = delivered.sequence;
          entries.push(entryOf(message, delivered.sequence, delivered.timestamp));
          if (entries.length === count) end(false);
        },
      });
      const maxBytes = Math.max(NATS_FETCH_BYTES, 2 * link.maxPayload);
      const request = JSON.stringify({ batch: count, max_bytes: maxBytes, no_wait: true });
      const subject = `$JS.API.CONSUMER.MSG.NEXT.${this.#stream}.${cursor.name}`;
      link.connection.publish(subject, request, { reply: inbox });
    });
  }

  #cursorAt(position: number, filter: string | undefined): Cursor | undefined {
    return this.#cursors.find((one) => one.position === position && one.filter === filter);
  }

  #take(position: number, filter: string | undefined): Cursor | undefined {
    const cursor = this.#cursorAt(position, filter);
    if (cursor !== undefined) this.#cursors.splice(this.#cursors.indexOf(cursor), 1);
    return cursor;
  }

  #keep(cursor: Cursor): void {
    this.#cursors.push(cursor);
    if (this.#cursors.length > NATS_READERS_MAX) this.#drop(this.#cursors.shift()!);
  }

  /** The server removes it some time later if this fails. */
  #drop({ name }: Cursor): void {
    if (this.#link.isUp) this.#link.manager.consumers.delete(this.#stream, name).catch(() => {});
  }
}

/** The server has sent what it had, or what fitted. */
function isEndOfBatch({ headers }: Msg): boolean {
  const { code = 0, description = '' } = headers ?? {};
  return code === 404 || code === 408 || (code === 409 && /maxbytes/i.test(description));
}
