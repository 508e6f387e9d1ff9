import { BusError } from '../protocol/errors.js';
import type { Database, Statement } from './driver.js';

/**
 * Every topic of a log with its totals, in the writer's memory. The table `topics` has them as of `through`; they
 * are written when index blocks are complete, when the topic is pruned and at close. Events are counted once they
 * are committed; a transaction that is rolled back takes back what it added, pruned and wrote.
 */
export interface TopicEntry {
  readonly id: number;
  readonly name: string;
  events: number;
  bytes: number;
  /** 0 when unknown: after pruning it is looked up when it is asked for. */
  firstSequence: number;
  lastSequence: number;
  firstAt: number;
  lastAt: number;
  prunedThrough: number;
  /** What the table's row counts. */
  through: number;
  isDirty: boolean;
  /** The batch that last touched it, and what it was before. */
  batch: number;
  readonly before: TopicTotals;
  /** Indexes of the retention rules whose pattern matches. */
  rules: readonly number[];
}

interface At {
  readonly sequence: number;
  readonly recordedAt: number;
}

interface TopicTotals {
  through: number;
  prunedThrough: number;
  events: number;
  bytes: number;
  firstSequence: number;
  lastSequence: number;
  firstAt: number;
  lastAt: number;
  wasDirty: boolean;
}

interface TopicRow {
  id: number;
  name: string;
  events: number;
  bytes: number;
  first_sequence: number;
  last_sequence: number;
  first_at: number;
  last_at: number;
  pruned_through: number;
  through: number;
}

const NO_RULES: readonly number[] = [];

export class TopicTable {
  readonly #byName = new Map<string, TopicEntry>();
  readonly #byId: (TopicEntry | undefined)[] = [];
  readonly #insert: Statement<[number, string]>;
  readonly #update: Statement<number[]>;
  readonly #select: Statement<[], TopicRow>;
  readonly #rulesOf: ((topic: string) => readonly number[]) | undefined;
  /** Per retention rule, what it counts. */
  readonly ruleEvents: Float64Array;
  readonly ruleBytes: Float64Array;
  #batch = 1;
  #touched: TopicEntry[] = [];
  #added: TopicEntry[] = [];
  #nextId = 1;

