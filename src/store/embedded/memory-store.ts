import { ulid } from 'ulid';
import { type CursorPositions, cutToHeads, type ResolvedCursor } from '../cursor-positions.js';
import { resolveCursor } from '../directory/directory.js';
import { FORMAT_VERSION, type Manifest } from '../directory/manifest.js';
import type { KeptText, LogStore, OpenStore, ShardBy, StoreRequest } from '../log-store.js';
import { openDatabase } from '../sqlite/driver/driver.js';
import { identityOf } from '../sqlite/log-state.js';
import type { SqliteShardOptions } from '../sqlite/open-shard-log.js';
import { SQLITE_SHARD_LOG } from './sqlite-modules.js';

/** The store behind `dir: ':memory:'`: a SQLite log in the memory of each shard's thread, gone with the thread. */
export class MemoryStore implements LogStore {
  readonly name = 'in memory';

  open({ shards, defaultShards, shardBy }: StoreRequest): OpenStore {
    // Opening a database loads the addon into this thread, where it must stay loaded while shards come and go.
    openDatabase(':memory:').close();
    return new OpenMemory({
      format: FORMAT_VERSION,
      shards: shards ?? defaultShards,
      ...(shardBy === undefined ? {} : { shardBy }),
      epoch: ulid(),
      createdAt: new Date().toISOString(),
      earlier: [],
    });
  }
}

class OpenMemory implements OpenStore {
  readonly shards: number;
  readonly shardBy: ShardBy | undefined;
  readonly epoch: string;
  readonly shardLog = SQLITE_SHARD_LOG;
  /** Taken, so that tests may use the options of production; the payloads stay in memory. */
  readonly payloadFiles = true;
  readonly consumers = new KeptInMemory();
  readonly #manifest: Manifest;

  constructor(manifest: Manifest) {
    this.#manifest = manifest;
    this.shards = manifest.shards;
    this.shardBy = manifest.shardBy;
    this.epoch = manifest.epoch;
  }

  shardOptions(): SqliteShardOptions {
    return { file: ':memory:', identity: identityOf(this.#manifest) };
  }

  ready(): void {}

  resolveCursor(cursor: CursorPositions, heads: readonly number[]): ResolvedCursor {
    return cutToHeads(resolveCursor(this.#manifest, cursor), heads);
  }

  close(): void {}
}

class KeptInMemory implements KeptText {
  readonly file = 'the memory of the bus';
  #text: string | undefined;

  read(): string | undefined {
    return this.#text;
  }

  write(text: string): void {
    this.#text = text;
  }
}
