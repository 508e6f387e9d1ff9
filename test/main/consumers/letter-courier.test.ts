import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { DueLetter, SentLetter } from '../../../src/link/consumer-shapes.js';
import { LetterCourier } from '../../../src/main/consumers/letter-courier.js';
import { BusError } from '../../../src/protocol/errors.js';
import type { EventInput } from '../../../src/protocol/event.js';
import { LETTER_RETRY_MS_MAX } from '../../../src/protocol/limits/consumers.js';
import { CONSUMER, dueLetter } from './letter-rig.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A shard with letters that are due, and a bus that publishes them as the test says. */
function rig(due: DueLetter[]) {
  const published: (string | undefined)[] = [];
  const told: string[] = [];
  const failed: [string, number, number, string][] = [];
  const reported: BusError[] = [];
  const senders = new Map([
    [CONSUMER, { name: 'mailer', topic: 'dead.mailer' as string | undefined }],
  ]);
  const bus = {
    shards: 1,
    limit: 64,
    takeLetters: async (_shard: number, limit: number, except: readonly string[]) =>
      due.filter(({ consumer }) => !except.includes(consumer)).slice(0, Math.min(limit, bus.limit)),
    lettersSent: async (
      _shard: number,
      sent: readonly SentLetter[],
      kept: readonly SentLetter[],
    ): Promise<unknown> => {
      for (const [what, letters] of Object.entries({ sent, kept })) {
        for (const [consumer, sequence, times] of letters) {
          told.push(`${what} ${sequence}`);
          const at = due.findIndex(
            (one) => one.consumer === consumer && one.sequence === sequence && one.times === times,
          );
          if (at >= 0) due.splice(at, 1);
        }
      }
      return null;
    },
    publishLetter: async ({ id }: EventInput): Promise<unknown> => published.push(id),
    report: (error: BusError) => void reported.push(error),
  };
  const courier = new LetterCourier(bus, {
    senderOf: (id) => senders.get(id),
    tellFailed: (...args) => failed.push([args[0], args[1], args[2], args[3].code]),
  });
  return { courier, bus, due, published, told, failed, reported, senders };
}

const letters = (count: number): DueLetter[] =>
  Array.from({ length: count }, (_, n) => dueLetter({ sequence: n + 1 }));
const settled = () => vi.advanceTimersByTimeAsync(0);

