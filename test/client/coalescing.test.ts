import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Coalescer } from '../../src/client/coalescer.js';
import { decodeCursor } from '../../src/protocol/cursor.js';
import type { Event } from '../../src/protocol/event.js';
import { Gate, until } from '../bus/support/wait.js';
import { connectTo } from './support/millrace-client.js';
import { cursorAt, eventsFrame, send, WrongServer, wireEvent } from './support/wrong-server.js';

const event = (sequence: number, topic = 'a'): Event<number> =>
  wireEvent(sequence, { topic }) as Event<number>;

describe('a coalescer', () => {
  it('makes one event for each key, the newest with all of them in it, in the order of the first ones', () => {
    const coalescer = new Coalescer<number>({ windowMs: 1, merge: (a, b) => a + b });
    for (const one of [event(1, 'b'), event(2, 'a'), event(3, 'b')]) coalescer.take(one);
    expect(coalescer.events).toBe(3);
    const made = coalescer.flush();
    expect(made.map(({ topic, payload, sequence }) => [topic, payload, sequence])).toEqual([
      ['b', 4, 3],
      ['a', 2, 2],
    ]);
    expect(made[0]!.coalesced.map(({ sequence }) => sequence)).toEqual([1, 3]);
    expect(coalescer.events).toBe(0);
  });

  it('takes the newer payload without merge, and no event without a key', () => {
    const key = ({ topic }: Event<number>) => (topic === 'done' ? undefined : 'all');
    const coalescer = new Coalescer<number>({ windowMs: 1, key });
    expect(coalescer.take(event(1))).toBe(true);
    expect(coalescer.take(event(2))).toBe(true);
    expect(coalescer.take(event(3, 'done'))).toBe(false);
    expect(coalescer.flush().map(({ payload }) => payload)).toEqual([2]);
  });

  it('holds every event once, and the events of a key in order', () => {
    const topics = fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 50 });
    fc.assert(
      fc.property(topics, (names) => {
        const coalescer = new Coalescer<number>({ windowMs: 1 });
        names.forEach((topic, at) => void coalescer.take(event(at + 1, topic)));
        const made = coalescer.flush();
        const all = made.flatMap(({ coalesced }) => coalesced.map(({ sequence }) => sequence!));
        expect([...all].sort((a, b) => a - b)).toEqual(names.map((_, at) => at + 1));
        for (const { coalesced } of made) {
          const sequences = coalesced.map(({ sequence }) => sequence!);
          expect(sequences).toEqual([...sequences].sort((a, b) => a - b));
        }
      }),
    );
  });
});

describe('a subscription that coalesces', () => {
  it('consumes a window as a whole, and hands out an event without a key in its place', async () => {
    const server = await WrongServer.start();
    const { client } = connectTo(server.url);
    const gates = [new Gate(), new Gate()];
    const seen: [number, number][] = [];
    const subscription = client.subscribe<number>(
      'a',
      async ({ sequence, coalesced }) => {
        seen.push([sequence!, coalesced.length]);
        if (seen.length === 2 || seen.length === 3) await gates[seen.length - 2]!.opened;
      },
      {
        coalesce: {
          windowMs: 5,
          key: ({ payload }) => (payload === 5 ? undefined : `${payload % 2}`),
        },
      },
    );
    await subscription.ready;
    send(server.sockets[0]!, eventsFrame(subscription.id, 1, 2, 3, 4, 5, 6));
    await until('the second is at work', () => seen.length === 2);
    // The second of the window is not done, so none of it is consumed.
    expect(decodeCursor(subscription.cursor).positions).toEqual([0]);
    gates[0]!.open();
    await until('the one alone is at work', () => seen.length === 3);
    expect(decodeCursor(subscription.cursor).positions).toEqual([4]);
    gates[1]!.open();
    await until('all', () => seen.length === 4);
    expect(seen).toEqual([
      [3, 2],
      [4, 2],
      [5, 1],
      [6, 1],
    ]);
    await until('consumed', () => subscription.cursor === cursorAt(6));
    const consumed = (): number =>
      server.asked
        .filter(({ type }) => type === 'consumed')
        .reduce((sum, { payload }) => sum + payload.events, 0);
    await until('the server knows', () => consumed() === 6);
  });

  it('gives a slow consumer more events in one', async () => {
    const server = await WrongServer.start();
    const { client } = connectTo(server.url);
    const gate = new Gate();
    const sizes: number[] = [];
    const subscription = client.subscribe(
      'a',
      async ({ coalesced }) => {
        sizes.push(coalesced.length);
        if (sizes.length === 1) await gate.opened;
      },
      { coalesce: { windowMs: 1 } },
    );
    await subscription.ready;
    send(server.sockets[0]!, eventsFrame(subscription.id, 1));
    await until('the first', () => sizes.length === 1);
    for (let sequence = 2; sequence <= 50; sequence++) {
      send(server.sockets[0]!, eventsFrame(subscription.id, sequence));
    }
    await until('the others wait', () => subscription.pending === 49);
    gate.open();
    await subscription.drain();
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(50);
    expect(sizes.length).toBeLessThan(10);
  });

  it('ends with the error of its own functions', async () => {
    const server = await WrongServer.start();
    const { client, errors } = connectTo(server.url);
    const key = (): string => {
      throw new Error('of the key');
    };
    const merge = (): number => {
      throw new Error('of merge');
    };
    const one = client.subscribe<number>('a', () => {}, { coalesce: { windowMs: 1, key } });
    const two = client.subscribe<number>('a', () => {}, { coalesce: { windowMs: 1, merge } });
    await Promise.all([one.ready, two.ready]);
    for (const { id } of [one, two]) send(server.sockets[0]!, eventsFrame(id, 1, 2));
    await expect(one.closed).rejects.toThrow('of the key');
    await expect(two.closed).rejects.toThrow('of merge');
    expect(errors.map(({ code }) => code)).toEqual(['HANDLER_FAILED', 'HANDLER_FAILED']);
    expect(client.state).toBe('connected');
  });
});
