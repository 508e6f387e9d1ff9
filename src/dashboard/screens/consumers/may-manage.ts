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

function coversAll(
  { subscribe, publish }: AccessInfo,
  { filter, deadLetter }: ConsumerDefinition,
): boolean {
  const mayRead = filter.topics.every((topic) => isCovered(topic, subscribe));
  return mayRead && (deadLetter === undefined || isCovered(deadLetter, publish));
}