  /** `rulesOf` says which of the `rules` retention rules match a topic. */
  constructor(database: Database, rules = 0, rulesOf?: (topic: string) => readonly number[]) {
    this.ruleEvents = new Float64Array(rules);
    this.ruleBytes = new Float64Array(rules);
    this.#insert = database.prepare('INSERT INTO topics (id, name) VALUES (?, ?)');
    this.#update = database.prepare(
      'UPDATE topics SET events = ?, bytes = ?, first_sequence = ?, last_sequence = ?, ' +
        'first_at = ?, last_at = ?, pruned_through = ?, through = ? WHERE id = ?',
    );
    this.#select = database.prepare<[], TopicRow>('SELECT * FROM topics ORDER BY id');
    this.#rulesOf = rulesOf;
  }

  get size(): number {
    return this.#byName.size;
  }

  load(): void {
    for (const row of this.#select.iterate()) {
      const entry = this.#newEntry(row.id, row.name);
      entry.events = row.events;
      entry.bytes = row.bytes;
      entry.firstSequence = row.first_sequence;
      entry.lastSequence = row.last_sequence;
      entry.firstAt = row.first_at;
      entry.lastAt = row.last_at;
      entry.prunedThrough = row.pruned_through;
      entry.through = row.through;
      this.#countRules(entry, row.events, row.bytes);
      this.#nextId = Math.max(this.#nextId, row.id + 1);
    }
  }

  entries(): Iterable<TopicEntry> {
    return this.#byName.values();
  }

  /** Shows up to `limit` ids above `after`; returns the one to go on after, 0 at the end. */
  scan(after: number, limit: number, visit: (entry: TopicEntry) => void): number {
    const end = Math.min(this.#byId.length, after + 1 + limit);
    for (let id = after + 1; id < end; id++) {
      const entry = this.#byId[id];
      if (entry !== undefined) visit(entry);
    }
    return end < this.#byId.length ? end - 1 : 0;
  }

  find(name: string): TopicEntry | undefined {
    return this.#byName.get(name);
  }

  byId(id: number): TopicEntry {
    const entry = this.#byId[id];
    if (entry !== undefined) return entry;
    throw new BusError('STORE_CORRUPT', `a row refers to topic ${id}, which does not exist`);
  }

  /** The topic, made if it is new. Must be called inside the batch's transaction. */
  findOrAdd(name: string): TopicEntry {
    return this.#byName.get(name) ?? this.#add(name);
  }

  /** Counts one committed event. */
  count(entry: TopicEntry, sequence: number, recordedAt: number, bytes: number): void {
    entry.isDirty = true;
    if (entry.events === 0) {
      entry.firstSequence = sequence;
      entry.firstAt = recordedAt;
    }
    entry.events++;
    entry.bytes += bytes;
    entry.lastSequence = sequence;
    entry.lastAt = recordedAt;
    if (entry.rules !== NO_RULES) this.#countRules(entry, 1, bytes);
  }

  /** Counts events of an index block that the totals' row does not have; `first` and `last` are of them. */
  countBlock(entry: TopicEntry, events: number, bytes: number, first: At, last: At): void {
    if (entry.events === 0) {
      entry.firstSequence = first.sequence;
      entry.firstAt = first.recordedAt;
    }
    entry.events += events;
    entry.bytes += bytes;
    entry.lastSequence = last.sequence;
    entry.lastAt = last.recordedAt;
    entry.isDirty = true;
    this.#countRules(entry, events, bytes);
  }

  /** Takes out the topic's oldest event, which is being pruned. */
  uncount(entry: TopicEntry, sequence: number, bytes: number): void {
    if (entry.batch !== this.#batch) this.#touch(entry);
    entry.events--;
    entry.bytes -= bytes;
    entry.firstSequence = 0;
    entry.firstAt = 0;
    entry.prunedThrough = sequence;
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
      const { before } = entry;
      this.#countRules(entry, before.events - entry.events, before.bytes - entry.bytes);
      entry.through = before.through;
      entry.prunedThrough = before.prunedThrough;
      entry.events = before.events;
      entry.bytes = before.bytes;
      entry.firstSequence = before.firstSequence;
      entry.lastSequence = before.lastSequence;
      entry.firstAt = before.firstAt;
      entry.lastAt = before.lastAt;
      entry.isDirty = before.wasDirty;
    }
    for (const entry of this.#added) {
      this.#byName.delete(entry.name);
      this.#byId[entry.id] = undefined;
      this.#nextId = Math.min(this.#nextId, entry.id);
    }
    this.commit();
  }

  /** Writes the totals' row; everything up to `through` is counted in it. */
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
      through,
      entry.id,
    );
    entry.through = through;
    entry.isDirty = false;
  }

  #touch(entry: TopicEntry): void {
    const { before } = entry;
    before.through = entry.through;
    before.prunedThrough = entry.prunedThrough;
    before.events = entry.events;
    before.bytes = entry.bytes;
    before.firstSequence = entry.firstSequence;
    before.lastSequence = entry.lastSequence;
    before.firstAt = entry.firstAt;
    before.lastAt = entry.lastAt;
    before.wasDirty = entry.isDirty;
    entry.batch = this.#batch;
    this.#touched.push(entry);
  }

  #countRules(entry: TopicEntry, events: number, bytes: number): void {
    for (const rule of entry.rules) {
      this.ruleEvents[rule]! += events;
      this.ruleBytes[rule]! += bytes;
    }
  }

  #add(name: string): TopicEntry {
    this.#insert.run(this.#nextId, name);
    const entry = this.#newEntry(this.#nextId++, name);
    this.#added.push(entry);
    return entry;
  }

  #newEntry(id: number, name: string): TopicEntry {
    const entry: TopicEntry = {
      id,
      name,
      events: 0,
      bytes: 0,
      firstSequence: 0,
      lastSequence: 0,
      firstAt: 0,
      lastAt: 0,
      prunedThrough: 0,
      through: 0,
      isDirty: false,
      batch: 0,
      before: {
        through: 0,
        prunedThrough: 0,
        events: 0,
        bytes: 0,
        firstSequence: 0,
        lastSequence: 0,
        firstAt: 0,
        lastAt: 0,
        wasDirty: false,
      },
      rules: this.#rulesOf?.(name) ?? NO_RULES,
    };
    this.#byName.set(name, entry);
    this.#byId[id] = entry;
    return entry;
  }
}
