import { type Exchange, headerOf, JSON_TYPE } from './exchange.js';
import { negotiate } from './media-types.js';

/**
 * Checks the head of a request that is answered with JSON: its `accept`, and that it has no other parameters.
 * @throws Refusal 406, BusError `QUERY_INVALID`
 */
export function checkHead({ request, parameters }: Exchange, known: readonly string[] = []): void {
  negotiate(headerOf(request, 'accept'), [JSON_TYPE]);
  parameters.assertKnown(known);
}
