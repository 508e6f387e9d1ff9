/**
 * History on a broker, for a reader thread: the `HistoryModule` of `BrokerStore`. The broker reads, and sends pages.
 */
import { BroadcastChannel } from 'node:worker_threads';
import { ulid } from 'ulid';
import { BusError } from '../../protocol/errors.js';
import type { StoreHistory } from '../../store/log-store.js';
import type { Page, PageRequest } from '../../store/page.js';
import type {
  BrokerAddress,
  BrokerAnswer,
  BrokerCall,
  BrokerNews,
  BrokerRequest,
} from './messages.js';

export function openHistory(options: unknown): StoreHistory {
  return new BrokerHistory(options as BrokerAddress);
}

class BrokerHistory implements StoreHistory {
  readonly #store: string;
  readonly #id = ulid();
  readonly #channel: BroadcastChannel;
  readonly #calls = new Map<number, (answer: BrokerAnswer) => void>();
  #nextCall = 1;

  constructor({ channel, store }: BrokerAddress) {
    this.#store = store;
    this.#channel = new BroadcastChannel(channel);
    this.#channel.onmessage = (event) => {
      this.#take((event as MessageEvent).data as BrokerAnswer | BrokerNews | BrokerRequest);
    };
  }

  page(shard: number, request: PageRequest): Promise<Page> {
    return this.#call(shard, { call: 'page', request });
  }

  positionAt(shard: number, timeMs: number): Promise<number> {
    return this.#call(shard, { call: 'positionAt', timeMs });
  }

  close(): void {
    this.#channel.close();
  }

  #call<T extends Page | number>(shard: number, call: BrokerCall): Promise<T> {
    const id = this.#nextCall++;
    const request: BrokerRequest = { shard, store: this.#store, log: this.#id, id, call };
    return new Promise((resolve, reject) => {
      this.#calls.set(id, ({ value, error }) => {
        if (error === undefined) resolve(value as T);
        else reject(BusError.from(error));
      });
      this.#channel.postMessage(request);
    });
  }

  #take(message: BrokerAnswer | BrokerNews | BrokerRequest): void {
    if (!('log' in message) || message.log !== this.#id) return;
    this.#calls.get(message.id)?.(message as BrokerAnswer);
    this.#calls.delete(message.id);
  }
}
