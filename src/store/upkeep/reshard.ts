import { BusError } from '../../protocol/errors.js';
import { topicOfSchedule } from '../../protocol/schedule-text.js';
import { shardOf } from '../../protocol/topic-hash.js';
import { EventRecordView } from '../../record/event-record.js';
import { readConsumerList } from '../consumer-list.js';
import { createManifest, endNew } from '../directory/directory.js';
import { CONSUMERS_FILE, copyKept, KeptFile } from '../directory/kept-file.js';
import { DirectoryLock } from '../directory/lock.js';
import { type Manifest, readManifest } from '../directory/manifest.js';
import type { LogIdentity } from '../sqlite/connection/log-identity.js';
import { shardFile } from '../sqlite/connection/schema.js';
import { storeError } from '../sqlite/driver/store-errors.js';
import { identityOf } from '../sqlite/log-state.js';
import type { PrunedId } from '../sqlite/rows/pruned-ids.js';
import { SqliteShardLog } from '../sqlite/sqlite-shard-log.js';
import { CopyTarget } from './copy-target.js';
import { PrunedStart } from './pruned-start.js';
import { ReshardSource } from './reshard-source.js';

/**
 * Copies a directory into a new one with another number of shards, and the same `shardBy`. Ids, the order in each
 * topic, timestamps and recorded times stay. Sequences, and with them cursors, are new, so the copy has an epoch of its
 * own. The shards are merged by recorded time, so that it never runs backwards in a new shard either. The copy still
 * knows the ids of events that were pruned lately and the topics that are empty now, and has the publishes that wait for
 * their time. The manifest is written last, so that an unfinished copy cannot be opened.
 */
export interface ReshardOptions {
  readonly from: string;
  readonly shards: number;
  readonly to: string;
  /**
   * Events recorded after this, ms since 1970, by a clock that was ahead, count as recorded then. Default: no limit.
   */
  readonly recordedUntil?: number;
  /** Default: the bus's own. */
  readonly shardOf?: (topic: string, shards: number) => number;
  /** Called after each batch. */
  readonly onProgress?: (progress: ReshardProgress) => void;
}

/** Options with the rule by which topics are divided. */
type RoutedOptions = ReshardOptions & Required<Pick<ReshardOptions, 'shardOf'>>;

export interface ReshardProgress {
  readonly events: number;
  /** Approximate: pruned events count. */
  readonly total: number;
}

export interface ReshardResult extends ReshardProgress {
  /** Events that the source has lost, one text per shard. Opening the source would tell its subscribers of them. */
  readonly losses: readonly string[];
}

const BATCH_EVENTS = 1024;

/** @throws BusError `STORE_LOCKED`, `STORE_CORRUPT`, `STORE_FULL`, `STORE_FAILED`, `OPTION_INVALID` */
export function reshard(options: ReshardOptions): ReshardResult {
  const { from, to, shards } = options;
  const manifest = readManifest(from);
  if (manifest === undefined) {
    throw new BusError('OPTION_INVALID', `${from} has no manifest.json: it is not a log directory`);
  }
  CopyTarget.assertUsable(to);
  const target = createManifest(shards, manifest.shardBy);
  const sourceLock = DirectoryLock.acquire(from);
  try {
    const place = CopyTarget.begin(to);
    try {
      const result = copy(options, manifest, target);
      place.end(true);
      return result;
    } finally {
      place.end(false);
    }
  } finally {
    sourceLock.release();
  }
}

function copy(options: ReshardOptions, manifest: Manifest, target: Manifest): ReshardResult {
  const { from, to } = options;
  const sources: ReshardSource[] = [];
  const losses: string[] = [];
  try {
    for (let shard = 0; shard < manifest.shards; shard++) {
      const source = ReshardSource.open(from, manifest, shard);
      if (source === undefined) continue;
      sources.push(source);
      const { head, loss } = source;
      if (loss !== undefined) losses.push(`shard ${shard} ends at ${head}: ${loss.reason}`);
    }
    assertNoConsumers(from, manifest.shards, sources);
    const identity = identityOf(target);
    const segments = manifest.shardBy?.segments ?? 0;
    const route = options.shardOf ?? ((topic, shards) => shardOf(topic, shards, segments));
    const routed = { ...options, shardOf: route };
    copyRemoved(routed, sources, identity);
    const { events, total, heads } = copyEvents(routed, sources, identity);
    copyKept(from, to);
    endNew(to, { ...target, heads });
    return { events, total, losses };
  } catch (error) {
    throw storeError(error, to, 'resharding to');
  } finally {
    for (const source of sources) source.close();
  }
}

/** A consumer's positions and open events have no meaning in another partition of the topics. */
function assertNoConsumers(dir: string, shards: number, sources: readonly ReshardSource[]): void {
  // A consumer that was just made may have no state in any log, and a lost list leaves states.
  const { length: listed } = readConsumerList(new KeptFile(dir, CONSUMERS_FILE), shards);
  const consumers = Math.max(listed, ...sources.map((source) => source.consumers));
  if (consumers === 0) return;
  const many = consumers === 1 ? 'a durable consumer' : `${consumers} durable consumers`;
  throw new BusError(
    'OPTION_INVALID',
    `${dir} has ${many}, and a copy with another number of shards cannot take them along: ` +
      'delete them first, and create them in the copy',
    { details: { dir, consumers } },
  );
}

