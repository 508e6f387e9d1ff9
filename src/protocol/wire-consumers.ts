import * as v from 'valibot';
import { SUBSCRIPTION_NAME_LENGTH_MAX } from './limits/bus-api.js';
import {
  CONSUMER_NAMES_PER_REQUEST_MAX,
  LEASE_TEXT_LENGTH_MAX,
  REDRIVE_IDS_MAX,
  SETTLEMENTS_PER_REQUEST_MAX,
} from './limits/consumers.js';
import { ackAndPublish } from './wire-publish.js';

/**
 * The checks of a client's frames about durable consumers; a part of `wire.ts`. `consumer-frames.ts` has their types.
 * This file checks shapes; the bus checks names, options and numbers, with codes of its own. Any thread.
 */

const memberName = v.pipe(v.string(), v.minLength(1), v.maxLength(SUBSCRIPTION_NAME_LENGTH_MAX));
const wholeNumber = v.pipe(
  v.number(),
  v.integer(),
  v.minValue(0),
  v.maxValue(Number.MAX_SAFE_INTEGER),
);

/** Checked before the elements are, as a frame has room for a hundred thousand of them. */
const fewOf = <S extends v.GenericSchema>(least: number, most: number, schema: S) => {
  const list = v.pipe(v.array(schema), v.minLength(least));
  const tooMany = v.custom<never>(
    () => false,
    `it has more elements than ${most}, which is the limit`,
  );
  return v.lazy((input) => (Array.isArray(input) && input.length > most ? tooMany : list));
};

const anObject = v.custom<object>(
  (input) => typeof input === 'object' && input !== null && !Array.isArray(input),
  'it is no object',
);

const change = v.lazy((input) => {
  const kind = typeof input === 'object' && input !== null && 'kind' in input && input.kind;
  if (kind === 'seek') {
    return v.strictObject({ kind: v.literal('seek'), from: v.union([v.string(), anObject]) });
  }
  if (kind === 'skip') {
    return v.strictObject({ kind: v.literal('skip'), shard: wholeNumber, sequence: wholeNumber });
  }
  return v.strictObject({ kind: v.picklist(['pause', 'resume', 'delete', 'seek', 'skip']) });
});

const settlement = v.strictObject({
  lease: v.pipe(v.string(), v.maxLength(LEASE_TEXT_LENGTH_MAX)),
  kind: v.picklist(['ack', 'nak', 'handBack', 'term', 'working']),
  durability: v.exactOptional(v.picklist(['synced', 'written'])),
  delayMs: v.exactOptional(wholeNumber),
  reason: v.exactOptional(v.string()),
});

/** Valibot would take an array for an object without fields. */
const notAnArray = v.custom<never>(() => false, 'it is an array, not an object');
const consumersFields = v.strictObject({
  names: v.exactOptional(fewOf(0, CONSUMER_NAMES_PER_REQUEST_MAX, v.string())),
});
const pageFields = v.strictObject({
  name: v.string(),
  after: v.exactOptional(v.string()),
  limit: v.exactOptional(wholeNumber),
});

/** The payload of each type of frame about consumers that a client may send. */
export const CONSUMER_REQUEST_SCHEMAS = {
  consumer: v.strictObject({ name: v.string(), options: v.exactOptional(anObject) }),
  consumers: v.optional(v.lazy((input) => (Array.isArray(input) ? notAnArray : consumersFields))),
  consumerOpen: pageFields,
  consumerDead: pageFields,
  consumerHeldKeys: pageFields,
  seekPreview: v.strictObject({ name: v.string(), from: v.union([v.string(), anObject]) }),
  alterConsumer: v.strictObject({ name: v.string(), change }),
  redrive: v.strictObject({
    name: v.string(),
    ids: v.exactOptional(fewOf(0, REDRIVE_IDS_MAX, v.string())),
    dryRun: v.exactOptional(v.boolean()),
  }),
  join: v.strictObject({
    consumer: v.string(),
    member: memberName,
    concurrency: wholeNumber,
    prefetch: v.exactOptional(v.boolean()),
    name: v.exactOptional(v.string()),
  }),
  resize: v.strictObject({ member: memberName, concurrency: wholeNumber }),
  leave: v.strictObject({ member: memberName }),
  pull: v.strictObject({
    consumer: v.string(),
    max: v.exactOptional(wholeNumber),
    waitMs: v.exactOptional(wholeNumber),
  }),
  settle: v.strictObject({ settlements: fewOf(1, SETTLEMENTS_PER_REQUEST_MAX, settlement) }),
  ackAndPublish,
} as const;
