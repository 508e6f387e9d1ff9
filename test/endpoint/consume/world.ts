/**
 * One endpoint with members and real shards without threads, all in one thread: whose turn it is, is the test's choice.
 * Records go over real rings. The clock is vitest's.
 */
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { BusConsumer, type ConsumerHost } from '../../../src/endpoint/consume/consumer.js';
import { Members } from '../../../src/endpoint/consume/members.js';
import {
  type DeliveryHandler,
  DeliveryReader,
} from '../../../src/endpoint/links/delivery-reader.js';
import { EndpointEnd } from '../../../src/endpoint/links/endpoint-end.js';
import type { ConsumerRun } from '../../../src/handout/consume/run.js';
import { Dispatcher } from '../../../src/handout/dispatcher.js';
import type { ConsumerEntry } from '../../../src/link/consumer-shapes.js';
import { createLinkMemory, type LinkEnd } from '../../../src/link/link.js';
import { GENERATION, ShardControl } from '../../../src/link/shard-control.js';
import { parseDefinition } from '../../../src/protocol/consumer-definition.js';
import type { ConsumerOptions } from '../../../src/protocol/consumers.js';
import { BusError } from '../../../src/protocol/errors.js';
import { Commands } from '../../../src/shards/commands.js';
import { Routes } from '../../../src/shards/routes.js';
import { Shard } from '../../../src/shards/shard.js';
import { ShardEnd } from '../../../src/shards/shard-end.js';
import { SqliteShardLog } from '../../../src/store/sqlite/sqlite-shard-log.js';
import { KeepAlive } from '../../../src/threads/keep-alive.js';
import { record } from '../../store/records.js';

const IGNORE: DeliveryHandler = { onEvent() {}, onState() {}, payCredit() {} };

export function entryOf(options: Partial<ConsumerOptions> = {}): ConsumerEntry {
  const definition = parseDefinition({ filter: 'jobs.*', ...options });
  return { id: 'c1', name: 'worker', definition, isPaused: false, round: 1, position: 0, gate: 0 };
}

/** A shard, its log, and the endpoint's link to it. */
class WorldShard {
  readonly log: SqliteShardLog;
  readonly control = ShardControl.create();
  readonly end: EndpointEnd;
  readonly reader: DeliveryReader;
  readonly #memory;
  readonly #doorbell = new SharedArrayBuffer(64);
  readonly #ports: MessagePort[] = [];
  readonly #index: number;
  #shard!: Shard;
  #commands!: Commands;
  #generation = 1;

  constructor(index: number, ringBytes: number, members: () => Members) {
    this.#index = index;
    this.log = new SqliteShardLog({ file: ':memory:', shard: index });
    this.#memory = createLinkMemory(ringBytes);
    const port = this.#connect();
    Atomics.store(this.control.words, GENERATION, 1);
    const linkEnd = this.#linkEnd(port);
    this.end = new EndpointEnd(linkEnd, this.control, 1, new KeepAlive());
    this.reader = new DeliveryReader(linkEnd, this.end, IGNORE, {
      onRecord: (...values) => members().onRecord(...values),
    });
  }

