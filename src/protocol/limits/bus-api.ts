import { COMMIT_BATCH_BYTES, COMMIT_BATCH_EVENTS } from './shards.js';

/** Limits and defaults of the calls that the bus and its clients have in common. */

export const PUBLISH_MANY_MAX = 65_536;
/** The events of an atomic `publishMany`, and their bytes as records of a ring: they go into one commit. */
export const ATOMIC_EVENTS_MAX = COMMIT_BATCH_EVENTS;
export const ATOMIC_BYTES_MAX = COMMIT_BATCH_BYTES;

/** Characters of a registered topic's JSON Schema; a longer one is not sent to clients. */
export const DEFINITION_SCHEMA_LENGTH_MAX = 65_536;

/** The largest `last` in `from: { last }`. */
export const SUBSCRIBE_LAST_MAX = 1_000_000;
export const SUBSCRIBER_BUFFER_EVENTS = 1000;
export const SUBSCRIBER_BUFFER_EVENTS_MAX = 1_000_000;
/** Characters of a subscription's name: on the bus, in the client and in a frame. */
export const SUBSCRIPTION_NAME_LENGTH_MAX = 255;

export const QUERY_LIMIT = 100;
export const QUERY_LIMIT_MAX = 10_000;
