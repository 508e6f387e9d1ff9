import { setTimeout as afterMs } from 'node:timers/promises';
import { BusError } from '../../protocol/errors.js';
import { elapsedMs } from '../../threads/elapsed.js';
import type { StreamEntry, StreamFollower } from '../shared/log-stream.js';
import { AnswerSize, entriesOf, idOf, sequenceOfId } from './entries.js';
import { HeardSeals } from './heard-seals.js';
import type { Judge } from './judge.js';
import { isSame, type KnownEvent, sealOf } from './known-event.js';
import type { RedisAddress } from './redis-address.js';
import { ConnectionLost, type RedisLink } from './redis-link.js';
import { ShardReader } from './shard-reader.js';

/** How long Redis waits for something new before it answers that there is nothing, ms. */
const BLOCK_MS = 1000;
/** How often the epoch and the removed events are looked at, ms. */
const CHECK_MS = 1000;
const RETRY_MS = 50;
/** A node asks the replicas itself about events that nobody has confirmed for so long, ms. */
const CONFIRM_AFTER_MS = 500;
/** The most events that wait to be confirmed, before no more are read. */
const UNCONFIRMED_MAX = 8192;

export interface TailStart {
  /** The last event that the follower knows. */
  readonly last: KnownEvent;
  readonly prunedThrough: number;
  readonly follower: StreamFollower;
  readonly judge: Judge;
  confirm(sequence: number): Promise<void>;
}

/** An event that this log has appended and not heard of yet. */
interface Awaited {
  readonly event: KnownEvent;
  readonly sinceMs: number;
  readonly settle: (error?: BusError) => void;
}

/** Follows a shard's stream on a connection of its own, and notices when its history goes backwards. */
export class Tail {
  readonly #link: RedisLink;
  readonly #address: RedisAddress;
  readonly #reader: ShardReader;
  readonly #follower: StreamFollower;
  readonly #judge: Judge;
  readonly #confirm: (sequence: number) => Promise<void>;
  readonly #size = new AnswerSize();
  readonly #seals = new HeardSeals();
  #last: KnownEvent;
  #awaited: Awaited | undefined;
  #prunedThrough: number;
  #confirmed: number;
  /** Read, and not confirmed yet. */
  #waiting: StreamEntry[] = [];
  #waitsSince = 0;
  #isConfirming = false;
  #checkedAt = 0;
  #generation = -1;
  #isClosed = false;
  #failure: BusError | undefined;

  constructor(link: RedisLink, address: RedisAddress, shard: number, start: TailStart) {
    this.#link = link;
    this.#address = address;
    this.#reader = new ShardReader(link, address, shard);
    this.#last = start.last;
    this.#prunedThrough = start.prunedThrough;
    this.#confirmed = start.last.sequence;
    this.#follower = start.follower;
    this.#judge = start.judge;
    this.#confirm = start.confirm;
  }

  /** The last event that the follower was shown. */
  get last(): KnownEvent {
    return this.#last;
  }

  begin(): void {
    this.#follow().catch((error: BusError) => {
      this.#end(error);
      if (!this.#isClosed) this.#follower.onFailure(error);
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#end(new BusError('STORE_FAILED', 'the log was closed'));
  }

  /**
   * Resolves when the follower has been shown an event that this log has appended, one at a time.
   * @throws BusError `STORE_FAILED` where Redis has lost it, or the stream has another event in its place: one that Redis stored
   *   before it failed, and that its successor never got
   */
  heard(event: KnownEvent): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (error?: BusError): void => {
        this.#awaited = undefined;
        if (error === undefined) resolve();
        else reject(error);
      };
      this.#awaited = { event, sinceMs: elapsedMs(), settle };
      if (this.#failure === undefined) this.#settleHeard();
      else settle(this.#failure);
    });
  }

