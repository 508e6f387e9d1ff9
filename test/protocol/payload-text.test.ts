import { describe, expect, it } from 'vitest';
import type { Event } from '../../src/protocol/event.js';
import { eventText, keepPayloadText, payloadTextOf } from '../../src/protocol/payload-text.js';

const eventOf = (payload: unknown): Event => ({
  id: '01ARZ3NDEKTSV4RRFFQ69G5FAV',
  topic: 'a',
  type: 'note',
  payload,
  source: 's',
  timestamp: '2026-01-01T00:00:00.000Z',
  shard: 0,
  sequence: 1,
});

describe('the text of a payload', () => {
  it('is the text that its sender wrote, and is not visible on the event', () => {
    const event = eventOf(1);
    keepPayloadText(event, '1.0');
    expect(payloadTextOf(event)).toBe('1.0');
    expect(eventText(event)).toContain('"payload":1.0}');
    expect(Reflect.ownKeys(event)).toEqual(Reflect.ownKeys(eventOf(1)));
    expect(JSON.stringify(event)).toBe(JSON.stringify(eventOf(1)));
  });

  it('is the last one that was kept', () => {
    const event = eventOf(2);
    keepPayloadText(event, '1.0');
    keepPayloadText(event, '2.0');
    expect(payloadTextOf(event)).toBe('2.0');
  });

  it('is not copied with the event', () => {
    const event = eventOf(1);
    keepPayloadText(event, '1.0');
    for (const copy of [{ ...event }, structuredClone(event), Object.assign({}, event)]) {
      expect(payloadTextOf(copy)).toBe('1');
      expect(eventText(copy)).toBe(JSON.stringify(event));
    }
  });
});