/**
 * Copies what is known of events that are gone: ids, so that the copy still recognises a repeat of an event that
 * retention has just removed, and the names of empty topics, so that no publisher finds them new.
 */
function copyRemoved(
  options: RoutedOptions,
  sources: readonly ReshardSource[],
  identity: LogIdentity,
): void {
  const { to, shards, recordedUntil = Number.POSITIVE_INFINITY } = options;
  const { shardOf: route } = options;
  const ids = sources.map((source) => new PeekableIds(source.prunedIds()));
  const firstAt = oldest(sources)?.nextAt;
  const recordedAt = firstAt ?? Math.max(0, ...sources.map(({ prunedAt }) => prunedAt));
  const starts: PrunedStart[] = [];
  try {
    for (let shard = 0; shard < shards; shard++) {
      starts.push(new PrunedStart(shardFile(to, shard), shard, identity));
    }
    for (let from = oldest(ids); from !== undefined; from = oldest(ids)) {
      const id = from.take();
      const at = Math.min(id.recorded_at, recordedUntil);
      starts[route(id.topic, shards)]!.add({ ...id, recorded_at: at });
    }
    for (const source of sources) {
      for (const { name, lastAt } of source.emptiedTopics()) {
        const topic = { name, lastAt: Math.min(lastAt, recordedUntil) };
        starts[route(name, shards)]!.addTopic(topic);
      }
    }
    for (const start of starts) start.end(Math.min(recordedAt, recordedUntil));
  } finally {
    for (const start of starts) start.close();
  }
}

/** Ids of one source, with the time of the next one. */
class PeekableIds {
  readonly #ids: Iterator<PrunedId>;
  #next: IteratorResult<PrunedId>;

  constructor(ids: Iterator<PrunedId>) {
    this.#ids = ids;
    this.#next = ids.next();
  }

  get nextAt(): number | undefined {
    return this.#next.done === true ? undefined : this.#next.value.recorded_at;
  }

  take(): PrunedId {
    const { value } = this.#next as IteratorYieldResult<PrunedId>;
    this.#next = this.#ids.next();
    return value;
  }
}

function copyEvents(
  options: RoutedOptions,
  sources: readonly ReshardSource[],
  identity: LogIdentity,
): ReshardProgress & { heads: number[] } {
  const { to, shards, onProgress, recordedUntil = Number.POSITIVE_INFINITY } = options;
  const { shardOf: route } = options;
  const targets: SqliteShardLog[] = [];
  const pending = new Array<number>(shards).fill(0);
  const total = sources.reduce((sum, source) => sum + source.head, 0);
  const claims = claimsOf(sources);
  let events = 0;
  try {
    for (let shard = 0; shard < shards; shard++) {
      targets.push(new SqliteShardLog({ file: shardFile(to, shard), shard, identity, ...claims }));
    }
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
    copyLater(sources, targets, (topic) => route(topic, shards));
    for (const target of targets) commit(target, true);
    onProgress?.({ events, total });
    return { events, total, heads: targets.map(({ head }) => head) };
  } finally {
    for (const target of targets) target.close();
  }
}

/** In the copy, payloads lie in files from the size of the smallest one on that does in the source. */
function claimsOf(sources: readonly ReshardSource[]): { claimCheckBytes?: number } {
  const smallest = sources.flatMap(({ smallestClaimed }) => smallestClaimed ?? []);
  return smallest.length === 0 ? {} : { claimCheckBytes: Math.min(...smallest) - 1 };
}

/** Copies publishes that wait, and schedules. */
function copyLater(
  sources: readonly ReshardSource[],
  targets: readonly SqliteShardLog[],
  shardOfTopic: (topic: string) => number,
): void {
  const view = new EventRecordView();
  let pending = 0;
  for (const source of sources) {
    for (const { record, dueAt, acceptedAt } of source.waiting()) {
      const target = targets[shardOfTopic(view.wrap(record, 0).topic)]!;
      target.scheduled.put(record, 0, { dueAt, acceptedAt });
      if (++pending % BATCH_EVENTS === 0) for (const one of targets) commit(one, false);
    }
    for (const schedule of source.schedules()) {
      targets[shardOfTopic(topicOfSchedule(schedule.definition))]!.scheduled.putSchedule(schedule);
    }
  }
}

function commit(log: SqliteShardLog, synced: boolean): void {
  log.commit(synced, []);
  while (log.maintain());
}

/** The source whose next event, or id, was recorded first; of equal ones the first. */
function oldest<T extends { readonly nextAt: number | undefined }>(
  sources: readonly T[],
): T | undefined {
  let best: T | undefined;
  for (const source of sources) {
    const at = source.nextAt;
    if (at !== undefined && (best?.nextAt === undefined || at < best.nextAt)) best = source;
  }
  return best;
}
