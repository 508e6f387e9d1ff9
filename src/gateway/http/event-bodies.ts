import { BusError } from '../../protocol/errors.js';
import type { EventInput } from '../../protocol/event.js';
import { checkEventInput } from '../../protocol/event-input.js';
import { PUBLISH_MANY_MAX } from '../../protocol/limits/bus-api.js';
import { quote } from '../../protocol/quote.js';
import { Refusal } from '../refusal.js';

/** Checks parsed JSON as events to publish; errors name the place of a fault in `details.path`. Pure. */

/** @throws BusError as `checkEventInput` does, with `details.path`; `EVENT_INVALID` where there is no payload */
export function eventOf(value: unknown, path: string): EventInput {
  try {
    checkEventInput(value);
  } catch (error) {
    throw withPath(error, path);
  }
  if (Object.hasOwn(value, 'payload')) return value;
  const details = { field: 'payload' };
  throw withPath(new BusError('EVENT_INVALID', 'the event has no payload', { details }), path);
}

/**
 * @throws BusError `MESSAGE_INVALID` for a value that is not an array; Refusal 413 for too many events; as `toEvent`
 */
export function eventsOf(
  values: unknown,
  toEvent: (value: unknown, path: string) => EventInput,
): EventInput[] {
  if (!Array.isArray(values)) {
    const details = { path: '' };
    throw new BusError('MESSAGE_INVALID', `${quote(values)} is not an array of events`, {
      details,
    });
  }
  if (values.length > PUBLISH_MANY_MAX) {
    const message = `${values.length} events are over the limit of ${PUBLISH_MANY_MAX}`;
    const details = { events: values.length, limit: PUBLISH_MANY_MAX };
    throw new Refusal(413, 'LIMIT_EXCEEDED', message, details);
  }
  return values.map((value, index) => toEvent(value, String(index)));
}

/** The same error with the place of the fault in the body: `prefix` and the error's own field. */
export function withPath(error: unknown, prefix: string): unknown {
  if (!(error instanceof BusError) || error instanceof Refusal) return error;
  const { code, message, details } = error;
  const field = details?.field ?? (code === 'TOPIC_INVALID' ? 'topic' : '');
  const path = [prefix, field].filter((part) => part !== '').join('.');
  const place = prefix === '' ? '' : `event ${prefix}: `;
  return new BusError(code, `${place}${message}`, { cause: error, details: { ...details, path } });
}
