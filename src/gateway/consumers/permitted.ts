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

/**
 * Checks that a principal with masks does not say where dead letters go. They have the payload as it was published, and
 * on another topic other masks hold, or none: in the letters of its own consumer it would read what is masked.
 *
 * @param existing the consumer that is there, whose letters somebody else may have named
 * @throws BusError `FORBIDDEN`
 */
export function assertMayNameLetters(
  principal: Principal,
  { filter, deadLetter }: ConsumerDefinition,
  existing: ConsumerDefinition | undefined,
): void {
  if (deadLetter === undefined || !principal.redacts || principal.mayAdminister('*')) return;
  const isSame =
    existing?.deadLetter === deadLetter &&
    JSON.stringify(existing.filter) === JSON.stringify(filter);
  if (isSame) return;
  const action = 'read all of a payload, so it may not have dead letters on';
  throw forbidden(principal, action, { topic: quote(deadLetter) }, deadLetter);
}

/** Whether there may be a consumer that the principal may take from. */
export function mayConsumeAny(principal: Principal): boolean {
  return principal.access.consume.length > 0 || principal.mayAdminister('*');
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
