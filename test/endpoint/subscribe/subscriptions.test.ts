import { expect, test } from 'vitest';
import type { MainServices } from '../../../src/endpoint/services.js';
import { Subscriptions } from '../../../src/endpoint/subscribe/subscriptions.js';
import { Dispatcher } from '../../../src/handout/dispatcher.js';
import { BusCensus } from '../../../src/link/bus-census.js';
import { BusError } from '../../../src/protocol/errors.js';

test('a failure is not told while a ring is being read', async () => {
  const told: BusError[] = [];
  const none = async (): Promise<never> => {
    throw new Error('nobody asks');
  };
  const services: MainServices = {
    page: none,
    positionAt: none,
    resolveCursor: none,
    totals: none,
    pruneStep: none,
    backup: none,
    abortBackup: none,
    left: none,
  };
  const endpoint = { endpoint: 'test', epoch: 'epoch' };
  const census = BusCensus.create();
  const dispatcher = new Dispatcher({ again: () => {} });
  const subscriptions = new Subscriptions(endpoint, [], services, census, dispatcher, (error) => {
    told.push(error);
  });
  const error = new BusError('SLOW_CONSUMER', 'too slow');
  subscriptions.report(error);
  expect(told).toEqual([]);
  await Promise.resolve();
  expect(told).toEqual([error]);
});
