import { MIB } from './units.js';

/** Limits of topics, events, filters and cursors, wherever they come from. */

export const TOPIC_BYTES_MAX = 255;
export const TOPIC_SEGMENTS_MAX = 16;
export const EVENT_ID_LENGTH_MAX = 64;
/** For `type`, `source` and `correlationId`, in bytes of UTF-8. */
export const EVENT_NAME_BYTES_MAX = 255;
export const ATTRIBUTES_MAX = 16;
export const ATTRIBUTE_KEY_BYTES_MAX = 64;
export const ATTRIBUTE_VALUE_BYTES_MAX = 1024;
export const PAYLOAD_BYTES_MAX = 1 * MIB;
/** The most that a bus can be told to take. */
export const PAYLOAD_BYTES_SETTING_MAX = 64 * PAYLOAD_BYTES_MAX;
export const JSON_DEPTH_MAX = 64;
/** How long an event may live that expires: a hundred years, ms. */
export const EVENT_TTL_MS_MAX = 36_525 * 86_400_000;

export const PATTERNS_PER_FILTER_MAX = 1024;
export const FILTER_VALUES_MAX = 1024;

export const EPOCH_LENGTH_MAX = 64;
/** Room for the longest epoch and a position of every shard, in base64url. */
export const CURSOR_LENGTH_MAX = 320;
