import { setMaxListeners } from 'node:events';
import { CLOUD_EVENT_TYPE, cloudEventText } from '../../protocol/cloud-event.js';
import type { ConsumerDefinition, Delivery } from '../../protocol/consumers.js';
import { BusError } from '../../protocol/errors.js';
import { idFault } from '../../protocol/event-fields.js';
import { REASON_LENGTH_MAX } from '../../protocol/limits/consumers.js';
import { WEBHOOK_STOP_MS, WEBHOOK_UNTOLD_LENGTH_MIN } from '../../protocol/limits/webhook.js';
import { optionInvalid } from '../../protocol/options.js';
import { eventText } from '../../protocol/payload-text.js';
import { messageOf } from '../../protocol/thrown.js';
import type { Sink, SinkInfo } from '../sink.js';
import { SinkLife, targetOf } from '../sink-life.js';
import { whenAborted } from '../when-aborted.js';
import { AddressPolicy } from './addresses.js';
import { type Answer, Caller } from './call.js';
import { EndpointNotes } from './endpoint-notes.js';
import { rejectedBy, withSignal } from './limited-signal.js';
import { signedHeaders } from './signature.js';
import { retryAfterMs, verdictOf } from './verdict.js';
import {
  type ParsedEndpoint,
  type ParsedWebhookOptions,
  parseEndpoint,
  parseWebhookOptions,
  type WebhookOptions,
} from './webhook-options.js';

/**
 * Posts the events of a consumer to an endpoint, as Standard Webhooks. A request that is answered with 2xx acknowledges its
 * event; every other end leaves it to the consumer, by whose backoff, attempts and dead letters it comes again or dies.
 * Any thread of Node.
 */

export interface WebhookInfo extends SinkInfo {
  /** How many requests run now. */
  readonly requests: number;
  /** The endpoints that have answered 410 since the sink was made. */
  readonly gone: readonly string[];
}

/**
 * Posts a consumer's events to an HTTP endpoint, signed, until it is stopped.
 *
 * @param options the consumer, and the endpoint or a function that names one for each event
 * @returns at once; `closed` rejects with `ENDPOINT_GONE` when the endpoint of `url` answers 410, and its events stay with
 *   the consumer
 * @throws BusError `OPTION_INVALID`; `ADDRESS_REFUSED` for a `url` with an address that may not be called
 */
export function webhook<P = unknown>(options: WebhookOptions<P>): Sink<WebhookInfo> {
  return new Webhook(parseWebhookOptions(options)).start();
}

class Webhook<P> {
  readonly #options: ParsedWebhookOptions<P>;
  readonly #life: SinkLife;
  readonly #caller: Caller;
  readonly #notes = new EndpointNotes();
  /** Aborts requests that go on after the sink was stopped. */
  readonly #cut = new AbortController();
  /** Aborts when the only endpoint is gone. */
  readonly #ended = new AbortController();
  #definition: ConsumerDefinition | undefined;
  #requests = 0;

