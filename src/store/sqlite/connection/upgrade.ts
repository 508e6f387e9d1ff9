import { BusError } from '../../../protocol/errors.js';
import type { Database } from '../driver/driver.js';
import { addTopicChecksums } from '../index/topic-rows.js';
import { addPrunedIdChecksums } from '../rows/pruned-ids.js';
import { PrunedSequencesWriter } from '../rows/pruned-sequences.js';
import {
  CHECKED_BLOCKS,
  CHECKED_FROM,
  CONSUMER_DEAD_COUNT,
  CONSUMERS_COUNT,
  EXPIRIES_COUNT,
  FORMAT,
  hasConsumers,
  hasExpiries,
  hasPayloadFiles,
  hasSchedules,
  INDEX_BLOCKS,
  isChecked,
  MetaTable,
  PAYLOAD_FILES_COUNT,
  PRUNED_BLOCKS,
  PRUNED_EVENTS,
  PRUNED_IDS_COUNT,
  PRUNED_THROUGH,
  SCHEDULED_COUNT,
  SCHEDULES_COUNT,
  TOPICS_COUNT,
} from '../tables/meta-table.js';
import {
  CONSUMERS_TABLES,
  EXPIRIES_TABLE,
  PAYLOAD_FILES_TABLE,
  PRUNED_BLOCKS_TABLE,
  PRUNED_IDS_TABLE,
  SCHEDULES_TABLES,
} from '../tables/tables.js';

/** Upgrades a log of an earlier format, in the caller's transaction. */
export function upgrade(database: Database, numbers: Readonly<Record<string, number>>): void {
  if (!isChecked(numbers)) addChecks(database, numbers);
  if (!hasConsumers(numbers)) addConsumers(database);
  if (!hasSchedules(numbers)) addSchedules(database);
  if (!hasPayloadFiles(numbers)) addPayloadFiles(database);
  if (!hasExpiries(numbers)) addExpiries(database);
}

/** Format 5: events that expire. */
function addExpiries(database: Database): void {
  database.exec('ALTER TABLE events ADD COLUMN expires_at INTEGER');
  database.exec(EXPIRIES_TABLE);
  new MetaTable(database).set({ [EXPIRIES_COUNT]: 0 });
}

/** Format 5: what is to be published later, and what is gone from a topic without being a gap. */
function addSchedules(database: Database): void {
  database.exec(SCHEDULES_TABLES);
  database.exec('ALTER TABLE topics ADD COLUMN gone_through INTEGER NOT NULL DEFAULT -1');
  new MetaTable(database).set({ [SCHEDULED_COUNT]: 0, [SCHEDULES_COUNT]: 0 });
}

/** Format 5: payloads in files of their own. */
function addPayloadFiles(database: Database): void {
  database.exec(PAYLOAD_FILES_TABLE);
  new MetaTable(database).set({ [PAYLOAD_FILES_COUNT]: 0 });
}

/** Format 3: the tables for consumers. */
function addConsumers(database: Database): void {
  database.exec(CONSUMERS_TABLES);
  database.exec('ALTER TABLE ring_positions ADD COLUMN settled INTEGER NOT NULL DEFAULT 0');
  new MetaTable(database).set({ [CONSUMERS_COUNT]: 0, [CONSUMER_DEAD_COUNT]: 0 });
}

/**
 * Format 2: checksums. Rows of `events` and of the index stay as they are; `meta` says from where on they have the newer
 * checksums. The rows of totals get checksums. Pruned sequences are found by the holes between rows; if anything was
 * pruned, that takes a scan of all sequences.
 */
function addChecks(database: Database, numbers: Readonly<Record<string, number>>): void {
  const { [PRUNED_THROUGH]: prunedThrough = 0, [PRUNED_EVENTS]: prunedEvents = 0 } = numbers;
  const last = database.prepare<[], number | null>('SELECT max(sequence) FROM events').pluck();
  const head = Math.max(last.get() ?? 0, prunedThrough);
  database.exec('ALTER TABLE topics ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0');
  database.exec('ALTER TABLE topic_index ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0');
  if (numbers[FORMAT] === 1) database.exec(PRUNED_IDS_TABLE);
  else database.exec('ALTER TABLE pruned_ids ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0');
  database.exec(PRUNED_BLOCKS_TABLE);
  new MetaTable(database).set({
    [CHECKED_FROM]: head + 1,
    [CHECKED_BLOCKS]: numbers[INDEX_BLOCKS] ?? 0,
    [TOPICS_COUNT]: addTopicChecksums(database),
    [PRUNED_IDS_COUNT]: addPrunedIdChecksums(database),
    [PRUNED_BLOCKS]: findPruned(database, head, prunedEvents),
  });
}

/** Records which sequences were pruned. @returns the number of leading blocks without events */
function findPruned(database: Database, head: number, prunedEvents: number): number {
  const pruned = new PrunedSequencesWriter(database);
  pruned.begin();
  const sequences = database
    .prepare<[], number>('SELECT sequence FROM events ORDER BY sequence')
    .pluck();
  let missing = 0;
  let previous = 0;
  const note = (next: number): void => {
    if (next > previous + 1) pruned.add(previous + 1, next - 1);
    missing += Math.max(0, next - previous - 1);
    previous = next;
  };
  if (prunedEvents > 0) for (const sequence of sequences.iterate()) note(sequence);
  else missing = head - (database.prepare('SELECT count(*) FROM events').pluck().get() as number);
  if (prunedEvents > 0) note(head + 1);
  if (missing === prunedEvents) return pruned.end(0).wholeBlocks;
  const { name: file } = database;
  const reason = `of ${head} events ${missing} are gone, but only ${prunedEvents} were pruned`;
  throw new BusError('STORE_CORRUPT', `${file}: ${reason}`, { details: { file, reason } });
}
