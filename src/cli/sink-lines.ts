import type { SinkFigures, SinkList } from '../protocol/sink-figures.js';
import { styled } from './output.js';
import { type Cell, formatDuration, tableLines } from './table.js';

/** The sinks of a server as lines for a person. Pure but for the colours of a terminal. */

const COLUMNS = ['sink', 'kind', 'state', 'done', 'failed', 'pending', 'last done', 'target'];
/** The width of the column that may be long. */
const TARGET_LENGTH_MAX = 48;

/** A table, and below it the last failure of each sink that has not got over it. None on a server without sinks. */
export function sinkLines({ count, list }: SinkList, shownMax = list.length): string[] {
  if (count === 0) return [];
  const shown = list.slice(0, shownMax);
  const [header, ...rows] = tableLines(COLUMNS, shown.map(cellsOf));
  const more = count - shown.length;
  return [
    styled('dim', header!),
    ...shown.flatMap((sink, at) => [colored(sink, rows[at]!), ...failureOf(sink)]),
    ...(more === 0 ? [] : [styled('dim', `and ${more} more`)]),
  ];
}

/** `2 sinks`, and how many of them are in trouble. */
export function sinkSummary({ count, failed, waiting }: SinkList): string {
  const troubles = Object.entries({ failed, waiting }).filter(([, number]) => number > 0);
  return [`${count}`, ...troubles.map(([name, number]) => `${name} ${number}`)].join('  ');
}

function cellsOf(sink: SinkFigures): Cell[] {
  const { name, kind, state, done, failed, pending, lastDoneAt, target = '-' } = sink;
  const last = lastDoneAt === undefined ? '-' : `${formatDuration(ageOf(lastDoneAt))} ago`;
  const cut =
    target.length <= TARGET_LENGTH_MAX ? target : `${target.slice(0, TARGET_LENGTH_MAX - 1)}…`;
  return [name, kind, state, done, failed, pending ?? '-', last, cut];
}

/** By this machine's clock, which may differ from the server's. */
function ageOf(time: string): number {
  return Math.max(0, Date.now() - Date.parse(time));
}

function failureOf({ state, lastError, retryAt }: SinkFigures): string[] {
  if (lastError === undefined || (state !== 'failed' && state !== 'waiting')) return [];
  const { code, message } = lastError;
  const again = retryAt === undefined ? '' : `; starts again at ${retryAt}`;
  // The table has escaped what a terminal would obey; this line has to do it too.
  return [`  ${tableLines([''], [[`${code}: ${message}${again}`]])[1]!}`];
}

function colored({ state }: SinkFigures, line: string): string {
  if (state === 'failed') return styled('red', line);
  return state === 'waiting' ? styled('yellow', line) : line;
}
