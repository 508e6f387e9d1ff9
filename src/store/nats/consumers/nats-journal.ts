import { ulid } from 'ulid';
import { BusError } from '../../../protocol/errors.js';
import { type ConsumerJournal, OwnerChanged } from '../../consumer-broker.js';
import { type GuardedParts, GuardedSubject } from './guarded-subject.js';
import {
  decodeMessage,
  ENTRY,
  encodeMessage,
  HEAD_BYTES,
  JournalReading,
  SNAPSHOT,
  SNAPSHOT_END,
  SNAPSHOT_ENTRY,
  TAKEN,
} from './journal-message.js';

/** The headers of a message, and more. */
const HEADERS_BYTES = 256;
const NOTHING = new Uint8Array();

/**
 * The journal of one shard's consumers: a subject of the store's stream of consumers. Each message says which one it expects to
 * be the last, and whoever takes the journal adds one of its own: from then on the messages of the owner before are refused.
 */
export class NatsJournal implements ConsumerJournal {
  readonly #parts: GuardedParts;
  readonly #subject: GuardedSubject;
  readonly #shard: number;
  #owner = '';
  /** Of the last message that was added. */
  #number = 0;
  #sequence = 0;

  constructor(parts: GuardedParts, shard: number) {
    this.#parts = parts;
    this.#subject = new GuardedSubject(parts);
    this.#shard = shard;
  }

  async take(): Promise<readonly Uint8Array[]> {
    const owner = ulid();
    for (;;) {
      const last = await this.#subject.last();
      this.#owner = owner;
      this.#number = 0;
      this.#sequence = last?.sequence ?? 0;
      try {
        await this.#add(TAKEN, NOTHING);
        break;
      } catch (error) {
        // Somebody else has added a message meanwhile.
        if (!(error instanceof OwnerChanged)) throw error;
      }
    }
    return this.#read(this.#sequence);
  }

  /** The sequence of the last message; 0: there is none. */
  async last(): Promise<number> {
    return (await this.#subject.last())?.sequence ?? 0;
  }

  /**
   * Takes the journal over and lets it begin anew, if a message is still its last one.
   * @param last its sequence
   * @returns false: it is not, and nothing was forgotten
   */
  async beginAnew(last: number): Promise<boolean> {
    this.#owner = ulid();
    this.#number = 0;
    this.#sequence = last;
    try {
      await this.#add(TAKEN, NOTHING);
      await this.compact([]);
      return true;
    } catch (error) {
      if (error instanceof OwnerChanged) return false;
      throw error;
    }
  }

  append(entry: Uint8Array): Promise<void> {
    return this.#addInPieces(ENTRY, entry);
  }

  async compact(snapshot: Iterable<Uint8Array>): Promise<void> {
    await this.#add(SNAPSHOT, NOTHING);
    const begin = this.#sequence;
    for (const entry of snapshot) await this.#addInPieces(SNAPSHOT_ENTRY, entry);
    await this.#add(SNAPSHOT_END, NOTHING);
    const { link, answers, stream } = this.#parts;
    const before = { filter: this.#subject.subject, seq: begin };
    // Where this fails the next snapshot does it; nobody reads what lies before a whole snapshot.
    await answers.await(link.manager.streams.purge(stream, before)).catch(() => {});
  }

  async #addInPieces(kind: number, entry: Uint8Array): Promise<void> {
    const length = this.#parts.link.maxPayload - HEAD_BYTES - HEADERS_BYTES;
    for (let at = 0; at === 0 || at < entry.length; at += length) {
      const isLast = at + length >= entry.length;
      await this.#add(kind, entry.subarray(at, at + length), at === 0, isLast);
    }
  }

  async #add(kind: number, piece: Uint8Array, isFirst = true, isLast = true): Promise<void> {
    const number = this.#number + 1;
    const owner = this.#owner;
    const isThis = (data: Uint8Array): boolean => {
      const found = decodeMessage(data);
      return found?.owner === owner && found.number === number;
    };
    const message = { kind, shard: this.#shard, owner, number, isFirst, isLast, piece };
    const expected = this.#sequence;
    const added = await this.#subject.add(encodeMessage(message), expected, isThis);
    this.#sequence = added.sequence ?? (await this.#addedBefore(isThis));
    this.#number = number;
  }

  /**
   * The sequence of a message whose answer was lost, and behind which somebody else has taken the journal.
   * @throws OwnerChanged if it was not added: or if its answer was lost and a snapshot of the next owner has replaced it, which
   *   nobody can tell from that
   */
  async #addedBefore(isThis: (data: Uint8Array) => boolean): Promise<number> {
    const next = await this.#subject.next(this.#sequence);
    if (next === undefined) throw this.#lost();
    if (isThis(next.data)) return next.sequence;
    throw new OwnerChanged();
  }

  /** All entries up to a message of this owner's own, behind which nobody else adds any. */
  async #read(until: number): Promise<readonly Uint8Array[]> {
    const { reader, stream, subject } = this.#parts;
    const reading = new JournalReading();
    let after = 0;
    while (after < until) {
      const found = await reader.read(after, until, { filter: subject });
      for (const { bytes } of found) {
        const message = decodeMessage(bytes);
        if (message?.shard === this.#shard) reading.add(message);
      }
      if (found.length === 0) throw this.#lost();
      after = found.at(-1)!.sequence;
    }
    return reading.entries(stream);
  }

  /** The server came back with less, or somebody has removed messages. */
  #lost(): BusError {
    const { stream, subject } = this.#parts;
    return new BusError(
      'STORE_FAILED',
      `natsStore: stream ${stream} has lost the end of ${subject}, the journal of the consumers of shard ${this.#shard}`,
      { details: { stream, shard: this.#shard } },
    );
  }
}
