import type { MessagePort } from 'node:worker_threads';
import { ulid } from 'ulid';
import type { EndpointData } from '../endpoint/endpoint.js';
import {
  defaultShards,
  isMemory,
  type ParsedBusOptions,
  systemEventOptions,
} from '../endpoint/options.js';
import type { EndpointListener, MainServices } from '../endpoint/services.js';
import { BusCensus, EndpointShares } from '../link/bus-census.js';
import { createLinkMemory } from '../link/link.js';
import { ShardControl } from '../link/shard-control.js';
import { decodeCursor } from '../protocol/cursor.js';
import { BusError } from '../protocol/errors.js';
import type { BackupProgress, BackupResult } from '../store/backup.js';
import type { ResolvedCursor } from '../store/cursor-positions.js';
import {
  endNew,
  ensureDirectory,
  openManifest,
  resolveCursor,
} from '../store/directory/directory.js';
import { DirectoryLock } from '../store/directory/lock.js';
import { FORMAT_VERSION, type Manifest, writeManifest } from '../store/directory/manifest.js';
import type { PatternTotals, PruneRequest, PruneStep } from '../store/pruning.js';
import { shardFile } from '../store/sqlite/connection/schema.js';
import { openDatabase } from '../store/sqlite/driver/driver.js';
import { continueHistory } from '../store/sqlite/history.js';
import { identityOf } from '../store/sqlite/log-state.js';
import { LogReaders } from '../store/sqlite/reading/readers.js';
import { Backup } from '../store/upkeep/backup.js';
import { elapsedMs } from '../threads/elapsed.js';
import { keepAliveDuring } from '../threads/keep-alive.js';
import { HeldCalls } from './held-calls.js';
import { ShardSupervisor } from './shard-supervisor.js';

/** What belongs to the bus and not to one endpoint: the directory, the shards, the members. */
export class BusCore implements MainServices {
  readonly openedAt = elapsedMs();
  readonly controls: readonly ShardControl[];
  readonly supervisors: readonly ShardSupervisor[];
  readonly #options: ParsedBusOptions;
  readonly #lock: DirectoryLock | undefined;
  readonly #readers: LogReaders | undefined;
  /** Which share of the counts each endpoint has. */
  readonly #members = new Map<string, number>();
  readonly #listeners = new Map<string, EndpointListener>();
  readonly #census = BusCensus.create();
  readonly #warnings = new HeldCalls<BusError>();
  readonly #shares = new EndpointShares(this.#census);
  #manifest: Manifest;
  #stopped: Promise<void> | undefined;
  #backup: Backup | undefined;

