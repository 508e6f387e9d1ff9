import { describe, expect, expectTypeOf, it } from 'vitest';
import type { BusClient } from '../../src/client/bus-client.js';
import type { Bus } from '../../src/main/bus.js';
import { BusError } from '../../src/protocol/errors.js';
import { SINK_RETRY_MS, SINK_RETRY_MS_MAX } from '../../src/protocol/limits/sinks.js';
import type { SinkBus } from '../../src/sinks/sink.js';
import { SinkLife } from '../../src/sinks/sink-life.js';

const nothing = () => ({});

/** A life whose work lasts until it has to stop. */
function idle(options: ConstructorParameters<typeof SinkLife>[1] & { signal?: AbortSignal } = {}) {
  const life = new SinkLife('test', options);
  const work = async (): Promise<void> => {
    life.begin();
    while (!life.signal.aborted) await life.wait(60_000);
  };
  return { life, sink: life.start(work, options.signal, () => ({ extra: 1 })) };
}

describe('a sink', () => {
  it('works on a bus, on an attached one and on a client', () => {
    expectTypeOf<Bus>().toExtend<SinkBus>();
    expectTypeOf<BusClient>().toExtend<SinkBus>();
  });

  it('says when it works and when it has ended', async () => {
    const { sink, life } = idle({ name: 'mine' });
    expect(sink.info()).toMatchObject({ kind: 'test', name: 'mine', state: 'starting', extra: 1 });
    await sink.ready;
    expect(sink.info().state).toBe('running');
    life.done(3);
    expect(sink.info()).toMatchObject({ done: 3, failed: 0 });
    expect(Date.parse(sink.info().lastDoneAt!)).toBeGreaterThan(0);
    const stopped = sink.stop();
    expect(sink.info().state).toBe('stopping');
    await Promise.all([stopped, sink.stop(), sink.closed]);
    expect(sink.info().state).toBe('stopped');
  });

  it('stops when its signal aborts, also before it begins', async () => {
    const controller = new AbortController();
    const { sink } = idle({ signal: controller.signal });
    await sink.ready;
    controller.abort();
    await sink.closed;
    const { sink: second } = idle({ signal: controller.signal });
    await Promise.all([second.ready, second.closed]);
    expect(second.info().state).toBe('stopped');
  });

  it('tells failures after which it goes on, and waits longer after each', async () => {
    const told: BusError[] = [];
    const { sink, life } = idle({ onError: (error) => told.push(error) });
    await sink.ready;
    life.failed(new Error('the database is away'));
    expect(sink.info()).toMatchObject({ state: 'waiting', failed: 1 });
    const [first] = told;
    expect(first).toMatchObject({ code: 'SINK_FAILED', details: { sink: 'test' } });
    expect(first!.message).toBe('test test: the database is away');
    const known = new BusError('STORE_FULL', 'full');
    life.failed(known);
    expect(told[1]).toBe(known);
    for (let failure = 0; failure < 40; failure++) {
      expect(life.retryMs()).toBeGreaterThanOrEqual(SINK_RETRY_MS / 2);
      expect(life.retryMs()).toBeLessThanOrEqual(SINK_RETRY_MS_MAX);
      life.failed(known);
    }
    expect(life.retryMs()).toBeGreaterThanOrEqual(SINK_RETRY_MS_MAX / 2);
    life.done(0);
    expect(sink.info()).toMatchObject({ state: 'running', failed: 42, done: 0 });
    expect(life.retryMs()).toBeLessThanOrEqual(SINK_RETRY_MS);
    await sink.stop();
  });

  it('ends with the error of its work, and a stop resolves all the same', async () => {
    const life = new SinkLife('test', { onError: () => {} });
    const failure = async (): Promise<never> => {
      throw new TypeError('no table');
    };
    const sink = life.start(failure, undefined, nothing);
    await expect(sink.closed).rejects.toMatchObject({ code: 'SINK_FAILED' });
    await expect(sink.ready).rejects.toMatchObject({ message: 'test test: no table' });
    await sink.stop();
    expect(sink.info()).toMatchObject({ state: 'failed', lastError: { code: 'SINK_FAILED' } });
    expect(life.signal.aborted).toBe(true);
  });

  it('survives an onError that throws', async () => {
    const warned = new Promise<Error>((resolve) => process.once('warning', resolve));
    const onError = (): never => {
      throw new Error('from onError');
    };
    const { sink, life } = idle({ onError });
    life.failed(new Error('first'));
    expect((await warned).message).toContain('from onError');
    await sink.stop();
  });
});
