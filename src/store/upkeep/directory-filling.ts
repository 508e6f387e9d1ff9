import { BusError } from '../../protocol/errors.js';
import { isKeptObject } from '../../protocol/kept-object.js';
import { COPY_BATCH_BYTES, COPY_BATCH_EVENTS } from '../../protocol/limits/store.js';
import { createManifest, endNew } from '../directory/directory.js';
import type { Manifest } from '../directory/manifest.js';
import type { FilledEvent, FillRequest, StoreFilling } from '../filling.js';
import { shardFile } from '../sqlite/connection/schema.js';
import { storeError } from '../sqlite/driver/store-errors.js';
import { identityOf } from '../sqlite/log-state.js';
import { SqliteShardLog } from '../sqlite/sqlite-shard-log.js';
import { CopyTarget } from './copy-target.js';

/** What the note of an unfinished copy says: whose copy it is, and the manifest that the directory will have. */
interface Note {
  readonly history: string;
  readonly manifest: Manifest;
}

/** A directory as the destination of a copy. Its manifest is written last, so that an unfinished one cannot be opened. */
export class DirectoryFilling implements StoreFilling {
  readonly shards: number;
  readonly shardBy: StoreFilling['shardBy'];
  readonly heads: readonly number[];
  readonly #dir: string;
  readonly #place: CopyTarget;
  readonly #manifest: Manifest;
  readonly #logs: readonly SqliteShardLog[];
  #isEnded = false;

  /** @throws BusError `OPTION_INVALID`, `STORE_LOCKED`, `STORE_CORRUPT`, `STORE_FULL`, `STORE_FAILED` */
  static begin(dir: string, request: FillRequest): DirectoryFilling {
    const { shards, defaultShards, shardBy, history } = request;
    let manifest: Manifest | undefined;
    const place = CopyTarget.begin(dir, (text) => {
      const note = noteOf(text);
      if (note?.history === history && (shards ?? note.manifest.shards) === note.manifest.shards) {
        manifest = note.manifest;
      }
      return manifest !== undefined;
    });
    const logs: SqliteShardLog[] = [];
    try {
      if (manifest === undefined) {
        manifest = createManifest(shards ?? defaultShards, shardBy);
        place.note(JSON.stringify({ history, manifest } satisfies Note));
      }
      const identity = identityOf(manifest);
      for (let shard = 0; shard < manifest.shards; shard++) {
        logs.push(new SqliteShardLog({ file: shardFile(dir, shard), shard, identity }));
      }
      return new DirectoryFilling(dir, place, manifest, logs);
    } catch (error) {
      for (const log of logs) log.close();
      place.leave();
      throw storeError(error, dir, 'copying to');
    }
  }

  private constructor(
    dir: string,
    place: CopyTarget,
    manifest: Manifest,
    logs: readonly SqliteShardLog[],
  ) {
    this.shards = manifest.shards;
    this.shardBy = manifest.shardBy;
    this.heads = logs.map(({ head }) => head);
    this.#dir = dir;
    this.#place = place;
    this.#manifest = manifest;
    this.#logs = logs;
  }

  async read(shard: number, after: number, until: number): Promise<readonly FilledEvent[]> {
    const events: FilledEvent[] = [];
    const request = { after, until, limit: COPY_BATCH_EVENTS, limitBytes: COPY_BATCH_BYTES };
    this.#logs[shard]!.read(request, ({ recordedAt, bytes, offset, length }) => {
      events.push({ recordedAt, bytes: Buffer.from(bytes.subarray(offset, offset + length)) });
      return true;
    });
    return events;
  }

  async append(shard: number, head: number, events: readonly FilledEvent[]): Promise<void> {
    const log = this.#logs[shard]!;
    if (log.head !== head) {
      throw new BusError('STORE_FAILED', `shard ${shard} ends with event ${log.head}, not ${head}`);
    }
    for (const { bytes, recordedAt } of events) log.append(bytes, 0, recordedAt);
    log.commit(false, []);
    while (log.maintain());
  }

  async settle(): Promise<readonly number[]> {
    for (const log of this.#logs) log.commit(true, []);
    return this.#logs.map(({ head }) => head);
  }

  async end(): Promise<void> {
    const heads = this.#logs.map(({ head }) => head);
    for (const log of this.#logs) log.close();
    endNew(this.#dir, { ...this.#manifest, heads });
    this.#isEnded = true;
    this.#place.end(true);
  }

  async close(): Promise<void> {
    if (this.#isEnded) return;
    for (const log of this.#logs) log.close();
    this.#place.leave();
  }
}

/** Undefined for the note of a copy of another kind, which has no text. */
function noteOf(text: string): Note | undefined {
  try {
    const note: unknown = JSON.parse(text);
    if (!isKeptObject(note) || !isKeptObject(note.manifest)) return undefined;
    return note as unknown as Note;
  } catch {
    return undefined;
  }
}
