import { BusError } from '../../../protocol/errors.js';
import { EMPTIED_TOPICS_KEPT } from '../../../protocol/limits/store.js';
import type { Database, Statement } from '../driver/driver.js';
import { MetaTable, TOPICS_COUNT } from '../tables/meta-table.js';
import { blockOf } from '../tables/tables.js';
import { CrowdedTopics } from './crowded-topics.js';
import {
  type At,
  checksumOfEntry,
  newEntry,
  putTotalsBack,
  storedGoneThrough,
  type TopicEntry,
  takeTotals,
  type Uncounted,
} from './topic-entry.js';
import { goneThroughOf, type TopicRow, topicProblems } from './topic-rows.js';

const NO_RULES: readonly number[] = [];
/** Key of `meta`: the sequence up to which forgotten topics may have been pruned. */
export const FORGOTTEN_THROUGH = 'forgotten_through';

/**
 * Holds every topic of a log with its totals, in the writer's memory. The table `topics` has the totals as of
 * `through`; they are written when index blocks are complete, when the topic is pruned and at close. Events are counted
 * once they are committed. A rollback reverts everything that the transaction has added, pruned and written.
 *
 * Topics that hold no event any more are kept, so that gaps can be told of them, up to a number. Beyond it the topics
 * that were emptied first are forgotten; of all of them together, only the last pruned sequence is kept.
 */
export class TopicTable {
  readonly #byName = new Map<string, TopicEntry>();
  /** Topics in ascending order of their ids, and the ids alone, unless topics were forgotten since. */
  readonly #byId = new Map<number, TopicEntry>();
  #ids: number[] | undefined = [];
  readonly #database: Database;
  readonly #meta: MetaTable;
  readonly #insert: Statement<[number, string, number, number]>;
  readonly #update: Statement<number[]>;
  readonly #select: Statement<[], TopicRow>;
  readonly #rulesOf: ((topic: string) => readonly number[]) | undefined;
  /** Per retention rule, the events and bytes of the topics that it matches. */
  readonly ruleEvents: Float64Array;
  readonly ruleBytes: Float64Array;
  readonly crowded: CrowdedTopics;
  #batch = 1;
  #touched: TopicEntry[] = [];
  #added: TopicEntry[] = [];
  #nextId = 1;
  /** Topics that hold no event any more, in the order in which they were emptied. */
  readonly #emptied = new Set<TopicEntry>();
  /** The state in which `forgettable` last found no topic to forget. */
  #looked = { size: 0, writtenBlocks: 0 };
  readonly #deleteRow: Statement<[number]>;
  #forgottenThrough: number;

