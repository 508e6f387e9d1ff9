import type { MessagePort } from 'node:worker_threads';
import { ulid } from 'ulid';
import { AlertBoard } from '../alerts/alert-board.js';
import { SystemClock } from '../alerts/system-clock.js';
import { Archive } from '../archive/archive.js';
import type { EndpointData } from '../endpoint/endpoint-data.js';
import type { EndpointListener, MainCallContext } from '../endpoint/main-thread.js';
import { watchSignal } from '../handout/watch-signal.js';
import { BusCounters, EndpointShares } from '../link/bus-counters.js';
import type { Handlers } from '../link/calls.js';
import { createGates } from '../link/consumer-gates.js';
import { createLinkMemory } from '../link/link.js';
import type { ReaderConnections } from '../link/reader-mail.js';
import { ShardControl } from '../link/shard-control.js';
import { decodeCursor } from '../protocol/cursor.js';
import { TopicDefinitions } from '../protocol/define-topic.js';
import { BusError } from '../protocol/errors.js';
import { DESK_RING_BYTES } from '../protocol/limits/links.js';
import type { BackupResult, DefinitionInfo } from '../protocol/operations.js';
import type { SinkFigures } from '../protocol/sink-figures.js';
import { matchesPattern } from '../protocol/topic.js';
import type { BackupProgress } from '../store/backup.js';
import type { ResolvedCursor } from '../store/cursor-positions.js';
import type { HistoryAddress, LogStore, OpenStore, RunningBackup } from '../store/log-store.js';
import { elapsedMs } from '../threads/elapsed.js';
import { keepAliveDuring } from '../threads/keep-alive.js';
import { archiveFigures } from './archive-figures.js';
import { archiveSettings } from './archive-options.js';
import { defaultShards, type ParsedBusOptions, systemEventOptions } from './bus-options.js';
import { ConsumerBoard } from './consumers/consumer-board.js';
import { consumersOnBroker } from './consumers/desk-threads.js';
import type { KeepList } from './consumers/shard-lists.js';
import { SharedConsumers } from './consumers/shared/shared-consumers.js';
import { describeDefinitions } from './definitions.js';
import { GatewayHub } from './gateway-hub.js';
import { HeldCalls } from './held-calls.js';
import { firstFault } from './payload-checks.js';
import { ReaderThreads } from './reader-threads.js';
import { ruleOf, shareOf } from './retention-rules.js';
import { ScheduleBoard } from './schedules/schedule-board.js';
import { type ShardHost, ShardSupervisor } from './shard-supervisor.js';
import { SinkNotes } from './sink-notes.js';
import { assertStoreFits } from './store-checks.js';
import { Switchboard } from './switchboard.js';

const NO_READERS: ReaderConnections = { ports: [], threads: [] };

