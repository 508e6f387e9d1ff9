/**
 * The tables of a log.
 *
 * - `events`: one row per event, appended in sequence order, nothing else indexed per event.
 * - `topics`: the names of topics and their totals, which count the events up to `through`; `gone_through` is since
 *   format 5.
 * - `names`: types and sources.
 * - `topic_index`: per block of `INDEX_BLOCK_EVENTS` sequences and topic, the sequences of that topic as varint
 *   differences. Its key begins with the block, so that a complete block is appended. Three numbers stand for no topic:
 *   the row under 0 lists the sequences whose id the publisher supplied, -1 holds hashes of all ids (see
 *   `id-index.ts`), and -2 lists the topics that have a row in the block.
 * - `field_index`: per block, the sequences of each correlation id, source and type; see `fields/field-rows.ts`. A log of
 *   an earlier version gets it while it is in use.
 * - `pruned_blocks`: which sequences were pruned; see `pruned-sequences.ts`.
 * - `pruned_ids`: publishers' own ids whose events were pruned while the dedupe window still had them; since format 2.
 * - `ring_positions`: how far each publish ring had been consumed when its events were committed, and the number of the
 *   last settlement of each endpoint; `settled` is since format 3.
 * - `consumers`: the state of each lane of each durable consumer; since format 3.
 * - `consumer_dead`: the events that are dead for a consumer. A row keeps the event's record once the event is pruned;
 *   since format 3.
 * - `scheduled`: publishes that wait for the time at which they become events, each with its record; since format 5.
 * - `schedules`: what is to be published again and again, and up to which due time it was; since format 5.
 * - `payload_files`: the payloads that lie in files of their own, with the number of rows of `events` that refer to each;
 *   since format 5.
 * - `expiries`: when events expire, a row for each that does; since format 5, as the column `expires_at` of `events`.
 * - `meta`: format, shard, how far the index and the totals are complete, and how far and how much was pruned.
 */

/** Part of the format: a power of two. See docs/adr/0002 for the measurement behind it. */
export const INDEX_BLOCK_EVENTS = 16_384;

/** The block of a sequence, in the index and in `pruned_blocks`. */
export function blockOf(sequence: number): number {
  return Math.floor(sequence / INDEX_BLOCK_EVENTS);
}

/** Of a block with fewer events than this there is no index by id or by field; its rows are read. */
export const SPARSE_BLOCK_EVENTS = INDEX_BLOCK_EVENTS / 16;

/** A batch is at most half an index block. */
export const BATCH_EVENTS_MAX = INDEX_BLOCK_EVENTS / 2;
/**
 * The index rows that a batch writes per event while a complete block waits. A block has at most one row per event, so
 * it is on disk before the block after the next one begins.
 */
export const INDEX_ROWS_PER_EVENT = 4;
/** `events.flags`: the publisher supplied the id, so a repeat is a duplicate. */
export const ROW_FLAG_SUPPLIED_ID = 1;
/** `events.flags`, beside `ROW_FLAG_SUPPLIED_ID`: the id is unique within its source only. */
export const ROW_FLAG_ID_OF_SOURCE = 2;
/** `events.flags`: the row's payload is a reference to a file; see `rows/payload-reference.ts`. */
export const ROW_FLAG_PAYLOAD_IN_FILE = 4;

export const PRUNED_IDS_TABLE = `
CREATE TABLE pruned_ids (
  sequence INTEGER PRIMARY KEY,
  recorded_at INTEGER NOT NULL,
  topic TEXT NOT NULL,
  source TEXT,
  id TEXT NOT NULL,
  checksum INTEGER NOT NULL
);
`;

export const PRUNED_BLOCKS_TABLE = `
CREATE TABLE pruned_blocks (
  block INTEGER PRIMARY KEY,
  bits BLOB NOT NULL,
  checksum INTEGER NOT NULL
);
`;

export const FIELD_INDEX_TABLE = `
CREATE TABLE IF NOT EXISTS field_index (
  id INTEGER PRIMARY KEY,
  postings BLOB NOT NULL,
  checksum INTEGER NOT NULL
);
`;

