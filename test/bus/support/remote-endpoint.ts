import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Bus } from '../../../src/main/bus.js';
import type {
  BusStats,
  Query,
  SubscribeOptions,
  TopicInfo,
} from '../../../src/protocol/bus-api.js';
import { BusError, type ErrorCode } from '../../../src/protocol/errors.js';
import type { Event, EventInput, PublishAck, PublishOptions } from '../../../src/protocol/event.js';
import type { FilterInput } from '../../../src/protocol/filter.js';
import { until } from './wait.js';

/** A bus attached in a worker thread, controlled from here. */
interface Answer {
  call?: number;
  value?: unknown;
  error?: { code: ErrorCode; message: string; stack: string };
  subscription?: string;
  event?: Event;
  spinning?: true;
}

interface Call {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

export class RemoteEndpoint {
  readonly #calls = new Map<number, Call>();
  readonly #events = new Map<string, Event[]>();
  #lastCall = 0;
  #spinning: (() => void) | undefined;

  private constructor(readonly worker: Worker) {
    worker.on('message', (answer: Answer) => this.#answered(answer));
    worker.on('error', (error) => this.#fail(error));
    worker.on('exit', () => this.#fail(new Error('the worker is gone')));
  }

  static async attach(bus: Bus): Promise<RemoteEndpoint> {
    const { data, transferList } = bus.attachment();
    const worker = new Worker(new URL('./endpoint-worker.js', import.meta.url), {
      workerData: { attachment: data },
      transferList: [...transferList],
    });
    const endpoint = new RemoteEndpoint(worker);
    await new Promise((resolve, reject) => {
      endpoint.#calls.set(0, { resolve, reject });
    });
    return endpoint;
  }

  /**
   * Subscribes and reads from a place on, and raises the word when it has that many events of both.
   */
  replay(
    filter: string,
    from: 'earliest' | { readonly after: string },
    count: number,
    word: Int32Array,
  ): Promise<{ subscribed: Event[]; read: Event[] }> {
    return this.#call('replay', filter, from, count, word);
  }

  publish(input: EventInput, options?: PublishOptions): Promise<PublishAck> {
    return this.#call('publish', input, options);
  }

  publishMany(inputs: readonly EventInput[], options?: PublishOptions): Promise<PublishAck[]> {
    return this.#call('publishMany', inputs, options);
  }

  publishEach(inputs: readonly EventInput[], options?: PublishOptions): Promise<PublishAck[]> {
    return this.#call('publishEach', inputs, options);
  }

  tryPublishEach(inputs: readonly EventInput[], options?: PublishOptions): Promise<number> {
    return this.#call('tryPublishEach', inputs, options);
  }

  async subscribe(key: string, filter: FilterInput, options?: SubscribeOptions): Promise<string> {
    this.#events.set(key, []);
    return this.#call('subscribe', key, filter, options);
  }

  subscribeStuck(key: string, filter: FilterInput, options?: SubscribeOptions): Promise<void> {
    return this.#call('subscribeStuck', key, filter, options);
  }

  update(key: string, filter: FilterInput): Promise<void> {
    return this.#call('update', key, filter);
  }

  unsubscribe(key: string): Promise<void> {
    return this.#call('unsubscribe', key);
  }

  cursor(key: string): Promise<string> {
    return this.#call('cursor', key);
  }

  query(query: Query): Promise<Event[]> {
    return this.#call('query', query);
  }

  read(query: Query): Promise<Event[]> {
    return this.#call('read', query);
  }

  topics(pattern?: string): Promise<TopicInfo[]> {
    return this.#call('topics', pattern);
  }

  stats(): Promise<BusStats> {
    return this.#call('stats');
  }

  drain(): Promise<void> {
    return this.#call('drain');
  }

  close(): Promise<void> {
    return this.#call('close');
  }

  letGo(): Promise<void> {
    return this.#call('letGo');
  }

  /** The events that the subscription has got so far. */
  received(key: string): readonly Event[] {
    return this.#events.get(key) ?? [];
  }

  async count(key: string, count: number): Promise<void> {
    await until(`${count} events at the worker's ${key}`, () => this.received(key).length >= count);
  }

  /** Keeps its thread busy for ever, its publishes unanswered and its deliveries unread. */
  async spin(inputs: readonly EventInput[]): Promise<void> {
    const spinning = new Promise<void>((resolve) => {
      this.#spinning = resolve;
    });
    // The call itself is never answered.
    this.#call('spin', inputs).catch(() => undefined);
    await spinning;
  }

  roundTrips(count: number, word: Int32Array): Promise<void> {
    return this.#call('roundTrips', count, word);
  }

  /** Terminates the thread, whatever it is doing. */
  async terminate(): Promise<void> {
    await this.worker.terminate();
  }

  async exited(): Promise<number> {
    const [code] = await once(this.worker, 'exit');
    return code as number;
  }

  async #call<T>(name: string, ...args: readonly unknown[]): Promise<T> {
    const call = ++this.#lastCall;
    const answer = new Promise<unknown>((resolve, reject) => {
      this.#calls.set(call, { resolve, reject });
    });
    this.worker.postMessage({ call, name, args });
    return (await answer) as T;
  }

  #answered({ call, value, error, subscription, event, spinning }: Answer): void {
    if (spinning) this.#spinning?.();
    if (subscription !== undefined) this.#events.get(subscription)!.push(event!);
    if (call === undefined) return;
    const waiting = this.#calls.get(call);
    this.#calls.delete(call);
    if (error === undefined) waiting?.resolve(value);
    else waiting?.reject(remoteError(error));
  }

  #fail(error: Error): void {
    for (const { reject } of this.#calls.values()) reject(error);
    this.#calls.clear();
  }
}

function remoteError(error: { code?: ErrorCode; message: string; stack: string }): Error {
  if (error.code === undefined) return new Error(`${error.message}\n${error.stack}`);
  return new BusError(error.code, error.message);
}
