import { expect, test } from 'vitest';
import { HAND_OUT_TURN_MS, TURN_LOOK_EVENTS_MAX } from '../../src/protocol/limits.js';
import { until, within } from '../bus/support/wait.js';
import { connectTo } from './support/millrace-client.js';
import { eventsFrame, send, WrongServer } from './support/wrong-server.js';

/** Subscribers of a client whose code keeps the thread busy: its timers and sockets must have their turns in between. */

const EVENTS = 300;
/** How long one event is worked on, by the clock that the client looks at: at least so long, on any machine. */
const BUSY_MS = 1;
/** No more events than this may be worked on between two turns of the event loop. */
const EVENTS_A_TURN_MAX = HAND_OUT_TURN_MS / BUSY_MS + TURN_LOOK_EVENTS_MAX;

class Worked {
  readonly sequences: (number | undefined)[] = [];
  longest = 0;
  #sinceTurn = 0;
  #isOver = false;

  /** Turns with the event loop, and looks how much was done between two turns. */
  watch(): void {
    setImmediate(() => {
      this.#sinceTurn = 0;
      if (!this.#isOver) this.watch();
    });
  }

  readonly one = ({ sequence }: { readonly sequence?: number }): void => {
    const end = performance.now() + BUSY_MS;
    while (performance.now() < end);
    this.sequences.push(sequence);
    this.longest = Math.max(this.longest, ++this.#sinceTurn);
  };

  stop(): void {
    this.#isOver = true;
  }
}

/** One event in each frame, all of them written at once, so that many come within one call of the socket. */
async function sendAll(server: WrongServer, subscription: string): Promise<void> {
  const [socket] = server.sockets;
  for (let n = 1; n <= EVENTS; n++) send(socket!, eventsFrame(subscription, n));
}

test.each(['a handler', 'a handler with a promise', 'an iterator'])(
  '%s that keeps the thread busy lets the event loop turn between its events, and gets them all in order',
  async (taker) => {
    const server = await WrongServer.start();
    const { client } = connectTo(server.url);
    const worked = new Worked();
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
    await until('all events', () => worked.sequences.length === EVENTS);
    worked.stop();
    expect(worked.longest).toBeLessThanOrEqual(EVENTS_A_TURN_MAX);
    expect(worked.sequences).toEqual(Array.from({ length: EVENTS }, (_, n) => n + 1));
  },
);

test('a drain waits for events that have waited for their turn, and a close drops them', async () => {
  const server = await WrongServer.start();
  const { client } = connectTo(server.url);
  const worked = new Worked();
  const drained = client.subscribe('a', worked.one);
  await drained.ready;
  await sendAll(server, drained.id);
  await until('some events', () => drained.pending > 0);
  const { pending } = drained;
  const before = worked.sequences.length;
  await within('the drain', drained.drain());
  expect(worked.sequences).toHaveLength(before + pending);
  const closed = client.subscribe('a', worked.one);
  await closed.ready;
  await sendAll(server, closed.id);
  await until('some events', () => closed.pending > 0);
  const done = worked.sequences.length;
  await client.close();
  await within('its end', closed.closed);
  await new Promise((resolve) => setImmediate(resolve));
  expect(worked.sequences).toHaveLength(done);
});
