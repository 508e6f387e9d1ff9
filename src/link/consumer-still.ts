import { definitionDifferences } from '../protocol/consumer-definition.js';
import { BusError } from '../protocol/errors.js';
import { quote } from '../protocol/quote.js';
import type { ListedConsumer } from './consumer-shapes.js';

type Known = Pick<ListedConsumer, 'id' | 'definition'>;

/**
 * Checks, in the turn of a change, in main or in a shard, that the consumer is the one for which the change was permitted. A
 * gateway checks its client's grants before, and another client may have made or changed the consumer since.
 *
 * @param checked what there was then; null: no consumer of this name
 * @throws BusError `CONFLICT`
 */
export function assertStill(name: string, checked: Known | null, present: Known | undefined): void {
  if (present === undefined ? checked === null : checked !== null && areSame(checked, present)) {
    return;
  }
  throw new BusError('CONFLICT', `consumer ${quote(name)} was made or changed meanwhile`, {
    details: { consumer: name },
  });
}

function areSame(a: Known, b: Known): boolean {
  return a.id === b.id && definitionDifferences(a.definition, b.definition).length === 0;
}
