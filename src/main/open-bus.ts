import { resolve } from 'node:path';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import Database from 'better-sqlite3';
import { ulid } from 'ulid';
import { BusCensus } from '../link/bus-census.js';
import { createLinkMemory } from '../link/link.js';
import { ShardControl, TURNS } from '../link/shard-control.js';
import { decodeCursor } from '../protocol/cursor.js';
import { BusError } from '../protocol/errors.js';
import { EventType } from '../protocol/event.js';
import { Backup, type BackupProgress, type BackupResult } from '../store/backup.js';
import { DirectoryLock } from '../store/lock.js';
import {
  ensureDirectory,
  type Manifest,
  newEpoch,
  openManifest,
  type ResolvedCursor,
  resolveCursor,
} from '../store/manifest.js';
import { LogReaders } from '../store/readers.js';
import type { PatternTotals, PruneRequest, PruneStep } from '../store/retention.js';
import { FORMAT_VERSION, shardFile } from '../store/schema.js';
import { type AttachmentData, warn } from './attach-bus.js';
import type { Bus, BusAttachment, BusOptions, GatewayHandle, GatewayOptions } from './bus.js';
import { Endpoint, type EndpointData } from './endpoint.js';
import { INTERNALS } from './internals.js';
import {
  defaultShards,
  isMemory,
  type ParsedBusOptions,
  parseBusOptions,
  systemEventOptions,
} from './options.js';
import { type EndpointListener, type MainServices, ServicesAdapter } from './services.js';
import { ShardSupervisor } from './shard-supervisor.js';
import { SYSTEM_TOPICS, SystemReporter } from './system-events.js';

/**
 * Opens a bus: the directory is locked and checked, one thread per shard is started, and when all are ready the bus
 * is returned. Everything it has accepted before is there.
 *
 * @throws BusError `OPTION_INVALID`, `STORE_LOCKED`, `STORE_CORRUPT`, `STORE_FAILED`, `SHARD_COUNT_MISMATCH`
 */
export async function openBus(options: BusOptions = {}): Promise<Bus> {
  const parsed = parseBusOptions(options);
  const core = isMemory(parsed.dir) ? BusCore.inMemory(parsed) : BusCore.onDisk(parsed);
  try {
    await core.start();
    return new LocalBus(core, parsed);
  } catch (error) {
    await core.stop();
    throw error;
  }
}

/** An endpoint as main knows it. */
interface Member {
  readonly listener: EndpointListener;
}

/** What belongs to the bus and not to one endpoint: the directory, the shards, the members. */
class BusCore implements MainServices {
  readonly openedAt = Date.now();
  readonly controls: readonly ShardControl[];
  readonly supervisors: readonly ShardSupervisor[];
  readonly #options: ParsedBusOptions;
  readonly #lock: DirectoryLock | undefined;
  readonly #readers: LogReaders | undefined;
  readonly #members = new Map<string, Member>();
  readonly #census = BusCensus.create();
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
      const manifest = openManifest(dir, { shards, defaultShards: defaultShards() });
      return new BusCore(options, manifest, lock, new LogReaders(dir, manifest.shards));
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  static inMemory(options: ParsedBusOptions): BusCore {
    // The addon must stay loaded in this thread while shards come and go.
    new Database(':memory:').close();
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
    const ready = await Promise.all(this.supervisors.map((supervisor) => supervisor.start()));
    const lost = ready.flatMap(({ head, wentBackwardsFrom }, shard) =>
      wentBackwardsFrom === undefined
        ? []
        : [`shard ${shard} from ${wentBackwardsFrom} to ${head}`],
    );
    const { backup } = this.#manifest;
    if (lost.length === 0 && backup === undefined) return;
    const reason =
      lost.length > 0
        ? `history went back: ${lost.join(', ')}`
        : `opened from a backup of ${backup?.takenAt}`;
    const heads = ready.map(({ head }) => head);
    this.#manifest = newEpoch(this.#options.dir, this.#manifest, reason, heads);
  }

