/** The bounds of what the screen for publishing keeps in the page. */

/** Publishes in the list of what was sent, and characters of their payloads together. */
export const SENT_MAX = 50;
export const SENT_LENGTH_MAX = 4 * 1024 * 1024;
/** Topics that are offered for completion. */
export const OFFERED_TOPICS_MAX = 50;
/** Levels of an example that is made from a schema. */
export const EXAMPLE_DEPTH_MAX = 8;
/** Characters of a payload that is checked against a schema with each key, and the faults that are shown. */
export const SCHEMA_CHECK_LENGTH_MAX = 32_768;
export const SCHEMA_FAULTS_MAX = 5;
/** Events of one replay. */
export const REPLAY_EVENTS_MAX = 100_000;
/** Events that the dry run shows. */
export const SAMPLE_MAX = 5;
/** Events per second of a replay. */
export const RATE_DEFAULT = 100;
export const RATE_MAX = 5000;
/** Events of one publish of a replay, and how much time one covers, ms. */
export const BATCH_MAX = 500;
export const BATCH_MS = 100;
/** Characters of the payloads of one publish of a replay; one event may have more. */
export const BATCH_LENGTH_MAX = 1024 * 1024;
