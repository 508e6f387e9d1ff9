import type { Database, Statement } from '../driver/driver.js';
import { POSTING_BYTES_MAX, writeVarint } from '../encoding/postings.js';
import { blockOf, INDEX_BLOCK_EVENTS } from '../tables/tables.js';
import { checksumOf, ID_HASHES_BYTES, IDS } from './id-index.js';
import { BLOCK_TOPICS, encodeTopics, indexRowChecksum, SUPPLIED_IDS } from './index-rows.js';
import type { TopicTable } from './topic-table.js';

/**
 * Writes the topic index. An append only notes its topic in an array. When a block of sequences is complete, its rows
 * (one per topic in it) are written in steps, each inside a transaction of the caller's. Until then the block is in
 * memory, and after a crash it is read back from the rows of `events`.
 *
 * At most two blocks are incomplete on disk: the one being filled and the one being written.
 */
const SLOTS = 2 * INDEX_BLOCK_EVENTS;
const SLOT_MASK = SLOTS - 1;
const NONE = -1;
/** Index rows inserted by one statement. */
const ROWS_PER_STATEMENT = 8;
const COLUMNS = 6;
const EMPTY_SLOT = 0;

if ((SLOTS & SLOT_MASK) !== 0 || INDEX_BLOCK_EVENTS > 1 << 21) {
  throw new Error(
    `an index block of ${INDEX_BLOCK_EVENTS} events is not a power of two below 2^21`,
  );
}

type Parameter = number | Buffer;
type Insert = Statement<Parameter[]>;

export class TopicIndexWriter {
  readonly #topics = new Uint32Array(SLOTS);
  readonly #bytes = new Float64Array(SLOTS);
  readonly #recordedAt = new Float64Array(SLOTS);
  readonly #isSupplied = new Uint8Array(SLOTS);
  readonly #idHashes = new Int32Array(SLOTS);
  /** Per slot of the block being written, the slot of the topic's next event in it. */
  readonly #next = new Int32Array(INDEX_BLOCK_EVENTS);
  /**
   * Encoded sequences of the rows that wait in `#rows`. A block has each sequence once, and once more if its id was
   * supplied.
   */
  readonly #scratch = Buffer.alloc(2 * INDEX_BLOCK_EVENTS * POSTING_BYTES_MAX);
  readonly #insertOne: Insert;
  readonly #insertMany: Insert;
  readonly #rows: Parameter[] = new Array<Parameter>(ROWS_PER_STATEMENT * COLUMNS).fill(0);
  #rowCount = 0;
  #scratchLength = 0;
  /** Blocks below this are complete on disk. */
  #writtenBlocks: number;
  /** First slot of each topic in the block being written, and the topics still to write. */
  readonly #firstSlots = new Map<number, number>();
  #pending: Uint32Array = new Uint32Array(0);
  #pendingAt = 0;
  /** Topics that have a row in the block being written. */
  readonly #listed: number[] = [];
  #isSealing = false;

