import { existsSync, readdirSync } from 'node:fs';
import { BusError } from '../protocol/errors.js';
import { shardOf } from '../protocol/topic-hash.js';
import { createManifest, endNew, ensureDirectory } from './directory.js';
import type { Database } from './driver.js';
import { DirectoryLock } from './lock.js';
import type { LogIdentity } from './log-identity.js';
import { identityOf } from './log-state.js';
import { readManifest } from './manifest.js';
import { markFile, readMark } from './mark.js';
import { NameReader } from './names.js';
import { RecordBuffer } from './record-buffer.js';
import type { EventRow } from './row-decoder.js';
import { RowDecoder } from './row-decoder.js';
import { RowReader } from './row-reader.js';
import { openForReading, shardFile } from './schema.js';
import { SqliteEventLog } from './sqlite-event-log.js';
import { readUnflushedLimit } from './unflushed-limit.js';
import { assertWalIsSound } from './wal-scan.js';

/**
 * Copies a directory into a new one with another number of shards. Ids, order per topic, timestamps and recorded times
 * stay; sequences, and with them cursors, are new, so the copy has an epoch of its own. The shards are merged
 * by recorded time, so that it never runs backwards in a new shard either. The manifest is written last: an unfinished
 * copy is refused by whoever opens it.
 */
export interface ReshardOptions {
  readonly from: string;
  readonly shards: number;
  readonly to: string;
  /** Whatever was recorded after this, ms since 1970, by a clock that was ahead, counts as recorded then. */
  readonly recordedUntil?: number;
  /** Default: the bus's own. */
  readonly shardOf?: (topic: string, shards: number) => number;
  /** Told after each batch. */
  readonly onProgress?: (progress: ReshardProgress) => void;
}

export interface ReshardProgress {
  readonly events: number;
  /** About: pruned events count. */
  readonly total: number;
}

const BATCH_EVENTS = 1024;
const ROWS_PER_RANGE = 256;
const BUFFER_BYTES = 64 * 1024;

/** @throws BusError `STORE_LOCKED`, `STORE_CORRUPT`, `STORE_FULL`, `STORE_FAILED`, `OPTION_INVALID` */
export function reshard(options: ReshardOptions): ReshardProgress {
  const { from, to, shards } = options;
  const manifest = readManifest(from);
  if (manifest === undefined) {
    throw new BusError('OPTION_INVALID', `${from} has no manifest.json: it is no log directory`);
  }
  if (existsSync(to) && readdirSync(to).length > 0) {
    throw new BusError('OPTION_INVALID', `${to} is not empty`, { details: { dir: to } });
  }
  const target = createManifest(shards);
  const sourceLock = DirectoryLock.acquire(from);
  try {
    ensureDirectory(to);
    const targetLock = DirectoryLock.acquire(to);
    try {
      const progress = copy(options, manifest.shards, identityOf(target));
      endNew(to, target);
      return progress;
    } finally {
      targetLock.release();
    }
  } finally {
    sourceLock.release();
  }
}

function copy(
  options: ReshardOptions,
  sourceShards: number,
  identity: LogIdentity,
): ReshardProgress {
  const { from, to, shards, onProgress, recordedUntil = Number.POSITIVE_INFINITY } = options;
  const route = options.shardOf ?? shardOf;
  const sources: Source[] = [];
  const targets: SqliteEventLog[] = [];
  const pending = new Array<number>(shards).fill(0);
  let events = 0;
  try {
    for (let shard = 0; shard < sourceShards; shard++) sources.push(new Source(from, shard));
    for (let shard = 0; shard < shards; shard++) {
      targets.push(new SqliteEventLog({ file: shardFile(to, shard), shard, identity }));
    }
    const total = sources.reduce((sum, source) => sum + source.head, 0);
    for (let source = oldest(sources); source !== undefined; source = oldest(sources)) {
      const { topic, recordedAt, bytes } = source.take();
      const shard = route(topic, shards);
      targets[shard]!.append(bytes, 0, Math.min(recordedAt, recordedUntil));
      events++;
      pending[shard]!++;
      if (pending[shard]! < BATCH_EVENTS) continue;
      commit(targets[shard]!, false);
      pending[shard] = 0;
      onProgress?.({ events, total });
    }
    for (const target of targets) commit(target, true);
    onProgress?.({ events, total });
    return { events, total };
  } finally {
    for (const source of sources) source.close();
    for (const target of targets) target.close();
  }
}

function commit(log: SqliteEventLog, synced: boolean): void {
  log.commit(synced, []);
  while (log.maintain());
}

/** The source whose next event was recorded first; of equal ones the first. */
function oldest(sources: readonly Source[]): Source | undefined {
  let best: Source | undefined;
  for (const source of sources) {
    const at = source.nextAt;
    if (at !== undefined && (best?.nextAt === undefined || at < best.nextAt)) best = source;
  }
  return best;
}

/** One shard of the old directory, read in order. */
class Source {
  readonly head: number;
  readonly #database: Database;
  readonly #rows: RowReader;
  readonly #topics: NameReader;
  readonly #decoder: RowDecoder;
  #records: RecordBuffer;
  #ahead: EventRow[] = [];
  #at = 0;
  #read = 0;

  constructor(dir: string, shard: number) {
    const file = shardFile(dir, shard);
    assertWalIsSound(file, readMark(markFile(file)), readUnflushedLimit(file));
    this.#database = openForReading(file, shard);
    this.#rows = new RowReader(this.#database);
    this.#topics = new NameReader(this.#database, 'topics');
    const names = new NameReader(this.#database, 'names');
    this.#decoder = new RowDecoder(file, shard, names, (id) => this.#topics.name(id));
    this.#records = new RecordBuffer(this.#decoder, BUFFER_BYTES);
    const head = this.#database.prepare('SELECT max(sequence) FROM events').pluck().get();
    this.head = typeof head === 'number' ? head : 0;
    this.#fetch();
  }

  /** Recorded time of the next event; `undefined` at the end. */
  get nextAt(): number | undefined {
    return this.#ahead[this.#at]?.[1];
  }

  /** The next event. Its bytes are its own, since a batch keeps them until it is committed. */
  take(): { topic: string; recordedAt: number; bytes: Buffer } {
    const row = this.#ahead[this.#at++]!;
    this.#records.clear();
    const length = this.#records.add(row);
    const bytes = Buffer.from(this.#records.bytes.subarray(0, length));
    if (this.#at === this.#ahead.length) this.#fetch();
    return { topic: this.#topics.name(row[2]), recordedAt: row[1], bytes };
  }

  close(): void {
    this.#database.close();
  }

  #fetch(): void {
    this.#ahead = [];
    this.#at = 0;
    this.#rows.range(this.#read, this.head, false, (row) => this.#ahead.push(row) < ROWS_PER_RANGE);
    this.#read = this.#ahead[this.#ahead.length - 1]?.[0] ?? this.head;
  }
}
