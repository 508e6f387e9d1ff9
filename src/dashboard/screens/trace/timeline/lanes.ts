import { LANES_MAX } from '../bounds.js';
import { inTime } from '../run/causation.js';
import type { Entry } from '../run/run.js';
import type { TimeWindow } from './time-window.js';

/** The lanes of the timeline, one for each source, and what is drawn in them. Pure. */

export interface Lane {
  readonly name: string;
  /** By time. */
  readonly entries: readonly Entry[];
}

/** Something drawn in a lane: an entry, or several that lie too close to be told apart. */
export interface LaneMark {
  readonly kind: 'point' | 'bar';
  /** Pixels from the left edge. */
  readonly from: number;
  readonly to: number;
  /** The first one. */
  readonly entry: Entry;
  readonly count: number;
  readonly isFault: boolean;
}

/** Pixels: the width of a point, and the length from which a text is a bar. */
export const POINT = 9;

/** In the order in which the sources appear in the run. */
export function lanesOf(entries: readonly Entry[], lanesMax = LANES_MAX): readonly Lane[] {
  const bySource = new Map<string, Entry[]>();
  for (const entry of inTime(entries)) {
    const { source } = entry.event;
    const lane = bySource.get(source);
    if (lane === undefined) bySource.set(source, [entry]);
    else lane.push(entry);
  }
  const lanes = [...bySource].map(([name, own]): Lane => ({ name, entries: own }));
  if (lanes.length <= lanesMax) return lanes;
  const rest = lanes.slice(lanesMax - 1);
  const others = inTime(rest.flatMap((lane) => lane.entries));
  return [
    ...lanes.slice(0, lanesMax - 1),
    { name: `${rest.length} other sources`, entries: others },
  ];
}

/** Texts that take some time are bars; all else are points. At most one mark for each few pixels. */
export function marksOf(
  { entries }: Lane,
  { from, to }: TimeWindow,
  width: number,
): readonly LaneMark[] {
  const perMs = width / (to - from);
  const last: { bar?: OpenMark; point?: OpenMark } = {};
  const marks: OpenMark[] = [];
  for (const entry of entries) {
    if (entry.until < from || entry.at > to) continue;
    const start = (Math.max(entry.at, from) - from) * perMs;
    const end = (Math.min(entry.until, to) - from) * perMs;
    const kind = end - start > POINT ? 'bar' : 'point';
    const before = last[kind];
    if (before !== undefined && start - before.from < POINT) {
      before.count++;
      before.to = Math.max(before.to, end);
      before.isFault ||= isFault(entry);
      continue;
    }
    const mark = { kind, from: start, to: end, entry, count: 1, isFault: isFault(entry) } as const;
    last[kind] = { ...mark };
    marks.push(last[kind]);
  }
  return marks;
}

type OpenMark = { -readonly [Key in keyof LaneMark]: LaneMark[Key] };

/** The entry of a lane that is nearest to a time, if there is one. */
export function nearestIn({ entries }: Lane, at: number): Entry | undefined {
  let nearest: Entry | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const entry of entries) {
    const inside = at >= entry.at && at <= entry.until ? 0.5 : Number.POSITIVE_INFINITY;
    const distance = Math.min(inside, Math.abs(entry.at - at));
    if (distance < least) {
      least = distance;
      nearest = entry;
    }
  }
  return nearest;
}

/** Whether an entry tells of a failure, by the last word of its type: `agent_failed`, `http.error`. */
function isFault({ event }: Entry): boolean {
  return /(?:^|[^a-z])(?:failed|failure|error|crashed)$/i.test(event.type);
}