  /**
   * @param rules the number of retention rules
   * @param rulesOf the indexes of the rules that match a topic
   * @param keep by rule, how many events of each topic it keeps
   */
  constructor(
    database: Database,
    rules = 0,
    rulesOf?: (topic: string) => readonly number[],
    keep: readonly (number | undefined)[] = [],
  ) {
    this.crowded = new CrowdedTopics(keep);
    this.ruleEvents = new Float64Array(rules);
    this.ruleBytes = new Float64Array(rules);
    this.#database = database;
    this.#meta = new MetaTable(database);
    this.#insert = database.prepare(
      'INSERT INTO topics (id, name, pruned_through, checksum) VALUES (?, ?, ?, ?)',
    );
    this.#deleteRow = database.prepare('DELETE FROM topics WHERE id = ?');
    this.#forgottenThrough = this.#meta.get(FORGOTTEN_THROUGH);
    this.#update = database.prepare(
      'UPDATE topics SET events = ?, bytes = ?, first_sequence = ?, last_sequence = ?, ' +
        'first_at = ?, last_at = ?, pruned_through = ?, gone_through = ?, through = ?, ' +
        'checksum = ? WHERE id = ?',
    );
    this.#select = database.prepare<[], TopicRow>('SELECT * FROM topics ORDER BY id');
    this.#rulesOf = rulesOf;
  }

  get size(): number {
    return this.#byName.size;
  }

  /** @throws BusError `STORE_CORRUPT` */
  load(): void {
    for (const reason of topicProblems(this.#database)) {
      const { name: file } = this.#database;
      throw new BusError('STORE_CORRUPT', `${file}: ${reason}`, { details: { file, reason } });
    }
    for (const row of this.#select.iterate()) {
      const entry = this.#newEntry(row.id, row.name);
      entry.events = row.events;
      entry.bytes = row.bytes;
      entry.firstSequence = row.first_sequence;
      entry.lastSequence = row.last_sequence;
      entry.firstAt = row.first_at;
      entry.lastAt = row.last_at;
      entry.prunedThrough = row.pruned_through;
      entry.goneThrough = goneThroughOf(row);
      entry.through = row.through;
      if (row.events === 0) this.#emptied.add(entry);
      this.#countRules(entry, row.events, row.bytes);
      this.#nextId = row.id + 1;
    }
  }

  /** Writes the number of topics, at the end of a batch and in its transaction. */
  writeCount(): void {
    if (this.#added.length > 0) this.#meta.set({ [TOPICS_COUNT]: this.size });
  }

  /** The sequence up to which forgotten topics may have been pruned. */
  get forgottenThrough(): number {
    return this.#forgottenThrough;
  }

  /**
   * The topics to forget next, at most `limit`: emptied topics beyond the number that is kept. A topic stays while the
   * index still names it in memory. The newest topic stays too, so that no id is assigned twice.
   */
  forgettable(limit: number, writtenBlocks: number): TopicEntry[] {
    const { size } = this.#emptied;
    const surplus = Math.min(limit, size - EMPTIED_TOPICS_KEPT);
    if (surplus <= 0) return [];
    // Topics that have to stay are checked again only when something has changed.
    if (size === this.#looked.size && writtenBlocks === this.#looked.writtenBlocks) return [];
    const found: TopicEntry[] = [];
    for (const entry of this.#emptied) {
      if (found.length === surplus) return found;
      const mayGo = blockOf(entry.goneThrough) < writtenBlocks && entry.id < this.#nextId - 1;
      if (mayGo) found.push(entry);
    }
    if (found.length === 0) this.#looked = { size, writtenBlocks };
    return found;
  }

  /** Deletes the topics' rows, in the caller's transaction. Call `forgotten` after its commit. */
  deleteRows(entries: readonly TopicEntry[]): void {
    for (const { id } of entries) this.#deleteRow.run(id);
    const through = this.#throughOf(entries);
    const count = this.size - entries.length;
    this.#meta.set({ [FORGOTTEN_THROUGH]: through, [TOPICS_COUNT]: count });
  }

  forgotten(entries: readonly TopicEntry[]): void {
    this.#forgottenThrough = this.#throughOf(entries);
    for (const entry of entries) {
      this.#emptied.delete(entry);
      this.#byName.delete(entry.name);
      this.#byId.delete(entry.id);
    }
    this.#ids = undefined;
  }

  #throughOf(entries: readonly TopicEntry[]): number {
    return entries.reduce(
      (through, { prunedThrough }) => Math.max(through, prunedThrough),
      this.#forgottenThrough,
    );
  }

  entries(): Iterable<TopicEntry> {
    return this.#byName.values();
  }

  /** Visits up to `limit` topics with ids above `after`. Returns the id to go on after, or 0 at the end. */
  scan(after: number, limit: number, visit: (entry: TopicEntry) => void): number {
    const ids = (this.#ids ??= [...this.#byId.keys()]);
    const first = firstAbove(ids, after);
    const end = Math.min(ids.length, first + limit);
    for (let at = first; at < end; at++) visit(this.#byId.get(ids[at]!)!);
    return end < ids.length ? ids[end - 1]! : 0;
  }

  find(name: string): TopicEntry | undefined {
    return this.#byName.get(name);
  }

  findId(id: number): TopicEntry | undefined {
    return this.#byId.get(id);
  }

  byId(id: number): TopicEntry {
    const entry = this.#byId.get(id);
    if (entry !== undefined) return entry;
    throw new BusError('STORE_CORRUPT', `a row refers to topic ${id}, which does not exist`);
  }

  /** The topic, added if it is new. Must be called inside the batch's transaction. */
  findOrAdd(name: string): TopicEntry {
    return this.#byName.get(name) ?? this.#add(name);
  }

  /** Counts one committed event. */
  count(entry: TopicEntry, sequence: number, recordedAt: number, bytes: number): void {
    entry.isDirty = true;
    if (entry.events === 0) {
      entry.firstSequence = sequence;
      entry.firstAt = recordedAt;
      this.#emptied.delete(entry);
    }
    entry.events++;
    entry.bytes += bytes;
    entry.lastSequence = sequence;
    entry.lastAt = recordedAt;
    if (entry.rules !== NO_RULES) this.#countRules(entry, 1, bytes);
  }

  /**
   * Counts events of an index block that the topic's row does not count; `first` and `last` are the outermost of them.
   */
  countBlock(entry: TopicEntry, events: number, bytes: number, first: At, last: At): void {
    if (entry.events === 0) {
      entry.firstSequence = first.sequence;
      entry.firstAt = first.recordedAt;
      this.#emptied.delete(entry);
    }
    entry.events += events;
    entry.bytes += bytes;
    entry.lastSequence = last.sequence;
    entry.lastAt = last.recordedAt;
    entry.isDirty = true;
    this.#countRules(entry, events, bytes);
  }

  /**
   * Subtracts an event that is being removed, the oldest one or any. The topic counts as gone up to it only if no older
   * event is left, and as gone altogether once it has no event. With `isLoss` readers are told of that as a gap.
   */
  uncount(entry: TopicEntry, event: Uncounted, isLoss: boolean): void {
    const { sequence, bytes, isOldest, next } = event;
    if (entry.batch !== this.#batch) this.#touch(entry);
    entry.events--;
    entry.bytes -= bytes;
    if (isOldest || sequence === entry.firstSequence) {
      entry.firstSequence = next?.sequence ?? 0;
      entry.firstAt = next?.recordedAt ?? 0;
    }
    let gone = isOldest ? sequence : 0;
    if (entry.events === 0) {
      this.#emptied.add(entry);
      entry.firstSequence = 0;
      entry.firstAt = 0;
      gone = entry.lastSequence;
    }
    entry.goneThrough = Math.max(entry.goneThrough, gone);
    // Newer events of a topic that is now empty had gone before, and nobody missed them.
    if (isLoss && gone > 0) entry.prunedThrough = Math.max(entry.prunedThrough, sequence);
    entry.isDirty = true;
    this.#countRules(entry, -1, -bytes);
  }

  commit(): void {
    this.#batch++;
    this.#touched.length = 0;
    this.#added.length = 0;
  }

  rollback(): void {
    for (const entry of this.#touched) {
      const { events, bytes } = entry;
      putTotalsBack(entry);
      if (entry.events > 0) this.#emptied.delete(entry);
      this.#countRules(entry, entry.events - events, entry.bytes - bytes);
    }
    for (const entry of this.#added) {
      this.#byName.delete(entry.name);
      this.#byId.delete(entry.id);
      this.#ids?.pop();
      this.#nextId = Math.min(this.#nextId, entry.id);
    }
    this.commit();
  }

  /** Writes the topic's row, in which everything up to `through` is counted. */
  write(entry: TopicEntry, through: number): void {
    if (entry.batch !== this.#batch) this.#touch(entry);
    this.#update.run(
      entry.events,
      entry.bytes,
      entry.firstSequence,
      entry.lastSequence,
      entry.firstAt,
      entry.lastAt,
      entry.prunedThrough,
      storedGoneThrough(entry),
      through,
      checksumOfEntry(entry, through),
      entry.id,
    );
    entry.through = through;
    entry.isDirty = false;
  }

  #touch(entry: TopicEntry): void {
    takeTotals(entry);
    entry.batch = this.#batch;
    this.#touched.push(entry);
  }

  /** Call it when the topic's numbers have changed by so much. */
  #countRules(entry: TopicEntry, events: number, bytes: number): void {
    this.crowded.note(entry, entry.events - events);
    for (const rule of entry.rules) {
      this.ruleEvents[rule]! += events;
      this.ruleBytes[rule]! += bytes;
    }
  }

  #add(name: string): TopicEntry {
    // A forgotten topic may have had this name.
    const entry = this.#newEntry(this.#nextId, name);
    entry.prunedThrough = this.#forgottenThrough;
    entry.goneThrough = this.#forgottenThrough;
    this.#nextId++;
    this.#added.push(entry);
    this.#insert.run(entry.id, name, entry.prunedThrough, checksumOfEntry(entry, 0));
    return entry;
  }

  #newEntry(id: number, name: string): TopicEntry {
    const entry = newEntry(id, name, this.#rulesOf?.(name) ?? NO_RULES);
    this.#byName.set(name, entry);
    this.#byId.set(id, entry);
    this.#ids?.push(id);
    return entry;
  }
}

/** The index of the first id above `after` in an ascending list. */
function firstAbove(ids: readonly number[], after: number): number {
  let low = 0;
  let high = ids.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ids[middle]! > after) high = middle;
    else low = middle + 1;
  }
  return low;
}