/** The parts of the bus that no endpoint owns: the store, the shards, the members. */
export class BusCore {
  readonly openedAt = elapsedMs();
  readonly controls: readonly ShardControl[];
  readonly supervisors: readonly ShardSupervisor[];
  /** Where consumers are served: by the shards, or by a thread of its own for each. */
  readonly desks: readonly ShardSupervisor[];
  readonly alertClock = new SystemClock();
  readonly alerts: AlertBoard;
  readonly consumers: ConsumerBoard | SharedConsumers;
  readonly schedules = new ScheduleBoard();
  readonly #deskControls: readonly ShardControl[];
  readonly #options: ParsedBusOptions;
  readonly #storeName: string;
  readonly #store: OpenStore;
  /** The share of the counters that each endpoint has. */
  readonly #members = new Map<string, number>();
  readonly #listeners = new Map<string, EndpointListener>();
  readonly #busCounters = BusCounters.create();
  readonly #gates = createGates();
  readonly #warnings = new HeldCalls<BusError>();
  readonly #hub = new GatewayHub();
  readonly #switchboard = new Switchboard((count, change) =>
    this.#busCounters.addRequests(count, change),
  );
  readonly #definitions: TopicDefinitions;
  readonly #sinkNotes = new SinkNotes(() => this.#archiveFigures());
  #described: readonly DefinitionInfo[] | undefined;
  readonly #shares = new EndpointShares(this.#busCounters);
  /** Set if threads other than the shards can read their logs. */
  readonly #readers: ReaderThreads | undefined;
  readonly #archive: Archive | undefined;
  #stopped: Promise<void> | undefined;
  #backup: RunningBackup | undefined;

  private constructor(options: ParsedBusOptions, storeName: string, store: OpenStore) {
    this.#options = options;
    this.#definitions = new TopicDefinitions(options.topics);
    this.#storeName = storeName;
    this.#store = store;
    this.alerts = new AlertBoard(options.alerts, store.alerts, this.alertClock);
    const { archive } = options;
    this.#archive = archive && new Archive(archiveSettings(archive, store.shards), store);
    const history = this.#archive?.history ?? store.history;
    this.#readers = history === undefined ? undefined : this.#readersOf(history);
    this.controls = Array.from({ length: store.shards }, () => ShardControl.create());
    const { consumerBroker: broker } = store;
    const hasDesks = broker !== undefined && store.history !== undefined;
    this.#deskControls = hasDesks ? this.controls.map(() => ShardControl.create()) : [];
    this.supervisors = this.controls.map((control, shard) => this.#supervisor(control, shard));
    const keep: KeepList = (shard, entries) => {
      this.desks[shard]!.consumers = entries;
    };
    if (hasDesks) {
      const { controls: shards } = this;
      const memory = { shards, desks: this.#deskControls, gates: this.#gates };
      const host = this.#hostOf(shards.length);
      const served = consumersOnBroker(broker, store, options, memory, { ...host, keep });
      this.desks = served.desks;
      this.consumers = served.consumers;
    } else {
      this.desks = this.supervisors;
      this.consumers = new ConsumerBoard(store.consumers, store.shards, keep);
    }
  }

  static async open(store: LogStore, options: ParsedBusOptions): Promise<BusCore> {
    const { shards, shardBy } = options;
    const opened = await store.open({ shards, defaultShards: defaultShards(), shardBy });
    try {
      assertStoreFits(options, opened);
      return new BusCore(options, store.name, opened);
    } catch (error) {
      await opened.close([]);
      throw error;
    }
  }

  /** How many first segments of a topic decide its shard; 0: all of it does. */
  get shardSegments(): number {
    return this.#store.shardBy?.segments ?? 0;
  }

  /** Whether events of the topic are stored if their publisher asks for it. */
  stores(topic: string): boolean {
    return !this.#options.noPersistTopics.some((pattern) => matchesPattern(pattern, topic));
  }

  /** Checks a payload by the definitions with which the bus was opened. @throws BusError `PAYLOAD_INVALID` */
  validate(topic: string, payload: unknown): void {
    this.#definitions.validate(topic, payload);
  }

  get epoch(): string {
    return this.#store.epoch;
  }

  async start(): Promise<void> {
    await Promise.all(this.supervisors.map((supervisor) => supervisor.start()));
    // They begin where the shards' logs end.
    if (this.consumers instanceof SharedConsumers) {
      await keepAliveDuring(this.consumers.begin());
      await Promise.all(this.desks.map((desk) => desk.start()));
    }
    await this.#store.ready();
    await this.#archive?.start((error) => this.#warnings.push(error));
  }

  /**
   * Makes the data of a new endpoint. `connect` has to follow in the same turn, so that no notice is lost. Memory and
   * threads may be refused, so they come first: a failed admission leaves no member and no link behind.
   *
   * @param hasReaders whether it gets its ports to the reader threads now, and does not ask for them later
   */
  admit(hasReaders = false): EndpointData {
    const endpoint = ulid();
    const doorbell = new SharedArrayBuffer(4);
    const threads = this.#threads;
    const memories = threads.map(({ ringBytes }) => createLinkMemory(ringBytes));
    const readers = hasReaders ? this.connectReaders() : NO_READERS;
    const share = this.#shares.take();
    this.#members.set(endpoint, share);
    this.#busCounters.endpoints = this.#members.size;
    const ends = threads.map(({ supervisor, shard }, index) => {
      const memory = memories[index]!;
      const relink = (port: MessagePort, generation: number): void =>
        this.#listeners.get(endpoint)?.onRelink(index, port, generation);
      const port = supervisor.attach({ endpoint, memory, doorbell, relink });
      return { endpoint, shard, memory, doorbell, port };
    });
    const { source, defaultPersist, noPersistTopics, maxPayloadBytes, publishWaitMs } =
      this.#options;
    const systemEvents = systemEventOptions(this.#options);
    return {
      retention: this.#options.retention.map(ruleOf),
      endpoint,
      epoch: this.epoch,
      durability: this.#store.durability ?? 'synced',
      openedAt: this.openedAt,
      ends,
      generations: threads.map(({ supervisor }) => supervisor.generation),
      controls: [...this.controls, ...this.#deskControls].map(({ buffer }) => buffer),
      shards: this.supervisors.length,
      doorbell,
      busCounters: this.#busCounters.buffer,
      share,
      readers: this.#readers === undefined ? undefined : readers,
      definedPatterns: this.#options.topics.map(({ pattern }) => pattern),
      options: {
        source,
        defaultPersist,
        noPersistTopics,
        maxPayloadBytes,
        publishWaitMs,
        shardSegments: this.shardSegments,
        ...(systemEvents === undefined ? {} : { systemEvents }),
      },
    };
  }

  /**
   * Sends notices for an admitted endpoint to the listener from now on, beginning with the shards that were given up.
   */
  connect(endpoint: string, listener: EndpointListener): void {
    this.#listeners.set(endpoint, listener);
    for (const [link, { supervisor }] of this.#threads.entries()) {
      const { failure } = supervisor;
      if (failure !== undefined) listener.onShardFailed(link, failure);
    }
  }

  dismiss(endpoint: string): void {
    const share = this.#members.get(endpoint);
    if (share === undefined) return;
    this.#members.delete(endpoint);
    this.#listeners.delete(endpoint);
    this.#hub.forget(endpoint);
    this.#sinkNotes.forget(endpoint);
    this.#switchboard.remove(endpoint);
    this.#shares.giveBack(share);
    this.#busCounters.endpoints = this.#members.size;
    for (const { supervisor } of this.#threads) supervisor.detach(endpoint);
  }

  async #backUp(
    dir: string,
    signal: AbortSignal | undefined,
    onProgress: ((progress: BackupProgress) => void) | undefined,
  ): Promise<BackupResult> {
    const store = this.#store;
    if (store.backup === undefined) {
      throw new BusError('OPTION_INVALID', `a bus ${this.#storeName} has no backup`);
    }
    if (this.#stopped !== undefined) throw new BusError('BUS_CLOSED', 'the bus is closed');
    if (this.#backup !== undefined) {
      throw new BusError('LIMIT_EXCEEDED', 'another backup is under way: one at a time');
    }
    const sharedHeads = this.supervisors.map(({ failure }, shard) =>
      failure === undefined ? this.controls[shard]!.sharedHead : undefined,
    );
    const backup = store.backup({ to: dir, sharedHeads, onProgress });
    this.#backup = backup;
    const forget = signal && watchSignal(signal, () => void backup.abort());
    try {
      return await backup.result;
    } finally {
      forget?.();
      this.#backup = undefined;
    }
  }

  async #resolveCursor(cursor: string): Promise<ResolvedCursor> {
    const heads = this.controls.map(({ head }) => head);
    return this.#store.resolveCursor(decodeCursor(cursor), heads);
  }

  /** Ports to the threads that read history, see `ReaderThreads.connect`; none if each shard reads its own log. */
  connectReaders(ended: readonly number[] = []): ReaderConnections {
    return this.#readers?.connect(ended) ?? NO_READERS;
  }

  get #definitionInfos(): readonly DefinitionInfo[] {
    this.#described ??= describeDefinitions(this.#options.topics);
    return this.#described;
  }

  #readersOf(history: HistoryAddress): ReaderThreads {
    return new ReaderThreads(history, (thread) => {
      for (const listener of this.#listeners.values()) listener.onReaderEnded(thread);
    });
  }

  #archiveFigures(): readonly SinkFigures[] {
    if (this.#archive === undefined) return [];
    // The opener's own endpoint is the first.
    const [opener = ''] = this.#members.keys();
    return [archiveFigures(this.#archive, this.controls, opener)];
  }

  /** The calls that this thread serves to an endpoint. */
  handlersFor(endpoint: string): Handlers<'main', MainCallContext> {
    return {
      resolveCursor: ({ cursor }) => this.#resolveCursor(cursor),
      connectReaders: ({ ended }) => this.connectReaders(ended),
      backup: ({ dir }, { signal, onProgress }) => this.#backUp(dir, signal, onProgress),
      definitions: () => ({ definitions: this.#definitionInfos }),
      ...this.#sinkNotes.handlersFor(endpoint),
      checkPayloads: ({ payloads }) => ({ fault: firstFault(this.#definitions, payloads) }),
      announceGateways: ({ gateways }) => {
        const listener = this.#listeners.get(endpoint);
        if (listener !== undefined) this.#hub.announce(endpoint, gateways, listener.gateways);
        return null;
      },
      allConnections: () => this.#hub.allConnections(),
      disconnectAnywhere: ({ id }) => this.#hub.disconnectAnywhere(id),
      respond: ({ pattern, responder }) => {
        const listener = this.#listeners.get(endpoint);
        if (listener === undefined) throw new BusError('BUS_CLOSED', 'the bus is closed');
        this.#switchboard.add(endpoint, responder, pattern, listener.gateways);
        return null;
      },
      endRespond: ({ responder }) => {
        this.#switchboard.remove(endpoint, responder);
        return null;
      },
      ask: ({ question }, { signal }) => this.#switchboard.ask(question, signal),
      openConsumer: (request) => this.consumers.open(request),
      consumers: async ({ names }) => ({ consumers: await this.consumers.list(names) }),
      alterConsumer: async ({ id, change, by, onlyAs }) => ({
        consumer: await this.consumers.alter(id, change, by, onlyAs),
      }),
      seekPositions: async ({ id, from }) => ({
        positions: await this.consumers.seekPositions(id, from),
      }),
      setSchedule: (request) => this.schedules.set(request),
      alterSchedule: (request) => this.schedules.alter(request),
      alerts: () => this.alerts.list(),
      setAlert: ({ rule }) => this.alerts.set(rule),
      removeAlert: ({ name }) => this.alerts.remove(name),
      dismiss: () => {
        this.dismiss(endpoint);
        return null;
      },
    };
  }

  /** Passes the shards' warnings to the listener, including those from before this call. */
  onWarning(listener: (error: BusError) => void): void {
    this.#warnings.pass(listener);
  }

  notifyClosing(): void {
    for (const listener of this.#listeners.values()) listener.onClosing();
  }

  stop(): Promise<void> {
    this.#stopped ??= keepAliveDuring(this.#stop());
    return this.#stopped;
  }

  /** Readers close first: only the last connection that closes a log can remove its write-ahead log. */
  async #stop(): Promise<void> {
    this.alerts.stop();
    this.consumers.stop();
    this.schedules.stop();
    await inOrder([
      () => Promise.all([this.#backup?.abort(), this.#readers?.close(), this.#archive?.stop()]),
      () => Promise.all(this.#hasDesks ? this.desks.map((desk) => desk.stop()) : []),
      () => this.#releaseConsumers(),
      () => Promise.all(this.supervisors.map((supervisor) => supervisor.stop())),
      () => this.#leaveListeners(),
      () => this.#store.close(this.controls.map(({ head }) => head)),
    ]);
  }

  #releaseConsumers(): Promise<void> | undefined {
    return this.consumers instanceof SharedConsumers ? this.consumers.close() : undefined;
  }

  #leaveListeners(): void {
    for (const listener of this.#listeners.values()) listener.onClosed();
    this.#listeners.clear();
    this.#members.clear();
  }

  #supervisor(control: ShardControl, shard: number): ShardSupervisor {
    const { commitBatchEvents, retention, dedupeWindowMs, dedupeIdsMax } = this.#options;
    const { maxShardBytes, claimCheckBytes } = this.#options;
    const settings = {
      commitBatchEvents,
      publishWaitMs: this.#options.publishWaitMs,
      prunes: retention.length > 0,
      archive: this.#archive?.words(shard),
      gates: this.#gates,
      controls: this.controls.map(({ buffer }) => buffer),
      desk: this.#deskControls[shard]?.buffer,
      log: {
        module: this.#store.shardLog,
        options: this.#store.shardOptions(shard),
        settings: {
          dedupeWindowMs,
          dedupeIdsMax,
          retention: retention.map((rule) => shareOf(rule, this.#store.shards)),
          ...(maxShardBytes === undefined ? {} : { maxShardBytes }),
          ...(claimCheckBytes === undefined ? {} : { claimCheckBytes }),
        },
      },
    };
    return new ShardSupervisor(shard, control, () => settings, this.#hostOf(0));
  }

  /** `firstLink`: the link of an endpoint to the first of these threads. */
  #hostOf(firstLink: number): ShardHost {
    return {
      onFailed: (failed, error) => {
        const link = firstLink + failed;
        for (const listener of this.#listeners.values()) listener.onShardFailed(link, error);
        // Its history has ended here, and the consumers of it can be served by a node that has the next one.
        if (this.consumers instanceof SharedConsumers) this.consumers.giveUp(error);
      },
      onConsumers: (shard, news) => this.consumers.takeNews(shard, news),
      onWarning: (error) => this.#warnings.push(error),
    };
  }

  get #hasDesks(): boolean {
    return this.desks !== this.supervisors;
  }

  /** The threads to which each endpoint has a link, in the order of the links. */
  get #threads(): { supervisor: ShardSupervisor; shard: number; ringBytes: number }[] {
    const { ringBytes } = this.#options;
    const shards = this.supervisors.map((supervisor, shard) => ({ supervisor, shard, ringBytes }));
    if (!this.#hasDesks) return shards;
    const small = Math.min(ringBytes, DESK_RING_BYTES);
    const desks = this.desks.map((supervisor, shard) => ({ supervisor, shard, ringBytes: small }));
    return [...shards, ...desks];
  }
}

/** Takes every step, even if an earlier one failed, and throws the first error. */
async function inOrder(steps: readonly (() => unknown)[]): Promise<void> {
  const errors: unknown[] = [];
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
}
