import { DEDUPE_IDS_MAX, DEDUPE_WINDOW_MS } from '../../protocol/limits/store.js';
import { matchesPattern } from '../../protocol/topic.js';
import type { ShardExpiry } from '../expiry.js';
import { WriteConnection } from './connection/write-connection.js';
import { DeadTable } from './consumers/dead-table.js';
import { StateTable } from './consumers/state-table.js';
import { DedupeWindow } from './dedupe/dedupe-window.js';
import { storeError } from './driver/store-errors.js';
import { EventInserter } from './event-inserter.js';
import { FieldCatchUp } from './fields/field-catch-up.js';
import { IndexKeeper } from './index/index-keeper.js';
import { TopicIndexWriter } from './index/topic-index.js';
import { TopicTable } from './index/topic-table.js';
import type { LogHealth } from './log-health.js';
import { OpenBatch } from './open-batch.js';
import { LogPayloads } from './payloads/log-payloads.js';
import { PageReader } from './reading/page-reader.js';
import { loadState } from './recovery.js';
import { Retention } from './retention/retention.js';
import { RingPositionTable } from './ring-positions.js';
import { EventReader } from './rows/event-reader.js';
import { ExpiryTable } from './rows/expiry-table.js';
import { NameReader } from './rows/names.js';
import { RowDecoder } from './rows/row-decoder.js';
import { RowReader } from './rows/row-reader.js';
import { SqliteConsumers } from './sqlite-consumers.js';
import { SqliteExpiry } from './sqlite-expiry.js';
import type { SqliteShardLogOptions } from './sqlite-log-options.js';
import { SqlitePruning } from './sqlite-pruning.js';
import { SqliteScheduled } from './sqlite-scheduled.js';
import { INDEX_BLOCKS, readMeta } from './tables/meta-table.js';
import { Upkeep } from './upkeep.js';

/**
 * The opening of a shard's log: opens the file, makes the tables and what works on them, gives each part the others that
 * it needs, and loads what the file holds. `SqliteShardLog` works with the parts. The thread that owns the log.
 */

/** The log, as its parts call it. */
export interface LogHost {
  /** The sequence of the last committed event. */
  head(): number;
  /** Removes the open batch from every structure in memory. */
  undo(): void;
}

export interface LogParts {
  readonly connection: WriteConnection;
  readonly topics: TopicTable;
  readonly index: IndexKeeper;
  readonly events: EventInserter;
  readonly reader: EventReader;
  readonly pages: PageReader;
  readonly dedupe: DedupeWindow;
  readonly payloads: LogPayloads;
  readonly retention: Retention;
  readonly upkeep: Upkeep;
  readonly states: StateTable;
  readonly dead: DeadTable;
  readonly batch: OpenBatch;
  readonly ringPositions: RingPositionTable;
  readonly pruning: SqlitePruning;
  readonly expiry: ShardExpiry;
  readonly consumers: SqliteConsumers;
  readonly scheduled: SqliteScheduled;
  readonly head: number;
  readonly lastRecordedAt: number;
  /** The head that was once committed, if the file's head is lower now. */
  readonly wentBackwardsFrom: number | undefined;
}

/** @throws BusError `STORE_CORRUPT`, `STORE_FAILED`, `STORE_FULL` */
export function openParts(
  options: SqliteShardLogOptions,
  health: LogHealth,
  host: LogHost,
): LogParts {
  const { file, shard, maxShardBytes, identity } = options;
  const connection = new WriteConnection(file, shard, maxShardBytes, identity);
  try {
    return partsOn(connection, options, health, host);
  } catch (error) {
    connection.abandon();
    throw storeError(error, file, 'opening');
  }
}

function partsOn(
  connection: WriteConnection,
  options: SqliteShardLogOptions,
  health: LogHealth,
  host: LogHost,
): LogParts {
  const { file, shard, now = Date.now, steps = [], retention: retained = [] } = options;
  const { database } = connection;
  const topics = topicTable(connection, options);
  const nameReader = new NameReader(database, 'names');
  const decoder = new RowDecoder(database, shard, nameReader, (id) => topics.byId(id).name);
  const reader = new EventReader(new RowReader(database), decoder);
  const dead = new DeadTable(database, (sequence) => reader.recordOf(sequence));
  const claims = payloadsOf(connection, options);
  const { claimed: payloads } = claims;
  const expiries = new ExpiryTable(database);
  const topicIndex = new TopicIndexWriter(database, readMeta(database, INDEX_BLOCKS));
  const dedupe = dedupeOf(options);
  const kept = { topics, dead, payloads, expiries };
  const rules = {
    rules: retained,
    dedupeWindowMs: dedupe.windowMs,
    elapsed: options.elapsed ?? (() => performance.now()),
  };
  const retention = new Retention(database, kept, topicIndex, rules);
  const ringPositions = new RingPositionTable(database, health, dedupe);
  const index = new IndexKeeper(database, topicIndex, topics, options.recentValues);
  const catchUp = new FieldCatchUp(database, index.fields, decoder, nameReader);
  const { head, lastRecordedAt } = loadState(database, topics, topicIndex, dedupe, {
    decoder,
    now: now(),
    steps,
  });
  catchUp.start(topicIndex.writtenBlocks, head);
  const into = { topics, index, dedupe, nameReader, payloads, expiries };
  const events = new EventInserter(database, into);
  const upkept = { index, catchUp, retention, payloads: claims.upkeep };
  const upkeep = new Upkeep(file, connection, upkept, () => events.forgetTopics());
  const onFull = (): void => upkeep.noteShortage();
  const batch = new OpenBatch(connection, health, { undo: () => host.undo(), onFull });
  batch.end(head, lastRecordedAt);
  const states = new StateTable(database);
  const pruned = { retention, upkeep, connection, batch, health, head: () => host.head() };
  return {
    ...{ connection, topics, index, events, reader, dedupe, payloads: claims, retention, upkeep },
    ...{ states, dead, batch, ringPositions, head, lastRecordedAt },
    pages: new PageReader(database, file, shard, index.fields.recent),
    pruning: new SqlitePruning(pruned),
    expiry: new SqliteExpiry(pruned),
    consumers: new SqliteConsumers(states, dead, batch, health),
    scheduled: new SqliteScheduled(database, batch, health),
    wentBackwardsFrom: connection.startMark(head),
  };
}

function topicTable(
  { database }: WriteConnection,
  { retention = [], matches = matchesPattern }: SqliteShardLogOptions,
): TopicTable {
  const rulesOf = (topic: string): readonly number[] =>
    retention.flatMap(({ pattern = '*' }, rule) => (matches(pattern, topic) ? [rule] : []));
  const keep = retention.map(({ keepPerTopic }) => keepPerTopic);
  return new TopicTable(database, retention.length, rulesOf, keep);
}

function payloadsOf(
  { database, pageLimit }: WriteConnection,
  options: SqliteShardLogOptions,
): LogPayloads {
  return new LogPayloads(database, {
    over: options.claimCheckBytes,
    room: pageLimit,
    holds: options.payloadHolds,
    files: options.payloadFiles,
  });
}

function dedupeOf(options: SqliteShardLogOptions): DedupeWindow {
  const { dedupeWindowMs = DEDUPE_WINDOW_MS, dedupeIdsMax = DEDUPE_IDS_MAX } = options;
  return new DedupeWindow({
    windowMs: dedupeWindowMs,
    idsMax: dedupeIdsMax,
    elapsed: options.elapsed ?? (() => performance.now()),
  });
}
