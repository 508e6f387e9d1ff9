import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { Bus } from '../../src/main/bus.js';
import type { Event } from '../../src/protocol/event.js';
import { isError } from '../../src/protocol/thrown.js';
import { UNPRINTABLE } from '../support/unprintable.js';
import { Collector } from './support/collector.js';
import { errorsTold, openTestBus } from './support/open.js';
import { until, within } from './support/wait.js';

const careless = fileURLToPath(new URL('./support/careless.js', import.meta.url));

/** Failures of a subscriber's own code affect only its own subscription. */
async function publish(bus: Bus, count: number): Promise<void> {
  await bus.publishMany(
    Array.from({ length: count }, (_, n) => ({ topic: 't', type: 'chat_message', payload: n })),
  );
}

describe('a handler', () => {
  test('that throws ends only its own subscription, with its error', async () => {
    const bus = await openTestBus({ shards: 2 });
    const other = await Collector.start(bus, '*');
    const seen: number[] = [];
    const broken = bus.subscribe<number>('*', ({ payload }) => {
      seen.push(payload);
      if (payload === 3) throw new Error('my own mistake');
    });
    await broken.ready;
    await publish(bus, 10);
    await expect(within('the end', broken.closed)).rejects.toThrow('my own mistake');
    await other.count(10);
    expect(seen).toEqual([0, 1, 2, 3]);
    await until('one left', async () => (await bus.stats()).subscriptions === 1);
    await publish(bus, 1);
    await other.count(11);
  });

  test('that rejects ends only its own subscription, with its error', async () => {
    const bus = await openTestBus({ shards: 1 });
    const other = await Collector.start(bus, '*');
    const broken = bus.subscribe('*', async () => {
      await Promise.reject(new TypeError('rejected'));
    });
    await broken.ready;
    await publish(bus, 5);
    await expect(within('the end', broken.closed)).rejects.toThrow(TypeError);
    await other.count(5);
  });

  test('whose error is not handled does not end the process', async () => {
    const bus = await openTestBus({ shards: 1 });
    const unhandled: unknown[] = [];
    const listener = (reason: unknown): void => {
      unhandled.push(reason);
    };
    process.on('unhandledRejection', listener);
    bus.subscribe('*', () => {
      throw new Error('unseen');
    });
    bus.subscribe('*', async () => {
      throw new Error('unseen too');
    });
    const other = await Collector.start(bus, '*');
    await publish(bus, 1);
    await other.count(1);
    await until('two gone', async () => (await bus.stats()).subscriptions === 1);
    await new Promise((resolve) => setImmediate(resolve));
    process.off('unhandledRejection', listener);
    expect(unhandled).toEqual([]);
  });

  test('onError that throws does not stop deliveries to other subscriptions', () => {
    const run = spawnSync(process.execPath, [careless], { encoding: 'utf8', timeout: 20_000 });
    expect(run.stderr).toBe('');
    const told: unknown = JSON.parse(run.stdout);
    expect(told).toEqual({ uncaught: 1, whileReading: 0, code: 'SLOW_CONSUMER', received: 100 });
  });

  test('that throws a value that is no error is reported with that value', async () => {
    const bus = await openTestBus({ shards: 1 });
    const broken = bus.subscribe('*', () => {
      throw 'just a word';
    });
    await broken.ready;
    await publish(bus, 1);
    const reason: unknown = await within(
      'the end',
      broken.closed.then(
        () => 'resolved',
        (error: unknown) => error,
      ),
    );
    expect(String(reason)).toContain('just a word');
  });

  test('may throw or reject with a value that cannot be printed', async () => {
    const bus = await openTestBus({ shards: 1 });
    const other = await Collector.start(bus, '*');
    const things = Object.values(UNPRINTABLE).map((make) => make());
    const broken = things.flatMap((thrown) => {
      const fail = (): never => {
        throw thrown;
      };
      bus.subscribe('*', () => {}, { from: 'earliest' }).on('caughtUp', fail);
      return [bus.subscribe('*', fail), bus.subscribe('*', () => Promise.reject(thrown))];
    });
    await Promise.all(broken.map(({ ready }) => ready));
    await publish(bus, 3);
    for (const { closed } of broken) {
      // The reason itself may be too strange to be handed through a promise.
      const endsInError = closed.then(() => false, isError);
      expect(await within('the end', endsInError)).toBe(true);
    }
    await other.count(3);
    await until('all are told', () => errorsTold(bus).length === 3 * things.length);
    expect(new Set(errorsTold(bus).map(({ code }) => code))).toEqual(new Set(['HANDLER_FAILED']));
  });

  test('may return any value, and a thenable that settles twice counts once', async () => {
    const bus = await openTestBus({ shards: 1 });
    const answers = [null, 0, 'done', {}];
    const seen: unknown[] = [];
    const twice = {
      // biome-ignore lint/suspicious/noThenProperty: what a library's own promises look like
      then(done: () => void) {
        done();
        done();
      },
    };
    const handler = ({ payload }: Event<number>): unknown => {
      seen.push(payload);
      return payload % 2 === 0 ? answers[payload % answers.length] : twice;
    };
    const subscription = bus.subscribe<number>('*', handler as () => void);
    await subscription.ready;
    await publish(bus, 20);
    await bus.drain();
    expect(seen).toEqual(Array.from({ length: 20 }, (_, n) => n));
    expect(subscription).toMatchObject({ pending: 0, lag: 0 });
  });

  test('that is asynchronous gets one event at a time, in order', async () => {
    const bus = await openTestBus({ shards: 1 });
    const log: string[] = [];
    const subscription = bus.subscribe<number>('*', async ({ payload }) => {
      log.push(`begin ${payload}`);
      for (let turn = 0; turn < payload % 4; turn++) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      log.push(`end ${payload}`);
    });
    await subscription.ready;
    await publish(bus, 200);
    await until('the last', () => log.length === 400);
    expect(log).toEqual(Array.from({ length: 200 }, (_, n) => [`begin ${n}`, `end ${n}`]).flat());
  });

  test('may publish, subscribe, query and unsubscribe', async () => {
    const bus = await openTestBus({ shards: 2, ringBytes: 4096 });
    const echoes = await Collector.start(bus, 'echo.*');
    const echo = bus.subscribe<number>('t', async ({ payload }) => {
      await bus.publish({ topic: `echo.${payload % 5}`, type: 'chat_message', payload });
      await bus.query({ topic: 't', limit: 1 });
      const short = bus.subscribe('never');
      await short.ready;
      await short.unsubscribe();
      if (payload === 49) await echo.unsubscribe();
    });
    await echo.ready;
    await publish(bus, 60);
    await echoes.count(50);
    await within('closed', echo.closed);
    expect((echoes.payloads as number[]).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 50 }, (_, n) => n),
    );
  });

  test('gives each topic in order and keeps events that come between its calls', async () => {
    const bus = await openTestBus({ shards: 1 });
    const subscription = bus.subscribe<number>('*', { maxBuffer: 3 });
    await subscription.ready;
    await publish(bus, 4000);
    const seen: number[] = [];
    for await (const { payload } of subscription) {
      seen.push(payload);
      if (seen.length % 500 === 0) await new Promise((resolve) => setImmediate(resolve));
      if (seen.length === 4000) break;
    }
    expect(seen).toEqual(Array.from({ length: 4000 }, (_, n) => n));
  });

  test('answers calls of next() made before the events came, in order', async () => {
    const bus = await openTestBus({ shards: 1 });
    const subscription = bus.subscribe<number>('*');
    await subscription.ready;
    const iterator = subscription[Symbol.asyncIterator]();
    const asked = Array.from({ length: 5 }, () => iterator.next());
    await publish(bus, 4);
    const values = await within('four events', Promise.all(asked.slice(0, 4)));
    expect(values.map(({ value }) => value.payload)).toEqual([0, 1, 2, 3]);
    await iterator.return?.();
    expect(await within('the end', asked[4]!)).toMatchObject({ done: true });
    expect(await iterator.next()).toMatchObject({ done: true });
  });

  test('whose body throws ends the subscription', async () => {
    const bus = await openTestBus({ shards: 1 });
    const subscription = bus.subscribe<number>('*');
    await subscription.ready;
    await publish(bus, 4);
    const reading = (async () => {
      for await (const { payload } of subscription) {
        if (payload === 2) throw new Error('in the body');
      }
    })();
    await expect(within('the error', reading)).rejects.toThrow('in the body');
    await within('closed', subscription.closed);
    await until('none left', async () => (await bus.stats()).subscriptions === 0);
  });

  test('throws the error that ended the subscription', async () => {
    const bus = await openTestBus({ shards: 1 });
    const subscription = bus.subscribe('*', { overflow: 'disconnect', maxBuffer: 1 });
    await subscription.ready;
    await publish(bus, 5000);
    await expect(within('the end', subscription.closed)).rejects.toMatchObject({
      code: 'SLOW_CONSUMER',
    });
    const reading = (async () => {
      for await (const event of subscription) expect(event.topic).toBe('t');
    })();
    await expect(within('the iterator', reading)).rejects.toMatchObject({ code: 'SLOW_CONSUMER' });
  });
});
