import type { ConsumerInfo, SinkList } from 'millrace/client';
import { counted } from '../../text/format.js';
import { sinkTrouble } from '../consumers/sink-words.js';
import { type Problem, worstFirst } from './problem.js';

/** The sinks that need a person. Pure. */

/** How many sinks are named. */
const NAMED_MAX = 3;
const LINK = { screen: 'consumers', parameters: { show: 'sinks' } } as const;

/** @param sinks `undefined`: not known yet */
export function sinkProblems(
  sinks: SinkList | undefined,
  consumers: readonly ConsumerInfo[],
  now: number,
): readonly Problem[] {
  if (sinks === undefined) return [];
  const byName = new Map(consumers.map((one) => [one.name, one]));
  const found = sinks.list.flatMap((sink): Problem[] => {
    const trouble = sinkTrouble(sink, now, byName.get(sink.consumer ?? ''));
    if (trouble === undefined) return [];
    const named = sink.name === sink.kind ? sink.name : `${sink.name} (${sink.kind})`;
    return [{ severity: trouble.kind, text: `Sink ${named}: ${trouble.text}`, link: LINK }];
  });
  const sorted = worstFirst(found);
  // Those that have failed stand first in the list, so only then it may leave out others that have.
  const isCut = sinks.list.length < sinks.count && sinks.failed > sinks.list.length;
  const further = sorted.length - NAMED_MAX + (isCut ? sinks.failed - sinks.list.length : 0);
  if (further <= 0) return sorted;
  const severity = isCut ? 'bad' : sorted[NAMED_MAX]!.severity;
  const text = `Something is wrong with ${counted(further, 'more sink')}.`;
  return [...sorted.slice(0, NAMED_MAX), { severity, text, link: LINK }];
}
