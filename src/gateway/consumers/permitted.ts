import type { Principal } from '../../auth/principal.js';
import { assertConsumerName } from '../../protocol/consumer-definition.js';
import type { ConsumerDefinition } from '../../protocol/consumers.js';
import { BusError } from '../../protocol/errors.js';
import { quote } from '../../protocol/quote.js';
import { assertMayRead } from '../permissions.js';

/** Checks what a principal may do with durable consumers, before anything is done for it. */

/**
 * Checks that the principal may take the consumer's events, settle them, and see its state.
 *
 * @throws BusError `FORBIDDEN`, whether there is such a consumer or not; `OPTION_INVALID`
 */
export function assertMayConsume(principal: Principal, name: string): void {
  if (principal.mayConsume(name)) return;
  assertConsumerName(name);
  throw forbidden(principal, 'take from consumer', { consumer: quote(name) }, name);
}

/**
 * Checks that the principal may make, change, move or delete a consumer with this definition: besides taking from it, it
 * has to be permitted to read all that the consumer reads, and to publish its dead letters. Whoever administers the
 * whole bus may.
 *
 * @throws BusError `FORBIDDEN`
 */
export function assertMayManage(
  principal: Principal,
  name: string,
  { filter, deadLetter }: Pick<ConsumerDefinition, 'filter' | 'deadLetter'>,
): void {
  assertMayConsume(principal, name);
  if (principal.mayAdminister('*')) return;
  assertMayRead(principal, filter);
  if (deadLetter === undefined || principal.mayPublish(deadLetter)) return;
  throw forbidden(principal, 'publish to topic', { topic: quote(deadLetter) }, deadLetter);
}

function forbidden(
  { name }: Principal,
  action: string,
  details: Readonly<Record<string, string>>,
  value: string,
): BusError {
  const message = `${quote(name)} may not ${action} ${quote(value)}`;
  return new BusError('FORBIDDEN', message, { details });
}
