import type { Database } from './driver.js';

interface At {
  readonly sequence: number;
  readonly at: number;
}

/**
 * The last sequence recorded before a time, by bisection: recorded time never runs backwards. Where events were pruned, the
 * next one that is left stands for them. 0, or what lies before the oldest event, if all are later.
 */
export function positionAt(database: Database, timeMs: number): number {
  const columns = 'SELECT sequence, recorded_at AS at FROM events';
  const atOrAfter = database.prepare<[number], At>(
    `${columns} WHERE sequence >= ? ORDER BY sequence LIMIT 1`,
  );
  const first = atOrAfter.get(0);
  const last = database.prepare<[], At>(`${columns} ORDER BY sequence DESC LIMIT 1`).get();
  if (first === undefined || last === undefined || first.at >= timeMs) {
    return first === undefined ? 0 : first.sequence - 1;
  }
  if (last.at < timeMs) return last.sequence;
  // `low` is before the time, and what `high` finds is not.
  let low = first.sequence;
  let high = last.sequence;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    const found = atOrAfter.get(middle);
    if (found !== undefined && found.at < timeMs) low = Math.max(middle, found.sequence);
    else high = middle;
  }
  return low;
}
