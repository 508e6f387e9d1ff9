import type { ArchiveGate, PruneRequest, PruneStep } from '../../pruning.js';
import type { TopicTable } from '../index/topic-table.js';
import type { DoomedRow } from './removal.js';
import type { SweepParts } from './rule-sweep.js';

/** Removals that somebody asked for, in steps. */
export class RequestedRemoval {
  readonly #parts: SweepParts;

  constructor(parts: SweepParts) {
    this.#parts = parts;
  }

  /**
   * Does one step, in a transaction of its own.
   * @throws BusError `STORE_CORRUPT` at a damaged row
   */
  step(
    request: PruneRequest,
    matches: (topic: string) => boolean,
    head: number,
    gate?: ArchiveGate,
  ): PruneStep {
    this.#parts.pace.begin();
    return this.#parts.pace.time(() => this.#remove(request, matches, head, gate));
  }

  #remove(
    request: PruneRequest,
    matches: (topic: string) => boolean,
    head: number,
    gate: ArchiveGate | undefined,
  ): PruneStep {
    const { topics, look, removal, pace, positionNumbers } = this.#parts;
    const { beforeMs = Number.NEGATIVE_INFINITY, excessEvents, excessBytes, after } = request;
    const isMatch = matcherOf(topics, matches);
    const doomed: DoomedRow[] = [];
    let bytes = 0;
    let isEnd = false;
    const { last, hasMore, damage } = look.after(after, (row) => {
      if (!isMatch(row.topic)) return true;
      const isEnough = doomed.length >= excessEvents && bytes >= excessBytes;
      if (row.recordedAt >= beforeMs && isEnough) isEnd = true;
      else if (gate !== undefined && row.sequence > gate.through) {
        gate.want(row.sequence);
        isEnd = true;
      }
      if (isEnd || !pace.take(row.bytes)) return false;
      doomed.push(row);
      bytes += row.bytes;
      return true;
    });
    if (damage !== undefined && last === after) throw damage;
    removal.remove(doomed, { head, numbers: positionNumbers() });
    const events = doomed.length;
    const isDone = isEnd || (!hasMore && damage === undefined);
    return isDone ? { events, bytes } : { events, bytes, next: last };
  }
}

/** Whether a topic matches, by its id; each topic is matched once. */
function matcherOf(
  topics: TopicTable,
  matches: (topic: string) => boolean,
): (topic: number) => boolean {
  const matching = new Map<number, boolean>();
  return (topic) => {
    let isMatch = matching.get(topic);
    if (isMatch === undefined) {
      isMatch = matches(topics.byId(topic).name);
      matching.set(topic, isMatch);
    }
    return isMatch;
  };
}
