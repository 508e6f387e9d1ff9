import type { BusError } from '../../../protocol/errors.js';
import type {
  ArchiveGate,
  KeptFrom,
  PatternTotals,
  PruneRequest,
  PruneStep,
  RetentionRule,
} from '../../pruning.js';
import type { Database } from '../driver/driver.js';
import type { TopicIndexWriter } from '../index/topic-index.js';
import type { TopicTable } from '../index/topic-table.js';
import { MetaTable } from '../tables/meta-table.js';
import { ExpiredEvents } from './expired-events.js';
import { type Freedom, KeepPerTopic } from './keep-per-topic.js';
import { OldestEvents } from './oldest-events.js';
import { type DoomedRow, type Kept, Removal } from './removal.js';
import { ROWS_PER_STEP, RowLook } from './row-look.js';

/** Topics forgotten in one step. */
const TOPICS_PER_STEP = 1024;

export interface RetentionOptions {
  readonly rules: readonly RetentionRule[];
  readonly dedupeWindowMs: number;
}

/**
 * Removes the oldest events that a rule says are too old, too many or too large, and events on request, a bounded
 * number of rows at a time. A rule counts the events of all the topics that it matches in this shard together, and those
 * of each topic by itself for `keepPerTopic`. An event goes when any one rule says so. A rule may wait for consumers:
 * it then keeps the events that one of them still needs.
 */
export class Retention {
  readonly #database: Database;
  readonly #topics: TopicTable;
  readonly #rules: readonly RetentionRule[];
  /** Per rule, the sequence up to which it has nothing left. */
  readonly #positions: number[];
  readonly #meta: MetaTable;
  readonly #look: RowLook;
  readonly #removal: Removal;
  /** Removes what has expired. */
  readonly expired: ExpiredEvents;
  /** By rule; `undefined` for one without `keepPerTopic`. */
  readonly #keepers: readonly (KeepPerTopic | undefined)[];
  /** The rule that begins the next step, times two; and one more if it begins with its `keepPerTopic`. */
  #turn = 0;
  /** The damage that the step has come to. */
  #damage: BusError | undefined;

  /** Ids are remembered for `dedupeWindowMs`, even those of pruned events. */
  constructor(
    database: Database,
    kept: Kept,
    index: TopicIndexWriter,
    { rules, dedupeWindowMs }: RetentionOptions,
  ) {
    this.#database = database;
    this.#topics = kept.topics;
    this.#rules = rules;
    this.#meta = new MetaTable(database);
    this.#look = new RowLook(database);
    this.#removal = new Removal(database, kept, dedupeWindowMs);
    this.expired = new ExpiredEvents(kept.expiries, this.#look, this.#removal);
    const parts = {
      file: database.name,
      oldest: new OldestEvents(database, index),
      look: this.#look,
      removal: this.#removal,
    };
    const { crowded } = this.#topics;
    this.#keepers = rules.map(({ keepPerTopic: keep }, rule) =>
      keep === undefined ? undefined : new KeepPerTopic(parts, keep, crowded.of(rule)),
    );
    const numbers = this.#meta.all();
    this.#positions = rules.map((rule) => numbers[positionKey(rule)] ?? 0);
  }

  /** The last sequence that was pruned from any topic. */
  get prunedThrough(): number {
    return this.#removal.prunedThrough;
  }

  get prunedEvents(): number {
    return this.#removal.prunedEvents;
  }

