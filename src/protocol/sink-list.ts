import { SINKS_LISTED_MAX } from './limits/sinks.js';
import type { SinkFigures, SinkList, SinkState } from './sink-figures.js';

/** Lists of sinks: counted in full, named up to a bound, those in trouble first. Pure. */

const ORDER: readonly SinkState[] = [
  'failed',
  'waiting',
  'stopping',
  'starting',
  'running',
  'stopped',
];

/** Of a bus on which none runs. */
export const NO_SINKS: SinkList = Object.freeze({ count: 0, failed: 0, waiting: 0, list: [] });

export function sinkListOf(sinks: readonly SinkFigures[]): SinkList {
  const inState = (state: SinkState): number => sinks.filter((one) => one.state === state).length;
  return {
    count: sinks.length,
    failed: inState('failed'),
    waiting: inState('waiting'),
    list: listed(sinks),
  };
}

/** The sinks of several lists as one. */
export function mergedSinks(lists: readonly SinkList[]): SinkList {
  const total = (of: 'count' | 'failed' | 'waiting'): number =>
    lists.reduce((sum, list) => sum + list[of], 0);
  return {
    count: total('count'),
    failed: total('failed'),
    waiting: total('waiting'),
    list: listed(lists.flatMap(({ list }) => list)),
  };
}

function listed(sinks: readonly SinkFigures[]): readonly SinkFigures[] {
  return [...sinks].sort(compare).slice(0, SINKS_LISTED_MAX);
}

function compare(a: SinkFigures, b: SinkFigures): number {
  const byState = ORDER.indexOf(a.state) - ORDER.indexOf(b.state);
  return byState || compareTexts(a.name, b.name) || compareTexts(a.endpoint, b.endpoint);
}

function compareTexts(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
