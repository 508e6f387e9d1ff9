import type { ConsumerOrder } from '../../../protocol/consumers.js';
import type { EventRecordView } from '../../../record/event-record.js';

const ATTRIBUTE = 'attributes.';

/** The key of an event by a consumer's order; undefined if the event lacks it, or the order has no keys. */
export type KeyOf = (view: EventRecordView) => string | undefined;

const BY_FIELD: Readonly<Record<string, KeyOf>> = {
  none: () => undefined,
  topic: (view) => view.topic,
  source: (view) => view.source,
  correlationId: (view) => view.correlationId,
};

export function keyOf(order: ConsumerOrder): KeyOf {
  const byField = BY_FIELD[order];
  if (byField !== undefined) return byField;
  const name = order.slice(ATTRIBUTE.length);
  return ({ attributes }) => {
    const has = attributes !== undefined && Object.hasOwn(attributes, name);
    return has ? attributes[name] : undefined;
  };
}
