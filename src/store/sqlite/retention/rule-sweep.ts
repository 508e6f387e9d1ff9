import type { BusError } from '../../../protocol/errors.js';
import type { RetentionRule } from '../../pruning.js';
import type { TopicTable } from '../index/topic-table.js';
import type { Freedom } from './keep-per-topic.js';
import type { DoomedRow, Removal } from './removal.js';
import type { RowLook } from './row-look.js';
import type { StepPace } from './step-pace.js';

/** The parts of the log that a sweep works with; rules share them. */
export interface SweepParts {
  readonly topics: TopicTable;
  readonly look: RowLook;
  readonly removal: Removal;
  readonly pace: StepPace;
  /** The positions of all rules, for `meta`. */
  readonly positionNumbers: () => Record<string, number>;
}

/** The limits of one rule that look at all its topics together: age, number, size, and what consumers need no more. */
export class RuleSweep {
  readonly #parts: SweepParts;
  readonly #rule: RetentionRule;
  readonly #index: number;
  #position: number;
  #damage: BusError | undefined;

  /** @param index the rule's place in the settings; `position`: it has nothing left up to this sequence */
  constructor(parts: SweepParts, rule: RetentionRule, index: number, position: number) {
    this.#parts = parts;
    this.#rule = rule;
    this.#index = index;
    this.#position = position;
  }

  /** The sequence up to which the rule has nothing left. */
  get position(): number {
    return this.#position;
  }

  /** The damage that the last step has come to, if it found nothing before it. */
  get damage(): BusError | undefined {
    return this.#damage;
  }

  /** Removes the oldest events of all the rule's topics, in a transaction; true if there is more to do. */
  step(now: number, free: Freedom): boolean {
    this.#damage = undefined;
    if (!this.#mayHaveWork(free.kept)) return false;
    this.#parts.pace.begin();
    return this.#parts.pace.time(() => this.#remove(now, free));
  }

  #remove(now: number, free: Freedom): boolean {
    const { look, removal, positionNumbers } = this.#parts;
    const before = this.#position;
    const doomed: DoomedRow[] = [];
    const judge = this.#judge(now, free);
    let isKept = false;
    const { last, hasMore, damage } = look.after(before, (row) => {
      const verdict = judge(row);
      if (verdict === 'goes') doomed.push(row);
      isKept = verdict === 'stays';
      return verdict === 'goes' || verdict === 'is not its own';
    });
    if (last === before) this.#damage = damage;
    this.#position = last;
    try {
      removal.remove(doomed, { head: free.head, numbers: positionNumbers() });
    } catch (error) {
      this.#position = before;
      throw error;
    }
    return last > before && !isKept && (hasMore || damage !== undefined);
  }

  /**
   * Judges rows one after the other. The sweep ends at the first of the rule's rows that stays, because all later ones
   * are newer. Nothing goes from the sequence `kept` on, nor what the gate holds back.
   */
  #judge(now: number, { kept, gate }: Freedom): (row: DoomedRow) => Verdict {
    const { topics, pace } = this.#parts;
    const { maxAgeMs, maxEvents = Infinity, maxBytes = Infinity } = this.#rule;
    const isUnlimited = this.#isUnlimited;
    const before = maxAgeMs === undefined ? Number.NEGATIVE_INFINITY : now - maxAgeMs;
    let events = topics.ruleEvents[this.#index]!;
    let bytes = topics.ruleBytes[this.#index]!;
    return (row) => {
      if (!topics.byId(row.topic).rules.includes(this.#index)) return 'is not its own';
      const isOver =
        isUnlimited || row.recordedAt < before || events > maxEvents || bytes > maxBytes;
      if (!isOver || row.sequence >= kept) return 'stays';
      if (gate !== undefined && row.sequence > gate.through) {
        gate.want(row.sequence);
        return 'stays';
      }
      if (!pace.take(row.bytes)) return 'waits';
      events--;
      bytes -= row.bytes;
      return 'goes';
    };
  }

  /** Whether the rule removes every event that it may: it waits for consumers and has no limit besides. */
  get #isUnlimited(): boolean {
    const { maxAgeMs, maxEvents, maxBytes, keepPerTopic, untilConsumedBy } = this.#rule;
    const limit = maxAgeMs ?? maxEvents ?? maxBytes ?? keepPerTopic;
    return untilConsumedBy !== undefined && limit === undefined;
  }

  #mayHaveWork(kept: number): boolean {
    const { ruleEvents, ruleBytes } = this.#parts.topics;
    const { maxAgeMs, maxEvents = Infinity, maxBytes = Infinity } = this.#rule;
    const index = this.#index;
    if (ruleEvents[index] === 0 || kept <= this.#position + 1) return false;
    return (
      this.#isUnlimited ||
      maxAgeMs !== undefined ||
      ruleEvents[index]! > maxEvents ||
      ruleBytes[index]! > maxBytes
    );
  }
}

/** `waits`: for the next step. */
type Verdict = 'is not its own' | 'goes' | 'stays' | 'waits';
