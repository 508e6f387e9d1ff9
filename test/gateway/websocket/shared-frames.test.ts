import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type EventText, EventTexts } from '../../../src/gateway/event-texts.js';
import { type SharedFrame, SharedFrames } from '../../../src/gateway/websocket/shared-frames.js';
import type { Event } from '../../../src/protocol/event.js';

const head = (name: string) => `{"type":"events","payload":{"subscription":"${name}","events":[`;

function eventOf(sequence: number, payload: unknown): Event {
  const timestamp = '2026-01-01T00:00:00.000Z';
  return { id: 'e', topic: 'a', type: 'x', source: 's', timestamp, shard: 0, sequence, payload };
}

function textsOf(...payloads: unknown[]): EventText[] {
  const texts = new EventTexts(64);
  return payloads.map((payload, index) => texts.of(eventOf(index + 1, payload)));
}

/** Reads exactly one message in the form of RFC 6455, 5.2. */
function messageIn({ bytes }: SharedFrame): string {
  // The final fragment of a text message, without an extension.
  expect(bytes[0]).toBe(0x81);
  const short = bytes[1]!;
  expect(short).toBeLessThan(128);
  const start = short < 126 ? 2 : short === 126 ? 4 : 10;
  const long = short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
  const length = short < 126 ? short : long;
  // The length must have its shortest form.
  expect(start).toBe(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  expect(bytes.length).toBe(start + length);
  return new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(start));
}

describe('a shared frame', () => {
  it('is one text message, whatever its length and its characters', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.string({ unit: 'binary' }), fc.jsonValue()), { minLength: 1 }),
        fc.constantFrom(0, 1, 100, 65_000, 70_000),
        (payloads, padding) => {
          const texts = textsOf(...payloads, 'x'.repeat(padding));
          const frame = new SharedFrames().of(head('größe'), texts, 'cursor');
          const text = messageIn(frame);
          const { payload } = JSON.parse(text);
          expect(payload).toEqual({
            subscription: 'größe',
            events: texts.map(({ event }) => JSON.parse(JSON.stringify(event))),
            cursor: 'cursor',
          });
          expect(frame.bytes.subarray(frame.payloadOffset).toString()).toBe(text);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('is one object for the same events, cursor and name, and another for any others', () => {
    const frames = new SharedFrames();
    const texts = textsOf(1, 2, 3);
    const first = frames.of(head('a'), texts, 'c');
    expect(frames.of(head('a'), [...texts], 'c')).toBe(first);
    expect(frames.of(head('b'), texts, 'c')).not.toBe(first);
    expect(frames.of(head('a'), texts, 'd')).not.toBe(first);
    // A list with the same last event and the same length, but another event within.
    const [one, , three] = texts;
    const others = [one!, textsOf(0, 'other')[1]!, three!];
    expect(frames.of(head('a'), others, 'c').bytes.toString()).toContain('other');
    expect(frames.of(head('a'), texts.slice(1), 'c').bytes.length).toBeLessThan(first.bytes.length);
    frames.forget();
    expect(frames.of(head('a'), texts, 'c')).not.toBe(first);
  });

  it('is correct even if there are more frames than are kept', () => {
    const frames = new SharedFrames();
    const texts = textsOf(...Array.from({ length: 40 }, (_, n) => n));
    for (let end = 1; end <= texts.length; end++) {
      for (let name = 0; name < 20; name++) {
        const { bytes } = frames.of(head(`s${name}`), texts.slice(0, end), 'c');
        const text = bytes.toString();
        expect(text).toContain(`"s${name}"`);
        expect(text.match(/"sequence"/g)).toHaveLength(end);
      }
    }
  });
});

describe('event texts', () => {
  it('are made once for an event, and again for another event with its sequence', () => {
    const texts = new EventTexts(4);
    const event = eventOf(1, 'a');
    expect(texts.of(event)).toBe(texts.of(event));
    // Another subscription reads its own object of the event from the log.
    expect(texts.of({ ...event })).toBe(texts.of(event));
    const other = { ...eventOf(1, 'b'), id: 'other' };
    expect(texts.of(other).text).toContain('"b"');
    expect(texts.of(event).text).toContain('"a"');
    expect(texts.of(eventOf(9, 'ü')).bytes).toBe(Buffer.byteLength(texts.of(eventOf(9, 'ü')).text));
  });

  it('are shared for ephemeral events too, and not kept if they are very long', () => {
    const texts = new EventTexts(4);
    const { sequence: _, ...ephemeral } = eventOf(1, 'e');
    expect(texts.of(ephemeral)).toBe(texts.of(ephemeral));
    const long = eventOf(2, 'x'.repeat(20_000));
    expect(texts.of(long)).not.toBe(texts.of(long));
  });
});
