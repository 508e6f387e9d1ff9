import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cutToBytes, letterOf } from '../../../src/main/consumers/letters.js';
import { checkEventInput } from '../../../src/protocol/event-input.js';
import { givenPayloadText } from '../../../src/protocol/payload-text.js';
import { CONSUMER, dueLetter } from './letter-rig.js';

const letter = (...args: Parameters<typeof dueLetter>) =>
  letterOf(dueLetter(...args), 3, 'mailer', 'dead.mailer');

describe('a dead letter', () => {
  it('is the dead event on another topic, with what it died of', () => {
    const input = letter({}, { correlationId: 'run-1' });
    expect(input).toEqual({
      id: `${CONSUMER}-3-7-1`,
      topic: 'dead.mailer',
      type: 'order_created',
      source: 'shop',
      correlationId: 'run-1',
      causationId: 'order-7',
      payload: { n: 1 },
      attributes: {
        deadConsumer: 'mailer',
        deadTopic: 'orders.new',
        deadId: 'order-7',
        deadShard: '3',
        deadSequence: '7',
        deadAttempts: '5',
        deadCause: 'nak',
        deadReason: 'no such customer',
        deadAt: '2026-11-28T12:00:00.000Z',
      },
    });
    expect(() => checkEventInput(input)).not.toThrow();
  });

  it('has another id for another death of the same event', () => {
    expect(letter({ times: 2 }).id).not.toBe(letter().id);
  });

  it('keeps every digit of the payload', () => {
    const payload = '{"n":9007199254740993,"n":1e400}';
    expect(givenPayloadText(letter({}, { payload }))).toBe(payload);
  });

  it('keeps attributes of the event as far as there is room, and its own rather than these', () => {
    const own = Object.fromEntries(Array.from({ length: 15 }, (_, n) => [`a${n}`, String(n)]));
    const attributes = JSON.stringify({ deadId: 'of an earlier death', ...own });
    const { attributes: kept } = letter({}, { attributes });
    expect(Object.keys(kept!)).toHaveLength(16);
    expect(kept).toMatchObject({ deadId: 'order-7', a0: '0', a6: '6' });
    expect(kept).not.toHaveProperty('a7');
    const withoutReason = letter({ reason: '' }, { attributes }).attributes!;
    expect(withoutReason).toMatchObject({ a7: '7' });
    expect(withoutReason).not.toHaveProperty('deadReason');
  });

  it('fits an event, whatever the reason', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 1024 }), (reason) => {
        const input = letter({ reason });
        expect(() => checkEventInput(input)).not.toThrow();
        expect(reason.startsWith(input.attributes?.deadReason ?? '')).toBe(true);
      }),
    );
  });

  it('cuts a text between its characters', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.nat(40), (text, bytes) => {
        const cut = cutToBytes(text, bytes);
        expect(text.startsWith(cut)).toBe(true);
        expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(bytes);
        const [next = ''] = text.slice(cut.length);
        if (next !== '') expect(Buffer.byteLength(cut + next)).toBeGreaterThan(bytes);
      }),
    );
  });
});
