/**
 * Spans for publishing and handling, if the program has set up OpenTelemetry in this thread. Only then is
 * `@opentelemetry/api` loaded; otherwise a publish pays for one lookup of an absent global.
 *
 * The context travels in the event's attributes `traceparent` and `tracestate`, as W3C Trace Context defines them. The
 * span of a handler links to the publisher's span and is not its child: the event may be old, and many handlers may get
 * it. For any thread.
 */
import { createRequire } from 'node:module';
import type * as Api from '@opentelemetry/api';
import type { EventHandler } from '../protocol/bus-api.js';
import type { Delivery, DeliveryHandler } from '../protocol/consumers.js';
import type { Event, EventInput, PublishAck } from '../protocol/event.js';
import { ATTRIBUTE_VALUE_BYTES_MAX, ATTRIBUTES_MAX } from '../protocol/limits/events.js';
import { errorOf, messageOf } from '../protocol/thrown.js';

const TRACEPARENT = 'traceparent';
const TRACESTATE = 'tracestate';
const TRACEPARENT_FORM = /^00-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})$/;

/** The key of the global registry of `@opentelemetry/api`, which all copies of its major version 1 share. */
const REGISTRY = Symbol.for('opentelemetry.js.api.1');

interface Registry {
  readonly trace?: unknown;
}

let tracing: Tracing | undefined;
let isAbsent = false;

/** `undefined` if the program has not set up tracing. */
export function activeTracing(): Tracing | undefined {
  const registry = (globalThis as { [REGISTRY]?: Registry })[REGISTRY];
  if (registry?.trace === undefined || isAbsent) return undefined;
  tracing ??= load();
  return tracing;
}

function load(): Tracing | undefined {
  try {
    const require = createRequire(import.meta.url);
    return new Tracing(require('@opentelemetry/api') as typeof Api);
  } catch {
    // The program uses a copy of the API that cannot be resolved from this package.
    isAbsent = true;
    return undefined;
  }
}

/** Checks for tracing at each event, since it may be set up after the subscription. */
export function tracedHandler<P>(handler: EventHandler<P>): EventHandler<P> {
  return (event) => {
    const tracing = activeTracing();
    return tracing === undefined ? handler(event) : tracing.handle(event, handler);
  };
}

/** As `tracedHandler`, for a handler of a consumer. */
export function tracedDelivery(delivery: Delivery, handler: DeliveryHandler): void | Promise<void> {
  const tracing = activeTracing();
  if (tracing === undefined) return handler(delivery);
  return tracing.handle(delivery.event, () => handler(delivery));
}

export class Tracing {
  readonly #api: typeof Api;

  constructor(api: typeof Api) {
    this.#api = api;
  }

  publish<P>(
    input: EventInput<P>,
    publish: (input: EventInput<P>) => Promise<PublishAck>,
  ): Promise<PublishAck> {
    const span = this.#producer({ 'messaging.destination.name': topicOf(input) });
    return this.#settle(span, publish(withContext(input, span.spanContext())), (ack) => {
      span.setAttribute('messaging.message.id', ack.id);
    });
  }

  publishMany<P>(
    inputs: readonly EventInput<P>[],
    publish: (inputs: readonly EventInput<P>[]) => Promise<PublishAck[]>,
  ): Promise<PublishAck[]> {
    if (!Array.isArray(inputs)) return publish(inputs);
    const span = this.#producer({ 'messaging.batch.message_count': inputs.length });
    const context = span.spanContext();
    const traced = inputs.map((input: EventInput<P>) => withContext(input, context));
    return this.#settle(span, publish(traced), () => {});
  }

  tryPublish<P>(input: EventInput<P>, tryPublish: (input: EventInput<P>) => boolean): boolean {
    const span = this.#producer({ 'messaging.destination.name': topicOf(input) });
    try {
      return tryPublish(withContext(input, span.spanContext()));
    } catch (error) {
      this.#fail(span, error);
      throw error;
    } finally {
      span.end();
    }
  }

  handle<P>(event: Event<P>, handler: EventHandler<P>): void | Promise<void> {
    const { context, trace, SpanKind } = this.#api;
    const producer = contextOf(event.attributes);
    const span = this.#tracer.startSpan('process', {
      kind: SpanKind.CONSUMER,
      root: true,
      links: producer === undefined ? [] : [{ context: producer }],
      attributes: {
        'messaging.system': 'millrace',
        'messaging.operation.type': 'process',
        'messaging.destination.name': event.topic,
        'messaging.message.id': event.id,
      },
    });
    let answer: void | Promise<void>;
    try {
      answer = context.with(trace.setSpan(context.active(), span), () => handler(event));
    } catch (error) {
      this.#fail(span, error);
      span.end();
      throw error;
    }
    if (typeof answer?.then === 'function') return this.#settle(span, answer, () => {});
    span.end();
  }

  get #tracer(): Api.Tracer {
    return this.#api.trace.getTracer('millrace');
  }

  #producer(attributes: Api.Attributes): Api.Span {
    return this.#tracer.startSpan('publish', {
      kind: this.#api.SpanKind.PRODUCER,
      attributes: {
        'messaging.system': 'millrace',
        'messaging.operation.type': 'send',
        ...attributes,
      },
    });
  }

  async #settle<T>(span: Api.Span, work: Promise<T>, onDone: (result: T) => void): Promise<T> {
    try {
      const result = await work;
      onDone(result);
      return result;
    } catch (error) {
      this.#fail(span, error);
      throw error;
    } finally {
      span.end();
    }
  }

  #fail(span: Api.Span, error: unknown): void {
    const message = messageOf(error);
    try {
      span.recordException(errorOf(error));
    } catch {
      // The error has properties that throw.
      span.recordException(message);
    }
    span.setStatus({ code: this.#api.SpanStatusCode.ERROR, message });
  }
}

/** Empty for an input without a topic, which the publish refuses. */
function topicOf(input: EventInput): string {
  return typeof input?.topic === 'string' ? input.topic : '';
}

/**
 * The event with the span's context in its attributes. The event stays as it is if it carries a context already, if it
 * has no room for another attribute, or if the span is not recorded.
 */
function withContext<P>(input: EventInput<P>, context: Api.SpanContext): EventInput<P> {
  const { traceId, spanId, traceFlags, traceState } = context;
  if (/^0+$/.test(traceId) || typeof input !== 'object' || input === null) return input;
  const given = input.attributes ?? {};
  if (typeof given !== 'object' || TRACEPARENT in given) return input;
  const left = ATTRIBUTES_MAX - Object.keys(given).length;
  if (left < 1) return input;
  const flags = traceFlags.toString(16).padStart(2, '0');
  const attributes = { ...given, [TRACEPARENT]: `00-${traceId}-${spanId}-${flags}` };
  const state = traceState?.serialize() ?? '';
  const hasRoom = left > 1 && Buffer.byteLength(state) <= ATTRIBUTE_VALUE_BYTES_MAX;
  if (state === '' || !hasRoom) return { ...input, attributes };
  return { ...input, attributes: { ...attributes, [TRACESTATE]: state } };
}

function contextOf(attributes: Event['attributes']): Api.SpanContext | undefined {
  const [, traceId, spanId, flags] = TRACEPARENT_FORM.exec(attributes?.[TRACEPARENT] ?? '') ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true };
}
