import { expect, test } from 'vitest';
import { HistorySource } from '../../../src/endpoint/read/history-source.js';
import { Subscriptions } from '../../../src/endpoint/subscribe/subscriptions.js';
import { Dispatcher } from '../../../src/handout/dispatcher.js';
import { BusCounters } from '../../../src/link/bus-counters.js';
import type { Caller } from '../../../src/link/port-calls.js';
import { BusError } from '../../../src/protocol/errors.js';

test('a failure is not reported while a ring is being read', async () => {
  const told: BusError[] = [];
  const nobody: Caller<'main'> = { call: () => Promise.reject(new Error('nobody asks')) };
  const history = new HistorySource([], undefined, nobody, 'epoch');
  const endpoint = { endpoint: 'test', epoch: 'epoch', share: 0 };
  const busCounters = BusCounters.create();
  const dispatcher = new Dispatcher({ again: () => {} });
  const subscriptions = new Subscriptions(
    endpoint,
    [],
    history,
    busCounters,
    dispatcher,
    (error) => {
      told.push(error);
    },
  );
  const error = new BusError('SLOW_CONSUMER', 'too slow');
  subscriptions.report(error);
  expect(told).toEqual([]);
  await Promise.resolve();
  expect(told).toEqual([error]);
});
