import { Emitter } from '../../handout/emitter.js';
import type { EventHandler, Subscription } from '../../protocol/bus-api.js';
import { type ConsumerNotice, consumerTopic } from '../../protocol/consumer-topics.js';
import type { ConsumerEvents } from '../../protocol/consumers.js';
import { BusError, type ErrorData } from '../../protocol/errors.js';
import { quote } from '../../protocol/quote.js';
import { errorOf } from '../../protocol/thrown.js';

/**
 * The listeners of a consumer in a client. The bus tells of consumers on topics of its own, and the listeners hear it by
 * a subscription to these: one for each event that has a listener, from the first listener on.
 */

export interface NoticeHost {
  subscribe(topic: string, handler: EventHandler): Subscription;
  /** Reports a failure that no promise can carry. */
  report(error: BusError): void;
}

const NOTICES: Readonly<Record<keyof ConsumerEvents, ConsumerNotice>> = {
  gap: 'gap',
  blocked: 'blocked',
  dead: 'dead',
  error: 'letter_failed',
};

export class ConsumerNotices {
  readonly #name: string;
  readonly #host: NoticeHost;
  readonly #emitter: Emitter<ConsumerEvents>;
  readonly #subscriptions = new Map<keyof ConsumerEvents, Subscription>();

  constructor(name: string, host: NoticeHost) {
    this.#name = name;
    this.#host = host;
    const events = Object.keys(NOTICES) as (keyof ConsumerEvents)[];
    this.#emitter = new Emitter(`consumer ${quote(name)}`, events, (error) => host.report(error));
  }

  /** @throws BusError `OPTION_INVALID`; that the client may not read the topic is reported as an `error` */
  on<E extends keyof ConsumerEvents>(event: E, listener: ConsumerEvents[E]): void {
    this.#emitter.on(event, listener);
    if (this.#subscriptions.has(event)) return;
    const topic = consumerTopic(this.#name, NOTICES[event]);
    const subscription = this.#host.subscribe(topic, ({ payload }) => this.#heard(event, payload));
    // Told by `closed` as well.
    subscription.on('error', () => {});
    this.#subscriptions.set(event, subscription);
    subscription.closed.catch((error) => this.#failed(errorOf(error)));
  }

  close(): void {
    for (const subscription of this.#subscriptions.values()) void subscription.unsubscribe();
    this.#subscriptions.clear();
  }

  #heard(event: keyof ConsumerEvents, payload: unknown): void {
    const { consumer: _, consumerId: __, ...message } = payload as Record<string, unknown>;
    const told = event === 'error' ? BusError.from(message.error as ErrorData) : message;
    this.#emitter.emit(event, told as never);
  }

  #failed(cause: Error): void {
    const message = `the listeners of consumer ${quote(this.#name)} hear nothing any more: ${cause.message}`;
    const code = cause instanceof BusError ? cause.code : 'INTERNAL';
    const error = new BusError(code, message, { cause });
    if (this.#emitter.has('error')) this.#emitter.emit('error', error);
    else this.#host.report(error);
  }
}
