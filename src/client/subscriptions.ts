import type { EventHandler } from '../protocol/bus-api.js';
import type { BusError } from '../protocol/errors.js';
import type { ParsedFilter } from '../protocol/filter.js';
import { SUBSCRIPTION_NAME_LENGTH_MAX } from '../protocol/limits/bus-api.js';
import type { ServerFrame } from '../protocol/wire.js';
import type { ParsedSubscribeOptions } from './subscribe-options.js';
import { ClientSubscription, type SubscriptionHost } from './subscription.js';

/** The client, as its subscriptions see it. */
export type SubscriptionsHost = Omit<SubscriptionHost, 'forget'>;

/** The subscriptions of a client, by the names under which the server knows them. */
export class ClientSubscriptions {
  readonly #host: SubscriptionHost;
  readonly #byName = new Map<string, ClientSubscription>();
  #lastNumber = 0;

  constructor(host: SubscriptionsHost) {
    this.#host = { ...host, forget: ({ id }) => this.#byName.delete(id) };
  }

  add<P>(
    filter: ParsedFilter,
    options: ParsedSubscribeOptions<P>,
    handler: EventHandler<P> | undefined,
  ): ClientSubscription<P> {
    const { name } = options;
    const counted = (): string => numberedName(name ?? 'subscription', ++this.#lastNumber);
    let id = name ?? counted();
    while (this.#byName.has(id)) id = counted();
    const subscription = new ClientSubscription<P>(id, filter, options, handler, this.#host);
    this.#byName.set(id, subscription as ClientSubscription);
    subscription.open();
    return subscription;
  }

  all(): ClientSubscription[] {
    return [...this.#byName.values()];
  }

  /** `length`: of the frame's text. */
  onFrame(name: string, frame: ServerFrame, length: number): void {
    this.#byName.get(name)?.onFrame(frame, length);
  }

  connected(): void {
    for (const subscription of this.all()) subscription.open();
  }

  lost(): void {
    for (const subscription of this.all()) subscription.lost();
  }

  /** Ends all of them with the error. */
  giveUp(error: BusError): void {
    for (const subscription of this.all()) subscription.giveUp(error);
    this.#byName.clear();
  }

  /** Ends all of them without an error. */
  close(): void {
    for (const subscription of this.all()) subscription.close();
    this.#byName.clear();
  }
}

/** The name with the number behind it; a long name is cut so that the number fits. */
function numberedName(name: string, number: number): string {
  const end = `-${number}`;
  return name.slice(0, SUBSCRIPTION_NAME_LENGTH_MAX - end.length) + end;
}
