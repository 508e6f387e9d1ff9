import type { BusEndpoint } from '../../../src/endpoint/bus-endpoint.js';
import type { Gap, SubscribeOptions, Subscription } from '../../../src/protocol/bus-api.js';
import type { Event } from '../../../src/protocol/event.js';
import type { FilterInput } from '../../../src/protocol/filter.js';
import { DEADLINE_MS } from './wait.js';

/** A subscription that keeps all its events, and can be made slow or stuck. */
export interface CollectorOptions extends SubscribeOptions {
  /** Awaited before each event is taken: a slow or stuck handler. */
  hold?: (event: Event) => Promise<void> | undefined;
}

interface Waiter {
  readonly count: number;
  readonly resolve: () => void;
}

export class Collector {
  readonly events: Event[] = [];
  readonly gaps: Gap[] = [];
  readonly caughtUp: string[] = [];
  readonly subscription: Subscription;
  droppedTold = 0;
  #waiters: Waiter[] = [];

  constructor(
    bus: Pick<BusEndpoint, 'subscribe'>,
    filter: FilterInput,
    options: CollectorOptions = {},
  ) {
    const { hold, ...subscribeOptions } = options;
    const handler = hold
      ? async (event: Event): Promise<void> => {
          await hold(event);
          this.#take(event);
        }
      : (event: Event): void => this.#take(event);
    this.subscription = bus
      .subscribe(filter, handler, subscribeOptions)
      .on('gap', (gap) => this.gaps.push(gap))
      .on('caughtUp', ({ cursor }) => this.caughtUp.push(cursor))
      .on('dropped', ({ count }) => {
        this.droppedTold += count;
      });
  }

  /** Subscribes and waits until every shard has the subscription. */
  static async start(
    bus: Pick<BusEndpoint, 'subscribe'>,
    filter: FilterInput,
    options: CollectorOptions = {},
  ): Promise<Collector> {
    const collector = new Collector(bus, filter, options);
    await collector.subscription.ready;
    return collector;
  }

  get payloads(): unknown[] {
    return this.events.map((event) => event.payload);
  }

  /** Waits until this many events were taken. */
  async count(count: number, deadlineMs = DEADLINE_MS): Promise<void> {
    if (this.events.length >= count) return;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve, reject) => {
      timer = setTimeout(() => {
        const { length } = this.events;
        reject(new Error(`${length} of ${count} events arrived within ${deadlineMs} ms`));
      }, deadlineMs);
      this.#waiters.push({ count, resolve });
    });
    clearTimeout(timer);
  }

  #take(event: Event): void {
    this.events.push(event);
    if (this.#waiters.length === 0) return;
    const { length } = this.events;
    this.#waiters = this.#waiters.filter((waiter) => {
      if (waiter.count > length) return true;
      waiter.resolve();
      return false;
    });
  }
}

/** All values of an iterable of the bus. */
export async function gather<P>(events: AsyncIterable<Event<P>>): Promise<Event<P>[]> {
  const gathered: Event<P>[] = [];
  for await (const event of events) gathered.push(event);
  return gathered;
}