  /** Makes a new endpoint's half of everything. */
  admit(listener: EndpointListener): EndpointData {
    const endpoint = ulid();
    const doorbell = new SharedArrayBuffer(4);
    this.#members.set(endpoint, { listener });
    this.#census.endpoints = this.#members.size;
    const ends = this.supervisors.map((supervisor, shard) => {
      const memory = createLinkMemory(this.#options.ringBytes);
      const relink = (port: MessagePort, generation: number): void =>
        listener.onRelink(shard, port, generation);
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

  dismiss(endpoint: string): void {
    if (!this.#members.delete(endpoint)) return;
    this.#census.endpoints = this.#members.size;
    for (const supervisor of this.supervisors) supervisor.detach(endpoint);
  }

  page(...[shard, request]: Parameters<MainServices['page']>): ReturnType<MainServices['page']> {
    return this.#readers?.page(shard, request) ?? this.supervisors[shard]!.page(request);
  }

  positionAt(shard: number, timeMs: number): Promise<number> {
    return this.#readers?.positionAt(shard, timeMs) ?? this.supervisors[shard]!.positionAt(timeMs);
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
    const to = resolve(dir);
    const backup = new Backup({ from, to, manifest: this.#manifest }, onProgress);
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

  tellFailures(listener: EndpointListener): void {
    for (const [shard, { failure }] of this.supervisors.entries()) {
      if (failure !== undefined) listener.onShardFailed(shard, failure);
    }
  }

  tellClosing(): void {
    for (const { listener } of this.#members.values()) listener.onClosing();
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    const stopping = this.supervisors.map((supervisor) => supervisor.stop());
    await Promise.all([...stopping, this.abortBackup()]);
    for (const { listener } of this.#members.values()) listener.onClosed();
    this.#members.clear();
    await this.#readers?.close();
    this.#lock?.release();
  }

  #supervisor(control: ShardControl, shard: number): ShardSupervisor {
    const { dir, commitBatchEvents, retention, dedupeWindowMs, dedupeIdsMax, maxShardBytes } =
      this.#options;
    const settings = {
      commitBatchEvents,
      prunes: retention.length > 0,
      log: {
        file: isMemory(dir) ? dir : shardFile(dir, shard),
        dedupeWindowMs,
        dedupeIdsMax,
        retention: retention.map((rule) => shareOf(rule, this.#manifest.shards)),
        ...(maxShardBytes === undefined ? {} : { maxShardBytes }),
      },
    };
    return new ShardSupervisor(shard, control, settings, (failed, error) => {
      for (const { listener } of this.#members.values()) listener.onShardFailed(failed, error);
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

/** What suites use to hurt a bus on purpose: `bus[Symbol.for('millrace.testing')]`. Not part of the API. */
const TESTING = Symbol.for('millrace.testing');

/** How long a close waits for acks in the ordinary way: a `block` subscriber in a busy worker may hold them up. */
const CLOSE_WAIT_MS = 1000;

class LocalBus extends Endpoint implements Bus {
  readonly [TESTING]: {
    killShard(shard: number): Promise<void>;
    crashShard(shard: number): void;
    shardTurns(shard: number): number;
  };
  readonly #core: BusCore;
  readonly #gateways = new Set<GatewayHandle>();
  readonly #reporter: SystemReporter;
  #ended: Promise<void> | undefined;

  constructor(core: BusCore, options: ParsedBusOptions) {
    const settings = { topics: options.topics, onError: options.onError ?? warn };
    const listener = new LateListener();
    super(core.admit(listener), settings, () => core);
    listener.target = this;
    this.#core = core;
    const { publishSystem } = this[INTERNALS];
    this.#reporter = new SystemReporter(publishSystem, () => this.stats());
    const systemEvents = systemEventOptions(options);
    if (systemEvents !== undefined) this.#reporter.start(systemEvents);
    publishSystem(SYSTEM_TOPICS.started, EventType.DAEMON_STARTED, this.#identity());
    this[TESTING] = {
      killShard: (shard) => core.supervisors[shard]!.kill(),
      crashShard: (shard) => core.supervisors[shard]!.crash(),
      shardTurns: (shard) => Atomics.load(core.controls[shard]!.words, TURNS),
    };
  }

  attachment(): BusAttachment {
    this.assertOpen();
    const core = this.#core;
    const { port1, port2 } = new MessageChannel();
    const dismiss = (): void => core.dismiss(endpoint.endpoint);
    const adapter = new ServicesAdapter(port1, core, dismiss);
    const endpoint = core.admit(adapter);
    core.tellFailures(adapter);
    const data: AttachmentData = { millrace: 1, endpoint, services: port2 };
    return { data, transferList: [port2, ...endpoint.ends.map(({ port }) => port)] };
  }

  async serve(options: GatewayOptions = {}): Promise<GatewayHandle> {
    this.assertOpen();
    const { startGateway } = await import('./gateway-starter.js');
    const gateway = await startGateway(this, options);
    this.#gateways.add(gateway);
    return gateway;
  }

  override onShardFailed(shard: number, error: BusError): void {
    super.onShardFailed(shard, error);
    // Every endpoint hears of it; the opener's speaks for all.
    const { code, message, details } = error;
    this[INTERNALS].publishSystem(SYSTEM_TOPICS.errors, EventType.SYSTEM_ERROR, {
      code,
      message,
      details,
    });
  }

  #identity(): object {
    return { pid: process.pid, node: process.version, epoch: this.epoch, shards: this.shards };
  }

  override close(): Promise<void> {
    this.#ended ??= this.#end();
    return this.#ended;
  }

  /**
   * Gateways first, for they publish; then nobody accepts any more; what was accepted is acknowledged, unless somebody
   * holds it up, and then the shards take what their rings hold, close their logs and end.
   */
  async #end(): Promise<void> {
    this.#reporter.stop();
    // Before the gateways go, so that their clients hear of it too.
    this[INTERNALS].publishSystem(
      SYSTEM_TOPICS.stopping,
      EventType.DAEMON_STOPPING,
      this.#identity(),
    );
    await Promise.all([...this.#gateways].map((gateway) => gateway.close()));
    this.#core.tellClosing();
    await this.acknowledged(CLOSE_WAIT_MS);
    await this.#core.stop();
  }
}

/** Stands for the endpoint that is being made: nothing is told before it is. */
class LateListener implements EndpointListener {
  target: EndpointListener | undefined;

  onRelink(shard: number, port: MessagePort, generation: number): void {
    this.target?.onRelink(shard, port, generation);
  }

  onShardFailed(shard: number, error: BusError): void {
    this.target?.onShardFailed(shard, error);
  }

  onClosing(): void {
    this.target?.onClosing();
  }

  onClosed(): void {
    this.target?.onClosed();
  }
}