describe('the courier of dead letters', () => {
  it('publishes all that are due, and tells the shard', async () => {
    const { courier, bus, published, told, due } = rig(letters(5));
    bus.limit = 2;
    courier.due(0);
    await settled();
    expect(due).toEqual([]);
    expect(told).toEqual([1, 2, 3, 4, 5].map((n) => `sent ${n}`));
    expect(new Set(published).size).toBe(5);
  });

  it('looks again if a letter came due meanwhile', async () => {
    const { courier, bus, due, told } = rig(letters(1));
    const { takeLetters } = bus;
    let isFirst = true;
    bus.takeLetters = async (...asked) => {
      const taken = await takeLetters(...asked);
      if (taken.length === 0 && isFirst) {
        isFirst = false;
        due.push(dueLetter({ sequence: 9 }));
        courier.due(0);
      }
      return taken;
    };
    courier.due(0);
    await settled();
    expect(told).toEqual(['sent 1', 'sent 9']);
  });

  it('tries those again that found no room, with longer and longer waits, and tells of it once', async () => {
    const { courier, bus, told, published, reported } = rig(letters(2));
    const { publishLetter } = bus;
    let tries = 0;
    bus.publishLetter = async (input) => {
      if (!input.id!.endsWith('-2-1')) return publishLetter(input);
      tries++;
      throw new BusError('STORE_FULL', 'no room');
    };
    courier.due(0);
    await settled();
    expect([told, tries]).toEqual([['sent 1'], 1]);
    // News that letters are due does not shorten the wait.
    courier.due(0);
    await settled();
    expect(tries).toBe(1);
    await vi.advanceTimersByTimeAsync(250);
    expect(tries).toBe(2);
    await vi.advanceTimersByTimeAsync(499);
    expect(tries).toBe(2);
    await vi.advanceTimersByTimeAsync(1);
    expect(tries).toBe(3);
    await vi.advanceTimersByTimeAsync(10 * LETTER_RETRY_MS_MAX);
    expect(tries).toBeGreaterThan(12);
    expect(tries).toBeLessThan(20);
    expect(reported).toMatchObject([
      { code: 'STORE_FULL', message: "dead letters of consumer 'mailer' in shard 0 wait: no room" },
    ]);
    bus.publishLetter = publishLetter;
    await vi.advanceTimersByTimeAsync(LETTER_RETRY_MS_MAX);
    expect(told).toEqual(['sent 1', 'sent 2']);
    expect(published.filter((id) => id!.endsWith('-2-1'))).toHaveLength(1);
  });

  it('publishes the letters of others that lie behind any number which cannot be published', async () => {
    const { courier, bus, due, senders, told, reported } = rig(letters(200));
    const other = '01J9ZQ5H7M2V8X3K4N6P7R8S00';
    senders.set(other, { name: 'billing', topic: 'dead.billing' });
    due.push(dueLetter({ sequence: 900, consumer: other }));
    const { publishLetter } = bus;
    let mayPublish = false;
    bus.publishLetter = async (input) => {
      if (!mayPublish && input.topic === 'dead.mailer') throw new BusError('STORE_FULL', 'no room');
      return publishLetter(input);
    };
    courier.due(0);
    await settled();
    expect(told).toEqual(['sent 900']);
    // One that comes meanwhile does not wait for the others' next try.
    due.push(dueLetter({ sequence: 901, consumer: other }));
    courier.due(0);
    await settled();
    expect(told).toEqual(['sent 900', 'sent 901']);
    expect(reported).toHaveLength(1);
    mayPublish = true;
    await vi.advanceTimersByTimeAsync(LETTER_RETRY_MS_MAX);
    expect(due).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('has no timer left where the consumer whose letters failed is gone', async () => {
    const { courier, bus, due } = rig(letters(1));
    bus.publishLetter = async () => {
      throw new BusError('STORE_FULL', 'no room');
    };
    courier.due(0);
    await settled();
    expect(vi.getTimerCount()).toBe(1);
    due.splice(0);
    await vi.advanceTimersByTimeAsync(LETTER_RETRY_MS_MAX);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('keeps an event whose record cannot be read', async () => {
    const { courier, told, failed } = rig([
      { ...dueLetter({ sequence: 1 }), record: 'AAAA' },
      dueLetter({ sequence: 2 }),
    ]);
    courier.due(0);
    await settled();
    expect(told.sort()).toEqual(['kept 1', 'sent 2']);
    expect(failed).toEqual([[CONSUMER, 0, 1, 'EVENT_INVALID']]);
  });

  it.each(['PAYLOAD_TOO_LARGE', 'PAYLOAD_INVALID', 'TOPIC_INVALID'] as const)(
    'keeps the event whose letter is refused with %s, and tells of it',
    async (code) => {
      const { courier, bus, told, failed, reported } = rig(letters(2));
      const { publishLetter } = bus;
      bus.publishLetter = async (input) => {
        if (input.id!.endsWith('-1-1')) throw new BusError(code, 'no');
        return publishLetter(input);
      };
      courier.due(0);
      await settled();
      expect(told.sort()).toEqual(['kept 1', 'sent 2']);
      expect(failed).toEqual([[CONSUMER, 0, 1, code]]);
      expect(reported).toEqual([]);
    },
  );

  it('keeps an event whose record is lost, or whose consumer is gone or wants no letters', async () => {
    const { courier, due, told, failed, senders, published } = rig([]);
    const other = '01J9ZQ5H7M2V8X3K4N6P7R8S00';
    senders.set(other, { name: 'quiet', topic: undefined });
    due.push(
      { ...dueLetter({ sequence: 1 }), record: null },
      dueLetter({ sequence: 2, consumer: other }),
      dueLetter({ sequence: 3, consumer: 'gone' }),
    );
    courier.due(0);
    await settled();
    expect(told).toEqual(['kept 1', 'kept 2', 'kept 3']);
    expect(failed).toEqual([[CONSUMER, 0, 1, 'EVENT_INVALID']]);
    expect(published).toEqual([]);
  });

  it('publishes under the same id again what the shard was not told of', async () => {
    const { courier, bus, published, told } = rig(letters(1));
    const { lettersSent } = bus;
    bus.lettersSent = async () => {
      throw new BusError('SHARD_RESTARTED', 'the shard was restarted');
    };
    courier.due(0);
    await settled();
    bus.lettersSent = lettersSent;
    await vi.advanceTimersByTimeAsync(LETTER_RETRY_MS_MAX);
    expect(told).toEqual(['sent 1']);
    expect(published).toHaveLength(2);
    expect(new Set(published).size).toBe(1);
  });

  it('does not turn round in circles if the shard gives a letter again that it was told of', async () => {
    const { courier, bus, published } = rig(letters(1));
    bus.lettersSent = async () => null;
    courier.due(0);
    await settled();
    expect(published).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1000);
    expect(published.length).toBeLessThan(5);
  });

  it('ends with the bus', async () => {
    const { courier, bus, published, reported } = rig(letters(1));
    bus.publishLetter = async () => {
      throw new BusError('BUS_CLOSED', 'the bus is closed');
    };
    courier.due(0);
    await settled();
    expect([reported, vi.getTimerCount()]).toEqual([[], 0]);
    bus.publishLetter = async () => {
      throw new BusError('STORE_FULL', 'no room');
    };
    courier.due(0);
    await settled();
    expect(vi.getTimerCount()).toBe(1);
    courier.stop();
    expect(vi.getTimerCount()).toBe(0);
    expect(published).toEqual([]);
  });
});
