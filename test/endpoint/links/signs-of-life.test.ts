import { expect, test } from 'vitest';
import { SignsOfLife } from '../../../src/endpoint/links/signs-of-life.js';
import { busStats } from '../../../src/endpoint/stats.js';
import { BusCounters, GATEWAY_LISTENING } from '../../../src/link/bus-counters.js';
import { BusError } from '../../../src/protocol/errors.js';
import { NO_SINKS } from '../../../src/protocol/sink-list.js';

type Answer = () => Promise<never>;
const shard = (index: number, answer: Answer | Promise<unknown>, failure?: BusError) => {
  const asked = { count: 0 };
  const call = (): Promise<unknown> => {
    asked.count++;
    return typeof answer === 'function' ? answer() : answer;
  };
  return { shard: index, call, failure, asked };
};

const never = new Promise<never>(() => {});

test('a silent shard has a fault, and is not asked again before it has answered', async () => {
  const silent = shard(1, never);
  const signs = new SignsOfLife([shard(0, Promise.resolve(null)), silent], 20);
  const [first, second] = await Promise.all([signs.faults(), signs.faults()]);
  for (const faults of [first, second, await signs.faults()]) {
    expect(faults[0]).toBeUndefined();
    expect(faults[1]).toMatch(/^it has not answered for \d+ ms$/);
  }
  expect(silent.asked.count).toBe(1);
});

test('a shard that refuses or was given up has a fault', async () => {
  const error = new BusError('SHARD_RESTARTED', 'it was restarted');
  const refusing = shard(0, () => Promise.reject(error));
  const signs = new SignsOfLife([refusing, shard(1, never, error)]);
  expect(await signs.faults()).toEqual(['it was restarted', 'it was given up']);
});

test('a gateway whose loop has not turned for long is stalled, whatever state it had noted', () => {
  const busCounters = BusCounters.create();
  const gateway = busCounters.enterGateway()!;
  busCounters.setGateway(gateway, GATEWAY_LISTENING);
  const stateAfter = (silentSeconds: number): string | undefined => {
    const looked = Object.create(busCounters, {
      gateways: { value: busCounters.gateways.map((one) => ({ ...one, silentSeconds })) },
      requests: { value: busCounters.requests },
      connections: { value: 0 },
      subscriptions: { value: 0 },
      endpoints: { value: 1 },
      gatewayRestarts: { value: 0 },
      delivery: { value: { bounds: [], counts: [0], sum: 0 } },
    });
    return busStats('e', 0, looked, { controls: [], desks: [] }, [], NO_SINKS).gateways[0]?.state;
  };
  expect(stateAfter(1)).toBe('listening');
  expect(stateAfter(60)).toBe('stalled');
});
