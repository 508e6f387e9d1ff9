import { AsyncLocalStorage } from 'node:async_hooks';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Bus } from '../../src/main/bus.js';
import { connectTo } from '../client/support/millrace-client.js';
import { openTestBus, temporaryDirectory } from './support/open.js';
import { until, within } from './support/wait.js';

/** A function is called in the async context in which it was given, not in that in which the bus was opened. */

const storage = new AsyncLocalStorage<string>();
const here = (): string | undefined => storage.getStore();
const event = { topic: 't', type: 'chat_message' };

function openAs(name: string, onError?: () => void): Promise<Bus> {
  return storage.run(name, () => openTestBus({ shards: 1, ...(onError && { onError }) }));
}

function publishAs(name: string, bus: Pick<Bus, 'publish'>, payload: unknown): Promise<unknown> {
  return storage.run(name, () => bus.publish({ ...event, payload }));
}

describe('a bus', () => {
  test('calls each handler in the async context of its subscribe', async () => {
    const bus = await openAs('opener');
    await publishAs('before', bus, 0);
    const seen: [string, unknown, string | undefined][] = [];
    const names = ['anna', 'ben', 'cleo'];
    const subscriptions = names.map((name, index) =>
      storage.run(name, () => {
        const from = index === 0 ? 'now' : 'earliest';
        if (index < 2)
          return bus.subscribe(
            't',
            ({ payload }) => {
              seen.push([name, payload, here()]);
            },
            { from },
          );
        return bus.subscribe(
          't',
          async ({ payload }) => {
            await new Promise((resolve) => setImmediate(resolve));
            seen.push([name, payload, here()]);
          },
          { from },
        );
      }),
    );
    await Promise.all(subscriptions.map(({ ready }) => ready));
    for (let n = 1; n <= 50; n++) await publishAs(`publisher ${n}`, bus, n);
    await bus.drain();
    expect(seen).toHaveLength(50 + 51 + 51);
    expect(seen.filter(([name, , context]) => name !== context)).toEqual([]);
  });

  test('calls listeners, onError and onProgress in the contexts in which they were given', async () => {
    const told: [string, string | undefined][] = [];
    const note = (what: string) => (): void => void told.push([what, here()]);
    const bus = await openAs('opener', note('onError'));
    await publishAs('before', bus, 0);
    const subscription = storage.run('subscriber', () =>
      bus.subscribe(
        't',
        () => {
          throw new Error('mine');
        },
        { from: 'earliest' },
      ),
    );
    storage.run('listener', () => subscription.on('error', note('error')));
    const other = storage.run('subscriber', () =>
      bus.subscribe('t', () => {}, { from: 'earliest' }),
    );
    storage.run('listener', () =>
      other.on('caughtUp', () => {
        note('caughtUp')();
        throw new Error('mine too');
      }),
    );
    await within(
      'the end',
      subscription.closed.catch(() => {}),
    );
    const to = join(temporaryDirectory(), 'copy');
    await storage.run('operator', () => bus.backup(to, { onProgress: note('onProgress') }));
    await until('all are told', () => told.some(([what]) => what === 'onError'));
    const whose = new Map(told);
    expect(Object.fromEntries(whose)).toEqual({
      error: 'listener',
      caughtUp: 'listener',
      onError: 'opener',
      onProgress: 'operator',
    });
  });

  test('leaves code that iterates, publishes or queries in its own context', async () => {
    const bus = await openAs('opener');
    const subscription = storage.run('subscriber', () => bus.subscribe('t'));
    await subscription.ready;
    const reading = storage.run('reader', async () => {
      const seen: (string | undefined)[] = [];
      for await (const { payload } of subscription) {
        seen.push(here());
        if (payload === 5) break;
      }
      return seen;
    });
    await storage.run('publisher', async () => {
      for (let n = 1; n <= 5; n++) {
        await bus.publish({ ...event, payload: n });
        expect(here()).toBe('publisher');
      }
      await bus.query({ topic: 't' });
      expect(here()).toBe('publisher');
    });
    expect(await reading).toEqual(Array(5).fill('reader'));
  });
});

describe('a client in Node', () => {
  test('calls functions in the async contexts in which they were given', async () => {
    const bus = await openAs('opener');
    const { url } = await bus.serve({ port: 0 });
    const told: [string, string | undefined][] = [];
    const note = (what: string) => (): void => void told.push([what, here()]);
    const { client } = storage.run('connector', () => {
      const getToken = (): string => {
        note('getToken')();
        throw new Error('none yet');
      };
      return connectTo(url, { getToken, lazy: true, onError: note('onError') });
    });
    storage.run('watcher', () => client.on('state', note('state')));
    storage.run('somebody', () => client.connect());
    await until(
      'it has tried twice',
      () => told.filter(([what]) => what === 'getToken').length > 1,
    );
    await client.close();

    const open = storage.run('connector', () => connectTo(url, { onError: note('onError') }));
    const handled = storage.run('subscriber', () => open.client.subscribe('t', note('handler')));
    storage.run('listener', () =>
      handled.on('caughtUp', () => {
        note('caughtUp')();
        throw new Error('mine');
      }),
    );
    await handled.ready;
    await publishAs('publisher', bus, 1);
    await until('all are told', () =>
      ['handler', 'onError'].every((one) => new Map(told).has(one)),
    );
    const whose: Record<string, string> = {
      getToken: 'connector',
      onError: 'connector',
      state: 'watcher',
      handler: 'subscriber',
      caughtUp: 'listener',
    };
    expect(told.filter(([what, context]) => whose[what] !== context)).toEqual([]);
    expect(new Set(told.map(([what]) => what))).toEqual(new Set(Object.keys(whose)));
  });
});