  constructor(database: Database, writtenBlocks: number) {
    this.#writtenBlocks = writtenBlocks;
    const insert =
      'INSERT OR REPLACE INTO topic_index (block, topic, events, bytes, sequences, checksum) VALUES ';
    const row = '(?, ?, ?, ?, ?, ?)';
    this.#insertOne = database.prepare<Parameter[]>(insert + row);
    this.#insertMany = database.prepare<Parameter[]>(
      insert + new Array<string>(ROWS_PER_STATEMENT).fill(row).join(', '),
    );
  }

  /** Blocks below this are complete on disk; everything from it on is in memory. */
  get writtenBlocks(): number {
    return this.#writtenBlocks;
  }

  note(
    sequence: number,
    recordedAt: number,
    topic: number,
    bytes: number,
    isSupplied: boolean,
    idHash: number,
  ): void {
    const slot = sequence & SLOT_MASK;
    this.#idHashes[slot] = idHash;
    this.#recordedAt[slot] = recordedAt;
    this.#isSupplied[slot] = isSupplied ? 1 : 0;
    this.#topics[slot] = topic;
    this.#bytes[slot] = bytes;
  }

  /** Adds the committed events `from` to `to` to the topics' totals. */
  count(topics: TopicTable, from: number, to: number): void {
    for (let sequence = from; sequence <= to; sequence++) {
      const slot = sequence & SLOT_MASK;
      const entry = topics.byId(this.#topics[slot]!);
      topics.count(entry, sequence, this.#recordedAt[slot]!, this.#bytes[slot]!);
    }
  }

  /** Whether a committed block waits to be written. */
  isDue(head: number): boolean {
    return blockOf(head + 1) > this.#writtenBlocks;
  }

  /** Whether noting this sequence would overwrite a block that is not written yet. */
  mustFinish(sequence: number): boolean {
    return blockOf(sequence) >= this.#writtenBlocks + 2;
  }

  /**
   * Writes up to `rows` index rows of the oldest complete block. `isPruned` says which sequences are gone already.
   * @returns the rows that are left if that block is now complete on disk
   */
  step(rows: number, isPruned: (topic: number, sequence: number) => boolean): number | undefined {
    if (!this.#isSealing) this.#seal();
    const begin = this.#pendingAt;
    const end = Math.min(this.#pending.length, begin + rows);
    while (this.#pendingAt < end) this.#write(this.#pending[this.#pendingAt++]!, isPruned);
    if (this.#pendingAt === this.#pending.length) this.#writeTopics();
    this.#flush();
    if (this.#pendingAt < this.#pending.length) return undefined;
    this.#writeIdHashes();
    this.#isSealing = false;
    this.#writtenBlocks++;
    return rows - (end - begin);
  }

  /** Begins the block's rows anew after a rollback, which has removed the rows written so far. */
  restart(writtenBlocks: number): void {
    this.#isSealing = false;
    this.#writtenBlocks = writtenBlocks;
    this.#discard();
  }

  /** Visits the events that are not on disk yet, ascending. Those that are gone are not left out. */
  visit(head: number, visit: (topic: number, sequence: number) => void): void {
    const topics = this.#topics;
    const first = Math.max(this.#writtenBlocks * INDEX_BLOCK_EVENTS, 1);
    for (let sequence = first; sequence <= head; sequence++) {
      visit(topics[sequence & SLOT_MASK]!, sequence);
    }
  }

  /** Appends the topic's sequences in a block that is not on disk yet. */
  read(block: number, topic: number, head: number, into: number[]): void {
    const topics = this.#topics;
    const start = block * INDEX_BLOCK_EVENTS;
    const end = Math.min(start + INDEX_BLOCK_EVENTS - 1, head);
    for (let sequence = Math.max(start, 1); sequence <= end; sequence++) {
      if (topics[sequence & SLOT_MASK] === topic) into.push(sequence);
    }
  }

  /** Links each topic's slots, from last to first, so that the links run forwards. */
  #seal(): void {
    const start = this.#writtenBlocks * INDEX_BLOCK_EVENTS;
    const first = this.#firstSlots;
    const next = this.#next;
    first.clear();
    for (let at = INDEX_BLOCK_EVENTS - 1; at >= (start === 0 ? 1 : 0); at--) {
      const topic = this.#topics[(start + at) & SLOT_MASK]!;
      if (topic === EMPTY_SLOT) continue;
      next[at] = first.get(topic) ?? NONE;
      first.set(topic, at);
    }
    this.#pending = Uint32Array.from([SUPPLIED_IDS, ...first.keys()]).sort();
    this.#pendingAt = 0;
    this.#listed.length = 0;
    this.#isSealing = true;
  }

  #write(topic: number, isPruned: (topic: number, sequence: number) => boolean): void {
    if (topic === SUPPLIED_IDS) {
      this.#writeSuppliedIds();
      return;
    }
    const start = this.#writtenBlocks * INDEX_BLOCK_EVENTS;
    let at = this.#scratchLength;
    let events = 0;
    let bytes = 0;
    let previous = 0;
    for (let slot = this.#firstSlots.get(topic)!; slot !== NONE; slot = this.#next[slot]!) {
      if (isPruned(topic, start + slot)) continue;
      at = writeVarint(this.#scratch, at, slot - previous);
      previous = slot;
      events++;
      bytes += this.#bytes[(start + slot) & SLOT_MASK]!;
    }
    this.#add(topic, events, bytes, at);
  }

  #writeSuppliedIds(): void {
    const start = this.#writtenBlocks * INDEX_BLOCK_EVENTS;
    let at = this.#scratchLength;
    let events = 0;
    let previous = 0;
    for (let slot = 0; slot < INDEX_BLOCK_EVENTS; slot++) {
      if (this.#isSupplied[(start + slot) & SLOT_MASK] === 0) continue;
      at = writeVarint(this.#scratch, at, slot - previous);
      previous = slot;
      events++;
    }
    this.#add(SUPPLIED_IDS, events, 0, at);
  }

  #writeIdHashes(): void {
    const start = (this.#writtenBlocks * INDEX_BLOCK_EVENTS) & SLOT_MASK;
    const hashes = this.#idHashes.subarray(start, start + INDEX_BLOCK_EVENTS);
    const bytes = Buffer.from(hashes.buffer, hashes.byteOffset, ID_HASHES_BYTES);
    const block = this.#writtenBlocks;
    const sum = checksumOf(hashes);
    const checksum = indexRowChecksum(block, IDS, INDEX_BLOCK_EVENTS, sum, bytes);
    this.#insertOne.run(block, IDS, INDEX_BLOCK_EVENTS, sum, bytes, checksum);
  }

  /** Lists the topics of the block's rows. Written last, when it is known which topics have a row. */
  #writeTopics(): void {
    const block = this.#writtenBlocks;
    const topics = encodeTopics(this.#listed);
    const { length } = this.#listed;
    const checksum = indexRowChecksum(block, BLOCK_TOPICS, length, 0, topics);
    this.#insertOne.run(block, BLOCK_TOPICS, length, 0, topics, checksum);
  }

  /** Buffers a row, whose encoded sequences reach to `end` in the scratch buffer. */
  #add(topic: number, events: number, bytes: number, end: number): void {
    if (events === 0) return;
    const rows = this.#rows;
    let at = this.#rowCount * COLUMNS;
    rows[at++] = this.#writtenBlocks;
    rows[at++] = topic;
    rows[at++] = events;
    rows[at++] = bytes;
    const sequences = this.#scratch.subarray(this.#scratchLength, end);
    rows[at++] = sequences;
    rows[at] = indexRowChecksum(this.#writtenBlocks, topic, events, bytes, sequences);
    this.#listed.push(topic);
    this.#scratchLength = end;
    if (++this.#rowCount < ROWS_PER_STATEMENT) return;
    this.#insertMany.run(...rows);
    this.#discard();
  }

  #flush(): void {
    for (let row = 0; row < this.#rowCount; row++) {
      this.#insertOne.run(...this.#rows.slice(row * COLUMNS, (row + 1) * COLUMNS));
    }
    this.#discard();
  }

  #discard(): void {
    this.#rowCount = 0;
    this.#scratchLength = 0;
  }
}