  /** Starts the first thread, or the one that follows a dead one. */
  start(entries: readonly ConsumerEntry[], port: MessagePort): void {
    const routes = new Routes();
    this.#shard = new Shard(this.log, routes, this.control, {
      shard: this.#index,
      commitBatchEvents: 100,
      publishWaitMs: 1000,
      prunes: false,
      isFirst: this.#generation === 1,
    });
    this.#commands = new Commands(this.#shard, this.log, routes, this.#generation);
    this.#shard.add(new ShardEnd(this.#linkEnd(port), () => undefined));
    if (entries.length > 0) this.#shard.applyConsumers(entries);
  }

  apply(entries: readonly ConsumerEntry[]): void {
    this.#shard.applyConsumers(entries);
  }

  firstPort(): MessagePort {
    return this.#ports[1]!;
  }

  append(topics: readonly string[]): void {
    for (const topic of topics) {
      const bytes = record({ topic, timestamp: 1 });
      this.log.append(bytes, 0, 1);
    }
    this.log.commit(true, []);
  }

  turn(): boolean {
    const hasTaken = this.#commands.take();
    return this.#shard.turn() || hasTaken;
  }

  get hasWork(): boolean {
    return this.#shard.hasWork();
  }

  /** The thread dies between two turns; its successor has a link of the same rings. */
  replace(entries: readonly ConsumerEntry[], resubscribe: () => void): void {
    this.#generation++;
    Atomics.store(this.control.words, GENERATION, this.#generation);
    const port = this.#connect();
    this.start(entries, this.#ports.at(-1)!);
    this.reader.drainWhole();
    this.reader.relink(port);
    this.end.relink(port, this.#generation, resubscribe);
  }

  close(): void {
    for (const port of this.#ports) port.close();
    this.log.close();
  }

  #connect(): MessagePort {
    const { port1, port2 } = new MessageChannel();
    this.#ports.push(port1, port2);
    return port1;
  }

  #linkEnd(port: MessagePort): LinkEnd {
    const doorbell = this.#doorbell;
    return { endpoint: 'test', shard: this.#index, memory: this.#memory, doorbell, port };
  }
}

export class World {
  readonly shards: readonly WorldShard[];
  readonly members: Members;
  readonly reported: BusError[] = [];
  readonly host: ConsumerHost;
  readonly consumer: BusConsumer<number>;
  readonly entry: ConsumerEntry;
  readonly #entries: readonly ConsumerEntry[];

  constructor(shards: number, options: Partial<ConsumerOptions> = {}, ringBytes = 65_536) {
    this.shards = Array.from(
      { length: shards },
      (_, index) => new WorldShard(index, ringBytes, () => this.members),
    );
    this.entry = entryOf(options);
    this.#entries = [this.entry];
    const ends = this.shards.map(({ end }) => end);
    const dispatcher = new Dispatcher({ again: () => {} });
    const none = (): Promise<never> => Promise.reject(new Error('no publishes here'));
    this.members = new Members(ends, dispatcher, none);
    for (const shard of this.shards) shard.start(this.#entries, shard.firstPort());
    this.host = {
      epoch: 'e',
      members: this.members,
      turns: dispatcher,
      runs: new Set<ConsumerRun>(),
      assertOpen: () => {},
      ends,
      main: { call: () => Promise.reject(new Error('there is no main thread')) },
      hasSystemEvents: false,
      subscribe: () => {
        throw new Error('there are no subscriptions');
      },
      trace: (delivery, handler) => handler(delivery),
      report: (error) => this.reported.push(error),
      sinks: { add: () => {}, end: () => {}, take: () => undefined },
    };
    this.consumer = new BusConsumer<number>(this.entry, this.host);
  }

  shard(at: number): WorldShard {
    return this.shards[at % this.shards.length]!;
  }

  /** A turn of the endpoint: takes up to so many records of each shard, then hands out. */
  async endpointTurn(limit = 10_000): Promise<number> {
    let read = 0;
    for (const { reader } of this.shards) read += reader.drain(limit);
    this.members.handOut(() => this.members.turns.dispatch());
    await settled();
    return read;
  }

  async replace(at: number): Promise<void> {
    const shard = this.shard(at);
    shard.replace(this.#entries, () => this.members.rejoin(shard.end));
    await settled();
  }

  /** Goes on until nothing moves any more. */
  async rest(): Promise<void> {
    for (let quiet = 0; quiet < 3; ) {
      let moved = false;
      for (const shard of this.shards) moved = shard.turn() || moved;
      moved = (await this.endpointTurn()) > 0 || moved;
      quiet = moved ? 0 : quiet + 1;
    }
  }

  close(): void {
    this.members.close(new BusError('BUS_CLOSED', 'the bus is closed'));
    for (const shard of this.shards) shard.close();
  }
}

/** Lets promises, and what follows from them in this turn, take their course. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
