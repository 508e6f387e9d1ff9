import { AsyncLocalStorage } from 'node:async_hooks';
import {
  type Context,
  type ContextManager,
  context,
  createTraceState,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Event } from '../../src/index.js';
import { openTestBus } from './support/open.js';

const event = (topic: string, attributes?: Record<string, string>) => ({
  topic,
  type: 'task_created',
  payload: null,
  ...(attributes === undefined ? {} : { attributes }),
});

const exporter = new InMemorySpanExporter();

function setUp(): void {
  const spanProcessors = [new SimpleSpanProcessor(exporter)];
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors }));
}

/** Does the same as `@opentelemetry/context-async-hooks`, as far as these tests need it. */
class TestContextManager implements ContextManager {
  readonly #storage = new AsyncLocalStorage<Context>();

  active(): Context {
    return this.#storage.getStore() ?? ROOT_CONTEXT;
  }

  with<A extends unknown[], F extends (...args: A) => ReturnType<F>>(
    active: Context,
    call: F,
    thisArg?: ThisParameterType<F>,
    ...args: A
  ): ReturnType<F> {
    return this.#storage.run(active, () => call.apply(thisArg, args));
  }

  bind<T>(_context: Context, target: T): T {
    return target;
  }

  enable(): this {
    return this;
  }

  disable(): this {
    return this;
  }
}

const spans = (name: string) => exporter.getFinishedSpans().filter((span) => span.name === name);

afterEach(() => {
  trace.disable();
  context.disable();
  exporter.reset();
});

describe('with tracing set up', () => {
  beforeEach(setUp);

  it('a publish is a span, and its context goes with the event', async () => {
    const bus = await openTestBus({ shards: 1 });
    const { id } = await bus.publish(event('a.b', { customer: '7' }));
    const [span] = spans('publish');
    const { traceId, spanId } = span!.spanContext();
    expect(span).toMatchObject({
      kind: SpanKind.PRODUCER,
      attributes: {
        'messaging.system': 'millrace',
        'messaging.destination.name': 'a.b',
        'messaging.message.id': id,
      },
    });
    const [stored] = await bus.query({ topic: 'a.b' });
    expect(stored!.attributes).toEqual({
      customer: '7',
      traceparent: `00-${traceId}-${spanId}-01`,
    });
  });

  it('handling is its own span, linked to the publish, however long ago that was', async () => {
    const bus = await openTestBus({ shards: 1 });
    await bus.publish(event('a'));
    const published = spans('publish')[0]!.spanContext();
    const handled: Event[] = [];
    const subscription = bus.subscribe(
      'a',
      async (one) => {
        await Promise.resolve();
        handled.push(one);
      },
      { from: 'earliest' },
    );
    await subscription.ready;
    await bus.drain();
    const [span] = spans('process');
    expect(span!.kind).toBe(SpanKind.CONSUMER);
    expect(span!.parentSpanContext).toBeUndefined();
    expect(span!.links).toHaveLength(1);
    const { traceId, spanId } = published;
    expect(span!.links[0]!.context).toMatchObject({ traceId, spanId, isRemote: true });
    expect(handled).toHaveLength(1);
  });

  it('a batch is one span, and every event of it carries its context', async () => {
    const bus = await openTestBus({ shards: 2 });
    await bus.publishMany([event('a'), event('b'), event('c')]);
    expect(spans('publish')).toHaveLength(1);
    expect(spans('publish')[0]!.attributes['messaging.batch.message_count']).toBe(3);
    const stored = await bus.query({ topic: '*' });
    const parents = new Set(stored.map(({ attributes }) => attributes?.traceparent));
    expect(stored).toHaveLength(3);
    expect(parents.size).toBe(1);
    expect(bus.tryPublish(event('d'))).toBe(true);
    expect(spans('publish')).toHaveLength(2);
  });

  it('failures are on the spans', async () => {
    const bus = await openTestBus({ shards: 1 });
    await expect(bus.publish(event('$sys.x'))).rejects.toMatchObject({ code: 'TOPIC_INVALID' });
    expect(() => bus.tryPublish(event('a..b'))).toThrow();
    for (const span of spans('publish')) expect(span.status.code).toBe(SpanStatusCode.ERROR);
    expect(spans('publish')).toHaveLength(2);
    const subscription = bus.subscribe('a', () => {
      throw new Error('no');
    });
    await subscription.ready;
    await bus.publish(event('a'));
    await expect(subscription.closed).rejects.toThrow('no');
    expect(spans('process')[0]!.status).toMatchObject({ message: 'no' });
  });

  it('a context given by the publisher is kept, and a full set of attributes is not changed', async () => {
    const bus = await openTestBus({ shards: 1 });
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    await bus.publish(event('a', { traceparent }));
    const full = Object.fromEntries(Array.from({ length: 16 }, (_, n) => [`k${n}`, 'v']));
    await bus.publish(event('b', full));
    const [a, b] = await bus.query({ topic: '*' });
    expect(a!.attributes).toEqual({ traceparent });
    expect(b!.attributes).toEqual(full);
  });

  it("a publish belongs to the program's active span, and takes its trace state along", async () => {
    context.setGlobalContextManager(new TestContextManager());
    const bus = await openTestBus({ shards: 1 });
    const traceId = '0af7651916cd43dd8448eb211c80319c';
    const parent = trace.setSpanContext(context.active(), {
      traceId,
      spanId: 'b7ad6b7169203331',
      traceFlags: 1,
      traceState: createTraceState('vendor=1'),
    });
    const active: (string | undefined)[] = [];
    const subscription = bus.subscribe('a', () => {
      active.push(trace.getActiveSpan()?.spanContext().spanId);
    });
    await subscription.ready;
    await context.with(parent, () => bus.publish(event('a')));
    await bus.drain();
    expect(spans('publish')[0]!.parentSpanContext?.spanId).toBe('b7ad6b7169203331');
    const [stored] = await bus.query({ topic: 'a' });
    expect(stored!.attributes).toMatchObject({ tracestate: 'vendor=1' });
    expect(stored!.attributes?.traceparent).toContain(traceId);
    expect(active).toEqual([spans('process')[0]!.spanContext().spanId]);
  });
});

describe('without tracing', () => {
  it('nothing is added, and it may be set up later', async () => {
    const bus = await openTestBus({ shards: 1 });
    const subscription = bus.subscribe('*', () => {});
    await subscription.ready;
    await bus.publish(event('a'));
    expect((await bus.query({ topic: 'a' }))[0]!.attributes).toBeUndefined();
    setUp();
    await bus.publish(event('b'));
    await bus.drain();
    expect((await bus.query({ topic: 'b' }))[0]!.attributes).toHaveProperty('traceparent');
    expect(spans('process')).toHaveLength(1);
  });
});
