import type { AccessInfo, ConsumerDefinition } from 'millrace/client';
import { access } from '../../state/access.js';
import { grants } from '../../state/session.js';
import { isCovered } from './covers.js';

/**
 * Whether the page offers to change a consumer. The server decides: besides the `consume` grant it wants the right to read
 * all that the consumer reads, and to publish its dead letters.
 */
export function mayManage(definition: ConsumerDefinition): boolean {
  const { isReadOnly, mayAdminister } = access.value;
  const given = grants.value;
  if (isReadOnly || given === undefined) return false;
  return mayAdminister || coversAll(given, definition);
}

/** Why the page offers no change, for those who only may look. */
export function lookOnlyText({ deadLetter }: ConsumerDefinition): string {
  if (access.value.isReadOnly) return 'This dashboard is read-only: it changes no consumer.';
  const letters = deadLetter === undefined ? '' : `, and publish on ${deadLetter}`;
  return `You may look at this consumer. To change it, a token has to read all that it reads${letters}.`;
}

function coversAll(
  { subscribe, publish }: AccessInfo,
  { filter, deadLetter }: ConsumerDefinition,
): boolean {
  const mayRead = filter.topics.every((topic) => isCovered(topic, subscribe));
  return mayRead && (deadLetter === undefined || isCovered(deadLetter, publish));
}
