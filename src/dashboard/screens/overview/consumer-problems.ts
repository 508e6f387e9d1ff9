import type { ConsumerInfo } from 'millrace/client';
import { counted } from '../../text/format.js';
import { troublesOf } from '../consumers/consumer-words.js';
import { type Problem, worstFirst } from './problem.js';

/** The consumers that need a person, each with the first of its troubles. Pure. */

/** How many consumers are named. */
const NAMED_MAX = 3;

export function consumerProblems(consumers: readonly ConsumerInfo[]): readonly Problem[] {
  const found = consumers.flatMap((info): Problem[] => {
    const [first, ...others] = troublesOf(info).filter(({ passes }) => passes !== true);
    if (first === undefined) return [];
    const more = others.length === 0 ? '' : ` (and ${counted(others.length, 'other trouble')})`;
    const text = `Consumer ${info.name}: ${first.text}${more}`;
    const link = { screen: 'consumers', parameters: { consumer: info.name } } as const;
    return [{ severity: first.kind, text, link }];
  });
  const sorted = worstFirst(found);
  const further = sorted.slice(NAMED_MAX);
  if (further.length === 0) return sorted;
  const severity = further[0]!.severity;
  const text = `Something is wrong with ${counted(further.length, 'more consumer')}.`;
  const link = { screen: 'consumers', parameters: {} } as const;
  return [...sorted.slice(0, NAMED_MAX), { severity, text, link }];
}