  constructor(options: ParsedWebhookOptions<P>) {
    const { endpoint, allow, resolve, ca } = options;
    this.#options = options;
    // Each request listens to it.
    setMaxListeners(0, this.#cut.signal);
    this.#life = new SinkLife('webhook', options);
    this.#caller = new Caller(new AddressPolicy(allow), resolve, ca);
    if (typeof endpoint !== 'function') this.#caller.assertUrl(endpoint.url);
  }

  start(): Sink<WebhookInfo> {
    const { consumer, endpoint } = this.#options;
    const target = typeof endpoint === 'function' ? undefined : targetOf(endpoint.url.href);
    return this.#life.start(
      () => this.#work(),
      this.#options.signal,
      () => ({ requests: this.#requests, gone: this.#notes.goneUrls() }),
      { on: consumer, consumer: consumer.name, target },
    );
  }

  async #work(): Promise<void> {
    const { consumer, timeoutMs, concurrency } = this.#options;
    const { definition } = await consumer.info();
    if (timeoutMs >= definition.leaseMs) {
      const message = `${timeoutMs} ms is not less than the consumer's leaseMs, ${definition.leaseMs}`;
      throw optionInvalid('webhook', 'timeoutMs', message);
    }
    this.#definition = definition;
    const run = consumer.run((delivery) => this.#handle(delivery), {
      concurrency,
      // A lease begins with its request, so that it outlasts the request.
      prefetch: false,
      name: this.#life.name,
    });
    this.#life.begin();
    try {
      await Promise.race([run.closed, whenAborted(this.#life.signal, this.#ended.signal)]);
    } finally {
      const timer = setTimeout(() => this.#cut.abort(), WEBHOOK_STOP_MS);
      await run.stop().catch(() => {});
      clearTimeout(timer);
      this.#caller.close();
    }
    if (this.#ended.signal.aborted) throw this.#ended.signal.reason;
  }

  /** Never throws: a handler that throws would be reported as a fault of the app. */
  async #handle(delivery: Delivery<P>): Promise<void> {
    try {
      await this.#deliver(delivery).catch((error) => this.#retry(delivery, error));
    } catch (error) {
      // The lease is lost, and the event comes again; or the bus is closed.
      this.#life.tell(error);
    }
  }

  async #deliver(delivery: Delivery<P>): Promise<void> {
    const endpoint = await this.#endpointOf(delivery);
    if (endpoint === undefined) return this.#finish(delivery);
    const pauseMs = this.#notes.pauseMs(endpoint.url, Date.now());
    if (pauseMs === Number.POSITIVE_INFINITY) return this.#leave(delivery, endpoint);
    if (pauseMs > 0) return delivery.nak({ count: false, delayMs: Math.ceil(pauseMs) });
    const answer = await this.#post(delivery, endpoint);
    const text = textOf(answer);
    switch (verdictOf(answer.status, this.#options.clientErrors)) {
      case 'done':
        return this.#finish(delivery);
      case 'gone':
        return this.#leave(delivery, endpoint);
      case 'dead':
        this.#life.failed(new Error(text));
        return delivery.term(text);
      default:
        return this.#retry(delivery, new Error(text), this.#wanted(answer, endpoint));
    }
  }

  async #finish(delivery: Delivery<P>): Promise<void> {
    await delivery.ack();
    this.#life.done();
  }

  /** The wait that the endpoint asks for, ms, which then holds for all its events. */
  #wanted({ retryAfter }: Answer, { url }: ParsedEndpoint): number {
    const now = Date.now();
    const ms = retryAfterMs(retryAfter, now, this.#options.retryAfterMaxMs);
    if (ms > 0) this.#notes.pause(url, now + ms);
    return ms;
  }

  /** Gives the event back after a failed attempt. `leastMs`: how long to wait at least. */
  async #retry(delivery: Delivery<P>, error: unknown, leastMs = 0): Promise<void> {
    // The stop has ended the request, which says nothing about the event.
    if (this.#cut.signal.aborted) return delivery.nak({ count: false });
    this.#life.failed(error);
    const reason = cutText(messageOf(error));
    if (leastMs === 0) return delivery.nak({ reason });
    const { backoffMs } = this.#definition!;
    const usualMs = backoffMs[Math.min(delivery.attempt, backoffMs.length) - 1] ?? 0;
    return delivery.nak({ reason, delayMs: Math.max(usualMs, Math.ceil(leastMs)) });
  }

  /** The endpoint wants no more events. The only one ends the sink, which keeps them; of several, its events are dead. */
  async #leave(delivery: Delivery<P>, { url }: ParsedEndpoint): Promise<void> {
    const isFirst = !this.#notes.isGone(url);
    this.#notes.gone(url);
    const error = new BusError('ENDPOINT_GONE', `${url.href} has answered 410 Gone`, {
      details: { url: url.href },
    });
    if (typeof this.#options.endpoint === 'function') {
      if (isFirst) this.#life.failed(error);
      return delivery.term(cutText(error.message));
    }
    this.#ended.abort(error);
    return delivery.nak({ count: false });
  }

  /** The function of the app has as long as a request, and does not hold up the sink's end. */
  async #endpointOf({ event, signal }: Delivery<P>): Promise<ParsedEndpoint | undefined> {
    const { endpoint, timeoutMs } = this.#options;
    if (typeof endpoint !== 'function') return endpoint;
    const late = (): Error => new Error(`no endpoint was named within ${timeoutMs} ms`);
    const found = await withSignal([signal, this.#cut.signal], timeoutMs, late, (limited) =>
      Promise.race([endpoint(event), rejectedBy(limited)]),
    );
    return found === undefined ? undefined : parseEndpoint(found);
  }

  #post({ event, signal }: Delivery<P>, { url, keys, headers }: ParsedEndpoint): Promise<Answer> {
    const { body: form, idOf, timeoutMs } = this.#options;
    const id = idOf(event);
    const fault = idFault('idOf', id);
    if (fault !== undefined) throw new BusError('OPTION_INVALID', fault);
    const isCloudEvent = form === 'cloudevent';
    const body = isCloudEvent ? cloudEventText(event) : eventText(event);
    const all = {
      'user-agent': 'millrace-webhook',
      accept: '*/*',
      ...headers,
      'content-type': isCloudEvent ? `${CLOUD_EVENT_TYPE}; charset=utf-8` : 'application/json',
      ...signedHeaders(keys, id, new Date(), body),
    };
    const late = (): Error => new Error(`no answer within ${timeoutMs} ms`);
    this.#requests++;
    return withSignal([signal, this.#cut.signal], timeoutMs, late, (limited) =>
      this.#caller.post(url, all, body, limited, untoldOf(headers)),
    ).finally(() => {
      this.#requests--;
    });
  }
}

/** The values of headers, and their parts, as of `Bearer TOKEN`; short ones are no secrets, and stand anywhere. */
function untoldOf(headers: Readonly<Record<string, string>>): string[] {
  const parts = Object.values(headers).flatMap((value) => [value, ...value.split(/\s+/)]);
  return parts.filter(({ length }) => length >= WEBHOOK_UNTOLD_LENGTH_MIN);
}

/** `HTTP 503 Service Unavailable: try later` */
function textOf({ status, statusText, location, excerpt }: Answer): string {
  const head = `HTTP ${status} ${statusText}`.trim();
  const isRedirect = status >= 300 && status < 400 && location !== undefined;
  if (isRedirect) return cutText(`${head} to ${location}; redirects are not followed`);
  return cutText(excerpt === '' ? head : `${head}: ${excerpt}`);
}

function cutText(text: string): string {
  // Through bytes, since half a surrogate pair could not be published with a dead letter.
  return Buffer.from(text.slice(0, REASON_LENGTH_MAX)).toString();
}
