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
import { storeError } from '../driver/store-errors.js';
import type { TopicIndexWriter } from '../index/topic-index.js';
import type { TopicTable } from '../index/topic-table.js';
import { MetaTable } from '../tables/meta-table.js';
import { ExpiredEvents } from './expired-events.js';
import { type Freedom, KeepPerTopic } from './keep-per-topic.js';
import { OldestEvents } from './oldest-events.js';
import { type Kept, Removal } from './removal.js';
import { RequestedRemoval } from './requested-removal.js';
import { RowLook } from './row-look.js';
import { RuleSweep } from './rule-sweep.js';
import { StepPace } from './step-pace.js';

export interface RetentionOptions {
  readonly rules: readonly RetentionRule[];
  readonly dedupeWindowMs: number;
  /** ms; never steps. */
  readonly elapsed: () => number;
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
  readonly #meta: MetaTable;
  readonly #removal: Removal;
  /** By rule. */
  readonly #sweeps: readonly RuleSweep[];
  readonly #requested: RequestedRemoval;
  readonly #forgetting: StepPace;
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
    { rules, dedupeWindowMs, elapsed }: RetentionOptions,
  ) {
    this.#database = database;
    this.#topics = kept.topics;
    this.#rules = rules;
    this.#meta = new MetaTable(database);
    this.#removal = new Removal(database, kept, dedupeWindowMs);
    const look = new RowLook(database);
    const shared = { topics: kept.topics, look, removal: this.#removal };
    const pace = (): StepPace => new StepPace(elapsed);
    this.#forgetting = pace();
    this.expired = new ExpiredEvents(kept.expiries, look, this.#removal, pace());
    const positionNumbers = (): Record<string, number> => this.#positionNumbers();
    const sweepParts = { ...shared, pace: pace(), positionNumbers };
    const numbers = this.#meta.all();
    this.#sweeps = rules.map(
      (rule, index) => new RuleSweep(sweepParts, rule, index, numbers[positionKey(rule)] ?? 0),
    );
    this.#requested = new RequestedRemoval(sweepParts);
    const keepers = pace();
    const oldest = new OldestEvents(database, index, keepers);
    const parts = { ...shared, file: database.name, oldest, pace: keepers };
    const { crowded } = this.#topics;
    this.#keepers = rules.map(({ keepPerTopic: keep }, rule) =>
      keep === undefined ? undefined : new KeepPerTopic(parts, keep, crowded.of(rule)),
    );
  }

  /** The last sequence that was pruned from any topic. */
  get prunedThrough(): number {
    return this.#removal.prunedThrough;
  }

  get prunedEvents(): number {
    return this.#removal.prunedEvents;
  }

  /**
   * Does one step, in a transaction of its own; returns true if there is more to do. The rules take turns. Damage that a
   * removal comes to holds up its rule, and no other.
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
      const isSweep = (turn & 1) === 0;
      const more = this.#orDamage(() =>
        isSweep ? this.#oldest(rule, now, free) : this.#ofTopics(rule, free),
      );
      if (!more) continue;
      this.#turn = (turn + 1) % turns;
      return true;
    }
    if (this.#damage !== undefined) throw this.#damage;
    return false;
  }

  #orDamage(step: () => boolean): boolean {
    try {
      return step();
    } catch (error) {
      const damage = storeError(error, this.#database.name, 'pruning');
      if (damage.code !== 'STORE_CORRUPT') throw error;
      this.#damage ??= damage;
      return false;
    }
  }

  /** Removes the oldest events of all the topics of a rule; true if there is more to do. */
  #oldest(rule: number, now: number, free: Freedom): boolean {
    const sweep = this.#sweeps[rule]!;
    const more = sweep.step(now, free);
    this.#damage ??= sweep.damage;
    return more;
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
    const pace = this.#forgetting;
    pace.begin();
    const entries = this.#topics.forgettable(pace.left, writtenBlocks);
    if (entries.length === 0) return 0;
    for (const _ of entries) pace.take(0);
    const forget = (): void => {
      this.#topics.deleteRows(entries);
      this.#removal.deleteIndexOf(entries);
    };
    pace.time(() => this.#database.transaction(forget).immediate());
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

  /** As `RequestedRemoval.step`. */
  prune(
    request: PruneRequest,
    matches: (topic: string) => boolean,
    head: number,
    gate?: ArchiveGate,
  ): PruneStep {
    return this.#requested.step(request, matches, head, gate);
  }

  #positionNumbers(): Record<string, number> {
    const numbers: Record<string, number> = {};
    for (const [rule, { position }] of this.#sweeps.entries()) {
      if (position > 0) numbers[positionKey(this.#rules[rule]!)] = position;
    }
    return numbers;
  }

  #waits(rule: number): boolean {
    return this.#rules[rule]!.untilConsumedBy !== undefined;
  }
}

/**
 * The key in `meta` of a rule's position. It depends on the pattern alone: whatever the limits, topics that have
 * nothing left up to a position will never have.
 */
function positionKey({ pattern = '*' }: RetentionRule): string {
  return `retention:${pattern}`;
}
