import type { BusError } from '../../protocol/errors.js';
import { elapsedMs } from '../../threads/elapsed.js';
import type { StreamEntry, StreamFollower } from '../shared/log-stream.js';
import { AnswerSize, entriesOf, idOf, sequenceOfId } from './entries.js';
import { beginOtherEpoch, otherEpoch } from './epochs.js';
import type { RedisAddress } from './redis-address.js';
import { ConnectionLost, type RedisLink } from './redis-link.js';
import { ShardReader } from './shard-reader.js';

/** How long Redis waits for something new before it answers that there is nothing, ms. */
const BLOCK_MS = 1000;
/** How often the epoch and the removed events are looked at, ms. */
const CHECK_MS = 1000;
/** A node asks the replicas itself about events that nobody has confirmed for so long, ms. */
const CONFIRM_AFTER_MS = 500;
/** The most events that wait to be confirmed, before no more are read. */
const UNCONFIRMED_MAX = 8192;

export interface TailStart {
  /** The last event that the follower knows; without bytes where it was removed. */
  readonly last: Omit<StreamEntry, 'bytes'> & { readonly bytes: Uint8Array | undefined };
  readonly prunedThrough: number;
  readonly follower: StreamFollower;
  confirm(sequence: number): Promise<void>;
}

/** Follows a shard's stream on a connection of its own, and notices when its history goes backwards. */
export class Tail {
  readonly #link: RedisLink;
  readonly #address: RedisAddress;
  readonly #shard: number;
  readonly #reader: ShardReader;
  readonly #follower: StreamFollower;
  readonly #confirm: (sequence: number) => Promise<void>;
  readonly #size = new AnswerSize();
  #last: TailStart['last'];
  #prunedThrough: number;
  #confirmed: number;
  /** Read, and not confirmed yet. */
  #waiting: StreamEntry[] = [];
  #waitsSince = 0;
  #isConfirming = false;
  #checkedAt = 0;
  #generation = -1;
  #isClosed = false;

  constructor(link: RedisLink, address: RedisAddress, shard: number, start: TailStart) {
    this.#link = link;
    this.#address = address;
    this.#shard = shard;
    this.#reader = new ShardReader(link, address, shard);
    this.#last = start.last;
    this.#prunedThrough = start.prunedThrough;
    this.#confirmed = start.last.sequence;
    this.#follower = start.follower;
    this.#confirm = start.confirm;
  }

  begin(): void {
    this.#follow().catch((error: BusError) => {
      if (!this.#isClosed) this.#follower.onFailure(error);
    });
  }

  close(): void {
    this.#isClosed = true;
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
    const { replicas } = this.#address.options;
    const isFull = this.#waiting.length >= UNCONFIRMED_MAX;
    const read = this.#waiting.at(-1)?.sequence ?? this.#last.sequence;
    const streams: [key: string, after: number][] = isFull ? [] : [[log, read]];
    if (replicas > 0) streams.push([confirmed, this.#confirmed]);
    const count = this.#size.most();
    const blockMs = this.#waiting.length > 0 ? CONFIRM_AFTER_MS : BLOCK_MS;
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
      this.#last = shown.at(-1)!;
      this.#waitsSince = elapsedMs();
      this.#follower.onEntries(shown);
    }
    this.#askReplicas();
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
    const { sequence, bytes } = this.#last;
    // Before the state, which then says whether the event has been removed meanwhile.
    const [found] = await this.#reader.fetch({}, sequence - 1, sequence, 1);
    const { epoch, prunedThrough, written } = await this.#reader.state();
    if (epoch !== this.#address.epoch) throw otherEpoch(this.#link.place, this.#shard);
    const isOther =
      found !== undefined && bytes !== undefined && Buffer.compare(found.bytes, bytes) !== 0;
    const isMissing = found === undefined && sequence > prunedThrough;
    if (isOther || isMissing || written < sequence) await this.#goneBack();
    if (prunedThrough > this.#prunedThrough) {
      this.#prunedThrough = prunedThrough;
      this.#follower.onPruned(prunedThrough);
    }
    this.#checkedAt = elapsedMs();
  }

  async #goneBack(): Promise<never> {
    await beginOtherEpoch(this.#link, this.#address);
    throw otherEpoch(this.#link.place, this.#shard);
  }
}
