/**
 * The listeners of a consumer. The bus tells of consumers on topics of its own, and the listeners hear it by a
 * subscription to these: one for each event that has a listener, from the first listener on.
 */
import type { EventHandler, Subscription } from '../../protocol/bus-api.js';
import {
  type ConsumerNotice,
  type ConsumerNoticePayload,
  consumerTopic,
} from '../../protocol/consumer-topics.js';
import type { ConsumerEvents, ConsumerMessages } from '../../protocol/consumers.js';
import { BusError, type ErrorData } from '../../protocol/errors.js';
import { quote } from '../../protocol/quote.js';
import { messageOf } from '../../protocol/thrown.js';
import { Emitter } from '../emitter.js';

/** The consumer: without an `id`, whichever one has the name. */
export interface NoticedConsumer {
  readonly id?: string;
  readonly name: string;
}

export interface NoticeHost {
  /** False: the bus publishes no events of its own. */
  readonly hasSystemEvents: boolean;
  subscribe<P>(topic: string, handler: EventHandler<P>): Subscription;
  /** Reports a failure that no promise can carry. */
  report(error: BusError): void;
}

const NOTICES: Readonly<Record<keyof ConsumerEvents, ConsumerNotice>> = {
  gap: 'gap',
  blocked: 'blocked',
  dead: 'dead',
  error: 'letter_failed',
};
const EVENTS: readonly (keyof ConsumerEvents)[] = ['gap', 'blocked', 'dead', 'error'];

/** The messages of notices, as their events carry them. */
type NoticePayloads = {
  [E in Exclude<keyof ConsumerMessages, 'error'>]: ConsumerNoticePayload & ConsumerMessages[E];
} & { readonly error: ConsumerNoticePayload & { readonly error: ErrorData } };

export class ConsumerNotices {
  readonly #consumer: NoticedConsumer;
  readonly #host: NoticeHost;
  readonly #emitter: Emitter<ConsumerEvents>;
  readonly #subscriptions = new Map<keyof ConsumerEvents, Subscription>();

  constructor(consumer: NoticedConsumer, host: NoticeHost) {
    this.#consumer = consumer;
    this.#host = host;
    const owner = `consumer ${quote(consumer.name)}`;
    this.#emitter = new Emitter<ConsumerEvents>(owner, EVENTS, (error) => host.report(error));
  }

  /** @throws BusError `OPTION_INVALID` also where system events are off: the listener would never be called */
  on<E extends keyof ConsumerEvents>(event: E, listener: ConsumerEvents[E]): void {
    if (!this.#host.hasSystemEvents) {
      throw new BusError(
        'OPTION_INVALID',
        'on: the bus was opened with systemEvents: false, so nothing tells of its consumers',
      );
    }
    this.#emitter.on(event, listener);
    if (this.#subscriptions.has(event)) return;
    const subscription = this.#listen(event);
    this.#subscriptions.set(event, subscription);
    subscription.closed.catch((error) => this.#failed(error));
  }

  close(): void {
    for (const subscription of this.#subscriptions.values()) void subscription.unsubscribe();
    this.#subscriptions.clear();
  }

  #listen(event: keyof ConsumerEvents): Subscription {
    const emitter = this.#emitter;
    switch (event) {
      case 'gap':
        return this.#hear(event, ({ shard, from, to }) => emitter.emit(event, { shard, from, to }));
      case 'blocked':
        return this.#hear(event, (payload) => emitter.emit(event, messageIn(payload)));
      case 'dead':
        return this.#hear(event, (payload) => emitter.emit(event, messageIn(payload)));
      case 'error':
        return this.#hear(event, ({ error }) => emitter.emit(event, BusError.from(error)));
    }
  }

  #hear<E extends keyof NoticePayloads>(
    event: E,
    tell: (payload: NoticePayloads[E]) => void,
  ): Subscription {
    const { id, name } = this.#consumer;
    const topic = consumerTopic(name, NOTICES[event]);
    return this.#host.subscribe<NoticePayloads[E]>(topic, ({ payload }) => {
      // Another consumer had the name before, or has it now.
      if (payload.consumerId === (id ?? payload.consumerId)) tell(payload);
    });
  }

  /** The shard of the topic was given up, or a client may not read it. */
  #failed(cause: unknown): void {
    const message = `the listeners of consumer ${quote(this.#consumer.name)} hear nothing any more: ${messageOf(cause)}`;
    const error = new BusError(cause instanceof BusError ? cause.code : 'STORE_FAILED', message, {
      cause,
    });
    if (this.#emitter.has('error')) this.#emitter.emit('error', error);
    else this.#host.report(error);
  }
}

/** What a notice says, without what names the consumer. */
function messageIn<M>({
  consumer: _,
  consumerId: __,
  ...message
}: ConsumerNoticePayload & M): Omit<ConsumerNoticePayload & M, keyof ConsumerNoticePayload> {
  return message;
}