  #end(error: BusError): void {
    this.#failure ??= error;
    this.#awaited?.settle(error);
  }

  async #follow(): Promise<void> {
    while (!this.#isClosed) {
      const { generation } = this.#link;
      const isOther = generation !== this.#generation;
      if (isOther || elapsedMs() - this.#checkedAt > CHECK_MS) await this.#check();
      // A connection that was made meanwhile may be to another Redis: it is checked first.
      if (isOther && generation !== this.#link.generation) continue;
      this.#generation = generation;
      try {
        await this.#read(generation);
      } catch (error) {
        if (!(error instanceof ConnectionLost)) throw error;
        // They are read again, from a Redis that may have lost them.
        this.#waiting = [];
      }
    }
  }

  async #read(generation: number): Promise<void> {
    const { log, confirmed } = this.#reader.keys;
    const { replicas, idleTimeoutMs } = this.#address.options;
    const isFull = this.#waiting.length >= UNCONFIRMED_MAX;
    const read = this.#waiting.at(-1)?.sequence ?? this.#last.sequence;
    const streams: [key: string, after: number][] = isFull ? [] : [[log, read]];
    if (replicas > 0) streams.push([confirmed, this.#confirmed]);
    const count = this.#size.most();
    const longest = this.#waiting.length > 0 ? CONFIRM_AFTER_MS : BLOCK_MS;
    // A Redis that waits says nothing, and must not be taken for a dead one.
    const blockMs = Math.ceil(Math.min(longest, idleTimeoutMs / 2));
    const keys = [...streams.map(([key]) => key), ...streams.map(([, after]) => idOf(after))];
    const args = ['COUNT', count, 'BLOCK', blockMs, 'STREAMS', ...keys];
    const reply = await this.#link.command({ generation }, 'XREAD', ...args);
    for (const [key, entries] of (reply ?? []) as [Buffer, [Buffer, Buffer[]][]][]) {
      if (key.toString() === log) await this.#take(entriesOf(entries), read);
      else this.#confirmed = sequenceOfId(entries.at(-1)![0]);
    }
    this.#show();
  }

  async #take(entries: StreamEntry[], after: number): Promise<void> {
    this.#size.note(entries);
    // The events between have been removed, and the follower learns that first.
    if (entries[0]!.sequence > after + 1) await this.#check();
    if (this.#waiting.length === 0) this.#waitsSince = elapsedMs();
    this.#waiting.push(...entries);
  }

  #show(): void {
    const { replicas } = this.#address.options;
    const isShown = ({ sequence }: StreamEntry): boolean =>
      replicas === 0 || sequence <= this.#confirmed;
    const end = this.#waiting.findIndex((entry) => !isShown(entry));
    const shown = end < 0 ? this.#waiting : this.#waiting.slice(0, end);
    this.#waiting = end < 0 ? [] : this.#waiting.slice(end);
    if (shown.length > 0) {
      const { sequence, bytes } = shown.at(-1)!;
      this.#last = { sequence, seal: sealOf(bytes) };
      for (const entry of shown) this.#seals.note(entry);
      this.#waitsSince = elapsedMs();
      this.#follower.onEntries(shown);
      this.#settleHeard();
    }
    this.#askReplicas();
  }

  #settleHeard(): void {
    if (this.#awaited === undefined) return;
    const { event, settle } = this.#awaited;
    if (event.sequence > Math.max(this.#last.sequence, this.#prunedThrough)) return;
    settle(this.#seals.isOther(event) ? this.#lost(event) : undefined);
  }

  #lost({ sequence }: KnownEvent): BusError {
    const message = `${this.#link.place}: event ${sequence} was stored, and is not there any more`;
    return new BusError('STORE_FAILED', message);
  }

  /** Whoever appended the events may have died before it confirmed them. */
  #askReplicas(): void {
    const last = this.#waiting.at(-1);
    if (last === undefined || this.#isConfirming) return;
    if (elapsedMs() - this.#waitsSince < CONFIRM_AFTER_MS) return;
    this.#isConfirming = true;
    this.#confirm(last.sequence)
      .catch((error: BusError) => {
        if (!this.#isClosed) this.#follower.onFailure(error);
      })
      .finally(() => {
        this.#isConfirming = false;
      });
  }

  /** Looks whether this is the history of before. */
  async #check(): Promise<void> {
    while (!(await this.#isSameHistory())) {
      const { generation } = this.#link;
      await this.#judge.assert(this.#last);
      // The Redis that takes writes has the event: this one is a replica that is behind.
      this.#link.renew(generation);
      await afterMs(RETRY_MS);
      if (this.#isClosed) return;
    }
    await this.#lookForAwaited();
    this.#checkedAt = elapsedMs();
  }

  async #isSameHistory(): Promise<boolean> {
    const { sequence } = this.#last;
    // Before the state, which then says whether the event has been removed meanwhile.
    const [found] = await this.#reader.fetch({}, sequence - 1, sequence, 1);
    const { epoch, prunedThrough, written } = await this.#reader.state();
    if (epoch !== this.#address.epoch || written < sequence) return false;
    const isThere = found === undefined ? sequence <= prunedThrough : isSame(found, this.#last);
    if (!isThere) return false;
    if (prunedThrough > this.#prunedThrough) {
      this.#prunedThrough = prunedThrough;
      this.#follower.onPruned(prunedThrough);
      this.#settleHeard();
    }
    return true;
  }

  /** An event that does not come for long may have been lost with the Redis that had stored it. */
  async #lookForAwaited(): Promise<void> {
    const awaited = this.#awaited;
    if (awaited === undefined || elapsedMs() - awaited.sinceMs < CHECK_MS) return;
    if (await this.#judge.hasLost(awaited.event)) awaited.settle(this.#lost(awaited.event));
  }
}
