import { expect, test } from 'vitest';
import { until, within } from '../bus/support/wait.js';
import { EVENTS_A_TURN_MAX, Worked } from '../bus/support/worked.js';
import { connectTo } from './support/millrace-client.js';
import { eventsFrame, send, WrongServer } from './support/wrong-server.js';

/**
 * Subscribers of a client whose code keeps the thread busy: its timers and sockets must have their turns in between.
 */

const EVENTS = 300;
/** One event in each frame, all of them written at once, so that many come within one call of the socket. */
async function sendAll(server: WrongServer, subscription: string): Promise<void> {
  const [socket] = server.sockets;
  for (let n = 1; n <= EVENTS; n++) send(socket!, eventsFrame(subscription, n));
}

test.each(['a handler', 'a handler with a promise', 'an iterator'])(
  '%s that keeps the thread busy lets the event loop turn between events, and gets all of them in order',
  async (taker) => {
    const server = await WrongServer.start();
    const { client } = connectTo(server.url);
    const worked = new Worked(({ sequence }: { readonly sequence?: number }) => sequence);
    const handlers = [worked.one, async (event: { sequence?: number }) => worked.one(event)];
    const handler = taker === 'a handler' ? handlers[0] : handlers[1];
    const isIterated = taker === 'an iterator';
    const subscription = isIterated ? client.subscribe('a') : client.subscribe('a', handler!);
    await subscription.ready;
    if (isIterated) {
      void (async () => {
        for await (const event of subscription) worked.one(event);
      })();
    }
    worked.watch();
    await sendAll(server, subscription.id);
    await until('all events', () => worked.all.length === EVENTS);
    worked.stop();
    expect(worked.longest).toBeLessThanOrEqual(EVENTS_A_TURN_MAX);
    expect(worked.all).toEqual(Array.from({ length: EVENTS }, (_, n) => n + 1));
  },
);

test('a drain waits for events that wait for their turn, and a close drops them', async () => {
  const server = await WrongServer.start();
  const { client } = connectTo(server.url);
  const worked = new Worked(({ sequence }: { readonly sequence?: number }) => sequence);
  const drained = client.subscribe('a', worked.one);
  await drained.ready;
  await sendAll(server, drained.id);
  await until('some events', () => drained.pending > 0);
  const { pending } = drained;
  const before = worked.all.length;
  await within('the drain', drained.drain());
  expect(worked.all).toHaveLength(before + pending);
  const closed = client.subscribe('a', worked.one);
  await closed.ready;
  await sendAll(server, closed.id);
  await until('some events', () => closed.pending > 0);
  const done = worked.all.length;
  await client.close();
  await within('its end', closed.closed);
  await new Promise((resolve) => setImmediate(resolve));
  expect(worked.all).toHaveLength(done);
});
