import { BroadcastChannel } from 'node:worker_threads';
import { ulid } from 'ulid';
import { BusError } from '../../protocol/errors.js';
import type {
  BrokerAddress,
  BrokerAnswer,
  BrokerCall,
  BrokerNews,
  BrokerRequest,
} from './messages.js';

/** The link of one thread to its broker: calls and their answers, and the broker's news. */
export class BrokerLink {
  readonly #store: string;
  readonly #id = ulid();
  readonly #channel: BroadcastChannel;
  readonly #calls = new Map<number, (answer: BrokerAnswer) => void>();
  readonly #onNews: (news: BrokerNews) => void;
  #nextCall = 1;

  constructor({ channel, store }: BrokerAddress, onNews: (news: BrokerNews) => void = () => {}) {
    this.#store = store;
    this.#onNews = onNews;
    this.#channel = new BroadcastChannel(channel);
    this.#channel.onmessage = (event) => {
      this.#take((event as MessageEvent).data as BrokerAnswer | BrokerNews | BrokerRequest);
    };
  }

  call<T extends NonNullable<BrokerAnswer['value']>>(shard: number, call: BrokerCall): Promise<T> {
    const id = this.#nextCall++;
    const request: BrokerRequest = { shard, store: this.#store, link: this.#id, id, call };
    return new Promise((resolve, reject) => {
      this.#calls.set(id, ({ value, error }) => {
        if (error === undefined) resolve(value as T);
        else reject(BusError.from(error));
      });
      this.#channel.postMessage(request);
    });
  }

  unref(): void {
    this.#channel.unref();
  }

  close(): void {
    this.#channel.close();
  }

  #take(message: BrokerAnswer | BrokerNews | BrokerRequest): void {
    if ('entries' in message) this.#onNews(message);
    else if (message.link === this.#id) {
      this.#calls.get(message.id)?.(message as BrokerAnswer);
      this.#calls.delete(message.id);
    }
  }
}