  /**
   * Does one step, in a transaction of its own; returns true if there is more to do. The rules take turns.
   * @throws BusError `STORE_CORRUPT` if no rule has more to do and one has come to a damaged row
   */
  step(now: number, head: number, keptFrom: KeptFrom, gate?: ArchiveGate): boolean {
    this.#damage = undefined;
    const turns = 2 * this.#rules.length;
    for (let tried = 0; tried < turns; tried++) {
      const turn = (this.#turn + tried) % turns;
      const rule = turn >> 1;
      const kept = this.#waits(rule) ? keptFrom(rule) : Number.POSITIVE_INFINITY;
      const free = { head, kept, gate };
      const more = (turn & 1) === 0 ? this.#oldest(rule, now, free) : this.#ofTopics(rule, free);
      if (!more) continue;
      this.#turn = (turn + 1) % turns;
      return true;
    }
    if (this.#damage !== undefined) throw this.#damage;
    return false;
  }

  /** Removes the oldest events of all the topics of a rule; true if there is more to do. */
  #oldest(rule: number, now: number, { head, kept, gate }: Freedom): boolean {
    if (!this.#mayHaveWork(rule, kept)) return false;
    const before = this.#positions[rule]!;
    const { rows, damage } = this.#look.after(before);
    if (rows.length === 0) {
      this.#damage ??= damage;
      return false;
    }
    const doomed = this.#doomed(rule, rows, now, kept, gate);
    this.#positions[rule] = rows[doomed.looked - 1]?.sequence ?? before;
    try {
      this.#remove(doomed.rows, head);
    } catch (error) {
      this.#positions[rule] = before;
      throw error;
    }
    const isEnd = damage === undefined && rows.length < ROWS_PER_STEP;
    return doomed.looked === rows.length && !isEnd;
  }

  /** Removes what each topic of a rule has too much of; true if there is more to do. */
  #ofTopics(rule: number, free: Freedom): boolean {
    const keeper = this.#keepers[rule];
    const more = keeper?.step(free) ?? false;
    this.#damage ??= keeper?.damage;
    return more;
  }

  /**
   * Forgets a bounded number of topics that hold no event and whose index is on disk, in a transaction of its own.
   * Blocks below `writtenBlocks` are on disk.
   * @returns the number of topics forgotten
   */
  forgetTopics(writtenBlocks: number): number {
    const entries = this.#topics.forgettable(TOPICS_PER_STEP, writtenBlocks);
    if (entries.length === 0) return 0;
    const forget = (): void => {
      this.#topics.deleteRows(entries);
      this.#removal.deleteIndexOf(entries);
    };
    this.#database.transaction(forget).immediate();
    this.#topics.forgotten(entries);
    return entries.length;
  }

  /** Writes where the rules go on after the next opening, in the caller's transaction. */
  writePositions(): void {
    this.#meta.set(this.#positionNumbers());
  }

  /** Counts the events and bytes of the topics that match. */
  totals(matches: (topic: string) => boolean): PatternTotals {
    let events = 0;
    let bytes = 0;
    for (const entry of this.#topics.entries()) {
      if (entry.events === 0 || !matches(entry.name)) continue;
      events += entry.events;
      bytes += entry.bytes;
    }
    return { events, bytes };
  }

  /**
   * Does one step of a requested removal, in a transaction of its own.
   * @throws BusError `STORE_CORRUPT` at a damaged row
   */
  prune(
    request: PruneRequest,
    matches: (topic: string) => boolean,
    head: number,
    gate?: ArchiveGate,
  ): PruneStep {
    const { beforeMs = Number.NEGATIVE_INFINITY, excessEvents, excessBytes } = request;
    const { rows, damage } = this.#look.after(request.after);
    if (damage !== undefined && rows.length === 0) throw damage;
    const matching = new Map<number, boolean>();
    const doomed: DoomedRow[] = [];
    let bytes = 0;
    let isDone = damage === undefined && rows.length < ROWS_PER_STEP;
    for (const row of rows) {
      const { sequence, recordedAt, topic, bytes: rowBytes } = row;
      let isMatch = matching.get(topic);
      if (isMatch === undefined) {
        isMatch = matches(this.#topics.byId(topic).name);
        matching.set(topic, isMatch);
      }
      if (!isMatch) continue;
      if (recordedAt >= beforeMs && doomed.length >= excessEvents && bytes >= excessBytes) {
        isDone = true;
        break;
      }
      if (gate !== undefined && sequence > gate.through) {
        gate.want(sequence);
        isDone = true;
        break;
      }
      doomed.push(row);
      bytes += rowBytes;
    }
    this.#remove(doomed, head);
    const events = doomed.length;
    return isDone ? { events, bytes } : { events, bytes, next: rows[rows.length - 1]!.sequence };
  }

  #positionNumbers(): Record<string, number> {
    const numbers: Record<string, number> = {};
    for (const [rule, position] of this.#positions.entries()) {
      if (position > 0) numbers[positionKey(this.#rules[rule]!)] = position;
    }
    return numbers;
  }

  #waits(rule: number): boolean {
    return this.#rules[rule]!.untilConsumedBy !== undefined;
  }

  /** Whether the rule removes every event that it may: it waits for consumers and has no limit besides. */
  #isUnlimited(rule: number): boolean {
    const { maxAgeMs, maxEvents, maxBytes, keepPerTopic } = this.#rules[rule]!;
    const limit = maxAgeMs ?? maxEvents ?? maxBytes ?? keepPerTopic;
    return this.#waits(rule) && limit === undefined;
  }

  #mayHaveWork(rule: number, kept: number): boolean {
    const { maxAgeMs, maxEvents, maxBytes } = this.#rules[rule]!;
    if (this.#topics.ruleEvents[rule] === 0 || kept <= this.#positions[rule]! + 1) return false;
    return (
      this.#isUnlimited(rule) ||
      maxAgeMs !== undefined ||
      this.#topics.ruleEvents[rule]! > (maxEvents ?? Number.POSITIVE_INFINITY) ||
      this.#topics.ruleBytes[rule]! > (maxBytes ?? Number.POSITIVE_INFINITY)
    );
  }

  /**
   * The rows that the rule removes, and how many rows it looked at. It stops at the first of its rows that it keeps,
   * because all later ones are newer. Nothing goes from the sequence `kept` on, nor what the gate holds back.
   */
  #doomed(
    rule: number,
    rows: readonly DoomedRow[],
    now: number,
    kept: number,
    gate: ArchiveGate | undefined,
  ): { rows: DoomedRow[]; looked: number } {
    const { maxAgeMs, maxEvents, maxBytes } = this.#rules[rule]!;
    const isUnlimited = this.#isUnlimited(rule);
    const before = maxAgeMs === undefined ? Number.NEGATIVE_INFINITY : now - maxAgeMs;
    let events = this.#topics.ruleEvents[rule]!;
    let bytes = this.#topics.ruleBytes[rule]!;
    const doomed: DoomedRow[] = [];
    for (const [looked, row] of rows.entries()) {
      const { sequence, recordedAt, topic } = row;
      if (!this.#topics.byId(topic).rules.includes(rule)) continue;
      const isOver =
        isUnlimited ||
        recordedAt < before ||
        events > (maxEvents ?? Number.POSITIVE_INFINITY) ||
        bytes > (maxBytes ?? Number.POSITIVE_INFINITY);
      if (!isOver || sequence >= kept) return { rows: doomed, looked };
      if (gate !== undefined && sequence > gate.through) {
        gate.want(sequence);
        return { rows: doomed, looked };
      }
      doomed.push(row);
      events--;
      bytes -= row.bytes;
    }
    return { rows: doomed, looked: rows.length };
  }

  #remove(rows: readonly DoomedRow[], head: number): void {
    this.#removal.remove(rows, { head, numbers: this.#positionNumbers() });
  }
}

/**
 * The key in `meta` of a rule's position. It depends on the pattern alone: whatever the limits, topics that have
 * nothing left up to a position will never have.
 */
function positionKey({ pattern = '*' }: RetentionRule): string {
  return `retention:${pattern}`;
}
