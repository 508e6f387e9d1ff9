import { expect, it } from 'vitest';
import type { Event } from '../../src/protocol/event.js';
import { openTestBus } from '../bus/support/open.js';
import { until } from '../bus/support/wait.js';
import { openGateway } from './support/open-gateway.js';
import { SocketClient } from './support/socket-client.js';

/** How much memory clients may cost that read little, seen from outside. */

const KIB = 1024;
const SUBSCRIPTIONS = 16;
const EVENTS = 3000;

async function heldBytes(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(/^millrace_gateway_held_bytes (\d+)$/m.exec(text)?.[1]);
}

it('many replays on a connection that reads nothing hold bounded memory, and complete later', async () => {
  const bus = await openTestBus({ shards: 1 });
  const payload = 'x'.repeat(2 * KIB);
  for (let n = 0; n < EVENTS; n += 500) {
    const batch = Array.from({ length: 500 }, () => ({ topic: 'a', type: 'agent_log', payload }));
    await bus.publishMany(batch, { durability: 'written' });
  }
  const gateway = await bus.serve({ port: 0, maxHeldBytes: 256 * KIB, stallMs: 120_000 });
  const client = await SocketClient.open(gateway.port);
  for (let n = 0; n < SUBSCRIPTIONS; n++) {
    const subscribe = { subscription: `s${n}`, filter: '*', from: 'earliest' };
    client.send({ type: 'subscribe', payload: subscribe });
  }
  await client.next('subscribed');
  client.socket.pause();
  let [most, last, same] = [0, -1, 0];
  await until('nothing moves any more', async () => {
    const held = await heldBytes(gateway.url);
    most = Math.max(most, held);
    same = held === last ? same + 1 : 0;
    last = held;
    return same > 20;
  });
  // At most a page and a frame above the limit, and the bytes that wait in the socket.
  expect(most).toBeGreaterThan(256 * KIB);
  expect(most).toBeLessThan(4096 * KIB);
  client.socket.resume();
  const positions = new Map<string, number>();
  const isWhole = (): boolean =>
    positions.size === SUBSCRIPTIONS && [...positions.values()].every((at) => at === EVENTS);
  while (!isWhole()) {
    const { type, payload: told } = await client.next();
    if (type !== 'events') continue;
    for (const { sequence } of told.events as Event[]) {
      expect(sequence).toBe((positions.get(told.subscription) ?? 0) + 1);
      positions.set(told.subscription, sequence!);
    }
  }
  await client.close();
  await until('all is given back', async () => (await heldBytes(gateway.url)) === 0);
}, 120_000);

it('a client that reads too slowly is cut', async () => {
  const { endpoint, connect, logs } = await openGateway({
    stallMs: 600,
    minDrainBytesPerSecond: 1024 * 1024 * 1024,
  });
  const client = await connect();
  await client.ask('subscribe', { subscription: 's', filter: '*' });
  await client.next('caughtUp');
  client.socket.pause();
  const payload = 'x'.repeat(64 * KIB);
  for (let n = 0; n < 600; n++) {
    await endpoint.publish({ topic: 'a', type: 'agent_log', payload });
    await new Promise(setImmediate);
  }
  client.socket.on('message', () => client.socket.pause());
  // The client reads so little at a time that it takes less than the least rate.
  const reading = setInterval(() => client.socket.resume(), 150);
  const isCut = (): boolean => logs.some(({ fields }) => fields.code === 'SLOW_CONSUMER');
  await until('it is cut', isCut);
  clearInterval(reading);
  await until('its subscription has gone', () => endpoint.subscriptions.size === 0);
});