export const CONSUMERS_TABLES = `
CREATE TABLE consumers (
  consumer TEXT NOT NULL,
  lane INTEGER NOT NULL,
  round INTEGER NOT NULL,
  position INTEGER NOT NULL,
  lease_next INTEGER NOT NULL,
  acked INTEGER NOT NULL,
  redelivered INTEGER NOT NULL,
  lost INTEGER NOT NULL,
  at INTEGER NOT NULL,
  open BLOB NOT NULL,
  checksum INTEGER NOT NULL,
  PRIMARY KEY (consumer, lane)
) WITHOUT ROWID;
CREATE TABLE consumer_dead (
  consumer TEXT NOT NULL,
  sequence INTEGER NOT NULL,
  died_at INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  times INTEGER NOT NULL,
  state INTEGER NOT NULL,
  cause TEXT NOT NULL,
  reason TEXT NOT NULL,
  record BLOB,
  checksum INTEGER NOT NULL,
  PRIMARY KEY (consumer, sequence)
) WITHOUT ROWID;
`;

export const SCHEDULES_TABLES = `
CREATE TABLE scheduled (
  number INTEGER PRIMARY KEY,
  due_at INTEGER NOT NULL,
  accepted_at INTEGER NOT NULL,
  topic TEXT NOT NULL,
  id TEXT NOT NULL,
  record BLOB NOT NULL,
  checksum INTEGER NOT NULL
);
CREATE INDEX scheduled_due ON scheduled (due_at, number);
CREATE INDEX scheduled_id ON scheduled (id, topic);
CREATE TABLE schedules (
  name TEXT PRIMARY KEY,
  handled_until INTEGER NOT NULL,
  fired INTEGER NOT NULL,
  last_at INTEGER NOT NULL,
  definition TEXT NOT NULL,
  checksum INTEGER NOT NULL
) WITHOUT ROWID;
`;

export const PAYLOAD_FILES_TABLE = `
CREATE TABLE payload_files (
  hash TEXT PRIMARY KEY,
  length INTEGER NOT NULL,
  refs INTEGER NOT NULL,
  checksum INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX payload_files_unused ON payload_files (hash) WHERE refs = 0;
`;

export const EXPIRIES_TABLE = `
CREATE TABLE expiries (
  expires_at INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  checksum INTEGER NOT NULL,
  PRIMARY KEY (expires_at, sequence)
) WITHOUT ROWID;
`;

export const TABLES = `
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE topics (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  events INTEGER NOT NULL DEFAULT 0,
  bytes INTEGER NOT NULL DEFAULT 0,
  first_sequence INTEGER NOT NULL DEFAULT 0,
  last_sequence INTEGER NOT NULL DEFAULT 0,
  first_at INTEGER NOT NULL DEFAULT 0,
  last_at INTEGER NOT NULL DEFAULT 0,
  pruned_through INTEGER NOT NULL DEFAULT 0,
  through INTEGER NOT NULL DEFAULT 0,
  checksum INTEGER NOT NULL DEFAULT 0,
  gone_through INTEGER NOT NULL DEFAULT -1
);
CREATE TABLE events (
  sequence INTEGER PRIMARY KEY,
  recorded_at INTEGER NOT NULL,
  topic INTEGER NOT NULL,
  type INTEGER NOT NULL,
  source INTEGER NOT NULL,
  checksum INTEGER NOT NULL,
  flags INTEGER,
  timestamp INTEGER,
  id TEXT NOT NULL,
  correlation_id TEXT,
  causation_id TEXT,
  attributes TEXT,
  expires_at INTEGER,
  payload BLOB NOT NULL
);
CREATE TABLE topic_index (
  block INTEGER NOT NULL,
  topic INTEGER NOT NULL,
  events INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  sequences BLOB NOT NULL,
  checksum INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (block, topic)
) WITHOUT ROWID;
${FIELD_INDEX_TABLE}
${PRUNED_IDS_TABLE}
${PRUNED_BLOCKS_TABLE}
CREATE TABLE ring_positions (
  endpoint TEXT PRIMARY KEY,
  position INTEGER NOT NULL,
  first_sequence INTEGER NOT NULL,
  settled INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
${CONSUMERS_TABLES}
${SCHEDULES_TABLES}
${PAYLOAD_FILES_TABLE}
${EXPIRIES_TABLE}
CREATE VIEW event_view AS SELECT
  e.sequence,
  strftime('%Y-%m-%d %H:%M:%f', e.recorded_at / 1000.0, 'unixepoch') AS time,
  t.name AS topic,
  y.name AS type,
  s.name AS source,
  e.id,
  e.correlation_id AS correlation,
  e.attributes,
  CAST(e.payload AS TEXT) AS payload
FROM events e
LEFT JOIN topics t ON t.id = e.topic
LEFT JOIN names y ON y.id = e.type
LEFT JOIN names s ON s.id = e.source;
`;
