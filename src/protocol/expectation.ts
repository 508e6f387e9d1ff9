import type { Expectation } from './event.js';
import { quote } from './quote.js';

/** What publishers expect of topics, as a bus, a client and the doors of a server check it. */

const FORMS = "'none' or { sequence: 1, 2, 3 … }";

/** What is wrong with an expectation, or `undefined`. */
export function expectationFault(value: unknown): string | undefined {
  return isExpectation(value) ? undefined : `has to be ${FORMS}, not ${quote(value)}`;
}

/** As `expectationFault`, of what `publishMany` takes: one expectation, or one for each topic. */
export function expectationsFault(value: unknown): string | undefined {
  if (isExpectation(value)) return undefined;
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (!isObject) return `has to be ${FORMS}, or an object of those by topic, not ${quote(value)}`;
  for (const [topic, one] of Object.entries(value)) {
    const fault = expectationFault(one);
    if (fault !== undefined) return `${quote(topic)} ${fault}`;
  }
  return undefined;
}

/** The sequence that is expected, 0 for none. */
export function expectedSequence(expectation: Expectation): number {
  return expectation === 'none' ? 0 : expectation.sequence;
}

export function isExpectation(value: unknown): value is Expectation {
  if (value === 'none') return true;
  if (typeof value !== 'object' || value === null || Object.keys(value).length !== 1) return false;
  const { sequence } = value as { sequence?: unknown };
  return Number.isSafeInteger(sequence) && (sequence as number) >= 1;
}
