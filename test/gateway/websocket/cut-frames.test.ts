import { expect, it } from 'vitest';
import type { Event } from '../../../src/protocol/event.js';
import { EVENTS_PER_FRAME_MAX } from '../../../src/protocol/limits/websocket.js';
import { openTestBus } from '../../bus/support/open.js';
import { SocketClient } from '../support/socket-client.js';

/** Batches that exceed one frame, by the number of their events or by their bytes. */
const SMALL = Array.from({ length: 600 }, (_, n) => eventOf(n, 10));
const LARGE = Array.from({ length: 9 }, (_, n) => eventOf(n, 100_000));

function eventOf(n: number, length: number) {
  return { topic: `t.${n % 7}`, type: 'agent_log', payload: 'x'.repeat(length) };
}

interface Cut {
  readonly cursor: string;
  readonly ids: readonly string[];
}

/** Returns the frames up to the one with which so many events have arrived. */
async function frames(client: SocketClient, events: number): Promise<Cut[]> {
  const cuts: Cut[] = [];
  for (let received = 0; received < events; ) {
    const { type, payload } = await client.next();
    if (type !== 'events') continue;
    const ids = payload.events.map(({ id }: Event) => id);
    cuts.push({ cursor: payload.cursor, ids });
    received += ids.length;
  }
  return cuts;
}

it.each(['live', 'from history'])(
  'a subscription from the cursor of a frame that ends within a batch gets exactly the rest, %s',
  async (how) => {
    const bus = await openTestBus({ shards: 2 });
    const { port } = await bus.serve({ port: 0 });
    const inputs = [...SMALL, ...LARGE];
    const client = await SocketClient.open(port);
    if (how !== 'live') await bus.publishMany(inputs);
    let cuts: Cut[] = [];
    // How many events are due in one turn is the scheduler's to say: seldom fewer than fill a frame.
    for (let attempt = 0; !cuts.some(({ ids }) => ids.length === EVENTS_PER_FRAME_MAX); attempt++) {
      expect(attempt, 'attempts without a full frame').toBeLessThan(20);
      const subscription = `s${attempt}`;
      const from = how === 'live' ? 'now' : 'earliest';
      await client.answerTo('subscribe', { subscription, filter: '*', from }, subscription);
      if (how === 'live') await bus.publishMany(inputs);
      cuts = await frames(client, inputs.length);
      client.send({ type: 'unsubscribe', payload: { subscription } });
    }
    expect(cuts.length).toBeGreaterThan(5);
    const all = cuts.flatMap(({ ids }) => ids);
    let taken = 0;
    for (const [index, { cursor, ids }] of cuts.entries()) {
      taken += ids.length;
      const rest = all.slice(taken).sort();
      const request = { subscription: `r${index}`, filter: '*', from: { after: cursor } };
      await client.answerTo('subscribe', request, index);
      const seen: string[] = [];
      for (;;) {
        const { type, payload } = await client.next();
        if (type === 'caughtUp') break;
        if (type === 'events') seen.push(...payload.events.map(({ id }: Event) => id));
      }
      expect(seen.sort(), `behind frame ${index} of ${cuts.length}`).toEqual(rest);
    }
    client.socket.terminate();
  },
);