  private constructor(
    options: ParsedBusOptions,
    manifest: Manifest,
    lock: DirectoryLock | undefined,
    readers: LogReaders | undefined,
  ) {
    this.#options = options;
    this.#manifest = manifest;
    this.#lock = lock;
    this.#readers = readers;
    this.controls = Array.from({ length: manifest.shards }, () => ShardControl.create());
    this.supervisors = this.controls.map((control, shard) => this.#supervisor(control, shard));
  }

  static onDisk(options: ParsedBusOptions): BusCore {
    const { dir, shards } = options;
    ensureDirectory(dir);
    const lock = DirectoryLock.acquire(dir);
    try {
      const found = openManifest(dir, { shards, defaultShards: defaultShards() });
      // Before anything is written to the logs: whoever dies in between leaves them as they were.
      const manifest = continueHistory(dir, found);
      return new BusCore(options, manifest, lock, new LogReaders(dir, manifest.shards));
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  static inMemory(options: ParsedBusOptions): BusCore {
    // The addon must stay loaded in this thread while shards come and go.
    openDatabase(':memory:').close();
    const manifest: Manifest = {
      format: FORMAT_VERSION,
      shards: options.shards ?? defaultShards(),
      epoch: ulid(),
      createdAt: new Date().toISOString(),
      earlier: [],
    };
    return new BusCore(options, manifest, undefined, undefined);
  }

  get epoch(): string {
    return this.#manifest.epoch;
  }

  async start(): Promise<void> {
    await Promise.all(this.supervisors.map((supervisor) => supervisor.start()));
    const { dir } = this.#options;
    if (!isMemory(dir) && this.#manifest.isNew === true)
      this.#manifest = endNew(dir, this.#manifest);
  }

  /** Makes a new endpoint's half of everything. `connect` follows in the same turn, before there is anything to say. */
  admit(): EndpointData {
    const endpoint = ulid();
    const doorbell = new SharedArrayBuffer(4);
    const share = this.#shares.take();
    this.#members.set(endpoint, share);
    this.#census.endpoints = this.#members.size;
    const ends = this.supervisors.map((supervisor, shard) => {
      const memory = createLinkMemory(this.#options.ringBytes);
      const relink = (port: MessagePort, generation: number): void =>
        this.#listeners.get(endpoint)?.onRelink(shard, port, generation);
      const port = supervisor.attach({ endpoint, memory, doorbell, relink });
      return { endpoint, shard, memory, doorbell, port };
    });
    const { source, defaultPersist, noPersistTopics, maxPayloadBytes, publishWaitMs } =
      this.#options;
    const systemEvents = systemEventOptions(this.#options);
    return {
      endpoint,
      epoch: this.epoch,
      openedAt: this.openedAt,
      ends,
      generations: this.supervisors.map(({ generation }) => generation),
      controls: this.controls.map(({ buffer }) => buffer),
      doorbell,
      census: this.#census.buffer,
      share,
      options: {
        source,
        defaultPersist,
        noPersistTopics,
        maxPayloadBytes,
        publishWaitMs,
        ...(systemEvents === undefined ? {} : { systemEvents }),
      },
    };
  }

  /** From now on the listener hears what an admitted endpoint has to know; first of all which shards were given up. */
  connect(endpoint: string, listener: EndpointListener): void {
    this.#listeners.set(endpoint, listener);
    for (const [shard, { failure }] of this.supervisors.entries()) {
      if (failure !== undefined) listener.onShardFailed(shard, failure);
    }
  }

  dismiss(endpoint: string): void {
    const share = this.#members.get(endpoint);
    if (share === undefined) return;
    this.#members.delete(endpoint);
    this.#listeners.delete(endpoint);
    this.#shares.giveBack(share);
    this.#census.endpoints = this.#members.size;
    for (const supervisor of this.supervisors) supervisor.detach(endpoint);
  }

  page(...[shard, request]: Parameters<MainServices['page']>): ReturnType<MainServices['page']> {
    const told = this.#headOf(shard);
    const until = Math.min(request.until ?? told, told);
    const upToHead = { ...request, until, headLeast: told };
    return this.#readers?.page(shard, upToHead) ?? this.supervisors[shard]!.page(upToHead);
  }

  async positionAt(shard: number, timeMs: number): Promise<number> {
    const told = this.#headOf(shard);
    const position = await (this.#readers?.positionAt(shard, timeMs) ??
      this.supervisors[shard]!.positionAt(timeMs));
    return Math.min(position, told);
  }

  totals(shard: number, pattern: string): Promise<PatternTotals> {
    return this.supervisors[shard]!.totals(pattern);
  }

  pruneStep(shard: number, request: PruneRequest): Promise<PruneStep> {
    return this.supervisors[shard]!.prune(request);
  }

  async backup(
    dir: string,
    onProgress?: (progress: BackupProgress) => void,
  ): Promise<BackupResult> {
    const from = this.#options.dir;
    if (isMemory(from)) throw new BusError('OPTION_INVALID', 'a bus in memory has no backup');
    if (this.#stopped !== undefined) throw new BusError('BUS_CLOSED', 'the bus is closed');
    if (this.#backup !== undefined) {
      throw new BusError('LIMIT_EXCEEDED', 'another backup is under way: one at a time');
    }
    const toldHeads = this.supervisors.map(({ failure }, shard) =>
      failure === undefined ? this.controls[shard]!.toldHead : undefined,
    );
    const backup = new Backup({ from, to: dir, manifest: this.#manifest, toldHeads }, onProgress);
    this.#backup = backup;
    try {
      return await backup.result;
    } finally {
      this.#backup = undefined;
    }
  }

  async abortBackup(): Promise<void> {
    await this.#backup?.abort();
  }

  async resolveCursor(cursor: string): Promise<ResolvedCursor> {
    const { positions, gaps } = resolveCursor(this.#manifest, decodeCursor(cursor));
    // Beyond the head nothing of this history exists: the directory was put back from an older copy.
    const cut = positions.map((position, shard) => Math.min(position, this.controls[shard]!.head));
    for (const [shard, position] of positions.entries()) {
      const from = cut[shard]! + 1;
      if (from <= position) gaps.push({ shard, from, to: position, reason: 'rolled-back' });
    }
    return { positions: cut, gaps };
  }

  /** The opener's own endpoint leaves with the bus. */
  async left(): Promise<void> {}

  /** Of the shards, those from before this call too. */
  onWarning(listener: (error: BusError) => void): void {
    this.#warnings.pass(listener);
  }

  tellClosing(): void {
    for (const listener of this.#listeners.values()) listener.onClosing();
  }

  stop(): Promise<void> {
    this.#stopped ??= keepAliveDuring(this.#stop());
    return this.#stopped;
  }

  /** Who reads a log goes first: only the last that closes it can leave it without a write-ahead log. */
  async #stop(): Promise<void> {
    await Promise.all([this.abortBackup(), this.#readers?.close()]);
    await Promise.all(this.supervisors.map((supervisor) => supervisor.stop()));
    for (const listener of this.#listeners.values()) listener.onClosed();
    this.#listeners.clear();
    this.#members.clear();
    this.#keepHeads();
    this.#lock?.release();
  }

  /** So that a log that is put back from an older copy, with all that is beside it, is found. */
  #keepHeads(): void {
    if (this.#lock === undefined || this.#manifest.isNew === true) return;
    const { heads: known } = this.#manifest;
    const heads = this.controls.map(({ head }, shard) => Math.max(head, known?.[shard] ?? 0));
    if (heads.every((head, shard) => head === known?.[shard])) return;
    try {
      writeManifest(this.#options.dir, { ...this.#manifest, heads });
    } catch {
      // On a full disk, or in a directory that is gone, the older ones have to do.
    }
  }

  /**
   * The head that the shard has told. Its file may have more: a batch is committed before it is flushed, and what asked
   * to be flushed is shown to nobody until it is.
   */
  #headOf(shard: number): number {
    return this.controls[shard]?.head ?? 0;
  }

  #supervisor(control: ShardControl, shard: number): ShardSupervisor {
    const { dir, commitBatchEvents, retention, dedupeWindowMs, dedupeIdsMax, maxShardBytes } =
      this.#options;
    const settings = {
      commitBatchEvents,
      publishWaitMs: this.#options.publishWaitMs,
      prunes: retention.length > 0,
      log: {
        file: isMemory(dir) ? dir : shardFile(dir, shard),
        identity: identityOf(this.#manifest),
        dedupeWindowMs,
        dedupeIdsMax,
        retention: retention.map((rule) => shareOf(rule, this.#manifest.shards)),
        ...(maxShardBytes === undefined ? {} : { maxShardBytes }),
      },
    };
    return new ShardSupervisor(shard, control, settings, {
      onFailed: (failed, error) => {
        for (const listener of this.#listeners.values()) listener.onShardFailed(failed, error);
      },
      onWarning: (error) => this.#warnings.push(error),
    });
  }
}

/** A rule's limits are for the whole bus; each shard keeps an equal share. */
function shareOf<R extends ParsedBusOptions['retention'][number]>(rule: R, shards: number) {
  const { pattern, maxAgeMs, maxEvents, maxBytes } = rule;
  return {
    pattern,
    ...(maxAgeMs === undefined ? {} : { maxAgeMs }),
    ...(maxEvents === undefined ? {} : { maxEvents: Math.ceil(maxEvents / shards) }),
    ...(maxBytes === undefined ? {} : { maxBytes: Math.ceil(maxBytes / shards) }),
  };
}
