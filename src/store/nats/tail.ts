/**
 * Follows a stream from a position on, by a consumer that the server pushes to. It notices what is missing by the
 * consumer's own count, and what has fallen silent by its heartbeats, and then goes on with a new consumer from the last
 * event that was shown. The servers' metadata leader makes consumers, which may be the one that has died: until there is
 * a consumer, events are got one by one, from any server that has the stream.
 */
import { setTimeout as afterMs } from 'node:timers/promises';
import type { ConsumerConfig } from '@nats-io/jetstream';
import type { Msg } from '@nats-io/transport-node';
import {
  NATS_CONSUMER_MS,
  NATS_HEARTBEAT_MS,
  NATS_REQUEST_MS,
  NATS_RETRY_MS,
  NATS_WITHOUT_CONSUMER_MS,
} from '../../protocol/limits/nats.js';
import { elapsedMs } from '../../threads/elapsed.js';
import type { StreamEntry } from '../shared/log-stream.js';
import { deliveredBy, entryOf } from './delivered.js';
import type { NatsLink } from './nats-link.js';

const NS_PER_MS = 1e6;
/** A consumer without heartbeats for so long is gone. */
const SILENCE_MS = 3 * NATS_HEARTBEAT_MS;
const FLOW_CONTROL = 100;

export interface TailReader {
  /** The next entries; where one does not follow the one before, the broker has removed what was between them. */
  onEntries(entries: readonly StreamEntry[]): void | Promise<void>;
  /** The next entries after a position, as many as fit one answer; none if the stream has none yet. */
  next(after: number): Promise<readonly StreamEntry[]>;
  /** Whether the stream still has the history that was shown: false ends the tail. Called before each new consumer. */
  isSameHistory(): Promise<boolean>;
}

export class Tail {
  readonly #link: NatsLink;
  readonly #stream: string;
  readonly #reader: TailReader;
  #position: number;
  #isClosed = false;
  /** The consumer's own count of what it has delivered. */
  #delivered = 0;
  #heardAt = 0;
  /** How long the next consumer may take to be made. */
  #waitsMs = NATS_CONSUMER_MS;
  /** When there was a consumer last. */
  #consumedAt = 0;
  #queue: StreamEntry[] = [];
  #isShowing = false;
  /** Ends the consumer that is followed now. */
  #end: (() => void) | undefined;

  constructor(link: NatsLink, stream: string, position: number, reader: TailReader) {
    this.#link = link;
    this.#stream = stream;
    this.#position = position;
    this.#reader = reader;
    link.watch({
      onDown: () => this.#end?.(),
      onFailure: () => this.#end?.(),
    });
  }

  /** Follows until `close`, or until the history is another one; rejects only if the reader throws. */
  async run(): Promise<void> {
    while (!this.#isClosed && !this.#link.isClosed) {
      try {
        await this.#link.up();
        if (!(await this.#reader.isSameHistory())) return;
        await this.#follow();
      } catch {
        this.#waitsMs = Math.min(2 * this.#waitsMs, NATS_REQUEST_MS);
        const silentMs = elapsedMs() - this.#consumedAt;
        if (silentMs > NATS_WITHOUT_CONSUMER_MS) await this.#get(() => this.#isClosed);
        await afterMs(NATS_RETRY_MS);
      }
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#end?.();
  }

  async #follow(): Promise<void> {
    const link = this.#link;
    const { connection, manager } = link;
    const inbox = link.newInbox();
    this.#delivered = 0;
    this.#heardAt = elapsedMs();
    const ended = new Promise<void>((resolve) => {
      this.#end = resolve;
    });
    const subscription = connection.subscribe(inbox, {
      callback: (error, message) => {
        if (error === null) this.#take(message);
        else this.#end?.();
      },
    });
    const silence = setInterval(() => {
      if (elapsedMs() - this.#heardAt > SILENCE_MS) this.#end?.();
    }, NATS_HEARTBEAT_MS);
    const name = link.newName();
    try {
      const config: Partial<ConsumerConfig> = {
        name,
        ack_policy: 'none',
        deliver_policy: 'by_start_sequence',
        opt_start_seq: this.#position + 1,
        deliver_subject: inbox,
        flow_control: true,
        idle_heartbeat: NATS_HEARTBEAT_MS * NS_PER_MS,
        mem_storage: true,
        num_replicas: 1,
        max_deliver: 1,
      };
      // Another one is asked for soon: a server may never answer for one that it has lost.
      const made = link.within(this.#waitsMs, () => manager.consumers.add(this.#stream, config));
      void this.#getWithout(made, ended);
      await Promise.race([made, ended]);
      this.#waitsMs = NATS_CONSUMER_MS;
      await ended;
      this.#consumedAt = elapsedMs();
    } finally {
      this.#end = undefined;
      clearInterval(silence);
      subscription.unsubscribe();
      if (link.isUp) {
        manager.consumers.delete(this.#stream, name).catch(() => {});
      }
    }
  }

  /** Shows what the stream has while its consumer is not made, unless that takes a moment only. */
  async #getWithout(made: Promise<unknown>, ended: Promise<void>): Promise<void> {
    let isOver = false;
    const over = Promise.race([made, ended])
      .catch(() => {})
      .then(() => {
        isOver = true;
      });
    await Promise.race([over, afterMs(NATS_WITHOUT_CONSUMER_MS)]);
    while (!isOver && !this.#isClosed) {
      const count = await this.#get(() => isOver);
      if (count === 0) await Promise.race([over, afterMs(NATS_RETRY_MS)]);
    }
  }

  /** Shows the next events without a consumer. Returns how many there are. */
  async #get(isOver: () => boolean): Promise<number> {
    const entries = await this.#reader.next(this.#position).catch(() => []);
    if (isOver()) return 0;
    for (const entry of entries) this.#add(entry);
    return entries.length;
  }

  /** The consumer may deliver again what was got without it. */
  #add(entry: StreamEntry): void {
    if (entry.sequence <= this.#position) return;
    this.#position = entry.sequence;
    this.#queue.push(entry);
    if (!this.#isShowing) void this.#show();
  }

  #take(message: Msg): void {
    this.#heardAt = elapsedMs();
    const { headers } = message;
    if (headers !== undefined && headers.code !== 0) {
      if (headers.code === FLOW_CONTROL) this.#control(message);
      else this.#end?.();
      return;
    }
    const delivered = deliveredBy(message.reply ?? '');
    if (delivered?.number !== this.#delivered + 1) {
      this.#end?.();
      return;
    }
    this.#delivered = delivered.number;
    this.#add(entryOf(message, delivered.sequence, delivered.timestamp));
  }

  /** Heartbeats, and questions whether what was delivered has been taken. */
  #control({ reply, headers }: Msg): void {
    const stalled = headers!.get('Nats-Consumer-Stalled');
    const answerTo = reply !== undefined && reply !== '' ? reply : stalled;
    if (answerTo !== '') this.#link.connection.publish(answerTo);
    const last = headers!.get('Nats-Last-Consumer');
    if (last !== '' && Number(last) !== this.#delivered) this.#end?.();
  }

  /** Shows what has come, a turn later: all messages of one piece of the socket's bytes together. */
  async #show(): Promise<void> {
    this.#isShowing = true;
    await new Promise<void>((resolve) => setImmediate(resolve));
    while (this.#queue.length > 0 && !this.#isClosed) {
      const entries = this.#queue;
      this.#queue = [];
      await this.#reader.onEntries(entries);
    }
    this.#isShowing = false;
  }
}
