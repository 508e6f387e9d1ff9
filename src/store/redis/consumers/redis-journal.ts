import { ulid } from 'ulid';
import { BusError } from '../../../protocol/errors.js';
import { type ConsumerJournal, OwnerChanged } from '../../consumer-broker.js';
import { otherEpoch } from '../epochs.js';
import { type JournalKeys, journalKeys, shardKeys } from '../keys.js';
import type { RedisAddress } from '../redis-address.js';
import type { RedisLink } from '../redis-link.js';
import type { Script } from '../script.js';
import { runReplicated } from './replicated.js';
import { ADD_TO_SNAPSHOT, APPEND, COMPACT, TAKE } from './scripts.js';

/** Entries of the journal that are read at once. */
const ENTRIES_PER_READ = 64;
const DONE = 1;
const TAKEN_OVER = 0;
const OTHER_EPOCH = -2;

/**
 * The journal of a shard's consumers: a list in Redis, with the name of its owner beside it. A change that got no answer is made
 * again under its number, which Redis knows.
 */
export class RedisJournal implements ConsumerJournal {
  readonly #link: Promise<RedisLink>;
  readonly #address: RedisAddress;
  readonly #shard: number;
  readonly #owner = ulid();
  #number = 0;

  constructor(link: Promise<RedisLink>, address: RedisAddress, shard: number) {
    this.#link = link;
    this.#address = address;
    this.#shard = shard;
  }

  async take(): Promise<readonly Uint8Array[]> {
    const link = await this.#link;
    const { epoch } = this.#address;
    await this.#change(TAKE, [this.#keys.state, this.#meta], [this.#owner, epoch]);
    this.#number = 0;
    const entries: Buffer[] = [];
    for (let page: Buffer[]; ; ) {
      const last = entries.length + ENTRIES_PER_READ - 1;
      const reply = link.command({}, 'LRANGE', this.#keys.journal, entries.length, last);
      page = (await reply) as Buffer[];
      entries.push(...page);
      if (page.length < ENTRIES_PER_READ) return entries;
    }
  }

  async append(entry: Uint8Array): Promise<void> {
    const { state, journal } = this.#keys;
    const number = this.#number + 1;
    const args = [this.#owner, this.#address.epoch, number, asBuffer(entry)];
    await this.#change(APPEND, [state, this.#meta, journal], args);
    this.#number = number;
  }

  async compact(snapshot: Iterable<Uint8Array>): Promise<void> {
    const { state, journal, next } = this.#keys;
    let count = 0;
    for (const entry of snapshot) {
      const args = [this.#owner, count, asBuffer(entry)];
      await this.#change(ADD_TO_SNAPSHOT, [state, next], args);
      count++;
    }
    const number = this.#number + 1;
    const args = [this.#owner, this.#address.epoch, number, count];
    await this.#change(COMPACT, [state, this.#meta, journal, next], args);
    this.#number = number;
  }

  /** Makes a change, and waits until the replicas have it. */
  async #change(
    script: Script,
    keys: readonly string[],
    args: readonly (string | number | Buffer)[],
  ): Promise<void> {
    const link = await this.#link;
    const done = await runReplicated(link, this.#address, script, keys, args);
    if (done === DONE) return;
    if (done === TAKEN_OVER) throw new OwnerChanged();
    if (done === OTHER_EPOCH) throw otherEpoch(link.place, this.#shard);
    const message = `${link.place} has lost a part of the journal of consumers`;
    throw new BusError('STORE_FAILED', message, { details: { shard: this.#shard } });
  }

  get #meta(): string {
    return shardKeys(this.#address.options.prefix, this.#shard).meta;
  }

  get #keys(): JournalKeys {
    return journalKeys(this.#address.options.prefix, this.#shard);
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
