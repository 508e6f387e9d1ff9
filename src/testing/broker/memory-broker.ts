/**
 * A broker in the memory of the thread that makes it, and the smallest store on which several buses share one history: for
 * tests, and to be read by whoever writes a store. Every bus that opens a store of it is a node. It has what a broker has and a
 * file has not: other writers, commits that come late, events that have to be fetched, and no idea of any ring.
 */
import { BroadcastChannel } from 'node:worker_threads';
import { ulid } from 'ulid';
import { BusError } from '../../protocol/errors.js';
import { messageOf } from '../../protocol/thrown.js';
import type { LogStore } from '../../store/log-store.js';
import { BrokerStore } from './broker-store.js';
import type { Appended, BrokerAnswer, BrokerNews, BrokerRequest, Joined } from './messages.js';
import { Stream } from './stream.js';

export interface MemoryBrokerOptions {
  /** Default 1. */
  readonly shards?: number;
  /** Events that a shard takes before it is full. Default: no limit. */
  readonly eventsMax?: number;
  /** How long the broker knows an id, ms. Default 120,000. */
  readonly dedupeWindowMs?: number;
}

/** One node's way to a broker. */
export interface HeldStore extends LogStore {
  /** From now on appends of this node reach the broker only after `release`; events of others reach the node as before. */
  hold(): void;
  release(): void;
  /** Appends that wait for `release`. */
  readonly held: number;
}

export interface Broker {
  /** A store for one more node. */
  connect(): HeldStore;
  /** Not before the buses that use it are closed. */
  close(): void;
}

/**
 * Makes a broker in the memory of this thread.
 *
 * @param options how many shards it has, and how much they take
 */
export function memoryBroker(options: MemoryBrokerOptions = {}): Broker {
  return new MemoryBroker(options);
}

export class MemoryBroker implements Broker {
  readonly shards: number;
  readonly epoch = ulid();
  readonly channelName = `millrace-broker-${this.epoch}`;
  readonly streams: readonly Stream[];
  readonly #channel: BroadcastChannel;
  /** By store: appends that wait. */
  readonly #held = new Map<string, BrokerRequest[]>();

  constructor({ shards = 1, eventsMax, dedupeWindowMs }: MemoryBrokerOptions = {}) {
    this.shards = shards;
    this.streams = Array.from({ length: shards }, () => new Stream(eventsMax, dedupeWindowMs));
    this.#channel = new BroadcastChannel(this.channelName);
    this.#channel.onmessage = (event) => {
      this.#take((event as MessageEvent).data as BrokerRequest);
    };
    // A broker keeps no process alive: the buses that use it do.
    this.#channel.unref();
  }

  connect(): HeldStore {
    return new BrokerStore(this, {
      hold: (store) => {
        if (!this.#held.has(store)) this.#held.set(store, []);
      },
      release: (store) => this.#release(store),
      held: (store) => this.#held.get(store)?.length ?? 0,
    });
  }

  close(): void {
    this.#channel.close();
  }

  #release(store: string): void {
    const held = this.#held.get(store) ?? [];
    this.#held.delete(store);
    for (const request of held) this.#take(request);
  }

  #take(request: BrokerRequest): void {
    // Answers and news are for the nodes.
    if (request.call === undefined) return;
    const held = request.call.call === 'append' ? this.#held.get(request.store) : undefined;
    if (held === undefined) this.#answer(request);
    else held.push(request);
  }

  #answer(request: BrokerRequest): void {
    const { log, id } = request;
    try {
      this.#post({ log, id, value: this.#valueOf(request) });
    } catch (error) {
      const failure =
        error instanceof BusError
          ? error.toJSON()
          : { code: 'STORE_FAILED' as const, message: messageOf(error) };
      this.#post({ log, id, error: failure });
    }
  }

  #valueOf({ shard, call }: BrokerRequest): NonNullable<BrokerAnswer['value']> {
    const stream = this.streams[shard]!;
    switch (call.call) {
      case 'join':
        return stream.joined satisfies Joined;
      case 'fetch':
        return stream.fetch(call.after, call.until);
      case 'append':
        return this.#append(shard, stream, call);
      case 'page':
        return stream.page(call.request);
      case 'positionAt':
        return stream.entries.findLast((one) => one.recordedAt < call.timeMs)?.sequence ?? 0;
    }
  }

  #append(
    shard: number,
    stream: Stream,
    { events }: Extract<BrokerRequest['call'], { call: 'append' }>,
  ): Appended {
    const { head } = stream;
    const appended = stream.append(events);
    if (stream.head > head) this.#post({ shard, entries: stream.entries.slice(head) });
    return appended;
  }

  #post(message: BrokerAnswer | BrokerNews): void {
    this.#channel.postMessage(message);
  }
}
