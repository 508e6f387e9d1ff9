/**
 * A broker in the memory of the thread that makes it, and the smallest store on which several buses share one history:
 * for tests, and as an example for authors of stores. Every bus that opens one of its stores is a node. Unlike a file
 * it has other writers, late commits and events that have to be fetched, and it stores no ring positions.
 */
import { BroadcastChannel } from 'node:worker_threads';
import { ulid } from 'ulid';
import { BusError } from '../../protocol/errors.js';
import { messageOf } from '../../protocol/thrown.js';
import type { SharedTextName, VersionedText } from '../../store/consumer-broker.js';
import type { LogStore } from '../../store/log-store.js';
import type { AppendedEntries } from '../../store/shared/log-stream.js';
import { BrokerStore } from './broker-store.js';
import { Journal } from './journal.js';
import type { BrokerAnswer, BrokerNews, BrokerRequest } from './messages.js';
import { Stream } from './stream.js';

export interface MemoryBrokerOptions {
  /** How many shards the broker has. Default 1. */
  readonly shards?: number;
  /** How many events a shard takes before it is full. Default: no limit. */
  readonly eventsMax?: number;
  /** How long the broker knows an id, ms. Default 120,000. */
  readonly dedupeWindowMs?: number;
  /** Keeps durable consumers. Default false. */
  readonly consumers?: boolean;
}

/** The store of one node, with controls to hold back its appends. */
export interface HeldStore extends LogStore {
  /** Holds back this node's appends until `release`; events of other nodes still reach it. */
  hold(): void;
  release(): void;
  /** How many appends wait for `release`. */
  readonly held: number;
}

export interface Broker {
  /** Makes a store for one more node. */
  connect(): HeldStore;
  /** Closes the broker; to be called after the buses that use it are closed. */
  close(): void;
}

/**
 * Makes a broker in the memory of this thread.
 *
 * @param options the number of shards and their limits
 */
export function memoryBroker(options: MemoryBrokerOptions = {}): Broker {
  return new MemoryBroker(options);
}

export class MemoryBroker implements Broker {
  readonly shards: number;
  readonly epoch = ulid();
  readonly channelName = `millrace-broker-${this.epoch}`;
  readonly streams: readonly Stream[];
  readonly journals: readonly Journal[];
  readonly keepsConsumers: boolean;
  readonly #texts = new Map<SharedTextName, VersionedText>();
  readonly #channel: BroadcastChannel;
  /** The appends that are held back, by store. */
  readonly #held = new Map<string, BrokerRequest[]>();

  constructor(options: MemoryBrokerOptions = {}) {
    const { shards = 1, eventsMax, dedupeWindowMs, consumers = false } = options;
    this.shards = shards;
    this.streams = Array.from({ length: shards }, () => new Stream(eventsMax, dedupeWindowMs));
    this.journals = this.streams.map(() => new Journal());
    this.keepsConsumers = consumers;
    this.#channel = new BroadcastChannel(this.channelName);
    this.#channel.onmessage = (event) => {
      this.#take((event as MessageEvent).data as BrokerRequest);
    };
    // The broker does not keep the process alive; the buses that use it do.
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
    // The channel also carries the broker's own answers and news, which have no `call`.
    if (request.call === undefined) return;
    const held = request.call.call === 'append' ? this.#held.get(request.store) : undefined;
    if (held === undefined) this.#answer(request);
    else held.push(request);
  }

  #answer(request: BrokerRequest): void {
    const { link, id } = request;
    try {
      this.#post({ link, id, value: this.#valueOf(request) });
    } catch (error) {
      const failure =
        error instanceof BusError
          ? error.toJSON()
          : { code: 'STORE_FAILED' as const, message: messageOf(error) };
      this.#post({ link, id, error: failure });
    }
  }

  #valueOf({ shard, call }: BrokerRequest): NonNullable<BrokerAnswer['value']> {
    const stream = this.streams[shard]!;
    switch (call.call) {
      case 'join':
        return stream.state;
      case 'bounds':
        return { head: stream.head, prunedThrough: 0 };
      case 'fetch':
        return stream.fetch(call.after, call.until, call.limit);
      case 'append':
        return this.#append(shard, stream, call);
      case 'takeJournal':
        return this.journals[shard]!.take(call.owner);
      case 'appendJournal':
        return this.journals[shard]!.append(call.owner, [call.entry]);
      case 'compactJournal':
        return this.journals[shard]!.compact(call.owner, call.snapshot);
      case 'readText':
        return this.#textOf(call.name);
      case 'replaceText':
        return { replaced: this.#replaceText(call.name, call.version, call.text) };
    }
  }

  #append(
    shard: number,
    stream: Stream,
    { events }: Extract<BrokerRequest['call'], { call: 'append' }>,
  ): AppendedEntries {
    const { head } = stream;
    const appended = stream.append(events);
    if (stream.head > head) this.#post({ shard, entries: stream.entries.slice(head) });
    return appended;
  }

  #textOf(name: SharedTextName): VersionedText {
    return this.#texts.get(name) ?? { version: 0, text: undefined };
  }

  #replaceText(name: SharedTextName, version: number, text: string): number | undefined {
    if (this.#textOf(name).version !== version) return undefined;
    this.#texts.set(name, { version: version + 1, text });
    return version + 1;
  }

  #post(message: BrokerAnswer | BrokerNews): void {
    this.#channel.postMessage(message);
  }
}
