import * as v from 'valibot';
import type { Expectation, PublishManyOptions } from './event.js';
import { expectationFault, expectationsFault } from './expectation.js';
import { PUBLISH_MANY_MAX } from './limits/bus-api.js';
import { LEASE_TEXT_LENGTH_MAX } from './limits/consumers.js';
import { valueByKey } from './wire-fields.js';
import { DELIVERY_TIME_FIELDS } from './wire-later.js';

/** The shapes of the frames that publish. Any thread, and browsers. */

export const eventInput = v.strictObject({
  topic: v.string(),
  type: v.string(),
  payload: v.unknown(),
  source: v.exactOptional(v.string()),
  correlationId: v.exactOptional(v.string()),
  causationId: v.exactOptional(v.string()),
  attributes: v.exactOptional(valueByKey),
  id: v.exactOptional(v.string()),
  timestamp: v.exactOptional(v.string()),
  expiresAt: v.exactOptional(v.string()),
});

const publishOptions = {
  durability: v.exactOptional(v.picklist(['synced', 'written'])),
  persist: v.exactOptional(v.boolean()),
  idScope: v.exactOptional(v.picklist(['topic', 'source'])),
  ...DELIVERY_TIME_FIELDS,
  ttlMs: v.exactOptional(v.number()),
};
const expectation = v.custom<Expectation>(
  (input) => expectationFault(input) === undefined,
  "it is neither 'none' nor { sequence }",
);
const expectations = v.custom<NonNullable<PublishManyOptions['expect']>>(
  (input) => expectationsFault(input) === undefined,
  "it is neither 'none' nor { sequence }, nor an object of those by topic",
);
export const publishOne = v.strictObject({
  event: eventInput,
  ...publishOptions,
  expect: v.exactOptional(expectation),
});
const events = v.pipe(v.array(eventInput), v.minLength(1), v.maxLength(PUBLISH_MANY_MAX));
export const publishMany = v.strictObject({
  events,
  ...publishOptions,
  atomic: v.exactOptional(v.boolean()),
  expect: v.exactOptional(expectations),
});
export const ackAndPublish = v.strictObject({
  lease: v.pipe(v.string(), v.maxLength(LEASE_TEXT_LENGTH_MAX)),
  events,
  ...publishOptions,
  expect: v.exactOptional(expectations),
});
