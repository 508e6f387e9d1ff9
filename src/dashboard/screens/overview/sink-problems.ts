import type { ConsumerInfo, SinkList } from 'millrace/client';
import { counted } from '../../text/format.js';
import type { Trouble } from '../consumers/consumer-words.js';
import { sinkTrouble } from '../consumers/sink-words.js';

/** The sinks that need a person. Pure. */

/** One of the problems of the bus. */
export interface SinkProblem {
  readonly severity: Trouble['kind'];
  readonly text: string;
  readonly link: {
    readonly screen: 'consumers';
    readonly parameters: Readonly<Record<string, string>>;
  };
}

/** How many sinks are named. */
const NAMED_MAX = 3;
const LINK = { screen: 'consumers', parameters: { show: 'sinks' } } as const;

/** @param sinks `undefined`: not known yet */
export function sinkProblems(
  sinks: SinkList | undefined,
  consumers: readonly ConsumerInfo[],
  now: number,
): readonly SinkProblem[] {
  if (sinks === undefined) return [];
  const byName = new Map(consumers.map((one) => [one.name, one]));
  const found = sinks.list.flatMap((sink): SinkProblem[] => {
    const trouble = sinkTrouble(sink, now, byName.get(sink.consumer ?? ''));
    if (trouble === undefined) return [];
    const named = sink.name === sink.kind ? sink.name : `${sink.name} (${sink.kind})`;
    return [{ severity: trouble.kind, text: `Sink ${named}: ${trouble.text}`, link: LINK }];
  });
  const sorted = found.sort((a, b) => rank(a) - rank(b));
  // Those that have failed stand first in the list, so only then it may leave out others that have.
  const isCut = sinks.list.length < sinks.count && sinks.failed > sinks.list.length;
  const further = sorted.length - NAMED_MAX + (isCut ? sinks.failed - sinks.list.length : 0);
  if (further <= 0) return sorted;
  const severity = isCut ? 'bad' : sorted[NAMED_MAX]!.severity;
  const text = `Something is wrong with ${counted(further, 'more sink')}.`;
  return [...sorted.slice(0, NAMED_MAX), { severity, text, link: LINK }];
}

function rank({ severity }: SinkProblem): number {
  return severity === 'bad' ? 0 : 1;
}
